//! Results of algorithms: failure and score from one uniform number, and energy.

use super::{Outcome, StudySettings, Truth, logistic, normal, pair};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use statrs::function::beta::inv_beta_reg;

/// What results are drawn from.
pub(super) struct Design<'a> {
    pub settings: &'a StudySettings,
    pub truth: &'a Truth,
    pub score_of_procedure: &'a [f64],
    pub values: &'a [Vec<u8>],
    pub procedure_of_image: &'a [usize],
}

/// Results image by image, in each image algorithm by algorithm.
pub(super) fn results(design: &Design, random: &mut ChaCha8Rng) -> Vec<Outcome> {
    let Design { settings, truth, .. } = design;
    // What one image costs an algorithm in the mean, J.
    let joules: Vec<f64> = (0..settings.algorithms).map(|_| 3.0 * libm::exp(0.7 * normal(random))).collect();
    let mut all = Vec::with_capacity(settings.images * settings.algorithms);
    for (image, &procedure) in design.procedure_of_image.iter().enumerate() {
        let (failure_of_image, score_of_image) = pair(truth.failure_sd.image, truth.score_sd.image, random);
        let costs = libm::exp(0.1 * normal(random));
        for (algorithm, joules) in joules.iter().enumerate() {
            let mut failure = truth.failure_intercept
                + failure_of_image
                + truth.failure_of_procedure[procedure]
                + truth.failure_of_algorithm[algorithm];
            let mut score = truth.score_intercept
                + score_of_image
                + design.score_of_procedure[procedure]
                + truth.score_of_algorithm[algorithm];
            let mut zero = truth.zero_intercept;
            for (j, c) in settings.characteristics.iter().enumerate() {
                let x = f64::from(design.values[j][image]);
                failure += (c.failure + truth.slopes_of_algorithm[algorithm][j]) * x;
                score += c.score * x;
                zero += c.zero * x;
            }
            let uniform: f64 = random.random();
            let noise = libm::exp(0.05 * normal(random));
            all.push(Outcome {
                failure: uniform < logistic(failure),
                dice: dice(uniform, logistic(zero), logistic(score), truth.score_precision),
                energy_j: (joules * costs * noise * 1e4).round() / 1e4,
            });
        }
    }
    all
}

/// The quantile of the zero-inflated beta distribution, kept off 1 and, beyond the lump, off 0.
fn dice(uniform: f64, zero: f64, mean: f64, precision: f64) -> f64 {
    if uniform < zero {
        return 0.0;
    }
    let rest = (uniform - zero) / (1.0 - zero);
    let quantile = inv_beta_reg(mean * precision, (1.0 - mean) * precision, rest);
    (quantile * 1e6).round().clamp(1.0, 999_999.0) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::function::beta::beta_reg;

    #[test]
    fn scores_are_quantiles() {
        assert_eq!(dice(0.01, 0.02, 0.8, 9.0), 0.0);
        for (uniform, mean) in [(0.03, 0.9), (0.2, 0.6), (0.5, 0.85), (0.97, 0.3)] {
            let found = dice(uniform, 0.02, mean, 9.0);
            let back = 0.02 + 0.98 * beta_reg(mean * 9.0, (1.0 - mean) * 9.0, found);
            assert!((back - uniform).abs() < 1e-5, "{uniform}: {back}");
        }
        assert_eq!(dice(1.0 - 1e-16, 0.0, 0.999, 9.0), 0.999_999);
    }
}
