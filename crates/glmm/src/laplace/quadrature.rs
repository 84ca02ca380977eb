//! Adaptive Gauss–Hermite quadrature over the scalar effects of the factor with most levels (Pinheiro & Bates 1995,
//! J. Comput. Graph. Stat. 4).
//!
//! Laplace's approximation is multiplied, level by level, by the ratio of the quadrature of the conditional integral over
//! u_l (the other effects at their modes) to its own Laplace approximation,
//!
//! R_l = Σ_k w_k e^{x_k²} exp(h_l(û_l + δ_k) − h_l(û_l))/√π,  δ_k = √2 x_k H_ll^−½,
//!
//! with h_l the log-density of the level's observations and of u_l. With one grouping factor that is the full adaptive
//! quadrature, for any number of points; beside crossed factors those stay with Laplace's approximation.

use super::gradient::{Adjoint, Value, carry, determinant_adjoint, exact_gradient, half_log_determinant};
use super::model::{Model, State};
use crate::family::likelihood::Slopes;
use crate::matrix::Matrix;

/// Points and weights of Gauss–Hermite quadrature; the weights are multiplied by e^{x²}.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The points, ascending.
    pub points: Vec<f64>,
    /// w e^{x²}.
    pub weights: Vec<f64>,
}

impl Rule {
    /// The rule of `n` points: eigenvalues of the Jacobi matrix (Golub & Welsch 1969), polished by Newton's method on the
    /// Hermite functions, which neither over- nor underflow.
    pub fn new(n: usize) -> Rule {
        let jacobi =
            Matrix::from_fn(n, n, |i, j| if i.abs_diff(j) == 1 { (0.5 * i.max(j) as f64).sqrt() } else { 0.0 });
        let mut points = jacobi.symmetric_eigen().0;
        points.sort_by(f64::total_cmp);
        let mut weights = Vec::with_capacity(n);
        for (k, x) in points.iter_mut().enumerate() {
            if 2 * k + 1 == n {
                *x = 0.0;
            }
            for _ in 0..3 {
                let (last, before) = hermite_functions(n, *x);
                // ψ_n′ = √(2n) ψ_{n−1} − x ψ_n.
                *x -= last / ((2.0 * n as f64).sqrt() * before - *x * last);
            }
            let (_, before) = hermite_functions(n, *x);
            weights.push(1.0 / (n as f64 * before * before));
        }
        Rule { points, weights }
    }
}

/// The orthonormal Hermite functions ψ_n(x) and ψ_{n−1}(x).
fn hermite_functions(n: usize, x: f64) -> (f64, f64) {
    let (mut last, mut before) = (std::f64::consts::PI.powf(-0.25) * (-0.5 * x * x).exp(), 0.0);
    for k in 1..=n {
        let k = k as f64;
        let next = (2.0 / k).sqrt() * x * last - ((k - 1.0) / k).sqrt() * before;
        (before, last) = (last, next);
    }
    (last, before)
}

/// The conditional integrals over the levels of one term.
struct Conditional<'a, 'b> {
    model: &'b Model<'a>,
    state: &'b State,
    /// The term.
    t: usize,
    /// Its Λ.
    lambda: f64,
    /// H_ll.
    curvature: Vec<f64>,
}

impl<'a, 'b> Conditional<'a, 'b> {
    fn new(model: &'b Model<'a>, state: &'b State) -> Option<Self> {
        let terms = &model.layout.terms;
        let t = (0..terms.len()).max_by_key(|&t| terms[t].levels.len())?;
        let lambda = state.factors[t].values[0];
        let cross = &state.cross[model.cross.diagonal[t]..][..terms[t].levels.len()];
        let curvature = cross.iter().map(|c| lambda * lambda * c + 1.0).collect();
        Some(Conditional { model, state, t, lambda, curvature })
    }

    fn term(&self) -> &crate::design::RandomTerm {
        self.model.layout.terms[self.t]
    }

    /// û of the term's levels.
    fn u(&self) -> &[f64] {
        &self.state.u[self.model.layout.first[self.t]..self.model.layout.first[self.t + 1]]
    }

    /// δ of each level for a point.
    fn shifts(&self, x: f64) -> Vec<f64> {
        self.curvature.iter().map(|h| x * (2.0 / h).sqrt()).collect()
    }

    /// The rows' densities and derivatives with every level shifted.
    fn slopes(&self, shifts: &[f64]) -> Slopes {
        let (model, term) = (self.model, self.term());
        let mut eta = self.state.eta.clone();
        for ((eta, &l), z) in eta[model.layout.predictor[self.t]].iter_mut().zip(&term.level_of_row).zip(&term.values) {
            *eta += self.lambda * z * shifts[l as usize];
        }
        let mut slopes = Slopes { by_row: true, ..Slopes::default() };
        model.likelihood.slopes([&eta[0], &eta[1]], &self.state.shape, &mut slopes);
        slopes
    }

    /// For each point and level log(w e^{x²}/√π) + h_l(û_l + δ) − h_l(û_l).
    fn logs(&self, rule: &Rule, here: &Slopes) -> Vec<Vec<f64>> {
        let one = |(x, w): (&f64, &f64)| {
            let shifts = self.shifts(*x);
            let slopes = self.slopes(&shifts);
            let constant = w.ln() - 0.5 * std::f64::consts::PI.ln();
            let prior = |(u, d): (&f64, &f64)| constant - d * (u + 0.5 * d);
            let mut log: Vec<f64> = self.u().iter().zip(&shifts).map(prior).collect();
            for (i, &l) in self.term().level_of_row.iter().enumerate() {
                log[l as usize] += slopes.densities[i] - here.densities[i];
            }
            log
        };
        rule.points.iter().zip(&rule.weights).map(one).collect()
    }

    /// Takes the derivatives of Σ log R_l from an adjoint, where `shares[k][l]` is the part of point k in R_l.
    fn subtract(&self, rule: &Rule, here: &Slopes, shares: &[Vec<f64>], adjoint: &mut Adjoint) {
        let (model, term, u) = (self.model, self.term(), self.u());
        let a = model.layout.predictor[self.t];
        let likelihood = &model.likelihood;
        let levels = u.len();
        // The derivative of log R_l in H_ll, through the width of the points.
        let mut by_curvature = vec![0.0; levels];
        let mut by_u = vec![0.0; model.layout.effects()];
        for (x, shares) in rule.points.iter().zip(shares) {
            let shifts = self.shifts(*x);
            let there = self.slopes(&shifts);
            let mut pull = vec![0.0; levels];
            for (i, &l) in term.level_of_row.iter().enumerate() {
                let l = l as usize;
                for (b, row) in adjoint.rows.iter_mut().enumerate().filter(|(_, r)| !r.is_empty()) {
                    row[i] -= shares[l] * (there.d1[b][i] - here.d1[b][i]);
                }
                for slot in 0..likelihood.slots() {
                    if let Some(j) = likelihood.shape_of(slot, i) {
                        adjoint.by_shape[j] -= shares[l] * (there.s_by_row[slot][i] - here.s_by_row[slot][i]);
                    }
                }
                pull[l] += there.d1[a][i] * term.values[i];
            }
            for l in 0..levels {
                adjoint.by_factor[self.t].values[0] -= shares[l] * shifts[l] * pull[l];
                by_u[model.layout.first[self.t] + l] += shares[l] * shifts[l];
                let by_shift = self.lambda * pull[l] - u[l] - shifts[l];
                by_curvature[l] -= 0.5 * shares[l] * by_shift * shifts[l] / self.curvature[l];
            }
        }
        // H_ll = λ² Σ z² W + 1.
        let cross = &self.state.cross[model.cross.diagonal[self.t]..];
        for l in 0..levels {
            adjoint.by_factor[self.t].values[0] -= 2.0 * by_curvature[l] * self.lambda * cross[l];
        }
        for (i, (&l, z)) in term.level_of_row.iter().zip(&term.values).enumerate() {
            let through = by_curvature[l as usize] * (self.lambda * z).powi(2);
            for (b, row) in adjoint.rows.iter_mut().enumerate().filter(|(_, r)| !r.is_empty()) {
                row[i] += through * here.d3[2 * a + b][i];
            }
            for slot in 0..likelihood.slots() {
                if let Some(j) = likelihood.shape_of(slot, i) {
                    adjoint.by_shape[j] += through * here.d2s[slot][2 * a][i];
                }
            }
        }
        adjoint.by_u = Some(by_u);
    }
}

/// Minus the log-likelihood by quadrature.
pub fn quadrature(model: &Model, state: &State, rule: &Rule) -> Option<Value> {
    let conditional = Conditional::new(model, state)?;
    let here = conditional.slopes(&conditional.shifts(0.0));
    let mut shares = conditional.logs(rule, &here);
    let mut sum = 0.0;
    for l in 0..conditional.curvature.len() {
        let highest = shares.iter().map(|s| s[l]).fold(f64::NEG_INFINITY, f64::max);
        let log_ratio = highest + shares.iter().map(|s| (s[l] - highest).exp()).sum::<f64>().ln();
        shares.iter_mut().for_each(|s| s[l] = (s[l] - log_ratio).exp());
        sum += log_ratio;
    }
    let mut adjoint = determinant_adjoint(model, state);
    conditional.subtract(rule, &here, &shares, &mut adjoint);
    Some(Value {
        value: state.value + half_log_determinant(model, state) - sum,
        exact: exact_gradient(model, state),
        rest: carry(model, state, &adjoint),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laplace::mode::find_mode;
    use crate::settings::{Method, ZeroPart};
    use crate::testing;

    #[test]
    fn the_rule_integrates_polynomials_and_is_that_of_the_tables() {
        // Abramowitz & Stegun, table 25.10, n = 5.
        let rule = Rule::new(5);
        assert!((rule.points[4] - 2.020_182_870_456_086).abs() < 1e-14);
        assert!((rule.weights[4] * (-rule.points[4].powi(2)).exp() - 0.019_953_242_059_045_9).abs() < 1e-14);
        for n in [1, 2, 7, 25, 60] {
            let rule = Rule::new(n);
            let moment = |k: i32| -> f64 {
                rule.points.iter().zip(&rule.weights).map(|(x, w)| w * (-x * x).exp() * x.powi(k)).sum()
            };
            let root = std::f64::consts::PI.sqrt();
            assert!((moment(0) - root).abs() < 1e-12, "{n}");
            if n > 2 {
                assert!((moment(2) - 0.5 * root).abs() < 1e-12 && moment(3).abs() < 1e-12);
                assert!((moment(4) - 0.75 * root).abs() < 1e-12);
            }
        }
    }

    /// −log of the product of the groups' integrals, by the trapezium rule.
    fn by_trapezium(model: &Model, psi: &[f64]) -> f64 {
        let (term, base, shape) = (model.layout.terms[0], model.base(psi), model.shape(psi));
        let lambda = model.theta(psi)[0];
        let mut total = 0.0;
        for l in 0..term.levels.len() {
            let log = |u: f64| -> f64 {
                let rows = (0..model.rows()).filter(|&i| term.level_of_row[i] as usize == l);
                let prior = -0.5 * u * u - 0.5 * std::f64::consts::TAU.ln();
                let density = |i: usize| {
                    let w = model.likelihood.weights[i];
                    w * model.likelihood.log_density(i, [base[0][i] + lambda * u * term.values[i], 0.0], &shape)
                };
                prior + rows.map(density).sum::<f64>()
            };
            let h = 0.02;
            total -= ((-600..=600).map(|k| log(f64::from(k) * h).exp()).sum::<f64>() * h).ln();
        }
        total
    }

    #[test]
    fn quadrature_is_the_integral_and_its_gradient_that_of_differences() {
        let mut checked = 0;
        for (mut design, mut settings) in testing::generalised_designs() {
            if settings.link != settings.family.usual_link() || settings.zero == ZeroPart::Hurdle {
                continue;
            }
            let n = design.weights.len();
            let one = design.zero.is_none();
            design.mean.random = testing::random_kinds(n).swap_remove(usize::from(!one));
            settings.method = Method::Quadrature(9);
            let model = Model::new(&design, &settings, true);
            let mut psi: Vec<f64> = (0..model.parameters()).map(|j| 0.2 - 0.07 * (j % 4) as f64).collect();
            psi[model.fixed()] = 0.9;
            let rule = Rule::new(9);
            let value = |psi: &[f64], rule: &Rule| {
                let mut state = State { u: vec![0.0; model.layout.effects()], ..State::default() };
                model.set_parameters(&mut state, psi, model.base(psi));
                find_mode(&model, &mut state, &mut State::default()).unwrap();
                quadrature(&model, &state, rule).unwrap()
            };
            let found = value(&psi, &rule);
            if one && settings.family != crate::settings::Family::Gaussian {
                let (fine, exact) = (value(&psi, &Rule::new(40)).value, by_trapezium(&model, &psi));
                assert!((fine - exact).abs() < 1e-7 * exact.abs(), "{:?}: {fine} {exact}", settings.family);
            }
            let gradient = found.gradient();
            for j in 0..psi.len() {
                let h = 1e-5;
                let at = |step: f64| {
                    let mut moved = psi.clone();
                    moved[j] += step;
                    value(&moved, &rule).value
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                assert!(
                    (difference - gradient[j]).abs() < 3e-6 * (1.0 + difference.abs()),
                    "{:?} {:?} {j}: {difference} {}",
                    settings.family,
                    settings.zero,
                    gradient[j]
                );
            }
            checked += 1;
        }
        assert!(checked >= 10, "{checked}");
    }
}
