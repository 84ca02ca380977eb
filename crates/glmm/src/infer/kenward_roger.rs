//! Kenward and Roger's small-sample inference for fixed effects of linear mixed models fitted by REML.
//!
//! Kenward & Roger (1997), "Small sample inference for fixed effects from restricted maximum likelihood", Biometrics 53;
//! Halekoh & Højsgaard (2014), J. Stat. Softw. 59(9). With V = Σ_r σ_r G_r linear in the variances and covariances σ_r,
//! Φ = (XᵀV⁻¹X)⁻¹, P_r = −XᵀV⁻¹G_rV⁻¹X, Q_rs = XᵀV⁻¹G_rV⁻¹G_sV⁻¹X and W twice the inverse of the expected information
//! of σ, the adjusted covariance is Φ_A = Φ + 2 Φ [Σ_rs W_rs (Q_rs − P_r Φ P_s)] Φ.
//!
//! No n × n matrix is formed: the residual's G is (V − ZSZᵀ)/σ² with S the covariance of all random effects, so that all
//! traces and products come from T = ZᵀV⁻¹Z, U = XᵀV⁻¹Z and F = XᵀV⁻¹X. T is not held either: its columns come level by
//! level from the sparse factor and are summed up at once, so that memory grows with the number of random effects and time
//! with their number times the size of the factor. A compound symmetric covariance is not linear in its parameters; its
//! derivatives stand in for G_r, and terms of second order are left out.

use super::error::InferenceError;
use super::linear_state::{LinearState, linear_state};
use crate::design::{Covariance, Design};
use crate::fit::Fit;
use crate::matrix::{Matrix, add_scaled, dot};
use crate::profile::Criterion;
use crate::random::{Layout, factor_derivatives};
use crate::term_basis::turned_pair;

const METHOD: &str = "Kenward and Roger's method";

/// What Kenward and Roger's tests are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct KenwardRoger {
    /// Φ: the covariance of the coefficients without adjustment.
    pub covariance: Matrix,
    /// Φ_A: the adjusted covariance of the coefficients.
    pub adjusted: Matrix,
    /// P_r for each variance or covariance (of [well-conditioned columns](crate::term_basis)), the residual variance last.
    pub p: Vec<Matrix>,
    /// W: the asymptotic covariance of the variances and covariances.
    pub w: Matrix,
}

/// A factor by which F is multiplied and the denominator degrees of freedom it then has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaledF {
    /// The factor λ.
    pub scale: f64,
    /// Denominator degrees of freedom.
    pub df: f64,
}

impl KenwardRoger {
    /// Prepares the tests of a linear mixed model fitted by REML.
    pub fn new(design: &Design, fit: &Fit) -> Result<Self, InferenceError> {
        let turned = turned_pair(design, fit);
        let (design, fit) = turned.as_ref().map_or((design, fit), |(design, fit)| (design, fit));
        let state = linear_state(design, fit, METHOD)?;
        if fit.settings.criterion != Criterion::Reml {
            return Err(InferenceError::NeedsReml { method: METHOD });
        }
        Sums::new(&state, fit)?.adjusted()
    }

    /// Scale and denominator degrees of freedom of the F test of independent contrasts.
    pub fn joint(&self, contrasts: &[Vec<f64>]) -> ScaledF {
        let q = contrasts.len();
        let width = self.covariance.rows;
        let l = Matrix::from_fn(q, width, |i, j| contrasts[i][j]);
        // Φ is symmetric, so that congruence(l) is L Φ Lᵀ.
        let Some(middle) = self.covariance.congruence(&l).cholesky().map(|c| c.cholesky_inverse()) else {
            return ScaledF { scale: f64::NAN, df: f64::NAN };
        };
        let theta = middle.congruence(&l.transpose());
        // ΘΦ P_r Φ
        let products: Vec<Matrix> =
            self.p.iter().map(|p| theta.product(&self.covariance).product(p).product(&self.covariance)).collect();
        let trace = |m: &Matrix| m.diagonal().iter().sum::<f64>();
        let traces: Vec<f64> = products.iter().map(trace).collect();
        let (mut a1, mut a2) = (0.0, 0.0);
        for (i, left) in products.iter().enumerate() {
            for (j, right) in products.iter().enumerate() {
                a1 += self.w[(i, j)] * traces[i] * traces[j];
                a2 += self.w[(i, j)] * trace_of_product(left, right);
            }
        }
        let q = q as f64;
        let b = (a1 + 6.0 * a2) / (2.0 * q);
        let g = ((q + 1.0) * a1 - (q + 4.0) * a2) / ((q + 2.0) * a2);
        let divisor = 3.0 * q + 2.0 * (1.0 - g);
        let (c1, c2, c3) = (g / divisor, (q - g) / divisor, (q + 2.0 - g) / divisor);
        let expected = 1.0 / (1.0 - a2 / q);
        let variance = 2.0 / q * (1.0 + c1 * b) / ((1.0 - c2 * b).powi(2) * (1.0 - c3 * b));
        let rho = variance / (2.0 * expected * expected);
        let df = 4.0 + (q + 2.0) / (q * rho - 1.0);
        ScaledF { scale: df / (expected * (df - 2.0)), df }
    }

    /// Degrees of freedom of one contrast.
    pub fn df(&self, contrast: &[f64]) -> f64 {
        self.joint(&[contrast.to_vec()]).df
    }
}

/// Σ_ij a_ij b_ji.
fn trace_of_product(a: &Matrix, b: &Matrix) -> f64 {
    (0..a.rows).map(|i| (0..a.columns).map(|j| a[(i, j)] * b[(j, i)]).sum::<f64>()).sum()
}

/// A derivative of the covariance of the random effects: the same block for every level of one term.
struct Block {
    term: usize,
    e: Matrix,
}

/// Traces and products of T = ZᵀV⁻¹Z, U = XᵀV⁻¹Z and F = XᵀV⁻¹X. E_i, i < `parameters`, are the derivatives of S, the
/// covariance of the random effects; S itself stands in the last place.
struct Sums {
    rows: f64,
    variance: f64,
    parameters: usize,
    /// XᵀV⁻¹X.
    f: Matrix,
    /// U E_i Uᵀ.
    ueu: Vec<Matrix>,
    /// U E_i T E_j Uᵀ.
    uetu: Vec<Vec<Matrix>>,
    /// tr T E_i.
    te: Vec<f64>,
    /// tr T E_i T E_j.
    tete: Matrix,
}

impl Sums {
    fn new(state: &LinearState, fit: &Fit) -> Result<Self, InferenceError> {
        let (profile, layout) = (&state.profile, &state.profile.layout);
        let indefinite = |what| InferenceError::Indefinite { what, method: METHOD };
        let at = profile.solve(&fit.theta).ok_or(indefinite("the covariance of the responses"))?;
        let variance = fit.sigma * fit.sigma;
        let over_variance = |mut m: Matrix| {
            m.values.iter_mut().for_each(|v| *v /= variance);
            m
        };
        let (u, f) = profile.weighted_products(&at, &fit.theta);
        let (u, f) = (over_variance(u), over_variance(f));
        let factors = layout.factors(&fit.theta);
        let mut derivatives: Vec<Block> = Vec::new();
        for (t, term) in layout.terms.iter().enumerate() {
            let mut lambda = factors[t].clone();
            lambda.values.iter_mut().for_each(|v| *v *= fit.sigma);
            let of_term = derivatives_of(term.covariance, &lambda, layout.theta(t, &fit.theta), fit.sigma);
            derivatives.extend(of_term.into_iter().map(|e| Block { term: t, e }));
        }
        let whole: Vec<Block> =
            (0..layout.terms.len()).map(|term| Block { term, e: fit.random[term].covariance.clone() }).collect();
        let parameters = derivatives.len();
        // The blocks of E_i by i, those of S last.
        let blocks: Vec<Vec<&Block>> = derivatives.iter().map(|b| vec![b]).chain([whole.iter().collect()]).collect();

        let (p, count) = (u.rows, blocks.len());
        let mut ueu = vec![Matrix::zeros(p, p); count];
        let mut uetu = vec![vec![Matrix::zeros(p, p); count]; count];
        let (mut te, mut tete) = (vec![0.0; count], Matrix::zeros(count, count));
        let ue: Vec<Matrix> = blocks.iter().map(|blocks| times_blocks(layout, &u, blocks)).collect();
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            for level in 0..term.levels.len() {
                let first = layout.first[t] + level * k;
                let mut columns = Matrix::zeros(layout.effects(), k);
                for c in 0..k {
                    columns.column_mut(c).copy_from_slice(&profile.weighted_effect(&at, &factors, first + c));
                }
                let columns = over_variance(columns);
                let u_here = Matrix::from_fn(p, k, |i, c| u[(i, first + c)]);
                // T_ℓᵀ E_i T_ℓ and U E_i T_ℓ for every i.
                let between: Vec<(Matrix, Matrix)> = blocks
                    .iter()
                    .zip(&ue)
                    .map(|(blocks, ue)| (quadratic(layout, &columns, blocks), ue.product(&columns)))
                    .collect();
                for (j, e) in
                    blocks.iter().enumerate().filter_map(|(j, b)| Some((j, &b.iter().find(|b| b.term == t)?.e)))
                {
                    let eu = e.product(&u_here.transpose());
                    add(&mut ueu[j], &u_here.product(&eu));
                    te[j] += (0..k)
                        .flat_map(|a| (0..k).map(move |b| (a, b)))
                        .map(|(a, b)| columns[(first + b, a)] * e[(a, b)])
                        .sum::<f64>();
                    for (i, (quadratic, left)) in between.iter().enumerate() {
                        tete[(i, j)] += trace_of_product(quadratic, e);
                        add(&mut uetu[i][j], &left.product(&eu));
                    }
                }
            }
        }
        Ok(Self { rows: profile.rows as f64, variance, parameters, f, ueu, uetu, te, tete })
    }

    fn adjusted(&self) -> Result<KenwardRoger, InferenceError> {
        let indefinite = |what| InferenceError::Indefinite { what, method: METHOD };
        let phi = self.f.cholesky().ok_or(indefinite("the covariance of the coefficients"))?.cholesky_inverse();
        let p = self.f.rows;
        // In `sums` the place after the parameters' is S's; in the parameters that of the residual variance.
        let residual = self.parameters;
        let whole = self.parameters;
        let r = self.parameters + 1;
        let (s2, s4) = (self.variance, self.variance * self.variance);
        let linear = |terms: &[(f64, &Matrix)]| {
            Matrix::from_fn(p, p, |i, j| terms.iter().map(|(c, m)| c * m[(i, j)]).sum::<f64>())
        };
        let mut ps: Vec<Matrix> = self.ueu[..whole].iter().map(|ueu| linear(&[(-1.0, ueu)])).collect();
        ps.push(linear(&[(-1.0 / s2, &self.f), (1.0 / s2, &self.ueu[whole])]));
        let q_of = |i: usize, j: usize| -> Matrix {
            match (i == residual, j == residual) {
                (false, false) => self.uetu[i][j].clone(),
                (true, true) => {
                    let (usu, usts) = (&self.ueu[whole], &self.uetu[whole][whole]);
                    linear(&[(1.0 / s4, &self.f), (-2.0 / s4, usu), (1.0 / s4, usts)])
                }
                (false, true) => linear(&[(1.0 / s2, &self.ueu[i]), (-1.0 / s2, &self.uetu[i][whole])]),
                (true, false) => linear(&[(1.0 / s2, &self.ueu[j]), (-1.0 / s2, &self.uetu[whole][j])]),
            }
        };
        let trace_of = |i: usize, j: usize| match (i == residual, j == residual) {
            (false, false) => self.tete[(i, j)],
            (true, true) => (self.rows - 2.0 * self.te[whole] + self.tete[(whole, whole)]) / s4,
            (other, _) => {
                let e = if other { j } else { i };
                (self.te[e] - self.tete[(e, whole)]) / s2
            }
        };
        let phi_p: Vec<Matrix> = ps.iter().map(|p| phi.product(p)).collect();
        let mut information = Matrix::zeros(r, r);
        let mut qs: Vec<Vec<Matrix>> = Vec::new();
        for i in 0..r {
            let mut row = Vec::new();
            for j in 0..r {
                let q_ij = q_of(i, j);
                information[(i, j)] =
                    trace_of(i, j) - 2.0 * trace_of_product(&phi, &q_ij) + trace_of_product(&phi_p[i], &phi_p[j]);
                row.push(q_ij);
            }
            qs.push(row);
        }
        information.symmetrise();
        let w = doubled_inverse(&information).ok_or(indefinite("the expected information of the variances"))?;
        let mut sum = Matrix::zeros(p, p);
        for i in 0..r {
            for j in 0..r {
                let inner = ps[i].product(&phi_p[j]);
                for (s, (a, b)) in sum.values.iter_mut().zip(qs[i][j].values.iter().zip(&inner.values)) {
                    *s += w[(i, j)] * (a - b);
                }
            }
        }
        let change = phi.product(&sum).product(&phi);
        let mut adjusted = Matrix::from_fn(p, p, |i, j| phi[(i, j)] + 2.0 * change[(i, j)]);
        adjusted.symmetrise();
        Ok(KenwardRoger { covariance: phi, adjusted, p: ps, w })
    }
}

fn add(sum: &mut Matrix, more: &Matrix) {
    add_scaled(&mut sum.values, 1.0, &more.values);
}

/// A times the matrix with these blocks: columns of other terms are zero.
fn times_blocks(layout: &Layout, a: &Matrix, blocks: &[&Block]) -> Matrix {
    let mut product = Matrix::zeros(a.rows, a.columns);
    for Block { term, e } in blocks {
        let k = e.rows;
        for first in (layout.first[*term]..layout.first[term + 1]).step_by(k) {
            for c in 0..k {
                for r in 0..k {
                    add_scaled(product.column_mut(first + c), e[(r, c)], a.column(first + r));
                }
            }
        }
    }
    product
}

/// Aᵀ E A for the matrix E with these blocks.
fn quadratic(layout: &Layout, a: &Matrix, blocks: &[&Block]) -> Matrix {
    let mut sum = Matrix::zeros(a.columns, a.columns);
    for Block { term, e } in blocks {
        let (k, range) = (e.rows, layout.first[*term]..layout.first[term + 1]);
        for j in 0..a.columns {
            for i in 0..a.columns {
                let (left, right) = (&a.column(i)[range.clone()], &a.column(j)[range.clone()]);
                for (x, y) in left.chunks_exact(k).zip(right.chunks_exact(k)) {
                    sum[(i, j)] += y.iter().enumerate().map(|(c, y)| y * dot(x, e.column(c))).sum::<f64>();
                }
            }
        }
    }
    sum
}

/// 2 A⁻¹, in the directions in which a scaled A is positive.
fn doubled_inverse(a: &Matrix) -> Option<Matrix> {
    let n = a.rows;
    let scale: Vec<f64> = a.diagonal().iter().map(|d| d.sqrt()).collect();
    if scale.iter().any(|s| !s.is_finite() || *s <= 0.0) {
        return None;
    }
    let scaled = Matrix::from_fn(n, n, |i, j| a[(i, j)] / (scale[i] * scale[j]));
    let (values, vectors) = scaled.symmetric_eigen();
    let entry = |i: usize, j: usize| {
        let positive = (0..n).filter(|&k| values[k] > 1e-10);
        2.0 * positive.map(|k| vectors[(i, k)] * vectors[(j, k)] / values[k]).sum::<f64>() / (scale[i] * scale[j])
    };
    Some(Matrix::from_fn(n, n, entry))
}

/// The derivatives of Σ in its variances and covariances (for compound symmetry in θ).
fn derivatives_of(form: Covariance, lambda: &Matrix, theta: &[f64], sigma: f64) -> Vec<Matrix> {
    let k = lambda.rows;
    let unit = |i: usize, j: usize| {
        let mut e = Matrix::zeros(k, k);
        (e[(i, j)], e[(j, i)]) = (1.0, 1.0);
        e
    };
    match form {
        Covariance::Unstructured => (0..k).flat_map(|j| (j..k).map(move |i| (i, j))).map(|(i, j)| unit(i, j)).collect(),
        Covariance::Diagonal => (0..k).map(|i| unit(i, i)).collect(),
        Covariance::CompoundSymmetric => factor_derivatives(form, k, theta)
            .into_iter()
            .map(|d| {
                let half = d.product(&lambda.transpose());
                Matrix::from_fn(k, k, |i, j| sigma * (half[(i, j)] + half[(j, i)]))
            })
            .collect(),
    }
}
