//! Simulation-based calibration: where the truth ranks among draws.
//!
//! If truths come from the prior and draws from the posterior given data made from each truth, the rank of `f(truth)` among
//! `f(draws)` is uniform for every function `f` of pose and data (Talts et al. 2018, arXiv 1804.06788). Deviations are told
//! by the largest distance of the ranks' distribution from the diagonal (Kolmogorov) and by χ² over equal bins.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Relative rank, in (0, 1), of `truth` among `draws`; ties are broken at random, and within its step the rank is drawn
/// uniformly, so that a calibrated posterior gives a continuous uniform distribution.
pub fn relative_rank(truth: f64, draws: &[f64], rng: &mut ChaCha8Rng) -> f64 {
    let below = draws.iter().filter(|d| **d < truth).count();
    let equal = draws.iter().filter(|d| **d == truth).count();
    let step = below + rng.random_range(0..=equal);
    (step as f64 + rng.random::<f64>()) / (draws.len() as f64 + 1.0)
}

/// How uniform some relative ranks are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uniformity {
    /// What was ranked.
    pub name: String,
    /// Counts in equal bins of (0, 1).
    pub histogram: Vec<usize>,
    /// Largest distance of the empirical distribution from the uniform one.
    pub distance: f64,
    /// Distance that 95 % of uniform samples of this size stay below.
    pub bound: f64,
    /// Probability of a larger distance if ranks are uniform.
    pub p_distance: f64,
    /// Probability of a larger χ² of the histogram if ranks are uniform.
    pub p_chi_squared: f64,
    /// The ranks, ascending.
    pub ranks: Vec<f64>,
}

impl Uniformity {
    /// Looks at ranks in (0, 1), with about √n but at most 20 bins.
    pub fn of(name: impl Into<String>, ranks: &[f64]) -> Self {
        let mut ranks = ranks.to_vec();
        ranks.sort_by(f64::total_cmp);
        let n = ranks.len();
        let bins = ((n as f64).sqrt() as usize).clamp(2, 20);
        let mut histogram = vec![0; bins];
        ranks.iter().for_each(|r| histogram[((r * bins as f64) as usize).min(bins - 1)] += 1);
        let count = n.max(1) as f64;
        let off = |(k, r): (usize, &f64)| (r - k as f64 / count).abs().max(((k + 1) as f64 / count - r).abs());
        let distance = ranks.iter().enumerate().map(off).fold(0.0, f64::max);
        let expected = n as f64 / bins as f64;
        let chi_squared =
            if n == 0 { 0.0 } else { histogram.iter().map(|c| (*c as f64 - expected).powi(2) / expected).sum::<f64>() };
        let law = ChiSquared::new((bins - 1) as f64).expect("at least one degree of freedom");
        let p_chi_squared = 1.0 - law.cdf(chi_squared);
        let p_distance = kolmogorov_p(distance, n);
        Self { name: name.into(), histogram, distance, bound: bound(0.05, n), p_distance, p_chi_squared, ranks }
    }
}

/// Probability that the Kolmogorov distance of `n` uniform numbers exceeds `distance`: Kolmogorov's series with Stephens's
/// correction for finite `n` (1970), within 0.001 from n = 5 on where it is below 0.5.
pub fn kolmogorov_p(distance: f64, n: usize) -> f64 {
    let root = (n as f64).sqrt();
    let x = distance * (root + 0.12 + 0.11 / root.max(1.0));
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| (if k % 2 == 1 { 2.0 } else { -2.0 }) * (-2.0 * f64::from(k * k) * x * x).exp();
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// Distance that `n` uniform numbers exceed with probability `p`.
pub fn bound(p: f64, n: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if kolmogorov_p(middle, n) > p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Holm's adjusted p-values, in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let (mut adjusted, mut running) = (vec![1.0; p.len()], 0.0f64);
    for (k, &n) in order.iter().enumerate() {
        running = running.max((p[n] * (p.len() - k) as f64).min(1.0));
        adjusted[n] = running;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn bounds_are_those_of_the_tables() {
        // Two-sided 5 % points of the one-sample statistic (Massey 1951): n = 20, 50, and 1.358 / √n for many.
        assert!((bound(0.05, 20) - 0.294).abs() < 2e-3, "{}", bound(0.05, 20));
        assert!((bound(0.05, 50) - 0.188).abs() < 2e-3, "{}", bound(0.05, 50));
        assert!((bound(0.05, 1000) - 1.358 / 1000f64.sqrt()).abs() < 2e-4);
    }

    #[test]
    fn a_right_posterior_is_inside_and_a_narrow_one_outside() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let normal = |rng: &mut ChaCha8Rng| rng.sample::<f64, _>(rand_distr::StandardNormal);
        let mut run = |width: f64| {
            let ranks: Vec<f64> = (0..400)
                .map(|_| {
                    // Prior N(0, 1), datum N(θ, 1): posterior N(y/2, 1/2).
                    let truth = normal(&mut rng);
                    let y = truth + normal(&mut rng);
                    let sd = width * 0.5f64.sqrt();
                    let draws: Vec<f64> = (0..99).map(|_| 0.5 * y + sd * normal(&mut rng)).collect();
                    relative_rank(truth, &draws, &mut rng)
                })
                .collect();
            Uniformity::of("θ", &ranks)
        };
        let (right, narrow) = (run(1.0), run(0.5));
        assert!(right.distance < right.bound && right.p_chi_squared > 0.01, "{right:?}");
        assert!(narrow.p_distance < 1e-3 && narrow.p_chi_squared < 1e-6, "{narrow:?}");
        assert_eq!(right.histogram.iter().sum::<usize>(), 400);
    }

    #[test]
    fn equal_values_rank_uniformly() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let ranks: Vec<f64> = (0..500).map(|_| relative_rank(1.0, &[1.0; 9], &mut rng)).collect();
        let found = Uniformity::of("constant", &ranks);
        assert!(found.distance < found.bound, "{found:?}");
    }

    #[test]
    fn holm_adjusts_in_order() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
    }
}
