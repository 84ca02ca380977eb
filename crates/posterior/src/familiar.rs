//! Whether an X-ray looks like those that the network was trained on.
//!
//! The network's features of the validation X-rays have a mean and a covariance; an image is as strange as its Mahalanobis
//! distance from them (Lee et al. 2018). The distance is told as the part of validation X-rays that were farther away: half
//! of them fit mean and covariance, the other half are the yardstick.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// The features that are familiar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Familiar {
    mean: Vec<f64>,
    /// Inverse of the covariance's Cholesky factor, row-major.
    whitening: Vec<f64>,
    /// Squared distances of X-rays that were kept apart, ascending.
    distances: Vec<f64>,
}

/// Part of the covariance's mean variance that is added to its diagonal: with fewer X-rays than features it would be
/// singular.
const SHRINKAGE: f64 = 0.05;

impl Familiar {
    /// From features in rows of `width`.
    pub fn of(features: &[f64], width: usize) -> Self {
        let rows: Vec<&[f64]> = features.chunks_exact(width).collect();
        let (fitted, apart) = rows.split_at(rows.len() / 2);
        let n = fitted.len().max(1) as f64;
        let mut mean = DVector::zeros(width);
        fitted.iter().for_each(|row| mean += DVector::from_column_slice(row) / n);
        let mut covariance = DMatrix::zeros(width, width);
        for row in fitted {
            let off = DVector::from_column_slice(row) - &mean;
            covariance.ger(1.0 / n, &off, &off, 1.0);
        }
        let variance = (covariance.trace() / width as f64).max(f64::MIN_POSITIVE);
        let shrunk = covariance * (1.0 - SHRINKAGE) + DMatrix::identity(width, width) * (SHRINKAGE * variance);
        let factor = shrunk.cholesky().expect("a covariance with a positive diagonal added").l();
        let whitening = factor.solve_lower_triangular(&DMatrix::identity(width, width)).expect("a positive diagonal");
        let whitening = whitening.transpose().as_slice().to_vec();
        let mut made = Self { mean: mean.as_slice().to_vec(), whitening, distances: Vec::new() };
        made.distances = apart.iter().map(|row| made.squared_distance(row)).collect();
        made.distances.sort_by(f64::total_cmp);
        made
    }

    /// Whether this is about features of `width` numbers.
    pub fn fits(&self, width: usize) -> bool {
        self.mean.len() == width && self.whitening.len() == width * width
    }

    fn squared_distance(&self, features: &[f64]) -> f64 {
        let width = self.mean.len();
        let off: Vec<f64> = features.iter().zip(&self.mean).map(|(f, m)| f - m).collect();
        let one = |row: &[f64]| row.iter().zip(&off).map(|(a, b)| a * b).sum::<f64>().powi(2);
        self.whitening.chunks_exact(width).map(one).sum()
    }

    /// Part of familiar X-rays that look stranger than this one, 0 to 1: below 0.01 is a reason for doubt. Never exactly 0;
    /// the smallest value is 1 / (X-rays kept apart + 1).
    pub fn part_stranger(&self, features: &[f64]) -> f64 {
        let distance = self.squared_distance(features);
        let farther = self.distances.len() - self.distances.partition_point(|d| *d < distance);
        (farther as f64 + 1.0) / (self.distances.len() as f64 + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    #[test]
    fn shares_are_uniform_for_familiar_features_and_small_for_strange_ones() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut draw = |count: usize| -> Vec<f64> {
            let row = |rng: &mut ChaCha8Rng| {
                let (a, b): (f64, f64) = (rng.sample(StandardNormal), rng.sample(StandardNormal));
                [3.0 + a, 2.0 * a + 0.1 * b, -b]
            };
            (0..count).flat_map(|_| row(&mut rng)).collect()
        };
        let familiar = Familiar::of(&draw(1000), 3);
        let fresh = draw(400);
        let parts: Vec<f64> = fresh.chunks_exact(3).map(|row| familiar.part_stranger(row)).collect();
        let below = parts.iter().filter(|p| **p < 0.1).count() as f64 / 400.0;
        assert!((below - 0.1).abs() < 0.06, "{below}");
        // Ordinary along each axis, but against the correlation.
        assert!(familiar.part_stranger(&[4.5, -3.0, 0.0]) < 0.01);
    }
}
