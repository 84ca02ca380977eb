//! The parts of a [`Fit`](crate::fit::Fit) that all models have in common.

use crate::design::{Covariance, Design};
use crate::fit::RandomEffects;
use crate::matrix::Matrix;
use crate::random::{Layout, factor_derivatives};
use crate::verdict::{Message, Verdict};

/// A diagonal element of Λ below this (in units of the residual scale for linear mixed models, of the linear predictor
/// for others) counts as zero, as in lme4.
pub const SINGULAR: f64 = 1e-4;

/// Whether the covariance of some term has not full rank.
pub fn is_singular(layout: &Layout, theta: &[f64]) -> bool {
    (0..layout.terms.len()).any(|t| is_term_singular(layout, theta, t))
}

fn is_term_singular(layout: &Layout, theta: &[f64], t: usize) -> bool {
    let factors = layout.factors(theta);
    let lambda = &factors[t];
    lambda.diagonal().iter().any(|d| d.abs() < SINGULAR)
        || (0..lambda.rows).any(|i| {
            // Correlations at ±1: what is left of a row's length on the diagonal.
            let length: f64 = (0..=i).map(|j| lambda[(i, j)].powi(2)).sum::<f64>().sqrt();
            lambda[(i, i)].abs() < SINGULAR * length
        })
}

/// The covariance of parameters from the Hessian of minus the log-likelihood; NaN where it is not positive definite.
pub fn covariance_of(hessian: Option<&Matrix>, n: usize) -> Matrix {
    let nan = || Matrix { rows: n, columns: n, values: vec![f64::NAN; n * n] };
    let Some(hessian) = hessian else { return nan() };
    let scale: Vec<f64> = hessian.diagonal().iter().map(|d| d.abs().sqrt().max(1e-150)).collect();
    let scaled = Matrix::from_fn(n, n, |i, j| hessian[(i, j)] / (scale[i] * scale[j]));
    match scaled.cholesky() {
        Some(l) => {
            let inverse = l.cholesky_inverse();
            Matrix::from_fn(n, n, |i, j| inverse[(i, j)] / (scale[i] * scale[j]))
        }
        None => nan(),
    }
}

/// Names of all parameters: fixed effects, θ, and the `rest`.
pub fn parameter_names(design: &Design, layout: &Layout, rest: &[String]) -> Vec<String> {
    let mut names = design.mean.fixed.names.clone();
    names.extend(design.zero.iter().flat_map(|zero| zero.fixed.names.iter().map(|n| format!("zero: {n}"))));
    for (t, term) in layout.terms.iter().enumerate() {
        let zero = if layout.predictor[t] == 1 { "zero: " } else { "" };
        let (c, group, k) = (&term.columns, &term.group, term.columns.len());
        match term.covariance {
            Covariance::Unstructured => {
                for j in 0..k {
                    names.push(format!("{zero}theta({} | {group})", c[j]));
                    names.extend((j + 1..k).map(|i| format!("{zero}theta({}, {} | {group})", c[i], c[j])));
                }
            }
            Covariance::Diagonal => names.extend(c.iter().map(|c| format!("{zero}theta({c} | {group})"))),
            Covariance::CompoundSymmetric => {
                names.extend(c.iter().map(|c| format!("{zero}theta({c} | {group})")));
                if k > 1 {
                    names.push(format!("{zero}theta(correlation | {group})"));
                }
            }
        }
    }
    names.extend_from_slice(rest);
    names
}

/// The random effects of every term. `theta_covariance` is the covariance of θ, followed by log σ where `relative`.
pub fn random_effects(
    layout: &Layout,
    theta: &[f64],
    sigma: f64,
    b: &[f64],
    conditional: Vec<Vec<Matrix>>,
    theta_covariance: &Matrix,
    relative: bool,
) -> Vec<RandomEffects> {
    let factors = layout.factors(theta);
    let of_term = |(t, conditional): (usize, Vec<Matrix>)| {
        let term = layout.terms[t];
        let k = term.columns.len();
        let lambda = &factors[t];
        let mut covariance = lambda.product(&lambda.transpose());
        covariance.values.iter_mut().for_each(|v| *v *= sigma * sigma);
        let sd: Vec<f64> = covariance.diagonal().iter().map(|v| v.sqrt()).collect();
        let correlation = Matrix::from_fn(k, k, |i, j| if i == j { 1.0 } else { covariance[(i, j)] / (sd[i] * sd[j]) });
        let derivatives = factor_derivatives(term.covariance, k, layout.theta(t, theta));
        let first = layout.first_theta[t];
        let log_sd_se = (0..k)
            .map(|i| {
                let square: f64 = (0..k).map(|j| lambda[(i, j)].powi(2)).sum();
                let mut slope = vec![0.0; theta_covariance.rows];
                for (m, d) in derivatives.iter().enumerate() {
                    slope[first + m] = (0..k).map(|j| lambda[(i, j)] * d[(i, j)]).sum::<f64>() / square;
                }
                if relative && let Some(last) = slope.last_mut() {
                    *last = 1.0;
                }
                crate::matrix::dot(&theta_covariance.times(&slope), &slope).sqrt()
            })
            .collect();
        let levels = term.levels.len();
        RandomEffects {
            group: term.group.clone(),
            predictor: layout.predictor[t],
            form: term.covariance,
            columns: term.columns.clone(),
            levels: term.levels.clone(),
            covariance,
            sd,
            correlation,
            log_sd_se,
            modes: Matrix::from_fn(levels, k, |l, c| b[layout.first[t] + l * k + c]),
            conditional,
        }
    };
    conditional.into_iter().enumerate().map(of_term).collect()
}

/// What the user must know about any model.
pub fn messages(
    design: &Design,
    layout: &Layout,
    theta: &[f64],
    sigma: f64,
    verdict: &Verdict,
    singular: bool,
) -> Vec<Message> {
    let mut messages = Vec::new();
    for predictor in std::iter::once(&design.mean).chain(design.zero.as_ref()) {
        if !predictor.fixed.aliased.is_empty() {
            messages.push(Message::Aliased { columns: predictor.fixed.aliased.clone() });
        }
    }
    for term in &layout.terms {
        // One level alone is told with the design.
        if (2..5).contains(&term.levels.len()) {
            messages.push(Message::FewLevels { group: term.group.clone(), levels: term.levels.len() });
        }
    }
    if singular {
        let factors = layout.factors(theta);
        for (t, term) in layout.terms.iter().enumerate().filter(|(t, _)| is_term_singular(layout, theta, *t)) {
            let lambda = &factors[t];
            let length = |i: usize| (0..=i).map(|j| lambda[(i, j)].powi(2)).sum::<f64>().sqrt();
            let sd = (0..lambda.rows).map(|i| sigma * length(i)).collect();
            messages.push(Message::Singular { group: term.group.clone(), columns: term.columns.clone(), sd });
        }
    }
    if !verdict.converged {
        messages.push(Message::NotConverged { newton_decrement: verdict.newton_decrement });
    }
    messages
}
