//! A well-conditioned basis of the columns of a model matrix: X = Q R with R upper triangular.
//!
//! Fits work with Q, so that neither the scale of a covariate nor its distance from zero harms steps, differences or
//! normal equations, and give back β = R⁻¹ γ. Q comes from the Cholesky factor of XᵀX after scaling (orthonormal up to the
//! square of the condition number, which is all that is needed), or, where that is too inexact, from modified
//! Gram–Schmidt done twice.

use crate::design::ModelMatrix;
use crate::distinct::{Distinct, distinct_rows};
use crate::matrix::{Matrix, add_by_level, add_scaled, dot};
use std::borrow::Cow;

/// Q and R.
#[derive(Clone, Debug)]
pub struct Basis {
    /// Number of observations.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// The distinct rows of Q, column after column; over all observations its columns have mean square 1.
    q: Vec<f64>,
    /// Which of the rows of `q` each observation has; nothing where each has its own.
    row_of: Option<Vec<u32>>,
    /// R, upper triangular.
    pub r: Matrix,
}

/// Rows that are worked on at once, so that their share of all columns stays in cache.
const CHUNK: usize = 256;

impl Basis {
    /// The basis of a model matrix of full column rank.
    pub fn new(x: &ModelMatrix) -> Self {
        Self::of_columns(x.rows, x.columns(), &x.values)
    }

    /// The basis of columns that stand one after the other.
    pub fn of_columns(rows: usize, columns: usize, values: &[f64]) -> Self {
        let short = distinct_rows(rows, columns, values, rows / 2);
        let (all, mut q, weights, row_of) = match short {
            None => (rows, values.to_vec(), None, None),
            Some(Distinct { of_row, first }) => {
                let column = |j: usize| first.iter().map(move |&i| values[j * rows + i as usize]);
                let q = (0..columns).flat_map(column).collect();
                let mut times = vec![0.0; first.len()];
                of_row.iter().for_each(|&d| times[d as usize] += 1.0);
                (first.len(), q, Some(times), Some(of_row))
            }
        };
        let scale = (rows as f64).sqrt();
        let gram = gram(all, columns, &q, weights.as_deref());
        // Scaled to a unit diagonal, the smallest pivot says how much of a column the others leave.
        let norms: Vec<f64> = gram.diagonal().iter().map(|v| v.sqrt().max(f64::MIN_POSITIVE)).collect();
        let correlation = Matrix::from_fn(columns, columns, |i, j| gram[(i, j)] / (norms[i] * norms[j]));
        let factor = correlation.cholesky().filter(|l| l.diagonal().iter().all(|&d| d > 1e-4));
        let Some(l) = factor else {
            return gram_schmidt(rows, columns, values, scale);
        };
        let r = Matrix::from_fn(columns, columns, |i, j| l[(j, i)] * norms[j] / scale);
        for from in (0..all).step_by(CHUNK) {
            let to = (from + CHUNK).min(all);
            for j in 0..columns {
                let (before, rest) = q.split_at_mut(j * all);
                let target = &mut rest[from..to];
                for i in 0..j {
                    add_scaled(target, -r[(i, j)], &before[i * all + from..i * all + to]);
                }
                target.iter_mut().for_each(|v| *v /= r[(j, j)]);
            }
        }
        Basis { rows, columns, q, row_of, r }
    }

    /// Number of distinct rows.
    pub fn distinct(&self) -> usize {
        self.q.len() / self.columns.max(1)
    }

    /// One column of Q, its distinct rows only.
    fn short_column(&self, j: usize) -> &[f64] {
        let all = self.distinct();
        &self.q[j * all..(j + 1) * all]
    }

    /// One column of Q.
    pub fn column(&self, j: usize) -> Vec<f64> {
        let short = self.short_column(j);
        match &self.row_of {
            None => short.to_vec(),
            Some(row_of) => row_of.iter().map(|&d| short[d as usize]).collect(),
        }
    }

    /// A multiple of one column added to `y`.
    pub fn add_column(&self, j: usize, scale: f64, y: &mut [f64]) {
        let short = self.short_column(j);
        match &self.row_of {
            None => add_scaled(y, scale, short),
            Some(row_of) => y.iter_mut().zip(row_of).for_each(|(y, &d)| *y += scale * short[d as usize]),
        }
    }

    /// `Q γ` added to `y`.
    pub fn add_product(&self, gamma: &[f64], y: &mut [f64]) {
        let Some(row_of) = &self.row_of else {
            return self.add_short_product(gamma, y);
        };
        let mut product = vec![0.0; self.distinct()];
        self.add_short_product(gamma, &mut product);
        y.iter_mut().zip(row_of).for_each(|(y, &d)| *y += product[d as usize]);
    }

    fn add_short_product(&self, gamma: &[f64], y: &mut [f64]) {
        let all = self.distinct();
        for from in (0..all).step_by(CHUNK) {
            let to = (from + CHUNK).min(all);
            for (j, &g) in gamma.iter().enumerate() {
                add_scaled(&mut y[from..to], g, &self.q[j * all + from..j * all + to]);
            }
        }
    }

    /// Numbers of the observations summed up over those with the same row of Q.
    fn summed<'a>(&self, v: &'a [f64]) -> Cow<'a, [f64]> {
        let Some(row_of) = &self.row_of else { return Cow::Borrowed(v) };
        let mut sums = vec![0.0; self.distinct()];
        add_by_level(&mut sums, row_of, v.iter().copied());
        Cow::Owned(sums)
    }

    /// `Qᵀ v`.
    pub fn transpose_product(&self, v: &[f64]) -> Vec<f64> {
        let v = self.summed(v);
        (0..self.columns).map(|j| dot(self.short_column(j), &v)).collect()
    }

    /// `QᵀWQ`.
    pub fn gram(&self, weights: &[f64]) -> Matrix {
        gram(self.distinct(), self.columns, &self.q, Some(&self.summed(weights)))
    }

    /// β = R⁻¹ γ.
    pub fn coefficients(&self, gamma: &[f64]) -> Vec<f64> {
        let mut beta = gamma.to_vec();
        for i in (0..self.columns).rev() {
            let sum: f64 = (i + 1..self.columns).map(|j| self.r[(i, j)] * beta[j]).sum();
            beta[i] = (beta[i] - sum) / self.r[(i, i)];
        }
        beta
    }

    /// γ = R β.
    pub fn from_coefficients(&self, beta: &[f64]) -> Vec<f64> {
        self.r.times(beta)
    }

    /// R⁻¹.
    pub fn inverse(&self) -> Matrix {
        let p = self.columns;
        let mut inverse = Matrix::identity(p);
        for j in 0..p {
            let column = self.coefficients(inverse.column(j));
            inverse.column_mut(j).copy_from_slice(&column);
        }
        inverse
    }

    /// log |R|.
    pub fn log_determinant(&self) -> f64 {
        self.r.diagonal().iter().map(|v| v.abs().ln()).sum()
    }
}

/// `XᵀWX` of columns that stand one after the other (W = I where there are no weights).
fn gram(rows: usize, columns: usize, values: &[f64], weights: Option<&[f64]>) -> Matrix {
    let mut gram = Matrix::zeros(columns, columns);
    let mut weighted = vec![0.0; CHUNK];
    for from in (0..rows).step_by(CHUNK) {
        let to = (from + CHUNK).min(rows);
        for j in 0..columns {
            let x = &values[j * rows + from..j * rows + to];
            let wx = match weights {
                Some(w) => {
                    let target = &mut weighted[..to - from];
                    for ((t, w), x) in target.iter_mut().zip(&w[from..to]).zip(x) {
                        *t = w * x;
                    }
                    &*target
                }
                None => x,
            };
            for i in j..columns {
                gram[(i, j)] += dot(&values[i * rows + from..i * rows + to], wx);
            }
        }
    }
    for j in 0..columns {
        for i in j + 1..columns {
            gram[(j, i)] = gram[(i, j)];
        }
    }
    gram
}

fn gram_schmidt(rows: usize, columns: usize, values: &[f64], scale: f64) -> Basis {
    let mut q = values.to_vec();
    let mut r = Matrix::zeros(columns, columns);
    for j in 0..columns {
        let (before, rest) = q.split_at_mut(j * rows);
        let target = &mut rest[..rows];
        for _ in 0..2 {
            for i in 0..j {
                let other = &before[i * rows..(i + 1) * rows];
                let share = dot(other, target) / (scale * scale);
                r[(i, j)] += share;
                add_scaled(target, -share, other);
            }
        }
        let norm = (dot(target, target).sqrt() / scale).max(f64::MIN_POSITIVE);
        r[(j, j)] = norm;
        target.iter_mut().for_each(|v| *v /= norm);
    }
    Basis { rows, columns, q, row_of: None, r }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_times_r_is_the_matrix_and_is_nearly_orthogonal() {
        let n = 700;
        for spread in [1.0, 1e-3, 1e-6] {
            let mut values = vec![1.0; n];
            values.extend((0..n).map(|i| 2000.0 + spread * (i as f64 * 0.37).sin()));
            values.extend((0..n).map(|i| (i % 5) as f64));
            let basis = Basis::of_columns(n, 3, &values);
            for j in 0..3 {
                let mut back = vec![0.0; n];
                basis.add_product(basis.r.column(j), &mut back);
                let x = &values[j * n..(j + 1) * n];
                assert!(back.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-11 * (1.0 + b.abs())));
            }
            let gram = basis.gram(&vec![1.0; n]);
            for j in 0..3 {
                for i in 0..3 {
                    let unit = f64::from(i == j);
                    assert!((gram[(i, j)] / n as f64 - unit).abs() < 1e-4, "{spread}: {gram:?}");
                }
            }
            let beta = [0.3, -2.0, 1.5];
            let back = basis.coefficients(&basis.from_coefficients(&beta));
            assert!(beta.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-8));
        }
    }

    #[test]
    fn repeated_rows_are_held_once_and_every_product_is_that_of_the_whole() {
        let (n, groups) = (120, 11);
        let mut values = vec![1.0; n];
        values.extend((0..n).map(|i| ((i * 7 % groups) as f64).sin()));
        values.extend((0..n).map(|i| f64::from(i * 7 % groups > 4)));
        let short = Basis::of_columns(n, 3, &values);
        assert_eq!(short.distinct(), groups);
        // One more column, unlike in every row, keeps the rows apart; R's leading part and Q's first columns stay.
        values.extend((0..n).map(|i| (i as f64 * 0.37).cos()));
        let long = Basis::of_columns(n, 4, &values);
        assert_eq!(long.distinct(), n);
        let v: Vec<f64> = (0..n).map(|i| 0.2 + (i as f64 * 0.7).sin().powi(2)).collect();
        let (mut a, mut b) = (v.clone(), v.clone());
        short.add_product(&[0.3, -1.0, 2.0], &mut a);
        long.add_product(&[0.3, -1.0, 2.0, 0.0], &mut b);
        let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-11 * (1.0 + b.abs()));
        assert!(close(&a, &b));
        assert!(close(&short.transpose_product(&v), &long.transpose_product(&v)[..3]));
        for j in 0..3 {
            assert!(close(&short.column(j), &long.column(j)));
            short.add_column(j, 0.4, &mut a);
            long.add_column(j, 0.4, &mut b);
            assert!(close(short.gram(&v).column(j), &long.gram(&v).column(j)[..3]));
        }
        assert!(close(&a, &b));
    }
}
