//! Probabilities of a family of tests, adjusted for their number.

use serde::{Deserialize, Serialize};

/// How the probabilities of a family of tests are adjusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjustment {
    /// Not at all.
    None,
    /// Times the number of tests (family-wise error).
    Bonferroni,
    /// Holm's step-down form of Bonferroni's, which is never larger (family-wise error; Holm 1979).
    Holm,
    /// Share of false discoveries (Benjamini & Hochberg 1995).
    BenjaminiHochberg,
    /// From the joint normal or t distribution of the estimates (family-wise error; Hothorn, Bretz & Westfall 2008).
    SingleStep,
}

impl Adjustment {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Adjustment::None => "none",
            Adjustment::Bonferroni => "Bonferroni",
            Adjustment::Holm => "Holm",
            Adjustment::BenjaminiHochberg => "Benjamini-Hochberg",
            Adjustment::SingleStep => "single step",
        }
    }
}

/// Bonferroni's adjusted probabilities: p times the number of tests, at most 1.
pub fn bonferroni(p: &[f64]) -> Vec<f64> {
    let tests = p.len() as f64;
    p.iter().map(|p| (p * tests).min(1.0)).collect()
}

/// Holm's adjusted probabilities: the k-th smallest times the number of tests not yet rejected, made monotone.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut largest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max(((p.len() - rank) as f64 * p[i]).min(1.0));
        adjusted[i] = largest;
    }
    adjusted
}

/// Benjamini & Hochberg's adjusted probabilities: the k-th smallest times m / k, made monotone from above.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let order = ascending(p);
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut smallest = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        smallest = smallest.min(p.len() as f64 / (rank + 1) as f64 * p[i]);
        adjusted[i] = smallest;
    }
    adjusted
}

/// Indices in the order of the probabilities.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures of R 4.2.2: `p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.6), method)`.
    #[test]
    fn adjusted_probabilities_are_those_of_r() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.6];
        let near = |found: Vec<f64>, expected: [f64; 5]| {
            found.iter().zip(expected).for_each(|(f, e)| assert!((f - e).abs() < 1e-15, "{f} instead of {e}"));
        };
        near(bonferroni(&p), [0.05, 0.2, 0.15, 0.025, 1.0]);
        near(holm(&p), [0.04, 0.09, 0.09, 0.025, 0.6]);
        near(benjamini_hochberg(&p), [0.025, 0.05, 0.05, 0.025, 0.6]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn holm_lies_between_the_probability_and_bonferroni() {
        let p = [0.2, 0.001, 0.02, 0.02, 0.9, 0.4];
        for (i, (h, b)) in holm(&p).into_iter().zip(bonferroni(&p)).enumerate() {
            assert!(p[i] <= h && h <= b);
            assert!(benjamini_hochberg(&p)[i] <= h);
        }
    }
}
