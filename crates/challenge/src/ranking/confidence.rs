//! Simultaneous confidence sets for the ranks of all algorithms.
//!
//! An algorithm ranks behind all that are significantly better and before all that are significantly worse. Where the
//! probability of any wrong decision about any pair is at most α, the sets
//! from 1 + #{significantly better} to K − #{significantly worse} cover the true ranks of all algorithms at once with
//! probability 1 − α. Source: Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for ranks with applications to
//! mobility across neighbourhoods and academic achievement across countries", Review of Economic Studies 91.

use super::adjust::Adjustment;
use super::bootstrap::Bootstrap;
use super::method::Test;
use super::significance::{pair_list, significance};
use crate::results::{Better, TaskResults};

/// From the best to the worst rank an algorithm may truly have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RankSet {
    /// Best rank.
    pub best: usize,
    /// Worst rank.
    pub worst: usize,
}

/// From the resampled aggregates: the pairs' differences, each in units of its bootstrap standard deviation, are
/// compared with the 1 − α quantile of the largest of all pairs. A difference that is the same in every resample and not
/// zero is a decision by itself. At least two resamples; some hundreds for a usual α.
pub fn from_bootstrap(aggregates: &[f64], bootstrap: &Bootstrap, better: Better, alpha: f64) -> Vec<RankSet> {
    let (k, count) = (aggregates.len(), bootstrap.len());
    let resampled = |b: usize, i: usize, j: usize| bootstrap.aggregates[b * k + i] - bootstrap.aggregates[b * k + j];
    let pairs: Vec<Difference> = pair_list(k)
        .map(|(i, j)| {
            let mean = (0..count).map(|b| resampled(b, i, j)).sum::<f64>() / count as f64;
            let squares: f64 = (0..count).map(|b| (resampled(b, i, j) - mean).powi(2)).sum();
            let sd = (squares / (count - 1) as f64).sqrt();
            Difference { i, j, observed: aggregates[i] - aggregates[j], sd }
        })
        .collect();
    // A spread within rounding is none.
    let varies = |p: &&Difference| p.sd > 1e-12 * (aggregates[p.i].abs() + aggregates[p.j].abs());
    let mut largest: Vec<f64> = (0..count)
        .map(|b| {
            let studentised = pairs.iter().filter(varies).map(|p| (resampled(b, p.i, p.j) - p.observed).abs() / p.sd);
            studentised.fold(0.0, f64::max)
        })
        .collect();
    largest.sort_by(f64::total_cmp);
    let critical = largest[(((1.0 - alpha) * (count + 1) as f64).ceil() as usize).clamp(1, count) - 1];
    let mut superior = vec![false; k * k];
    for p in &pairs {
        let margin = if varies(&p) { critical * p.sd } else { 0.0 };
        if p.observed.abs() > margin {
            let first_is_better = (p.observed > 0.0) == (better == Better::Larger);
            let (winner, loser) = if first_is_better { (p.i, p.j) } else { (p.j, p.i) };
            superior[winner * k + loser] = true;
        }
    }
    sets(k, &superior)
}

struct Difference {
    i: usize,
    j: usize,
    observed: f64,
    sd: f64,
}

/// From the pairwise tests of test-then-rank, adjusted by Holm whatever `test` says.
pub fn from_tests(results: &TaskResults, better: Better, test: &Test) -> Vec<RankSet> {
    let holm = Test { adjust: Adjustment::Holm, ..*test };
    sets(results.algorithms.len(), &significance(results, better, &holm).superior)
}

/// From who is superior to whom, row by row.
fn sets(k: usize, superior: &[bool]) -> Vec<RankSet> {
    (0..k)
        .map(|a| RankSet {
            best: 1 + (0..k).filter(|b| superior[b * k + a]).count(),
            worst: k - (0..k).filter(|b| superior[a * k + b]).count(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::method::{Aggregate, Method};
    use crate::ranking::order::Ties;
    use crate::ranking::{Prepared, Resampling, bootstrap};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, Normal};

    fn study(means: &[f64], n: usize, seed: u64) -> TaskResults {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let noise = Normal::new(0.0, 1.0).unwrap();
        TaskResults {
            task: "t".into(),
            algorithms: (0..means.len()).map(|a| a.to_string()).collect(),
            cases: (0..n).map(|c| c.to_string()).collect(),
            clusters: None,
            values: (0..n).flat_map(|_| means.iter().map(|m| m + noise.sample(&mut rng)).collect::<Vec<_>>()).collect(),
            treated: 0,
        }
    }

    /// Of 200 studies at α = 0.1 about 20 miss the true ranks; more than 35 would be 3.5 standard errors off.
    #[test]
    fn the_sets_cover_the_true_ranks_of_all_algorithms_at_once() {
        let (means, truth) = ([0.3, 0.2, 0.1, 0.0], [1, 2, 3, 4]);
        let covers = |sets: &[RankSet]| sets.iter().zip(truth).all(|(s, t)| s.best <= t && t <= s.worst);
        let (mut missed, mut width) = ([0, 0], 0);
        for seed in 0..200 {
            let results = study(&means, 60, seed);
            let mean = Method::AggregateThenRank(Aggregate::Mean);
            let prepared = Prepared::new(&results, &mean, Better::Larger, Ties::Min);
            let resamples = bootstrap(&prepared, Resampling::Cases, 199, seed);
            let aggregates = prepared.rank(&[1; 60]).aggregates;
            let by_mean = from_bootstrap(&aggregates, &resamples, Better::Larger, 0.1);
            let by_test = from_tests(&results, Better::Larger, &Test { alpha: 0.1, ..Test::default() });
            missed[0] += usize::from(!covers(&by_mean));
            missed[1] += usize::from(!covers(&by_test));
            width += by_mean.iter().map(|s| s.worst - s.best).sum::<usize>();
        }
        assert!(missed.iter().all(|&m| m <= 35), "{missed:?}");
        assert!(width < 200 * 4 * 3, "the sets say nothing: {width}");
    }

    #[test]
    fn clear_differences_leave_one_rank() {
        let results = study(&[0.0, 5.0, 10.0], 40, 1);
        let median = Method::AggregateThenRank(Aggregate::Median);
        let prepared = Prepared::new(&results, &median, Better::Smaller, Ties::Min);
        let resamples = bootstrap(&prepared, Resampling::Cases, 200, 1);
        let aggregates = prepared.rank(&[1; 40]).aggregates;
        let sets = from_bootstrap(&aggregates, &resamples, Better::Smaller, 0.05);
        let ranks: Vec<_> = sets.iter().map(|s| (s.best, s.worst)).collect();
        assert_eq!(ranks, [(1, 1), (2, 2), (3, 3)]);
        let tied = TaskResults { values: vec![0.5; 120], ..results };
        let prepared = Prepared::new(&tied, &median, Better::Smaller, Ties::Min);
        let resamples = bootstrap(&prepared, Resampling::Cases, 20, 1);
        let sets = from_bootstrap(&[0.5; 3], &resamples, Better::Smaller, 0.05);
        assert!(sets.iter().all(|s| (s.best, s.worst) == (1, 3)));
    }
}
