//! Ranking methods on multiplicities of the cases: sorting is done once, each resample is a walk over sorted cases.

use super::method::{Aggregate, Method, Ranking, Test};
use super::order::Ties;
use super::plain::Position;
use super::significance::{Significance, advantage, pair_list};
use super::wilcoxon::SignedRanks;
use crate::results::{Better, TaskResults};
use crate::sum::Sum;

/// A method made ready for many resamples of one task.
///
/// Cost of one resample: O(n K) for aggregates, O(n K²) for tests.
#[derive(Clone, Debug)]
pub struct Prepared {
    k: usize,
    n: usize,
    better: Better,
    ties: Ties,
    method: Sorted,
}

#[derive(Clone, Debug)]
enum Sorted {
    /// What is averaged, case by case.
    Mean(Vec<f64>),
    /// For each algorithm its cases in ascending order, and their values in that order.
    Quantile { order: Vec<Vec<u32>>, values: Vec<Vec<f64>>, probability: f64 },
    /// For each pair its cases in ascending order of the magnitude of their difference.
    Tests { pairs: Vec<Pair>, test: Test },
}

/// The cases of a pair of algorithms that differ, by magnitude of the difference.
#[derive(Clone, Debug)]
struct Pair {
    cases: Vec<Entry>,
    has_zeros: Vec<u32>,
}

/// Case number, whether its difference is positive, and whether the next case has a greater magnitude.
#[derive(Clone, Copy, Debug)]
struct Entry(u32);

impl Entry {
    fn new(case: usize, positive: bool, ends_group: bool) -> Self {
        Self((case as u32) << 2 | u32::from(positive) << 1 | u32::from(ends_group))
    }
    #[inline]
    fn case(self) -> usize {
        (self.0 >> 2) as usize
    }
    #[inline]
    fn positive(self) -> bool {
        self.0 & 2 != 0
    }
    #[inline]
    fn ends_group(self) -> bool {
        self.0 & 1 != 0
    }
}

impl Prepared {
    /// The most cases a task may have here.
    pub const MAX_CASES: usize = 1 << 30;

    /// Prepares a method.
    ///
    /// # Panics
    /// If there are more than [`Self::MAX_CASES`] cases, 8 GiB of values for one algorithm alone.
    pub fn new(results: &TaskResults, method: &Method, better: Better, ties: Ties) -> Self {
        let (k, n) = (results.algorithms.len(), results.cases.len());
        assert!(n <= Self::MAX_CASES, "case numbers fit 30 bits");
        let sorted = match method {
            Method::AggregateThenRank(aggregate) => aggregate_of(results.values.clone(), k, *aggregate),
            Method::RankThenAggregate(aggregate) => {
                let ranks = (0..n).flat_map(|c| Ranking::of(results.case(c).to_vec(), better, ties).ranks).collect();
                aggregate_of(ranks, k, *aggregate)
            }
            Method::TestThenRank(test) => {
                let pairs = pair_list(k).map(|(a, b)| Pair::new(results, a, b, better)).collect();
                Sorted::Tests { pairs, test: *test }
            }
        };
        Self { k, n, better: method.aggregates_are(better), ties, method: sorted }
    }

    /// Number of cases.
    pub fn cases(&self) -> usize {
        self.n
    }

    /// Number of algorithms.
    pub fn algorithms(&self) -> usize {
        self.k
    }

    /// Whether larger aggregates are better.
    pub fn better(&self) -> Better {
        self.better
    }

    /// Ranks a resample: case c occurs `multiplicity[c]` times, and there is at least one case.
    ///
    /// # Panics
    /// If there is not one multiplicity for each case.
    pub fn rank(&self, multiplicity: &[u32]) -> Ranking {
        assert_eq!(multiplicity.len(), self.n, "one multiplicity for each case");
        let aggregates = match &self.method {
            Sorted::Mean(values) => means(values, self.k, multiplicity),
            Sorted::Quantile { order, values, probability } => {
                let total = multiplicity.iter().map(|&m| u64::from(m)).sum();
                let position = Position::new(total, *probability);
                order.iter().zip(values).map(|(o, v)| weighted_quantile(o, v, multiplicity, &position)).collect()
            }
            Sorted::Tests { pairs, test } => {
                let pairs: Vec<SignedRanks> = pairs.iter().map(|pair| pair.signed_ranks(multiplicity)).collect();
                Significance::of_pairs(self.k, &pairs, test).proportions()
            }
        };
        Ranking::of(aggregates, self.better, self.ties)
    }
}

fn aggregate_of(values: Vec<f64>, k: usize, aggregate: Aggregate) -> Sorted {
    let probability = match aggregate {
        Aggregate::Mean => return Sorted::Mean(values),
        Aggregate::Median => 0.5,
        Aggregate::Quantile(probability) => probability,
    };
    let n = values.len() / k;
    let order: Vec<Vec<u32>> = (0..k)
        .map(|a| {
            let mut order: Vec<u32> = (0..n as u32).collect();
            order.sort_by(|&x, &y| values[x as usize * k + a].total_cmp(&values[y as usize * k + a]));
            order
        })
        .collect();
    let values = order.iter().enumerate().map(|(a, o)| o.iter().map(|&c| values[c as usize * k + a]).collect());
    Sorted::Quantile { values: values.collect(), order, probability }
}

fn means(values: &[f64], k: usize, multiplicity: &[u32]) -> Vec<f64> {
    let mut sums = vec![Sum::default(); k];
    let mut total = 0.0;
    for (row, &m) in values.chunks_exact(k).zip(multiplicity) {
        total += f64::from(m);
        for _ in 0..m {
            for (sum, &value) in sums.iter_mut().zip(row) {
                sum.add(value);
            }
        }
    }
    sums.into_iter().map(|sum| sum.divided_by(total)).collect()
}

/// Walks up the sorted values until the quantile's order statistics have been passed.
fn weighted_quantile(order: &[u32], values: &[f64], multiplicity: &[u32], position: &Position) -> f64 {
    let mut passed = 0;
    let mut at = 0;
    loop {
        passed += u64::from(multiplicity[order[at] as usize]);
        if passed > position.low {
            break;
        }
        at += 1;
    }
    let low = values[at];
    if passed > position.low + 1 || position.part == 0.0 {
        return low;
    }
    let next = (at + 1..order.len()).find(|&i| multiplicity[order[i] as usize] > 0);
    position.between(low, next.map_or(low, |i| values[i]))
}

impl Pair {
    fn new(results: &TaskResults, a: usize, b: usize, better: Better) -> Self {
        let difference = |c: usize| advantage(results.case(c)[a], results.case(c)[b], better);
        let mut by_magnitude: Vec<(f64, usize)> = (0..results.cases.len()).map(|c| (difference(c), c)).collect();
        by_magnitude.sort_by(|x, y| x.0.abs().total_cmp(&y.0.abs()));
        let first = by_magnitude.partition_point(|(d, _)| *d == 0.0);
        let cases = (first..by_magnitude.len())
            .map(|i| {
                let (d, case) = by_magnitude[i];
                let ends_group = by_magnitude.get(i + 1).is_none_or(|(next, _)| next.abs() > d.abs());
                Entry::new(case, d > 0.0, ends_group)
            })
            .collect();
        Self { cases, has_zeros: by_magnitude[..first].iter().map(|(_, c)| *c as u32).collect() }
    }

    fn signed_ranks(&self, multiplicity: &[u32]) -> SignedRanks {
        let has_zeros = self.has_zeros.iter().any(|&c| multiplicity[c as usize] > 0);
        let mut sums = SignedRanks { twice_v: 0, n: 0, tie_term: 0, has_zeros };
        let (mut size, mut positive) = (0, 0);
        for entry in &self.cases {
            let m = u64::from(multiplicity[entry.case()]);
            size += m;
            positive += if entry.positive() { m } else { 0 };
            if entry.ends_group() {
                sums.add_group(size, positive);
                (size, positive) = (0, 0);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain;
    use super::*;
    use crate::ranking::wilcoxon::NullDistribution;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A table with many ties (values on a coarse grid) or none.
    fn table(n: usize, k: usize, steps: f64, seed: u64) -> TaskResults {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        TaskResults {
            task: "t".into(),
            algorithms: (0..k).map(|a| format!("A{a}")).collect(),
            cases: (0..n).map(|c| c.to_string()).collect(),
            clusters: None,
            values: (0..n * k).map(|_| (rng.random::<f64>() * steps).floor() / steps).collect(),
            treated: 0,
        }
    }

    #[test]
    fn both_forms_agree_on_every_method() {
        let test = |null| Method::TestThenRank(Test { null, alpha: 0.3, ..Test::default() });
        let methods = [
            Method::AggregateThenRank(Aggregate::Mean),
            Method::AggregateThenRank(Aggregate::Median),
            Method::AggregateThenRank(Aggregate::Quantile(0.05)),
            Method::AggregateThenRank(Aggregate::Quantile(1.0)),
            Method::RankThenAggregate(Aggregate::Mean),
            Method::RankThenAggregate(Aggregate::Median),
            test(NullDistribution::Automatic),
            test(NullDistribution::Normal),
        ];
        for (n, k, steps) in [(1, 3, 4.0), (2, 2, 3.0), (17, 5, 6.0), (60, 4, 1e9), (40, 1, 5.0)] {
            let results = table(n, k, steps, n as u64);
            for method in &methods {
                for (better, ties) in [(Better::Larger, Ties::Min), (Better::Smaller, Ties::Average)] {
                    let prepared = Prepared::new(&results, method, better, ties);
                    assert_eq!(prepared.rank(&vec![1; n]), plain::rank_all(&results, method, better, ties));
                    let mut rng = ChaCha8Rng::seed_from_u64(7);
                    for _ in 0..20 {
                        let drawn: Vec<usize> = (0..n).map(|_| rng.random_range(0..n)).collect();
                        let mut multiplicity = vec![0; n];
                        drawn.iter().for_each(|&c| multiplicity[c] += 1);
                        let expected = plain::rank(&results, &drawn, method, better, ties);
                        assert_eq!(prepared.rank(&multiplicity), expected, "{method:?}, {n} × {k}, {drawn:?}");
                    }
                }
            }
        }
    }
}
