//! Bootstrap of rankings, by case or by cluster.
//!
//! A resample of a task draws as many cases as there are, with replacement. Where cases come from the same patient or
//! procedure they are not independent, and whole clusters are drawn instead, as many as there are. A case that is drawn
//! twice counts twice in every method.
//!
//! challengeR 1.0.5 does two things differently, which the tests of this crate reproduce on its example data. In
//! test-then-rank it tests on the distinct cases of a resample: 63 % of the cases, tests with the power of fewer cases,
//! and no bootstrap. In rank-then-aggregate it ranks the m copies of a case against each other, so that an algorithm of
//! rank r gets 1 + m (r − 1) in each of them and the case counts m² times.

use super::method::Ranking;
use super::prepared::Prepared;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling<'a> {
    /// Cases.
    Cases,
    /// Clusters: the number of the cluster of each case, from 0 without gaps.
    Clusters(&'a [usize]),
}

/// Rankings of resamples of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of algorithms.
    pub k: usize,
    /// Ranks, resample by resample.
    pub ranks: Vec<f64>,
    /// What was ranked, resample by resample.
    pub aggregates: Vec<f64>,
}

impl Bootstrap {
    /// The ranks of one algorithm in all resamples.
    pub fn ranks_of(&self, algorithm: usize) -> impl Iterator<Item = f64> + '_ {
        self.ranks.iter().skip(algorithm).step_by(self.k).copied()
    }

    /// The ranks of one resample.
    pub fn resample(&self, at: usize) -> &[f64] {
        &self.ranks[at * self.k..][..self.k]
    }

    /// Number of resamples.
    pub fn len(&self) -> usize {
        self.ranks.len() / self.k
    }

    /// Whether nothing was resampled.
    pub fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }
}

/// Ranks `count` resamples. Each has a random stream of its own, so that a seed gives the same resamples on any number
/// of threads, and the same ones to every method.
pub fn bootstrap(prepared: &Prepared, resampling: Resampling, count: usize, seed: u64) -> Bootstrap {
    let units = units(prepared.cases(), resampling);
    let rankings: Vec<Ranking> = (0..count as u64)
        .into_par_iter()
        .map_init(
            || (vec![0u32; units], vec![0u32; prepared.cases()]),
            |(drawn, multiplicity), number| {
                draw(drawn, seed, number);
                spread(drawn, multiplicity, resampling);
                prepared.rank(multiplicity)
            },
        )
        .collect();
    Bootstrap {
        k: prepared.algorithms(),
        ranks: rankings.iter().flat_map(|r| &r.ranks).copied().collect(),
        aggregates: rankings.iter().flat_map(|r| &r.aggregates).copied().collect(),
    }
}

/// How many units are drawn from.
pub(super) fn units(cases: usize, resampling: Resampling) -> usize {
    match resampling {
        Resampling::Cases => cases,
        Resampling::Clusters(cluster_of) => cluster_of.iter().max().map_or(0, |most| most + 1),
    }
}

/// How often each unit is drawn in resample `number`.
pub fn draw(drawn: &mut [u32], seed: u64, number: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    drawn.fill(0);
    let units = drawn.len() as u32;
    for _ in 0..units {
        drawn[rng.random_range(0..units) as usize] += 1;
    }
}

/// From how often units are drawn to how often their cases occur.
pub(super) fn spread(drawn: &[u32], multiplicity: &mut [u32], resampling: Resampling) {
    match resampling {
        Resampling::Cases => multiplicity.copy_from_slice(drawn),
        Resampling::Clusters(cluster_of) => {
            for (m, &cluster) in multiplicity.iter_mut().zip(cluster_of) {
                *m = drawn[cluster];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::method::{Aggregate, Method};
    use crate::ranking::order::Ties;
    use crate::results::{Better, TaskResults};

    fn results(clusters: Option<Vec<usize>>) -> TaskResults {
        TaskResults {
            task: "t".into(),
            algorithms: vec!["A".into(), "B".into()],
            cases: (0..6).map(|c| c.to_string()).collect(),
            clusters,
            values: vec![0.9, 0.8, 0.7, 0.8, 0.5, 0.6, 0.4, 0.1, 0.3, 0.2, 0.6, 0.7],
            treated: 0,
        }
    }

    fn prepared(results: &TaskResults) -> Prepared {
        Prepared::new(results, &Method::AggregateThenRank(Aggregate::Mean), Better::Larger, Ties::Min)
    }

    #[test]
    fn a_seed_gives_the_same_resamples_on_any_number_of_threads() {
        let prepared = prepared(&results(None));
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let three = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let first = one.install(|| bootstrap(&prepared, Resampling::Cases, 50, 3));
        assert_eq!(first, three.install(|| bootstrap(&prepared, Resampling::Cases, 50, 3)));
        assert_ne!(first, one.install(|| bootstrap(&prepared, Resampling::Cases, 50, 4)));
        assert_eq!((first.len(), first.resample(0).len()), (50, 2));
        assert!(first.ranks_of(1).all(|r| r == 1.0 || r == 2.0));
    }

    #[test]
    fn cases_of_a_cluster_come_together() {
        let clusters = [0, 0, 1, 1, 2, 2];
        let (mut drawn, mut multiplicity) = ([0; 3], [0; 6]);
        for number in 0..20 {
            draw(&mut drawn, 1, number);
            spread(&drawn, &mut multiplicity, Resampling::Clusters(&clusters));
            assert_eq!(multiplicity.iter().sum::<u32>(), 6);
            assert!(multiplicity.chunks(2).all(|pair| pair[0] == pair[1]));
        }
        // One cluster leaves nothing to chance.
        let together = results(Some(vec![0; 6]));
        let prepared = prepared(&together);
        let bootstrap = bootstrap(&prepared, Resampling::Clusters(together.clusters.as_ref().unwrap()), 9, 1);
        let whole = prepared.rank(&[1; 6]);
        assert!((0..9).all(|b| bootstrap.resample(b) == whole.ranks));
    }

    #[test]
    fn every_case_is_drawn_once_on_average() {
        let mut sum = [0u32; 40];
        let mut drawn = [0; 40];
        for number in 0..5000 {
            draw(&mut drawn, 9, number);
            assert_eq!(drawn.iter().sum::<u32>(), 40);
            sum.iter_mut().zip(drawn).for_each(|(s, d)| *s += d);
        }
        // Standard error of each mean: sqrt(1/5000) = 0.014.
        assert!(sum.iter().all(|&s| (f64::from(s) / 5000.0 - 1.0).abs() < 0.07), "{sum:?}");
    }
}
