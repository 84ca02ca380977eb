//! From ideal line integrals to what a detector sees, and back.
//!
//! The expected number of photons in a pixel is `N = N₀ exp(−I)` (Beer–Lambert, one energy, no scatter); focal spot
//! and detector blur it, photons arrive by a Poisson law, and the detector saturates. [`acquire`] does these steps
//! in order and returns line integrals again, as a flat-field calibrated system does.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};
use rayon::prelude::*;
use regiscope_geometry::View;
use regiscope_image::Image;
use thiserror::Error;

/// What a detector does to ideal line integrals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detector {
    /// Mean number of photons in a pixel without an object.
    pub photons: f64,
    /// Whether photons arrive by a Poisson law.
    pub noise: bool,
    /// Standard deviation (mm on the detector) of the blur by focal spot and detector; 0 is none.
    pub blur_mm: f64,
    /// Number of photons at which a pixel saturates; infinite for none.
    pub saturation: f64,
}

impl Default for Detector {
    fn default() -> Self {
        Self { photons: 1e5, noise: true, blur_mm: 0.0, saturation: f64::INFINITY }
    }
}

/// Why a detector is not accepted.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DetectorError {
    /// A mean number of photons that is not positive, or too large to be counted.
    #[error("{0} photons in a pixel are not accepted: more than 0 and at most 1e15 are needed")]
    Photons(f64),
    /// A blur that is negative or not finite.
    #[error("a blur of {0} mm is not accepted: a finite number of at least 0 is needed")]
    Blur(f64),
    /// A saturation that is not positive.
    #[error("saturation at {0} photons is not accepted: a number above 0 is needed")]
    Saturation(f64),
}

/// What the detector reports for ideal line integrals of a view: blurred, noisy, saturated line integrals.
///
/// The noise of a pixel depends on `seed` and the pixel's position alone, not on the number of threads.
pub fn acquire(ideal: &Image<f32>, view: &View, detector: &Detector, seed: u64) -> Result<Image<f32>, DetectorError> {
    let Detector { photons, noise, blur_mm, saturation } = *detector;
    if !(photons > 0.0 && photons <= 1e15) {
        return Err(DetectorError::Photons(photons));
    }
    if !(blur_mm.is_finite() && blur_mm >= 0.0) {
        return Err(DetectorError::Blur(blur_mm));
    }
    if saturation.is_nan() || saturation <= 0.0 {
        return Err(DetectorError::Saturation(saturation));
    }
    let mut counts = intensity(ideal, photons);
    if blur_mm > 0.0 {
        counts = gaussian_blur(&counts, [blur_mm / view.row_step().norm(), blur_mm / view.col_step().norm()]);
    }
    if noise {
        counts = poisson(&counts, seed);
    }
    Ok(line_integrals(&saturate(&counts, saturation), photons))
}

/// Expected number of photons `N₀ exp(−I)` for line integrals `I`.
pub fn intensity(line_integrals: &Image<f32>, photons: f64) -> Image<f32> {
    line_integrals.map(|&i| (photons * (-f64::from(i)).exp()) as f32)
}

/// Line integrals `−ln(N/N₀)`; a pixel with less than half a photon counts as half a photon.
pub fn line_integrals(counts: &Image<f32>, photons: f64) -> Image<f32> {
    counts.map(|&n| -(f64::from(n).max(0.5) / photons).ln() as f32)
}

/// Counts limited to `saturation`.
pub fn saturate(counts: &Image<f32>, saturation: f64) -> Image<f32> {
    counts.map(|&n| f64::from(n).min(saturation) as f32)
}

/// Draws from the Poisson law with the mean that each pixel holds; 0 where the mean is not positive.
pub fn poisson(means: &Image<f32>, seed: u64) -> Image<f32> {
    let cols = means.cols();
    let mut counts = means.clone();
    counts.data_mut().par_chunks_mut(cols).enumerate().for_each(|(row, line)| {
        for (col, value) in line.iter_mut().enumerate() {
            // One stream for each pixel.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream((row * cols + col) as u64);
            *value = Poisson::new(f64::from(*value)).map_or(0.0, |law| law.sample(&mut random) as f32);
        }
    });
    counts
}

/// Gaussian blur with standard deviations along rows' direction of counting and columns' (`[rows, cols]`, pixels),
/// cut off at 4 standard deviations. At the border the kernel is normalised over the pixels that exist, so a
/// constant image stays as it is.
pub fn gaussian_blur(image: &Image<f32>, sigma: [f64; 2]) -> Image<f32> {
    let (rows, cols) = (image.rows(), image.cols());
    let across = blur_lines(image.data(), rows, cols, sigma[1]);
    let down = blur_lines(&transposed(&across, rows, cols), cols, rows, sigma[0]);
    Image::new(rows, cols, transposed(&down, cols, rows))
}

fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols).map(|n| data[n % rows * cols + n / rows]).collect()
}

fn blur_lines(data: &[f32], rows: usize, cols: usize, sigma: f64) -> Vec<f32> {
    if sigma <= 0.0 {
        return data.to_vec();
    }
    // Beyond the line's length the kernel has nothing to act on.
    let reach = (4.0 * sigma).ceil().min(cols as f64) as usize;
    let kernel: Vec<f64> = (0..=reach).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp()).collect();
    let mut blurred = vec![0.0f32; rows * cols];
    blurred.par_chunks_mut(cols).zip(data.par_chunks(cols)).for_each(|(to, from)| {
        for (col, value) in to.iter_mut().enumerate() {
            let (mut sum, mut weight) = (0.0, 0.0);
            for n in col.saturating_sub(reach)..=(col + reach).min(cols - 1) {
                let k = kernel[n.abs_diff(col)];
                sum += k * f64::from(from[n]);
                weight += k;
            }
            *value = (sum / weight) as f32;
        }
    });
    blurred
}

/// The part of a detector that a collimator leaves open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aperture {
    /// All but margins (mm on the detector): left (first columns), right, top (first rows), bottom.
    Margins([f64; 4]),
    /// A disc about the middle of the detector, radius in mm.
    Disc(f64),
}

/// The pixels whose centre is in the open part.
pub fn aperture_mask(view: &View, aperture: Aperture) -> Image<bool> {
    let (pitch_col, pitch_row) = (view.col_step().norm(), view.row_step().norm());
    let (width, height) = (view.cols() as f64 * pitch_col, view.rows() as f64 * pitch_row);
    let open = |row: usize, col: usize| match aperture {
        Aperture::Margins([left, right, top, bottom]) => {
            let (x, y) = ((col as f64 + 0.5) * pitch_col, (row as f64 + 0.5) * pitch_row);
            x >= left && x <= width - right && y >= top && y <= height - bottom
        }
        Aperture::Disc(radius) => (view.pixel(row as f64, col as f64) - view.centre()).norm() <= radius,
    };
    let cols = view.cols();
    Image::new(view.rows(), cols, (0..view.pixels()).map(|p| open(p / cols, p % cols)).collect())
}

/// The image with closed pixels set to `value`.
///
/// # Panics
/// If image and mask differ in shape.
pub fn collimate(image: &Image<f32>, mask: &Image<bool>, value: f32) -> Image<f32> {
    assert_eq!((image.rows(), image.cols()), (mask.rows(), mask.cols()), "image and mask have one shape");
    let data = image.data().iter().zip(mask.data()).map(|(&v, &open)| if open { v } else { value }).collect();
    Image::new(image.rows(), image.cols(), data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::{Point, Source, Vector};

    fn view(rows: usize, cols: usize) -> View {
        let source = Source::Point(Point::new(0.0, -500.0, 0.0));
        View::new(source, Point::origin(), Vector::x() * 2.0, Vector::z() * -1.0, rows, cols).unwrap()
    }

    #[test]
    fn logarithm_inverts_attenuation() {
        let ideal = Image::new(2, 3, vec![0.0, 0.5, 1.0, 2.0, 4.0, 8.0]);
        let detector = Detector { photons: 1e6, noise: false, ..Default::default() };
        let seen = acquire(&ideal, &view(2, 3), &detector, 0).unwrap();
        for (a, b) in ideal.data().iter().zip(seen.data()) {
            assert!((a - b).abs() < 1e-5);
        }
        let saturated = acquire(&ideal, &view(2, 3), &Detector { saturation: 1e5, ..detector }, 0).unwrap();
        assert!((saturated.data()[0] - 10f32.ln()).abs() < 1e-5 && (saturated.data()[4] - 4.0).abs() < 1e-5);
    }

    #[test]
    fn noise_has_the_mean_and_variance_of_its_law_and_is_reproducible() {
        for mean in [0.7f32, 5.0, 400.0] {
            let counts = poisson(&Image::new(100, 200, vec![mean; 20_000]), 3);
            let n = 20_000.0;
            let average = counts.data().iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let variance = counts.data().iter().map(|&v| (f64::from(v) - average).powi(2)).sum::<f64>() / n;
            let mean = f64::from(mean);
            assert!((average - mean).abs() < 5.0 * (mean / n).sqrt(), "{mean}: {average}");
            assert!((variance / mean - 1.0).abs() < 0.07, "{mean}: {variance}");
        }
        let image = Image::new(8, 9, vec![50.0; 72]);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| poisson(&image, 1)), poisson(&image, 1));
        assert_ne!(poisson(&image, 1), poisson(&image, 2));
        assert!(poisson(&image, 1).data().iter().any(|&v| v != poisson(&image, 1).data()[0]));
    }

    #[test]
    fn blur_is_a_normalised_gaussian() {
        let mut data = vec![0.0f32; 41 * 51];
        data[20 * 51 + 25] = 1.0;
        let blurred = gaussian_blur(&Image::new(41, 51, data), [2.0, 3.0]);
        let peak = f64::from(blurred.data()[20 * 51 + 25]);
        assert!((peak - 1.0 / (2.0 * std::f64::consts::PI * 6.0)).abs() < 1e-4);
        assert!((f64::from(blurred.data()[20 * 51 + 28]) / peak - (-0.5f64).exp()).abs() < 1e-5);
        assert!((f64::from(blurred.data()[22 * 51 + 25]) / peak - (-0.5f64).exp()).abs() < 1e-5);
        assert!((blurred.data().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let constant = gaussian_blur(&Image::new(5, 4, vec![3.0; 20]), [1e9, 0.3]);
        assert!(constant.data().iter().all(|v| (v - 3.0).abs() < 1e-6));
    }

    #[test]
    fn apertures_open_what_they_say() {
        let mask = aperture_mask(&view(10, 10), Aperture::Margins([2.0, 4.0, 1.0, 3.0]));
        assert_eq!(mask.data().iter().filter(|&&o| o).count(), 7 * 6);
        assert!(!mask.data()[10] && mask.data()[11] && !mask.data()[18] && mask.data()[17]);
        let disc = aperture_mask(&view(11, 11), Aperture::Disc(2.1));
        assert_eq!(disc.data().iter().filter(|&&o| o).count(), 5 + 2);
        let closed = collimate(&Image::new(11, 11, vec![1.0; 121]), &disc, -1.0);
        assert_eq!(closed.data().iter().sum::<f32>(), 7.0 - 114.0);
    }

    #[test]
    fn broken_detectors_are_refused() {
        let ideal = Image::new(1, 1, vec![0.0]);
        let refused = |d: Detector| acquire(&ideal, &view(1, 1), &d, 0).err();
        let base = Detector::default();
        assert_eq!(refused(Detector { photons: 0.0, ..base }), Some(DetectorError::Photons(0.0)));
        assert_eq!(refused(Detector { blur_mm: -1.0, ..base }), Some(DetectorError::Blur(-1.0)));
        assert_eq!(refused(Detector { saturation: -1.0, ..base }), Some(DetectorError::Saturation(-1.0)));
    }
}
