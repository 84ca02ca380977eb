//! Limited-memory BFGS and Nelder–Mead, from `argmin`, in the [chart](crate::chart) of the start.

use super::{Climb, End, Limits, PATIENCE_WITHOUT_DERIVATIVE, Report, Step};
use crate::chart::Chart;
use crate::objective::Objective;
use argmin::core::{CostFunction, Error, Gradient, IterState, Problem, Solver, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::neldermead::NelderMead;
use argmin::solver::quasinewton::LBFGS;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::Vector6;
use std::cell::RefCell;

/// Cost of a pose that cannot be rendered, far above any similarity's negative.
const UNUSABLE: f64 = 1e12;

/// The best point met so far, and how many were met.
#[derive(Clone, Debug)]
struct Tally {
    best: Vector6<f64>,
    similarity: f64,
    evaluations: usize,
    /// Cost and gradient at the last point: line searches ask for both in turn.
    last: Option<(Vec<f64>, f64, Vec<f64>)>,
}

/// The negative similarity, times a factor, over the coordinates of a chart.
#[derive(Clone)]
struct Cost<'a> {
    objective: &'a Objective<'a>,
    chart: Chart,
    factor: f64,
    with_gradient: bool,
    tally: &'a RefCell<Tally>,
}

impl Cost<'_> {
    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
        if let Some((at, cost, gradient)) = &self.tally.borrow().last
            && at == x
        {
            return (*cost, gradient.clone());
        }
        let x = Vector6::from_column_slice(x);
        let pose = self.chart.pose(&x);
        let (similarity, gradient) = if self.with_gradient {
            let (similarity, twist) = self.objective.gradient(&pose);
            (similarity, self.chart.gradient(&x, &twist))
        } else {
            (self.objective.value(&pose), Vector6::zeros())
        };
        let cost = if similarity.is_finite() { -similarity * self.factor } else { UNUSABLE };
        let gradient: Vec<f64> = (gradient * -self.factor).iter().copied().collect();
        let mut tally = self.tally.borrow_mut();
        tally.evaluations += 1;
        if similarity > tally.similarity {
            (tally.best, tally.similarity) = (x, similarity);
        }
        tally.last = Some((x.iter().copied().collect(), cost, gradient.clone()));
        (cost, gradient)
    }
}

impl CostFunction for Cost<'_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.evaluate(x).0)
    }
}

impl Gradient for Cost<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, Error> {
        Ok(self.evaluate(x).1)
    }
}

/// L-BFGS with the line search of Moré and Thuente. The cost is scaled so that the first trial step is
/// `FIRST_STEP` times the level's shortest.
pub fn lbfgs(objective: &Objective, start: &Rigid, limits: &Limits, report: Report) -> Climb {
    const FIRST_STEP: f64 = 20.0;
    const MEMORY: usize = 6;
    let chart = objective.chart(*start);
    let (similarity, twist) = objective.gradient(start);
    let slope = chart.gradient(&Vector6::zeros(), &twist).norm();
    let factor = if slope > 0.0 { FIRST_STEP * limits.step_mm / slope } else { 1.0 };
    let tally = tally(similarity);
    let cost = Cost { objective, chart, factor, with_gradient: true, tally: &tally };
    let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY);
    let state: IterState<Vec<f64>, Vec<f64>, (), (), (), f64> = IterState::new().param(vec![0.0; 6]);
    drive(cost, solver, state, limits, report, |before, after, _| {
        let step = before.iter().zip(after).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        (step, step < limits.step_mm)
    })
}

/// Nelder–Mead from a regular simplex with edges of `simplex_mm` around the start; it ends when the best point has
/// moved less than the level's shortest step in `PATIENCE` iterations.
pub fn nelder_mead(objective: &Objective, start: &Rigid, simplex_mm: f64, limits: &Limits, report: Report) -> Climb {
    const PATIENCE: usize = 60;
    let edge = (simplex_mm * limits.spread).max(2.0 * limits.step_mm);
    let mut simplex = vec![vec![0.0; 6]; 7];
    (0..6).for_each(|n| simplex[n + 1][n] = edge);
    let tally = tally(objective.value(start));
    let cost = Cost { objective, chart: objective.chart(*start), factor: 1.0, with_gradient: false, tally: &tally };
    let solver = NelderMead::new(simplex);
    let state: IterState<Vec<f64>, (), (), (), (), f64> = IterState::new();
    let mut trail: Vec<Vector6<f64>> = Vec::new();
    let limits = Limits { max_iterations: limits.max_iterations * PATIENCE_WITHOUT_DERIVATIVE, ..*limits };
    drive(cost, solver, state, &limits, report, |_, _, best| {
        trail.push(*best);
        let Some(before) = trail.len().checked_sub(PATIENCE + 1) else { return (edge, false) };
        let step = (best - trail[before]).norm();
        (step, step < limits.step_mm)
    })
}

fn tally(similarity: f64) -> RefCell<Tally> {
    RefCell::new(Tally { best: Vector6::zeros(), similarity, evaluations: 1, last: None })
}

/// Runs an `argmin` solver step by step. `arrived` takes the parameters before and after a step and the best ones
/// so far, and returns the step's length and whether it ends the climb.
fn drive<G, S>(
    cost: Cost,
    mut solver: S,
    state: IterState<Vec<f64>, G, (), (), (), f64>,
    limits: &Limits,
    report: Report,
    mut arrived: impl FnMut(&[f64], &[f64], &Vector6<f64>) -> (f64, bool),
) -> Climb
where
    G: Clone,
    S: for<'a> Solver<Cost<'a>, IterState<Vec<f64>, G, (), (), (), f64>>,
{
    let (tally, chart) = (cost.tally, cost.chart);
    let finish = |iterations: usize, end: End| {
        let tally = tally.borrow();
        let pose = chart.pose(&tally.best);
        Climb { pose, similarity: tally.similarity, iterations, evaluations: tally.evaluations, curvature: None, end }
    };
    let tell = |iteration: usize, step_mm: f64, report: &mut dyn FnMut(&Step) -> std::ops::ControlFlow<()>| {
        let at = finish(iteration, End::Stopped);
        let Climb { pose, similarity, evaluations, .. } = at;
        report(&Step { iteration, pose, similarity, evaluations, step_mm })
    };
    if tell(0, f64::INFINITY, report).is_break() {
        return finish(0, End::Stopped);
    }
    let mut problem = Problem::new(cost);
    let Ok((mut state, _)) = solver.init(&mut problem, state) else { return finish(0, End::Converged) };
    state.update();
    for iteration in 1..=limits.max_iterations {
        let before = state.get_param().cloned().unwrap_or_default();
        // An error or an early end is a line search that finds nothing better: the climb is over.
        let Ok((next, _)) = solver.next_iter(&mut problem, state) else { return finish(iteration, End::Converged) };
        state = next;
        if state.terminated() {
            return finish(iteration, End::Converged);
        }
        state.update();
        state.increment_iter();
        let after = state.get_param().cloned().unwrap_or_default();
        let (step_mm, over) = arrived(&before, &after, &tally.borrow().best);
        if tell(iteration, step_mm, report).is_break() {
            return finish(iteration, End::Stopped);
        }
        if over || solver.terminate(&state).terminated() {
            return finish(iteration, End::Converged);
        }
    }
    finish(limits.max_iterations, End::IterationLimit)
}
