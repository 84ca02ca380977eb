//! Adjustment of p-values for the number of tests.

/// How p-values are adjusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjustment {
    /// Holm 1979: bounds the probability of any wrong rejection, whatever the dependence of the tests.
    #[default]
    Holm,
    /// Benjamini and Hochberg 1995: bounds the expected proportion of wrong rejections.
    Bh,
    /// None.
    None,
}

/// Adjusted p-values, in the order of `p`; a hypothesis is rejected where its adjusted p-value is at most the level.
pub fn adjusted(p: &[f64], adjustment: Adjustment) -> Vec<f64> {
    let m = p.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut result = p.to_vec();
    match adjustment {
        Adjustment::None => {}
        Adjustment::Holm => {
            let mut largest = 0.0_f64;
            for (i, &at) in order.iter().enumerate() {
                largest = largest.max((m - i) as f64 * p[at]);
                result[at] = largest.min(1.0);
            }
        }
        Adjustment::Bh => {
            let mut smallest = 1.0_f64;
            for (i, &at) in order.iter().enumerate().rev() {
                smallest = smallest.min(m as f64 / (i + 1) as f64 * p[at]);
                result[at] = smallest;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.9), ...)` of R 4.2.2.
    #[test]
    fn adjusted_p_values_are_those_of_r() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.9];
        let near = |a: Vec<f64>, b: [f64; 5]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(near(adjusted(&p, Adjustment::Holm), [0.04, 0.09, 0.09, 0.025, 0.9]));
        assert!(near(adjusted(&p, Adjustment::Bh), [0.025, 0.05, 0.05, 0.025, 0.9]));
        assert_eq!(adjusted(&p, Adjustment::None), p);
        assert_eq!(adjusted(&[], Adjustment::Holm), [0.0; 0]);
    }
}
