//! Relative covariance factors Λ(θ) of random terms, as functions of parameters without bounds.
//!
//! The effects of one level are b = Λ u with u ~ N(0, I) (times σ for linear mixed models), so Σ = Λ Λᵀ. Λ is lower
//! triangular. θ may take any real value: a factor whose diagonal is negative gives the same Σ as the one with the
//! column's sign turned, and θ = 0 is an inner point where the variance is zero, so that singular fits need no bounds.
//!
//! | covariance | θ |
//! |---|---|
//! | unstructured | the lower triangle of Λ, column after column (lme4's θ) |
//! | diagonal | the diagonal of Λ |
//! | compound symmetric | the square roots of the standard deviations (their signs do not matter), then one ζ for the correlation ρ = (1 + 1/(k−1)) sin² ζ − 1/(k−1) |
//!
//! Squares, so that at the edge of the range (a standard deviation of zero, ρ at an end), where the deviance of compound
//! symmetry has a slope, it has a minimum with curvature instead.

use crate::design::{Covariance, Design, RandomTerm};
use crate::matrix::Matrix;

/// The number of parameters of a covariance of `k` effects.
pub fn parameter_count(covariance: Covariance, k: usize) -> usize {
    match covariance {
        Covariance::Unstructured => k * (k + 1) / 2,
        Covariance::Diagonal => k,
        Covariance::CompoundSymmetric => k + usize::from(k > 1),
    }
}

/// The parameters of Λ = I.
pub fn unit_parameters(covariance: Covariance, k: usize) -> Vec<f64> {
    match covariance {
        Covariance::Unstructured => {
            (0..k).flat_map(|j| std::iter::once(1.0).chain(std::iter::repeat_n(0.0, k - j - 1))).collect()
        }
        Covariance::Diagonal => vec![1.0; k],
        Covariance::CompoundSymmetric => {
            let mut theta = vec![1.0; k];
            if k > 1 {
                theta.push((1.0 / (k as f64).sqrt()).asin());
            }
            theta
        }
    }
}

/// ρ(ζ) of compound symmetry and its derivative.
fn common_correlation(k: usize, zeta: f64) -> (f64, f64) {
    let low = -1.0 / (k - 1) as f64;
    let (sin, cos) = zeta.sin_cos();
    (low + (1.0 - low) * sin * sin, (1.0 - low) * 2.0 * sin * cos)
}

/// Lower factor of the correlation matrix with ρ everywhere off the diagonal, and its derivative in ρ.
///
/// Column j has the pivot d_j and below it one common value c_j: d_j² = 1 − s_j, c_j = (ρ − s_j)/d_j with
/// s_j = Σ_{i<j} c_i².
fn common_factor(k: usize, rho: f64) -> (Matrix, Matrix) {
    let (mut l, mut dl) = (Matrix::zeros(k, k), Matrix::zeros(k, k));
    let (mut s, mut ds) = (0.0f64, 0.0f64);
    for j in 0..k {
        let d = (1.0 - s).max(1e-30).sqrt();
        let dd = -0.5 * ds / d;
        let c = (rho - s) / d;
        let dc = (1.0 - ds) / d - c * dd / d;
        l[(j, j)] = d;
        dl[(j, j)] = dd;
        for i in j + 1..k {
            l[(i, j)] = c;
            dl[(i, j)] = dc;
        }
        s += c * c;
        ds += 2.0 * c * dc;
    }
    (l, dl)
}

/// Λ(θ), `k` × `k`.
pub fn factor(covariance: Covariance, k: usize, theta: &[f64]) -> Matrix {
    match covariance {
        Covariance::Unstructured => {
            let mut lambda = Matrix::zeros(k, k);
            let mut next = theta.iter();
            for j in 0..k {
                for (i, &t) in (j..k).zip(&mut next) {
                    lambda[(i, j)] = t;
                }
            }
            lambda
        }
        Covariance::Diagonal => Matrix::from_fn(k, k, |i, j| if i == j { theta[i] } else { 0.0 }),
        Covariance::CompoundSymmetric if k == 1 => Matrix { rows: 1, columns: 1, values: vec![theta[0]] },
        Covariance::CompoundSymmetric => {
            let (l, _) = common_factor(k, common_correlation(k, theta[k]).0);
            Matrix::from_fn(k, k, |i, j| theta[i] * theta[i] * l[(i, j)])
        }
    }
}

/// ∂Λ/∂θ_m for every parameter m.
pub fn factor_derivatives(covariance: Covariance, k: usize, theta: &[f64]) -> Vec<Matrix> {
    let unit = |i: usize, j: usize| {
        let mut m = Matrix::zeros(k, k);
        m[(i, j)] = 1.0;
        m
    };
    match covariance {
        Covariance::Unstructured => (0..k).flat_map(|j| (j..k).map(move |i| (i, j))).map(|(i, j)| unit(i, j)).collect(),
        Covariance::Diagonal => (0..k).map(|i| unit(i, i)).collect(),
        Covariance::CompoundSymmetric if k == 1 => vec![unit(0, 0)],
        Covariance::CompoundSymmetric => {
            let (rho, slope) = common_correlation(k, theta[k]);
            let (l, dl) = common_factor(k, rho);
            let mut all: Vec<Matrix> = (0..k)
                .map(|m| Matrix::from_fn(k, k, |i, j| if i == m { 2.0 * theta[m] * l[(i, j)] } else { 0.0 }))
                .collect();
            all.push(Matrix::from_fn(k, k, |i, j| theta[i] * theta[i] * slope * dl[(i, j)]));
            all
        }
    }
}

/// The parameters whose factor gives the covariance Σ (or the nearest that the form allows).
pub fn parameters_of(covariance: Covariance, sigma: &Matrix) -> Vec<f64> {
    let k = sigma.rows;
    match covariance {
        Covariance::Unstructured => {
            let l = semidefinite_factor(sigma);
            (0..k).flat_map(|j| (j..k).map(move |i| (i, j))).map(|ij| l[ij]).collect()
        }
        Covariance::Diagonal => sigma.diagonal().iter().map(|v| v.max(0.0).sqrt()).collect(),
        Covariance::CompoundSymmetric => {
            let sd: Vec<f64> = sigma.diagonal().iter().map(|v| v.max(0.0).sqrt()).collect();
            if k == 1 {
                return sd;
            }
            let mut theta: Vec<f64> = sd.iter().map(|s| s.sqrt()).collect();
            let pairs = (0..k).flat_map(|j| (j + 1..k).map(move |i| (i, j)));
            let sum: f64 = pairs.map(|(i, j)| sigma[(i, j)] / (sd[i] * sd[j]).max(1e-300)).sum();
            let low = -1.0 / (k - 1) as f64;
            let mean = sum / (k * (k - 1) / 2) as f64;
            let p = ((mean - low) / (1.0 - low)).clamp(1e-3, 1.0 - 1e-3);
            theta.push(p.sqrt().asin());
            theta
        }
    }
}

/// Cholesky factor that takes pivots at or below zero as zero.
fn semidefinite_factor(sigma: &Matrix) -> Matrix {
    let k = sigma.rows;
    let mut l = Matrix::zeros(k, k);
    for j in 0..k {
        let pivot = sigma[(j, j)] - (0..j).map(|m| l[(j, m)] * l[(j, m)]).sum::<f64>();
        if pivot <= 1e-14 * sigma[(j, j)].abs() {
            continue;
        }
        let root = pivot.sqrt();
        l[(j, j)] = root;
        for i in j + 1..k {
            l[(i, j)] = (sigma[(i, j)] - (0..j).map(|m| l[(i, m)] * l[(j, m)]).sum::<f64>()) / root;
        }
    }
    l
}

/// Turns the signs of the columns so that the diagonal of Λ is not negative; Σ stays.
pub fn canonical_parameters(covariance: Covariance, k: usize, theta: &[f64]) -> Vec<f64> {
    match covariance {
        Covariance::Unstructured => {
            let lambda = factor(covariance, k, theta);
            let sign = |j: usize| if lambda[(j, j)] < 0.0 { -1.0 } else { 1.0 };
            (0..k).flat_map(|j| (j..k).map(move |i| (i, j))).map(|(i, j)| sign(j) * lambda[(i, j)]).collect()
        }
        Covariance::Diagonal => theta.iter().map(|t| t.abs()).collect(),
        Covariance::CompoundSymmetric => {
            let zeta = |t: f64| t.sin().abs().asin();
            theta.iter().enumerate().map(|(m, t)| if m < k { t.abs() } else { zeta(*t) }).collect()
        }
    }
}

/// Where the parts of the random effects stand: the terms of all predictors in one row.
#[derive(Clone, Debug)]
pub struct Layout<'a> {
    /// The terms, those of the mean before those of the zero part.
    pub terms: Vec<&'a RandomTerm>,
    /// For each term its predictor: 0 the mean, 1 the zero part.
    pub predictor: Vec<usize>,
    /// First random effect of each term, and the total number at the end; level l, column c of term t is
    /// `first[t] + l * columns + c`.
    pub first: Vec<usize>,
    /// First covariance parameter of each term, and the total number at the end.
    pub first_theta: Vec<usize>,
    /// Whether the only column of a term is 1 in every row.
    pub intercept: Vec<bool>,
}

impl<'a> Layout<'a> {
    /// The layout of a design.
    pub fn new(design: &'a Design) -> Self {
        let mut layout = Layout::empty();
        let predictors = std::iter::once(&design.mean).chain(design.zero.as_ref());
        for (p, predictor) in predictors.enumerate() {
            predictor.random.iter().for_each(|term| layout.push(p, term));
        }
        layout
    }

    /// A layout without terms.
    pub fn empty() -> Self {
        Layout { terms: vec![], predictor: vec![], first: vec![0], first_theta: vec![0], intercept: vec![] }
    }

    /// One more term, of a predictor (those of the mean come first).
    pub fn push(&mut self, predictor: usize, term: &'a RandomTerm) {
        let k = term.columns.len();
        self.first.push(self.effects() + term.levels.len() * k);
        self.first_theta.push(self.parameters() + parameter_count(term.covariance, k));
        self.terms.push(term);
        self.predictor.push(predictor);
        self.intercept.push(k == 1 && term.values.iter().all(|&v| v == 1.0));
    }

    /// Number of random effects q.
    pub fn effects(&self) -> usize {
        *self.first.last().expect("starts with 0")
    }

    /// Number of covariance parameters.
    pub fn parameters(&self) -> usize {
        *self.first_theta.last().expect("starts with 0")
    }

    /// The parameters of one term.
    pub fn theta<'b>(&self, t: usize, theta: &'b [f64]) -> &'b [f64] {
        &theta[self.first_theta[t]..self.first_theta[t + 1]]
    }

    /// Λ of every term.
    pub fn factors(&self, theta: &[f64]) -> Vec<Matrix> {
        let factor_of =
            |(t, term): (usize, &&RandomTerm)| factor(term.covariance, term.columns.len(), self.theta(t, theta));
        self.terms.iter().enumerate().map(factor_of).collect()
    }

    /// θ for Λ = I.
    pub fn unit(&self) -> Vec<f64> {
        self.terms.iter().flat_map(|term| unit_parameters(term.covariance, term.columns.len())).collect()
    }

    /// θ with the signs of [`canonical_parameters`].
    pub fn canonical(&self, theta: &[f64]) -> Vec<f64> {
        let of_term = |(t, term): (usize, &&RandomTerm)| {
            canonical_parameters(term.covariance, term.columns.len(), self.theta(t, theta))
        };
        self.terms.iter().enumerate().flat_map(of_term).collect()
    }

    /// `Λ x`, level by level (`transposed`: `Λᵀ x`).
    pub fn apply(&self, factors: &[Matrix], x: &[f64], transposed: bool) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for (t, lambda) in factors.iter().enumerate() {
            let k = lambda.rows;
            let range = self.first[t]..self.first[t + 1];
            for (y, x) in y[range.clone()].chunks_exact_mut(k).zip(x[range].chunks_exact(k)) {
                for j in 0..k {
                    for i in j..k {
                        if transposed {
                            y[j] += lambda[(i, j)] * x[i];
                        } else {
                            y[i] += lambda[(i, j)] * x[j];
                        }
                    }
                }
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Covariance; 3] = [Covariance::Unstructured, Covariance::Diagonal, Covariance::CompoundSymmetric];

    #[test]
    fn derivatives_of_the_factor_agree_with_differences() {
        for covariance in ALL {
            for k in 1..5 {
                let theta: Vec<f64> =
                    (0..parameter_count(covariance, k)).map(|m| 0.7 + 0.3 * (m as f64).sin()).collect();
                let derivatives = factor_derivatives(covariance, k, &theta);
                assert_eq!(derivatives.len(), theta.len());
                for (m, derivative) in derivatives.iter().enumerate() {
                    let at = |step: f64| {
                        let mut moved = theta.clone();
                        moved[m] += step;
                        factor(covariance, k, &moved)
                    };
                    let (up, down) = (at(1e-5), at(-1e-5));
                    for e in 0..k * k {
                        let difference = (up.values[e] - down.values[e]) / 2e-5;
                        assert!((difference - derivative.values[e]).abs() < 1e-9, "{covariance:?} {k} {m}");
                    }
                }
            }
        }
    }

    #[test]
    fn unit_parameters_give_the_identity_and_signs_leave_the_covariance() {
        for covariance in ALL {
            for k in 1..4 {
                let unit = factor(covariance, k, &unit_parameters(covariance, k));
                assert!(unit.values.iter().zip(&Matrix::identity(k).values).all(|(a, b)| (a - b).abs() < 1e-12));
            }
        }
        let theta = [-1.0, 0.5, 2.0];
        let canonical = canonical_parameters(Covariance::Unstructured, 2, &theta);
        let sigma = |theta: &[f64]| Matrix::identity(2).congruence(&factor(Covariance::Unstructured, 2, theta));
        assert_eq!(sigma(&theta), sigma(&canonical));
        assert_eq!(canonical, [1.0, -0.5, 2.0]);
    }

    #[test]
    fn parameters_come_back_from_their_covariance() {
        for covariance in ALL {
            let theta: Vec<f64> = (0..parameter_count(covariance, 3)).map(|m| 1.2 - 0.1 * m as f64).collect();
            let lambda = factor(covariance, 3, &theta);
            let back = parameters_of(covariance, &lambda.product(&lambda.transpose()));
            assert!(theta.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-9), "{covariance:?} {back:?}");
        }
    }
}
