//! The deviance of a generalised linear mixed model with one of its parameters held at a value.
//!
//! The others are parametrised so that nothing constrains them. A standard deviation of an unstructured term is held as the
//! first diagonal element of a Cholesky factor whose order of effects begins with it; a correlation ρ as the second row
//! s (ρ, √(1 − ρ²)) of one that begins with its two effects; a threshold by the first one, which moves with the increments
//! up to it.

use crate::design::{Covariance, Design};
use crate::fit::Fit;
use crate::generalised::{Evaluator, approximation};
use crate::laplace::model::Model;
use crate::matrix::Matrix;
use crate::outer::{Evaluate, Point, difference_hessian, minimise};
use crate::random::{factor, parameters_of};
use crate::settings::{Family, Method};

use super::summary_parameters::ParameterKind;

/// A model and its optimum ψ: fixed effects in their basis, θ, transformed shape.
pub(crate) struct HeldCoordinate<'a> {
    model: Model<'a>,
    method: Method,
    optimum: Vec<f64>,
}

/// How a parameter is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Held {
    /// As one coordinate of ψ.
    Own { index: usize, scale: Scale },
    /// As an element of a Cholesky factor with another order of the effects.
    Turned { term: usize, order: Vec<usize>, is_correlation: bool },
    /// As the threshold with this index.
    Threshold(usize),
}

/// How a reported value stands in a coordinate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// The value itself.
    Plain,
    /// Its root.
    Root,
    /// Its logarithm times a factor.
    Log(f64),
    /// ζ with ρ = low + (1 − low) sin² ζ.
    Arcsine { low: f64 },
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Scale::Plain => value,
            Scale::Root => value.max(0.0).sqrt(),
            Scale::Log(factor) => factor * value.ln(),
            Scale::Arcsine { low } => ((value - low) / (1.0 - low)).clamp(0.0, 1.0).sqrt().asin(),
        }
    }
}

impl<'a> HeldCoordinate<'a> {
    /// The model of a fit by Laplace's approximation or quadrature; nothing for other fits.
    pub fn new(design: &'a Design, fit: &Fit) -> Option<Self> {
        let method = fit.settings.method;
        if fit.settings.is_linear() || method == Method::Joint {
            return None;
        }
        let model = Model::new(design, &fit.settings, true);
        let estimates = std::iter::once(&fit.fixed).chain(&fit.zero);
        let mut optimum: Vec<f64> =
            model.bases.iter().zip(estimates).flat_map(|(basis, e)| basis.from_coefficients(&e.values)).collect();
        optimum.extend(&fit.theta);
        let values = &fit.parameters.values;
        let natural =
            fit.thresholds.as_ref().map_or(&values[values.len() - model.likelihood.shapes()..], |t| &t.values);
        optimum.extend(model.omega(natural));
        Some(Self { model, method, optimum })
    }

    /// How a parameter is held; nothing for fixed effects.
    pub fn held(&self, kind: &ParameterKind) -> Option<Held> {
        let form = |term: usize| {
            let own = self.model.layout.terms[term];
            let first = self.model.fixed() + self.model.layout.first_theta[term];
            (own.covariance, own.columns.len(), first)
        };
        let turned = |term: usize, k: usize, begin: &[usize], is_correlation: bool| {
            let rest = (0..k).filter(|i| !begin.contains(i));
            Held::Turned { term, order: begin.iter().copied().chain(rest).collect(), is_correlation }
        };
        match *kind {
            ParameterKind::Sd { term, column } => Some(match form(term) {
                (Covariance::Unstructured, k, _) if k > 1 => turned(term, k, &[column], false),
                (Covariance::CompoundSymmetric, k, first) if k > 1 => {
                    Held::Own { index: first + column, scale: Scale::Root }
                }
                (_, _, first) => Held::Own { index: first + column, scale: Scale::Plain },
            }),
            ParameterKind::Correlation { term, row, column } => match form(term) {
                (Covariance::Unstructured, k, _) => Some(turned(term, k, &[column, row], true)),
                (Covariance::CompoundSymmetric, k, first) => {
                    let low = -1.0 / (k as f64 - 1.0);
                    Some(Held::Own { index: first + k, scale: Scale::Arcsine { low } })
                }
                (Covariance::Diagonal, ..) => None,
            },
            ParameterKind::Dispersion => {
                // The coefficient of variation is the shape to the power −½.
                let factor = if self.model.likelihood.family == Family::Gamma { -2.0 } else { 1.0 };
                Some(Held::Own { index: self.model.first_shape(), scale: Scale::Log(factor) })
            }
            ParameterKind::Threshold(j) => Some(Held::Threshold(j)),
            ParameterKind::Fixed(_) | ParameterKind::Zero(_) => None,
        }
    }

    /// The smallest deviance with the parameter at a value, and the free parameters there (a start for the next value).
    pub fn at(&self, held: &Held, value: f64, start: Option<&[f64]>) -> Option<(f64, Vec<f64>)> {
        let x = start.map_or_else(|| self.free(held), <[f64]>::to_vec);
        let approximation = approximation(self.method);
        let mut evaluator = Evaluator::new(&self.model, &approximation);
        let mut evaluate = |x: &[f64]| {
            let found = evaluator.evaluate(&self.psi(held, value, x))?;
            Some((found.value, self.pulled_back(held, value, x, &found.gradient())))
        };
        let (half, gradient) = evaluate(&x)?;
        let start = Point { x, value: half, gradient };
        let mut hessian = |evaluate: &mut Evaluate, point: &Point| {
            let steps: Vec<f64> = point.x.iter().map(|x| 1e-4 * x.abs().max(0.3)).collect();
            difference_hessian(evaluate, point, &steps)
        };
        let found = minimise(&mut evaluate, &mut hessian, start, None, 1e-8, 100)?;
        Some((2.0 * found.point.value, found.point.x))
    }

    /// The coordinate of ψ that is not free, and where the turned factor's elements begin.
    fn missing(&self, held: &Held) -> usize {
        match held {
            Held::Own { index, .. } => *index,
            // Column-wise the first element, or for a correlation the one below and right of it.
            Held::Turned { term, order, is_correlation } => {
                let first = self.model.fixed() + self.model.layout.first_theta[*term];
                first + if *is_correlation { order.len() } else { 0 }
            }
            Held::Threshold(_) => self.model.first_shape(),
        }
    }

    /// The free parameters at the optimum; diagonal elements at zero are moved off it, where the likelihood is level.
    fn free(&self, held: &Held) -> Vec<f64> {
        let mut x = self.optimum.clone();
        if let Held::Turned { term, order, is_correlation } = held {
            let (k, first) = (order.len(), self.model.fixed() + self.model.layout.first_theta[*term]);
            let lambda = factor(Covariance::Unstructured, k, &x[first..first + k * (k + 1) / 2]);
            let c = lambda.product(&lambda.transpose());
            let turned = Matrix::from_fn(k, k, |i, j| c[(order[i], order[j])]);
            let mut elements = parameters_of(Covariance::Unstructured, &turned);
            if *is_correlation {
                // s stands where the first element of the second row does.
                elements[1] = elements[1].hypot(elements[k]);
            }
            let mut at = 0;
            for j in 0..k {
                for i in j..k {
                    let is_length = *is_correlation && (i, j) == (1, 0);
                    if (i == j || is_length) && elements[at].abs() < 0.02 {
                        elements[at] = 0.1;
                    }
                    at += 1;
                }
            }
            x[first..first + elements.len()].copy_from_slice(&elements);
        }
        x.remove(self.missing(held));
        x
    }

    /// ψ from the free parameters.
    fn psi(&self, held: &Held, value: f64, x: &[f64]) -> Vec<f64> {
        let mut psi = x.to_vec();
        psi.insert(self.missing(held), 0.0);
        match held {
            Held::Own { index, scale } => psi[*index] = scale.of(value),
            Held::Threshold(j) => {
                let first = self.model.first_shape();
                psi[first] = value - psi[first + 1..=first + j].iter().map(|w| w.exp()).sum::<f64>();
            }
            Held::Turned { term, order, is_correlation } => {
                let (k, first) = (order.len(), self.model.fixed() + self.model.layout.first_theta[*term]);
                let own = first..first + k * (k + 1) / 2;
                let mut l = factor(Covariance::Unstructured, k, &psi[own.clone()]);
                if *is_correlation {
                    // The sign of ρ is that of the product of the first element and s.
                    let s = l[(1, 0)].abs();
                    l[(0, 0)] = l[(0, 0)].abs();
                    l[(1, 0)] = s * value;
                    l[(1, 1)] = s * (1.0 - value * value).max(0.0).sqrt();
                } else {
                    l[(0, 0)] = value;
                }
                let turned = l.product(&l.transpose());
                let mut c = Matrix::zeros(k, k);
                for i in 0..k {
                    for j in 0..k {
                        c[(order[i], order[j])] = turned[(i, j)];
                    }
                }
                psi[own].copy_from_slice(&parameters_of(Covariance::Unstructured, &c));
            }
        }
        psi
    }

    /// A gradient in ψ as one in the free parameters.
    fn pulled_back(&self, held: &Held, value: f64, x: &[f64], gradient: &[f64]) -> Vec<f64> {
        let missing = self.missing(held);
        let mut free = gradient.to_vec();
        free.remove(missing);
        // Elsewhere a free parameter is a coordinate of ψ.
        let curved = match held {
            Held::Own { .. } => return free,
            Held::Threshold(j) => missing..missing + j,
            Held::Turned { term, order, .. } => {
                let first = self.model.fixed() + self.model.layout.first_theta[*term];
                first..first + order.len() * (order.len() + 1) / 2 - 1
            }
        };
        for m in curved {
            let step = 1e-6 * x[m].abs().max(0.1);
            let moved = |side: f64| {
                let mut moved = x.to_vec();
                moved[m] += side * step;
                self.psi(held, value, &moved)
            };
            let (up, down) = (moved(1.0), moved(-1.0));
            let chain: f64 = gradient.iter().zip(up.iter().zip(&down)).map(|(g, (u, d))| g * (u - d)).sum();
            free[m] = chain / (2.0 * step);
        }
        free
    }
}
