//! Restriction to a coarser grid of the same box and prolongation to a finer one, by Fourier coefficients.

use crate::fft::{Fft3, smooth_size};
use crate::grid::Grid;
use crate::real::Real;
use crate::spectral::smooth::gaussian_spectrum;
use rustfft::num_complex::Complex;

/// The grid of `shape` samples on the box of `grid`, with the same unit of length.
pub fn grid_of_shape(grid: &Grid, shape: [usize; 3]) -> Grid {
    let spacing_mm = std::array::from_fn(|a| grid.spacing_mm[a] * grid.shape[a] as f64 / shape[a] as f64);
    Grid { shape, spacing_mm, unit_mm: grid.unit_mm }
}

/// A shape `factor` times coarser, with sizes that transform fast and at least 8 samples (or all) on an axis.
pub fn coarser_shape(shape: [usize; 3], factor: f64) -> [usize; 3] {
    shape.map(|n| {
        let wanted = smooth_size((n as f64 / factor).round().max(8.0) as usize);
        wanted.min(n)
    })
}

/// `field` on `to`, a grid of the same box: wavenumbers that `to` cannot carry are dropped, new ones are zero.
/// Two transforms.
pub fn resample<T: Real>(from: &Grid, to: &Grid, field: &[T]) -> Vec<T> {
    smooth_and_resample(from, to, field, [0.0; 3])
}

/// The same after smoothing with a Gaussian of standard deviations `sigma` in units of length.
pub fn smooth_and_resample<T: Real>(from: &Grid, to: &Grid, field: &[T], sigma: [f64; 3]) -> Vec<T> {
    let band = std::array::from_fn(|a| from.shape[a].min(to.shape[a]));
    let (down, up) = (Fft3::banded(from.shape, band), Fft3::banded(to.shape, band));
    let mut spectrum = vec![Complex::default(); down.spectrum_len()];
    down.forward(field, &mut spectrum);
    if sigma.iter().any(|&s| s > 0.0) {
        gaussian_spectrum(from, band, &mut spectrum, sigma);
    }
    let mut out = vec![T::zero(); to.len()];
    up.inverse(&spectrum, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectral::test_fields::{base, largest_difference, sample, uneven};

    #[test]
    fn low_waves_survive_and_high_ones_are_dropped() {
        let fine = uneven();
        let coarse = grid_of_shape(&fine, [7, 8, 6]);
        let [p, q, r] = base(&fine);
        let low = |x: [f64; 3]| 1.0 + (3.0 * p * x[0]).sin() * (3.0 * q * x[1]).cos() + (2.0 * r * x[2] + 0.4).sin();
        let high = |x: [f64; 3]| (5.0 * p * x[0]).cos() + (6.0 * q * x[1]).sin();
        let restricted = resample(&fine, &coarse, &sample::<f64>(&fine, |x| low(x) + high(x)));
        assert!(largest_difference(&restricted, &sample(&coarse, low)) < 1e-13);
        let prolonged = resample(&coarse, &fine, &restricted);
        assert!(largest_difference(&prolonged, &sample(&fine, low)) < 1e-13);
    }

    #[test]
    fn restriction_is_the_adjoint_of_prolongation() {
        let fine = uneven();
        let coarse = grid_of_shape(&fine, [6, 15, 4]);
        let a: Vec<f64> = (0..fine.len()).map(|i| ((i * i) as f64 * 0.37).sin()).collect();
        let b: Vec<f64> = (0..coarse.len()).map(|i| ((i * i) as f64 * 0.53).cos()).collect();
        let mean = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(u, v)| u * v).sum::<f64>() / u.len() as f64;
        let left = mean(&resample(&fine, &coarse, &a), &b);
        let right = mean(&a, &resample(&coarse, &fine, &b));
        assert!((left - right).abs() < 1e-14);
    }

    #[test]
    fn coarser_shapes_are_smooth() {
        assert_eq!(coarser_shape([256, 300, 256], 2.0), [128, 150, 128]);
        assert_eq!(coarser_shape([128, 150, 1], 4.0), [32, 40, 1]);
    }
}
