//! Sum of squared differences: `S = −(1/n) Σ (I − F)²`.

use super::{Compare, Outer, Quadratic, contract};

/// Prepared fixed image.
pub struct Ssd {
    pixels: Vec<u32>,
    fixed: Vec<f64>,
}

impl Ssd {
    /// One value for each pixel.
    pub fn new(pixels: Vec<u32>, fixed: Vec<f64>) -> Self {
        Self { pixels, fixed }
    }
}

impl Compare for Ssd {
    fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    fn value(&self, moving: &[f32]) -> f64 {
        let sum: f64 = moving.iter().zip(&self.fixed).map(|(&i, f)| (f64::from(i) - f).powi(2)).sum();
        -sum / self.fixed.len() as f64
    }

    fn weights(&self, moving: &[f32]) -> (f64, Vec<f64>) {
        let scale = -2.0 / self.fixed.len() as f64;
        let weights = moving.iter().zip(&self.fixed).map(|(&i, f)| scale * (f64::from(i) - f)).collect();
        (self.value(moving), weights)
    }

    /// `curvature = (2/n) JᵀJ`.
    fn quadratic(&self, moving: &[f32], jacobian: &[[f32; 6]]) -> Quadratic {
        let (value, weights) = self.weights(moving);
        let mut outer = Outer::default();
        jacobian.iter().for_each(|row| outer.add(&row.map(f64::from), 1.0));
        let curvature = outer.matrix() * (2.0 / self.fixed.len() as f64);
        Quadratic { value, gradient: contract(jacobian, &weights), curvature }
    }
}
