//! Fits of generalised linear mixed models.

use crate::design::Design;
use crate::fit::{Counts, Fit, FitError, Progress};
use crate::laplace::gradient::{Value, laplace};
use crate::laplace::hessian::{Approximation, exact, hessian};
use crate::laplace::mode::find_mode;
use crate::laplace::model::{Model, State};
use crate::laplace::quadrature::{Rule, quadrature};
use crate::matrix::Matrix;
use crate::outer::{Evaluate, Optimum, Point, minimise, quasi_newton, safe_factor};
use crate::random::parameters_of;
use crate::selected::SelectedInverse;
use crate::settings::{Family, Method, Settings};
use crate::start::start;
use crate::verdict::{Message, Verdict};

/// Central differences are taken where they cost no more than this many row visits; beyond it one-sided ones, whose error
/// (about 1e-6 of a standard error) is as small as needed.
pub const CENTRAL: usize = 200_000;

/// Evaluations of one model, each from the mode that the last one predicts.
pub struct Evaluator<'a, 'b> {
    /// The model.
    pub model: &'b Model<'a>,
    /// The last mode.
    pub state: State,
    /// Room for the next one and for the steps to it.
    room: [State; 2],
    /// What is minimised, from the mode.
    pub approximation: &'b Approximation<'b>,
    /// How much work it was.
    pub counts: Counts,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    /// An evaluator that has not seen a point yet.
    pub fn new(model: &'b Model<'a>, approximation: &'b Approximation<'b>) -> Self {
        let state = State { u: vec![0.0; model.layout.effects()], ..State::default() };
        Evaluator { model, state, room: Default::default(), approximation, counts: Counts::default() }
    }

    /// Minus the log-likelihood and its gradient at ψ.
    pub fn evaluate(&mut self, psi: &[f64]) -> Option<Value> {
        let model = self.model;
        let base = model.base(psi);
        let u = if self.state.psi.is_empty() { self.state.u.clone() } else { model.predict(&self.state, psi, &base) };
        let [next, trial] = &mut self.room;
        let centre = vec![0.0; u.len()];
        next.u = if u.iter().all(|v| v.is_finite() && v.abs() < 50.0) { u } else { centre };
        model.set_parameters(next, psi, base);
        self.counts.passes += find_mode(model, next, trial)?;
        let value = (self.approximation)(model, next)?;
        std::mem::swap(&mut self.state, next);
        self.counts.evaluations += 1;
        value.value.is_finite().then_some(value)
    }
}

/// The approximation of a method.
pub fn approximation(method: Method) -> impl Fn(&Model, &mut State) -> Option<Value> {
    let rule = match method {
        Method::Quadrature(points) if points > 1 => Some(Rule::new(points)),
        _ => None,
    };
    move |model, state| match &rule {
        Some(rule) => quadrature(model, state, rule),
        None => Some(laplace(model, state)),
    }
}

/// Fits a generalised linear mixed model.
pub fn fit_generalised(
    design: &Design,
    settings: &Settings,
    observer: &mut dyn FnMut(Progress),
) -> Result<Fit, FitError> {
    let model = Model::new(design, settings, true);
    let approximation = approximation(settings.method);
    let psi = start(&model, settings);
    let mut evaluator = Evaluator::new(&model, &approximation);
    if settings.method == Method::Joint {
        let best = crate::joint::minimise_joint(&model, &mut evaluator, psi, settings, observer)?;
        return Ok(crate::generalised_report::report(design, settings, &model, &mut evaluator, best, vec![]));
    }
    let mut best = run(&mut evaluator, psi.clone(), settings, observer)?;
    let mut reached = vec![-best.point.value];
    let converged = Verdict::new(&best.hessian, &best.point.gradient).converged;
    let theta = model.theta(&best.point.x).to_vec();
    if !theta.is_empty() && (!converged || crate::report::is_singular(&model.layout, &theta)) {
        // A boundary or an unfinished fit may be one of several optima.
        let unit = model.layout.unit();
        for factor in [0.3, 2.0] {
            let mut other = psi.clone();
            for (m, t) in unit.iter().enumerate() {
                other[model.fixed() + m] = factor * t;
            }
            evaluator.state = State { u: vec![0.0; model.layout.effects()], ..State::default() };
            let Ok(other) = run(&mut evaluator, other, settings, observer) else { continue };
            reached.push(-other.point.value);
            if improves(&other, &best) {
                best = other;
            }
        }
    }
    let highest = reached.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let several = reached.iter().any(|l| highest - l > 1e-4);
    let messages = if several { vec![Message::SeveralOptima { log_liks: reached }] } else { vec![] };
    Ok(crate::generalised_report::report(design, settings, &model, &mut evaluator, best, messages))
}

/// The Hessian at a point, where the evaluator goes first.
pub fn hessian_at(evaluator: &mut Evaluator, point: &Point, moved: std::ops::Range<usize>) -> Option<Matrix> {
    if evaluator.state.psi != point.x {
        evaluator.evaluate(&point.x)?;
    }
    let model = evaluator.model;
    let parts = exact(model, &evaluator.state);
    let central = model.rows() * (moved.end - moved.start) < CENTRAL;
    hessian(model, &evaluator.state, &parts, evaluator.approximation, moved, central)
}

fn run(
    evaluator: &mut Evaluator,
    psi: Vec<f64>,
    settings: &Settings,
    observer: &mut dyn FnMut(Progress),
) -> Result<Optimum, FitError> {
    let model = evaluator.model;
    let failed = || FitError::Evaluation { problem: "the random effects have no mode there".into() };
    let psi = if settings.start.is_none() { expectation_steps(evaluator, psi) } else { psi };
    let value = evaluator.evaluate(&psi).ok_or_else(failed)?;
    let point = Point { x: psi, value: value.value, gradient: value.gradient() };
    let count = model.parameters();
    let first = hessian_at(evaluator, &point, model.fixed()..count).map(|h| with_short_step(model, &point, h));
    let evaluator = std::cell::RefCell::new(evaluator);
    let mut evaluate = |psi: &[f64]| {
        let mut evaluator = evaluator.borrow_mut();
        let value = evaluator.evaluate(psi)?;
        let evaluations = evaluator.counts.evaluations;
        observer(Progress { evaluations, log_lik: -value.value, theta: model.theta(psi) });
        Some((value.value, value.gradient()))
    };
    let mut hessian = |_: &mut Evaluate, point: &Point| hessian_at(&mut evaluator.borrow_mut(), point, 0..count);
    let found = minimise(&mut evaluate, &mut hessian, point, first, settings.tolerance, settings.max_iterations)
        .ok_or_else(failed)?;
    let evaluator = evaluator.into_inner();
    evaluator.counts.iterations += found.iterations;
    Ok(beyond_the_edge(evaluator, settings, found))
}

/// Whether another optimum is the one to keep: one that was found before one that was not (which may be a point where the
/// approximation breaks down), then the higher one.
pub fn improves(other: &Optimum, best: &Optimum) -> bool {
    let converged = |o: &Optimum| Verdict::new(&o.hessian, &o.point.gradient).converged;
    match (converged(other), converged(best)) {
        (true, false) => true,
        (false, true) => false,
        _ => other.point.value < best.point.value - 1e-9,
    }
}

/// A shape that runs to the edge of its range gets there by ever smaller gains, each step one unit of its logarithm: it is
/// moved on to where no gain is left.
fn beyond_the_edge(evaluator: &mut Evaluator, settings: &Settings, found: Optimum) -> Optimum {
    const STEP: f64 = 10.0;
    let at = evaluator.model.first_shape();
    let Some(&log_shape) = found.point.x.get(at) else { return found };
    let direction = match settings.family {
        Family::NegativeBinomial1 if log_shape < -10.0 => -1.0,
        Family::NegativeBinomial2 | Family::BetaBinomial if log_shape > 10.0 => 1.0,
        _ => return found,
    };
    let mut x = found.point.x.clone();
    x[at] = direction * (log_shape.abs() + STEP).min(25.0).max(log_shape.abs());
    let Some(value) = evaluator.evaluate(&x).filter(|v| v.value < found.point.value) else { return found };
    let point = Point { x, value: value.value, gradient: value.gradient() };
    let moved = 0..evaluator.model.parameters();
    match hessian_at(evaluator, &point, moved) {
        Some(hessian) => Optimum { point, hessian, ..found },
        None => found,
    }
}

/// Two steps of the EM algorithm in the covariances: Σ = Λ (mean of u uᵀ + H⁻¹) Λᵀ over the levels. From anywhere they lead
/// near enough for Newton's metric to hold.
fn expectation_steps(evaluator: &mut Evaluator, mut psi: Vec<f64>) -> Vec<f64> {
    let model = evaluator.model;
    let layout = &model.layout;
    for _ in 0..2 {
        if layout.terms.is_empty() || evaluator.evaluate(&psi).is_none() {
            return psi;
        }
        let state = &evaluator.state;
        let mut inverse = SelectedInverse::default();
        inverse.compute(&model.pattern, &state.factor);
        let mut blocks = vec![0.0; model.cross.len];
        inverse.blocks(layout, &model.cross, &model.pattern, &mut blocks);
        let conditional = model.cross.diagonal_blocks(layout, &blocks);
        let mut theta = Vec::with_capacity(layout.parameters());
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            let mut mean = Matrix::zeros(k, k);
            for (l, block) in conditional[t].iter().enumerate() {
                let u = &state.u[layout.first[t] + l * k..][..k];
                for c in 0..k {
                    for r in 0..k {
                        mean[(r, c)] += (u[r] * u[c] + block[(r, c)]) / term.levels.len() as f64;
                    }
                }
            }
            theta.extend(parameters_of(term.covariance, &mean.congruence(&state.factors[t])));
        }
        if theta.iter().any(|t| !t.is_finite()) {
            return psi;
        }
        psi[model.fixed()..model.first_shape()].copy_from_slice(&theta);
    }
    psi
}

/// A metric whose first step moves no covariance parameter by more than half of itself.
fn with_short_step(model: &Model, point: &Point, mut hessian: Matrix) -> Matrix {
    let (factor, _) = safe_factor(&hessian, 1e-4);
    let step = factor.cholesky_solve(&point.gradient);
    let longest = (model.fixed()..model.parameters())
        .map(|j| step[j].abs() / (0.5 * point.x[j].abs().max(0.4)))
        .fold(0.0f64, f64::max);
    if longest > 1.0 {
        hessian.values.iter_mut().for_each(|v| *v *= longest);
    }
    hessian
}

/// Fits the fixed effects and the shape without random effects, roughly: a start.
pub fn rough_fit(model: &Model, psi: Vec<f64>) -> Option<Vec<f64>> {
    let approximation = approximation(Method::Laplace);
    let mut evaluator = Evaluator::new(model, &approximation);
    let value = evaluator.evaluate(&psi)?;
    let point = Point { x: psi, value: value.value, gradient: value.gradient() };
    let (factor, _) = safe_factor(&exact(model, &evaluator.state).hessian, 1e-4);
    let mut evaluate = |psi: &[f64]| evaluator.evaluate(psi).map(|v| (v.value, v.gradient()));
    let (best, _) = quasi_newton(&mut evaluate, point, factor, 1e-2, 30);
    Some(best.x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Covariance;
    use crate::fit::fit;
    use crate::testing::{design, predictor, term};

    /// Counts with less variation than Poisson's leave the negative binomial at its edge, with Poisson's likelihood.
    #[test]
    fn a_shape_at_its_edge_loses_no_likelihood() {
        let n = 60;
        let counts = (0..n).map(|i| (3 + i % 2 + i / 6 % 3) as f64).collect();
        let counts = design(counts, predictor(n, 2, vec![term(n, 1, Covariance::Unstructured, |i| i / 6)]));
        let log_lik = |family| fit(&counts, &Settings::new(family), &mut |_| ()).unwrap().log_lik;
        let poisson = log_lik(Family::Poisson);
        for family in [Family::NegativeBinomial1, Family::NegativeBinomial2] {
            let found = log_lik(family);
            assert!((found - poisson).abs() < 1e-7, "{family:?}: {found} for {poisson}");
        }
    }

    #[test]
    fn an_optimum_is_kept_before_a_point_that_is_none() {
        let at = |value: f64, curvature: f64| Optimum {
            point: Point { x: vec![0.0], value, gradient: vec![0.0] },
            hessian: Matrix { rows: 1, columns: 1, values: vec![curvature] },
            iterations: 0,
        };
        assert!(improves(&at(1.0, 1.0), &at(2.0, 1.0)));
        assert!(!improves(&at(1.0, -1.0), &at(2.0, 1.0)) && improves(&at(2.0, 1.0), &at(1.0, -1.0)));
        assert!(improves(&at(1.0, -1.0), &at(2.0, -1.0)));
    }
}
