//! The paired signed-rank test of Wilcoxon, one-sided.
//!
//! As `wilcox.test(x, y, paired = TRUE, alternative = "greater")` of R does it: differences of zero are left out, equal
//! magnitudes share their mean rank, V is the sum of the ranks of the positive differences. The normal approximation
//! has the variance corrected for ties and half a unit of continuity correction towards the mean. Source: Wilcoxon 1945;
//! Hollander, Wolfe and Chicken 2014, "Nonparametric statistical methods", 3.1.

use std::f64::consts::SQRT_2;

/// Where the p-value of V comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NullDistribution {
    /// The exact distribution for fewer than 50 differences without zeros and ties, else the normal one: R's default.
    #[default]
    Automatic,
    /// Always the normal approximation: R's `exact = FALSE`, which challengeR uses.
    Normal,
}

/// What the test knows about a sample of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRanks {
    /// Twice V, the rank sum of the positive differences: a whole number, mean ranks are halves.
    pub twice_v: u64,
    /// Number of differences that are not zero.
    pub n: u64,
    /// Σ (t³ − t) over groups of t equal magnitudes.
    pub tie_term: u128,
    /// Whether differences of zero were left out.
    pub has_zeros: bool,
}

impl SignedRanks {
    /// From differences in any order.
    pub fn of(differences: &[f64]) -> Self {
        let mut kept: Vec<f64> = differences.iter().copied().filter(|&d| d != 0.0).collect();
        kept.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
        let mut sums = Self { twice_v: 0, n: 0, tie_term: 0, has_zeros: kept.len() < differences.len() };
        for group in kept.chunk_by(|a, b| a.abs() == b.abs()) {
            sums.add_group(group.len() as u64, group.iter().filter(|&&d| d > 0.0).count() as u64);
        }
        sums
    }

    /// Adds the next greater group of equal magnitudes: how many there are, and how many of them are positive.
    #[inline]
    pub fn add_group(&mut self, size: u64, positive: u64) {
        self.twice_v += positive * (2 * self.n + size + 1);
        if size > 1 {
            let t = u128::from(size);
            self.tie_term += t * t * t - t;
        }
        self.n += size;
    }

    /// The same with all signs turned.
    pub fn reversed(self) -> Self {
        Self { twice_v: self.n * (self.n + 1) - self.twice_v, ..self }
    }

    /// p-value of the hypothesis that differences are not larger than zero, against larger ones. Without any difference
    /// it is 1: nothing speaks for either side.
    pub fn p_greater(self, null: NullDistribution) -> f64 {
        if self.n == 0 {
            return 1.0;
        }
        let untied = !self.has_zeros && self.tie_term == 0;
        if null == NullDistribution::Automatic && untied && self.n < 50 {
            return exact_p_greater(self.twice_v / 2, self.n as usize);
        }
        let n = self.n as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - self.tie_term as f64 / 48.0;
        let z = (self.twice_v as f64 / 2.0 - n * (n + 1.0) / 4.0 - 0.5) / variance.sqrt();
        normal_upper_tail(z)
    }
}

/// P(Z ≥ z) of the standard normal distribution, to a few units in the last place.
pub fn normal_upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// P(V ≥ v) for n untied differences: subsets of {1, …, n} are counted by their sum.
fn exact_p_greater(v: u64, n: usize) -> f64 {
    let most = n * (n + 1) / 2;
    let mut counts = vec![0.0_f64; most + 1];
    counts[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=rank * (rank + 1) / 2).rev() {
            counts[sum] += counts[sum - rank];
        }
    }
    // Counts are below 2^50, so that every sum is exact.
    counts[v as usize..].iter().sum::<f64>() / 2.0_f64.powi(n as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `wilcox.test` of R 4.2.2.
    #[test]
    #[allow(clippy::approx_constant)] // 3.14 is a patient's score
    fn p_values_are_those_of_r() {
        use NullDistribution::{Automatic, Normal};
        // Hollander & Wolfe 1973, table 3.1: depression scores of nine patients, first minus second visit.
        let x = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
        let y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
        let d: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
        let ranks = SignedRanks::of(&d);
        assert_eq!(ranks.twice_v, 80);
        assert!((ranks.p_greater(Automatic) - 0.01953125).abs() < 1e-15);
        assert!((ranks.p_greater(Normal) - 0.022_005_492_006_475_728).abs() < 1e-14, "{}", ranks.p_greater(Normal));
        let ties = [0.0, 1.0, -1.0, 2.0, 2.0, 3.0, -0.5, 4.0];
        let ranks = SignedRanks::of(&ties);
        assert!(
            (ranks.p_greater(Automatic) - 0.044_907_171_979_147_69).abs() < 1e-14,
            "{}",
            ranks.p_greater(Automatic)
        );
        assert!((ranks.reversed().p_greater(Automatic) - 0.968_980_411_688_075_1).abs() < 1e-14);
    }

    #[test]
    fn exact_p_values_of_both_sides_cover_one_and_the_probability_of_v() {
        for n in [1, 2, 5, 12, 49] {
            let most = (n * (n + 1) / 2) as u64;
            assert_eq!(exact_p_greater(0, n), 1.0);
            assert_eq!(exact_p_greater(most, n), 0.5_f64.powi(n as i32));
            for v in 0..most {
                let upper = exact_p_greater(v + 1, n);
                let lower = exact_p_greater(most - v, n);
                assert!((upper + lower - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn no_difference_speaks_for_nobody() {
        let ranks = SignedRanks::of(&[0.0, 0.0]);
        assert_eq!(ranks.p_greater(NullDistribution::Automatic), 1.0);
        assert_eq!(ranks.reversed().p_greater(NullDistribution::Normal), 1.0);
    }
}
