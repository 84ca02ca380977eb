//! The value and the gradient of Laplace's approximation at a mode.

use super::leverage::leverages;
use super::model::{Model, State};
use crate::matrix::Matrix;
use crate::selected::SelectedInverse;

/// Minus the log-likelihood with its gradient in two parts.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// Minus the log-likelihood.
    pub value: f64,
    /// The gradient of f(û(ψ); ψ).
    pub exact: Vec<f64>,
    /// The gradient of what is added to f: of ½ log |H|.
    pub rest: Vec<f64>,
}

impl Value {
    /// The whole gradient.
    pub fn gradient(&self) -> Vec<f64> {
        self.exact.iter().zip(&self.rest).map(|(a, b)| a + b).collect()
    }
}

/// What changes along the mode: derivatives of some function of (ψ, η) at fixed ψ, η that is to be carried on to ψ.
pub struct Adjoint {
    /// The derivative in η_a, row by row.
    pub rows: [Vec<f64>; 2],
    /// The derivative in Λ of each term at fixed η.
    pub by_factor: Vec<Matrix>,
    /// The derivative in the natural shape parameters at fixed η.
    pub by_shape: Vec<f64>,
    /// The derivative in u at fixed η and ψ, where there is one.
    pub by_u: Option<Vec<f64>>,
}

/// ½ log |H| at the mode (or with the expected weights).
pub fn half_log_determinant(model: &Model, state: &State) -> f64 {
    let factor = state.expected.as_deref().map_or(&state.factor, |(_, _, factor)| factor);
    0.5 * factor.log_determinant(&model.pattern)
}

/// Laplace's approximation.
pub fn laplace(model: &Model, state: &State) -> Value {
    Value {
        value: state.value + half_log_determinant(model, state),
        exact: exact_gradient(model, state),
        rest: carry(model, state, &determinant_adjoint(model, state)),
    }
}

/// The gradient of f(û(ψ); ψ): that of f at fixed u.
pub fn exact_gradient(model: &Model, state: &State) -> Vec<f64> {
    let slopes = &state.slopes;
    let mut gradient = Vec::with_capacity(model.parameters());
    for (a, basis) in model.bases.iter().enumerate() {
        gradient.extend(basis.transpose_product(&slopes.d1[a]).iter().map(|v| -v));
    }
    let pull = model.effects_transpose([&slopes.d1[0], &slopes.d1[1]]);
    let mut by_factor = zero_factors(model);
    model.layout.add_outer(&mut by_factor, -1.0, &pull, &state.u);
    gradient.extend(model.layout.chain(model.theta(&state.psi), &by_factor));
    let shape: Vec<f64> = slopes.s.iter().map(|s| -s).collect();
    gradient.extend(model.shape_jacobian(&state.psi).transpose().times(&shape));
    gradient
}

/// One zero matrix for each term.
pub fn zero_factors(model: &Model) -> Vec<Matrix> {
    model.layout.terms.iter().map(|t| Matrix::zeros(t.columns.len(), t.columns.len())).collect()
}

/// The derivatives of ½ log |H| in η, Λ and the shape.
pub fn determinant_adjoint(model: &Model, state: &State) -> Adjoint {
    let (layout, pattern) = (&model.layout, &model.pattern);
    let n = model.rows();
    let mut inverse = SelectedInverse::default();
    let (factor, cross) =
        state.expected.as_deref().map_or((&state.factor, &state.cross), |(_, cross, factor)| (factor, cross));
    inverse.compute(pattern, factor);
    let mut blocks = vec![0.0; model.cross.len];
    inverse.blocks(layout, &model.cross, pattern, &mut blocks);
    let by_factor = model.cross.product_with_inverse(layout, &state.factors, cross, &blocks);
    model.cross.conjugate(layout, &state.factors, &mut blocks, false);
    let lev = leverages(model, &blocks);

    if state.expected.is_some() {
        return expected_adjoint(model, state, &lev[0], by_factor);
    }
    let slopes = &state.slopes;
    let two = model.bases.len() == 2;
    let d3 = &slopes.d3;
    let rows = if two {
        let row = |a: usize| {
            (0..n)
                .map(|i| -0.5 * (d3[a][i] * lev[0][i] + 2.0 * d3[a + 1][i] * lev[1][i] + d3[a + 2][i] * lev[2][i]))
                .collect::<Vec<f64>>()
        };
        [row(0), row(1)]
    } else {
        [d3[0].iter().zip(&lev[0]).map(|(d, l)| -0.5 * d * l).collect(), vec![]]
    };
    let mut by_shape = vec![0.0; model.likelihood.shapes()];
    for slot in 0..model.likelihood.slots() {
        let d = &slopes.d2s[slot];
        for i in 0..n {
            let Some(j) = model.likelihood.shape_of(slot, i) else { continue };
            by_shape[j] -= 0.5 * d[0][i] * lev[0][i];
            if two {
                by_shape[j] -= d[1][i] * lev[1][i] + 0.5 * d[2][i] * lev[2][i];
            }
        }
    }
    Adjoint { rows, by_factor, by_shape, by_u: None }
}

/// The same with the expected weights, whose derivatives are central differences (relative error 1e-10).
fn expected_adjoint(model: &Model, state: &State, lev: &[f64], by_factor: Vec<Matrix>) -> Adjoint {
    let likelihood = &model.likelihood;
    let weight = |i: usize, eta: f64, shape: &[f64]| likelihood.expected_weight(i, eta, shape).unwrap_or(0.0);
    let h = 1e-5;
    let slope = |i: usize| {
        let eta = state.eta[0][i];
        (weight(i, eta + h, &state.shape) - weight(i, eta - h, &state.shape)) / (2.0 * h)
    };
    let rows = [(0..model.rows()).map(|i| 0.5 * slope(i) * lev[i]).collect(), vec![]];
    let by_shape = (0..likelihood.shapes())
        .map(|j| {
            let moved = |step: f64| {
                let mut shape = state.shape.clone();
                shape[j] += step;
                (0..model.rows()).map(|i| weight(i, state.eta[0][i], &shape) * lev[i]).sum::<f64>()
            };
            0.5 * (moved(h) - moved(-h)) / (2.0 * h)
        })
        .collect();
    Adjoint { rows, by_factor, by_shape, by_u: None }
}

/// Carries derivatives on to ψ, along the mode: with v = H⁻¹ ∂/∂u, each ∂/∂ψ gains −vᵀ ∂²f/∂u∂ψ.
pub fn carry(model: &Model, state: &State, adjoint: &Adjoint) -> Vec<f64> {
    let (layout, slopes) = (&model.layout, &state.slopes);
    let n = model.rows();
    let mut by_u = model.spherical_transpose(&state.factors, [&adjoint.rows[0], &adjoint.rows[1]]);
    if let Some(more) = &adjoint.by_u {
        by_u.iter_mut().zip(more).for_each(|(a, b)| *a += b);
    }
    let v = model.solve(&state.factor, &by_u);
    let bv = layout.apply(&state.factors, &v, false);
    let mut q = [vec![0.0; n], vec![0.0; if model.bases.len() == 2 { n } else { 0 }]];
    for (a, q) in q.iter_mut().enumerate().take(model.bases.len()) {
        layout.add_product(a, &bv, q);
    }
    let mut rows = model.weigh(slopes, [&q[0], &q[1]]);
    for (row, direct) in rows.iter_mut().zip(&adjoint.rows) {
        row.iter_mut().zip(direct).for_each(|(r, t)| *r = t - *r);
    }
    let mut gradient = Vec::with_capacity(model.parameters());
    for (a, basis) in model.bases.iter().enumerate() {
        gradient.extend(basis.transpose_product(&rows[a]));
    }
    let mut by_factor = adjoint.by_factor.clone();
    layout.add_outer(&mut by_factor, 1.0, &model.effects_transpose([&rows[0], &rows[1]]), &state.u);
    layout.add_outer(&mut by_factor, 1.0, &model.effects_transpose([&slopes.d1[0], &slopes.d1[1]]), &v);
    gradient.extend(layout.chain(model.theta(&state.psi), &by_factor));
    let mut by_shape = adjoint.by_shape.clone();
    for slot in 0..model.likelihood.slots() {
        for (a, q) in q.iter().enumerate().take(model.bases.len()) {
            for (i, (q, slope)) in q.iter().zip(&slopes.d1s[slot][a]).enumerate() {
                if let Some(j) = model.likelihood.shape_of(slot, i) {
                    by_shape[j] += q * slope;
                }
            }
        }
    }
    gradient.extend(model.shape_jacobian(&state.psi).transpose().times(&by_shape));
    gradient
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laplace::mode::find_mode;
    use crate::settings::{Curvature, Family, Link};
    use crate::testing;

    /// A state at the mode for ψ.
    fn at(model: &Model, psi: &[f64]) -> Option<State> {
        let mut state = State { u: vec![0.0; model.layout.effects()], ..State::default() };
        model.set_parameters(&mut state, psi, model.base(psi));
        find_mode(model, &mut state, &mut State::default())?;
        Some(state)
    }

    /// Parameters at which every link is inside its domain.
    fn parameters(model: &Model) -> Vec<f64> {
        let mut psi: Vec<f64> = (0..model.parameters()).map(|j| 0.2 - 0.07 * (j % 4) as f64).collect();
        psi[0] = match (model.likelihood.family, model.likelihood.link) {
            (_, Link::Inverse | Link::Identity | Link::Sqrt) => 2.5,
            (_, Link::Log) if !model.likelihood.trials.is_empty() || model.likelihood.family == Family::Beta => -3.0,
            _ => 0.3,
        };
        for (m, t) in model.layout.unit().iter().enumerate() {
            psi[model.fixed() + m] = 0.4 * t + 0.1;
        }
        psi
    }

    #[test]
    fn the_value_is_that_of_the_dense_form_and_the_gradient_that_of_differences() {
        let mut checked = 0;
        for (design, mut settings) in testing::generalised_designs() {
            for curvature in [Curvature::Observed, Curvature::Expected] {
                settings.curvature = curvature;
                let model = Model::new(&design, &settings, true);
                let psi = parameters(&model);
                let Some(state) = at(&model, &psi) else { continue };
                checked += 1;
                let name = format!("{:?} {:?} {:?} {curvature:?}", settings.family, settings.link, settings.zero);
                let found = laplace(&model, &state);
                if curvature == Curvature::Observed {
                    let dense = testing::dense_laplace(&model, &psi, state.u.iter().map(|u| u + 0.01).collect());
                    assert!(
                        (found.value - dense).abs() < 1e-7 * (1.0 + dense.abs()),
                        "{name}: {} {dense}",
                        found.value
                    );
                }
                let gradient = found.gradient();
                for j in 0..psi.len() {
                    let h = 1e-5;
                    let value = |step: f64| {
                        let mut moved = psi.clone();
                        moved[j] += step;
                        laplace(&model, &at(&model, &moved).unwrap()).value
                    };
                    let difference = (value(h) - value(-h)) / (2.0 * h);
                    let scale = 1.0 + difference.abs();
                    assert!(
                        (difference - gradient[j]).abs() < 3e-6 * scale,
                        "{name} {j}: {difference} {}",
                        gradient[j]
                    );
                }
            }
        }
        assert!(checked > 60, "{checked}");
    }
}
