//! A fitted linear mixed model, ready for what its covariance parameters determine.

use super::error::InferenceError;
use crate::design::{Design, Response};
use crate::fit::Fit;
use crate::matrix::Matrix;
use crate::outer::{Point, difference_hessian};
use crate::profile::{Criterion, LinearProfile};
use crate::random::Layout;

/// A linear mixed model summed up, with the estimates of a fit.
pub(crate) struct LinearState<'a> {
    pub profile: LinearProfile<'a>,
    pub criterion: Criterion,
    /// θ, relative to σ.
    pub theta: Vec<f64>,
    pub sigma: f64,
}

/// The state of a fit, or why the fit is none of a linear mixed model with this design.
pub(crate) fn linear_state<'a>(
    design: &'a Design,
    fit: &Fit,
    method: &'static str,
) -> Result<LinearState<'a>, InferenceError> {
    let (family, link) = (fit.settings.family.name(), fit.settings.link.name());
    let not_linear = InferenceError::NotLinear { method, family, link };
    if !fit.settings.is_linear() {
        return Err(not_linear);
    }
    let Response::Real(y) = &design.response else { return Err(not_linear) };
    belongs(design, fit)?;
    let profile = LinearProfile::new(&design.mean, Layout::new(design), y, &design.weights);
    Ok(LinearState { profile, criterion: fit.settings.criterion, theta: fit.theta.clone(), sigma: fit.sigma })
}

/// Whether a fit has the sizes of a design.
pub(crate) fn belongs(design: &Design, fit: &Fit) -> Result<(), InferenceError> {
    let same = |what, found: usize, expected: usize| {
        if found == expected { Ok(()) } else { Err(InferenceError::OtherDesign { what, found, expected }) }
    };
    same("rows", fit.rows, design.weights.len())?;
    same("fixed effects", fit.fixed.values.len(), design.mean.fixed.columns())?;
    let zero = design.zero.iter().flat_map(|zero| &zero.random);
    same("random terms", fit.random.len(), design.mean.random.iter().chain(zero).count())?;
    same("covariance parameters", fit.theta.len(), Layout::new(design).parameters())
}

impl LinearState<'_> {
    /// (XᵀV⁻¹X)⁻¹ at (θ, log σ).
    pub fn fixed_covariance(&self, parameters: &[f64]) -> Option<Matrix> {
        let (log_sigma, theta) = parameters.split_last()?;
        let mut covariance = self.profile.solve(theta)?.unscaled_covariance;
        let variance = (2.0 * log_sigma).exp();
        covariance.values.iter_mut().for_each(|v| *v *= variance);
        Some(covariance)
    }

    /// The estimates as (θ, log σ).
    pub fn parameters(&self) -> Vec<f64> {
        self.theta.iter().copied().chain([self.sigma.ln()]).collect()
    }

    /// Steps of differences in (θ, log σ).
    pub fn steps(&self) -> Vec<f64> {
        self.theta.iter().map(|t| 2e-5 * t.abs().max(0.2)).chain([1e-5]).collect()
    }

    /// Half the deviance and its gradient in (θ, log σ).
    pub fn half_deviance(&self, parameters: &[f64]) -> Option<(f64, Vec<f64>)> {
        let (log_sigma, theta) = parameters.split_last()?;
        let sigma = log_sigma.exp();
        let at = self.profile.solve(theta)?;
        let gradient = self.profile.gradient(&at, theta, self.criterion, sigma);
        let slope = self.profile.divisor(self.criterion) - at.penalised / (sigma * sigma);
        let value = 0.5 * self.profile.deviance(&at, self.criterion, sigma);
        Some((value, gradient.into_iter().map(|g| 0.5 * g).chain([slope]).collect()))
    }

    /// Asymptotic covariance of (θ, log σ): the inverse of the Hessian of half the deviance, in the directions in which
    /// it is curved upwards (a variance of zero may leave flat ones).
    pub fn parameter_covariance(&self) -> Option<Matrix> {
        let x = self.parameters();
        let (value, gradient) = self.half_deviance(&x)?;
        let mut evaluate = |x: &[f64]| self.half_deviance(x);
        let hessian = difference_hessian(&mut evaluate, &Point { x, value, gradient }, &self.steps())?;
        let n = hessian.rows;
        let scale: Vec<f64> = hessian.diagonal().iter().map(|d| d.abs().sqrt().max(1e-150)).collect();
        let scaled = Matrix::from_fn(n, n, |i, j| hessian[(i, j)] / (scale[i] * scale[j]));
        let (values, vectors) = scaled.symmetric_eigen();
        let entry = |i: usize, j: usize| {
            let curved = (0..n).filter(|&k| values[k] > 1e-6);
            let sum: f64 = curved.map(|k| vectors[(i, k)] * vectors[(j, k)] / values[k]).sum();
            sum / (scale[i] * scale[j])
        };
        Some(Matrix::from_fn(n, n, entry))
    }
}
