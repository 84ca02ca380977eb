//! Orthogonal polynomials over given points, as R's `poly` makes them.
//!
//! The monic polynomials p_0 = 1, p_1, … that are orthogonal over the points satisfy
//! p_{j+1}(x) = (x − α_j) p_j(x) − (‖p_j‖²/‖p_{j−1}‖²) p_{j−1}(x) (Forsythe 1957, "Generation and use of orthogonal
//! polynomials for data-fitting", J. SIAM 5; Kennedy & Gentle 1980, Statistical Computing, pp. 343–344). The columns are
//! p_j/‖p_j‖, so α and the norms suffice to evaluate them at other points.

/// A basis of orthogonal polynomials.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Basis {
    /// α_0, …, α_{degree−1}.
    alpha: Vec<f64>,
    /// ‖p_0‖², …, ‖p_degree‖².
    norm2: Vec<f64>,
}

impl Basis {
    /// The basis over points without missing values; None where they do not carry the degree.
    pub fn fit(points: &[f64], degree: usize) -> Option<Self> {
        if distinct_up_to(points, degree + 1) <= degree {
            return None;
        }
        let n = points.len() as f64;
        let mean = points.iter().sum::<f64>() / n;
        let x: Vec<f64> = points.iter().map(|v| v - mean).collect();
        let (mut alpha, mut norm2) = (Vec::new(), vec![n]);
        let mut polynomials = vec![vec![1.0; x.len()]];
        for j in 0..degree {
            let p = &polynomials[j];
            let a = x.iter().zip(p).map(|(x, p)| x * p * p).sum::<f64>() / norm2[j];
            let mut next: Vec<f64> = x.iter().zip(p).map(|(x, p)| (x - a) * p).collect();
            // Orthogonal to all polynomials before it; in exact arithmetic only the last two matter. Where few of many
            // points carry the degree a second pass removes what the first leaves.
            for _ in 0..2 {
                for (q, norm2) in polynomials.iter().zip(&norm2) {
                    let part = next.iter().zip(q).map(|(v, q)| v * q).sum::<f64>() / norm2;
                    next.iter_mut().zip(q).for_each(|(v, q)| *v -= part * q);
                }
            }
            let squared: f64 = next.iter().map(|v| v * v).sum();
            if squared <= 0.0 || !squared.is_finite() {
                return None;
            }
            alpha.push(a + mean);
            norm2.push(squared);
            polynomials.push(next);
        }
        Some(Self { alpha, norm2 })
    }

    /// The columns 1, …, degree at points.
    pub fn columns(&self, points: &[f64]) -> Vec<Vec<f64>> {
        let mut columns = vec![vec![0.0; points.len()]; self.alpha.len()];
        for (i, &x) in points.iter().enumerate() {
            let (mut before, mut now) = (0.0, 1.0);
            for (j, column) in columns.iter_mut().enumerate() {
                let ratio = if j == 0 { 0.0 } else { self.norm2[j] / self.norm2[j - 1] };
                (before, now) = (now, (x - self.alpha[j]) * now - ratio * before);
                column[i] = now / self.norm2[j + 1].sqrt();
            }
        }
        columns
    }
}

/// Number of distinct points, counted up to `limit`.
pub(crate) fn distinct_up_to(points: &[f64], limit: usize) -> usize {
    let mut seen: Vec<f64> = Vec::new();
    for &point in points {
        if seen.len() >= limit {
            break;
        }
        if !seen.contains(&point) {
            seen.push(point);
        }
    }
    seen.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `poly(c(1, 2, 4, 8, 16, 3.5), 3)` and `predict(., c(0, 5))`, R 4.2.2.
    #[test]
    fn polynomials_and_their_values_at_new_points_are_those_of_r() {
        let points = [1.0, 2.0, 4.0, 8.0, 16.0, 3.5];
        let basis = Basis::fit(&points, 3).unwrap();
        let fit = [
            [
                -0.3816831167528962,
                -0.3013287763838655,
                -0.1406200956458039,
                0.1807972658303192,
                0.8236319887825655,
                -0.1807972658303192,
            ],
            [
                0.5000365550549409,
                0.20890797182525656,
                -0.2519292452537951,
                -0.6879238818906264,
                0.3828060349207963,
                -0.151897434656572,
            ],
            [
                -0.5066177150729302,
                0.07062887979057743,
                0.4622007548087853,
                -0.5635600657912632,
                0.09154551605278653,
                0.4458026302120442,
            ],
        ];
        let new = [
            [-0.462037457121927, -0.06026575527677309],
            [0.8316384547447313, -0.4216378791031618],
            [-1.3973514476107398, 0.36529608412054143],
        ];
        let close = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13);
        for (found, expected) in basis.columns(&points).iter().zip(fit) {
            assert!(close(found, &expected), "{found:?}");
        }
        for (found, expected) in basis.columns(&[0.0, 5.0]).iter().zip(new) {
            assert!(close(found, &expected), "{found:?}");
        }
    }

    #[test]
    fn a_degree_that_the_points_do_not_carry_is_refused() {
        assert!(Basis::fit(&[1.0, 2.0, 3.0, 1.0], 2).is_some());
        assert!(Basis::fit(&[1.0, 2.0, 3.0, 1.0], 3).is_none());
        assert!(Basis::fit(&[2.0; 5], 1).is_none());
        assert!(Basis::fit(&[], 1).is_none());
    }
}
