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
use crate::settings::{Method, Settings};
use crate::start::start;
use crate::verdict::{Message, Verdict};

/// Central differences are taken where they cost no more than this many row visits; beyond it one-sided ones, whose error
/// (about 1e-6 of a standard error) is as small as needed.
const CENTRAL: usize = 4_000_000;

/// Evaluations of one model, each from the mode that the last one predicts.
pub struct Evaluator<'a, 'b> {
    /// The model.
    pub model: &'b Model<'a>,
    /// The last mode.
    pub state: State,
    /// What is minimised, from the mode.
    pub approximation: &'b Approximation<'b>,
    /// How much work it was.
    pub counts: Counts,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    /// An evaluator that has not seen a point yet.
    pub fn new(model: &'b Model<'a>, approximation: &'b Approximation<'b>) -> Self {
        let state = State { u: vec![0.0; model.layout.effects()], ..State::default() };
        Evaluator { model, state, approximation, counts: Counts::default() }
    }

    /// Minus the log-likelihood and its gradient at ψ.
    pub fn evaluate(&mut self, psi: &[f64]) -> Option<Value> {
        let model = self.model;
        let base = model.base(psi);
        let u = if self.state.psi.is_empty() { self.state.u.clone() } else { model.predict(&self.state, psi, &base) };
        let mut next = self.state.clone();
        let centre = vec![0.0; u.len()];
        next.u = if u.iter().all(|v| v.is_finite() && v.abs() < 50.0) { u } else { centre };
        model.set_parameters(&mut next, psi, base);
        self.counts.passes += find_mode(model, &mut next)?;
        let value = (self.approximation)(model, &mut next)?;
        self.state = next;
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
            let better = Verdict::new(&other.hessian, &other.point.gradient).converged && !converged;
            if other.point.value < best.point.value - 1e-9 || better && other.point.value < best.point.value + 1e-9 {
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
    let value = evaluator.evaluate(&psi).ok_or_else(failed)?;
    let point = Point { x: psi, value: value.value, gradient: value.gradient() };
    let count = model.parameters();
    let first = hessian_at(evaluator, &point, model.fixed()..count);
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
    evaluator.borrow_mut().counts.iterations += found.iterations;
    Ok(found)
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
