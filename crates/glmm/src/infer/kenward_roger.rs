//! Kenward and Roger's small-sample inference for fixed effects of linear mixed models fitted by REML.
//!
//! Kenward & Roger (1997), "Small sample inference for fixed effects from restricted maximum likelihood", Biometrics 53;
//! Halekoh & Højsgaard (2014), J. Stat. Softw. 59(9). With V = Σ_r σ_r G_r linear in the variances and covariances σ_r,
//! Φ = (XᵀV⁻¹X)⁻¹, P_r = −XᵀV⁻¹G_rV⁻¹X, Q_rs = XᵀV⁻¹G_rV⁻¹G_sV⁻¹X and W twice the inverse of the expected information
//! of σ, the adjusted covariance is Φ_A = Φ + 2 Φ [Σ_rs W_rs (Q_rs − P_r Φ P_s)] Φ.
//!
//! No n × n matrix is formed: the residual's G is (V − ZSZᵀ)/σ² with S the covariance of all random effects, so that all
//! traces and products come from T = ZᵀV⁻¹Z, U = XᵀV⁻¹Z and F = XᵀV⁻¹X. Memory and time grow with the square and cube of
//! the number of random effects. A compound symmetric covariance is not linear in its parameters; its derivatives stand
//! in for G_r, and terms of second order are left out.

use super::error::InferenceError;
use super::linear_state::linear_state;
use crate::design::{Covariance, Design};
use crate::fit::Fit;
use crate::matrix::{Matrix, add_scaled, dot};
use crate::profile::Criterion;
use crate::random::{Layout, factor_derivatives};

const METHOD: &str = "Kenward and Roger's method";
/// Most random effects: T takes 8 bytes for each pair.
pub const MOST_EFFECTS: usize = 4000;

/// What Kenward and Roger's tests are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct KenwardRoger {
    /// Φ: the covariance of the coefficients without adjustment.
    pub covariance: Matrix,
    /// Φ_A: the adjusted covariance of the coefficients.
    pub adjusted: Matrix,
    /// P_r for each variance or covariance, the residual variance last.
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
        let state = linear_state(design, fit, METHOD)?;
        if fit.settings.criterion != Criterion::Reml {
            return Err(InferenceError::NeedsReml { method: METHOD });
        }
        let effects = state.profile.layout.effects();
        if effects > MOST_EFFECTS {
            return Err(InferenceError::TooManyEffects { method: METHOD, effects, most: MOST_EFFECTS });
        }
        let sums = Sums::new(design, fit)?;
        sums.adjusted()
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

/// T, U and F, and how the covariance of the random effects depends on its parameters.
struct Sums {
    rows: f64,
    variance: f64,
    /// ZᵀV⁻¹Z.
    t: Matrix,
    /// XᵀV⁻¹Z.
    u: Matrix,
    /// XᵀV⁻¹X.
    f: Matrix,
    /// For each term the first effect, the number of levels, Σ and its derivatives in the parameters.
    terms: Vec<Term>,
}

struct Term {
    first: usize,
    levels: usize,
    sigma: Matrix,
    derivatives: Vec<Matrix>,
}

impl Sums {
    fn new(design: &Design, fit: &Fit) -> Result<Self, InferenceError> {
        let layout = Layout::new(design);
        let variance = fit.sigma * fit.sigma;
        let (n, q, x) = (design.weights.len(), layout.effects(), &design.mean.fixed);
        let p = x.columns();
        let precision: Vec<f64> = design.weights.iter().map(|w| w / variance).collect();
        let weigh = |v: &[f64]| -> Vec<f64> { v.iter().zip(&precision).map(|(v, w)| v * w).collect() };
        // M = ZᵀR⁻¹Z and XᵀR⁻¹Z, R = σ²/w.
        let m = dense_cross(&layout, &precision, n, q);
        let mut zx = Matrix::zeros(q, p);
        for j in 0..p {
            zx.column_mut(j).copy_from_slice(&layout.transpose_product(0, &weigh(x.column(j))));
        }
        let xx = Matrix::from_fn(p, p, |i, j| dot(&weigh(x.column(i)), x.column(j)));
        // Λ of all effects, times σ, applied to the columns of M: ΛᵀM, then H = ΛᵀMΛ + I.
        let mut factors = layout.factors(&fit.theta);
        factors.iter_mut().for_each(|f| f.values.iter_mut().for_each(|v| *v *= fit.sigma));
        let left = |a: &Matrix| {
            let mut out = Matrix::zeros(q, a.columns);
            for j in 0..a.columns {
                out.column_mut(j).copy_from_slice(&layout.apply(&factors, a.column(j), true));
            }
            out
        };
        let lm = left(&m);
        let mut h = left(&lm.transpose());
        (0..q).for_each(|i| h[(i, i)] += 1.0);
        let indefinite = |what| InferenceError::Indefinite { what, method: METHOD };
        let root = h.cholesky().ok_or(indefinite("the covariance of the responses"))?;
        let half = |mut a: Matrix| {
            (0..a.columns).for_each(|j| root.lower_solve(a.column_mut(j)));
            a
        };
        let (hm, hx) = (half(lm), half(left(&zx)));
        let less = |a: &Matrix, b: &Matrix, whole: &Matrix, transposed: bool| {
            Matrix::from_fn(b.columns, a.columns, |i, j| {
                let full = if transposed { whole[(j, i)] } else { whole[(i, j)] };
                full - dot(b.column(i), a.column(j))
            })
        };
        let terms = layout
            .terms
            .iter()
            .enumerate()
            .map(|(t, term)| {
                let sigma = fit.random[t].covariance.clone();
                let lambda = &factors[t];
                let theta: Vec<f64> = layout.theta(t, &fit.theta).to_vec();
                let derivatives = derivatives_of(term.covariance, lambda, &theta, fit.sigma);
                Term { first: layout.first[t], levels: term.levels.len(), sigma, derivatives }
            })
            .collect();
        Ok(Self {
            rows: n as f64,
            variance,
            t: less(&hm, &hm, &m, false),
            u: less(&hm, &hx, &zx, true),
            f: less(&hx, &hx, &xx, false),
            terms,
        })
    }

    /// `A · blockdiag(E)` for one term's E: columns of other terms are zero.
    fn times_block(a: &Matrix, term: &Term, e: &Matrix, out: &mut Matrix) {
        let k = e.rows;
        for level in 0..term.levels {
            for c in 0..k {
                let column = term.first + level * k + c;
                for r in 0..k {
                    if e[(r, c)] != 0.0 {
                        let source = a.column(term.first + level * k + r).to_vec();
                        add_scaled(out.column_mut(column), e[(r, c)], &source);
                    }
                }
            }
        }
    }

    fn adjusted(&self) -> Result<KenwardRoger, InferenceError> {
        let indefinite = |what| InferenceError::Indefinite { what, method: METHOD };
        let phi = self.f.cholesky().ok_or(indefinite("the covariance of the coefficients"))?.cholesky_inverse();
        let (p, q) = (self.u.rows, self.t.rows);
        // For each parameter U E and T E; for the whole covariance U S and T S.
        let multiply = |a: &Matrix, terms: &[(&Term, &Matrix)]| {
            let mut out = Matrix::zeros(a.rows, q);
            terms.iter().for_each(|(term, e)| Self::times_block(a, term, e, &mut out));
            out
        };
        let mut ue: Vec<Matrix> = Vec::new();
        let mut te: Vec<Matrix> = Vec::new();
        for term in &self.terms {
            for e in &term.derivatives {
                ue.push(multiply(&self.u, &[(term, e)]));
                te.push(multiply(&self.t, &[(term, e)]));
            }
        }
        let whole: Vec<(&Term, &Matrix)> = self.terms.iter().map(|t| (t, &t.sigma)).collect();
        let (us, ts) = (multiply(&self.u, &whole), multiply(&self.t, &whole));
        let r = ue.len() + 1;
        let residual = r - 1;
        let ut = self.u.transpose();
        let (s2, s4) = (self.variance, self.variance * self.variance);
        let usu = us.product(&ut);
        let linear = |terms: &[(f64, &Matrix)]| {
            Matrix::from_fn(p, p, |i, j| terms.iter().map(|(c, m)| c * m[(i, j)]).sum::<f64>())
        };
        let mut ps: Vec<Matrix> = ue.iter().map(|ue| linear(&[(-1.0, &ue.product(&ut))])).collect();
        ps.push(linear(&[(-1.0 / s2, &self.f), (1.0 / s2, &usu)]));
        // T Uᵀ once: E_s Uᵀ is the transpose of U E_s.
        let trace = |m: &Matrix| m.diagonal().iter().sum::<f64>();
        let q_of = |i: usize, j: usize| -> Matrix {
            match (i == residual, j == residual) {
                (false, false) => ue[i].product(&self.t.product(&ue[j].transpose())),
                (true, true) => {
                    let usts = us.product(&self.t.product(&us.transpose()));
                    linear(&[(1.0 / s4, &self.f), (-2.0 / s4, &usu), (1.0 / s4, &usts)])
                }
                (other, _) => {
                    let e = &ue[if other { j } else { i }];
                    let ueu = e.product(&ut);
                    let uetsu = e.product(&self.t.product(&us.transpose()));
                    let a = linear(&[(1.0 / s2, &ueu), (-1.0 / s2, &uetsu)]);
                    if other { a.transpose() } else { a }
                }
            }
        };
        let trace_of = |i: usize, j: usize| match (i == residual, j == residual) {
            (false, false) => trace_of_product(&te[i], &te[j]),
            (true, true) => (self.rows - 2.0 * trace(&ts) + trace_of_product(&ts, &ts)) / s4,
            (other, _) => {
                let e = &te[if other { j } else { i }];
                (trace(e) - trace_of_product(e, &ts)) / s2
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

/// ZᵀWZ as a dense matrix.
fn dense_cross(layout: &Layout, weights: &[f64], n: usize, q: usize) -> Matrix {
    let mut m = Matrix::zeros(q, q);
    let mut row: Vec<(usize, f64)> = Vec::new();
    for (i, &w) in weights.iter().enumerate() {
        row.clear();
        for (t, term) in layout.terms.iter().enumerate() {
            let k = term.columns.len();
            let start = layout.first[t] + term.level_of_row[i] as usize * k;
            row.extend((0..k).map(|c| (start + c, term.values[c * n + i])));
        }
        for &(a, za) in &row {
            for &(b, zb) in &row {
                m[(b, a)] += w * za * zb;
            }
        }
    }
    m
}
