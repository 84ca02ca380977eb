//! The reference posterior: brute force, independent of any network.
//!
//! 1. Every rotation of a dense grid over the prior's support is rendered by a coarse form of the target at every node
//!    of a grid of displacements; each rotation keeps its best displacement.
//! 2. Rotations that are better than all their neighbours, and the best of all others, are climbed on the coarse target,
//!    the different tops of that on the target itself.
//! 3. Importance sampling from mixtures around all tops, with the prior as a guard, or sequential Monte Carlo where that
//!    fails; twice, with independent random numbers.
//!
//! The halves' agreement and the Pareto shapes inside each mode say whether the result can serve as a reference. The
//! grid's steps are the assumption: a basin narrower than a step on the coarse target may be missed in both halves.

use super::adapt::AdaptSettings;
use super::mixture::Mixture;
use super::pose_modes::{ModeSettings, PoseMode, hpd, pose_modes};
use super::prior::{Prior, RotationPrior, across};
use super::refine::{RefineSettings, refine};
use super::solve::{Posterior, PosteriorSettings, crown, from_peaks};
use super::target::Target;
use super::weigh::{Verdict, log_sum_exp};
use crate::coarsen;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regiscope_drr::{DrrError, Renderer};
use regiscope_geometry::nalgebra::{Quaternion, UnitQuaternion};
use regiscope_geometry::{Rigid, Vector};
use regiscope_image::Volume;
use std::f64::consts::{PI, SQRT_2, TAU};

/// How densely is searched, and how the basins are sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferenceSettings {
    /// Step of the grid of rotations, rad; 0.01 to 1.
    pub rotation_step: f64,
    /// Swings and displacements are searched up to this many standard deviations of the prior.
    pub reach: f64,
    /// Step of the grid of displacements, mm.
    pub displacement_step_mm: f64,
    /// Most rotations that are climbed on the coarse target.
    pub keep: usize,
    /// Most tops that are climbed on the target itself.
    pub keep_fine: usize,
    /// Sampling of the basins.
    pub sampling: PosteriorSettings,
}

impl Default for ReferenceSettings {
    fn default() -> Self {
        let adapt = AdaptSettings {
            round: 300,
            rounds: 6,
            draws: 2000,
            batches: 6,
            enough: 600.0,
            max_components: 32,
            ..AdaptSettings::default()
        };
        Self {
            rotation_step: 0.2,
            reach: 2.5,
            displacement_step_mm: 8.0,
            keep: 128,
            keep_fine: 48,
            sampling: PosteriorSettings { flow_samples: 500, adapt, ..PosteriorSettings::default() },
        }
    }
}

/// Whether two independent halves agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Mass of each mode in either half.
    pub masses: Vec<[f64; 2]>,
    /// Log evidence of either half.
    pub log_evidence: [f64; 2],
    /// Pareto shape of the largest weights inside each mode; 0 after sequential Monte Carlo.
    pub k_hat: Vec<f64>,
    /// Whether all masses agree to 0.1, log evidences to 0.3, both halves can be trusted and all shapes of modes heavier
    /// than 0.05 are below 0.7.
    pub agree: bool,
}

/// A reference posterior.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Both halves together.
    pub posterior: Posterior,
    /// Whether it can be trusted.
    pub check: Check,
    /// Images rendered by the coarse target.
    pub coarse_evaluations: usize,
}

/// A coarser form of a volume for the search: voxels joined to blocks of about `voxel_mm`.
pub fn coarse_renderer(volume: &Volume<f32>, voxel_mm: f64) -> Result<Renderer, DrrError> {
    let blocks = coarsen::blocks(volume.grid(), voxel_mm);
    Renderer::new(coarsen::volume(volume, blocks), Default::default())
}

/// The reference posterior of `target`; `coarse` has the same prior and images on a coarser detector and a coarser
/// volume.
pub fn reference(target: &Target, coarse: &Target, settings: &ReferenceSettings, random: &mut ChaCha8Rng) -> Reference {
    let prior = target.prior();
    let rotations = rotations(prior, settings);
    let displacements = displacements(prior, settings);
    let best: Vec<(Rigid, f64)> =
        rotations.par_iter().map(|turned| best_displacement(coarse, turned, &displacements)).collect();
    let starts = promising(&best, settings);
    let climbed =
        refine(coarse, &starts, &RefineSettings { max_iterations: 15, step_mm: 0.1, ..settings.sampling.refine });
    let tops: Vec<Rigid> = climbed.peaks.iter().take(settings.keep_fine).map(|peak| peak.world_from_volume).collect();
    let fine = refine(target, &tops, &settings.sampling.refine);
    let mut half = || from_peaks(target, prior, fine.peaks.clone(), &settings.sampling, random);
    let halves = [half(), half()];
    let (mut posterior, check) = joined(target, halves, &settings.sampling.modes, settings.sampling.hpd_mass);
    posterior.derivatives += fine.derivatives;
    let coarse_evaluations = rotations.len() * displacements.len() + climbed.derivatives;
    Reference { posterior, check, coarse_evaluations }
}

/// Rotations, relative to the nominal pose, that cover the prior's support.
fn rotations(prior: &Prior, settings: &ReferenceSettings) -> Vec<UnitQuaternion<f64>> {
    let step = settings.rotation_step.clamp(0.01, 1.0);
    match prior.rotation() {
        RotationPrior::Uniform => spirals((8.0 * PI * PI / step.powi(3)).ceil() as usize),
        RotationPrior::Turn { axis, turn, swing_sd } => {
            let first = across(&axis);
            let second = axis.cross(&first);
            let reach = (settings.reach * swing_sd).min(PI - 1e-6);
            let rings = (reach / step).floor() as i64;
            let turns = (2.0 * turn / step).ceil().max(1.0) as usize;
            let turn_at = |n: usize| turn * ((2 * n + 1) as f64 / turns as f64 - 1.0);
            let mut all = Vec::new();
            for (i, j) in (-rings..=rings).flat_map(|i| (-rings..=rings).map(move |j| (i, j))) {
                let swing = first * (i as f64 * step) + second * (j as f64 * step);
                if swing.norm() <= reach.max(1e-12) {
                    let swing = UnitQuaternion::from_scaled_axis(swing);
                    all.extend((0..turns).map(|n| swing * UnitQuaternion::from_scaled_axis(axis * turn_at(n))));
                }
            }
            all
        }
    }
}

/// `count` evenly spread rotations: super-Fibonacci spirals (M. Alexa, CVPR 2022).
fn spirals(count: usize) -> Vec<UnitQuaternion<f64>> {
    /// Positive root of ψ⁴ = ψ + 4.
    const PSI: f64 = 1.533_751_168_755_204_3;
    let rotation = |n: usize| {
        let s = n as f64 + 0.5;
        let (inner, outer) = ((s / count as f64).sqrt(), (1.0 - s / count as f64).sqrt());
        let (a, b) = (TAU * s / SQRT_2, TAU * s / PSI);
        UnitQuaternion::new_normalize(Quaternion::new(
            outer * b.cos(),
            inner * a.sin(),
            inner * a.cos(),
            outer * b.sin(),
        ))
    };
    (0..count).map(rotation).collect()
}

/// Displacements of the pivot that cover the prior.
fn displacements(prior: &Prior, settings: &ReferenceSettings) -> Vec<Vector> {
    let along = |a: usize| {
        let reach = settings.reach * prior.displacement_sd()[a];
        let half = (reach / settings.displacement_step_mm.max(1e-3)).floor() as i64;
        (-half..=half).map(|n| n as f64 * settings.displacement_step_mm).collect::<Vec<f64>>()
    };
    let [xs, ys, zs] = [0, 1, 2].map(along);
    let mut all = Vec::with_capacity(xs.len() * ys.len() * zs.len());
    for (&x, &y) in xs.iter().flat_map(|x| ys.iter().map(move |y| (x, y))) {
        all.extend(zs.iter().map(|&z| Vector::new(x, y, z)));
    }
    all
}

fn best_displacement(coarse: &Target, turned: &UnitQuaternion<f64>, displacements: &[Vector]) -> (Rigid, f64) {
    let mut best = (*coarse.prior().nominal(), f64::NEG_INFINITY);
    for displacement in displacements {
        let pose = coarse.prior().pose(turned, displacement);
        let value = coarse.log_posterior(&pose);
        if value > best.1 {
            best = (pose, value);
        }
    }
    best
}

/// Poses that no neighbour beats, and the best others, the best first.
fn promising(best: &[(Rigid, f64)], settings: &ReferenceSettings) -> Vec<Rigid> {
    let near = 1.6 * settings.rotation_step;
    let beaten = |n: usize| {
        best.iter().any(|(pose, value)| *value > best[n].1 && pose.rotation.angle_to(&best[n].0.rotation) < near)
    };
    let mut order: Vec<(bool, usize)> =
        (0..best.len()).into_par_iter().filter(|&n| best[n].1.is_finite()).map(|n| (beaten(n), n)).collect();
    order.sort_by(|a, b| a.0.cmp(&b.0).then(best[b.1].1.total_cmp(&best[a.1].1)));
    order.into_iter().take(settings.keep).map(|(_, n)| best[n].0).collect()
}

/// Both halves as one posterior, each with its evidence as weight, and whether they agree.
fn joined(target: &Target, halves: [Posterior; 2], modes: &ModeSettings, hpd_mass: f64) -> (Posterior, Check) {
    let log_evidence = [halves[0].log_evidence, halves[1].log_evidence];
    let by_importance = halves.iter().all(|h| h.method == super::Method::Importance);
    let trusted = halves.iter().all(|h| h.verdict == Verdict::Trust);
    let [a, b] = halves;
    let first = a.poses.len();
    let total = log_sum_exp(&log_evidence);
    let weight = |logs: &[f64], evidence: f64| logs.iter().map(|w| w + evidence - total).collect::<Vec<f64>>();
    let worst = |f: fn(&Posterior) -> f64| f(&a).max(f(&b));
    let mut all = Posterior {
        log_weights: [weight(&a.log_weights, log_evidence[0]), weight(&b.log_weights, log_evidence[1])].concat(),
        poses: [a.poses.as_slice(), &b.poses].concat(),
        log_posteriors: [a.log_posteriors.as_slice(), &b.log_posteriors].concat(),
        peaks: [a.peaks.as_slice(), &b.peaks].concat(),
        mixture: Mixture::new(a.mixture.components.iter().chain(&b.mixture.components).cloned().collect()),
        ess: a.ess + b.ess,
        k_hat: worst(|p| p.k_hat),
        log_evidence: total - 2f64.ln(),
        log_evidence_se: 0.5 * a.log_evidence_se.hypot(b.log_evidence_se),
        verdict: if a.verdict == Verdict::Trust { b.verdict } else { a.verdict },
        evaluations: a.evaluations + b.evaluations,
        derivatives: a.derivatives + b.derivatives,
        method: if a.method == super::Method::Importance { b.method } else { a.method },
        modes: Vec::new(),
        hpd: a.hpd.clone(),
    };
    let densities = Some(all.log_posteriors.as_slice());
    let (pivot, radius) = (target.pivot(), target.radius());
    all.modes = pose_modes(&all.poses, &all.log_weights, densities, &pivot, radius, &all.mixture, modes);
    crown(&mut all.modes, &all.peaks, &pivot);
    all.hpd = hpd(&all.log_weights, &all.log_posteriors, all.log_evidence, &all.modes, hpd_mass);
    let masses: Vec<[f64; 2]> = all.modes.iter().map(|m| halves_of(m, first, &a, &b)).collect();
    let k_hat = if by_importance { all.k_hat_by_mode() } else { vec![0.0; all.modes.len()] };
    let agree = trusted
        && masses.iter().all(|[x, y]| (x - y).abs() < 0.1)
        && (log_evidence[0] - log_evidence[1]).abs() < 0.3
        && all.modes.iter().zip(&k_hat).all(|(m, k)| m.mass < 0.05 || *k < 0.7);
    (all, Check { masses, log_evidence, k_hat, agree })
}

/// A mode's mass in either half, whose own weights add up to 1.
fn halves_of(mode: &PoseMode, first: usize, a: &Posterior, b: &Posterior) -> [f64; 2] {
    let mut masses = [0.0; 2];
    for &n in &mode.members {
        if n < first {
            masses[0] += a.log_weights[n].exp();
        } else {
            masses[1] += b.log_weights[n - first].exp();
        }
    }
    masses
}

#[cfg(test)]
mod tests;
