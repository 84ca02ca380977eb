//! Whether posteriors of simulated X-rays hold the truth as often as they say.

use super::super::Progress;
use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::cases::{given, sampling};
use super::record::{Calibrated, CalibrationRecord};
use super::scene::unusable;
use crate::document::posterior::CalibrationTable;
use crate::experiment::PosteriorTask;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Rigid, Vector};
use regiscope_pose::posterior::{PoseMode, Prior, Target, Verdict, posterior_by_levels, resample};
use regiscope_posterior::calibration::{
    Coverage, MassReliability, PoseMetric, Uniformity, highest_density, holm, relative_rank, tarp,
};
use regiscope_posterior::{Simulator, Trained};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// Functions of the pose whose ranks are looked at; the last is the log density, which depends on the image too.
const FUNCTIONS: [&str; 7] =
    ["left–right", "front–back", "up–down", "turn", "swing, sideways", "swing, forwards", "log density"];

/// What one X-ray says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    network: Ranked,
    weighted: Option<Weighted>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ranked {
    ranks: [f64; 7],
    tarp: f64,
    highest_density: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Weighted {
    ranked: Ranked,
    /// Mass of each mode and whether it holds the truth.
    masses: Vec<(f64, bool)>,
    trusted: bool,
}

/// Looks at many simulated X-rays; `None` if cancelled. Finished ones are kept in the run's state.
#[expect(clippy::too_many_arguments, reason = "what every stage of a run takes, and its own tables")]
pub fn calibrate(
    simulator: &Simulator,
    trained: &Trained,
    task: &PosteriorTask,
    asked: &CalibrationTable,
    seed: u64,
    folder: &RunFolder,
    cancel: &AtomicBool,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<CalibrationRecord>, RunError> {
    let cases = asked.cases as usize;
    let mut seen = Vec::with_capacity(cases);
    for number in 0..cases {
        if cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        observer(Progress { stage: "calibrating", done: number, total: cases, note: String::new() });
        let name = format!("calibration-{number:06}");
        let found = match folder.remembered(&name) {
            Some(found) => found,
            None => {
                let found = one(simulator, trained, task, asked, seed, number as u64)?;
                folder.remember(&name, &found)?;
                found
            }
        };
        seen.push(found);
    }
    let network = joined(&seen.iter().map(|s| &s.network).collect::<Vec<_>>(), None);
    let weighted: Vec<&Weighted> = seen.iter().filter_map(|s| s.weighted.as_ref()).collect();
    let untrusted = weighted.iter().filter(|w| !w.trusted).count() as f64 / weighted.len().max(1) as f64;
    let masses: Vec<(f64, bool)> = weighted.iter().flat_map(|w| w.masses.clone()).collect();
    let reliable = MassReliability::of(&masses);
    let after = asked.weighted.then(|| joined(&weighted.iter().map(|w| &w.ranked).collect::<Vec<_>>(), Some(reliable)));
    Ok(Some(CalibrationRecord { cases, network, weighted: after, untrusted: asked.weighted.then_some(untrusted) }))
}

fn one(
    simulator: &Simulator,
    trained: &Trained,
    task: &PosteriorTask,
    asked: &CalibrationTable,
    seed: u64,
    number: u64,
) -> Result<Seen, RunError> {
    // Streams of their own: neither training nor validation saw these.
    let example = simulator.example(seed ^ 0x0ca1_1b8a, number);
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number) ^ 0x5bc);
    let prior = simulator.prior();
    let metric = PoseMetric { pivot: prior.pivot(), radius_mm: super::cases::RADIUS_MM };
    let given = given(simulator, trained, &example)?;
    let count = asked.samples as usize;
    let (poses, log_densities) = given.sample(count, &mut rng);
    let at_truth = given.log_density(&[example.pose])[0];
    let network = ranked(&example.pose, at_truth, &poses, &log_densities, prior, &metric, &mut rng);
    if !asked.weighted {
        return Ok(Seen { network, weighted: None });
    }
    let likelihood = simulator.likelihood(&example).map_err(unusable)?;
    let coarse = simulator.coarse_likelihood(&likelihood, example.content).map_err(unusable)?;
    let coarse = simulator.target(coarse, super::cases::RADIUS_MM);
    let target = simulator.target(likelihood, super::cases::RADIUS_MM);
    let found = posterior_by_levels(&target, &coarse, &given, &sampling(task.asked.samples), &mut rng);
    let chosen = resample(&found.log_weights, count, &mut rng);
    let poses: Vec<Rigid> = chosen.iter().map(|&n| found.poses[n]).collect();
    let logs: Vec<f64> = chosen.iter().map(|&n| found.log_posteriors[n]).collect();
    let at_truth = target.log_posterior(&example.pose);
    let ranked = ranked(&example.pose, at_truth, &poses, &logs, prior, &metric, &mut rng);
    let holder = holder(&target, &found.modes, &example.pose);
    let masses = found.modes.iter().enumerate().map(|(n, m)| (m.mass, Some(n) == holder)).collect();
    let trusted = found.verdict != Verdict::DoNotTrust;
    Ok(Seen { network, weighted: Some(Weighted { ranked, masses, trusted }) })
}

/// The mode that a pose belongs to: the nearest in the metric of its covariance.
fn holder(target: &Target, modes: &[PoseMode], pose: &Rigid) -> Option<usize> {
    let distance = |mode: &PoseMode| {
        let x = target.chart(&mode.mean).coordinates(pose);
        mode.covariance.try_inverse().map_or(f64::INFINITY, |precision| x.dot(&(precision * x)))
    };
    (0..modes.len()).min_by(|&a, &b| distance(&modes[a]).total_cmp(&distance(&modes[b])))
}

/// Where the truth ranks among draws.
fn ranked(
    truth: &Rigid,
    truth_log_density: f64,
    draws: &[Rigid],
    log_densities: &[f64],
    prior: &Prior,
    metric: &PoseMetric,
    rng: &mut ChaCha8Rng,
) -> Ranked {
    let of_truth = functions(truth, prior);
    let of_draws: Vec<[f64; 6]> = draws.iter().map(|pose| functions(pose, prior)).collect();
    let mut ranks = [0.0; 7];
    for (k, rank) in ranks.iter_mut().take(6).enumerate() {
        let values: Vec<f64> = of_draws.iter().map(|f| f[k]).collect();
        *rank = relative_rank(of_truth[k], &values, rng);
    }
    ranks[6] = relative_rank(truth_log_density, log_densities, rng);
    let reference = prior.sample(rng);
    Ranked {
        ranks,
        tarp: tarp(truth, draws, &reference, metric),
        highest_density: highest_density(truth_log_density, log_densities),
    }
}

/// Displacement of the pivot (mm), turn about the long axis and swing of that axis (rad) from the nominal pose.
pub fn functions(pose: &Rigid, prior: &Prior) -> [f64; 6] {
    let moved = prior.displacement(pose);
    let turned = pose.rotation * prior.nominal().rotation.inverse();
    let axis = turned * Vector::z();
    [moved.x, moved.y, moved.z, turn(pose, prior), axis.x, axis.y]
}

/// Turn about the long axis from the nominal pose, rad in (−π, π].
pub fn turn(pose: &Rigid, prior: &Prior) -> f64 {
    let q = pose.rotation * prior.nominal().rotation.inverse();
    let angle = 2.0 * q.k.atan2(q.w);
    (angle + std::f64::consts::PI).rem_euclid(std::f64::consts::TAU) - std::f64::consts::PI
}

fn joined(seen: &[&Ranked], masses: Option<MassReliability>) -> Calibrated {
    let of = |k: usize| Uniformity::of(FUNCTIONS[k], &seen.iter().map(|s| s.ranks[k]).collect::<Vec<_>>());
    let ranks: Vec<Uniformity> = (0..FUNCTIONS.len()).map(of).collect();
    let p: Vec<f64> = ranks.iter().map(|u| u.p_distance).collect();
    Calibrated {
        least_p: holm(&p).into_iter().fold(1.0, f64::min),
        ranks,
        tarp: Coverage::of(&seen.iter().map(|s| s.tarp).collect::<Vec<_>>()),
        highest_density: Coverage::of(&seen.iter().map(|s| s.highest_density).collect::<Vec<_>>()),
        masses,
    }
}
