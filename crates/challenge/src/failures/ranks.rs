//! Ranks of algorithms by their risk of failure, with intervals.
//!
//! Risks, on the logit scale, are drawn from their joint normal distribution; the ranks of the draws say how sure a rank
//! is.

use super::FailureError;
use super::mix::{Condition, weights};
use super::observations::Observations;
use super::risk::RiskModel;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use regiscope_glmm::infer::distributions::two_sided_quantile;
use regiscope_glmm::matrix::Matrix;
use serde::Serialize;

use super::logistic_normal::logistic;

/// Algorithms ranked under chosen conditions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RiskRanking {
    /// The conditions; none: cases as they are.
    pub conditions: Vec<Condition>,
    /// Cases that the weights are worth: 1/Σw².
    pub effective_cases: f64,
    /// The algorithms, in the order of the observations.
    pub algorithms: Vec<RankedRisk>,
}

/// The risk of one algorithm, and its rank.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedRisk {
    /// The algorithm.
    pub algorithm: String,
    /// Probability of failure.
    pub risk: f64,
    /// Its standard error.
    pub se: f64,
    /// Ends of its interval, through the logit.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
    /// Its rank: 1 has the least risk.
    pub rank: usize,
    /// Mean of its rank over the draws.
    pub mean_rank: f64,
    /// Ends of the interval of its rank.
    pub rank_lower: usize,
    /// See `rank_lower`.
    pub rank_upper: usize,
    /// Probability of each rank, from 1.
    pub rank_probabilities: Vec<f64>,
}

/// Draws of the risks.
const DRAWS: usize = 10_000;

/// Ranks the algorithms over cases with these conditions.
///
/// # Errors
/// If no weights give the conditions.
pub fn rank(
    observations: &Observations,
    risks: &RiskModel,
    conditions: &[Condition],
    level: f64,
    seed: u64,
) -> Result<RiskRanking, FailureError> {
    let weights = weights(observations, conditions)?;
    let (risk, covariance) = risks.of_algorithms(&weights);
    let count = risk.len();
    let (mean, root) = on_logits(&risk, &covariance);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut counts = vec![vec![0_usize; count]; count];
    let mut order: Vec<usize> = (0..count).collect();
    for _ in 0..DRAWS {
        let z: Vec<f64> = (0..count).map(|_| StandardNormal.sample(&mut random)).collect();
        let drawn: Vec<f64> = (0..count).map(|i| mean[i] + (0..=i).map(|j| root[(i, j)] * z[j]).sum::<f64>()).collect();
        order.sort_by(|&a, &b| drawn[a].total_cmp(&drawn[b]));
        order.iter().enumerate().for_each(|(rank, &a)| counts[a][rank] += 1);
    }
    let quantile = two_sided_quantile(level, f64::INFINITY);
    let tail = 0.5 * (1.0 - level);
    let algorithms = (0..count).map(|a| {
        let probabilities: Vec<f64> = counts[a].iter().map(|&c| c as f64 / DRAWS as f64).collect();
        let below = |share: f64| {
            let mut sum = 0.0;
            let at = probabilities.iter().position(|p| {
                sum += p;
                sum > share
            });
            at.unwrap_or(count - 1) + 1
        };
        let se = covariance[(a, a)].max(0.0).sqrt();
        let half = quantile * (0..=a).map(|j| root[(a, j)].powi(2)).sum::<f64>().sqrt();
        RankedRisk {
            algorithm: observations.algorithms[a].clone(),
            risk: risk[a],
            se,
            lower: logistic(mean[a] - half),
            upper: logistic(mean[a] + half),
            rank: 1 + risk.iter().filter(|r| **r < risk[a]).count(),
            mean_rank: probabilities.iter().enumerate().map(|(r, p)| (r + 1) as f64 * p).sum(),
            rank_lower: below(tail),
            rank_upper: below(1.0 - tail - 1e-12),
            rank_probabilities: probabilities,
        }
    });
    let effective_cases = weights.iter().map(|w| w * w).sum::<f64>().recip();
    Ok(RiskRanking { conditions: conditions.to_vec(), effective_cases, algorithms: algorithms.collect() })
}

/// Means and a root of the covariance of the logits; a direction without variance stays still.
fn on_logits(risk: &[f64], covariance: &Matrix) -> (Vec<f64>, Matrix) {
    let slope: Vec<f64> = risk.iter().map(|r| 1.0 / (r * (1.0 - r)).max(1e-300)).collect();
    let n = risk.len();
    let mut c = Matrix::from_fn(n, n, |i, j| covariance[(i, j)] * slope[i] * slope[j]);
    let jitter = 1e-10 * c.diagonal().iter().copied().fold(1e-12, f64::max);
    (0..n).for_each(|i| c[(i, i)] += jitter);
    let root = c
        .cholesky()
        .unwrap_or_else(|| Matrix::from_fn(n, n, |i, j| if i == j { c[(i, i)].max(0.0).sqrt() } else { 0.0 }));
    (risk.iter().map(|r| (r / (1.0 - r)).ln()).collect(), root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::linearised::Linearised;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::small_study;

    #[test]
    fn ranks_follow_risks_and_conditions_move_them() {
        let observations = small_study(2);
        let model = fit_failures(&observations, &[0], None).unwrap();
        let joint = Linearised::new(&model).unwrap();
        let risks = RiskModel::new(&observations, &model, &joint);
        let plain = rank(&observations, &risks, &[], 0.95, 1).unwrap();
        assert!((plain.effective_cases - 400.0).abs() < 1e-6);
        for a in &plain.algorithms {
            assert!((a.rank_probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            assert!(a.rank_lower <= a.rank && a.rank <= a.rank_upper, "{a:?}");
            assert!(a.lower < a.risk && a.risk < a.upper);
        }
        let mut ranks: Vec<usize> = plain.algorithms.iter().map(|a| a.rank).collect();
        ranks.sort_unstable();
        assert_eq!(ranks, [1, 2, 3, 4, 5, 6]);
        let dark = Condition { name: "underexposed_instrument".into(), share: 0.9 };
        let darker = rank(&observations, &risks, &[dark], 0.95, 1).unwrap();
        for (a, b) in plain.algorithms.iter().zip(&darker.algorithms) {
            assert!(b.risk > a.risk + 0.03);
        }
        assert!(darker.effective_cases < 300.0);
        assert_eq!(plain, rank(&observations, &risks, &[], 0.95, 1).unwrap());
    }
}
