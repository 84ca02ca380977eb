//! The Gauss-Newton-Krylov iteration on one grid, for one weight β.
//!
//! J(w) = D(S w) + β ½‖w‖²; every step solves (S JᵀJ S + βI) p = −∇J approximately and searches along p.

use super::data_term::DataTerm;
use super::forcing::superlinear;
use super::krylov::{KrylovLimits, KrylovWork, conjugate_gradients};
use super::line_search::{LineSearch, backtrack};
use super::precondition::{Coarse, Preconditioner};
use super::reduction::Reduction;
use super::relax::{ROUNDS, outside, relax, within};
use crate::coefficients::Coefficients;
use crate::field::{VectorField, zeros};
use crate::real::Real;
use serde::Serialize;
use std::ops::ControlFlow;

/// Images whose relative mismatch is this small are alike.
const ALIKE: f64 = 1e-4;

/// A grid's data, its change of variable, and the coarser grid of the preconditioner.
pub struct Level<T: Real, D> {
    /// The distance.
    pub data: D,
    /// The change of variable.
    pub reduction: Reduction<T>,
    /// The coarser grid, where the preconditioner has one.
    pub coarse: Option<Coarse<T, D>>,
}

/// Limits of the iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewtonLimits {
    /// Weight of the regularisation.
    pub beta: f64,
    /// Newton steps.
    pub steps: usize,
    /// Products with the Hessian in a Newton step.
    pub krylov_steps: usize,
    /// Gradient norm, relative to the first, at which the iteration has converged.
    pub gradient_tolerance: f64,
    /// A step that lowers the objective by less than this fraction ends the iteration.
    pub decrease_tolerance: f64,
    /// The search along the step.
    pub line_search: LineSearch,
    /// Least and largest det F; where a step leaves them it is made smoother, see [`super::relax`].
    pub range: Option<[f64; 2]>,
}

/// How the iteration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The gradient is small enough.
    Converged,
    /// Steps no longer lower the objective.
    Stalled,
    /// The limit of steps was reached.
    StepLimit,
    /// The observer asked to stop.
    Interrupted,
}

/// One accepted Newton step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Counted from 1.
    pub number: usize,
    /// J after the step.
    pub objective: f64,
    /// D after the step.
    pub distance: f64,
    /// √(D(1)/D(0)) after the step, on this grid: for the sum of squared differences ‖m(1) − r‖/‖m(0) − r‖.
    pub relative_mismatch: f64,
    /// Norm of the gradient before the step, relative to the first of the run.
    pub relative_gradient: f64,
    /// Products with the Hessian on this grid.
    pub products: usize,
    /// Products on the preconditioner's grid.
    pub inner_products: usize,
    /// By which fraction the objective fell.
    pub decrease: f64,
    /// The fraction of the Newton step that was taken.
    pub step: f64,
    /// Least and largest det F after the step.
    pub jacobian: [f64; 2],
}

/// Steps taken earlier, before the run was left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Done {
    /// Their number.
    pub steps: usize,
    /// By which fraction the last one lowered the objective.
    pub last_decrease: Option<f64>,
}

struct Point<E> {
    evaluation: E,
    objective: f64,
    distance: f64,
    jacobian: [f64; 2],
}

/// Minimises J from `unknown`, in place, and says how that ended.
///
/// `reference` is the gradient's norm that tolerances are relative to, set here if it is not known; `done` is what was done
/// before. `report` sees every step, the reference and the unknown, and may end the iteration.
pub fn newton<T: Real, D: DataTerm<T>>(
    level: &Level<T, D>,
    limits: NewtonLimits,
    unknown: &mut Coefficients<T>,
    reference: &mut Option<f64>,
    done: Done,
    mut report: impl FnMut(&Step, f64, &Coefficients<T>) -> ControlFlow<()>,
) -> Ending {
    let band = level.reduction.band();
    let [mut gradient, mut direction, mut trial] = std::array::from_fn(|_| Coefficients::zeros(band));
    let mut velocity = zeros(level.data.grid().len());
    let mut last_decrease = done.last_decrease.unwrap_or(f64::INFINITY);
    if done.steps >= limits.steps {
        return Ending::StepLimit;
    }
    // Where a run is taken up again its point stays what it was.
    let first_limits = if done.steps > 0 { NewtonLimits { range: None, ..limits } } else { limits };
    let mut point = evaluate(level, first_limits, unknown, &mut trial, &mut velocity);
    for number in done.steps + 1.. {
        if level.data.relative_mismatch(&point.evaluation) <= ALIKE {
            return Ending::Converged;
        }
        let objective = point.objective;
        // A map that has left the range already, as prolongation can make it, may stay there while it comes back.
        let range = limits.range.unwrap_or([f64::MIN_POSITIVE, f64::INFINITY]);
        let range = [point.jacobian[0].min(range[0]), point.jacobian[1].max(range[1])];
        let (at, density) = level.data.linearise(point.evaluation);
        level.reduction.pull_back(&density, &mut gradient);
        drop(density);
        level.reduction.add_penalty(limits.beta, unknown, &mut gradient);
        let norm = gradient.norm();
        let first = *reference.get_or_insert(norm);
        let relative_gradient = if first > 0.0 { norm / first } else { 0.0 };
        if norm == 0.0 || relative_gradient <= limits.gradient_tolerance {
            return Ending::Converged;
        }
        if last_decrease <= limits.decrease_tolerance {
            return Ending::Stalled;
        }
        let spent = solve(
            level,
            limits,
            unknown,
            &at,
            &mut gradient,
            relative_gradient,
            &mut velocity,
            &mut trial,
            &mut direction,
        );
        // `solve` turned the gradient into the right-hand side −∇J.
        let slope = -gradient.dot(&direction);
        drop(at);
        let accepted = backtrack(limits.line_search, objective, slope, |step| {
            trial.clone_from(unknown);
            trial.add_scaled(step, &direction);
            let point = evaluate(level, limits, &mut trial, &mut gradient, &mut velocity);
            within(point.jacobian, range).then_some((point.objective, point))
        });
        let Some(accepted) = accepted else { return Ending::Stalled };
        // The trial that was accepted is the last one.
        unknown.clone_from(&trial);
        point = accepted.state;
        last_decrease = (objective - point.objective) / objective;
        let step = Step {
            number,
            objective: point.objective,
            distance: point.distance,
            relative_mismatch: level.data.relative_mismatch(&point.evaluation),
            relative_gradient,
            products: spent.products,
            inner_products: spent.inner_products,
            decrease: last_decrease,
            step: accepted.step,
            jacobian: point.jacobian,
        };
        if report(&step, first, unknown).is_break() {
            return Ending::Interrupted;
        }
        if number >= limits.steps {
            return Ending::StepLimit;
        }
    }
    unreachable!("the loop ends by returning")
}

/// J and det F at an unknown, which is made smoother where det F leaves the range. `scratch` and `velocity` are overwritten.
fn evaluate<T: Real, D: DataTerm<T>>(
    level: &Level<T, D>,
    limits: NewtonLimits,
    unknown: &mut Coefficients<T>,
    scratch: &mut Coefficients<T>,
    velocity: &mut VectorField<T>,
) -> Point<D::Evaluation> {
    let transport = |unknown: &Coefficients<T>, scratch: &mut Coefficients<T>, velocity: &mut VectorField<T>| {
        level.reduction.velocity(unknown, scratch, velocity);
        let evaluation = level.data.evaluate(velocity);
        let jacobian = level.data.determinant_range(&evaluation);
        (evaluation, jacobian)
    };
    let (mut evaluation, mut jacobian) = transport(unknown, scratch, velocity);
    if let Some(range) = limits.range {
        for _ in 0..ROUNDS {
            if within(jacobian, range) {
                break;
            }
            let marks = outside(&level.data.determinant(&evaluation), range);
            drop(evaluation);
            relax(&level.reduction, marks, unknown, velocity);
            (evaluation, jacobian) = transport(unknown, scratch, velocity);
        }
    }
    let distance = level.data.distance(&evaluation);
    let objective = distance + limits.beta * level.reduction.energy(unknown);
    Point { objective, distance, evaluation, jacobian }
}

struct Spent {
    products: usize,
    inner_products: usize,
}

/// The Newton direction. `gradient` becomes its negative, `scratch` is overwritten.
#[expect(clippy::too_many_arguments, reason = "the work space is the caller's")]
fn solve<T: Real, D: DataTerm<T>>(
    level: &Level<T, D>,
    limits: NewtonLimits,
    unknown: &Coefficients<T>,
    at: &D::Linearisation,
    gradient: &mut Coefficients<T>,
    relative_gradient: f64,
    velocity: &mut VectorField<T>,
    scratch: &mut Coefficients<T>,
    direction: &mut Coefficients<T>,
) -> Spent {
    let tolerance = superlinear(relative_gradient, 1.0);
    let mut preconditioner = Preconditioner::new(level.coarse.as_ref(), unknown, limits.beta, tolerance);
    gradient.scale(-1.0);
    let mut work = KrylovWork::with(scratch);
    let report = conjugate_gradients(
        |p, out| {
            level.reduction.velocity(p, out, velocity);
            level.reduction.pull_back(&level.data.product(at, velocity), out);
            level.reduction.add_penalty(limits.beta, p, out);
        },
        |r, out| preconditioner.apply(r, out),
        gradient,
        KrylovLimits { tolerance, iterations: limits.krylov_steps },
        &mut work,
        direction,
    );
    work.give_back(scratch);
    Spent { products: report.iterations, inner_products: preconditioner.inner_products }
}
