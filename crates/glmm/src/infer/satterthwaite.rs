//! Satterthwaite's degrees of freedom of linear mixed models.
//!
//! The variance f(θ, σ) = cᵀV(θ, σ)c of a contrast is itself an estimate; a scaled χ² with the same first two moments has
//! 2 f² / Var(f) degrees of freedom, Var(f) = ∇fᵀ A ∇f with the asymptotic covariance A of (θ, log σ)
//! (Giesbrecht & Burns 1985; Kuznetsova, Brockhoff & Christensen 2017, J. Stat. Softw. 82(13)).

use super::error::InferenceError;
use super::linear_state::linear_state;
use crate::design::Design;
use crate::fit::Fit;
use crate::matrix::{Matrix, dot};
use crate::term_basis::turned_pair;

const METHOD: &str = "Satterthwaite's method";

/// What Satterthwaite's degrees of freedom are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Satterthwaite {
    /// Covariance of the coefficients.
    pub covariance: Matrix,
    /// Its derivatives in θ (of [well-conditioned columns](crate::term_basis)) and log σ.
    pub derivatives: Vec<Matrix>,
    /// Asymptotic covariance of (θ, log σ).
    pub parameter_covariance: Matrix,
}

impl Satterthwaite {
    /// Prepares the degrees of freedom of a linear mixed model.
    pub fn new(design: &Design, fit: &Fit) -> Result<Self, InferenceError> {
        let turned = turned_pair(design, fit);
        let (design, fit) = turned.as_ref().map_or((design, fit), |(design, fit)| (design, fit));
        let state = linear_state(design, fit, METHOD)?;
        let indefinite = |what| InferenceError::Indefinite { what, method: METHOD };
        let x = state.parameters();
        let covariance = || indefinite("the covariance of the responses");
        let parameter_covariance = state.parameter_covariance().ok_or_else(|| indefinite("the Hessian"))?;
        let last = x.len() - 1;
        let mut derivatives = Vec::with_capacity(x.len());
        for (m, step) in state.steps().into_iter().enumerate().take(last) {
            let at = |side: f64| {
                let mut moved = x.clone();
                moved[m] += side * step;
                state.fixed_covariance(&moved).ok_or_else(covariance)
            };
            let (up, down) = (at(1.0)?, at(-1.0)?);
            derivatives.push(Matrix::from_fn(up.rows, up.columns, |i, j| (up[(i, j)] - down[(i, j)]) / (2.0 * step)));
        }
        let here = state.fixed_covariance(&x).ok_or_else(covariance)?;
        let mut twice = here.clone();
        twice.values.iter_mut().for_each(|v| *v *= 2.0);
        derivatives.push(twice);
        Ok(Self { covariance: here, derivatives, parameter_covariance })
    }

    /// Degrees of freedom of one contrast.
    pub fn df(&self, contrast: &[f64]) -> f64 {
        let quadratic = |m: &Matrix| dot(&m.times(contrast), contrast);
        let f = quadratic(&self.covariance);
        let slope: Vec<f64> = self.derivatives.iter().map(quadratic).collect();
        2.0 * f * f / dot(&self.parameter_covariance.times(&slope), &slope)
    }

    /// Denominator degrees of freedom of a joint F test of independent contrasts: those that match the mean of the sum
    /// of independent squared t values along the principal axes (Fai & Cornelius 1996).
    pub fn joint_df(&self, contrasts: &[Vec<f64>]) -> f64 {
        if let [one] = contrasts {
            return self.df(one);
        }
        let q = contrasts.len();
        let middle = Matrix::from_fn(q, q, |i, j| dot(&self.covariance.times(&contrasts[j]), &contrasts[i]));
        let axes = middle.symmetric_eigen().1;
        let width = self.covariance.rows;
        let dfs: Vec<f64> = (0..q)
            .map(|k| {
                let axis: Vec<f64> = (0..width).map(|j| (0..q).map(|i| axes[(i, k)] * contrasts[i][j]).sum()).collect();
                self.df(&axis)
            })
            .collect();
        let spread = dfs.iter().fold(0.0_f64, |s, d| s.max((d - dfs[0]).abs()));
        if spread < 1e-8 {
            return dfs[0];
        }
        let expected: f64 = dfs.iter().filter(|&&d| d > 2.0).map(|d| d / (d - 2.0)).sum();
        let q = q as f64;
        if expected > q { 2.0 * expected / (expected - q) } else { 2.0 }
    }
}
