//! Importance weights, and how far they can be trusted.
//!
//! Poses drawn from a density `q` represent the posterior with the weights `w ∝ p(y|T) p(T) / q(T)`. The largest weights
//! are smoothed by a generalised Pareto distribution fitted to them, and its shape `k̂` tells whether the weights have
//! the moments that averages need (PSIS: A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, "Pareto smoothed
//! importance sampling", JMLR 25(72), 2024; fit: J. Zhang, M. A. Stephens, "A new and efficient estimation method for
//! the generalized Pareto distribution", Technometrics 51(3), 2009).

use rand::Rng;

/// What the shape of the largest weights says; thresholds of Vehtari et al. 2024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `k̂` is below `min(1 − 1/log₁₀ S, 0.7)` for S samples.
    Trust,
    /// `k̂` is below 1, but too large for this number of samples: averages converge slowly and errors are larger than
    /// stated.
    Doubtful,
    /// `k̂` is 1 or more, or cannot be known: the weights have no mean, and averages mean nothing.
    DoNotTrust,
}

impl Verdict {
    /// The verdict on a shape with so many samples.
    pub fn of(k_hat: f64, samples: usize) -> Self {
        let enough = (1.0 - 1.0 / (samples.max(2) as f64).log10()).min(0.7);
        if k_hat < enough {
            Self::Trust
        } else if k_hat < 1.0 {
            Self::Doubtful
        } else {
            Self::DoNotTrust
        }
    }

    /// The verdict in plain words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Trust => "The weighted samples can be trusted.",
            Self::Doubtful => {
                "The weighted samples are doubtful: a few of them carry much of the weight. Draw more samples or from a better proposal."
            }
            Self::DoNotTrust => {
                "The weighted samples must not be trusted: the proposal misses where the posterior is. Use a better proposal or another method."
            }
        }
    }
}

/// Self-normalised importance weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Smoothed log weights whose exponentials add up to 1; `−∞` for weight 0.
    pub log_weights: Vec<f64>,
    /// Effective sample size `1 / Σ w²`.
    pub ess: f64,
    /// Pareto shape of the largest weights.
    pub k_hat: f64,
    /// Log of the mean weight: the log evidence where densities are normalised.
    pub log_evidence: f64,
    /// Its standard error (delta method; meaningless where the verdict is not [`Verdict::Trust`]).
    pub log_evidence_se: f64,
    /// Whether to trust it all.
    pub verdict: Verdict,
}

impl Weights {
    /// The weights themselves; they add up to 1.
    pub fn normalised(&self) -> Vec<f64> {
        self.log_weights.iter().map(|w| w.exp()).collect()
    }
}

/// Smoothed weights from log ratios `ln p(y|T) p(T) − ln q(T)`; `−∞` counts as weight 0, NaN too.
pub fn weigh(log_ratios: &[f64]) -> Weights {
    let mut logs: Vec<f64> = log_ratios.iter().map(|r| if r.is_nan() { f64::NEG_INFINITY } else { *r }).collect();
    let samples = logs.len();
    let k_hat = smooth(&mut logs);
    let total = log_sum_exp(&logs);
    if !total.is_finite() {
        let (ess, log_evidence) = (0.0, f64::NEG_INFINITY);
        let verdict = Verdict::DoNotTrust;
        return Weights { log_weights: logs, ess, k_hat, log_evidence, log_evidence_se: f64::INFINITY, verdict };
    }
    logs.iter_mut().for_each(|w| *w -= total);
    let ess = 1.0 / logs.iter().map(|w| (2.0 * w).exp()).sum::<f64>();
    Weights {
        log_weights: logs,
        ess,
        k_hat,
        log_evidence: total - (samples as f64).ln(),
        log_evidence_se: (1.0 / ess - 1.0 / samples as f64).max(0.0).sqrt(),
        verdict: Verdict::of(k_hat, samples),
    }
}

/// Pareto shape of the largest of some log weights: 0 where all are equal, infinite where fewer than 25 are given or
/// too few are positive to know.
pub fn pareto_k(log_ratios: &[f64]) -> f64 {
    smooth(&mut log_ratios.to_vec())
}

/// `ln Σ exp`; `−∞` for nothing.
pub(crate) fn log_sum_exp(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top.is_finite() { top + logs.iter().map(|l| (l - top).exp()).sum::<f64>().ln() } else { top }
}

/// Replaces the largest weights by expected order statistics of their Pareto distribution, never above the largest
/// raw weight, and returns its shape.
fn smooth(logs: &mut [f64]) -> f64 {
    const FEWEST_SAMPLES: usize = 25;
    const FEWEST_TAIL: usize = 5;
    let samples = logs.len();
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if samples < FEWEST_SAMPLES || !top.is_finite() {
        return f64::INFINITY;
    }
    let mut order: Vec<usize> = (0..samples).collect();
    order.sort_by(|&a, &b| logs[a].total_cmp(&logs[b]).then(a.cmp(&b)));
    let tail = (0.2 * samples as f64).min(3.0 * (samples as f64).sqrt()).ceil() as usize;
    let (body, tail) = order.split_at(samples - tail);
    let cutoff = logs[body[body.len() - 1]];
    if top - cutoff < 1e-12 {
        return 0.0;
    }
    let base = (cutoff - top).exp();
    let excess: Vec<f64> = tail.iter().map(|&n| (logs[n] - top).exp() - base).collect();
    // Ties with the cutoff are no exceedances.
    let positive: Vec<f64> = excess.iter().copied().filter(|&x| x > 0.0).collect();
    if positive.len() < FEWEST_TAIL || !cutoff.is_finite() && positive.len() < tail.len() {
        return f64::INFINITY;
    }
    let (k, sigma) = generalised_pareto(&positive);
    if !k.is_finite() {
        return f64::INFINITY;
    }
    let first = tail.len() - positive.len();
    for (j, &n) in tail[first..].iter().enumerate() {
        let p = (j as f64 + 0.5) / positive.len() as f64;
        let log = -(-p).ln_1p();
        let quantile = if k.abs() < 1e-12 { sigma * log } else { sigma * (k * log).exp_m1() / k };
        logs[n] = top + (base + quantile).ln().min(0.0);
    }
    k
}

/// Shape and scale of the generalised Pareto distribution of ascending positive numbers; the shape is drawn towards
/// 0.5 as by ten further numbers (Vehtari et al., appendix).
fn generalised_pareto(x: &[f64]) -> (f64, f64) {
    let n = x.len();
    let grid = 30 + (n as f64).sqrt().floor() as usize;
    let quartile = x[((n as f64 / 4.0 + 0.5).floor() as usize).max(1) - 1];
    let largest = x[n - 1];
    let shape = |b: f64| x.iter().map(|v| (-b * v).ln_1p()).sum::<f64>() / n as f64;
    let theta: Vec<f64> = (1..=grid)
        .map(|j| 1.0 / largest + (1.0 - (grid as f64 / (j as f64 - 0.5)).sqrt()) / (3.0 * quartile))
        .collect();
    let log_profile: Vec<f64> = theta
        .iter()
        .map(|&b| {
            let k = shape(b);
            n as f64 * ((-b / k).ln() - k - 1.0)
        })
        .map(|l| if l.is_nan() { f64::NEG_INFINITY } else { l })
        .collect();
    let total = log_sum_exp(&log_profile);
    let b: f64 = theta.iter().zip(&log_profile).map(|(t, l)| t * (l - total).exp()).sum();
    let k = shape(b);
    let sigma = -k / b;
    let n = n as f64;
    (k * n / (n + 10.0) + 5.0 / (n + 10.0), sigma)
}

/// Positions of `count` samples drawn by systematic resampling: sample `n` comes `count · wₙ` times, rounded up or
/// down. Ascending. Empty where all weights are 0.
pub fn resample(log_weights: &[f64], count: usize, random: &mut impl Rng) -> Vec<usize> {
    let total = log_sum_exp(log_weights);
    if !total.is_finite() || count == 0 {
        return Vec::new();
    }
    let start: f64 = random.random();
    let last = log_weights.iter().rposition(|w| w.is_finite()).expect("some weight is positive");
    let (mut n, mut sum) = (0, (log_weights[0] - total).exp());
    (0..count)
        .map(|j| {
            let at = (start + j as f64) / count as f64;
            while sum < at && n < last {
                n += 1;
                sum += (log_weights[n] - total).exp();
            }
            n
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn pareto(k: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| -k * (1.0 - random.random::<f64>()).ln()).collect()
    }

    #[test]
    fn the_shape_of_pareto_weights_is_found() {
        for k in [0.2, 0.5, 0.7, 1.2] {
            let mean = (0..20).map(|seed| pareto_k(&pareto(k, 4000, seed))).sum::<f64>() / 20.0;
            // Drawn towards a half by ten numbers in 190.
            let expected = (k * 190.0 + 5.0) / 200.0;
            assert!((mean - expected).abs() < 0.05, "{k}: {mean} {expected}");
        }
        assert_eq!(pareto_k(&[1.5; 100]), 0.0);
        assert_eq!(pareto_k(&[0.0; 10]), f64::INFINITY);
    }

    #[test]
    fn verdicts_have_the_thresholds_of_the_paper() {
        assert_eq!(Verdict::of(0.65, 1000), Verdict::Trust);
        // 1 − 1/log₁₀ 1000 is 0.667.
        assert_eq!(Verdict::of(0.68, 1000), Verdict::Doubtful);
        assert_eq!(Verdict::of(0.68, 10_000), Verdict::Trust);
        assert_eq!(Verdict::of(0.71, 100_000), Verdict::Doubtful);
        assert_eq!(Verdict::of(1.0, 100_000), Verdict::DoNotTrust);
        assert_eq!(Verdict::of(f64::INFINITY, 1000), Verdict::DoNotTrust);
    }

    #[test]
    fn normal_weights_give_the_known_evidence() {
        // A normal target of mass 3, narrower than its normal proposal by 0.7.
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let s: f64 = 0.7;
        let ratios: Vec<f64> = (0..20_000)
            .map(|_| {
                let x: f64 = random.sample(rand_distr::StandardNormal);
                3f64.ln() - 0.5 * x * x / (s * s) - s.ln() + 0.5 * x * x
            })
            .collect();
        let weights = weigh(&ratios);
        assert!((weights.log_evidence - 3f64.ln()).abs() < 4.0 * weights.log_evidence_se);
        assert!(weights.log_evidence_se < 0.01 && weights.verdict == Verdict::Trust, "{weights:?}");
        // E[w]²/E[w²] = s √(2 − s²) … = 0.861 for s = 0.7.
        let expected = s * (2.0 - s * s).sqrt();
        assert!((weights.ess / 20_000.0 - expected).abs() < 0.01, "{}", weights.ess);
        assert!((weights.normalised().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_proposal_that_misses_is_found_out() {
        // A proposal five times too narrow.
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let ratios: Vec<f64> = (0..1000)
            .map(|_| {
                let x: f64 = random.sample::<f64, _>(rand_distr::StandardNormal) * 0.2;
                -0.5 * x * x + 0.5 * x * x / 0.04
            })
            .collect();
        assert_ne!(weigh(&ratios).verdict, Verdict::Trust);
        let nothing = weigh(&[f64::NEG_INFINITY; 50]);
        assert_eq!((nothing.ess, nothing.verdict), (0.0, Verdict::DoNotTrust));
    }

    #[test]
    fn smoothing_keeps_the_order_and_the_largest_weight_bounds_it() {
        let raw = pareto(0.9, 500, 3);
        let mut smoothed = raw.clone();
        smooth(&mut smoothed);
        let mut order: Vec<usize> = (0..500).collect();
        order.sort_by(|&a, &b| raw[a].total_cmp(&raw[b]));
        assert!(order.windows(2).all(|w| smoothed[w[0]] <= smoothed[w[1]]));
        let top = raw.iter().copied().fold(f64::MIN, f64::max);
        assert!(smoothed.iter().all(|&s| s <= top));
    }

    #[test]
    fn systematic_resampling_rounds_expected_counts() {
        let weights = [0.1, 0.0, 0.45, 0.25, 0.2f64];
        let logs = weights.map(f64::ln);
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for _ in 0..50 {
            let drawn = resample(&logs, 7, &mut random);
            assert_eq!(drawn.len(), 7);
            for (n, w) in weights.iter().enumerate() {
                let count = drawn.iter().filter(|&&d| d == n).count() as f64;
                assert!(count >= (7.0 * w).floor() && count <= (7.0 * w).ceil(), "{n}: {count}");
            }
        }
        assert!(resample(&[f64::NEG_INFINITY; 3], 5, &mut random).is_empty());
    }
}
