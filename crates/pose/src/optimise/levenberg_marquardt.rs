//! Levenberg–Marquardt on the exact Jacobian.
//!
//! Each step maximises the model `S + g·x − ½ xᵀ(C + μ D)x` in the [chart](crate::chart) of the current pose, where
//! all coordinates are in mm on the object; `D` is the largest diagonal of `C` met so far (J. J. Moré, "The
//! Levenberg–Marquardt algorithm: implementation and theory", 1978), with a floor. The damping `μ` follows the gain
//! ratio (H. B. Nielsen, "Damping parameter in Marquardt's method", IMM-REP-1999-05; K. Madsen, H. B. Nielsen, O.
//! Tingleff, "Methods for non-linear least squares problems", 2004).
//!
//! Far from the answer thin rays see voxels, not anatomy: the derivative of each ray is mostly texture, `C` is the
//! curvature of a narrow peak, and plain Gauss–Newton steps are too short. So `C` is scaled by the curvature that the
//! last step met along its way (the self-scaling of S. S. Oren and D. G. Luenberger, 1974), never above one.
//!
//! The 6×6 system is solved by Cholesky after scaling by `D`. It is positive definite by its damping; `C` is summed
//! in double precision from single-precision derivatives, so that the squared condition of the normal equations,
//! at most `1/μ` after scaling, costs nothing that the derivatives had.

use super::{Climb, End, Limits, Report, Step, Surface};
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::{Cholesky, Matrix6, Vector6};

/// First damping relative to `D`.
const FIRST_DAMPING: f64 = 1e-2;
/// Damping below this brings nothing and above this no step.
const DAMPING: std::ops::RangeInclusive<f64> = 1e-9..=1e9;
/// Least `D` relative to its largest element.
const FLOOR: f64 = 1e-4;
/// Least scale of the curvature.
const LEAST_SCALE: f64 = 0.03;
/// Longest step relative to the object's radius.
const LONGEST: f64 = 0.5;

/// Climbs until a step is shorter than `limits.step_mm`.
pub(crate) fn climb(objective: &impl Surface, start: &Rigid, limits: &Limits, report: Report) -> Climb {
    let mut model = objective.quadratic(start);
    let mut climb = Climb {
        pose: *start,
        similarity: model.value,
        iterations: 0,
        evaluations: 1,
        curvature: Some(model.curvature),
        end: End::IterationLimit,
    };
    let mut diagonal = Vector6::zeros();
    let (mut damping, mut growth) = (FIRST_DAMPING, 2.0);
    let mut scale = 1.0f64;
    let mut step_mm = f64::INFINITY;
    loop {
        let step = Step {
            iteration: climb.iterations,
            pose: climb.pose,
            similarity: climb.similarity,
            evaluations: climb.evaluations,
            step_mm,
        };
        if report(&step).is_break() {
            return Climb { end: End::Stopped, ..climb };
        }
        if step_mm < limits.step_mm || !DAMPING.contains(&damping.max(1e-9)) {
            return Climb { end: End::Converged, ..climb };
        }
        if climb.iterations >= limits.max_iterations {
            return climb;
        }
        let chart = objective.chart(climb.pose);
        let twist = chart.twist_by_coordinates(&Vector6::zeros());
        let gradient = twist.transpose() * model.gradient;
        let full = twist.transpose() * model.curvature * twist;
        let curvature = full * scale;
        diagonal = diagonal.sup(&full.diagonal());
        let Some(x) = damped_step(&gradient, &curvature, &floored(&diagonal), damping * scale) else {
            // No curvature at all: a flat place.
            return Climb { end: End::Converged, ..climb };
        };
        let x = x * (LONGEST * objective.radius() / x.norm()).min(1.0);
        let predicted = gradient.dot(&x) - 0.5 * x.dot(&(curvature * x));
        let pose = chart.pose(&x);
        let trial = objective.quadratic(&pose);
        climb.evaluations += 1;
        climb.iterations += 1;
        step_mm = x.norm();
        let risen = trial.value - climb.similarity;
        let gain = risen / predicted;
        // The curvature met along the step, relative to the full model's.
        let met = 2.0 * (gradient.dot(&x) - risen) / x.dot(&(full * x));
        scale = if met.is_finite() { met.clamp(LEAST_SCALE, 1.0).max(0.25 * scale) } else { 1.0 };
        if gain > 0.0 && risen > 0.0 {
            (climb.pose, climb.similarity, climb.curvature) = (pose, trial.value, Some(trial.curvature));
            model = trial;
            damping = (damping * (1.0f64 / 3.0).max(1.0 - (2.0 * gain - 1.0).powi(3))).max(*DAMPING.start());
            growth = 2.0;
        } else {
            damping *= growth;
            growth *= 2.0;
        }
    }
}

fn floored(diagonal: &Vector6<f64>) -> Vector6<f64> {
    let least = FLOOR * diagonal.max();
    diagonal.map(|d| d.max(least))
}

/// Solves `(C + μ D) x = g`; `None` if `D` is not positive or something is not finite.
fn damped_step(g: &Vector6<f64>, c: &Matrix6<f64>, d: &Vector6<f64>, damping: f64) -> Option<Vector6<f64>> {
    if !d.iter().all(|&v| v > 0.0 && v.is_finite()) {
        return None;
    }
    let scale = d.map(|v| 1.0 / v.sqrt());
    let scaled = Matrix6::from_fn(|r, k| c[(r, k)] * scale[r] * scale[k]) + Matrix6::identity() * damping;
    let x = Cholesky::new(scaled)?.solve(&g.component_mul(&scale)).component_mul(&scale);
    x.iter().all(|v| v.is_finite()).then_some(x)
}
