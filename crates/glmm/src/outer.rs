//! The outer loop: BFGS from `argmin` in coordinates in which the initial Hessian is the identity, then Newton steps.

use argmin::core::{CostFunction, Error, Gradient, IterState, Problem, Solver, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::BFGS;
use std::cell::RefCell;
use std::rc::Rc;

use crate::matrix::{Matrix, dot};

/// A function with its gradient; nothing where it cannot be evaluated.
pub type Evaluate<'a> = dyn FnMut(&[f64]) -> Option<(f64, Vec<f64>)> + 'a;

/// A point with the value and the gradient there.
#[derive(Clone, Debug)]
pub struct Point {
    /// The parameters.
    pub x: Vec<f64>,
    /// The value (minus the log-likelihood).
    pub value: f64,
    /// The gradient.
    pub gradient: Vec<f64>,
}

/// ½ gᵀ H⁻¹ g for a Cholesky factor of H: what a quadratic model says a full step gains.
pub fn newton_decrement(factor: &Matrix, gradient: &[f64]) -> f64 {
    let mut half = gradient.to_vec();
    factor.lower_solve(&mut half);
    0.5 * dot(&half, &half)
}

/// The Cholesky factor of a symmetric matrix whose eigenvalues are taken by their size, none below `floor` times the
/// largest; and whether they all were above that.
pub fn safe_factor(hessian: &Matrix, floor: f64) -> (Matrix, bool) {
    let n = hessian.rows;
    // Scaled to a unit diagonal first, so that "small" does not depend on units.
    let scale: Vec<f64> = hessian.diagonal().iter().map(|d| d.abs().sqrt().max(1e-8)).collect();
    let scaled = Matrix::from_fn(n, n, |i, j| hessian[(i, j)] / (scale[i] * scale[j]));
    let (values, vectors) = scaled.symmetric_eigen();
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs())).max(1e-300);
    let positive = values.iter().all(|&v| v > floor * largest);
    if positive && let Some(l) = hessian.cholesky() {
        return (l, true);
    }
    let fixed = Matrix::from_fn(n, n, |i, j| if i == j { values[i].abs().max(floor.max(1e-6) * largest) } else { 0.0 });
    let fixed = fixed.congruence(&vectors);
    let fixed = Matrix::from_fn(n, n, |i, j| fixed[(i, j)] * scale[i] * scale[j]);
    let factor = fixed.cholesky().unwrap_or_else(|| Matrix::identity(n));
    (factor, positive)
}

struct Memory<'a, 'b> {
    evaluate: &'a mut Evaluate<'b>,
    /// The last evaluations, newest last.
    points: Vec<Point>,
    best: Point,
}

type BfgsState = IterState<Vec<f64>, Vec<f64>, (), Vec<Vec<f64>>, (), f64>;

/// The problem in the coordinates z: x = x₀ + L⁻ᵀ z.
#[derive(Clone)]
struct Scaled<'a, 'b> {
    memory: Rc<RefCell<Memory<'a, 'b>>>,
    start: Rc<Vec<f64>>,
    factor: Rc<Matrix>,
}

impl Scaled<'_, '_> {
    fn at(&self, z: &[f64]) -> Point {
        let mut x = z.to_vec();
        self.factor.lower_transpose_solve(&mut x);
        x.iter_mut().zip(self.start.iter()).for_each(|(x, s)| *x += s);
        let memory = &mut *self.memory.borrow_mut();
        if let Some(point) = memory.points.iter().find(|p| p.x == x) {
            return point.clone();
        }
        let point = match (memory.evaluate)(&x) {
            Some((value, gradient)) if value.is_finite() && gradient.iter().all(|g| g.is_finite()) => {
                Point { x, value, gradient }
            }
            // Outside the domain: a wall that the line search turns back from.
            _ => Point { value: memory.best.value + 1e3, gradient: vec![0.0; x.len()], x },
        };
        if point.value < memory.best.value {
            memory.best = point.clone();
        }
        if memory.points.len() == 4 {
            memory.points.remove(0);
        }
        memory.points.push(point.clone());
        point
    }
}

impl CostFunction for Scaled<'_, '_> {
    type Param = Vec<f64>;
    type Output = f64;
    fn cost(&self, z: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.at(z).value)
    }
}

impl Gradient for Scaled<'_, '_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;
    fn gradient(&self, z: &Vec<f64>) -> Result<Vec<f64>, Error> {
        let mut gradient = self.at(z).gradient;
        self.factor.lower_solve(&mut gradient);
        Ok(gradient)
    }
}

/// Minimises by BFGS, whose first Hessian is L Lᵀ (`factor`). Ends when the quasi-Newton decrement is below `tolerance`,
/// after `max_iterations` steps, or when a line search gains nothing more. Gives the best point and the number of steps.
pub fn quasi_newton(
    evaluate: &mut Evaluate,
    start: Point,
    factor: Matrix,
    tolerance: f64,
    max_iterations: usize,
) -> (Point, usize) {
    let n = start.x.len();
    if n == 0 || newton_decrement(&factor, &start.gradient) < tolerance {
        return (start, 0);
    }
    let memory = Memory { evaluate, points: vec![start.clone()], best: start.clone() };
    let problem =
        Scaled { memory: Rc::new(RefCell::new(memory)), start: Rc::new(start.x.clone()), factor: Rc::new(factor) };
    let mut gradient = start.gradient.clone();
    problem.factor.lower_solve(&mut gradient);
    let identity: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
    let line_search = MoreThuenteLineSearch::<Vec<f64>, Vec<f64>, f64>::new()
        .with_c(1e-4, 0.9)
        .and_then(|search| search.with_bounds(1e-10, 1e3));
    let Ok(line_search) = line_search else { return (start, 0) };
    let mut solver = BFGS::new(line_search);
    let state: BfgsState =
        IterState::new().param(vec![0.0; n]).cost(start.value).gradient(gradient).inv_hessian(identity);
    let mut counted = Problem::new(problem.clone());
    let Ok((mut state, _)) = solver.init(&mut counted, state) else { return (start, 0) };
    let mut steps = 0;
    let mut last = start.value;
    while steps < max_iterations {
        // An error here is a line search that found no descent: rounding has been reached.
        let Ok((next, _)) = solver.next_iter(&mut counted, state) else { break };
        state = next;
        steps += 1;
        let (Some(gradient), Some(inverse)) = (state.get_gradient(), state.get_inv_hessian()) else { break };
        let decrement: f64 = 0.5 * inverse.iter().zip(gradient).map(|(row, g)| g * dot(row, gradient)).sum::<f64>();
        if decrement.is_nan() || decrement < tolerance || last - state.get_cost() < 1e-14 * last.abs() {
            break;
        }
        last = state.get_cost();
    }
    let best = problem.memory.borrow().best.clone();
    (best, steps)
}

/// One damped Newton step with the factor of a Hessian: full, then halved until the value falls. Nothing where no step
/// lowers the value.
pub fn newton_step(evaluate: &mut Evaluate, point: &Point, factor: &Matrix) -> Option<Point> {
    let step = factor.cholesky_solve(&point.gradient);
    let mut length = 1.0;
    for _ in 0..12 {
        let x: Vec<f64> = point.x.iter().zip(&step).map(|(x, s)| x - length * s).collect();
        if let Some((value, gradient)) = evaluate(&x)
            && value.is_finite()
            && (value < point.value
                || newton_decrement(factor, &gradient) < newton_decrement(factor, &point.gradient)
                    && value - point.value < 1e-9 * (1.0 + value.abs()) * 1e-3)
        {
            return Some(Point { x, value, gradient });
        }
        length *= 0.3;
    }
    None
}

/// The Hessian by central differences of the gradient with the given steps; one-sided where a side cannot be evaluated.
pub fn difference_hessian(evaluate: &mut Evaluate, point: &Point, steps: &[f64]) -> Option<Matrix> {
    let n = point.x.len();
    let mut hessian = Matrix::zeros(n, n);
    for j in 0..n {
        let mut side = |sign: f64| {
            let mut x = point.x.clone();
            x[j] += sign * steps[j];
            let width = (x[j] - point.x[j]).abs();
            let gradient = evaluate(&x)?.1;
            gradient.iter().all(|g| g.is_finite()).then_some((gradient, width))
        };
        let column: Vec<f64> = match (side(1.0), side(-1.0)) {
            (Some((up, a)), Some((down, b))) => up.iter().zip(&down).map(|(u, d)| (u - d) / (a + b)).collect(),
            (Some((up, a)), None) => up.iter().zip(&point.gradient).map(|(u, g)| (u - g) / a).collect(),
            (None, Some((down, b))) => point.gradient.iter().zip(&down).map(|(g, d)| (g - d) / b).collect(),
            (None, None) => return None,
        };
        hessian.column_mut(j).copy_from_slice(&column);
    }
    hessian.symmetrise();
    Some(hessian)
}

/// A Hessian by one-sided differences of the gradient: half the work, good enough for a first metric.
pub fn forward_hessian(evaluate: &mut Evaluate, point: &Point, steps: &[f64]) -> Option<Matrix> {
    let n = point.x.len();
    let mut hessian = Matrix::zeros(n, n);
    for j in 0..n {
        let mut x = point.x.clone();
        x[j] += steps[j];
        let width = x[j] - point.x[j];
        let (_, gradient) = evaluate(&x)?;
        let column: Vec<f64> = gradient.iter().zip(&point.gradient).map(|(u, g)| (u - g) / width).collect();
        if column.iter().any(|v| !v.is_finite()) {
            return None;
        }
        hessian.column_mut(j).copy_from_slice(&column);
    }
    hessian.symmetrise();
    Some(hessian)
}

/// The end of an optimisation.
#[derive(Clone, Debug)]
pub struct Optimum {
    /// The best point.
    pub point: Point,
    /// The Hessian there.
    pub hessian: Matrix,
    /// Steps taken.
    pub iterations: usize,
}

/// BFGS from `start`, then damped Newton steps with Hessians from `hessian` until the decrement is below `tolerance`.
///
/// The first Hessian is taken at the start where `first` gives none.
pub fn minimise(
    evaluate: &mut Evaluate,
    hessian: &mut dyn FnMut(&mut Evaluate, &Point) -> Option<Matrix>,
    start: Point,
    first: Option<Matrix>,
    tolerance: f64,
    max_iterations: usize,
) -> Option<Optimum> {
    let first = match first {
        Some(first) => first,
        None => hessian(evaluate, &start)?,
    };
    // Well above the tolerance: the Hessian that is needed at the end anyway gives the last digits in one step.
    let (mut point, mut iterations) =
        quasi_newton(evaluate, start, safe_factor(&first, 1e-4).0, tolerance.max(1e-7), max_iterations);
    let mut at = hessian(evaluate, &point)?;
    for _ in 0..12 {
        let (factor, positive) = safe_factor(&at, 1e-12);
        let decrement = newton_decrement(&factor, &point.gradient);
        if decrement < 1e-3 * tolerance && positive {
            break;
        }
        let Some(next) = newton_step(evaluate, &point, &factor) else { break };
        iterations += 1;
        let moved = next.x.iter().zip(&point.x).enumerate().map(|(j, (a, b))| (a - b).powi(2) * at[(j, j)].abs());
        let moved = moved.fold(0.0f64, f64::max);
        point = next;
        // A step of less than a thousandth of a standard error leaves the Hessian as it is.
        if moved > 1e-6 {
            at = hessian(evaluate, &point)?;
        }
    }
    Some(Optimum { point, hessian: at, iterations })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's function of two variables, badly scaled.
    fn rosenbrock(x: &[f64]) -> Option<(f64, Vec<f64>)> {
        let (a, b) = (x[0], x[1] / 1000.0);
        let (p, q) = (1.0 - a, b - a * a);
        Some((p * p + 100.0 * q * q, vec![-2.0 * p - 400.0 * a * q, 200.0 * q / 1000.0]))
    }

    #[test]
    fn quasi_newton_and_newton_steps_find_the_minimum() {
        let x = vec![-1.2, 1000.0];
        let (value, gradient) = rosenbrock(&x).unwrap();
        let start = Point { x, value, gradient };
        let hessian = difference_hessian(&mut rosenbrock, &start, &[1e-5, 1e-2]).unwrap();
        let (factor, _) = safe_factor(&hessian, 1e-10);
        let forward = forward_hessian(&mut rosenbrock, &start, &[1e-5, 1e-2]).unwrap();
        for (a, b) in forward.values.iter().zip(&hessian.values) {
            assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
        }
        let (mut point, steps) = quasi_newton(&mut rosenbrock, start, factor, 1e-10, 200);
        assert!(steps < 60, "{steps}");
        for _ in 0..3 {
            let hessian = difference_hessian(&mut rosenbrock, &point, &[1e-5, 1e-2]).unwrap();
            let (factor, positive) = safe_factor(&hessian, 1e-10);
            assert!(positive);
            point = newton_step(&mut rosenbrock, &point, &factor).unwrap_or(point);
        }
        assert!((point.x[0] - 1.0).abs() < 1e-8 && (point.x[1] - 1000.0).abs() < 1e-5, "{point:?}");
    }

    #[test]
    fn a_wall_is_turned_back_from() {
        let mut f = |x: &[f64]| (x[0] > 0.0).then(|| (x[0] - x[0].ln(), vec![1.0 - 1.0 / x[0]]));
        let start = Point { x: vec![0.05], value: f(&[0.05]).unwrap().0, gradient: f(&[0.05]).unwrap().1 };
        let (point, _) = quasi_newton(&mut f, start, Matrix::identity(1), 1e-14, 100);
        assert!((point.x[0] - 1.0).abs() < 1e-5, "{point:?}");
    }
}
