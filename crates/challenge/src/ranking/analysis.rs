//! One task looked at from all sides: ranking, tests, resamples, other methods.

use super::bootstrap::{Bootstrap, Resampling, bootstrap};
use super::confidence::{self, RankSet};
use super::jackknife::{LeaveOneOut, jackknife};
use super::kendall::{Agreement, agreement};
use super::method::{Method, Ranking, Test};
use super::order::Ties;
use super::prepared::Prepared;
use super::significance::{Significance, significance};
use crate::results::{Better, TaskResults};

/// What is asked of every task.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which values are better.
    pub better: Better,
    /// How equal values share ranks.
    pub ties: Ties,
    /// The pairwise tests, and the level of confidence sets.
    pub test: Test,
    /// The method with its name.
    pub method: (String, Method),
    /// Further methods with their names, to compare with.
    pub others: Vec<(String, Method)>,
    /// Number of resamples.
    pub resamples: usize,
    /// Seed of the resamples.
    pub seed: u64,
    /// Whether each case (or cluster) is left out in turn.
    pub jackknife: bool,
}

/// What was found out about one task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskAnalysis {
    /// The results.
    pub results: TaskResults,
    /// Their ranking.
    pub ranking: Ranking,
    /// Who is superior to whom.
    pub significance: Significance,
    /// Rankings of resamples, by cluster where cases have clusters.
    pub bootstrap: Option<Bootstrap>,
    /// How they agree with the ranking.
    pub tau: Option<Agreement>,
    /// Simultaneous confidence sets of ranks: from the tests of test-then-rank, else from the resamples.
    pub sets: Option<Vec<RankSet>>,
    /// Leave-one-out; `None` also where nothing would be left.
    pub jackknife: Option<Vec<LeaveOneOut>>,
    /// Rankings by the further methods.
    pub others: Vec<Ranking>,
}

/// Looks at one task.
pub fn analyse(results: TaskResults, settings: &Settings) -> TaskAnalysis {
    let Settings { better, ties, test, method: (_, method), .. } = settings;
    let prepared = Prepared::new(&results, method, *better, *ties);
    let once = vec![1; results.cases.len()];
    let ranking = prepared.rank(&once);
    let resampling = results.clusters.as_deref().map_or(Resampling::Cases, Resampling::Clusters);
    let bootstrap =
        (settings.resamples > 0).then(|| bootstrap(&prepared, resampling, settings.resamples, settings.seed));
    let tau = bootstrap.as_ref().map(|b| agreement(&ranking.ranks, (0..b.len()).map(|i| b.resample(i))));
    let sets = match (method, &bootstrap) {
        (Method::TestThenRank(test), _) => Some(confidence::from_tests(&results, *better, test)),
        (_, Some(b)) if b.len() > 1 => {
            Some(confidence::from_bootstrap(&ranking.aggregates, b, prepared.better(), test.alpha))
        }
        _ => None,
    };
    let other = |(_, m): &(String, Method)| Prepared::new(&results, m, *better, *ties).rank(&once);
    TaskAnalysis {
        significance: significance(&results, *better, test),
        jackknife: if settings.jackknife { jackknife(&prepared, resampling) } else { None },
        others: settings.others.iter().map(other).collect(),
        ranking,
        bootstrap,
        tau,
        sets,
        results,
    }
}

impl TaskAnalysis {
    /// The algorithms from best to worst rank; equal ones in the order of the table.
    pub fn by_rank(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.ranking.ranks.len()).collect();
        order.sort_by(|&a, &b| self.ranking.ranks[a].total_cmp(&self.ranking.ranks[b]));
        order
    }
}

/// What a reader should know about the data of a task, a sentence each.
pub fn remarks(analysis: &TaskAnalysis, missing: crate::results::Missing, jackknife: bool) -> Vec<String> {
    let (results, mut all) = (&analysis.results, Vec::new());
    let task = &results.task;
    if results.treated > 0 {
        all.push(match missing {
            crate::results::Missing::DropCase => {
                format!("task {task:?}: {} incomplete cases were dropped", results.treated)
            }
            _ => format!("task {task:?}: {} cells without a value were filled", results.treated),
        });
    }
    if results.algorithms.len() == 1 {
        all.push(format!("task {task:?} has one algorithm, which is first whatever it does"));
    }
    if results.cases.len() == 1 {
        all.push(format!("task {task:?} has one case, so resampling it tells nothing"));
    }
    if results.values.len() > 1 && results.values.windows(2).all(|w| w[0] == w[1]) {
        all.push(format!("task {task:?}: all values are equal, so all algorithms tie"));
    }
    if jackknife && analysis.jackknife.is_none() {
        all.push(format!("task {task:?}: nothing is left without its only case or cluster; no jackknife"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::Aggregate;
    use crate::results::Missing;

    fn settings(resamples: usize) -> Settings {
        let mean = Method::AggregateThenRank(Aggregate::Mean);
        Settings {
            better: Better::Larger,
            ties: Ties::Min,
            test: Test::default(),
            method: ("mean-then-rank".into(), mean),
            others: vec![("test-then-rank".into(), Method::TestThenRank(Test::default()))],
            resamples,
            seed: 1,
            jackknife: true,
        }
    }

    fn results(values: Vec<f64>, k: usize) -> TaskResults {
        TaskResults {
            task: "t".into(),
            algorithms: (0..k).map(|a| a.to_string()).collect(),
            cases: (0..values.len() / k).map(|c| c.to_string()).collect(),
            clusters: None,
            values,
            treated: 0,
        }
    }

    #[test]
    fn parts_are_those_of_their_modules() {
        let found = analyse(results(vec![0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.1, 0.6], 2), &settings(20));
        assert_eq!((&found.ranking.ranks[..], found.by_rank()), (&[2.0, 1.0][..], vec![1, 0]));
        assert_eq!(found.bootstrap.as_ref().unwrap().len(), 20);
        assert_eq!(found.tau.as_ref().unwrap().mean, Some(1.0));
        assert_eq!((found.others[0].ranks.len(), found.sets.as_ref().unwrap().len()), (2, 2));
        assert_eq!(remarks(&found, Missing::Refuse, true), [""; 0]);
        assert!(analyse(found.results, &settings(0)).sets.is_none());
    }

    #[test]
    fn what_tells_nothing_is_said() {
        let said = |values: Vec<f64>, k| remarks(&analyse(results(values, k), &settings(5)), Missing::Worst, true);
        let alone = said(vec![0.5, 0.6], 1);
        assert!(alone.len() == 1 && alone[0].contains("one algorithm"), "{alone:?}");
        let once = said(vec![0.5, 0.5], 2);
        let words = ["one case", "all values are equal", "no jackknife"];
        assert!(once.len() == 3 && once.iter().zip(words).all(|(s, w)| s.contains(w)), "{once:?}");
    }
}
