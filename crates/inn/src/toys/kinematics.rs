//! Inverse kinematics of an arm in the plane (Ardizzone et al. 2018; Kruse et al. 2021): which joints put the hand there?
//!
//! The arm slides by `x₁` along its rail and turns by `x₂, x₃, x₄` at three joints; segments are 0.5, 0.5 and 1 long.
//! `y = (x₁ + l₁ sin x₂ + l₂ sin(x₂+x₃) + l₃ sin(x₂+x₃+x₄), l₁ cos x₂ + l₂ cos(x₂+x₃) + l₃ cos(x₂+x₃+x₄))`, with the prior
//! `x₁ ~ N(0, ¼²)`, `x₂, x₃, x₄ ~ N(0, ½²)`.

use crate::base::choose;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::f64::consts::PI;

/// Lengths of the segments.
pub const LENGTHS: [f64; 3] = [0.5, 0.5, 1.0];
/// Deviations of the prior.
pub const DEVIATIONS: [f64; 4] = [0.25, 0.5, 0.5, 0.5];

/// A state of the arm drawn from the prior.
pub fn draw(rng: &mut ChaCha8Rng) -> [f64; 4] {
    DEVIATIONS.map(|s| s * rng.sample::<f64, _>(StandardNormal))
}

/// Where the hand is.
pub fn hand(x: &[f64; 4]) -> [f64; 2] {
    let (a, b, c) = (x[1], x[1] + x[2], x[1] + x[2] + x[3]);
    let [l1, l2, l3] = LENGTHS;
    [x[0] + l1 * a.sin() + l2 * b.sin() + l3 * c.sin(), l1 * a.cos() + l2 * b.cos() + l3 * c.cos()]
}

/// Cuts the neighbourhood of a straight last segment, where weights grow without bound, off at this sine.
const LEAST_SINE: f64 = 1e-3;

/// `count` states drawn from the exact posterior given the hand at `y`, by importance resampling of `proposals` states.
///
/// `x₂` and `x₃` come from the prior; `x₄` and `x₁` then follow from `y`, in two ways each turn, with weight
/// `p(x₁) p(x₄) / |∂y/∂(x₁, x₄)|`, the last being `l₃ |sin(x₂+x₃+x₄)|`. Empty where no proposal reaches `y`.
pub fn posterior(y: [f64; 2], count: usize, proposals: usize, rng: &mut ChaCha8Rng) -> Vec<[f64; 4]> {
    let [l1, l2, l3] = LENGTHS;
    let (mut states, mut weights) = (Vec::new(), Vec::new());
    for _ in 0..proposals {
        let [_, x2, x3, _] = draw(rng);
        let cosine = (y[1] - l1 * x2.cos() - l2 * (x2 + x3).cos()) / l3;
        if cosine.abs() >= 1.0 {
            continue;
        }
        for total in [cosine.acos(), -cosine.acos()] {
            let x4 = wrapped(total - x2 - x3);
            let x1 = y[0] - l1 * x2.sin() - l2 * (x2 + x3).sin() - l3 * total.sin();
            let log_prior = -0.5 * ((x1 / DEVIATIONS[0]).powi(2) + (x4 / DEVIATIONS[3]).powi(2));
            states.push([x1, x2, x3, x4]);
            weights.push(log_prior.exp() / (l3 * total.sin().abs().max(LEAST_SINE)));
        }
    }
    let sum: f64 = weights.iter().sum();
    if sum <= 0.0 {
        return Vec::new();
    }
    weights.iter_mut().for_each(|w| *w /= sum);
    (0..count).map(|_| states[choose(&weights, rng)]).collect()
}

fn wrapped(angle: f64) -> f64 {
    angle - 2.0 * PI * (angle / (2.0 * PI)).round()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn posterior_states_put_the_hand_where_it_was_seen_and_average_to_the_prior() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut sums, mut squares) = ([0.0; 4], [0.0; 4]);
        let cases = 400;
        for _ in 0..cases {
            let y = hand(&draw(&mut rng));
            let states = posterior(y, 4, 2000, &mut rng);
            assert_eq!(states.len(), 4);
            for state in &states {
                let there = hand(state);
                assert!((there[0] - y[0]).abs() + (there[1] - y[1]).abs() < 1e-9);
            }
            for k in 0..4 {
                sums[k] += states.iter().map(|s| s[k]).sum::<f64>() / 4.0;
                squares[k] += states.iter().map(|s| s[k] * s[k]).sum::<f64>() / 4.0;
            }
        }
        // The posterior averaged over hands from the prior is the prior.
        for k in 0..4 {
            assert!((sums[k] / cases as f64).abs() < 0.15 * DEVIATIONS[k], "mean {k}");
            let ratio = squares[k] / cases as f64 / DEVIATIONS[k].powi(2);
            assert!((ratio - 1.0).abs() < 0.2, "variance {k}: {ratio}");
        }
    }
}
