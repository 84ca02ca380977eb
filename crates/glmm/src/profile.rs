//! The profiled deviance of a linear mixed model and its gradient (Bates et al. 2015, J. Stat. Softw. 67(1), section 3).
//!
//! For given θ the penalised least-squares problem min ‖W^½ (y − Xβ − ZΛu)‖² + ‖u‖² = r²(θ) gives β̂ and û; σ is profiled
//! out, or given. Everything that depends on the observations is summed up once, in cross-products, so that the cost of an
//! evaluation does not depend on their number. The response is first replaced by its least-squares residual, and X by a
//! [basis](crate::basis), so that the cross-products lose no digits.

use crate::basis::Basis;
use crate::cholesky::Factor;
use crate::cross::{CrossPattern, Weights};
use crate::design::Predictor;
use crate::fit::BetweenTerms;
use crate::matrix::{Matrix, add_by_level, dot};
use crate::random::{Layout, factor_derivatives};
use crate::selected::SelectedInverse;
use crate::sparse::Pattern;

/// A linear mixed model, summed up in cross-products.
#[derive(Clone, Debug)]
pub struct LinearProfile<'a> {
    /// Where the random effects stand.
    pub layout: Layout<'a>,
    /// Number of observations.
    pub rows: usize,
    /// The basis of the fixed effects.
    pub basis: Basis,
    cross: CrossPattern,
    pattern: Pattern,
    /// ZᵀWZ.
    zz: Vec<f64>,
    /// ZᵀWQ, q × p.
    zq: Matrix,
    /// ZᵀWr with the least-squares residual r.
    zr: Vec<f64>,
    qq: Matrix,
    qr: Vec<f64>,
    rr: f64,
    log_weights: f64,
    /// The least-squares coefficients in the basis.
    gamma: Vec<f64>,
}

/// What one θ gives.
#[derive(Clone, Debug)]
pub struct Profiled {
    /// log |H|, H = ΛᵀZᵀWZΛ + I.
    pub log_determinant: f64,
    /// log |XᵀW^½V⁻¹W^½X| with V the covariance of the responses over σ² (REML's term).
    pub log_determinant_fixed: f64,
    /// r²: the penalised residual sum of squares.
    pub penalised: f64,
    /// β̂.
    pub beta: Vec<f64>,
    /// û, spherical, in the order of the layout.
    pub u: Vec<f64>,
    /// (XᵀV⁻¹X)⁻¹, the covariance of β̂ over σ².
    pub unscaled_covariance: Matrix,
    factor: Factor,
    /// K = H⁻¹ΛᵀZᵀWQ, in the order of the layout.
    k: Matrix,
    /// S⁻¹, the inverse of QᵀWQ − KᵀH K.
    s_inverse: Matrix,
    gamma: Vec<f64>,
}

/// Which likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// Restricted maximum likelihood.
    Reml,
    /// Maximum likelihood.
    Ml,
}

impl<'a> LinearProfile<'a> {
    /// Sums a model up. `weights` are the prior weights w: Var(y_i) = σ²/w_i.
    pub fn new(predictor: &'a Predictor, layout: Layout<'a>, y: &[f64], weights: &[f64]) -> Self {
        let rows = y.len();
        let basis = Basis::new(&predictor.fixed);
        let qq = basis.gram(weights);
        let mut residual: Vec<f64> = y.iter().zip(&predictor.offset).map(|(y, o)| y - o).collect();
        let mut gamma = vec![0.0; basis.columns];
        let weigh = |v: &[f64]| -> Vec<f64> { v.iter().zip(weights).map(|(v, w)| v * w).collect() };
        if let Some(l) = qq.cholesky() {
            for _ in 0..2 {
                let step = l.cholesky_solve(&basis.transpose_product(&weigh(&residual)));
                let minus: Vec<f64> = step.iter().map(|v| -v).collect();
                basis.add_product(&minus, &mut residual);
                gamma.iter_mut().zip(&step).for_each(|(g, s)| *g += s);
            }
        }
        let weighted = weigh(&residual);
        let cross = CrossPattern::new(&layout, rows);
        let pattern = Pattern::new(&layout, &cross);
        let mut zz = vec![0.0; cross.len];
        cross.assemble(&layout, &Weights { by_pair: [weights.to_vec(), vec![], vec![]] }, &mut zz);
        let mut zq = Matrix::zeros(layout.effects(), basis.columns);
        for j in 0..basis.columns {
            let column = layout.transpose_product(0, &weigh(&basis.column(j)));
            zq.column_mut(j).copy_from_slice(&column);
        }
        LinearProfile {
            rows,
            zr: layout.transpose_product(0, &weighted),
            qr: basis.transpose_product(&weighted),
            rr: dot(&weighted, &residual),
            log_weights: weights.iter().map(|w| w.ln()).sum(),
            layout,
            basis,
            cross,
            pattern,
            zz,
            zq,
            qq,
            gamma,
        }
    }

    /// Number of fixed effects.
    pub fn columns(&self) -> usize {
        self.basis.columns
    }

    /// Solves the penalised least-squares problem. Nothing where a factorisation fails (θ not finite).
    pub fn solve(&self, theta: &[f64]) -> Option<Profiled> {
        let factors = self.layout.factors(theta);
        let mut blocks = self.zz.clone();
        self.cross.conjugate(&self.layout, &factors, &mut blocks, true);
        let mut factor = Factor::default();
        if !factor.factorise(&self.layout, &self.cross, &self.pattern, &blocks) {
            return None;
        }
        let p = self.columns();
        let half = |z: &[f64]| {
            let mut x = self.pattern.permute(&self.layout, &self.layout.apply(&factors, z, true));
            factor.forward(&self.pattern, &mut x);
            x
        };
        let mut rzx = Matrix::zeros(self.layout.effects(), p);
        for j in 0..p {
            let column = half(self.zq.column(j));
            rzx.column_mut(j).copy_from_slice(&column);
        }
        let cu = half(&self.zr);
        let s = Matrix::from_fn(p, p, |i, j| self.qq[(i, j)] - dot(rzx.column(i), rzx.column(j)));
        let rx = s.cholesky()?;
        let right: Vec<f64> = (0..p).map(|j| self.qr[j] - dot(rzx.column(j), &cu)).collect();
        let mut cb = right;
        rx.lower_solve(&mut cb);
        let penalised = self.rr - dot(&cu, &cu) - dot(&cb, &cb);
        let mut gamma = cb;
        rx.lower_transpose_solve(&mut gamma);

        let back = |mut x: Vec<f64>| {
            factor.backward(&self.pattern, &mut x);
            self.pattern.permute_back(&self.layout, &x)
        };
        let fitted = rzx.times(&gamma);
        let u = back(cu.iter().zip(&fitted).map(|(c, f)| c - f).collect());
        let mut k = Matrix::zeros(self.layout.effects(), p);
        for j in 0..p {
            let column = back(rzx.column(j).to_vec());
            k.column_mut(j).copy_from_slice(&column);
        }
        let s_inverse = rx.cholesky_inverse();
        let total: Vec<f64> = gamma.iter().zip(&self.gamma).map(|(a, b)| a + b).collect();
        Some(Profiled {
            log_determinant: factor.log_determinant(&self.pattern),
            log_determinant_fixed: rx.cholesky_log_determinant() + 2.0 * self.basis.log_determinant(),
            penalised: penalised.max(1e-14 * self.rr),
            beta: self.basis.coefficients(&total),
            u,
            unscaled_covariance: s_inverse.congruence(&self.basis.inverse()),
            factor,
            k,
            s_inverse,
            gamma,
        })
    }

    /// The degrees of freedom that σ̂² = r²/m divides by: n, or n − p with REML.
    pub fn divisor(&self, criterion: Criterion) -> f64 {
        match criterion {
            Criterion::Reml => (self.rows - self.columns()) as f64,
            Criterion::Ml => self.rows as f64,
        }
    }

    /// The deviance (−2 log-likelihood, or the REML criterion) at σ, all constants included.
    pub fn deviance(&self, at: &Profiled, criterion: Criterion, sigma: f64) -> f64 {
        let variance = sigma * sigma;
        let fixed = if criterion == Criterion::Reml { at.log_determinant_fixed } else { 0.0 };
        let m = self.divisor(criterion);
        at.log_determinant + fixed + m * (std::f64::consts::TAU * variance).ln() + at.penalised / variance
            - self.log_weights
    }

    /// σ̂(θ).
    pub fn sigma(&self, at: &Profiled, criterion: Criterion) -> f64 {
        (at.penalised / self.divisor(criterion)).sqrt()
    }

    /// The gradient in θ of the deviance at σ (with σ = σ̂(θ) that of the profiled deviance).
    pub fn gradient(&self, at: &Profiled, theta: &[f64], criterion: Criterion, sigma: f64) -> Vec<f64> {
        let layout = &self.layout;
        let factors = layout.factors(theta);
        let mut inverse = SelectedInverse::default();
        inverse.compute(&self.pattern, &at.factor);
        let mut h = vec![0.0; self.cross.len];
        inverse.blocks(layout, &self.cross, &self.pattern, &mut h);
        let mut by_factor = self.cross.product_with_inverse(layout, &factors, &self.zz, &h);
        by_factor.iter_mut().for_each(|g| g.values.iter_mut().for_each(|v| *v *= 2.0));

        let p = self.columns();
        let residual = self.effects_of_residual(at, &factors);
        layout.add_outer(&mut by_factor, -2.0 / (sigma * sigma), &residual, &at.u);
        if criterion == Criterion::Reml {
            let f = at.k.product(&at.s_inverse);
            for j in 0..p {
                let czk = self.cross.times(layout, &self.zz, &layout.apply(&factors, at.k.column(j), false));
                let e: Vec<f64> = self.zq.column(j).iter().zip(&czk).map(|(z, c)| z - c).collect();
                layout.add_outer(&mut by_factor, -2.0, &e, f.column(j));
            }
        }
        layout.chain(theta, &by_factor)
    }

    /// ZᵀW(y − Xβ̂ − ZΛû).
    fn effects_of_residual(&self, at: &Profiled, factors: &[Matrix]) -> Vec<f64> {
        let czu = self.cross.times(&self.layout, &self.zz, &self.layout.apply(factors, &at.u, false));
        let zqg = self.zq.times(&at.gamma);
        (0..self.layout.effects()).map(|e| self.zr[e] - zqg[e] - czu[e]).collect()
    }

    /// The gradient in θ of r², the penalised residual sum of squares.
    pub fn penalised_gradient(&self, at: &Profiled, theta: &[f64]) -> Vec<f64> {
        let factors = self.layout.factors(theta);
        let mut by_factor: Vec<Matrix> = factors.iter().map(|l| Matrix::zeros(l.rows, l.rows)).collect();
        self.layout.add_outer(&mut by_factor, -2.0, &self.effects_of_residual(at, &factors), &at.u);
        self.layout.chain(theta, &by_factor)
    }

    /// σ² XᵀV⁻¹Z (p × q) and σ² XᵀV⁻¹X, with V the covariance of the responses.
    pub fn weighted_products(&self, at: &Profiled, theta: &[f64]) -> (Matrix, Matrix) {
        let (p, factors) = (self.columns(), self.layout.factors(theta));
        let (mut with_effects, mut fixed) = (Matrix::zeros(p, self.layout.effects()), Matrix::zeros(p, p));
        for j in 0..p {
            let lambda_k = self.layout.apply(&factors, at.k.column(j), false);
            let taken = self.cross.times(&self.layout, &self.zz, &lambda_k);
            for (e, (z, t)) in self.zq.column(j).iter().zip(&taken).enumerate() {
                with_effects[(j, e)] = z - t;
            }
            for i in 0..p {
                fixed[(i, j)] = self.qq[(i, j)] - dot(self.zq.column(i), &lambda_k);
            }
        }
        // From the basis to the columns of X.
        let back = self.basis.r.transpose();
        (back.product(&with_effects), fixed.congruence(&back))
    }

    /// One column of σ² ZᵀV⁻¹Z.
    pub fn weighted_effect(&self, at: &Profiled, factors: &[Matrix], effect: usize) -> Vec<f64> {
        let layout = &self.layout;
        let mut unit = vec![0.0; layout.effects()];
        unit[effect] = 1.0;
        let mut column = self.cross.times(layout, &self.zz, &unit);
        let mut x = self.pattern.permute(layout, &layout.apply(factors, &column, true));
        at.factor.solve(&self.pattern, &mut x);
        let inner = layout.apply(factors, &self.pattern.permute_back(layout, &x), false);
        let taken = self.cross.times(layout, &self.zz, &inner);
        column.iter_mut().zip(&taken).for_each(|(c, t)| *c -= t);
        column
    }

    /// The conditional covariance over σ² of each level's effects, ΛH⁻¹Λᵀ, term by term, level by level; and between
    /// terms of one grouping factor.
    pub fn conditional_covariances(&self, at: &Profiled, theta: &[f64]) -> (Vec<Vec<Matrix>>, Vec<BetweenTerms>) {
        let mut inverse = SelectedInverse::default();
        inverse.compute(&self.pattern, &at.factor);
        let mut h = vec![0.0; self.cross.len];
        inverse.blocks(&self.layout, &self.cross, &self.pattern, &mut h);
        self.cross.conjugate(&self.layout, &self.layout.factors(theta), &mut h, false);
        (self.cross.diagonal_blocks(&self.layout, &h), self.cross.between_terms(&self.layout, &h))
    }
}

impl Layout<'_> {
    /// `Zᵀ v` of the terms of one predictor (zero for the others).
    pub fn transpose_product(&self, predictor: usize, v: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.effects()];
        self.add_transpose_product(predictor, v, &mut y);
        y
    }

    /// Adds `Zᵀ v` of the terms of one predictor.
    pub fn add_transpose_product(&self, predictor: usize, v: &[f64], y: &mut [f64]) {
        for (t, term) in self.terms.iter().enumerate().filter(|(t, _)| self.predictor[*t] == predictor) {
            let k = term.columns.len();
            let target = &mut y[self.first[t]..self.first[t + 1]];
            if self.intercept[t] {
                add_by_level(target, &term.level_of_row, v.iter().copied());
                continue;
            }
            for (c, column) in term.values.chunks_exact(v.len().max(1)).enumerate() {
                for ((&l, z), v) in term.level_of_row.iter().zip(column).zip(v) {
                    target[l as usize * k + c] += z * v;
                }
            }
        }
    }

    /// Adds `Z b` of the terms of one predictor to `eta`.
    pub fn add_product(&self, predictor: usize, b: &[f64], eta: &mut [f64]) {
        for (t, term) in self.terms.iter().enumerate().filter(|(t, _)| self.predictor[*t] == predictor) {
            let k = term.columns.len();
            let source = &b[self.first[t]..self.first[t + 1]];
            if self.intercept[t] {
                eta.iter_mut().zip(&term.level_of_row).for_each(|(eta, &l)| *eta += source[l as usize]);
                continue;
            }
            for (c, column) in term.values.chunks_exact(eta.len().max(1)).enumerate() {
                for ((&l, z), eta) in term.level_of_row.iter().zip(column).zip(eta.iter_mut()) {
                    *eta += z * source[l as usize * k + c];
                }
            }
        }
    }

    /// For each term adds `scale Σ_levels a_l b_lᵀ` to its k × k matrix.
    pub fn add_outer(&self, matrices: &mut [Matrix], scale: f64, a: &[f64], b: &[f64]) {
        for (t, matrix) in matrices.iter_mut().enumerate() {
            let k = matrix.rows;
            let range = self.first[t]..self.first[t + 1];
            for (a, b) in a[range.clone()].chunks_exact(k).zip(b[range].chunks_exact(k)) {
                for c in 0..k {
                    for r in 0..k {
                        matrix[(r, c)] += scale * a[r] * b[c];
                    }
                }
            }
        }
    }

    /// From derivatives in the elements of each Λ to derivatives in θ.
    pub fn chain(&self, theta: &[f64], by_factor: &[Matrix]) -> Vec<f64> {
        let mut gradient = Vec::with_capacity(self.parameters());
        for (t, term) in self.terms.iter().enumerate() {
            let derivatives = factor_derivatives(term.covariance, term.columns.len(), self.theta(t, theta));
            gradient.extend(derivatives.iter().map(|d| dot(&d.values, &by_factor[t].values)));
        }
        gradient
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_profiled_deviance_is_that_of_the_marginal_normal_distribution_and_its_gradient_that_of_differences() {
        for design in testing::linear_designs() {
            let layout = Layout::new(&design);
            let y = testing::real(&design);
            let profile = LinearProfile::new(&design.mean, layout, y, &design.weights);
            let theta: Vec<f64> =
                profile.layout.unit().iter().enumerate().map(|(m, t)| 0.8 * t + 0.1 - 0.03 * m as f64).collect();
            for criterion in [Criterion::Ml, Criterion::Reml] {
                let at = profile.solve(&theta).unwrap();
                let sigma = 0.7;
                let dense = testing::dense_deviance(&design, &theta, criterion == Criterion::Reml, sigma);
                let found = profile.deviance(&at, criterion, sigma);
                assert!((found - dense).abs() < 1e-8 * (1.0 + dense.abs()), "{criterion:?}: {found} {dense}");
                let gradient = profile.gradient(&at, &theta, criterion, sigma);
                for m in 0..theta.len() {
                    let value = |step: f64| {
                        let mut moved = theta.clone();
                        moved[m] += step;
                        profile.deviance(&profile.solve(&moved).unwrap(), criterion, sigma)
                    };
                    let difference = (value(1e-5) - value(-1e-5)) / 2e-5;
                    assert!(
                        (difference - gradient[m]).abs() < 1e-5 * (1.0 + difference.abs()),
                        "{criterion:?} {m}: {difference} {}",
                        gradient[m]
                    );
                }
            }
        }
    }
}
