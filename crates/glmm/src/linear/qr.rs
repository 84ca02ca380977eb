//! Householder QR in double-double arithmetic.
//!
//! Golub & Van Loan, "Matrix Computations", 4th ed., algorithm 5.2.1. Double-double numbers have 106 bits: a condition
//! number of 1e15 (NIST's Filip) costs half of them and leaves what `f64` can hold. Cost: about 40 n p² operations of
//! `f64`.

use qd::Quad;

/// A matrix of double-double numbers, column after column.
#[derive(Clone, Debug)]
pub(crate) struct QuadMatrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<Quad>,
}

impl QuadMatrix {
    pub fn new(rows: usize, columns: usize, high: &[f64], low: Option<&[f64]>) -> Self {
        let mut values: Vec<Quad> = high.iter().map(|&v| Quad::from(v)).collect();
        for (value, &part) in values.iter_mut().zip(low.unwrap_or_default()) {
            *value += Quad::from(part);
        }
        Self { rows, columns, values }
    }

    pub fn column(&self, j: usize) -> &[Quad] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }

    pub fn scale_rows(&mut self, scale: &[Quad]) {
        for column in self.values.chunks_mut(self.rows.max(1)) {
            column.iter_mut().zip(scale).for_each(|(v, &s)| *v *= s);
        }
    }
}

/// R of X = Q R, and Qᵀ y.
#[derive(Clone, Debug)]
pub(crate) struct QuadQr {
    /// Upper triangle, (i, j) at `j * columns + i`.
    pub r: Vec<Quad>,
    pub columns: usize,
    /// Qᵀ y: the first `columns` numbers are the effects, the rest is what no column explains.
    pub effects: Vec<Quad>,
}

/// Sum of squares.
pub(crate) fn sum_of_squares(values: &[Quad]) -> Quad {
    values.iter().fold(Quad::ZERO, |sum, &v| sum + v * v)
}

/// Sum of products.
pub(crate) fn dot(a: &[Quad], b: &[Quad]) -> Quad {
    a.iter().zip(b).fold(Quad::ZERO, |sum, (&x, &y)| sum + x * y)
}

/// Reflects `target` at the plane normal to `v`, whose squared length is `square`.
pub(crate) fn reflect(v: &[Quad], square: Quad, target: &mut [Quad]) {
    if square == Quad::ZERO {
        return;
    }
    let factor = (dot(v, target) + dot(v, target)) / square;
    target.iter_mut().zip(v).for_each(|(t, &x)| *t -= factor * x);
}

/// Turns a column into its Householder vector; returns the diagonal element of R and the vector's squared length.
pub(crate) fn householder(column: &mut [Quad]) -> (Quad, Quad) {
    let norm = sum_of_squares(column).sqrt();
    let diagonal = if column[0].0 > 0.0 { -norm } else { norm };
    column[0] -= diagonal;
    (diagonal, sum_of_squares(column))
}

/// Decomposes X (at least as many rows as columns) and carries y along.
pub(crate) fn decompose(mut x: QuadMatrix, mut y: Vec<Quad>) -> QuadQr {
    let (n, p) = (x.rows, x.columns);
    let mut r = vec![Quad::ZERO; p * p];
    for k in 0..p {
        let (before, after) = x.values.split_at_mut((k + 1) * n);
        let v = &mut before[k * n + k..];
        let (diagonal, square) = householder(v);
        for (offset, column) in after.chunks_mut(n).enumerate() {
            reflect(v, square, &mut column[k..]);
            r[(k + 1 + offset) * p + k] = column[k];
        }
        reflect(v, square, &mut y[k..]);
        r[k * p + k] = diagonal;
    }
    QuadQr { r, columns: p, effects: y }
}

impl QuadQr {
    fn at(&self, i: usize, j: usize) -> Quad {
        self.r[j * self.columns + i]
    }

    /// The coefficients: R β = effects.
    pub fn solve(&self) -> Vec<Quad> {
        self.back_substitute(self.effects[..self.columns].to_vec())
    }

    fn back_substitute(&self, mut right: Vec<Quad>) -> Vec<Quad> {
        for i in (0..self.columns).rev() {
            let mut value = right[i];
            for (j, &known) in right.iter().enumerate().skip(i + 1) {
                value -= self.at(i, j) * known;
            }
            right[i] = value / self.at(i, i);
        }
        right
    }

    /// (XᵀX)⁻¹ = R⁻¹ R⁻ᵀ, rows of a square matrix.
    pub fn unscaled_covariance(&self) -> Vec<Vec<Quad>> {
        let p = self.columns;
        let inverse: Vec<Vec<Quad>> = (0..p)
            .map(|j| {
                let mut unit = vec![Quad::ZERO; p];
                unit[j] = Quad::ONE;
                self.back_substitute(unit)
            })
            .collect();
        // inverse[j] is column j of R⁻¹.
        let entry = |i: usize, j: usize| inverse.iter().fold(Quad::ZERO, |sum, c| sum + c[i] * c[j]);
        (0..p).map(|i| (0..p).map(|j| entry(i, j)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_and_covariance_of_a_line_are_the_closed_form() {
        // y = 3 + 2 x exactly, x = 0..4: (XᵀX)⁻¹ = [[0.6, -0.2], [-0.2, 0.1]].
        let x: Vec<f64> = (0..5).map(f64::from).collect();
        let high: Vec<f64> = [vec![1.0; 5], x.clone()].concat();
        let y: Vec<Quad> = x.iter().map(|&v| Quad::from(3.0 + 2.0 * v)).collect();
        let qr = decompose(QuadMatrix::new(5, 2, &high, None), y);
        let beta = qr.solve();
        assert!((beta[0] - Quad::from(3.0)).0.abs() < 1e-29 && (beta[1] - Quad::from(2.0)).0.abs() < 1e-29);
        assert!(sum_of_squares(&qr.effects[2..]).0 < 1e-58);
        let covariance = qr.unscaled_covariance();
        for (found, expected) in covariance.concat().iter().zip([0.6, -0.2, -0.2, 0.1]) {
            assert!((found.0 - expected).abs() < 1e-15);
        }
    }
}
