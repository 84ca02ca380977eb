//! Small dense matrices, column after column, and the factorisations that fits of a few dozen parameters need.

use serde::{Deserialize, Serialize};

/// A dense matrix; element (i, j) is `values[j * rows + i]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// The elements, column after column.
    pub values: Vec<f64>,
}

impl std::ops::Index<(usize, usize)> for Matrix {
    type Output = f64;
    fn index(&self, (i, j): (usize, usize)) -> &f64 {
        &self.values[j * self.rows + i]
    }
}

impl std::ops::IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (i, j): (usize, usize)) -> &mut f64 {
        &mut self.values[j * self.rows + i]
    }
}

impl Matrix {
    /// All zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Matrix { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// Ones on the diagonal.
    pub fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |i, j| f64::from(i == j))
    }

    /// The matrix whose element (i, j) is `f(i, j)`.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(rows * columns);
        for j in 0..columns {
            values.extend((0..rows).map(|i| f(i, j)));
        }
        Matrix { rows, columns, values }
    }

    /// One column.
    pub fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }

    /// One column, to be written.
    pub fn column_mut(&mut self, j: usize) -> &mut [f64] {
        &mut self.values[j * self.rows..(j + 1) * self.rows]
    }

    /// The diagonal.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.rows.min(self.columns)).map(|i| self[(i, i)]).collect()
    }

    /// The transpose.
    pub fn transpose(&self) -> Matrix {
        Matrix::from_fn(self.columns, self.rows, |i, j| self[(j, i)])
    }

    /// The product with a vector.
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.rows];
        for (j, &xj) in x.iter().enumerate() {
            for (y, a) in y.iter_mut().zip(self.column(j)) {
                *y += a * xj;
            }
        }
        y
    }

    /// The product with another matrix.
    pub fn product(&self, other: &Matrix) -> Matrix {
        let mut product = Matrix { rows: self.rows, columns: other.columns, values: Vec::new() };
        for j in 0..other.columns {
            product.values.extend(self.times(other.column(j)));
        }
        product
    }

    /// Rows and columns `from..to`.
    pub fn block(&self, from: usize, to: usize) -> Matrix {
        Matrix::from_fn(to - from, to - from, |i, j| self[(from + i, from + j)])
    }

    /// `a M aᵀ`.
    pub fn congruence(&self, a: &Matrix) -> Matrix {
        a.product(self).product(&a.transpose())
    }

    /// Lower Cholesky factor of a symmetric positive definite matrix (its lower half is read), or nothing where a pivot
    /// is not above zero.
    pub fn cholesky(&self) -> Option<Matrix> {
        let n = self.rows;
        let mut l = self.clone();
        for j in 0..n {
            let pivot = l[(j, j)];
            // A comparison that NaN fails too.
            if !(pivot > 0.0 && pivot.is_finite()) {
                return None;
            }
            let root = pivot.sqrt();
            l.values[j * n..j * n + j].fill(0.0);
            for v in &mut l.values[j * n + j..(j + 1) * n] {
                *v /= root;
            }
            let (done, rest) = l.values.split_at_mut((j + 1) * n);
            let column = &done[j * n..];
            for (k, target) in rest.chunks_exact_mut(n).enumerate() {
                let first = j + 1 + k;
                let factor = column[first];
                for (t, c) in target[first..].iter_mut().zip(&column[first..]) {
                    *t -= factor * c;
                }
            }
        }
        Some(l)
    }

    /// For a lower triangular matrix L: L⁻¹ b in place.
    pub fn lower_solve(&self, b: &mut [f64]) {
        let n = self.rows;
        for j in 0..n {
            let x = b[j] / self[(j, j)];
            b[j] = x;
            for (b, l) in b[j + 1..n].iter_mut().zip(&self.column(j)[j + 1..]) {
                *b -= l * x;
            }
        }
    }

    /// For a lower triangular matrix L: L⁻ᵀ b in place.
    pub fn lower_transpose_solve(&self, b: &mut [f64]) {
        let n = self.rows;
        for j in (0..n).rev() {
            let sum: f64 = b[j + 1..n].iter().zip(&self.column(j)[j + 1..]).map(|(b, l)| b * l).sum();
            b[j] = (b[j] - sum) / self[(j, j)];
        }
    }

    /// For a lower Cholesky factor L of A: A⁻¹ b.
    pub fn cholesky_solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        self.lower_solve(&mut x);
        self.lower_transpose_solve(&mut x);
        x
    }

    /// For a lower Cholesky factor L of A: A⁻¹.
    pub fn cholesky_inverse(&self) -> Matrix {
        let n = self.rows;
        let mut inverse = Matrix::identity(n);
        for j in 0..n {
            let column = inverse.column_mut(j);
            self.lower_solve(column);
            self.lower_transpose_solve(column);
        }
        inverse.symmetrise();
        inverse
    }

    /// For a lower Cholesky factor L of A: log |A|.
    pub fn cholesky_log_determinant(&self) -> f64 {
        2.0 * (0..self.rows).map(|i| self[(i, i)].ln()).sum::<f64>()
    }

    /// Replaces A by (A + Aᵀ)/2.
    pub fn symmetrise(&mut self) {
        for j in 0..self.columns {
            for i in 0..j {
                let mean = 0.5 * (self[(i, j)] + self[(j, i)]);
                self[(i, j)] = mean;
                self[(j, i)] = mean;
            }
        }
    }

    /// Eigenvalues and eigenvectors (columns) of a symmetric matrix, by Jacobi's rotations (Golub & Van Loan, 8.5).
    pub fn symmetric_eigen(&self) -> (Vec<f64>, Matrix) {
        let n = self.rows;
        let (mut a, mut v) = (self.clone(), Matrix::identity(n));
        for _ in 0..60 {
            let total: f64 = a.values.iter().map(|x| x * x).sum();
            let on_diagonal: f64 = a.diagonal().iter().map(|x| x * x).sum();
            if total - on_diagonal <= 1e-30 * total || total.is_nan() {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    rotate(&mut a, &mut v, p, q);
                }
            }
        }
        (a.diagonal(), v)
    }
}

/// One Jacobi rotation that makes element (p, q) zero.
fn rotate(a: &mut Matrix, v: &mut Matrix, p: usize, q: usize) {
    let n = a.rows;
    let apq = a[(p, q)];
    if apq == 0.0 {
        return;
    }
    let tau = (a[(q, q)] - a[(p, p)]) / (2.0 * apq);
    let t = if tau >= 0.0 { 1.0 / (tau + tau.hypot(1.0)) } else { -1.0 / (-tau + tau.hypot(1.0)) };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[(k, p)], a[(k, q)]);
        a[(k, p)] = c * x - s * y;
        a[(k, q)] = s * x + c * y;
    }
    for k in 0..n {
        let (x, y) = (a[(p, k)], a[(q, k)]);
        a[(p, k)] = c * x - s * y;
        a[(q, k)] = s * x + c * y;
        let (x, y) = (v[(k, p)], v[(k, q)]);
        v[(k, p)] = c * x - s * y;
        v[(k, q)] = s * x + c * y;
    }
}

/// The sum of the products of two vectors, in four partial sums so that it vectorises.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Adds each value to the sum of its level. Values of one level that follow each other are first added up among
/// themselves, so that sorted levels do not wait for memory.
#[inline(always)]
pub fn add_by_level(sums: &mut [f64], levels: &[u32], values: impl Iterator<Item = f64>) {
    let Some(&first) = levels.first() else { return };
    let (mut level, mut sum) = (first, 0.0);
    for (&next, value) in levels.iter().zip(values) {
        if next != level {
            sums[level as usize] += sum;
            (level, sum) = (next, 0.0);
        }
        sum += value;
    }
    sums[level as usize] += sum;
}

/// `y += a x`.
pub fn add_scaled(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spd(n: usize) -> Matrix {
        let a = Matrix::from_fn(n, n, |i, j| ((i * 7 + j * 13 + 3) % 11) as f64 - 5.0);
        let mut m = a.product(&a.transpose());
        for i in 0..n {
            m[(i, i)] += 3.0;
        }
        m
    }

    #[test]
    fn the_factor_times_its_transpose_is_the_matrix_and_the_inverse_inverts() {
        for n in [1, 2, 5, 17] {
            let m = spd(n);
            let l = m.cholesky().unwrap();
            let back = l.product(&l.transpose());
            assert!(back.values.iter().zip(&m.values).all(|(a, b)| (a - b).abs() < 1e-10 * (1.0 + b.abs())));
            let unit = m.product(&l.cholesky_inverse());
            for j in 0..n {
                for i in 0..n {
                    assert!((unit[(i, j)] - f64::from(i == j)).abs() < 1e-9);
                }
            }
            let (values, _) = m.symmetric_eigen();
            let log_determinant: f64 = values.iter().map(|v| v.ln()).sum();
            assert!((log_determinant - l.cholesky_log_determinant()).abs() < 1e-9);
        }
        assert!(Matrix::from_fn(2, 2, |_, _| 1.0).cholesky().is_none());
    }

    #[test]
    fn eigenvectors_take_a_symmetric_matrix_to_its_diagonal() {
        let m = spd(6);
        let (values, v) = m.symmetric_eigen();
        let back = Matrix::from_fn(6, 6, |i, j| if i == j { values[i] } else { 0.0 }).congruence(&v);
        assert!(back.values.iter().zip(&m.values).all(|(a, b)| (a - b).abs() < 1e-9 * (1.0 + b.abs())));
    }
}
