//! The deviance of a generalised linear mixed model with one of its parameters held at a value.

use crate::design::{Covariance, Design};
use crate::fit::Fit;
use crate::generalised::{Evaluator, approximation};
use crate::laplace::model::Model;
use crate::outer::{Evaluate, Point, difference_hessian, minimise};
use crate::settings::{Family, Method};

use super::summary_parameters::ParameterKind;

/// A model and its optimum ψ: fixed effects in their basis, θ, transformed shape.
pub(crate) struct HeldCoordinate<'a> {
    model: Model<'a>,
    method: Method,
    optimum: Vec<f64>,
}

/// A coordinate of ψ and how a reported value stands in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Coordinate {
    index: usize,
    scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// The value itself.
    Plain,
    /// Its logarithm times a factor.
    Log(f64),
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
        optimum.extend(model.omega(&values[values.len() - model.likelihood.shapes()..]));
        Some(Self { model, method, optimum })
    }

    /// Where a parameter stands in ψ: standard deviations that are a θ of their own, and the scale or shape.
    pub fn coordinate(&self, kind: &ParameterKind) -> Option<Coordinate> {
        match *kind {
            ParameterKind::Sd { term, column } => {
                let own = self.model.layout.terms[term];
                let alone = own.columns.len() == 1 || own.covariance == Covariance::Diagonal;
                let index = self.model.fixed() + self.model.layout.first_theta[term] + column;
                alone.then_some(Coordinate { index, scale: Scale::Plain })
            }
            ParameterKind::Dispersion => {
                // The coefficient of variation is the shape to the power −½.
                let factor = if self.model.likelihood.family == Family::Gamma { -2.0 } else { 1.0 };
                Some(Coordinate { index: self.model.first_shape(), scale: Scale::Log(factor) })
            }
            _ => None,
        }
    }

    /// The smallest deviance with the coordinate at a value, and the free parameters there (a start for the next value).
    pub fn at(&self, coordinate: Coordinate, value: f64, start: Option<&[f64]>) -> Option<(f64, Vec<f64>)> {
        let held = match coordinate.scale {
            Scale::Plain => value,
            Scale::Log(factor) => factor * value.ln(),
        };
        let index = coordinate.index;
        let mut x = start.map_or_else(|| self.optimum.clone(), <[f64]>::to_vec);
        if start.is_none() {
            x.remove(index);
        }
        let approximation = approximation(self.method);
        let mut evaluator = Evaluator::new(&self.model, &approximation);
        let mut evaluate = |x: &[f64]| {
            let mut psi = x.to_vec();
            psi.insert(index, held);
            let found = evaluator.evaluate(&psi)?;
            let mut gradient = found.gradient();
            gradient.remove(index);
            Some((found.value, gradient))
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
}
