//! Comparison of fits: information criteria and likelihood-ratio tests.

use serde::Serialize;

use super::distributions::upper_chi_squared;
use super::error::InferenceError;
use crate::design::{Design, ModelMatrix, RandomTerm};
use crate::fit::Fit;
use crate::linear::independent_columns;
use crate::profile::Criterion;

/// A fit to be compared.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it was fitted to.
    pub design: &'a Design,
    /// The fit.
    pub fit: &'a Fit,
}

/// A table of fits, those with fewer parameters first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// One row for each fit.
    pub rows: Vec<ComparisonRow>,
}

/// One fit, and the likelihood-ratio test of the fit before it against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonRow {
    /// The fit.
    pub name: String,
    /// Number of parameters.
    pub df: usize,
    /// Akaike's criterion.
    pub aic: f64,
    /// Schwarz's criterion.
    pub bic: f64,
    /// Log-likelihood (restricted, if the fits are by REML).
    pub log_lik: f64,
    /// −2 log-likelihood.
    pub deviance: f64,
    /// AIC above the smallest of the table.
    pub delta_aic: f64,
    /// Akaike's weight: the share of exp(−ΔAIC/2) in the table.
    pub akaike_weight: f64,
    /// The test; none for the first fit, and where the fit before is not nested in this one.
    pub test: Option<LikelihoodRatio>,
    /// What one must know of the test, or why there is none.
    pub note: Option<String>,
}

/// A likelihood-ratio test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LikelihoodRatio {
    /// Twice the difference of the log-likelihoods.
    pub chi_squared: f64,
    /// Difference of the numbers of parameters.
    pub df: usize,
    /// Probability of a larger χ².
    pub p: f64,
    /// The same from the mixture of χ² distributions that holds where the smaller model puts one variance to its boundary
    /// zero (Stram & Lee 1994).
    pub p_boundary: Option<f64>,
}

/// Compares fits to the same observations. Each is tested against the one before it in the order of the number of
/// parameters, if that one is nested in it. Fits by REML are compared only where their fixed effects span the same space.
pub fn compare(candidates: &[Candidate]) -> Result<Comparison, InferenceError> {
    for pair in candidates.windows(2) {
        check(&pair[0], &pair[1])?;
    }
    let mut order: Vec<&Candidate> = candidates.iter().collect();
    order.sort_by_key(|c| c.fit.df);
    let best = order.iter().map(|c| c.fit.aic).fold(f64::INFINITY, f64::min);
    let weight = |c: &Candidate| (0.5 * (best - c.fit.aic)).exp();
    let total: f64 = order.iter().map(|c| weight(c)).sum();
    let rows = order
        .iter()
        .enumerate()
        .map(|(i, candidate)| {
            let (test, note) = match i.checked_sub(1).map(|before| order[before]) {
                Some(before) => likelihood_ratio(before, candidate),
                None => (None, None),
            };
            let fit = candidate.fit;
            ComparisonRow {
                name: candidate.name.into(),
                df: fit.df,
                aic: fit.aic,
                bic: fit.bic,
                log_lik: fit.log_lik,
                deviance: -2.0 * fit.log_lik,
                delta_aic: fit.aic - best,
                akaike_weight: weight(candidate) / total,
                test,
                note,
            }
        })
        .collect();
    Ok(Comparison { rows })
}

/// Whether two fits may stand in one table.
fn check(a: &Candidate, b: &Candidate) -> Result<(), InferenceError> {
    let refuse =
        |problem: String| Err(InferenceError::Comparison { first: a.name.into(), second: b.name.into(), problem });
    if a.design.rows != b.design.rows {
        let (m, n) = (a.design.rows.len(), b.design.rows.len());
        return refuse(format!(
            "they use different rows of the table ({m} and {n}); rows with missing values must be left out of both"
        ));
    }
    if a.design.response != b.design.response {
        return refuse("they have different responses".into());
    }
    if a.design.weights != b.design.weights {
        return refuse("they have different weights".into());
    }
    let reml = |c: &Candidate| c.fit.settings.is_linear() && c.fit.settings.criterion == Criterion::Reml;
    if reml(a) != reml(b) {
        return refuse("one is fitted by REML, the other by maximum likelihood".into());
    }
    if reml(a)
        && !(spans(&b.design.mean.fixed, &a.design.mean.fixed) && spans(&a.design.mean.fixed, &b.design.mean.fixed))
    {
        return refuse(
            "their restricted likelihoods belong to different fixed effects; refit by maximum likelihood".into(),
        );
    }
    Ok(())
}

/// Whether the columns of `large` span those of `small`.
fn spans(large: &ModelMatrix, small: &ModelMatrix) -> bool {
    if large.rows != small.rows {
        return false;
    }
    let both: Vec<f64> = large.values.iter().chain(&small.values).copied().collect();
    !independent_columns(large.rows, &both, None)[large.columns()..].contains(&true)
}

/// The test of the smaller model within the larger, or why there is none.
fn likelihood_ratio(small: &Candidate, large: &Candidate) -> (Option<LikelihoodRatio>, Option<String>) {
    let df = large.fit.df - small.fit.df;
    if df == 0 {
        return (None, Some(format!("No test: \"{}\" has as many parameters.", small.name)));
    }
    if let Some(problem) = not_nested(small, large) {
        return (None, Some(format!("No test: \"{}\" is not nested in it: {problem}.", small.name)));
    }
    let chi_squared = 2.0 * (large.fit.log_lik - small.fit.log_lik);
    let p = upper_chi_squared(chi_squared, df as f64);
    let added = large.fit.theta.len() as i64 - small.fit.theta.len() as i64;
    let effects = |c: &Candidate| c.fit.random.iter().map(|t| t.columns.len()).sum::<usize>() as i64;
    let one_variance = effects(large) - effects(small) == 1 && added as usize == df;
    let p_boundary = one_variance.then(|| {
        let fewer = upper_chi_squared(chi_squared.max(0.0), df as f64 - 1.0);
        if chi_squared <= 0.0 { 1.0 } else { 0.5 * fewer + 0.5 * p }
    });
    let note = if chi_squared < -1e-4 {
        Some(format!(
            "The log-likelihood is below that of the smaller \"{}\": one of the fits is no optimum.",
            small.name
        ))
    } else if one_variance {
        Some(
            "The smaller model puts a variance to its boundary zero, where p is too large; p_boundary accounts for it."
                .into(),
        )
    } else if added > 0 {
        Some("The smaller model puts variances to their boundary zero, where p is too large.".into())
    } else {
        None
    };
    (Some(LikelihoodRatio { chi_squared, df, p, p_boundary }), note)
}

/// Why a model is not nested in another.
fn not_nested(small: &Candidate, large: &Candidate) -> Option<String> {
    let (s, l) = (&small.fit.settings, &large.fit.settings);
    if (s.family, s.link, s.zero) != (l.family, l.link, l.zero) {
        return Some("the families, links or zero parts differ".into());
    }
    if small.design.mean.offset != large.design.mean.offset {
        return Some("the offsets differ".into());
    }
    let parts = |d: &'_ Design| -> Vec<ModelMatrix> {
        std::iter::once(&d.mean).chain(&d.zero).map(|p| p.fixed.clone()).collect()
    };
    for (small, large) in parts(small.design).iter().zip(&parts(large.design)) {
        if !spans(large, small) {
            return Some("its fixed effects are no combinations of the larger model's".into());
        }
    }
    let terms = |d: &'_ Design| -> Vec<(usize, RandomTerm)> {
        let predictors = std::iter::once(&d.mean).chain(&d.zero).enumerate();
        predictors.flat_map(|(p, predictor)| predictor.random.iter().cloned().map(move |t| (p, t))).collect()
    };
    let large_terms = terms(large.design);
    let missing = terms(small.design).into_iter().find(|(p, term)| {
        !term.columns.iter().enumerate().all(|(c, _)| {
            let column =
                |t: &RandomTerm, c: usize| t.values[c * t.level_of_row.len()..][..t.level_of_row.len()].to_vec();
            let wanted = column(term, c);
            let same_groups = |t: &RandomTerm| t.level_of_row == term.level_of_row;
            large_terms
                .iter()
                .filter(|(q, t)| q == p && same_groups(t))
                .any(|(_, t)| (0..t.columns.len()).any(|k| column(t, k) == wanted))
        })
    });
    missing.map(|(_, term)| {
        format!("the larger model lacks its random effects ({} | {})", term.columns.join(" + "), term.group)
    })
}
