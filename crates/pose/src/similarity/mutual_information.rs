//! Mutual information with Parzen windows, after D. Mattes et al., "PET-CT image registration in the chest using
//! free-form deformations", IEEE TMI 22(1), 2003: box windows on the fixed, cubic B-splines on the moving image.
//!
//! The moving image is standardised first, `z = (I − Ī)/s`, and binned on a fixed range of `z`; so the histogram
//! needs no range known in advance, and the value does not feel brightness and contrast. With the joint
//! histogram `p(f, b) = (1/n) Σ β³(b − t(z))`, `S = Σ p log(p / (p_F p_M))` and, because the fixed marginal does
//! not change and the windows sum to one, `∂S/∂z = (1/n) Σ_b log(p / p_M) ∂β³/∂z`. The derivative goes back through
//! the standardisation as in the whole-image correlation.
//!
//! No residual stands behind `S`. Its curvature is approximated by that of the Gaussian conditional model
//! `−H(M | F)`: `(1/n) Σ (J_z − J̄_z(f)) (…)ᵀ / σ²(z | f)`, which is exact for jointly Gaussian intensities and
//! positive semidefinite always.

use super::ncc::{Standardised, standardise};
use super::{Compare, Outer, Quadratic, contract};
use regiscope_geometry::Twist;

/// Standardised intensities beyond this many standard deviations fall in the outermost bins.
const RANGE: f64 = 4.0;

/// Prepared fixed image.
pub struct MutualInformation {
    pixels: Vec<u32>,
    /// Bin of each pixel.
    fixed: Vec<u32>,
    /// Probability of each fixed bin.
    marginal: Vec<f64>,
    bins: usize,
}

/// Cubic B-spline windows of one intensity: first bin, four values and four derivatives by `z`.
struct Window {
    first: usize,
    values: [f64; 4],
    slopes: [f64; 4],
}

impl MutualInformation {
    /// One value for each pixel, not all equal; `bins` at least 5.
    pub fn new(pixels: Vec<u32>, fixed: Vec<f64>, bins: usize) -> Self {
        let (low, high) = fixed.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let bin = |v: f64| (((v - low) / (high - low) * bins as f64) as usize).min(bins - 1) as u32;
        let fixed: Vec<u32> = fixed.into_iter().map(bin).collect();
        let mut marginal = vec![0.0; bins];
        fixed.iter().for_each(|&f| marginal[f as usize] += 1.0 / fixed.len() as f64);
        Self { pixels, fixed, marginal, bins }
    }

    /// Bins per unit of `z`; one bin on either side is left to the windows' width.
    fn density(&self) -> f64 {
        (self.bins as f64 - 3.0) / (2.0 * RANGE)
    }

    fn window(&self, z: f64) -> Window {
        let density = self.density();
        let inside = z.clamp(-RANGE, RANGE);
        // t runs over [1, bins − 2]; the four windows begin one bin below its integer part.
        let t = 1.0 + (inside + RANGE) * density;
        let cell = (t.floor() as usize).clamp(1, self.bins - 3);
        let u = t - cell as f64;
        let v = 1.0 - u;
        let values = [
            v * v * v / 6.0,
            (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0,
            (3.0 * v * v * v - 6.0 * v * v + 4.0) / 6.0,
            u * u * u / 6.0,
        ];
        let slope = if z == inside { density } else { 0.0 };
        let slopes = [-0.5 * v * v, 1.5 * u * u - 2.0 * u, 2.0 * v - 1.5 * v * v, 0.5 * u * u].map(|s| s * slope);
        Window { first: cell - 1, values, slopes }
    }

    /// Joint histogram, fixed bin slowest.
    fn joint(&self, moving: &Standardised) -> Vec<f64> {
        let mut joint = vec![0.0; self.bins * self.bins];
        let share = 1.0 / self.fixed.len() as f64;
        for (&z, &f) in moving.values.iter().zip(&self.fixed) {
            let window = self.window(z);
            let row = &mut joint[f as usize * self.bins + window.first..];
            row.iter_mut().zip(window.values).for_each(|(p, v)| *p += share * v);
        }
        joint
    }

    fn moving_marginal(&self, joint: &[f64]) -> Vec<f64> {
        (0..self.bins).map(|b| (0..self.bins).map(|f| joint[f * self.bins + b]).sum()).collect()
    }

    fn value_of(&self, joint: &[f64], moving_marginal: &[f64]) -> f64 {
        let term = |(n, &p): (usize, &f64)| {
            let independent = self.marginal[n / self.bins] * moving_marginal[n % self.bins];
            if p > 0.0 { p * (p / independent).ln() } else { 0.0 }
        };
        joint.iter().enumerate().map(term).sum()
    }

    fn weights_of(&self, moving: &Standardised) -> (f64, Vec<f64>) {
        let joint = self.joint(moving);
        let moving_marginal = self.moving_marginal(&joint);
        let share = 1.0 / self.fixed.len() as f64;
        let by_z = moving.values.iter().zip(&self.fixed).map(|(&z, &f)| {
            let window = self.window(z);
            let term = |n: usize| {
                let bin = window.first + n;
                let p = joint[f as usize * self.bins + bin];
                if p > 0.0 { (p / moving_marginal[bin]).ln() * window.slopes[n] } else { 0.0 }
            };
            share * (0..4).map(term).sum::<f64>()
        });
        (self.value_of(&joint, &moving_marginal), through_standardisation(moving, by_z.collect()))
    }
}

/// From `∂S/∂z` to `∂S/∂I`: `(w − w̄ − z · mean(w z)) / s`.
fn through_standardisation(moving: &Standardised, by_z: Vec<f64>) -> Vec<f64> {
    let n = by_z.len() as f64;
    let mean = by_z.iter().sum::<f64>() / n;
    let along = by_z.iter().zip(&moving.values).map(|(w, z)| w * z).sum::<f64>() / n;
    by_z.iter().zip(&moving.values).map(|(w, z)| (w - mean - z * along) / moving.scale).collect()
}

fn of(moving: &[f32]) -> Standardised {
    standardise(moving.iter().map(|&v| f64::from(v)))
}

impl Compare for MutualInformation {
    fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    fn value(&self, moving: &[f32]) -> f64 {
        let joint = self.joint(&of(moving));
        self.value_of(&joint, &self.moving_marginal(&joint))
    }

    fn weights(&self, moving: &[f32]) -> (f64, Vec<f64>) {
        self.weights_of(&of(moving))
    }

    fn quadratic(&self, moving: &[f32], jacobian: &[[f32; 6]]) -> Quadratic {
        let moving = of(moving);
        let (value, weights) = self.weights_of(&moving);
        let n = self.fixed.len() as f64;
        let rows = || jacobian.iter().map(|row| Twist::from(row.map(f64::from)));
        let mean = rows().sum::<Twist>() / n;
        let along = rows().zip(&moving.values).map(|(j, &z)| j * z).sum::<Twist>() / n;
        let by_pose = || rows().zip(&moving.values).map(|(j, &z)| (j - mean - along * z) / moving.scale);

        // Moments of z and J_z given the fixed bin.
        let mut given = vec![(0.0, 0.0, 0.0, Twist::zeros()); self.bins];
        for ((j, &z), &f) in by_pose().zip(&moving.values).zip(&self.fixed) {
            let bin = &mut given[f as usize];
            *bin = (bin.0 + 1.0, bin.1 + z, bin.2 + z * z, bin.3 + j);
        }
        // The windows widen every distribution by the variance of a cubic B-spline, a third of a bin squared.
        let floor = 1.0 / (3.0 * self.density().powi(2));
        let mut outer = Outer::default();
        for (j, &f) in by_pose().zip(&self.fixed) {
            let (count, sum, squares, sum_j) = given[f as usize];
            let variance = (squares / count - (sum / count).powi(2)).max(0.0) + floor;
            outer.add(&(j - sum_j / count).into(), 1.0 / (n * variance));
        }
        Quadratic { value, gradient: contract(jacobian, &weights), curvature: outer.matrix() }
    }
}
