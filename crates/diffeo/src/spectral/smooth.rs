//! Gaussian smoothing on the periodic box.

use crate::fft::Fft3;
use crate::grid::Grid;
use crate::real::Real;
use crate::spectral::wavenumbers::Wavenumbers;
use rustfft::num_complex::Complex;

/// `field` convolved with a Gaussian of standard deviations `sigma` in units of length, one per axis. Two transforms.
pub fn gaussian<T: Real>(grid: &Grid, fft: &Fft3<T>, field: &[T], sigma: [f64; 3]) -> Vec<T> {
    let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
    fft.forward(field, &mut spectrum);
    gaussian_spectrum(grid, fft.band(), &mut spectrum, sigma);
    let mut out = vec![T::zero(); field.len()];
    fft.inverse(&spectrum, &mut out);
    out
}

/// The same on Fourier coefficients.
pub fn gaussian_spectrum<T: Real>(grid: &Grid, band: [usize; 3], spectrum: &mut [Complex<T>], sigma: [f64; 3]) {
    Wavenumbers::new(grid, band).map(spectrum, |k, c| {
        let exponent: f64 = (0..3).map(|a| (k[a] * sigma[a]).powi(2)).sum();
        c.scale(T::of((-0.5 * exponent).exp()))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectral::test_fields::{base, largest_difference, sample, uneven};

    #[test]
    fn a_wave_is_damped_by_the_gaussians_transform() {
        let grid = uneven();
        let fft = Fft3::new(grid.shape);
        let [p, _, r] = base(&grid);
        let wave = |x: [f64; 3]| (2.0 * p * x[0] + 3.0 * r * x[2]).sin();
        let field: Vec<f64> = sample(&grid, |x| 1.5 + wave(x));
        let sigma = [0.2, 5.0, 0.1];
        let damping = (-0.5 * ((2.0 * p * 0.2).powi(2) + (3.0 * r * 0.1).powi(2))).exp();
        let expected = sample(&grid, |x| 1.5 + damping * wave(x));
        assert!(largest_difference(&gaussian(&grid, &fft, &field, sigma), &expected) < 1e-13);
    }

    #[test]
    fn variances_add() {
        let grid = uneven();
        let fft = Fft3::new(grid.shape);
        let mut field = vec![0.0; grid.len()];
        field[77] = 1.0;
        let twice = gaussian(&grid, &fft, &gaussian(&grid, &fft, &field, [0.3; 3]), [0.4; 3]);
        assert!(largest_difference(&twice, &gaussian(&grid, &fft, &field, [0.5; 3])) < 1e-14);
    }
}
