//! One ranking from the rankings of several tasks.

use super::order::{Ties, ascending};

/// How rankings are joined. Algorithms that tie in a task share the mean of the ranks they fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consensus {
    /// By the mean of the ranks: the consensus of least squared (Euclidean) distance.
    MeanRank,
    /// By the points of Borda 1781: for each task one for each algorithm left behind, half of one for each tie.
    Borda,
    /// The order of Kemeny 1959, which contradicts the tasks in the fewest pairs. Found exactly, for up to
    /// [`KEMENY_MOST`] algorithms.
    Kemeny,
}

/// The most algorithms that [`Consensus::Kemeny`] takes: 2^18 subsets of them are looked at.
pub const KEMENY_MOST: usize = 18;

/// A consensus of rankings.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Joined {
    /// For each algorithm its mean rank, its points, or its place in the order.
    pub scores: Vec<f64>,
    /// Ranks, 1 for the best; ties share the best rank.
    pub ranks: Vec<f64>,
    /// How many orders are equally good (Kemeny; else 1 or, with ties of scores, not said).
    pub optima: Option<f64>,
}

/// Too many algorithms for an exact answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Kemeny's order is found exactly for up to {KEMENY_MOST} algorithms, and there are {0}; accepted are borda and mean-rank"
)]
pub struct TooMany(pub usize);

/// Joins the rankings of tasks, each with one rank for every algorithm.
///
/// # Errors
/// If there are too many algorithms for Kemeny's order.
pub fn consensus(rankings: &[Vec<f64>], how: Consensus) -> Result<Joined, TooMany> {
    let rankings: Vec<Vec<f64>> = rankings.iter().map(|ranks| ascending(ranks, Ties::Average)).collect();
    let k = rankings.first().map_or(0, Vec::len);
    let tasks = rankings.len() as f64;
    let over_tasks = |points: &dyn Fn(f64) -> f64| -> Vec<f64> {
        (0..k).map(|a| rankings.iter().map(|ranks| points(ranks[a])).sum()).collect()
    };
    match how {
        Consensus::MeanRank => {
            let sums = over_tasks(&|rank| rank);
            let ranks = ascending(&sums, Ties::Min);
            Ok(Joined { scores: sums.iter().map(|s| s / tasks).collect(), ranks, optima: None })
        }
        Consensus::Borda => {
            let scores = over_tasks(&|rank| k as f64 - rank);
            let turned: Vec<f64> = scores.iter().map(|s| -s).collect();
            Ok(Joined { ranks: ascending(&turned, Ties::Min), scores, optima: None })
        }
        Consensus::Kemeny if k > KEMENY_MOST => Err(TooMany(k)),
        Consensus::Kemeny => Ok(kemeny(&rankings, k)),
    }
}

/// Held and Karp's recursion over subsets: the cheapest order of a subset ends with one of its members, before which
/// stands the cheapest order of the rest. Of equally good orders the first in the order of the algorithms is given.
fn kemeny(rankings: &[Vec<f64>], k: usize) -> Joined {
    // against[a][b]: in how many tasks b stands before a, which an order with a before b contradicts.
    let against = |a: usize, b: usize| rankings.iter().filter(|ranks| ranks[b] < ranks[a]).count() as u64;
    let against: Vec<Vec<u64>> = (0..k).map(|a| (0..k).map(|b| against(a, b)).collect()).collect();
    let mut cost = vec![0u64; 1 << k];
    let mut optima = vec![1.0f64; 1 << k];
    let mut last = vec![0u8; 1 << k];
    for set in 1usize..1 << k {
        let (mut best, mut ways, mut ends) = (u64::MAX, 0.0, 0);
        for end in (0..k).filter(|end| set >> end & 1 == 1) {
            let rest = set & !(1 << end);
            let before: u64 = (0..k).filter(|a| rest >> a & 1 == 1).map(|a| against[a][end]).sum();
            let total = cost[rest] + before;
            if total <= best {
                ways = if total == best { ways + optima[rest] } else { optima[rest] };
                (best, ends) = (total, end);
            }
        }
        (cost[set], optima[set], last[set]) = (best, ways, ends as u8);
    }
    let mut ranks = vec![0.0; k];
    let mut set = (1usize << k) - 1;
    for place in (1..=k).rev() {
        let end = usize::from(last[set]);
        ranks[end] = place as f64;
        set &= !(1 << end);
    }
    Joined { scores: ranks.clone(), ranks, optima: Some(optima[(1 << k) - 1]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_example_of_challenger_is_joined_as_there() {
        // challengeR 1.0.5, mean-then-rank of its example; consensus methods "euclidean" and "Borda".
        let tasks = [vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![1.0, 2.0, 5.0, 3.0, 4.0], vec![1.0; 5]];
        let mean = consensus(&tasks, Consensus::MeanRank).unwrap();
        let expected = [5.0 / 3.0, 7.0 / 3.0, 11.0 / 3.0, 10.0 / 3.0, 4.0];
        assert!(mean.scores.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15));
        for how in [Consensus::MeanRank, Consensus::Borda] {
            assert_eq!(consensus(&tasks, how).unwrap().ranks, [1.0, 2.0, 4.0, 3.0, 5.0]);
        }
        // A3 and A4, A3 and A5 each stand before the other once.
        assert_eq!(consensus(&tasks, Consensus::Kemeny).unwrap().optima, Some(3.0));
    }

    /// All orders of five algorithms, one by one.
    #[test]
    fn kemeny_contradicts_the_fewest_pairs() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let contradictions = |order: &[f64], tasks: &[Vec<f64>]| -> usize {
            let pairs = (0..5).flat_map(|a| (0..5).map(move |b| (a, b))).filter(|&(a, b)| order[a] < order[b]);
            pairs.map(|(a, b)| tasks.iter().filter(|t| t[b] < t[a]).count()).sum()
        };
        for _ in 0..30 {
            let tasks: Vec<Vec<f64>> =
                (0..4).map(|_| (0..5).map(|_| f64::from(rng.random_range(1..6))).collect()).collect();
            let found = consensus(&tasks, Consensus::Kemeny).unwrap();
            let all: Vec<usize> = permutations(5).iter().map(|order| contradictions(order, &tasks)).collect();
            let fewest = *all.iter().min().unwrap();
            assert_eq!(contradictions(&found.ranks, &tasks), fewest);
            assert_eq!(found.optima, Some(all.iter().filter(|&&c| c == fewest).count() as f64));
        }
        assert_eq!(consensus(&[vec![1.0; 19]], Consensus::Kemeny), Err(TooMany(19)));
    }

    fn permutations(k: usize) -> Vec<Vec<f64>> {
        if k == 0 {
            return vec![Vec::new()];
        }
        let shorter = permutations(k - 1);
        let inserted = shorter.iter().flat_map(|p| {
            (0..k).map(move |at| {
                let mut p = p.clone();
                p.insert(at, k as f64);
                p
            })
        });
        inserted.collect()
    }
}
