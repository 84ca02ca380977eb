//! The deviance of a linear mixed model with one parameter held at a value.
//!
//! The others are parametrised so that nothing constrains them: the effect whose standard deviation is held comes first in
//! a Cholesky factor with another order of the effects, where it is the first diagonal element; the two effects whose
//! correlation ρ is held come first, and their second row is s (ρ, √(1 − ρ²)).

use super::error::InferenceError;
use super::linear_state::{LinearState, linear_state};
use crate::design::{Covariance, Design};
use crate::fit::Fit;
use crate::matrix::Matrix;
use crate::outer::{Evaluate, Point, difference_hessian, minimise};
use crate::profile::Criterion;
use crate::random::{factor, parameters_of};

/// The parameter that is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Constraint {
    Fixed(usize),
    Sigma,
    Sd { term: usize, column: usize },
    Correlation { term: usize, row: usize, column: usize },
}

/// The full likelihood of a linear mixed model, with its optimum.
pub(crate) struct ConstrainedDeviance<'a> {
    state: LinearState<'a>,
    /// θ̂ and σ̂ of maximum likelihood.
    theta: Vec<f64>,
    sigma: f64,
    deviance: f64,
    beta: Vec<f64>,
    se: Vec<f64>,
}

impl<'a> ConstrainedDeviance<'a> {
    pub fn new(design: &'a Design, fit: &Fit) -> Result<Self, InferenceError> {
        let mut state = linear_state(design, fit, "profile likelihood")?;
        state.criterion = Criterion::Ml;
        let theta = if fit.settings.criterion == Criterion::Ml {
            fit.theta.clone()
        } else {
            let mut settings = fit.settings.clone();
            settings.criterion = Criterion::Ml;
            crate::fit::fit(design, &settings, &mut |_| ())?.theta
        };
        let method = "profile likelihood";
        let missing = InferenceError::Indefinite { what: "the covariance of the responses", method };
        let at = state.profile.solve(&theta).ok_or(missing)?;
        let sigma = state.profile.sigma(&at, Criterion::Ml);
        let deviance = state.profile.deviance(&at, Criterion::Ml, sigma);
        let se = at.unscaled_covariance.diagonal().iter().map(|v| sigma * v.sqrt()).collect();
        Ok(Self { state, theta, sigma, deviance, beta: at.beta, se })
    }

    /// The deviance at the optimum.
    pub fn smallest(&self) -> f64 {
        self.deviance
    }

    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    pub fn standard_error(&self, j: usize) -> f64 {
        self.se[j]
    }

    /// Relative covariance Λ Λᵀ of a term at the optimum.
    fn relative_covariance(&self, term: usize) -> Matrix {
        let lambda = &self.state.profile.layout.factors(&self.theta)[term];
        lambda.product(&lambda.transpose())
    }

    /// The maximum-likelihood estimate of a parameter.
    pub fn estimate(&self, constraint: &Constraint) -> Option<f64> {
        let value = match *constraint {
            Constraint::Fixed(j) => self.beta[j],
            Constraint::Sigma => self.sigma,
            Constraint::Sd { term, column } => self.sigma * self.relative_covariance(term)[(column, column)].sqrt(),
            Constraint::Correlation { term, row, column } => {
                let c = self.relative_covariance(term);
                if c[(row, row)].min(c[(column, column)]) < 1e-8 {
                    return None;
                }
                (c[(row, column)] / (c[(row, row)] * c[(column, column)]).sqrt()).clamp(-1.0, 1.0)
            }
        };
        value.is_finite().then_some(value)
    }

    /// The smallest deviance with the parameter at `value`, and where the free parameters then are (a start for the next
    /// value).
    pub fn at(&self, constraint: &Constraint, value: f64, start: Option<&[f64]>) -> Option<(f64, Vec<f64>)> {
        let map = Map::new(self, constraint, value);
        let x = start.filter(|s| s.len() == map.free()).map_or_else(|| map.start(), <[f64]>::to_vec);
        let mut evaluate = |x: &[f64]| map.half_deviance(x);
        let (half, gradient) = evaluate(&x)?;
        if x.is_empty() {
            return Some((2.0 * half, x));
        }
        let start = Point { x, value: half, gradient };
        let mut hessian = |evaluate: &mut Evaluate, point: &Point| {
            let steps: Vec<f64> = point.x.iter().map(|x| 2e-5 * x.abs().max(0.2)).collect();
            difference_hessian(evaluate, point, &steps)
        };
        let found = minimise(&mut evaluate, &mut hessian, start, None, 1e-10, 100)?;
        Some((2.0 * found.point.value, found.point.x))
    }
}

/// From free parameters to (θ, σ).
struct Map<'a, 'b> {
    whole: &'b ConstrainedDeviance<'a>,
    constraint: Constraint,
    value: f64,
}

impl<'a, 'b> Map<'a, 'b> {
    fn new(whole: &'b ConstrainedDeviance<'a>, constraint: &Constraint, value: f64) -> Self {
        Self { whole, constraint: *constraint, value }
    }

    /// The term whose parameters are mapped.
    fn term(&self) -> Option<usize> {
        match self.constraint {
            Constraint::Sd { term, .. } | Constraint::Correlation { term, .. } => Some(term),
            _ => None,
        }
    }

    fn form(&self, term: usize) -> (Covariance, usize) {
        let term = self.whole.state.profile.layout.terms[term];
        (term.covariance, term.columns.len())
    }

    /// The effects of the term, those that are held first.
    fn order(&self, k: usize) -> Vec<usize> {
        let first: Vec<usize> = match self.constraint {
            Constraint::Sd { column, .. } => vec![column],
            Constraint::Correlation { row, column, .. } => vec![column, row],
            _ => Vec::new(),
        };
        let rest = (0..k).filter(|i| !first.contains(i)).collect::<Vec<_>>();
        first.into_iter().chain(rest).collect()
    }

    /// Number of free parameters: those of all terms less the held one; log σ where a standard deviation is held.
    fn free(&self) -> usize {
        let all = self.whole.theta.len();
        match self.constraint {
            // θ loses one, log σ is added.
            Constraint::Sd { .. } => all,
            Constraint::Correlation { .. } => all - 1,
            _ => all,
        }
    }

    /// The optimum's free parameters; diagonal elements at zero are moved off it, where the likelihood is level.
    fn start(&self) -> Vec<f64> {
        let theta = &self.whole.theta;
        let layout = &self.whole.state.profile.layout;
        let off_zero = |t: f64| if t.abs() < 0.02 { 0.1 } else { t };
        let Some(term) = self.term() else { return theta.clone() };
        let mut x = Vec::new();
        for t in 0..layout.terms.len() {
            let own = layout.theta(t, theta);
            if t != term {
                x.extend_from_slice(own);
                continue;
            }
            let (form, k) = self.form(t);
            match form {
                Covariance::Unstructured => {
                    let order = self.order(k);
                    let c = self.whole.relative_covariance(t);
                    let turned = Matrix::from_fn(k, k, |i, j| c[(order[i], order[j])]);
                    let l = factor(form, k, &parameters_of(form, &turned));
                    let entry = |i: usize, j: usize| if i == j { off_zero(l[(i, j)]) } else { l[(i, j)] };
                    let second = (k > 1).then(|| l[(1, 0)].hypot(l[(1, 1)]));
                    for j in 0..k {
                        for i in j..k {
                            match (self.constraint, i, j) {
                                (Constraint::Sd { .. }, 0, 0) | (Constraint::Correlation { .. }, 1, 1) => {}
                                (Constraint::Correlation { .. }, 1, 0) => x.push(off_zero(second.unwrap_or(1.0))),
                                _ => x.push(entry(i, j)),
                            }
                        }
                    }
                }
                Covariance::Diagonal | Covariance::CompoundSymmetric => {
                    let held = self.held_index(k);
                    x.extend(own.iter().enumerate().filter(|(m, _)| *m != held).map(|(_, t)| *t));
                }
            }
        }
        if matches!(self.constraint, Constraint::Sd { .. }) {
            x.push(self.whole.sigma.ln());
        }
        x
    }

    /// Which θ of a diagonal or compound symmetric term is held.
    fn held_index(&self, k: usize) -> usize {
        match self.constraint {
            Constraint::Sd { column, .. } => column,
            _ => k,
        }
    }

    /// θ, and σ where it is not profiled out.
    fn theta_sigma(&self, x: &[f64]) -> (Vec<f64>, Option<f64>) {
        let layout = &self.whole.state.profile.layout;
        let Some(term) = self.term() else {
            let sigma = matches!(self.constraint, Constraint::Sigma).then_some(self.value);
            return (x.to_vec(), sigma);
        };
        let sigma = matches!(self.constraint, Constraint::Sd { .. }).then(|| x[x.len() - 1].exp());
        let relative = sigma.map(|s| self.value / s);
        let mut next = x.iter().copied();
        let mut take = || next.next().expect("as many free parameters as the start has");
        let mut theta = Vec::with_capacity(self.whole.theta.len());
        for t in 0..layout.terms.len() {
            let (form, k) = self.form(t);
            let own = layout.first_theta[t + 1] - layout.first_theta[t];
            if t != term {
                theta.extend((0..own).map(|_| take()));
                continue;
            }
            match form {
                Covariance::Unstructured => {
                    let mut l = Matrix::zeros(k, k);
                    for j in 0..k {
                        for i in j..k {
                            match (self.constraint, i, j) {
                                (Constraint::Sd { .. }, 0, 0) => l[(0, 0)] = relative.unwrap_or(0.0),
                                (Constraint::Correlation { .. }, 1, 0) => {
                                    let s = take();
                                    l[(1, 0)] = s * self.value;
                                    l[(1, 1)] = s * (1.0 - self.value * self.value).max(0.0).sqrt();
                                }
                                (Constraint::Correlation { .. }, 1, 1) => {}
                                _ => l[(i, j)] = take(),
                            }
                        }
                    }
                    // The sign of a correlation is that of the product of the first diagonal element and s.
                    if matches!(self.constraint, Constraint::Correlation { .. }) {
                        l[(0, 0)] = l[(0, 0)].abs();
                        let turn = if l[(1, 0)] * self.value < 0.0 { -1.0 } else { 1.0 };
                        l[(1, 0)] *= turn;
                        l[(1, 1)] *= turn;
                    }
                    let order = self.order(k);
                    let turned = l.product(&l.transpose());
                    let mut c = Matrix::zeros(k, k);
                    for (i, &oi) in order.iter().enumerate() {
                        for (j, &oj) in order.iter().enumerate() {
                            c[(oi, oj)] = turned[(i, j)];
                        }
                    }
                    theta.extend(parameters_of(form, &c));
                }
                Covariance::Diagonal | Covariance::CompoundSymmetric => {
                    let held = self.held_index(k);
                    theta.extend((0..own).map(|m| if m == held { self.held(form, k, relative) } else { take() }));
                }
            }
        }
        (theta, sigma)
    }

    /// The held θ of a diagonal or compound symmetric term.
    fn held(&self, form: Covariance, k: usize, relative: Option<f64>) -> f64 {
        match (form, relative) {
            (Covariance::CompoundSymmetric, Some(sd)) if k > 1 => sd.max(0.0).sqrt(),
            (_, Some(sd)) => sd,
            // ρ = low + (1 − low) sin²ζ.
            (_, None) => {
                let low = -1.0 / (k as f64 - 1.0);
                ((self.value - low) / (1.0 - low)).clamp(0.0, 1.0).sqrt().asin()
            }
        }
    }

    /// Half the deviance and its gradient in the free parameters.
    fn half_deviance(&self, x: &[f64]) -> Option<(f64, Vec<f64>)> {
        let (theta, sigma) = self.theta_sigma(x);
        let profile = &self.whole.state.profile;
        let at = profile.solve(&theta)?;
        if let Constraint::Fixed(j) = self.constraint {
            return self.with_held_coefficient(j, x);
        }
        let scale = sigma.unwrap_or_else(|| profile.sigma(&at, Criterion::Ml));
        let value = 0.5 * profile.deviance(&at, Criterion::Ml, scale);
        let by_theta = profile.gradient(&at, &theta, Criterion::Ml, scale);
        if self.term().is_none() {
            return Some((value, by_theta.into_iter().map(|g| 0.5 * g).collect()));
        }
        let by_log_sigma = profile.divisor(Criterion::Ml) - at.penalised / (scale * scale);
        let mut gradient = Vec::with_capacity(x.len());
        for m in 0..x.len() {
            // The map's derivative by differences; log σ itself enters with slope one.
            let step = 1e-6 * x[m].abs().max(0.1);
            let moved = |side: f64| {
                let mut moved = x.to_vec();
                moved[m] += side * step;
                self.theta_sigma(&moved).0
            };
            let (up, down) = (moved(1.0), moved(-1.0));
            let chain: f64 = by_theta.iter().zip(up.iter().zip(&down)).map(|(g, (u, d))| g * (u - d)).sum();
            let own = if sigma.is_some() && m + 1 == x.len() { by_log_sigma } else { 0.0 };
            gradient.push(0.5 * chain / (2.0 * step) + own);
        }
        Some((value, gradient))
    }

    /// With β_j held, the penalised sum of squares grows by (v − β̂_j)²/C_jj, C the unscaled covariance.
    fn with_held_coefficient(&self, j: usize, theta: &[f64]) -> Option<(f64, Vec<f64>)> {
        let profile = &self.whole.state.profile;
        let n = profile.divisor(Criterion::Ml);
        let half = |theta: &[f64]| {
            let at = profile.solve(theta)?;
            let grown = at.penalised + (self.value - at.beta[j]).powi(2) / at.unscaled_covariance[(j, j)];
            let sigma = (grown / n).sqrt();
            let without = profile.deviance(&at, Criterion::Ml, sigma);
            Some(0.5 * (without + (grown - at.penalised) / (sigma * sigma)))
        };
        let value = half(theta)?;
        let mut gradient = Vec::with_capacity(theta.len());
        for m in 0..theta.len() {
            // Richardson's difference of fourth order.
            let step = 1e-3 * theta[m].abs().max(0.2);
            let at = |side: f64| {
                let mut moved = theta.to_vec();
                moved[m] += side * step;
                half(&moved)
            };
            let (near, far) = (at(1.0)? - at(-1.0)?, at(2.0)? - at(-2.0)?);
            gradient.push((8.0 * near - far) / (12.0 * step));
        }
        Some((value, gradient))
    }
}
