//! The Leray projection: the part of a vector field without divergence, v − ∇Δ⁻¹∇·v.

use crate::fft::Fft3;
use crate::field::VectorField;
use crate::grid::Grid;
use crate::real::Real;
use crate::spectral::wavenumbers::{Wavenumbers, square};
use rustfft::num_complex::Complex;

/// Takes the part along the wave vector from a coefficient: c − k (k·c)/|k|².
pub fn transversal<T: Real>(k: [f64; 3], c: [Complex<T>; 3]) -> [Complex<T>; 3] {
    let along = longitudinal(k, c);
    std::array::from_fn(|a| c[a] - along[a])
}

/// The part of a coefficient along its wave vector, k (k·c)/|k|²; nothing for k = 0.
pub fn longitudinal<T: Real>(k: [f64; 3], c: [Complex<T>; 3]) -> [Complex<T>; 3] {
    let k2 = square(k);
    let inverse_length = if k2 > 0.0 { 1.0 / k2.sqrt() } else { 0.0 };
    let unit = k.map(|k| T::of(k * inverse_length));
    let amplitude = c[0].scale(unit[0]) + c[1].scale(unit[1]) + c[2].scale(unit[2]);
    unit.map(|u| amplitude.scale(u))
}

/// The part of `field` without divergence. Six transforms.
pub fn project<T: Real>(grid: &Grid, fft: &Fft3<T>, field: &VectorField<T>) -> VectorField<T> {
    let waves = Wavenumbers::new(grid, fft.band());
    let mut spectra: [Vec<Complex<T>>; 3] = std::array::from_fn(|a| {
        let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
        fft.forward(&field[a], &mut spectrum);
        spectrum
    });
    waves.map_vectors(&mut spectra, transversal);
    spectra.map(|spectrum| {
        let mut out = vec![T::zero(); grid.len()];
        fft.inverse(&spectrum, &mut out);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::inner;
    use crate::spectral::derivative::{divergence, gradient};
    use crate::spectral::test_fields::{base, largest_difference, sample, uneven};

    fn swirl(grid: &Grid) -> VectorField<f64> {
        let [p, q, r] = base(grid);
        [
            sample(grid, |x| (p * x[0] + 2.0 * q * x[1]).sin() + 0.2),
            sample(grid, |x| (3.0 * r * x[2]).cos() * (q * x[1]).cos()),
            sample(grid, |x| (4.0 * p * x[0] - r * x[2]).cos()),
        ]
    }

    #[test]
    fn projecting_twice_is_projecting_once_and_leaves_no_divergence() {
        let grid = uneven();
        let fft = Fft3::new(grid.shape);
        let once = project(&grid, &fft, &swirl(&grid));
        let twice = project(&grid, &fft, &once);
        assert!((0..3).all(|c| largest_difference(&once[c], &twice[c]) < 1e-14));
        assert!(divergence(&grid, &fft, &once).iter().all(|d| d.abs() < 1e-12));
        assert!(divergence(&grid, &fft, &swirl(&grid)).iter().any(|d| d.abs() > 1.0));
    }

    #[test]
    fn what_is_taken_away_is_a_gradient_and_orthogonal_to_what_stays() {
        let grid = uneven();
        let fft = Fft3::new(grid.shape);
        let [p, q, _] = base(&grid);
        let potential: Vec<f64> = sample(&grid, |x| (p * x[0] + 2.0 * q * x[1]).cos());
        let none = project(&grid, &fft, &gradient(&grid, &fft, &potential));
        assert!(none.iter().flatten().all(|v| v.abs() < 1e-13));
        let field = swirl(&grid);
        let kept = project(&grid, &fft, &field);
        let taken: VectorField<f64> =
            std::array::from_fn(|c| field[c].iter().zip(&kept[c]).map(|(a, b)| a - b).collect());
        assert!(inner(&kept, &taken).abs() < 1e-10 * inner(&field, &field));
    }
}
