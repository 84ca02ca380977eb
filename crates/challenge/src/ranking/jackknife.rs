//! Leave-one-out: what each single case, or cluster, does to a ranking.

use super::bootstrap::{Resampling, spread, units};
use super::prepared::Prepared;
use rayon::prelude::*;

/// What leaving out each unit in turn does to one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct LeaveOneOut {
    /// Best rank.
    pub best_rank: f64,
    /// Worst rank.
    pub worst_rank: f64,
    /// How many of the units change the rank.
    pub changed: usize,
    /// Standard error of the aggregate: √((m − 1)/m Σ (θᵢ − θ̄)²) over m units. It is consistent for means, not for
    /// quantiles (Efron 1979).
    pub standard_error: f64,
}

/// One answer for each algorithm; `None` where there are fewer than two units, so that nothing would be left.
pub fn jackknife(prepared: &Prepared, resampling: Resampling) -> Option<Vec<LeaveOneOut>> {
    let m = units(prepared.cases(), resampling);
    if m < 2 {
        return None;
    }
    let whole = prepared.rank(&vec![1; prepared.cases()]);
    let without: Vec<_> = (0..m)
        .into_par_iter()
        .map_init(
            || (vec![1u32; m], vec![0u32; prepared.cases()]),
            |(kept, multiplicity), unit| {
                kept[unit] = 0;
                spread(kept, multiplicity, resampling);
                kept[unit] = 1;
                prepared.rank(multiplicity)
            },
        )
        .collect();
    let answer = (0..prepared.algorithms()).map(|a| {
        let ranks = || without.iter().map(|r| r.ranks[a]);
        let mean = without.iter().map(|r| r.aggregates[a]).sum::<f64>() / m as f64;
        let squares: f64 = without.iter().map(|r| (r.aggregates[a] - mean).powi(2)).sum();
        LeaveOneOut {
            best_rank: ranks().fold(f64::INFINITY, f64::min),
            worst_rank: ranks().fold(0.0, f64::max),
            changed: ranks().filter(|&r| r != whole.ranks[a]).count(),
            standard_error: ((m - 1) as f64 / m as f64 * squares).sqrt(),
        }
    });
    Some(answer.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::method::{Aggregate, Method};
    use crate::ranking::order::Ties;
    use crate::results::{Better, TaskResults};

    #[test]
    fn of_a_mean_it_is_the_usual_standard_error() {
        let a = [0.1, 0.4, 0.2, 0.8, 0.5];
        let results = TaskResults {
            task: "t".into(),
            algorithms: vec!["A".into(), "B".into()],
            cases: (0..5).map(|c| c.to_string()).collect(),
            clusters: None,
            values: a.iter().flat_map(|&v| [v, 0.38]).collect(),
            treated: 0,
        };
        let mean = Method::AggregateThenRank(Aggregate::Mean);
        let prepared = Prepared::new(&results, &mean, Better::Larger, Ties::Min);
        let jack = jackknife(&prepared, Resampling::Cases).unwrap();
        let variance = a.iter().map(|v| (v - 0.4f64).powi(2)).sum::<f64>() / 4.0;
        assert!((jack[0].standard_error - (variance / 5.0).sqrt()).abs() < 1e-15);
        assert!(jack[1].standard_error < 1e-15);
        // Without 0.8 the mean is 0.3, without 0.5 it is 0.375: both below 0.38.
        assert_eq!((jack[0].best_rank, jack[0].worst_rank, jack[0].changed), (1.0, 2.0, 2));
        assert_eq!(jackknife(&prepared, Resampling::Clusters(&[0; 5])), None);
        assert_eq!(jackknife(&prepared, Resampling::Clusters(&[0, 0, 0, 1, 1])).unwrap()[0].changed, 1);
    }
}
