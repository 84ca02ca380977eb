//! Contrasts: how the levels of a factor become columns.

use super::polynomial;
use serde::{Deserialize, Serialize};

/// A coding of a factor with k levels into k − 1 columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contrast {
    /// Each level against the first (`contr.treatment`).
    Treatment,
    /// Each level but the last against the mean of all (`contr.sum`).
    Sum,
    /// Each level against the mean of those before it (`contr.helmert`).
    Helmert,
    /// Orthogonal polynomials in the index of the level (`contr.poly`).
    Polynomial,
}

/// The most levels that polynomial contrasts code with accuracy.
pub(crate) const MAX_POLYNOMIAL_LEVELS: usize = 95;

/// How one factor is coded in one term: a value for each level in each column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coding {
    /// What stands after the factor's name.
    pub suffixes: Vec<String>,
    /// Values by column, then by level.
    pub columns: Vec<Vec<f64>>,
}

/// One column for each level.
pub(crate) fn indicators(levels: &[String]) -> Coding {
    let unit = |j: usize| (0..levels.len()).map(|i| f64::from(u8::from(i == j))).collect();
    Coding { suffixes: levels.to_vec(), columns: (0..levels.len()).map(unit).collect() }
}

/// One column less than there are levels.
pub(crate) fn contrasts(levels: &[String], contrast: Contrast) -> Coding {
    let k = levels.len();
    let numbered = || (1..k).map(|j| j.to_string()).collect();
    let columns_of = |value: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
        (1..k).map(|j| (0..k).map(|i| value(i, j)).collect()).collect()
    };
    match contrast {
        Contrast::Treatment => {
            Coding { suffixes: levels[1..].to_vec(), columns: columns_of(&|i, j| f64::from(u8::from(i == j))) }
        }
        Contrast::Sum => Coding {
            suffixes: numbered(),
            columns: columns_of(&|i, j| match i {
                _ if i + 1 == k => -1.0,
                _ => f64::from(u8::from(i + 1 == j)),
            }),
        },
        Contrast::Helmert => Coding {
            suffixes: numbered(),
            columns: columns_of(&|i, j| match i {
                _ if i < j => -1.0,
                _ if i == j => j as f64,
                _ => 0.0,
            }),
        },
        Contrast::Polynomial => {
            let scores: Vec<f64> = (1..=k).map(|i| i as f64).collect();
            let basis = polynomial::Basis::fit(&scores, k - 1).expect("the scores of levels are distinct");
            let suffix = |j: usize| match j {
                1 => ".L".to_owned(),
                2 => ".Q".to_owned(),
                3 => ".C".to_owned(),
                _ => format!("^{j}"),
            };
            Coding { suffixes: (1..k).map(suffix).collect(), columns: basis.columns(&scores) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(k: usize, contrast: Contrast) -> Coding {
        let levels: Vec<String> = (0..k).map(|i| char::from(b'a' + i as u8).to_string()).collect();
        contrasts(&levels, contrast)
    }

    /// `contr.treatment`, `contr.sum`, `contr.helmert` of four levels, R 4.2.2.
    #[test]
    fn codings_are_those_of_r() {
        let treatment = coded(4, Contrast::Treatment);
        assert_eq!(treatment.suffixes, ["b", "c", "d"]);
        assert_eq!(treatment.columns[1], [0.0, 0.0, 1.0, 0.0]);
        let sum = coded(4, Contrast::Sum);
        assert_eq!(sum.suffixes, ["1", "2", "3"]);
        assert_eq!(sum.columns, [[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.0, -1.0], [0.0, 0.0, 1.0, -1.0]]);
        let helmert = coded(4, Contrast::Helmert);
        assert_eq!(helmert.columns, [[-1.0, 1.0, 0.0, 0.0], [-1.0, -1.0, 2.0, 0.0], [-1.0, -1.0, -1.0, 3.0]]);
    }

    /// `contr.poly(5)`, R 4.2.2.
    #[test]
    fn polynomial_contrasts_are_those_of_r() {
        let poly = coded(5, Contrast::Polynomial);
        assert_eq!(poly.suffixes, [".L", ".Q", ".C", "^4"]);
        let expected = [
            [-0.632455532033676, -0.316227766016838, 0.0, 0.316227766016838, 0.632455532033676],
            [0.534522483824849, -0.267261241912424, -0.534522483824849, -0.267261241912424, 0.534522483824849],
            [-0.316227766016838, 0.632455532033676, 0.0, -0.632455532033676, 0.316227766016838],
            [0.119522860933439, -0.478091443733757, 0.717137165600636, -0.478091443733757, 0.119522860933439],
        ];
        for (column, expected) in poly.columns.iter().zip(expected) {
            for (value, expected) in column.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-14, "{value} {expected}");
            }
        }
    }

    #[test]
    fn polynomial_contrasts_stay_orthonormal_with_many_levels() {
        let poly = coded(26, Contrast::Polynomial);
        for (i, a) in poly.columns.iter().enumerate() {
            for (j, b) in poly.columns.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-10, "{i} {j} {product}");
            }
        }
    }
}
