//! Truths from the prior have uniform ranks in their posteriors (simulation-based calibration: S. Talts et al. 2018).

use super::*;
use crate::posterior::{Likelihood, Prior, RotationPrior};
use crate::similarity::Quadratic;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use regiscope_geometry::nalgebra::{Matrix6, Vector6};
use regiscope_geometry::{Twist, Vector};
use std::sync::Arc;

/// Coordinates of the pose in the chart at the prior's nominal pose, seen with normal noise: exact by construction,
/// and wide enough that the prior's shape and Haar measure count.
struct Seen {
    prior: Prior,
    values: Vector6<f64>,
    precision: Vector6<f64>,
}

impl Seen {
    fn chart(&self) -> crate::chart::Chart {
        crate::chart::Chart::new(*self.prior.nominal(), &self.prior.pivot(), 1.0)
    }
}

impl Likelihood for Seen {
    fn log_likelihood(&self, pose: &Rigid) -> f64 {
        let r = self.values - self.chart().coordinates(pose);
        -0.5 * r.component_mul(&self.precision).dot(&r)
    }

    fn quadratic(&self, pose: &Rigid) -> Quadratic {
        let x = self.chart().coordinates(pose);
        let back = self.chart().twist_by_coordinates(&x).try_inverse().unwrap();
        Quadratic {
            value: self.log_likelihood(pose),
            gradient: back.transpose() * (self.values - x).component_mul(&self.precision),
            curvature: back.transpose() * Matrix6::from_diagonal(&self.precision) * back,
        }
    }

    fn rays(&self) -> usize {
        1
    }
}

/// Largest gap between the ranks' distribution and the uniform one, in units of `1/√n`.
fn kolmogorov(ranks: &mut [f64]) -> f64 {
    ranks.sort_by(f64::total_cmp);
    let n = ranks.len() as f64;
    let gap = |(i, u): (usize, &f64)| (u - i as f64 / n).abs().max(((i + 1) as f64 / n - u).abs());
    ranks.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

#[test]
fn ranks_of_truths_are_uniform() {
    // One thread: nothing here is worth handing out.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut ranks = pool.install(ranks);
    for (n, ranks) in ranks.iter_mut().enumerate() {
        // The 1 % point of Kolmogorov's distribution.
        let gap = kolmogorov(ranks);
        assert!(gap < 1.63, "function {n}: {gap}");
    }
}

/// Ranks of 150 truths among their posteriors' samples, for seven functions of the pose.
fn ranks() -> Vec<Vec<f64>> {
    let turn = RotationPrior::Turn { axis: Vector::z(), turn: 0.8, swing_sd: 0.35 };
    let nominal = regiscope_geometry::se3::exp(&Twist::new(5.0, 3.0, -8.0, 0.3, 1.0, -0.4));
    let prior = Prior::new(nominal, Point::new(20.0, -10.0, 5.0), turn, [3.0, 2.0, 8.0]).unwrap();
    let sd = Vector6::new(2.0, 1.0, 6.0, 0.3, 0.2, 0.3);
    let precision = sd.map(|s| 1.0 / (s * s));
    let adapt = AdaptSettings { round: 60, rounds: 2, draws: 250, ..AdaptSettings::default() };
    let settings = PosteriorSettings { flow_samples: 80, starts: 2, adapt, ..PosteriorSettings::default() };
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut ranks = vec![Vec::new(); 7];
    for _ in 0..150 {
        let truth = prior.sample(&mut random);
        let noise = Vector6::from_fn(|n, _| sd[n] * random.sample::<f64, _>(StandardNormal));
        let seen = Seen { prior: prior.clone(), values: Vector6::zeros(), precision };
        let chart = seen.chart();
        let values = chart.coordinates(&truth) + noise;
        let target = Target::new(prior.clone(), Arc::new(Seen { values, ..seen }), 40.0);
        let found = posterior(&target, &prior, &settings, &mut random);
        assert_eq!(found.verdict, Verdict::Trust);
        // Six coordinates, and the angle to the nominal pose.
        let functions = |pose: &Rigid| {
            let x = chart.coordinates(pose);
            [x[0], x[1], x[2], x[3], x[4], x[5], pose.rotation.angle_to(&nominal.rotation)]
        };
        let of_truth = functions(&truth);
        let mut below = [0.0; 7];
        for (pose, weight) in found.poses.iter().zip(&found.log_weights) {
            for (sum, (f, t)) in below.iter_mut().zip(functions(pose).iter().zip(&of_truth)) {
                *sum += if f < t { weight.exp() } else { 0.0 };
            }
        }
        ranks.iter_mut().zip(below).for_each(|(all, rank)| all.push(rank));
    }
    ranks
}
