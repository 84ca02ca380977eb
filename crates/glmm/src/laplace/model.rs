//! What stays the same during a fit, and what belongs to one point.

use crate::basis::Basis;
use crate::cholesky::Factor;
use crate::cross::{CrossPattern, Weights};
use crate::design::Design;
use crate::family::likelihood::{Likelihood, Slopes};
use crate::matrix::{Matrix, add_scaled};
use crate::random::Layout;
use crate::settings::{Curvature, Family, Method, Settings};
use crate::sparse::Pattern;

/// A generalised linear mixed model, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Model<'a> {
    /// Where the random effects stand.
    pub layout: Layout<'a>,
    /// The pattern of ZᵀWZ.
    pub cross: CrossPattern,
    /// The pattern of the Cholesky factor.
    pub pattern: Pattern,
    /// The responses.
    pub likelihood: Likelihood<'a>,
    /// Bases of the fixed effects, one for each predictor.
    pub bases: Vec<Basis>,
    /// Offsets, one for each predictor.
    pub offsets: Vec<&'a [f64]>,
    /// Which curvature the log-determinant takes.
    pub curvature: Curvature,
}

/// The mode at one ψ with everything that was computed on the way.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The parameters.
    pub psi: Vec<f64>,
    /// The shape parameters in their natural form (thresholds themselves).
    pub shape: Vec<f64>,
    /// Λ of every term.
    pub factors: Vec<Matrix>,
    /// The spherical random effects.
    pub u: Vec<f64>,
    /// Qγ + offset of each predictor.
    pub base: [Vec<f64>; 2],
    /// The linear predictors.
    pub eta: [Vec<f64>; 2],
    /// The log-likelihood and its derivatives there.
    pub slopes: Slopes,
    /// ZᵀWZ.
    pub cross: Vec<f64>,
    /// The factor of H.
    pub factor: Factor,
    /// f(u; ψ).
    pub value: f64,
    /// ZᵀWZ and the factor of H with expected weights, and those weights, where the model asks for them.
    pub expected: Option<Box<(Weights, Vec<f64>, Factor)>>,
}

impl<'a> Model<'a> {
    /// Prepares a design that has passed [`check`](crate::check::check). `with_random` false leaves the random effects
    /// out.
    pub fn new(design: &'a Design, settings: &Settings, with_random: bool) -> Self {
        let layout = if with_random { Layout::new(design) } else { Layout::empty() };
        let likelihood = Likelihood::new(design, settings);
        let rows = likelihood.rows();
        let cross = CrossPattern::new(&layout, rows);
        let pattern = Pattern::new(&layout, &cross);
        let predictors = || std::iter::once(&design.mean).chain(design.zero.as_ref());
        Model {
            layout,
            cross,
            pattern,
            likelihood,
            bases: predictors().map(|p| Basis::new(&p.fixed)).collect(),
            offsets: predictors().map(|p| &p.offset[..]).collect(),
            // Quadrature corrects the exact Laplace approximation, whatever the curvature asked for.
            curvature: match settings.method {
                Method::Quadrature(points) if points > 1 => Curvature::Observed,
                _ => settings.curvature,
            },
        }
    }

    /// The same responses and fixed effects without random effects.
    pub fn without_random(&self) -> Model<'a> {
        let layout = Layout::empty();
        let cross = CrossPattern::new(&layout, self.rows());
        let pattern = Pattern::new(&layout, &cross);
        Model { layout, cross, pattern, ..self.clone() }
    }

    /// Number of observations.
    pub fn rows(&self) -> usize {
        self.likelihood.rows()
    }

    /// Number of fixed effects of all predictors.
    pub fn fixed(&self) -> usize {
        self.bases.iter().map(|b| b.columns).sum()
    }

    /// First fixed effect of a predictor in ψ.
    pub fn first_fixed(&self, predictor: usize) -> usize {
        self.bases[..predictor].iter().map(|b| b.columns).sum()
    }

    /// First shape parameter in ψ.
    pub fn first_shape(&self) -> usize {
        self.fixed() + self.layout.parameters()
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.first_shape() + self.likelihood.shapes()
    }

    /// γ of one predictor.
    pub fn gamma<'b>(&self, psi: &'b [f64], predictor: usize) -> &'b [f64] {
        let first = self.first_fixed(predictor);
        &psi[first..first + self.bases[predictor].columns]
    }

    /// θ.
    pub fn theta<'b>(&self, psi: &'b [f64]) -> &'b [f64] {
        &psi[self.fixed()..self.first_shape()]
    }

    /// The natural shape parameters: thresholds τ_1, τ_j + e^ω, …; others as they are.
    pub fn shape(&self, psi: &[f64]) -> Vec<f64> {
        let omega = &psi[self.first_shape()..];
        if self.likelihood.family != Family::Ordinal {
            return omega.to_vec();
        }
        let mut tau = Vec::with_capacity(omega.len());
        for (j, w) in omega.iter().enumerate() {
            tau.push(if j == 0 { *w } else { tau[j - 1] + w.exp() });
        }
        tau
    }

    /// ∂ shape / ∂ ω.
    pub fn shape_jacobian(&self, psi: &[f64]) -> Matrix {
        let omega = &psi[self.first_shape()..];
        let m = omega.len();
        if self.likelihood.family != Family::Ordinal {
            return Matrix::identity(m);
        }
        Matrix::from_fn(m, m, |i, j| match (i >= j, j) {
            (false, _) => 0.0,
            (true, 0) => 1.0,
            (true, j) => omega[j].exp(),
        })
    }

    /// ω from natural shape parameters.
    pub fn omega(&self, shape: &[f64]) -> Vec<f64> {
        if self.likelihood.family != Family::Ordinal {
            return shape.to_vec();
        }
        (0..shape.len()).map(|j| if j == 0 { shape[0] } else { (shape[j] - shape[j - 1]).max(1e-8).ln() }).collect()
    }

    /// Qγ + offset of every predictor.
    pub fn base(&self, psi: &[f64]) -> [Vec<f64>; 2] {
        let mut base = [vec![], vec![]];
        for (a, basis) in self.bases.iter().enumerate() {
            base[a] = self.offsets[a].to_vec();
            basis.add_product(self.gamma(psi, a), &mut base[a]);
        }
        base
    }

    /// Sets a state to ψ, with its base; u stays.
    pub fn set_parameters(&self, state: &mut State, psi: &[f64], base: [Vec<f64>; 2]) {
        state.psi = psi.to_vec();
        state.shape = self.shape(psi);
        state.factors = self.layout.factors(self.theta(psi));
        state.base = base;
    }

    /// Takes the state to its u: linear predictors, log-likelihood, f.
    pub fn look(&self, state: &mut State) {
        let b = self.layout.apply(&state.factors, &state.u, false);
        for a in 0..self.bases.len() {
            state.eta[a].clone_from(&state.base[a]);
            self.layout.add_product(a, &b, &mut state.eta[a]);
        }
        self.likelihood.slopes([&state.eta[0], &state.eta[1]], &state.shape, &mut state.slopes);
        let square: f64 = state.u.iter().map(|u| u * u).sum();
        state.value = 0.5 * square - state.slopes.value;
    }

    /// ZᵀWZ and the factor of H; false where H is not positive definite.
    pub fn factorise(&self, state: &mut State) -> bool {
        let State { slopes, cross, factor, factors, .. } = state;
        self.factorise_with(&slopes.w, factors, cross, factor)
    }

    pub(super) fn factorise_with(
        &self,
        w: &Weights,
        factors: &[Matrix],
        cross: &mut Vec<f64>,
        factor: &mut Factor,
    ) -> bool {
        cross.resize(self.cross.len, 0.0);
        self.cross.assemble(&self.layout, w, cross);
        let mut blocks = cross.clone();
        self.cross.conjugate(&self.layout, factors, &mut blocks, true);
        factor.factorise(&self.layout, &self.cross, &self.pattern, &blocks)
    }

    /// Expected weights, their ZᵀWZ and factor, where the model asks for them and the family has them.
    pub fn factorise_expected(&self, state: &mut State) -> bool {
        state.expected = None;
        if self.curvature == Curvature::Observed || self.rows() == 0 {
            return true;
        }
        let weight = |i: usize| self.likelihood.expected_weight(i, state.eta[0][i], &state.shape);
        if weight(0).is_none() {
            return true;
        }
        let w: Vec<f64> = (0..self.rows()).map(|i| weight(i).unwrap_or(0.0)).collect();
        let mut parts = Box::new((Weights { by_pair: [w, vec![], vec![]] }, Vec::new(), Factor::default()));
        let (w, cross, factor) = &mut *parts;
        let done = self.factorise_with(w, &state.factors, cross, factor);
        state.expected = Some(parts);
        done
    }

    /// ΛᵀZᵀ of one vector for each predictor.
    pub fn spherical_transpose(&self, factors: &[Matrix], v: [&[f64]; 2]) -> Vec<f64> {
        self.layout.apply(factors, &self.effects_transpose(v), true)
    }

    /// Zᵀ of one vector for each predictor.
    pub fn effects_transpose(&self, v: [&[f64]; 2]) -> Vec<f64> {
        let mut y = vec![0.0; self.layout.effects()];
        for (a, v) in v.iter().enumerate().take(self.bases.len()) {
            self.layout.add_transpose_product(a, v, &mut y);
        }
        y
    }

    /// H⁻¹ x for x in the order of the layout.
    pub fn solve(&self, factor: &Factor, x: &[f64]) -> Vec<f64> {
        let mut y = self.pattern.permute(&self.layout, x);
        factor.solve(&self.pattern, &mut y);
        self.pattern.permute_back(&self.layout, &y)
    }

    /// The first-order change of the mode from a state to ψ: −H⁻¹ ∂²f/∂u∂ψ δψ, and the new base.
    pub fn predict(&self, state: &State, psi: &[f64], base: &[Vec<f64>; 2]) -> Vec<f64> {
        let moved: Vec<Matrix> = self
            .layout
            .factors(self.theta(psi))
            .iter()
            .zip(&state.factors)
            .map(|(a, b)| Matrix {
                rows: a.rows,
                columns: a.columns,
                values: a.values.iter().zip(&b.values).map(|(a, b)| a - b).collect(),
            })
            .collect();
        let db = self.layout.apply(&moved, &state.u, false);
        let shape = self.shape(psi);
        let mut direction = [vec![], vec![]];
        for a in 0..self.bases.len() {
            direction[a] = base[a].iter().zip(&state.base[a]).map(|(a, b)| a - b).collect();
            self.layout.add_product(a, &db, &mut direction[a]);
        }
        let slopes = &state.slopes;
        let mut right = self.weigh(slopes, [&direction[0], &direction[1]]);
        for slot in 0..self.likelihood.slots() {
            for (right, slopes) in right.iter_mut().zip(&slopes.d1s[slot]).take(self.bases.len()) {
                for (i, (right, slope)) in right.iter_mut().zip(slopes).enumerate() {
                    if let Some(j) = self.likelihood.shape_of(slot, i) {
                        *right -= slope * (shape[j] - state.shape[j]);
                    }
                }
            }
        }
        let mut x = self.spherical_transpose(&state.factors, [&right[0], &right[1]]);
        let gradient = self.effects_transpose([&slopes.d1[0], &slopes.d1[1]]);
        add_scaled(&mut x, -1.0, &self.layout.apply(&moved, &gradient, true));
        let step = self.solve(&state.factor, &x);
        state.u.iter().zip(&step).map(|(u, s)| u - s).collect()
    }

    /// W times one vector for each predictor.
    pub fn weigh(&self, slopes: &Slopes, v: [&[f64]; 2]) -> [Vec<f64>; 2] {
        let w = &slopes.w.by_pair;
        if self.bases.len() == 1 {
            return [w[0].iter().zip(v[0]).map(|(w, v)| w * v).collect(), vec![]];
        }
        let both =
            |x: usize, y: usize| (0..self.rows()).map(|i| w[x][i] * v[0][i] + w[y][i] * v[1][i]).collect::<Vec<f64>>();
        [both(0, 1), both(1, 2)]
    }
}
