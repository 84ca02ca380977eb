//! The mode of the random effects, by Newton's method with the exact second derivatives.

use super::model::{Model, State};
use crate::cross::Weights;
use crate::matrix::{add_scaled, dot};

/// Newton steps at most.
const MAX_STEPS: usize = 200;
/// The squared length of a Newton step, in units of the curvature, below which the step is the last one: what it leaves is
/// of the order of its square.
const LAST_STEP: f64 = 1e-8;
/// Below this no step is needed at all.
const NO_STEP: f64 = 1e-18;

/// Takes a state whose parameters and first guess of u are set to the mode. Gives the number of passes over the
/// observations, or nothing where no mode was found. `trial` is room to work in.
pub fn find_mode(model: &Model, state: &mut State, trial: &mut State) -> Option<usize> {
    model.look(state);
    let mut passes = 1;
    if !state.value.is_finite() {
        // The first guess is outside the domain; the centre may not be.
        state.u.fill(0.0);
        model.look(state);
        passes += 1;
        if !state.value.is_finite() {
            return None;
        }
    }
    for _ in 0..MAX_STEPS {
        let exact = model.factorise(state) || {
            factorise_safely(model, state);
            false
        };
        let pull = model.spherical_transpose(&state.factors, [&state.slopes.d1[0], &state.slopes.d1[1]]);
        let gradient: Vec<f64> = state.u.iter().zip(&pull).map(|(u, p)| u - p).collect();
        let step = model.solve(&state.factor, &gradient);
        let decrement = dot(&gradient, &step);
        if decrement.is_nan() {
            return None;
        }
        if decrement < NO_STEP && exact {
            return model.factorise_expected(state).then_some(passes);
        }
        let mut length = 1.0;
        let slack = 1e-12 * (1.0 + state.value.abs());
        trial.psi.clone_from(&state.psi);
        trial.shape.clone_from(&state.shape);
        trial.factors.clone_from(&state.factors);
        trial.base.clone_from(&state.base);
        loop {
            trial.u.clone_from(&state.u);
            add_scaled(&mut trial.u, -length, &step);
            model.look(trial);
            passes += 1;
            // A small share of the predicted gain is asked for, as Armijo does.
            if trial.value <= state.value - 1e-4 * length * decrement + slack {
                break;
            }
            length *= 0.5;
            if length < 1e-9 {
                // No descent: rounding, if the step is small; else no mode.
                return (exact && decrement < 1e-6 && model.factorise_expected(state)).then_some(passes);
            }
        }
        std::mem::swap(state, trial);
        if decrement < LAST_STEP && length == 1.0 && exact {
            let done = model.factorise(state) && model.factorise_expected(state);
            return done.then_some(passes);
        }
    }
    None
}

/// Factorises with weights that are made positive semi-definite.
fn factorise_safely(model: &Model, state: &mut State) {
    let w = &state.slopes.w.by_pair;
    let mut safe = Weights { by_pair: [w[0].clone(), w[1].clone(), w[2].clone()] };
    for i in 0..w[0].len() {
        safe.by_pair[0][i] = w[0][i].max(0.0);
        if !w[2].is_empty() {
            safe.by_pair[2][i] = w[2][i].max(0.0);
            let bound = 0.99 * (safe.by_pair[0][i] * safe.by_pair[2][i]).sqrt();
            safe.by_pair[1][i] = w[1][i].clamp(-bound, bound);
        }
    }
    let State { factors, cross, factor, .. } = state;
    model.factorise_with(&safe, factors, cross, factor);
}
