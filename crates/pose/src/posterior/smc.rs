//! Tempered sequential Monte Carlo: the fallback where importance weights cannot be trusted.
//!
//! A population moves from a density `q` that can be sampled to the posterior `p` through `q^{1−β} p^β`, with steps in β
//! that leave half of the effective sample size, resampling, and Metropolis moves that leave each stage as it is (P. Del
//! Moral, A. Doucet, A. Jasra, "Sequential Monte Carlo samplers", JRSS B 68, 2006). Moves are random walks in the chart at
//! the current pose, whose covariance is that of a component chosen without looking at the pose, and independent draws
//! from a mixture fitted to the population, which jump between modes. Both are reversible for Haar measure.

use super::mixture::{Mixture, Proposal};
use super::target::Target;
use super::weigh::{Verdict, log_sum_exp, pareto_k, resample};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::{Cholesky, Vector6};

/// How a population is moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmcSettings {
    /// Size of the population, ≥ 25.
    pub population: usize,
    /// Sweeps of moves after each step, alternating between random walk and independent draws; ≥ 1.
    pub sweeps: usize,
    /// Part of the effective sample size that a step leaves, above 0 below 1.
    pub ess_share: f64,
    /// Most steps of β.
    pub max_steps: usize,
}

impl Default for SmcSettings {
    fn default() -> Self {
        Self { population: 500, sweeps: 6, ess_share: 0.5, max_steps: 60 }
    }
}

/// A population of the posterior.
#[derive(Clone, Debug)]
pub struct Population {
    /// Poses of equal weight.
    pub poses: Vec<Rigid>,
    /// Log of the unnormalised posterior at each.
    pub log_posteriors: Vec<f64>,
    /// Log evidence.
    pub log_evidence: f64,
    /// Its standard error, from the weights of the steps as if they were independent.
    pub log_evidence_se: f64,
    /// Different poses.
    pub distinct: usize,
    /// Worst Pareto shape of the steps' weights.
    pub k_hat: f64,
    /// Part of the last step's moves that was accepted.
    pub acceptance: f64,
    /// Whether β = 1 was reached with moves that were accepted.
    pub verdict: Verdict,
    /// Images rendered.
    pub evaluations: usize,
}

/// Moves a population from `start` to the posterior. `mixture` is where the search for covariances begins; it needs at
/// least one component.
pub fn smc(
    target: &Target,
    start: &dyn Proposal,
    mixture: &Mixture,
    settings: &SmcSettings,
    random: &mut ChaCha8Rng,
) -> Population {
    let count = settings.population;
    let mut poses = start.draw(count, random);
    let mut log_start = start.log_density(&poses);
    let mut log_posteriors = target.log_posteriors(&poses);
    let mut mixture = mixture.clone();
    let (mut evaluations, mut beta, mut steps) = (count, 0.0, 0);
    let (mut log_evidence, mut variance, mut k_hat, mut acceptance) = (0.0, 0.0f64, 0.0f64, 0.0);
    let mut stretch: f64 = 0.6;
    while beta < 1.0 && steps < settings.max_steps {
        let ratios: Vec<f64> = log_posteriors.iter().zip(&log_start).map(|(p, q)| p - q).collect();
        let next = next_beta(&ratios, beta, settings.ess_share);
        let increments: Vec<f64> =
            ratios.iter().map(|r| if *r > f64::NEG_INFINITY { (next - beta) * r } else { *r }).collect();
        let total = log_sum_exp(&increments);
        if !total.is_finite() {
            break;
        }
        let linear: Vec<f64> = increments.iter().map(|i| (i - total).exp()).collect();
        log_evidence += total - (count as f64).ln();
        variance += (linear.iter().map(|w| w * w).sum::<f64>() - 1.0 / count as f64).max(0.0);
        k_hat = k_hat.max(pareto_k(&increments));
        (beta, steps) = (next, steps + 1);
        for _ in 0..3 {
            mixture = mixture.improved(&poses, &linear);
        }
        let kept = resample(&increments, count, random);
        poses = kept.iter().map(|&n| poses[n]).collect();
        log_start = kept.iter().map(|&n| log_start[n]).collect();
        log_posteriors = kept.iter().map(|&n| log_posteriors[n]).collect();
        let mut accepted = 0;
        for sweep in 0..settings.sweeps {
            let walk = sweep % 2 == 0;
            let (trial, correction) = if walk {
                (walked(target, &poses, &mixture, stretch, random), vec![0.0; count])
            } else {
                let mut trial = mixture.draw(count, random);
                // Even draws come in the order of the components; in random order each is one of the mixture.
                trial.shuffle(random);
                let (from, to) = (mixture.log_density(&poses), mixture.log_density(&trial));
                (trial, from.iter().zip(to).map(|(a, b)| a - b).collect())
            };
            let (trial_start, trial_posteriors) = (start.log_density(&trial), target.log_posteriors(&trial));
            evaluations += count;
            let mut moved = 0;
            for n in 0..count {
                let before = stage(log_start[n], log_posteriors[n], beta);
                let gain = stage(trial_start[n], trial_posteriors[n], beta) - before + correction[n];
                if random.random::<f64>().ln() < gain {
                    (poses[n], log_start[n], log_posteriors[n]) = (trial[n], trial_start[n], trial_posteriors[n]);
                    moved += 1;
                }
            }
            accepted += moved;
            if walk {
                // Towards a quarter of all moves.
                stretch *= (0.7 * (moved as f64 / count as f64 - 0.25)).exp();
            }
        }
        acceptance = accepted as f64 / (count * settings.sweeps) as f64;
    }
    let distinct = distinct(&poses);
    let arrived = beta >= 1.0 && distinct >= count / 4;
    let verdict = if !arrived || acceptance < 0.02 {
        Verdict::DoNotTrust
    } else if acceptance < 0.1 || distinct < count / 2 {
        Verdict::Doubtful
    } else {
        Verdict::Trust
    };
    let log_evidence_se = variance.sqrt();
    Population {
        poses,
        log_posteriors,
        log_evidence,
        log_evidence_se,
        distinct,
        k_hat,
        acceptance,
        verdict,
        evaluations,
    }
}

/// Log density of a stage, without `0 · ∞`.
fn stage(log_start: f64, log_posterior: f64, beta: f64) -> f64 {
    if beta < 1.0 { (1.0 - beta) * log_start + beta * log_posterior } else { log_posterior }
}

/// The greatest β at which the effective sample size of the step's weights is at least `share` of the population.
fn next_beta(ratios: &[f64], beta: f64, share: f64) -> f64 {
    /// A step that is always made, so that a population with one good pose gets on.
    const LEAST: f64 = 1e-6;
    let finite: Vec<f64> = ratios.iter().copied().filter(|r| r.is_finite()).collect();
    let enough = |next: f64| {
        let logs: Vec<f64> = finite.iter().map(|r| (next - beta) * r).collect();
        let twice: Vec<f64> = logs.iter().map(|l| 2.0 * l).collect();
        2.0 * log_sum_exp(&logs) - log_sum_exp(&twice) >= (share * finite.len() as f64).ln()
    };
    if enough(1.0) {
        return 1.0;
    }
    let (mut low, mut high) = (beta, 1.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if enough(middle) { low = middle } else { high = middle }
    }
    low.max(beta + LEAST).min(1.0)
}

/// Random-walk proposals: each pose moves by the scale of a component chosen by weight, times `stretch`.
fn walked(target: &Target, poses: &[Rigid], mixture: &Mixture, stretch: f64, random: &mut ChaCha8Rng) -> Vec<Rigid> {
    let logs: Vec<f64> = mixture.components.iter().map(|c| c.0.ln()).collect();
    let mut chosen = resample(&logs, poses.len(), random);
    chosen.shuffle(random);
    let roots: Vec<_> = mixture
        .components
        .iter()
        .map(|(_, c)| Cholesky::new(*c.scale()).expect("scales are positive definite").l())
        .collect();
    let mut step = |(pose, k): (&Rigid, usize)| {
        let z = Vector6::from_fn(|_, _| random.sample::<f64, _>(StandardNormal));
        target.chart(pose).pose(&(roots[k] * z * stretch))
    };
    poses.iter().zip(chosen).map(&mut step).collect()
}

fn distinct(poses: &[Rigid]) -> usize {
    let mut bits: Vec<[u64; 3]> = poses.iter().map(|p| [0, 1, 2].map(|a| p.translation.vector[a].to_bits())).collect();
    bits.sort_unstable();
    bits.dedup();
    bits.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::mixture::StudentT;
    use crate::posterior::toy;
    use rand::SeedableRng;

    #[test]
    fn a_wide_start_reaches_both_modes_with_their_masses_and_the_evidence() {
        let toy = toy::two_bumps();
        let target = toy.target();
        let pivot = toy.prior.pivot();
        // Ten times too wide, with the wrong masses.
        let wide = |b: &toy::Bump| (0.5, StudentT::new(b.mean, &pivot, b.covariance * 100.0, 6.0).unwrap());
        let start = Mixture::new(toy.bumps.iter().map(wide).collect());
        let settings = SmcSettings { population: 1000, ..SmcSettings::default() };
        let found = smc(&target, &start, &start, &settings, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(found.verdict, Verdict::Trust, "{} {}", found.acceptance, found.distinct);
        let first = toy.log_evidence(&toy.bumps[0]);
        let exact = first - 0.7f64.ln();
        assert!((found.log_evidence - exact).abs() < 0.25, "{} {exact}", found.log_evidence);
        let t = StudentT::new(toy.bumps[0].mean, &pivot, toy.bumps[0].covariance, 5.0).unwrap();
        let near: Vec<&Rigid> = found.poses.iter().filter(|p| t.squared_distance(p) < 60.0).collect();
        assert!((near.len() as f64 / 1000.0 - 0.7).abs() < 0.06, "{}", near.len());
        let mean = near.iter().map(|p| t.squared_distance(p)).sum::<f64>() / near.len() as f64;
        assert!((mean - 6.0).abs() < 0.7, "{mean}");
    }
}
