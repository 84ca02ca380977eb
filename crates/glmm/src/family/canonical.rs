//! Binomial data with the logit and Poisson data with the logarithm: derivatives in closed form, in loops that vectorise.

use super::likelihood::{Likelihood, Slopes};
use super::vectorised::{exp_negative, ln_one_plus};
use multiversion::multiversion;

/// Rows whose log-densities are summed up at once.
const CHUNK: usize = 256;

/// What the rows of a canonical family are made of.
struct Rows<'a> {
    eta: &'a [f64],
    weights: &'a [f64],
    /// Successes or counts.
    y: &'a [f64],
    /// Trials; empty for counts.
    trials: &'a [f64],
}

impl Likelihood<'_> {
    /// The slopes of binomial data with the logit, without jets.
    pub(super) fn logit_slopes(&self, eta: &[f64], out: &mut Slopes) {
        let rows = Rows { eta, weights: self.weights, y: &self.y, trials: &self.trials };
        out.value = logit(&rows, &mut out.d1[0], &mut out.w.by_pair[0], &mut out.d3[0]) + self.constant;
    }

    /// The slopes of Poisson data with the logarithm, without jets.
    pub(super) fn log_poisson_slopes(&self, eta: &[f64], out: &mut Slopes) {
        let rows = Rows { eta, weights: self.weights, y: &self.y, trials: &[] };
        out.value = log_poisson(&rows, &mut out.d1[0], &mut out.w.by_pair[0], &mut out.d3[0]) + self.constant;
    }
}

/// The log-likelihood without its constant, and for each row its first derivative, minus its second and its third one.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn logit(rows: &Rows, d1: &mut [f64], w: &mut [f64], d3: &mut [f64]) -> f64 {
    let mut values = [0.0; CHUNK];
    let mut sum = 0.0;
    for from in (0..rows.eta.len()).step_by(CHUNK) {
        let to = (from + CHUNK).min(rows.eta.len());
        let n = to - from;
        let (eta, weights) = (&rows.eta[from..to], &rows.weights[from..to]);
        let (successes, trials) = (&rows.y[from..to], &rows.trials[from..to]);
        let (d1, w, d3) = (&mut d1[from..to], &mut w[from..to], &mut d3[from..to]);
        let values = &mut values[..n];
        for i in 0..n {
            let (weight, count, y) = (weights[i], trials[i], successes[i]);
            let size = eta[i].abs();
            let e = exp_negative(-size);
            let r = 1.0 / (1.0 + e);
            let (high, low) = (0.5 * (size + eta[i]), 0.5 * (eta[i] - size));
            let (p, q) = if eta[i] >= 0.0 { (r, e * r) } else { (e * r, r) };
            let square = weight * count * p * q;
            d1[i] = weight * (y * q - (count - y) * p);
            w[i] = square;
            d3[i] = square * (p - q);
            // y η − n log(1 + e^η), as −y log(1 + e^−η) − (n − y) log(1 + e^η).
            values[i] = weight * (y * low - (count - y) * high - count * ln_one_plus(e));
        }
        sum += sum_of(values);
    }
    sum
}

/// The same for counts.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn log_poisson(rows: &Rows, d1: &mut [f64], w: &mut [f64], d3: &mut [f64]) -> f64 {
    let mut values = [0.0; CHUNK];
    let mut sum = 0.0;
    for from in (0..rows.eta.len()).step_by(CHUNK) {
        let to = (from + CHUNK).min(rows.eta.len());
        let n = to - from;
        let (eta, weights, y) = (&rows.eta[from..to], &rows.weights[from..to], &rows.y[from..to]);
        let (d1, w, d3) = (&mut d1[from..to], &mut w[from..to], &mut d3[from..to]);
        let values = &mut values[..n];
        for i in 0..n {
            let e = exp_negative(-eta[i].abs());
            let mu = if eta[i] > 0.0 { 1.0 / e } else { e };
            let mean = weights[i] * mu;
            values[i] = weights[i] * (y[i] * eta[i]) - mean;
            d1[i] = weights[i] * y[i] - mean;
            w[i] = mean;
            d3[i] = -mean;
        }
        sum += sum_of(values);
    }
    sum
}

/// The sum of a few hundred numbers in eight lanes.
#[inline(always)]
fn sum_of(values: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Family, Link, ZeroPart};
    use crate::testing;

    #[test]
    fn they_agree_with_the_jets_near_and_far_from_zero() {
        let mut checked = 0;
        for (design, settings) in testing::generalised_designs() {
            let canonical = matches!(
                (settings.family, settings.link),
                (Family::Binomial, Link::Logit) | (Family::Poisson, Link::Log)
            );
            if !canonical || settings.zero != ZeroPart::None {
                continue;
            }
            checked += 1;
            let likelihood = Likelihood::new(&design, &settings);
            for scale in [0.0, 1.0, 12.0] {
                let eta: Vec<f64> = (0..likelihood.rows()).map(|i| scale * testing::noise(i)).collect();
                let (mut fast, mut plain) = (Slopes::default(), Slopes::default());
                likelihood.slopes([&eta, &[]], &[], &mut fast);
                likelihood.slopes([&eta, &[]], &[], &mut plain);
                likelihood.general_slopes([&eta, &[]], &[], &mut plain);
                // The jets hold the constants row by row, the fast form as one sum.
                let plain_value: f64 =
                    (0..eta.len()).map(|i| likelihood.weights[i] * likelihood.log_density(i, [eta[i], 0.0], &[])).sum();
                assert!((fast.value - plain_value).abs() < 1e-11 * (1.0 + plain_value.abs()), "{scale}");
                let close =
                    |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-13 * (1.0 + b.abs()));
                assert!(close(&fast.d1[0], &plain.d1[0]), "{scale}");
                assert!(close(&fast.w.by_pair[0], &plain.w.by_pair[0]), "{scale}");
                assert!(close(&fast.d3[0], &plain.d3[0]), "{scale}");
            }
        }
        assert!(checked >= 2, "{checked}");
    }
}
