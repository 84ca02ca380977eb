//! The solver's unknowns: Fourier coefficients of a vector field within a band, as a Euclidean space.
//!
//! Inner products are those of the fields, averaged over the box (Parseval): coefficients with j_x > 0 stand for two.
//! They do not depend on the grid, so that coefficients move between grids by copying.

use crate::fft::{spectrum_shape, wavenumber};
use crate::real::Real;
use bytemuck::Pod;
use rayon::prelude::*;
use rustfft::num_complex::Complex;

/// Length of the pieces in which sums are taken, so that they are the same for every number of threads.
const PIECE: usize = 1 << 12;

/// Coefficients of the three components of a vector field in a band.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients<T> {
    band: [usize; 3],
    /// Spectra of the x, y and z components as [`crate::fft`] lays them out.
    pub components: [Vec<Complex<T>>; 3],
}

impl<T: Real> Coefficients<T> {
    /// Nothing but zeros.
    pub fn zeros(band: [usize; 3]) -> Self {
        let len = spectrum_shape(band).iter().product();
        Self { band, components: std::array::from_fn(|_| vec![Complex::default(); len]) }
    }

    /// No coefficients at all.
    pub(crate) fn empty() -> Self {
        Self { band: [0; 3], components: std::array::from_fn(|_| Vec::new()) }
    }

    /// Shape of the grid that carries the band.
    pub fn band(&self) -> [usize; 3] {
        self.band
    }

    /// ⟨a, b⟩: the mean over the box of the fields' product.
    pub fn dot(&self, other: &Self) -> f64 {
        assert_eq!(self.band, other.band, "both are of one band");
        let entries = spectrum_shape(self.band)[0];
        // Whole rows in every piece.
        let piece = (PIECE / entries).max(1) * entries;
        let mut total = 0.0;
        for (a, b) in self.components.iter().zip(&other.components) {
            let sums: Vec<f64> = a
                .par_chunks(piece)
                .zip(b.par_chunks(piece))
                .map(|(a, b)| {
                    a.chunks_exact(entries).zip(b.chunks_exact(entries)).map(|(a, b)| row_dot(a, b, self.band[0])).sum()
                })
                .collect();
            total += sums.iter().sum::<f64>();
        }
        total
    }

    /// √⟨a, a⟩.
    pub fn norm(&self) -> f64 {
        self.dot(self).sqrt()
    }

    /// self += factor · other.
    pub fn add_scaled(&mut self, factor: f64, other: &Self) {
        let factor = T::of(factor);
        self.zip_with(other, |a, b| *a = *a + b.scale(factor));
    }

    /// self = other + factor · self.
    pub fn scale_and_add(&mut self, factor: f64, other: &Self) {
        let factor = T::of(factor);
        self.zip_with(other, |a, b| *a = b + a.scale(factor));
    }

    /// self *= factor.
    pub fn scale(&mut self, factor: f64) {
        let factor = T::of(factor);
        for component in &mut self.components {
            component.par_iter_mut().with_min_len(PIECE).for_each(|a| *a = a.scale(factor));
        }
    }

    /// self = 0.
    pub fn clear(&mut self) {
        for component in &mut self.components {
            component.fill(Complex::default());
        }
    }

    /// The same field in another band: wavenumbers it does not carry are dropped, new ones are zero.
    pub fn to_band(&self, band: [usize; 3]) -> Self {
        let mut out = Self::zeros(band);
        if band == self.band {
            return self.clone();
        }
        out.copy_common(self);
        out
    }

    /// Overwrites every wavenumber that both bands carry with `other`'s.
    pub fn copy_common(&mut self, other: &Self) {
        let (from_shape, to_shape) = (spectrum_shape(other.band), spectrum_shape(self.band));
        let [along_x, along_y, along_z] = std::array::from_fn(|a| common_entries(other.band[a], self.band[a], a == 0));
        for (from, to) in other.components.iter().zip(&mut self.components) {
            for &(z, to_z) in &along_z {
                for &(y, to_y) in &along_y {
                    let source = (z * from_shape[1] + y) * from_shape[0];
                    let target = (to_z * to_shape[1] + to_y) * to_shape[0];
                    for &(x, to_x) in &along_x {
                        to[target + to_x] = from[source + x];
                    }
                }
            }
        }
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        self.dot(self).is_finite()
    }

    fn zip_with(&mut self, other: &Self, f: impl Fn(&mut Complex<T>, Complex<T>) + Sync)
    where
        T: Pod,
    {
        assert_eq!(self.band, other.band, "both are of one band");
        for (a, b) in self.components.iter_mut().zip(&other.components) {
            a.par_chunks_mut(PIECE).zip(b.par_chunks(PIECE)).for_each(|(a, b)| {
                for (a, b) in a.iter_mut().zip(b) {
                    f(a, *b);
                }
            });
        }
    }
}

/// Σ Re(āb) of a row, where all but the entries without a mirrored twin count twice.
fn row_dot<T: Real>(a: &[Complex<T>], b: &[Complex<T>], band: usize) -> f64 {
    let product = |a: &Complex<T>, b: &Complex<T>| a.re.wide() * b.re.wide() + a.im.wide() * b.im.wide();
    let all: f64 = a.iter().zip(b).map(|(a, b)| product(a, b)).sum();
    let last = if band.is_multiple_of(2) { product(&a[a.len() - 1], &b[b.len() - 1]) } else { 0.0 };
    2.0 * all - product(&a[0], &b[0]) - last
}

/// Pairs of entries, from and to, of one wavenumber; those at half of an even size, whose sign is unknown, are left out.
fn common_entries(from: usize, to: usize, half: bool) -> Vec<(usize, usize)> {
    let count = if half { from / 2 + 1 } else { from };
    (0..count)
        .filter(|&j| 2 * j != from)
        .filter_map(|j| {
            let wave = wavenumber(j, from);
            (2 * wave.unsigned_abs() < to as u64).then(|| (j, wave.rem_euclid(to as i64) as usize))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fft::Fft3;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(shape: [usize; 3], seed: u64) -> (Vec<f64>, Coefficients<f64>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let field: Vec<f64> = (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect();
        let mut coefficients = Coefficients::zeros(shape);
        Fft3::new(shape).forward(&field, &mut coefficients.components[1]);
        (field, coefficients)
    }

    #[test]
    fn inner_products_are_those_of_the_fields() {
        for shape in [[8, 6, 10], [7, 9, 4], [1, 2, 3]] {
            let ((f, a), (g, b)) = (random(shape, 1), random(shape, 2));
            let mean: f64 = f.iter().zip(&g).map(|(f, g)| f * g).sum::<f64>() / f.len() as f64;
            assert!((a.dot(&b) - mean).abs() < 1e-14, "{shape:?}");
            assert!((a.norm().powi(2) - a.dot(&a)).abs() < 1e-14);
        }
    }

    #[test]
    fn linear_combinations() {
        let ((_, a), (_, b)) = (random([6, 5, 4], 1), random([6, 5, 4], 2));
        let mut c = a.clone();
        c.add_scaled(-2.0, &b);
        let expected = a.dot(&a) - 4.0 * a.dot(&b) + 4.0 * b.dot(&b);
        assert!((c.dot(&c) - expected).abs() < 1e-13);
        c.scale_and_add(0.5, &b);
        c.scale(2.0);
        c.add_scaled(-1.0, &a);
        assert!(c.norm() < 1e-15, "2 (b + (a − 2b)/2) = a");
        c.clear();
        assert!(c == Coefficients::zeros([6, 5, 4]) && c.is_finite());
    }

    #[test]
    fn a_finer_band_and_back_is_the_identity_but_for_waves_without_sign() {
        let (_, a) = random([7, 5, 9], 3);
        assert_eq!(a.to_band([12, 8, 10]).to_band([7, 5, 9]), a);
        let (_, even) = random([6, 6, 6], 4);
        let kept = even.to_band([8, 8, 8]);
        assert!(kept.norm() < even.norm());
        assert!((kept.to_band([6, 6, 6]).norm() - kept.norm()).abs() < 1e-14);
    }
}
