//! Profile-likelihood intervals.
//!
//! ζ(v) = ± √(D(v) − D̂), D(v) the smallest deviance with one parameter held at v (Bates & Watts 1988, chapter 6). The ends
//! of an interval are where ζ is ± the normal quantile, found on the likelihood itself: linear mixed models are profiled
//! over their full likelihood (also if fitted by REML, as lme4 does). All others are profiled over their own approximation:
//! coefficients of the mean and the zero part by refits with the column moved into the offset, the others by holding the
//! parameter.

use serde::Serialize;

use super::constrained::{ConstrainedDeviance, Constraint};
use super::distributions::normal_quantile;
use super::error::InferenceError;
use super::held_coordinate::HeldCoordinate;
use super::linear_state::belongs;
use super::summary_parameters::{ParameterKind, SummaryParameter, summary_parameters};
use crate::design::{Covariance, Design, Predictor};
use crate::fit::{Fit, fit as refit};
use crate::term_basis::turned_pair;

/// One parameter's interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileInterval {
    /// The parameter.
    pub name: String,
    /// Its maximum-likelihood estimate.
    pub estimate: f64,
    /// Lower end; the boundary of the parameter's range where the likelihood does not fall far enough.
    pub lower: f64,
    /// Upper end, likewise; infinite where the likelihood stays high.
    pub upper: f64,
    /// Whether the lower end is the boundary, so that the interval is one-sided.
    pub lower_at_boundary: bool,
    /// Whether the upper end is the boundary.
    pub upper_at_boundary: bool,
    /// The points (v, ζ) that were evaluated, in ascending order.
    pub points: Vec<(f64, f64)>,
}

/// Intervals of the parameters whose names `wanted` accepts.
///
/// All parameters have one, but correlations of effects that do not vary; fits by the joint mode have those of fixed
/// effects alone.
pub fn profile_intervals(
    design: &Design,
    fit: &Fit,
    level: f64,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ProfileInterval>, InferenceError> {
    belongs(design, fit)?;
    if !(level > 0.0 && level < 1.0) {
        let accepted = "a level is between 0 and 1".into();
        return Err(InferenceError::Value { what: "the level", found: level.to_string(), accepted });
    }
    let quantile = normal_quantile(0.5 + 0.5 * level);
    let linear = if fit.settings.is_linear() { Some(ConstrainedDeviance::new(design, fit)?) } else { None };
    // What does not belong to the columns of the random terms is profiled in well-conditioned ones.
    let turned = linear.as_ref().and_then(|_| turned_pair(design, fit));
    let turned = turned.as_ref().map(|(design, fit)| ConstrainedDeviance::new(design, fit)).transpose()?;
    let held = HeldCoordinate::new(design, fit);
    let mut intervals = Vec::new();
    for parameter in summary_parameters(fit).into_iter().filter(|p| wanted(&p.name)) {
        let interval = match (&linear, &parameter.kind) {
            (Some(linear), ParameterKind::Fixed(_) | ParameterKind::Dispersion) => {
                profile_linear(turned.as_ref().unwrap_or(linear), &parameter, quantile)
            }
            (Some(linear), _) => profile_linear(linear, &parameter, quantile),
            (None, ParameterKind::Fixed(_) | ParameterKind::Zero(_)) => {
                profile_refits(design, fit, &parameter, quantile)
            }
            (None, _) => held.as_ref().and_then(|held| profile_held(held, fit, &parameter, quantile)),
        };
        intervals.extend(interval);
    }
    Ok(intervals)
}

/// The interval of one parameter of a linear mixed model; nothing where it is not defined (a correlation with a standard
/// deviation of zero).
fn profile_linear(
    linear: &ConstrainedDeviance,
    parameter: &SummaryParameter,
    quantile: f64,
) -> Option<ProfileInterval> {
    let constraint = match parameter.kind {
        ParameterKind::Fixed(j) => Constraint::Fixed(j),
        ParameterKind::Sd { term, column } => Constraint::Sd { term, column },
        ParameterKind::Correlation { term, row, column } => Constraint::Correlation { term, row, column },
        ParameterKind::Dispersion => Constraint::Sigma,
        ParameterKind::Zero(_) | ParameterKind::Threshold(_) => return None,
    };
    let estimate = linear.estimate(&constraint)?;
    let (lowest, highest, step) = match constraint {
        Constraint::Fixed(j) => (f64::NEG_INFINITY, f64::INFINITY, linear.standard_error(j)),
        Constraint::Sd { .. } => (0.0, f64::INFINITY, 0.25 * estimate.max(0.3 * linear.sigma())),
        Constraint::Correlation { .. } => (-1.0, 1.0, 0.2),
        Constraint::Sigma => (0.0, f64::INFINITY, 0.1 * estimate),
    };
    let best = linear.smallest();
    let mut start: Option<Vec<f64>> = None;
    let mut last_side = 0.0;
    let excess = |v: f64| {
        let side = (v - estimate).signum();
        if side != last_side {
            (start, last_side) = (None, side);
        }
        let (deviance, at) = linear.at(&constraint, v, start.as_deref())?;
        start = Some(at);
        Some((deviance - best).max(0.0))
    };
    Some(interval(&parameter.name, estimate, [lowest, highest], step, quantile, excess))
}

/// The interval of a standard deviation, correlation, threshold or shape of a generalised model; nothing where it is not
/// defined.
fn profile_held(
    held: &HeldCoordinate,
    fit: &Fit,
    parameter: &SummaryParameter,
    quantile: f64,
) -> Option<ProfileInterval> {
    let how = held.held(&parameter.kind)?;
    let estimate = parameter.value;
    if !estimate.is_finite() {
        return None;
    }
    let best = -2.0 * fit.log_lik;
    let mut start: Option<Vec<f64>> = None;
    let mut last_side = 0.0;
    let excess = |v: f64| {
        let side = (v - estimate).signum();
        if side != last_side {
            (start, last_side) = (None, side);
        }
        let (deviance, at) = held.at(&how, v, start.as_deref())?;
        start = Some(at);
        Some((deviance - best).max(0.0))
    };
    let (range, step) = match parameter.kind {
        ParameterKind::Correlation { term, .. } => {
            let random = &fit.random[term];
            let lowest = match random.form {
                Covariance::CompoundSymmetric => -1.0 / (random.columns.len() as f64 - 1.0),
                _ => -1.0,
            };
            ([lowest, 1.0], 0.2)
        }
        ParameterKind::Threshold(j) => {
            let se = fit.thresholds.as_ref().map_or(f64::NAN, |t| t.se[j]);
            ([f64::NEG_INFINITY, f64::INFINITY], if se.is_finite() { se } else { 0.3 })
        }
        _ => ([0.0, f64::INFINITY], 0.15 * estimate.max(0.2)),
    };
    Some(interval(&parameter.name, estimate, range, step, quantile, excess))
}

/// The interval of a fixed effect of the mean or the zero part by refits.
fn profile_refits(design: &Design, fit: &Fit, parameter: &SummaryParameter, quantile: f64) -> Option<ProfileInterval> {
    fn part(design: &mut Design, is_zero: bool) -> Option<&mut Predictor> {
        if is_zero { design.zero.as_mut() } else { Some(&mut design.mean) }
    }
    let (is_zero, column, se) = match parameter.kind {
        ParameterKind::Fixed(j) => (false, j, fit.fixed.se[j]),
        ParameterKind::Zero(j) => (true, j, fit.zero.as_ref()?.se[j]),
        _ => return None,
    };
    let mut reduced = design.clone();
    let fixed = &mut part(&mut reduced, is_zero)?.fixed;
    let x: Vec<f64> = fixed.column(column).to_vec();
    fixed.values.drain(column * fixed.rows..(column + 1) * fixed.rows);
    fixed.names.remove(column);
    fixed.term_of_column.remove(column);
    reduced.low = None;
    let offset = part(&mut reduced, is_zero)?.offset.clone();
    let best = -2.0 * fit.log_lik;
    let excess = |v: f64| {
        for ((o, base), x) in part(&mut reduced, is_zero)?.offset.iter_mut().zip(&offset).zip(&x) {
            *o = base + v * x;
        }
        let found = refit(&reduced, &fit.settings, &mut |_| ()).ok()?;
        found.verdict.converged.then(|| (-2.0 * found.log_lik - best).max(0.0))
    };
    let step = if se.is_finite() && se > 0.0 { se } else { 0.1 + 0.1 * parameter.value.abs() };
    let range = [f64::NEG_INFINITY, f64::INFINITY];
    Some(interval(&parameter.name, parameter.value, range, step, quantile, excess))
}

/// Finds both ends. `excess` gives D(v) − D̂ (nothing where it cannot be evaluated).
fn interval(
    name: &str,
    estimate: f64,
    range: [f64; 2],
    step: f64,
    quantile: f64,
    mut excess: impl FnMut(f64) -> Option<f64>,
) -> ProfileInterval {
    let mut points = vec![(estimate, 0.0)];
    let mut ends = [(range[0], true), (range[1], true)];
    for (end, side) in ends.iter_mut().zip([-1.0, 1.0]) {
        let limit = if side < 0.0 { range[0] } else { range[1] };
        let mut root = |v: f64| {
            let value = excess(v)?.sqrt();
            points.push((v, side * value));
            Some(value - quantile)
        };
        *end = one_end(estimate, side, limit, step, quantile, &mut root);
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let [(lower, lower_at_boundary), (upper, upper_at_boundary)] = ends;
    ProfileInterval { name: name.into(), estimate, lower, upper, lower_at_boundary, upper_at_boundary, points }
}

/// Where |ζ| reaches the quantile on one side, and whether it does not before the limit.
fn one_end(
    estimate: f64,
    side: f64,
    limit: f64,
    step: f64,
    quantile: f64,
    root: &mut dyn FnMut(f64) -> Option<f64>,
) -> (f64, bool) {
    let room = (limit - estimate).abs();
    if room < 1e-9 {
        return (limit, true);
    }
    // The farthest value short of the limit.
    let last = if room.is_finite() { room * (1.0 - 1e-7) } else { f64::INFINITY };
    let (mut near, mut below) = (0.0, -quantile);
    let mut far = (step * quantile).min(last);
    let mut above;
    let mut tries = 0;
    loop {
        tries += 1;
        match root(estimate + side * far) {
            Some(value) if value >= 0.0 => {
                above = value;
                break;
            }
            Some(value) => {
                if far >= last || tries > 60 {
                    return (limit, true);
                }
                (near, below) = (far, value);
                // ζ is nearly a straight line.
                let slope = (value + quantile) / far;
                let guess = if slope > 0.0 { 1.1 * quantile / slope } else { 4.0 * far };
                far = guess.clamp(1.1 * far, 4.0 * far).min(last);
            }
            None if tries > 60 || far - near < 1e-9 * far => return (f64::NAN, false),
            None => far = 0.5 * (near + far),
        }
    }
    // False position (Illinois) between the bracket's ends.
    let mut kept = 0;
    for _ in 0..60 {
        let middle = far - above * (far - near) / (above - below);
        let Some(value) = root(estimate + side * middle) else { return (f64::NAN, false) };
        if value.abs() < 1e-7 * quantile || far - near < 1e-10 * far {
            return (estimate + side * middle, false);
        }
        if value > 0.0 {
            (far, above) = (middle, value);
            if kept == 1 {
                below *= 0.5;
            }
            kept = 1;
        } else {
            (near, below) = (middle, value);
            if kept == -1 {
                above *= 0.5;
            }
            kept = -1;
        }
    }
    (estimate + side * 0.5 * (near + far), false)
}
