//! Expected coverage: how often regions of a stated probability hold the truth.

use super::distance::PoseMetric;
use super::ranks::kolmogorov_p;
use regiscope_geometry::Rigid;
use serde::{Deserialize, Serialize};

/// Credibility at which the truth enters the region around `reference` that draws fill from the nearest on: the part of
/// draws nearer to the reference than the truth is. Uniform over truths if the posterior is right, whatever the reference
/// (TARP: Lemos et al. 2023, arXiv 2302.03026); references should come from outside the posterior, say from the prior.
pub fn tarp(truth: &Rigid, draws: &[Rigid], reference: &Rigid, metric: &PoseMetric) -> f64 {
    let radius = metric.between(truth, reference);
    let nearer = draws.iter().filter(|d| metric.between(d, reference) < radius).count();
    (nearer as f64 + 0.5) / (draws.len() as f64 + 1.0)
}

/// Credibility of the smallest highest-density region that holds the truth: the part of draws with a higher density.
pub fn highest_density(truth_log_density: f64, draw_log_densities: &[f64]) -> f64 {
    let higher = draw_log_densities.iter().filter(|d| **d > truth_log_density).count();
    (higher as f64 + 0.5) / (draw_log_densities.len() as f64 + 1.0)
}

/// Coverage against credibility.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Credibility levels, 0 to 1.
    pub level: Vec<f64>,
    /// Part of truths inside the region of that level.
    pub covered: Vec<f64>,
    /// Largest difference of the two.
    pub largest_gap: f64,
    /// Probability of a larger gap if coverage is right.
    pub p: f64,
}

impl Coverage {
    /// From the credibility of each truth.
    pub fn of(credibility: &[f64]) -> Self {
        const STEPS: usize = 20;
        let n = credibility.len().max(1) as f64;
        let level: Vec<f64> = (0..=STEPS).map(|k| k as f64 / STEPS as f64).collect();
        let covered = level.iter().map(|l| credibility.iter().filter(|c| *c <= l).count() as f64 / n).collect();
        let mut sorted = credibility.to_vec();
        sorted.sort_by(f64::total_cmp);
        let off = |(k, c): (usize, &f64)| (c - k as f64 / n).abs().max(((k + 1) as f64 / n - c).abs());
        let largest_gap = sorted.iter().enumerate().map(off).fold(0.0, f64::max);
        Self { level, covered, largest_gap, p: kolmogorov_p(largest_gap, credibility.len()) }
    }
}

/// How far the masses of modes are from how often they hold the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MassReliability {
    /// Mean mass of the modes in each bin of mass.
    pub mass: Vec<f64>,
    /// Part of them that held the truth.
    pub held_truth: Vec<f64>,
    /// Modes in each bin.
    pub count: Vec<usize>,
    /// Expected calibration error: mean of |mass − part|, bins weighed by their modes (Naeini et al. 2015).
    pub error: f64,
}

impl MassReliability {
    /// From the mass of each mode and whether it held the truth, in ten equal bins; empty bins are left out.
    pub fn of(modes: &[(f64, bool)]) -> Self {
        const BINS: usize = 10;
        let mut bins = vec![(0.0, 0usize, 0usize); BINS];
        for (mass, held) in modes {
            let bin = &mut bins[((mass * BINS as f64) as usize).min(BINS - 1)];
            *bin = (bin.0 + mass, bin.1 + usize::from(*held), bin.2 + 1);
        }
        bins.retain(|bin| bin.2 > 0);
        let mass: Vec<f64> = bins.iter().map(|b| b.0 / b.2 as f64).collect();
        let held_truth: Vec<f64> = bins.iter().map(|b| b.1 as f64 / b.2 as f64).collect();
        let count: Vec<usize> = bins.iter().map(|b| b.2).collect();
        let off = mass.iter().zip(&held_truth).zip(&count).map(|((m, h), c)| (m - h).abs() * *c as f64);
        let error = off.sum::<f64>() / modes.len().max(1) as f64;
        Self { mass, held_truth, count, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    #[test]
    fn coverage_is_right_for_right_draws_and_low_for_overconfident_ones() {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let metric = PoseMetric { pivot: regiscope_geometry::Point::origin(), radius_mm: 50.0 };
        let mut at = |centre: f64, sd: f64| {
            let mut draw = || sd * rng.sample::<f64, _>(StandardNormal);
            let (x, y) = (centre + draw(), draw());
            Rigid::translation(x, y, 0.0)
        };
        let mut run = |width: f64| {
            let one = |_| {
                let truth = at(0.0, 1.0);
                let draws: Vec<Rigid> = (0..99).map(|_| at(0.0, width)).collect();
                let reference = at(1.0, 2.0);
                tarp(&truth, &draws, &reference, &metric)
            };
            Coverage::of(&(0..300).map(one).collect::<Vec<_>>())
        };
        let (right, narrow) = (run(1.0), run(0.4));
        assert!(right.p > 0.05, "{right:?}");
        assert!(narrow.p < 1e-3, "{narrow:?}");
        assert_eq!((right.covered[0], right.covered[20]), (0.0, 1.0));
    }

    #[test]
    fn masses_that_hold_are_reliable() {
        let right: Vec<(f64, bool)> = (0..100).flat_map(|n| [(0.75, n % 4 != 0), (0.25, n % 4 == 0)]).collect();
        assert!(MassReliability::of(&right).error < 1e-12);
        let wrong: Vec<(f64, bool)> = right.iter().map(|(m, h)| (*m, !h)).collect();
        assert!((MassReliability::of(&wrong).error - 0.5).abs() < 1e-12);
    }
}
