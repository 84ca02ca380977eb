//! What the fit of a generalised linear mixed model gives, from its optimum.

use crate::design::Design;
use crate::family::moments::moments;
use crate::fit::{BetweenTerms, Estimates, Fit};
use crate::generalised::Evaluator;
use crate::laplace::model::{Model, State};
use crate::matrix::Matrix;
use crate::outer::Optimum;
use crate::report::{covariance_of, is_singular, messages, parameter_names, random_effects};
use crate::selected::SelectedInverse;
use crate::settings::{Family, Settings};
use crate::verdict::{Message, Verdict};

/// A probability closer to 0 or 1 than this counts as certain.
const CERTAIN: f64 = 1e-7;

/// Brings an optimum in ψ into the form of a [`Fit`].
pub fn report(
    design: &Design,
    settings: &Settings,
    model: &Model,
    evaluator: &mut Evaluator,
    best: Optimum,
    found: Vec<Message>,
) -> Fit {
    let psi = &best.point.x;
    if evaluator.state.psi != *psi {
        // The mode was found there before; from the last one it is found again.
        evaluator.evaluate(psi);
    }
    let state = &evaluator.state;
    let layout = &model.layout;
    let (n, fixed, count) = (model.rows(), model.fixed(), model.parameters());
    let all = transformation(model, psi).map(|j| covariance_of(Some(&best.hessian), count).congruence(&j));
    let covariance = all.unwrap_or_else(|| covariance_of(None, count));
    let beta: Vec<f64> =
        (0..model.bases.len()).flat_map(|a| model.bases[a].coefficients(model.gamma(psi, a))).collect();
    let theta = layout.canonical(model.theta(psi));
    let shape = &state.shape;

    let part = |from: usize, to: usize| covariance.block(from, to);
    let p = model.bases[0].columns;
    let first_shape = model.first_shape();
    let names = shape_names(design, settings);
    let mut values = beta.clone();
    values.extend(&theta);
    values.extend(shape);
    let thresholds = (settings.family == Family::Ordinal)
        .then(|| Estimates::new(names.clone(), shape.clone(), part(first_shape, count)));

    let b = layout.apply(&state.factors, &state.u, false);
    let theta_covariance = part(fixed, first_shape);
    let (conditional, between_terms) = conditional(model, state);
    let random = random_effects(layout, &theta, 1.0, &b, conditional, &theta_covariance, false);
    let each =
        |i: usize| moments(&model.likelihood, i, [state.eta[0][i], state.eta[1].get(i).copied().unwrap_or(0.0)], shape);
    let both: Vec<(f64, f64)> = (0..n).map(each).collect();
    let y = |i: usize| match model.likelihood.trials.get(i) {
        Some(trials) => model.likelihood.y[i] / trials,
        None => model.likelihood.y[i],
    };
    let pearson = both.iter().enumerate().map(|(i, (mean, variance))| (y(i) - mean) / variance.sqrt()).collect();
    let fitted: Vec<f64> = both.iter().map(|m| m.0).collect();

    let verdict = Verdict::new(&best.hessian, &best.point.gradient);
    let singular = is_singular(layout, &theta);
    let mut said = messages(design, layout, &theta, 1.0, &verdict, singular);
    said.extend(found);
    said.extend(separation(design, settings, model, state, &beta, &covariance));
    said.extend(edge(settings, shape));
    if verdict.smallest_curvature < 1e-9 && !singular {
        let natural = natural_hessian(model, psi, &best.hessian);
        said.push(flat(&natural, &parameter_names(design, layout, &names), verdict.smallest_curvature));
    }
    let natural = shape.first().map(|s| s.exp());
    let dispersion = match settings.family {
        Family::Ordinal => None,
        Family::Gamma => natural.map(|shape| 1.0 / shape.sqrt()),
        _ => natural,
    };
    let log_lik = -best.point.value;
    Fit {
        settings: settings.clone(),
        rows: n,
        fixed: Estimates::new(design.mean.fixed.names.clone(), beta[..p].to_vec(), part(0, p)),
        zero: design.zero.as_ref().map(|z| Estimates::new(z.fixed.names.clone(), beta[p..].to_vec(), part(p, fixed))),
        thresholds,
        random,
        between_terms,
        parameters: Estimates::new(parameter_names(design, layout, &names), values, covariance),
        theta,
        sigma: if settings.family == Family::Gaussian { natural.unwrap_or(1.0) } else { 1.0 },
        dispersion,
        log_lik,
        df: count,
        aic: -2.0 * log_lik + 2.0 * count as f64,
        bic: -2.0 * log_lik + (n as f64).ln() * count as f64,
        linear_predictors: state.eta.iter().filter(|e| !e.is_empty()).cloned().collect(),
        fitted,
        pearson,
        singular,
        verdict,
        messages: said,
        counts: evaluator.counts,
    }
}

/// The Jacobian from ψ to (β, θ, natural shape), with θ's signs turned to their canonical form.
fn transformation(model: &Model, psi: &[f64]) -> Option<Matrix> {
    let count = model.parameters();
    let mut jacobian = Matrix::identity(count);
    for (a, basis) in model.bases.iter().enumerate() {
        let (inverse, first) = (basis.inverse(), model.first_fixed(a));
        for j in 0..basis.columns {
            for i in 0..basis.columns {
                jacobian[(first + i, first + j)] = inverse[(i, j)];
            }
        }
    }
    let (theta, fixed) = (model.theta(psi), model.fixed());
    for (m, (before, after)) in theta.iter().zip(model.layout.canonical(theta)).enumerate() {
        if *before != after {
            jacobian[(fixed + m, fixed + m)] = -1.0;
        }
    }
    let (shape, first) = (model.shape_jacobian(psi), model.first_shape());
    for j in 0..shape.columns {
        for i in 0..shape.rows {
            jacobian[(first + i, first + j)] = shape[(i, j)];
        }
    }
    jacobian.values.iter().all(|v| v.is_finite()).then_some(jacobian)
}

/// The Hessian in β instead of γ.
fn natural_hessian(model: &Model, psi: &[f64], hessian: &Matrix) -> Matrix {
    let mut turn = Matrix::identity(psi.len());
    for (a, basis) in model.bases.iter().enumerate() {
        let first = model.first_fixed(a);
        for j in 0..basis.columns {
            for i in 0..basis.columns {
                turn[(first + i, first + j)] = basis.r[(i, j)];
            }
        }
    }
    hessian.congruence(&turn.transpose())
}

/// Names of the shape parameters.
fn shape_names(design: &Design, settings: &Settings) -> Vec<String> {
    match (settings.family, &design.response) {
        (Family::Binomial | Family::Poisson, _) => vec![],
        (Family::Ordinal, crate::design::Response::Ordinal { levels, .. }) => {
            levels.windows(2).map(|pair| format!("{}|{}", pair[0], pair[1])).collect()
        }
        (Family::Gaussian, _) => vec!["log(sigma)".into()],
        (Family::Gamma, _) => vec!["log(shape)".into()],
        (Family::NegativeBinomial1 | Family::NegativeBinomial2, _) => vec!["log(alpha)".into()],
        _ => vec!["log(phi)".into()],
    }
}

/// ΛH⁻¹Λᵀ of each level, with the curvature that the model asks for; within terms and between those of one factor.
fn conditional(model: &Model, state: &State) -> (Vec<Vec<Matrix>>, Vec<BetweenTerms>) {
    let mut inverse = SelectedInverse::default();
    let factor = state.expected.as_deref().map_or(&state.factor, |(_, _, factor)| factor);
    inverse.compute(&model.pattern, factor);
    let mut blocks = vec![0.0; model.cross.len];
    inverse.blocks(&model.layout, &model.cross, &model.pattern, &mut blocks);
    model.cross.conjugate(&model.layout, &state.factors, &mut blocks, false);
    (model.cross.diagonal_blocks(&model.layout, &blocks), model.cross.between_terms(&model.layout, &blocks))
}

/// Whether fixed effects run away because they separate the responses.
fn separation(
    design: &Design,
    settings: &Settings,
    model: &Model,
    state: &State,
    beta: &[f64],
    covariance: &Matrix,
) -> Option<Message> {
    let zero_part = design.zero.is_some();
    if !matches!(settings.family, Family::Binomial | Family::BetaBinomial | Family::Ordinal) && !zero_part {
        return None;
    }
    // Coefficients that move the predictor by tens of units over the range of their column, with errors as large. An
    // intercept is judged by the predictor at the means of all columns, since far from them it may be anything.
    let mut runaway = Vec::new();
    let mut certain = vec![false; model.rows()];
    let predictors: Vec<_> = std::iter::once(&design.mean).chain(design.zero.as_ref()).collect();
    for (a, predictor) in predictors.iter().enumerate() {
        if a == 0 && !matches!(settings.family, Family::Binomial | Family::BetaBinomial | Family::Ordinal) {
            continue;
        }
        let (fixed, first, found) = (&predictor.fixed, model.first_fixed(a), runaway.len());
        let columns = fixed.columns();
        let means: Vec<f64> =
            (0..columns).map(|j| fixed.column(j).iter().sum::<f64>() / fixed.rows.max(1) as f64).collect();
        let part = covariance.block(first, first + columns);
        for (j, name) in fixed.names.iter().enumerate() {
            let range =
                fixed.column(j).iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
            let (moved, error) = if range.1 > range.0 {
                (beta[first + j] * (range.1 - range.0), part[(j, j)].sqrt() * (range.1 - range.0))
            } else {
                let variance = crate::matrix::dot(&part.times(&means), &means);
                (crate::matrix::dot(&beta[first..first + columns], &means), variance.sqrt())
            };
            if moved.abs() > 10.0 && (!error.is_finite() || error > 30.0) {
                runaway.push(if a == 0 { name.clone() } else { format!("zero: {name}") });
            }
        }
        if runaway.len() > found {
            certain.iter_mut().zip(&state.eta[a]).for_each(|(c, eta)| *c |= is_certain(*eta));
        }
    }
    if runaway.is_empty() {
        return None;
    }
    let observations = certain.iter().filter(|c| **c).count();
    Some(Message::Separation { coefficients: runaway, observations })
}

/// Whether the probability at a predictor is 0 or 1 within rounding.
fn is_certain(eta: f64) -> bool {
    let p = 1.0 / (1.0 + (-eta).exp());
    !(CERTAIN..=1.0 - CERTAIN).contains(&p)
}

/// Whether a shape has run to the edge where the family becomes a simpler one.
fn edge(settings: &Settings, shape: &[f64]) -> Option<Message> {
    let value = shape.first()?.exp();
    let (name, limit, over) = match settings.family {
        Family::NegativeBinomial2 => ("alpha", "Poisson counts have", value > 1e5),
        Family::NegativeBinomial1 => ("alpha", "Poisson counts have", value < 1e-5),
        Family::BetaBinomial => ("phi", "binomial counts have", value > 1e5),
        _ => return None,
    };
    over.then(|| Message::ShapeAtEdge { name: name.into(), value, limit: limit.into() })
}

/// The parameters that move most along the flattest direction.
pub(crate) fn flat(hessian: &Matrix, names: &[String], curvature: f64) -> Message {
    let n = hessian.rows;
    let scale: Vec<f64> = hessian.diagonal().iter().map(|d| d.abs().sqrt().max(1e-150)).collect();
    let scaled = Matrix::from_fn(n, n, |i, j| hessian[(i, j)] / (scale[i] * scale[j]));
    let (values, vectors) = scaled.symmetric_eigen();
    let least = (0..n).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| vectors[(b, least)].abs().total_cmp(&vectors[(a, least)].abs()));
    let parameters = order.iter().take(3).filter(|&&j| vectors[(j, least)].abs() > 0.2).map(|&j| names[j].clone());
    Message::FlatDirection { parameters: parameters.collect(), curvature }
}
