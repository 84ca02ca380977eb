//! Pairwise tests of all algorithms of a task: who is significantly superior to whom.

use super::adjust::adjusted;
use super::method::Test;
use super::wilcoxon::SignedRanks;
use crate::results::{Better, TaskResults};

/// All K (K − 1) one-sided tests of a task. Matrices are row-major, K × K: row a, column b is about a being better
/// than b. The diagonal holds 1 (p-values) and `false`.
#[derive(Clone, Debug, PartialEq)]
pub struct Significance {
    /// Number of algorithms.
    pub k: usize,
    /// p-values as the tests give them.
    pub p: Vec<f64>,
    /// p-values adjusted for K (K − 1) tests.
    pub adjusted: Vec<f64>,
    /// Whether the adjusted p-value is at most the level.
    pub superior: Vec<bool>,
}

impl Significance {
    /// From the signed ranks of each pair a < b, ordered by a, then b, with a's advantage counted as positive.
    pub fn of_pairs(k: usize, pairs: &[SignedRanks], test: &Test) -> Self {
        let mut p = vec![1.0; k * k];
        for ((a, b), ranks) in pair_list(k).zip(pairs) {
            p[a * k + b] = ranks.p_greater(test.null);
            p[b * k + a] = ranks.reversed().p_greater(test.null);
        }
        let off_diagonal: Vec<usize> = (0..k * k).filter(|i| i / k != i % k).collect();
        let family: Vec<f64> = off_diagonal.iter().map(|&i| p[i]).collect();
        let mut all_adjusted = vec![1.0; k * k];
        for (&at, value) in off_diagonal.iter().zip(adjusted(&family, test.adjust)) {
            all_adjusted[at] = value;
        }
        let superior = (0..k * k).map(|i| i / k != i % k && all_adjusted[i] <= test.alpha).collect();
        Self { k, p, adjusted: all_adjusted, superior }
    }

    /// The proportion of other algorithms that each is superior to; 0 where there are no others.
    pub fn proportions(&self) -> Vec<f64> {
        let others = (self.k.max(2) - 1) as f64;
        (0..self.k).map(|a| self.row(a).iter().filter(|&&s| s).count() as f64 / others).collect()
    }

    /// For each other algorithm whether `a` is superior to it.
    pub fn row(&self, a: usize) -> &[bool] {
        &self.superior[a * self.k..][..self.k]
    }
}

/// The pairs a < b of K algorithms, ordered by a, then b.
pub fn pair_list(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).flat_map(move |a| (a + 1..k).map(move |b| (a, b)))
}

/// By how much `a` is better than `b` on a case.
#[inline]
pub(super) fn advantage(a: f64, b: f64, better: Better) -> f64 {
    match better {
        Better::Larger => a - b,
        Better::Smaller => b - a,
    }
}

/// The tests on the cases as they are.
pub fn significance(results: &TaskResults, better: Better, test: &Test) -> Significance {
    let (k, n) = (results.algorithms.len(), results.cases.len());
    let pairs: Vec<SignedRanks> = pair_list(k)
        .map(|(a, b)| {
            let differences: Vec<f64> =
                (0..n).map(|c| advantage(results.case(c)[a], results.case(c)[b], better)).collect();
            SignedRanks::of(&differences)
        })
        .collect();
    Significance::of_pairs(k, &pairs, test)
}
