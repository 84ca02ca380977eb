//! Checks of residuals against simulations from the fitted model.
//!
//! A residual is the place of an observation among simulated ones, drawn at random between ties (Dunn & Smyth 1996,
//! "Randomized quantile residuals"; Hartig's DHARMa made the checks known). If the model holds, residuals are uniform.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::distributions::two_sided_t;
use super::error::InferenceError;
use super::simulate::{SimulatedEffects, Simulator};
use crate::design::{Design, Response};
use crate::fit::Fit;
use statrs::function::beta::beta_reg;

/// The checks, with the residuals they were made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResidualChecks {
    /// Number of simulations.
    pub simulations: usize,
    /// Residuals between 0 and 1, one for each observation.
    pub residuals: Vec<f64>,
    /// Mean of the simulated responses, one for each observation.
    pub expected: Vec<f64>,
    /// Whether the residuals are uniform: Kolmogorov and Smirnov's test.
    pub uniformity: CheckResult,
    /// Whether the responses spread as the model says: variance about the simulated means over that of simulations.
    pub dispersion: CheckResult,
    /// Whether as many responses lie outside of all simulations as is to be expected: their number over the expected one
    /// (binomial test).
    pub outliers: CheckResult,
    /// Whether there are as many zeros as the model says: their number over the mean of the simulations.
    pub zeros: CheckResult,
}

/// The outcome of one check.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CheckResult {
    /// The statistic: D for uniformity, else observed over expected (1 where the model holds).
    pub statistic: f64,
    /// Two-sided probability of a statistic as extreme.
    pub p: f64,
}

/// Simulates from a fit and checks its responses. At least 2 simulations; 250 or more are usual.
pub fn check_residuals(
    design: &Design,
    fit: &Fit,
    effects: SimulatedEffects,
    simulations: usize,
    seed: u64,
) -> Result<ResidualChecks, InferenceError> {
    if simulations < 2 {
        let accepted = "at least 2 are needed".into();
        return Err(InferenceError::Value {
            what: "the number of simulations",
            found: simulations.to_string(),
            accepted,
        });
    }
    let simulator = Simulator::new(design, fit)?;
    let drawn: Vec<Vec<f64>> = (0..simulations as u64).map(|k| numbers(&simulator.draw(effects, seed, k))).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(u64::MAX);
    Ok(check_against(&numbers(&design.response), &drawn, &mut random))
}

/// Responses as numbers: successes, or the index of the category.
fn numbers(response: &Response) -> Vec<f64> {
    match response {
        Response::Real(values) => values.clone(),
        Response::Counts { successes, .. } => successes.clone(),
        Response::Ordinal { codes, .. } => codes.iter().map(|&c| f64::from(c)).collect(),
    }
}

/// The checks of observed responses against simulated ones (each as long as the observed).
pub fn check_against(observed: &[f64], simulated: &[Vec<f64>], random: &mut impl Rng) -> ResidualChecks {
    let (n, m) = (observed.len(), simulated.len() as f64);
    let mut residuals = Vec::with_capacity(n);
    let mut expected = Vec::with_capacity(n);
    let mut outside = 0_usize;
    for (i, &y) in observed.iter().enumerate() {
        let column = simulated.iter().map(|s| s[i]);
        let below = column.clone().filter(|&s| s < y).count() as f64;
        let up_to = column.clone().filter(|&s| s <= y).count() as f64;
        expected.push(column.sum::<f64>() / m);
        outside += usize::from(below == m || up_to == 0.0);
        // Between the shares of smaller and of not larger simulations; half a simulation beyond the ends.
        let (low, high) = (below / (m + 1.0), (up_to + 1.0) / (m + 1.0));
        residuals.push(low + (high - low) * random.random::<f64>());
    }
    let spread = |y: &[f64]| y.iter().zip(&expected).map(|(y, e)| (y - e).powi(2)).sum::<f64>();
    let zeros = |y: &[f64]| y.iter().filter(|&&y| y == 0.0).count() as f64;
    ResidualChecks {
        simulations: simulated.len(),
        uniformity: kolmogorov_smirnov(&residuals),
        dispersion: against(spread(observed), simulated.iter().map(|s| spread(s))),
        outliers: outliers(outside, n, 2.0 / (m + 1.0)),
        zeros: against(zeros(observed), simulated.iter().map(|s| zeros(s))),
        residuals,
        expected,
    }
}

/// A statistic over its mean in simulations; two-sided probability from its rank.
fn against(observed: f64, simulated: impl Iterator<Item = f64>) -> CheckResult {
    let all: Vec<f64> = simulated.collect();
    let m = all.len() as f64;
    let mean = all.iter().sum::<f64>() / m;
    let smaller = all.iter().filter(|&&s| s <= observed).count() as f64 / m;
    let larger = all.iter().filter(|&&s| s >= observed).count() as f64 / m;
    let statistic = if observed == mean { 1.0 } else { observed / mean };
    CheckResult { statistic, p: (2.0 * smaller.min(larger)).min(1.0) }
}

/// Binomial test of the number of outliers.
fn outliers(count: usize, n: usize, share: f64) -> CheckResult {
    let (k, size) = (count as f64, n as f64);
    let at_least = if count == 0 { 1.0 } else { beta_reg(k, size - k + 1.0, share) };
    let at_most = if count == n { 1.0 } else { 1.0 - beta_reg(k + 1.0, size - k, share) };
    CheckResult { statistic: k / (size * share), p: (2.0 * at_least.min(at_most)).min(1.0) }
}

/// Kolmogorov and Smirnov's test of uniformity: exact probability up to 140 values, else the limit with Stephens's
/// correction.
pub fn kolmogorov_smirnov(values: &[f64]) -> CheckResult {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance =
        sorted.iter().enumerate().fold(0.0_f64, |d, (i, &v)| d.max(v - i as f64 / n).max((i as f64 + 1.0) / n - v));
    let p = if sorted.len() <= 140 {
        1.0 - exact_kolmogorov(sorted.len(), distance)
    } else {
        limiting_kolmogorov(n, distance)
    };
    CheckResult { statistic: distance, p: p.clamp(0.0, 1.0) }
}

/// P(D < d) of n uniform numbers: Marsaglia, Tsang & Wang (2003), "Evaluating Kolmogorov's Distribution".
fn exact_kolmogorov(n: usize, d: f64) -> f64 {
    let k = (n as f64 * d) as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - n as f64 * d;
    let mut matrix = vec![vec![0.0; m]; m];
    for (i, row) in matrix.iter_mut().enumerate() {
        for (j, v) in row.iter_mut().enumerate() {
            *v = if i + 1 < j { 0.0 } else { 1.0 };
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[0] -= h.powi(i as i32 + 1);
    }
    for (i, last) in matrix[m - 1].iter_mut().enumerate() {
        *last -= h.powi((m - i) as i32);
    }
    if 2.0 * h > 1.0 {
        matrix[m - 1][0] += (2.0 * h - 1.0).powi(m as i32);
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        for (j, v) in row.iter_mut().enumerate().take(i + 1) {
            for g in 1..=(i + 1 - j) {
                *v /= g as f64;
            }
        }
    }
    // The middle element of the n-th power, times n!/nⁿ spread over the factors so that nothing overflows.
    let mut row = vec![0.0; m];
    row[k - 1] = 1.0;
    for step in 1..=n {
        let factor = step as f64 / n as f64;
        row = (0..m).map(|j| factor * (0..m).map(|i| row[i] * matrix[i][j]).sum::<f64>()).collect();
    }
    row[k - 1]
}

/// P(D > d) in the limit.
fn limiting_kolmogorov(n: f64, d: f64) -> f64 {
    let x = d * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if x < 0.2 {
        return 1.0;
    }
    (1..=100).map(f64::from).map(|k| 2.0 * if k % 2.0 == 1.0 { 1.0 } else { -1.0 } * (-2.0 * k * k * x * x).exp()).sum()
}

/// Two-sided probability that residuals do not trend with a predictor: the slope of a line through them, as of Student's
/// t.
pub fn trend(residuals: &[f64], predictor: &[f64]) -> CheckResult {
    let n = residuals.len() as f64;
    let (mean_r, mean_x) = (residuals.iter().sum::<f64>() / n, predictor.iter().sum::<f64>() / n);
    let (mut xx, mut xr, mut rr) = (0.0, 0.0, 0.0);
    for (r, x) in residuals.iter().zip(predictor) {
        let (dr, dx) = (r - mean_r, x - mean_x);
        (xx, xr, rr) = (xx + dx * dx, xr + dx * dr, rr + dr * dr);
    }
    let slope = xr / xx;
    let t = slope / ((rr - slope * xr) / (n - 2.0) / xx).sqrt();
    CheckResult { statistic: t, p: two_sided_t(t, n - 2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, Normal, Poisson};

    fn drawn<D: Distribution<f64>>(d: &D, n: usize, m: usize, random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        (0..m).map(|_| (0..n).map(|_| d.sample(random)).collect()).collect()
    }

    #[test]
    fn a_right_model_passes_and_wrong_ones_fail_the_check_that_names_their_fault() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let model = Poisson::new(2.0).unwrap();
        let simulated = drawn(&model, 400, 250, &mut random);
        let right = drawn(&model, 400, 1, &mut random).remove(0);
        let checks = check_against(&right, &simulated, &mut random);
        for check in [checks.uniformity, checks.dispersion, checks.outliers, checks.zeros] {
            assert!(check.p > 0.02, "{checks:?}");
        }
        let mean = checks.residuals.iter().sum::<f64>() / 400.0;
        assert!((mean - 0.5).abs() < 0.05);

        // Twice the variance.
        let wide: Vec<f64> = right.iter().map(|y| if *y > 2.0 { y + 2.0 } else { (y - 1.0).max(0.0) }).collect();
        let checks = check_against(&wide, &simulated, &mut random);
        assert!(checks.dispersion.statistic > 1.5 && checks.dispersion.p < 0.01);
        // A third of them zeros.
        let inflated: Vec<f64> = right.iter().enumerate().map(|(i, y)| if i % 3 == 0 { 0.0 } else { *y }).collect();
        let checks = check_against(&inflated, &simulated, &mut random);
        assert!(checks.zeros.statistic > 2.0 && checks.zeros.p < 0.01 && checks.uniformity.p < 0.01);
        // Far outside.
        let far: Vec<f64> = right.iter().enumerate().map(|(i, y)| if i % 10 == 0 { 40.0 } else { *y }).collect();
        assert!(check_against(&far, &simulated, &mut random).outliers.p < 1e-6);
    }

    /// Marsaglia, Tsang & Wang's example P(D₁₀ < 0.274); the limit agrees with it for many values.
    #[test]
    fn kolmogorovs_distribution_is_the_published_one() {
        assert!((exact_kolmogorov(10, 0.274) - 0.628479615).abs() < 1e-8);
        let limit = limiting_kolmogorov(140.0, 0.1);
        assert!((limit - (1.0 - exact_kolmogorov(140, 0.1))).abs() < 5e-3, "{limit}");
    }

    #[test]
    fn a_trend_is_seen() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let noise = Normal::new(0.0, 1.0).unwrap();
        let x: Vec<f64> = (0..100).map(f64::from).collect();
        let flat: Vec<f64> = x.iter().map(|_| noise.sample(&mut random)).collect();
        let steep: Vec<f64> = flat.iter().zip(&x).map(|(r, x)| r + 0.05 * x).collect();
        assert!(trend(&flat, &x).p > 0.05 && trend(&steep, &x).p < 1e-6);
    }
}
