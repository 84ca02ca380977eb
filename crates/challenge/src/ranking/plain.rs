//! Ranking methods as their definitions read, on any list of cases (a case may occur more than once).
//!
//! [`Prepared`](super::Prepared) gives the same from the multiplicities of the cases; one table of tests compares both.

use super::method::{Aggregate, Method, Ranking};
use super::order::Ties;
use super::significance::{Significance, advantage, pair_list};
use super::wilcoxon::SignedRanks;
use crate::results::{Better, TaskResults};
use crate::sum::mean;

/// Ranks the algorithms on the listed cases, at least one.
pub fn rank(results: &TaskResults, cases: &[usize], method: &Method, better: Better, ties: Ties) -> Ranking {
    let k = results.algorithms.len();
    let rows: Vec<&[f64]> = cases.iter().map(|&c| results.case(c)).collect();
    let aggregates = match method {
        Method::AggregateThenRank(aggregate) => (0..k).map(|a| aggregated(&column(&rows, a), *aggregate)).collect(),
        Method::RankThenAggregate(aggregate) => {
            let ranks: Vec<Vec<f64>> = rows.iter().map(|row| Ranking::of(row.to_vec(), better, ties).ranks).collect();
            let ranks: Vec<&[f64]> = ranks.iter().map(Vec::as_slice).collect();
            (0..k).map(|a| aggregated(&column(&ranks, a), *aggregate)).collect()
        }
        Method::TestThenRank(test) => {
            let pairs: Vec<SignedRanks> = pair_list(k)
                .map(|(a, b)| {
                    let d: Vec<f64> = rows.iter().map(|row| advantage(row[a], row[b], better)).collect();
                    SignedRanks::of(&d)
                })
                .collect();
            Significance::of_pairs(k, &pairs, test).proportions()
        }
    };
    Ranking::of(aggregates, method.aggregates_are(better), ties)
}

fn column(rows: &[&[f64]], at: usize) -> Vec<f64> {
    rows.iter().map(|row| row[at]).collect()
}

/// The aggregate of at least one value.
pub fn aggregated(values: &[f64], aggregate: Aggregate) -> f64 {
    match aggregate {
        Aggregate::Mean => mean(values),
        Aggregate::Median => quantile(values, 0.5),
        Aggregate::Quantile(probability) => quantile(values, probability),
    }
}

/// Type 7 of Hyndman and Fan, of at least one value.
fn quantile(values: &[f64], probability: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted_quantile(&sorted, probability)
}

/// The same of ascending values.
pub(crate) fn sorted_quantile(sorted: &[f64], probability: f64) -> f64 {
    let position = Position::new(sorted.len() as u64, probability);
    let low = position.low as usize;
    position.between(sorted[low], sorted[(low + 1).min(sorted.len() - 1)])
}

/// Where a quantile lies among n order statistics.
pub(super) struct Position {
    /// The order statistic at or below it, from 0.
    pub low: u64,
    /// How far on to the next one, in [0, 1).
    pub part: f64,
}

impl Position {
    pub fn new(n: u64, probability: f64) -> Self {
        // Counted from 1, so that rounding is that of R.
        let at = 1.0 + (n - 1) as f64 * probability;
        Self { low: at.floor() as u64 - 1, part: at - at.floor() }
    }

    /// The quantile from the order statistics around it.
    pub fn between(&self, low: f64, high: f64) -> f64 {
        if self.part == 0.0 || low == high {
            low
        } else if self.part == 0.5 {
            low / 2.0 + high / 2.0
        } else {
            (1.0 - self.part) * low + self.part * high
        }
    }
}

/// The ranking of the cases as they are.
pub fn rank_all(results: &TaskResults, method: &Method, better: Better, ties: Ties) -> Ranking {
    let all: Vec<usize> = (0..results.cases.len()).collect();
    rank(results, &all, method, better, ties)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `quantile(x, p)` and `median(x)` of R 4.2.2.
    #[test]
    fn quantiles_are_those_of_r() {
        let x = [0.3, 0.9, 0.1, 0.4];
        assert_eq!(aggregated(&x, Aggregate::Median), 0.35);
        assert!((quantile(&x, 0.05) - 0.13).abs() < 1e-16);
        assert_eq!((quantile(&x, 0.0), quantile(&x, 1.0)), (0.1, 0.9));
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
    }
}
