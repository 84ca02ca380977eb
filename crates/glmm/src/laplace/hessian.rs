//! The Hessian of minus the log-likelihood: the part of f(û(ψ); ψ) exactly, the rest by differences of its gradient.
//!
//! The exact part is the Schur complement f_ψψ − f_ψu H⁻¹ f_uψ. What is left, the Hessian of ½ log |H| (or of what
//! quadrature adds), is small beside it; its gradient is differenced along the modes that dû/dψ predicts, whose error of
//! second order only enters at the order of the differences' own.

use super::gradient::Value;
use super::model::{Model, State};
use crate::matrix::{Matrix, dot};
use crate::random::{factor, factor_derivatives};

/// The exact part and the derivatives of the mode.
pub struct Exact {
    /// The Hessian of f(û(ψ); ψ).
    pub hessian: Matrix,
    /// dû/dψ, one column for each parameter.
    pub modes: Matrix,
}

/// How a parameter moves the linear predictors at fixed u.
struct Directions {
    /// For each predictor the columns, one for each parameter; empty where the parameter does not move it.
    columns: Vec<[Option<Vec<f64>>; 2]>,
}

/// The exact part at a mode.
pub fn exact(model: &Model, state: &State) -> Exact {
    let (n, count) = (model.rows(), model.parameters());
    let (fixed, first_shape) = (model.fixed(), model.first_shape());
    let slopes = &state.slopes;
    let layout = &model.layout;
    let theta = model.theta(&state.psi);

    // The directions of θ: Z dΛ u.
    let mut directions = Directions { columns: Vec::new() };
    let mut term_of = Vec::new();
    let mut dlambda = Vec::new();
    for (t, term) in layout.terms.iter().enumerate() {
        for d in factor_derivatives(term.covariance, term.columns.len(), layout.theta(t, theta)) {
            let mut column = vec![0.0; n];
            let moved = apply_to_term(model, t, &d, &state.u, false);
            layout.add_product(layout.predictor[t], &moved, &mut column);
            let mut columns = [None, None];
            columns[layout.predictor[t]] = Some(column);
            directions.columns.push(columns);
            term_of.push(t);
            dlambda.push(d);
        }
    }
    // ∂²f/∂u∂ψ and the plain second derivatives f_ψψ, with W times each direction.
    let mut cross = Matrix::zeros(layout.effects(), count);
    let mut hessian = Matrix::zeros(count, count);
    let w = &slopes.w.by_pair;
    for (a, basis) in model.bases.iter().enumerate() {
        let first = model.first_fixed(a);
        let g = basis.gram(&w[2 * a]);
        for j in 0..basis.columns {
            for i in 0..basis.columns {
                hessian[(first + i, first + j)] = g[(i, j)];
            }
            let weighed = weigh_one(model, w, a, &basis.column(j));
            if a == 1 {
                for (i, v) in model.bases[0].transpose_product(&weighed[0]).into_iter().enumerate() {
                    hessian[(i, first + j)] = v;
                    hessian[(first + j, i)] = v;
                }
            }
            let column = model.spherical_transpose(&state.factors, [&weighed[0], &weighed[1]]);
            cross.column_mut(first + j).copy_from_slice(&column);
        }
    }
    let pull = model.effects_transpose([&slopes.d1[0], &slopes.d1[1]]);
    for (m, columns) in directions.columns.iter().enumerate() {
        let a = layout.predictor[term_of[m]];
        let Some(direction) = &columns[a] else { continue };
        let weighed = weigh_one(model, w, a, direction);
        for (b, basis) in model.bases.iter().enumerate() {
            for (i, v) in basis.transpose_product(&weighed[b]).into_iter().enumerate() {
                hessian[(model.first_fixed(b) + i, fixed + m)] = v;
                hessian[(fixed + m, model.first_fixed(b) + i)] = v;
            }
        }
        for (other, columns) in directions.columns.iter().enumerate().take(m + 1) {
            let b = layout.predictor[term_of[other]];
            if let Some(column) = &columns[b] {
                let v = dot(column, &weighed[b]);
                hessian[(fixed + m, fixed + other)] = v;
                hessian[(fixed + other, fixed + m)] = v;
            }
        }
        let mut column = model.spherical_transpose(&state.factors, [&weighed[0], &weighed[1]]);
        let explicit = apply_to_term(model, term_of[m], &dlambda[m], &pull, true);
        column.iter_mut().zip(&explicit).for_each(|(c, e)| *c -= e);
        cross.column_mut(fixed + m).copy_from_slice(&column);
    }
    add_curved_factors(model, state, &pull, &mut hessian);
    add_shapes(model, state, &directions, &term_of, &mut hessian, &mut cross);

    let mut modes = Matrix::zeros(layout.effects(), count);
    for j in 0..count {
        let column: Vec<f64> = model.solve(&state.factor, cross.column(j)).into_iter().map(|v| -v).collect();
        modes.column_mut(j).copy_from_slice(&column);
    }
    for j in 0..count {
        for i in 0..count {
            hessian[(i, j)] += dot(cross.column(i), modes.column(j));
        }
    }
    debug_assert_eq!(first_shape + model.likelihood.shapes(), count);
    hessian.symmetrise();
    Exact { hessian, modes }
}

/// W times a vector that moves predictor `a` alone.
fn weigh_one(model: &Model, w: &[Vec<f64>; 3], a: usize, v: &[f64]) -> [Vec<f64>; 2] {
    let times = |w: &[f64]| w.iter().zip(v).map(|(w, v)| w * v).collect::<Vec<f64>>();
    if model.bases.len() == 1 { [times(&w[0]), vec![]] } else { [times(&w[a]), times(&w[a + 1])] }
}

/// A k × k matrix applied to the effects of each level of one term; zero for the other terms.
fn apply_to_term(model: &Model, t: usize, m: &Matrix, x: &[f64], transposed: bool) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    let k = m.rows;
    let range = model.layout.first[t]..model.layout.first[t + 1];
    for (y, x) in y[range.clone()].chunks_exact_mut(k).zip(x[range].chunks_exact(k)) {
        for j in 0..k {
            for i in 0..k {
                if transposed {
                    y[j] += m[(i, j)] * x[i];
                } else {
                    y[i] += m[(i, j)] * x[j];
                }
            }
        }
    }
    y
}

/// Where Λ is not linear in θ: −(Zᵀℓ′)ᵀ d²Λ u, with d²Λ by differences of dΛ (the forms are smooth and small).
fn add_curved_factors(model: &Model, state: &State, pull: &[f64], hessian: &mut Matrix) {
    let layout = &model.layout;
    let theta = model.theta(&state.psi);
    for (t, term) in layout.terms.iter().enumerate() {
        if term.covariance != crate::design::Covariance::CompoundSymmetric || term.columns.len() == 1 {
            continue;
        }
        let k = term.columns.len();
        let own = layout.theta(t, theta);
        let first = model.fixed() + layout.first_theta[t];
        let mut outer = vec![Matrix::zeros(0, 0); layout.terms.len()];
        for (s, other) in layout.terms.iter().enumerate() {
            outer[s] = Matrix::zeros(other.columns.len(), other.columns.len());
        }
        layout.add_outer(&mut outer, -1.0, pull, &state.u);
        for m in 0..own.len() {
            let at = |step: f64| {
                let mut moved = own.to_vec();
                moved[m] += step;
                factor_derivatives(term.covariance, k, &moved)
            };
            let h = 1e-5;
            for (l, (up, down)) in at(h).iter().zip(&at(-h)).enumerate() {
                let second: Vec<f64> = up.values.iter().zip(&down.values).map(|(u, d)| (u - d) / (2.0 * h)).collect();
                hessian[(first + l, first + m)] += dot(&second, &outer[t].values);
            }
        }
        debug_assert_eq!(factor(term.covariance, k, own).rows, k);
    }
}

/// The rows and columns of the shape parameters, in ω.
fn add_shapes(
    model: &Model,
    state: &State,
    directions: &Directions,
    term_of: &[usize],
    hessian: &mut Matrix,
    cross: &mut Matrix,
) {
    let shapes = model.likelihood.shapes();
    if shapes == 0 {
        return;
    }
    let (n, fixed, first) = (model.rows(), model.fixed(), model.first_shape());
    let slopes = &state.slopes;
    let jacobian = model.shape_jacobian(&state.psi);
    // −∂²ℓ/∂τ_j∂η_a as rows, then everything in τ is brought to ω by the Jacobian.
    let mut rows: Vec<[Vec<f64>; 2]> = vec![[vec![], vec![]]; shapes];
    for row in &mut rows {
        (0..model.bases.len()).for_each(|a| row[a] = vec![0.0; n]);
    }
    for slot in 0..model.likelihood.slots() {
        for i in 0..n {
            if let Some(j) = model.likelihood.shape_of(slot, i) {
                for (a, row) in rows[j].iter_mut().enumerate().take(model.bases.len()) {
                    row[i] -= slopes.d1s[slot][a][i];
                }
            }
        }
    }
    let mut with_fixed = Matrix::zeros(fixed, shapes);
    let mut with_theta = Matrix::zeros(term_of.len(), shapes);
    let mut with_u = Matrix::zeros(model.layout.effects(), shapes);
    for (j, row) in rows.iter().enumerate() {
        for (a, basis) in model.bases.iter().enumerate() {
            let first = model.first_fixed(a);
            with_fixed.column_mut(j)[first..first + basis.columns].copy_from_slice(&basis.transpose_product(&row[a]));
        }
        for (m, columns) in directions.columns.iter().enumerate() {
            let a = model.layout.predictor[term_of[m]];
            with_theta[(m, j)] = columns[a].as_ref().map_or(0.0, |c| dot(c, &row[a]));
        }
        let column = model.spherical_transpose(&state.factors, [&row[0], &row[1]]);
        with_u.column_mut(j).copy_from_slice(&column);
    }
    let mut own = Matrix::from_fn(shapes, shapes, |i, j| -slopes.ss[(i, j)]);
    own = own.congruence(&jacobian.transpose());
    if model.likelihood.family == crate::settings::Family::Ordinal {
        // τ_i depends on ω_j, j ≥ 1, i ≥ j, through e^ω alone: ∂²τ_i/∂ω_j² = ∂τ_i/∂ω_j.
        for j in 1..shapes {
            own[(j, j)] += (j..shapes).map(|i| -slopes.s[i] * jacobian[(i, j)]).sum::<f64>();
        }
    }
    let (with_fixed, with_theta, with_u) =
        (with_fixed.product(&jacobian), with_theta.product(&jacobian), with_u.product(&jacobian));
    for j in 0..shapes {
        for i in 0..shapes {
            hessian[(first + i, first + j)] = own[(i, j)];
        }
        for i in 0..fixed {
            hessian[(i, first + j)] = with_fixed[(i, j)];
            hessian[(first + j, i)] = with_fixed[(i, j)];
        }
        for m in 0..term_of.len() {
            hessian[(fixed + m, first + j)] = with_theta[(m, j)];
            hessian[(first + j, fixed + m)] = with_theta[(m, j)];
        }
        cross.column_mut(first + j).copy_from_slice(with_u.column(j));
    }
}

/// A function of a state at (nearly) its mode: minus the log-likelihood and its gradient.
pub type Approximation<'a> = dyn Fn(&Model, &mut State) -> Option<Value> + 'a;

/// The whole Hessian: the exact part and differences of the rest for the parameters `moved` (all of them for standard
/// errors; those of θ and the shape for a first metric). Central differences where `central`.
pub fn hessian(
    model: &Model,
    state: &State,
    exact: &Exact,
    approximation: &Approximation,
    moved: std::ops::Range<usize>,
    central: bool,
) -> Option<Matrix> {
    let count = model.parameters();
    let mut all = exact.hessian.clone();
    let mut trial = state.clone();
    let here = approximation(model, &mut trial)?.rest;
    let mut rest = Matrix::zeros(count, count);
    for j in moved.clone() {
        // A small share of the scale on which the function bends; θ and shapes have 1 as theirs at most.
        let curvature = exact.hessian[(j, j)].abs().max(1e-8).sqrt();
        let h = 1e-4 * (1.0 / curvature).clamp(1e-3, 1.0);
        let mut side = |step: f64| -> Option<Vec<f64>> {
            let mut psi = state.psi.clone();
            psi[j] += step;
            let base = if j < model.fixed() { moved_base(model, state, j, step) } else { state.base.clone() };
            model.set_parameters(&mut trial, &psi, base);
            trial.u.clone_from(&state.u);
            crate::matrix::add_scaled(&mut trial.u, step, exact.modes.column(j));
            model.look(&mut trial);
            if !(trial.value.is_finite() && model.factorise(&mut trial) && model.factorise_expected(&mut trial)) {
                return None;
            }
            let rest = approximation(model, &mut trial)?.rest;
            rest.iter().all(|r| r.is_finite()).then_some(rest)
        };
        let column: Vec<f64> = match (side(h), if central { side(-h) } else { None }) {
            (Some(up), Some(down)) => up.iter().zip(&down).map(|(u, d)| (u - d) / (2.0 * h)).collect(),
            (Some(up), None) => up.iter().zip(&here).map(|(u, d)| (u - d) / h).collect(),
            (None, Some(down)) => here.iter().zip(&down).map(|(u, d)| (u - d) / h).collect(),
            (None, None) => return None,
        };
        rest.column_mut(j).copy_from_slice(&column);
    }
    for j in 0..count {
        for i in 0..count {
            all[(i, j)] += match (moved.contains(&i), moved.contains(&j)) {
                (true, true) => 0.5 * (rest[(i, j)] + rest[(j, i)]),
                (false, true) => rest[(i, j)],
                (true, false) => rest[(j, i)],
                (false, false) => 0.0,
            };
        }
    }
    Some(all)
}

/// The base with one fixed effect moved.
fn moved_base(model: &Model, state: &State, j: usize, step: f64) -> [Vec<f64>; 2] {
    let a = usize::from(model.bases.len() == 2 && j >= model.first_fixed(1));
    let mut base = state.base.clone();
    model.bases[a].add_column(j - model.first_fixed(a), step, &mut base[a]);
    base
}
