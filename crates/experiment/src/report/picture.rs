//! Images for the report: grey values, contours over them, maps in colour; all as PNG.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regiscope_image::Image;
use regiscope_image::picture::encode_png_rgb;

/// An 8-bit RGB picture, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// Red, green, blue of each pixel.
    pub rgb: Vec<[u8; 3]>,
}

impl Picture {
    /// The picture as a PNG file.
    pub fn png(&self) -> Vec<u8> {
        let image = Image::new(self.rows, self.cols, self.rgb.clone());
        encode_png_rgb(&image).expect("a picture has pixels, fewer than PNG can count")
    }

    /// The picture as a `data:` address.
    pub fn data_url(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(self.png()))
    }
}

/// The grey window of an image: the values at 0.5 % and 99.5 % of its finite pixels.
pub fn window(image: &Image<f32>) -> [f32; 2] {
    let mut values: Vec<f32> = image.data().iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f32::total_cmp);
    if values.is_empty() {
        return [0.0, 1.0];
    }
    let at = |part: f64| values[(part * (values.len() - 1) as f64).round() as usize];
    let (low, high) = (at(0.005), at(0.995));
    if high > low { [low, high] } else { [low, low + 1.0] }
}

/// A picture of the grey values, `zoom` picture pixels for each pixel.
pub fn grey(image: &Image<f32>, [low, high]: [f32; 2], zoom: usize) -> Picture {
    let value = |v: f32| {
        let v = ((v - low) / (high - low)).clamp(0.0, 1.0);
        [if v.is_finite() { (255.0 * v).round() as u8 } else { 0 }; 3]
    };
    let (rows, cols) = (image.rows() * zoom, image.cols() * zoom);
    let rgb = (0..rows * cols).map(|p| value(image.data()[p / cols / zoom * image.cols() + p % cols / zoom])).collect();
    Picture { rows, cols, rgb }
}

/// Draws the contours of `of` in `colour` over a picture made by [`grey`] with the same `zoom` from an image of the
/// same size.
pub fn draw_contours(picture: &mut Picture, of: &Image<f32>, zoom: usize, colour: [u8; 3]) {
    let fine = enlarge(of, zoom);
    for (pixel, on) in picture.rgb.iter_mut().zip(contours(&fine, 1.2 * zoom as f64)) {
        if on {
            *pixel = colour;
        }
    }
}

/// Bilinear enlargement by a whole factor.
fn enlarge(image: &Image<f32>, zoom: usize) -> Image<f32> {
    let (rows, cols) = (image.rows(), image.cols());
    let place = |n: usize, len: usize| {
        let x = ((n as f32 + 0.5) / zoom as f32 - 0.5).clamp(0.0, (len - 1) as f32);
        let low = (x as usize).min(len.saturating_sub(2));
        (low, (low + 1).min(len - 1), x - low as f32)
    };
    let mut data = Vec::with_capacity(rows * cols * zoom * zoom);
    for r in 0..rows * zoom {
        let (r0, r1, fr) = place(r, rows);
        for c in 0..cols * zoom {
            let (c0, c1, fc) = place(c, cols);
            let at = |r: usize, c: usize| {
                let v = image.data()[r * cols + c];
                if v.is_finite() { v } else { 0.0 }
            };
            let above = at(r0, c0) * (1.0 - fc) + at(r0, c1) * fc;
            let below = at(r1, c0) * (1.0 - fc) + at(r1, c1) * fc;
            data.push(above * (1.0 - fr) + below * fr);
        }
    }
    Image::new(rows * zoom, cols * zoom, data)
}

/// Edges: smoothing, gradient, thinning along the gradient, hysteresis (J. Canny, "A computational approach to
/// edge detection", IEEE PAMI 8(6), 1986). The thresholds are quantiles of the gradient's magnitude.
fn contours(image: &Image<f32>, sigma: f64) -> Vec<bool> {
    let (rows, cols) = (image.rows(), image.cols());
    let smooth = smoothed(image, sigma);
    let at =
        |r: i64, c: i64| smooth[(r.clamp(0, rows as i64 - 1) as usize) * cols + c.clamp(0, cols as i64 - 1) as usize];
    let gradient: Vec<(f32, f32)> = (0..rows * cols)
        .map(|p| {
            let (r, c) = ((p / cols) as i64, (p % cols) as i64);
            (at(r, c + 1) - at(r, c - 1), at(r + 1, c) - at(r - 1, c))
        })
        .collect();
    let magnitude: Vec<f32> = gradient.iter().map(|(x, y)| x.hypot(*y)).collect();
    let steepest = magnitude.iter().copied().fold(0.0f32, f32::max);
    let mut sorted: Vec<f32> = magnitude.iter().copied().filter(|m| *m > 1e-3 * steepest).collect();
    if sorted.is_empty() {
        return vec![false; rows * cols];
    }
    sorted.sort_by(f32::total_cmp);
    let quantile = |part: f64| sorted[(part * (sorted.len() - 1) as f64) as usize];
    let (weak, strong) = (quantile(0.80), quantile(0.93));
    let size = |r: i64, c: i64| {
        magnitude[(r.clamp(0, rows as i64 - 1) as usize) * cols + c.clamp(0, cols as i64 - 1) as usize]
    };
    let ridge = |p: usize| {
        let (r, c) = ((p / cols) as i64, (p % cols) as i64);
        let (x, y) = gradient[p];
        let (dr, dc) = match (x.abs(), y.abs()) {
            (x, y) if x > 2.414 * y => (0, 1),
            (x, y) if y > 2.414 * x => (1, 0),
            _ => (if x * y > 0.0 { 1 } else { -1 }, 1),
        };
        magnitude[p] >= weak && magnitude[p] >= size(r + dr, c + dc) && magnitude[p] > size(r - dr, c - dc)
    };
    let thin: Vec<bool> = (0..rows * cols).map(ridge).collect();
    let mut kept = vec![false; rows * cols];
    let mut open: Vec<usize> = (0..rows * cols).filter(|&p| thin[p] && magnitude[p] >= strong).collect();
    while let Some(p) = open.pop() {
        if std::mem::replace(&mut kept[p], true) {
            continue;
        }
        let (r, c) = (p / cols, p % cols);
        for nr in r.saturating_sub(1)..=(r + 1).min(rows - 1) {
            for nc in c.saturating_sub(1)..=(c + 1).min(cols - 1) {
                let n = nr * cols + nc;
                if thin[n] && !kept[n] {
                    open.push(n);
                }
            }
        }
    }
    kept
}

/// Gaussian smoothing, edges repeated.
fn smoothed(image: &Image<f32>, sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as i64;
    let taps: Vec<f32> = (-reach..=reach).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp() as f32).collect();
    let total: f32 = taps.iter().sum();
    let (rows, cols) = (image.rows() as i64, image.cols() as i64);
    let pass = |from: &[f32], dr: i64, dc: i64| -> Vec<f32> {
        let value = |p: i64| {
            let (r, c) = (p / cols, p % cols);
            let tap = |(n, t): (usize, &f32)| {
                let n = n as i64 - reach;
                t * from[((r + n * dr).clamp(0, rows - 1) * cols + (c + n * dc).clamp(0, cols - 1)) as usize]
            };
            taps.iter().enumerate().map(tap).sum::<f32>() / total
        };
        (0..rows * cols).map(value).collect()
    };
    pass(&pass(image.data(), 0, 1), 1, 0)
}

/// A map of values, first row at the bottom, as colours from low to high; not finite values are grey.
pub fn heat(rows: usize, cols: usize, values: &[f64]) -> Picture {
    let finite = || values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    let colour = |v: f64| if v.is_finite() { viridis((v - low) / span) } else { [128; 3] };
    let rgb = (0..rows * cols).map(|p| colour(values[(rows - 1 - p / cols) * cols + p % cols])).collect();
    Picture { rows, cols, rgb }
}

/// The colour map "viridis" (S. van der Walt and N. Smith, matplotlib, CC0), linear between nine of its entries:
/// even in lightness and safe for colour-blind eyes.
pub fn viridis(part: f64) -> [u8; 3] {
    const ENTRIES: [[f64; 3]; 9] = [
        [68.0, 1.0, 84.0],
        [71.0, 44.0, 122.0],
        [59.0, 81.0, 139.0],
        [44.0, 113.0, 142.0],
        [33.0, 144.0, 141.0],
        [39.0, 173.0, 129.0],
        [92.0, 200.0, 99.0],
        [170.0, 220.0, 50.0],
        [253.0, 231.0, 37.0],
    ];
    let x = part.clamp(0.0, 1.0) * 8.0;
    let n = (x as usize).min(7);
    std::array::from_fn(|c| (ENTRIES[n][c] + (ENTRIES[n + 1][c] - ENTRIES[n][c]) * (x - n as f64)).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc() -> Image<f32> {
        let inside = |p: usize| ((p / 60) as f32 - 30.0).hypot((p % 60) as f32 - 30.0) < 15.0;
        Image::new(60, 60, (0..3600).map(|p| if inside(p) { 1.0 } else { 0.0 }).collect())
    }

    #[test]
    fn contours_follow_the_edge_and_nothing_else() {
        let edges = contours(&disc(), 1.2);
        let radii: Vec<f32> =
            (0..3600).filter(|&p| edges[p]).map(|p| ((p / 60) as f32 - 30.0).hypot((p % 60) as f32 - 30.0)).collect();
        assert!(radii.len() > 60, "{} edge pixels", radii.len());
        assert!(radii.iter().all(|r| (r - 15.0).abs() < 2.0), "{radii:?}");
        assert!(contours(&Image::new(8, 8, vec![2.0; 64]), 1.0).iter().all(|e| !e));
    }

    #[test]
    fn pictures_are_png_files_of_their_size() {
        let image = disc();
        let picture = grey(&image, window(&image), 2);
        let bytes = picture.png();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut back = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut back).unwrap();
        assert_eq!((info.width, info.height), (120, 120));
        assert_eq!(back, picture.rgb.as_flattened());
        assert_eq!(picture.rgb[60 * 120 + 60], [255; 3]);
    }

    #[test]
    fn broken_pixels_do_not_break_pictures() {
        let image = Image::new(2, 2, vec![f32::NAN, f32::INFINITY, 1.0, f32::NEG_INFINITY]);
        let mut picture = grey(&image, window(&image), 3);
        draw_contours(&mut picture, &image, 3, [1, 2, 3]);
        assert_eq!(heat(1, 3, &[f64::NAN, 0.0, 1.0]).rgb, [[128; 3], viridis(0.0), viridis(1.0)]);
    }
}
