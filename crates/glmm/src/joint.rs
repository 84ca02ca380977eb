//! The joint mode of fixed and random effects (lme4's `nAGQ = 0`): for given θ both come from penalised iteratively
//! re-weighted least squares, and Laplace's approximation at that point is maximised over θ and the shape.

use crate::fit::{FitError, Progress};
use crate::generalised::Evaluator;
use crate::laplace::hessian::exact;
use crate::laplace::model::Model;
use crate::matrix::{Matrix, add_scaled};
use crate::outer::{Evaluate, Optimum, Point, difference_hessian, minimise, newton_decrement, safe_factor};
use crate::settings::Settings;

/// Newton steps in the fixed effects at most.
const MAX_STEPS: usize = 50;

/// For (θ, ω) the joint mode: minus the log-likelihood of Laplace's approximation there, its gradient in (θ, ω), and γ.
fn at_joint_mode(evaluator: &mut Evaluator, gamma: &mut Vec<f64>, rest: &[f64]) -> Option<(f64, Vec<f64>)> {
    let fixed = gamma.len();
    let whole = |gamma: &[f64]| -> Vec<f64> { gamma.iter().chain(rest).copied().collect() };
    let mut value = evaluator.evaluate(&whole(gamma))?;
    let mut f = evaluator.state.value;
    for _ in 0..MAX_STEPS {
        let parts = exact(evaluator.model, &evaluator.state);
        let (factor, _) = safe_factor(&parts.hessian.block(0, fixed), 1e-12);
        let pull = &value.exact[..fixed];
        let decrement = newton_decrement(&factor, pull);
        if decrement < 1e-16 * (1.0 + f.abs()) {
            // dγ̂/d(θ, ω) = −F_γγ⁻¹ F_γ·, so that each gradient gains −F_·γ F_γγ⁻¹ g_γ.
            let carried = factor.cholesky_solve(&value.rest[..fixed]);
            let all = value.gradient();
            let gradient = (fixed..all.len())
                .map(|j| all[j] - (0..fixed).map(|i| parts.hessian[(i, j)] * carried[i]).sum::<f64>())
                .collect();
            return Some((value.value, gradient));
        }
        let step = factor.cholesky_solve(pull);
        let mut length = 1.0;
        loop {
            let mut moved = gamma.clone();
            add_scaled(&mut moved, -length, &step);
            if let Some(next) = evaluator.evaluate(&whole(&moved))
                && evaluator.state.value <= f + 1e-12 * (1.0 + f.abs())
            {
                (*gamma, value, f) = (moved, next, evaluator.state.value);
                break;
            }
            length *= 0.5;
            if length < 1e-8 {
                return None;
            }
        }
    }
    None
}

/// Minimises over θ and the shape with γ at the joint mode. The Hessian of the optimum has the curvature of f in γ
/// (lme4's covariance of fixed effects at `nAGQ = 0`) and none between γ and the rest.
pub fn minimise_joint(
    model: &Model,
    evaluator: &mut Evaluator,
    psi: Vec<f64>,
    settings: &Settings,
    observer: &mut dyn FnMut(Progress),
) -> Result<Optimum, FitError> {
    let fixed = model.fixed();
    let failed = || FitError::Evaluation { problem: "the fixed and random effects have no joint mode there".into() };
    let mut gamma = psi[..fixed].to_vec();
    let start = psi[fixed..].to_vec();
    let (value, gradient) = at_joint_mode(evaluator, &mut gamma, &start).ok_or_else(failed)?;
    let point = Point { x: start, value, gradient };
    let thetas = model.layout.parameters();
    let found = {
        let mut evaluate = |rest: &[f64]| {
            let found = at_joint_mode(evaluator, &mut gamma, rest)?;
            let evaluations = evaluator.counts.evaluations;
            observer(Progress { evaluations, log_lik: -found.0, theta: &rest[..thetas] });
            Some(found)
        };
        let mut hessian = |evaluate: &mut Evaluate, point: &Point| {
            let steps: Vec<f64> = point.x.iter().map(|x| 1e-4 * x.abs().max(0.3)).collect();
            difference_hessian(evaluate, point, &steps)
        };
        minimise(&mut evaluate, &mut hessian, point, None, settings.tolerance, settings.max_iterations)
            .ok_or_else(failed)?
    };
    at_joint_mode(evaluator, &mut gamma, &found.point.x).ok_or_else(failed)?;
    evaluator.counts.iterations += found.iterations;
    let parts = exact(model, &evaluator.state);
    let count = model.parameters();
    let hessian = Matrix::from_fn(count, count, |i, j| match (i < fixed, j < fixed) {
        (true, true) => parts.hessian[(i, j)],
        (false, false) => found.hessian[(i - fixed, j - fixed)],
        _ => 0.0,
    });
    let x = gamma.iter().chain(&found.point.x).copied().collect();
    let gradient = std::iter::repeat_n(0.0, fixed).chain(found.point.gradient.iter().copied()).collect();
    Ok(Optimum { point: Point { x, value: found.point.value, gradient }, hessian, iterations: found.iterations })
}
