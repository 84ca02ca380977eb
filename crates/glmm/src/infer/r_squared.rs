//! Shares of variance: marginal and conditional R², and intraclass correlation.
//!
//! Nakagawa, Johnson & Schielzeth (2017), "The coefficient of determination R² and intra-class correlation coefficient from
//! generalized linear mixed-effects models revisited and expanded", J. R. Soc. Interface 14; random slopes by the mean of
//! zᵀΣz over the observations (Johnson 2014). Residual variances on the scale of the linear predictor:
//!
//! | family | variant | residual variance |
//! |---|---|---|
//! | Gaussian, identity | `identity` | σ² |
//! | binomial, beta-binomial, ordinal | `theoretical` | π²/3 (logit), 1 (probit), π²/6 (cloglog) |
//! | binomial, beta-binomial, logit | `delta` | 1/(p(1−p)) for one trial, times 1 + (m−1)/(1+φ) over m for m trials |
//! | counts and gamma, log | `lognormal`, `delta`, `trigamma` | log(1 + v), v, ψ₁(1/v), v the squared coefficient of variation at λ |
//! | counts, square root | `delta` | Var(y)/(4 λ) |
//! | beta, logit | `delta` | 1/(p(1−p)(1+φ)) |
//!
//! λ and p are the mean of the model: the average of the inverse link over the fixed predictions, with half the random
//! variance added for the log link. The first variant is the one usually reported.

use serde::Serialize;

use super::error::InferenceError;
use super::inverse_link::inverse_link;
use super::linear_state::belongs;
use crate::design::{Design, Response};
use crate::fit::Fit;
use crate::settings::{Family, Link, ZeroPart};

/// Shares of variance with one residual variance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VarianceShares {
    /// Which residual variance (see the module).
    pub variant: &'static str,
    /// The residual variance.
    pub residual: f64,
    /// Marginal R²: fixed effects.
    pub marginal: f64,
    /// Conditional R²: fixed and random effects.
    pub conditional: f64,
    /// Intraclass correlation: random over random and residual variance (adjusted).
    pub icc: f64,
    /// Random over total variance (unadjusted).
    pub icc_unadjusted: f64,
    /// The adjusted share of each random term, in the order of the fit.
    pub icc_by_term: Vec<f64>,
}

/// Variances on the scale of the linear predictor, and their shares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RSquared {
    /// Variance of the fixed predictions over the observations (divisor n − 1).
    pub fixed: f64,
    /// Names of the random terms of the mean.
    pub terms: Vec<String>,
    /// Mean over the observations of zᵀΣz, for each random term of the mean.
    pub random: Vec<f64>,
    /// For each residual variance the shares, the usual one first.
    pub shares: Vec<VarianceShares>,
}

/// Marginal and conditional R² and intraclass correlations of the mean's predictor. Refused for zero-inflated and hurdle
/// models, and for links without a variant.
pub fn r_squared(design: &Design, fit: &Fit) -> Result<RSquared, InferenceError> {
    belongs(design, fit)?;
    if fit.settings.zero != ZeroPart::None {
        let accepted = "R² is defined for models without a zero part".into();
        return Err(InferenceError::Value { what: "the zero part", found: "present".into(), accepted });
    }
    let x = &design.mean.fixed;
    let n = x.rows as f64;
    let mut eta = vec![0.0; x.rows];
    for (j, &beta) in fit.fixed.values.iter().enumerate() {
        crate::matrix::add_scaled(&mut eta, beta, x.column(j));
    }
    let mean = eta.iter().sum::<f64>() / n;
    let fixed = eta.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let terms = &design.mean.random;
    let random: Vec<f64> = terms
        .iter()
        .zip(&fit.random)
        .map(|(term, effects)| {
            let k = term.columns.len();
            let z = |i: usize, c: usize| term.values[c * x.rows + i];
            let square = |i: usize| {
                let row = |c: usize| (0..k).map(|d| effects.covariance[(c, d)] * z(i, d)).sum::<f64>();
                (0..k).map(|c| z(i, c) * row(c)).sum::<f64>()
            };
            (0..x.rows).map(square).sum::<f64>() / n
        })
        .collect();
    let all: f64 = random.iter().sum();
    let residuals = residual_variances(design, fit, &eta, all);
    if residuals.is_empty() {
        let found = format!("{} with the link {}", fit.settings.family.name(), fit.settings.link.name());
        let accepted = "R² has no residual variance for it".into();
        return Err(InferenceError::Value { what: "the family", found, accepted });
    }
    let share = |(variant, residual): (&'static str, f64)| VarianceShares {
        variant,
        residual,
        marginal: fixed / (fixed + all + residual),
        conditional: (fixed + all) / (fixed + all + residual),
        icc: all / (all + residual),
        icc_unadjusted: all / (fixed + all + residual),
        icc_by_term: random.iter().map(|v| v / (all + residual)).collect(),
    };
    let names = terms.iter().map(|t| format!("{} | {}", t.columns.join(" + "), t.group)).collect();
    Ok(RSquared { fixed, terms: names, shares: residuals.into_iter().map(share).collect(), random })
}

/// The residual variances of a family and link, the usual one first.
fn residual_variances(design: &Design, fit: &Fit, eta: &[f64], random: f64) -> Vec<(&'static str, f64)> {
    let (family, link) = (fit.settings.family, fit.settings.link);
    let shape = fit.dispersion.unwrap_or(1.0);
    let n = eta.len() as f64;
    let shift = if link == Link::Log { 0.5 * random } else { 0.0 };
    let offset = &design.mean.offset;
    let mean = eta.iter().zip(offset).map(|(e, o)| inverse_link(link, e + o + shift).0).sum::<f64>() / n;
    let binomial = || {
        let theoretical = match link {
            Link::Logit => std::f64::consts::PI.powi(2) / 3.0,
            Link::Probit => 1.0,
            Link::Cloglog => std::f64::consts::PI.powi(2) / 6.0,
            _ => return Vec::new(),
        };
        let mut all = vec![("theoretical", theoretical)];
        if link == Link::Logit && family != Family::Ordinal {
            let trials = match &design.response {
                Response::Counts { trials, .. } => trials.iter().sum::<f64>() / n,
                _ => 1.0,
            };
            let over = if family == Family::BetaBinomial { 1.0 + (trials - 1.0) / (1.0 + shape) } else { 1.0 };
            all.push(("delta", over / (trials * mean * (1.0 - mean))));
        }
        all
    };
    // Squared coefficient of variation at the mean.
    let variation = match family {
        Family::Poisson => 1.0 / mean,
        Family::NegativeBinomial1 => (1.0 + shape) / mean,
        Family::NegativeBinomial2 => 1.0 / mean + 1.0 / shape,
        _ => shape * shape,
    };
    match (family, link) {
        (Family::Gaussian, Link::Identity) => vec![("identity", fit.sigma * fit.sigma)],
        (Family::Binomial | Family::BetaBinomial | Family::Ordinal, _) => binomial(),
        (Family::Beta, Link::Logit) => vec![("delta", 1.0 / (mean * (1.0 - mean) * (1.0 + shape)))],
        (Family::Gaussian | Family::Beta, _) => Vec::new(),
        (_, Link::Log) => {
            vec![("lognormal", variation.ln_1p()), ("delta", variation), ("trigamma", trigamma(1.0 / variation))]
        }
        (Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2, Link::Sqrt) => {
            vec![("delta", 0.25 * variation * mean)]
        }
        _ => Vec::new(),
    }
}

/// ψ₁(x), x > 0: recurrence to x > 12, then its asymptotic series (Abramowitz & Stegun 6.4.12).
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 12.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let s = 1.0 / (x * x);
    sum + 1.0 / x
        + 0.5 * s
        + s / x * (1.0 / 6.0 - s * (1.0 / 30.0 - s * (1.0 / 42.0 - s * (1.0 / 30.0 - s * 5.0 / 66.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigamma_has_its_known_values() {
        let square = std::f64::consts::PI.powi(2);
        assert!((trigamma(1.0) - square / 6.0).abs() < 1e-13);
        assert!((trigamma(0.5) - square / 2.0).abs() < 1e-13);
        assert!((trigamma(100.0) - 0.010050166663333571).abs() < 1e-16);
    }
}
