//! Starting values: a regression on the links of the responses, then the model without random effects.

use crate::family::links;
use crate::laplace::model::Model;
use crate::matrix::Matrix;
use crate::settings::{Family, Settings, ZeroPart};

/// ψ to start from.
pub fn start(model: &Model, settings: &Settings) -> Vec<f64> {
    let crude = crude(model, settings);
    let mut psi = crude.clone();
    let fixed_only = model.without_random();
    let theta = model.first_shape() - model.fixed();
    let without: Vec<f64> = crude[..model.fixed()].iter().chain(&crude[model.first_shape()..]).copied().collect();
    if theta > 0
        && let Some(better) = crate::generalised::rough_fit(&fixed_only, without)
        && better.iter().all(|v| v.is_finite() && v.abs() < 1e3)
    {
        psi[..model.fixed()].copy_from_slice(&better[..model.fixed()]);
        psi[model.first_shape()..].copy_from_slice(&better[model.fixed()..]);
    }
    if let Some(theta) = &settings.start {
        psi[model.fixed()..model.first_shape()].copy_from_slice(theta);
    }
    psi
}

fn crude(model: &Model, settings: &Settings) -> Vec<f64> {
    let likelihood = &model.likelihood;
    let n = model.rows();
    let y = &likelihood.y;
    let lump = settings.zero != ZeroPart::None;
    // Rows that say something about the mean: with a zero part those that are not zero.
    let counts = |i: usize| !lump || y[i] > 0.0;
    let share: Vec<f64> = (0..n).filter(|&i| counts(i)).map(|i| y[i]).collect();
    let mean = share.iter().sum::<f64>() / share.len().max(1) as f64;
    let mean = if mean.is_finite() { mean } else { 1.0 };
    let towards = |i: usize| match likelihood.family {
        Family::Binomial | Family::BetaBinomial => (y[i] + 0.5) / (likelihood.trials[i] + 1.0),
        Family::Beta => 0.5 * (y[i] + mean).clamp(1e-3, 1.999),
        Family::Gaussian => y[i],
        _ => 0.5 * (y[i] + mean).max(1e-3),
    };
    let mut psi = Vec::with_capacity(model.parameters());
    if likelihood.family == Family::Ordinal {
        psi.resize(model.fixed(), 0.0);
    } else {
        let target: Vec<f64> = (0..n)
            .map(|i| {
                let value = if likelihood.link == crate::settings::Link::Log && likelihood.family == Family::Gaussian {
                    y[i].max(0.1 * mean.abs())
                } else {
                    towards(i)
                };
                links::link(likelihood.link, value) - model.offsets[0][i]
            })
            .collect();
        psi.extend(project(model, 0, &target, counts));
        if lump {
            let zeros = (0..n).filter(|&i| y[i] == 0.0).count() as f64;
            // Inflation explains a part of the zeros only.
            let zeros = if settings.zero == ZeroPart::Inflated { 0.5 * zeros } else { zeros };
            let logit = ((zeros + 0.5) / (n as f64 - zeros + 0.5)).ln();
            psi.extend(project(model, 1, &vec![logit; n], |_| true));
        }
    }
    psi.extend(model.layout.unit());
    psi.extend(shape(model, mean, &share));
    psi
}

/// Least squares of a target on the basis of one predictor, over some of the rows.
fn project(model: &Model, predictor: usize, target: &[f64], counts: impl Fn(usize) -> bool) -> Vec<f64> {
    let basis = &model.bases[predictor];
    let weights: Vec<f64> = (0..model.rows()).map(|i| f64::from(counts(i) && target[i].is_finite())).collect();
    let masked: Vec<f64> = target.iter().zip(&weights).map(|(t, w)| if *w > 0.0 { *t } else { 0.0 }).collect();
    let mut gram = basis.gram(&weights);
    for j in 0..basis.columns {
        gram[(j, j)] += 1e-6 * model.rows() as f64;
    }
    let right = basis.transpose_product(&masked);
    gram.cholesky().map_or_else(|| vec![0.0; basis.columns], |l: Matrix| l.cholesky_solve(&right))
}

fn shape(model: &Model, mean: f64, share: &[f64]) -> Vec<f64> {
    let likelihood = &model.likelihood;
    let variance = share.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / (share.len().max(2) - 1) as f64;
    let natural = match likelihood.family {
        Family::Binomial | Family::Poisson => return vec![],
        Family::Ordinal => return thresholds(model),
        Family::Gaussian => variance.sqrt(),
        Family::NegativeBinomial1 => (variance / mean - 1.0).max(0.2),
        Family::NegativeBinomial2 => (mean * mean / (variance - mean).max(1e-3)).clamp(0.1, 20.0),
        Family::Gamma => (mean * mean / variance).clamp(0.5, 1e4),
        Family::Beta => (mean * (1.0 - mean) / variance - 1.0).clamp(0.5, 1e4),
        Family::BetaBinomial => 10.0,
    };
    vec![natural.max(1e-6).ln()]
}

/// Thresholds at the cumulated shares of the categories.
fn thresholds(model: &Model) -> Vec<f64> {
    let likelihood = &model.likelihood;
    let (n, k) = (model.rows() as f64, likelihood.categories);
    let mut cumulated = 0.0;
    let mut tau: Vec<f64> = Vec::with_capacity(k - 1);
    for j in 0..k - 1 {
        cumulated += likelihood.y.iter().filter(|&&y| y as usize == j).count() as f64;
        let at = links::link(likelihood.link, (cumulated + 0.5) / (n + 1.0));
        tau.push(tau.last().map_or(at, |last: &f64| at.max(last + 1e-3)));
    }
    model.omega(&tau)
}
