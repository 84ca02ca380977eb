//! From numbers to ranks.

/// How equal values share their ranks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ties {
    /// All get the best of the ranks they fill, as in sports: 1, 2, 2, 4.
    #[default]
    Min,
    /// All get the mean of the ranks they fill: 1, 2.5, 2.5, 4.
    Average,
    /// All get the worst of the ranks they fill: 1, 3, 3, 4.
    Max,
}

/// Ranks of `values`, 1 for the smallest. Equal values are those that compare equal as numbers; NaN must not occur.
pub fn ascending(values: &[f64], ties: Ties) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    ascending_into(values, ties, &mut ranks);
    ranks
}

/// As [`ascending`], quadratic in the number of values, which suits the few algorithms of a challenge.
pub fn ascending_into(values: &[f64], ties: Ties, ranks: &mut [f64]) {
    for (rank, a) in ranks.iter_mut().zip(values) {
        let (mut below, mut equal) = (0u32, 0u32);
        for b in values {
            below += u32::from(b < a);
            equal += u32::from(b == a);
        }
        *rank = match ties {
            Ties::Min => f64::from(below + 1),
            Ties::Average => f64::from(2 * below + equal + 1) / 2.0,
            Ties::Max => f64::from(below + equal),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_ranks_as_named() {
        let values = [0.3, 0.1, 0.3, 0.7];
        assert_eq!(ascending(&values, Ties::Min), [2.0, 1.0, 2.0, 4.0]);
        assert_eq!(ascending(&values, Ties::Average), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(ascending(&values, Ties::Max), [3.0, 1.0, 3.0, 4.0]);
        assert_eq!(ascending(&[0.0, -0.0], Ties::Min), [1.0, 1.0]);
        assert_eq!(ascending(&[], Ties::Min), [0.0; 0]);
    }
}
