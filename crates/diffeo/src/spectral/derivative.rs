//! Spectral derivatives: exact on the trigonometric polynomials that the grid carries.

use crate::fft::Fft3;
use crate::field::VectorField;
use crate::grid::Grid;
use crate::real::Real;
use crate::spectral::wavenumbers::{Wavenumbers, square};
use rustfft::num_complex::Complex;

/// ∇f, per unit of length. Four transforms.
pub fn gradient<T: Real>(grid: &Grid, fft: &Fft3<T>, field: &[T]) -> VectorField<T> {
    let waves = Wavenumbers::new(grid, fft.band());
    let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
    fft.forward(field, &mut spectrum);
    let mut component = spectrum.clone();
    std::array::from_fn(|a| {
        component.copy_from_slice(&spectrum);
        waves.map(&mut component, |k, c| times_i(c).scale(T::of(k[a])));
        let mut out = vec![T::zero(); field.len()];
        fft.inverse(&component, &mut out);
        out
    })
}

/// ∇·v, per unit of length. Four transforms.
pub fn divergence<T: Real>(grid: &Grid, fft: &Fft3<T>, field: &VectorField<T>) -> Vec<T> {
    let waves = Wavenumbers::new(grid, fft.band());
    let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
    let mut sum = spectrum.clone();
    for (a, component) in field.iter().enumerate() {
        fft.forward(component, &mut spectrum);
        waves.map(&mut spectrum, |k, c| times_i(c).scale(T::of(k[a])));
        sum.iter_mut().zip(&spectrum).for_each(|(s, c)| *s = *s + *c);
    }
    let mut out = vec![T::zero(); grid.len()];
    fft.inverse(&sum, &mut out);
    out
}

/// (−Δ)^power f; a negative power gives the field without mean that the positive power takes back. Two transforms.
pub fn laplacian_power<T: Real>(grid: &Grid, fft: &Fft3<T>, field: &[T], power: i32) -> Vec<T> {
    let waves = Wavenumbers::new(grid, fft.band());
    let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
    fft.forward(field, &mut spectrum);
    waves.map(&mut spectrum, |k, c| match square(k) {
        0.0 if power != 0 => Complex::default(),
        k2 => c.scale(T::of(k2.powi(power))),
    });
    let mut out = vec![T::zero(); field.len()];
    fft.inverse(&spectrum, &mut out);
    out
}

fn times_i<T: Real>(c: Complex<T>) -> Complex<T> {
    Complex::new(-c.im, c.re)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectral::test_fields::{base, largest_difference, sample, uneven};

    #[test]
    fn derivatives_are_exact_on_trigonometric_polynomials() {
        let grid = uneven();
        let [p, q, r] = base(&grid);
        let (kx, ky, kz) = (5.0 * p, 7.0 * q, 4.0 * r);
        let phase = |x: [f64; 3]| kx * x[0] - ky * x[1] + kz * x[2] + 0.3;
        let field: Vec<f64> = sample(&grid, |x| phase(x).sin() + 2.0);
        let fft = Fft3::new(grid.shape);
        let slopes = gradient(&grid, &fft, &field);
        for (slope, k) in slopes.iter().zip([kx, -ky, kz]) {
            assert!(largest_difference(slope, &sample(&grid, |x| k * phase(x).cos())) < 1e-12 * ky);
        }
        let k2 = kx * kx + ky * ky + kz * kz;
        let wave: Vec<f64> = sample(&grid, |x| phase(x).sin());
        for power in [-3, -1, 1, 2, 3] {
            let expected: Vec<f64> = wave.iter().map(|w| k2.powi(power) * w).collect();
            let found = laplacian_power(&grid, &fft, &field, power);
            assert!(largest_difference(&found, &expected) < 1e-12 * k2.powi(power).max(10.0), "power {power}");
        }
    }

    #[test]
    fn divergence_of_the_gradient_is_the_laplacian() {
        let grid = uneven();
        let [p, q, r] = base(&grid);
        let field: Vec<f64> = sample(&grid, |x| (2.0 * p * x[0]).cos() * (q * x[1]).sin() + (3.0 * r * x[2]).cos());
        let fft = Fft3::new(grid.shape);
        let twice = divergence(&grid, &fft, &gradient(&grid, &fft, &field));
        let minus: Vec<f64> = laplacian_power(&grid, &fft, &field, 1).iter().map(|l| -l).collect();
        assert!(largest_difference(&twice, &minus) < 1e-11);
    }
}
