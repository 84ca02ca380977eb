//! The posterior of a case beside one found by brute force.

use super::cases::{RADIUS_MM, mode_record};
use super::record::{MatchRecord, ReferenceRecord};
use super::scene::unusable;
use crate::clock::Clock;
use crate::run::RunError;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Point, Rigid};
use regiscope_pose::posterior::{
    ImageLikelihood, MatchTolerance, PoseMode, Prior, ReferenceSettings, match_modes, reference, resample,
    samples_until_all,
};
use regiscope_posterior::Simulator;
use regiscope_posterior::calibration::{PoseMetric, c2st, mmd2};
use std::sync::Arc;

/// Modes lighter than this are no finding, in either list.
pub const PLAUSIBLE: f64 = 0.05;
/// Poses of each set that are compared.
const COMPARED: usize = 1000;

/// A reference posterior.
pub struct Known {
    /// Its modes.
    pub modes: Vec<PoseMode>,
    /// Poses of equal weight.
    poses: Vec<Rigid>,
    agree: bool,
    ess: f64,
    evaluations: usize,
    seconds: f64,
}

/// Finds the reference posterior of a likelihood; random numbers follow from `seed` alone.
pub fn known(
    simulator: &Simulator,
    likelihood: &Arc<ImageLikelihood>,
    content: usize,
    seed: u64,
    clock: &dyn Clock,
) -> Result<Known, RunError> {
    let began = clock.wall_s();
    let coarse = simulator.coarse_likelihood(likelihood, content).map_err(unusable)?;
    let target = simulator.target(likelihood.clone(), RADIUS_MM);
    let coarse = simulator.target(coarse, RADIUS_MM);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // A wide prior is searched in wider steps: at most 21 along each axis.
    let usual = ReferenceSettings::default();
    let widest = simulator.prior().displacement_sd().max();
    let displacement_step_mm = usual.displacement_step_mm.max(0.25 * widest);
    let found = reference(&target, &coarse, &ReferenceSettings { displacement_step_mm, ..usual }, &mut rng);
    let posterior = found.posterior;
    let poses = resample(&posterior.log_weights, COMPARED, &mut rng).into_iter().map(|n| posterior.poses[n]).collect();
    Ok(Known {
        poses,
        agree: found.check.agree,
        ess: posterior.ess,
        evaluations: posterior.evaluations + posterior.derivatives + found.coarse_evaluations,
        seconds: clock.wall_s() - began,
        modes: posterior.modes,
    })
}

/// Modes and poses of a posterior that is compared.
pub struct Found<'a> {
    /// Modes after weighting.
    pub modes: &'a [PoseMode],
    /// Poses of equal weight after weighting.
    pub poses: &'a [Rigid],
    /// The network's own poses.
    pub network: &'a [Rigid],
}

/// Compares a posterior with the reference.
pub fn compare(
    known: &Known,
    found: &Found,
    prior: &Prior,
    likelihood: &ImageLikelihood,
    truth: &Rigid,
    rng: &mut ChaCha8Rng,
) -> ReferenceRecord {
    let pivot = prior.pivot();
    let metric = PoseMetric { pivot, radius_mm: RADIUS_MM };
    let told = |value: f64| value.is_finite().then_some(value);
    let thin = |poses: &[Rigid]| poses.iter().copied().take(COMPARED).collect::<Vec<_>>();
    let (weighted, network) = (thin(found.poses), thin(found.network));
    let centres: Vec<Rigid> = known.modes.iter().filter(|m| m.mass >= PLAUSIBLE).map(|m| m.map).collect();
    ReferenceRecord {
        modes: known.modes.iter().map(|m| mode_record(m, prior, likelihood, truth)).collect(),
        agree: known.agree,
        ess: known.ess,
        seconds: known.seconds,
        evaluations: known.evaluations,
        fine: matched(&masses(found.modes), &known.modes, &pivot, &MatchTolerance::TIGHT),
        coarse: matched(&masses(found.modes), &known.modes, &pivot, &MatchTolerance::LOOSE),
        c2st: told(c2st(&weighted, &known.poses, &metric, rng)),
        mmd2: told(mmd2(&weighted, &known.poses, &metric)),
        network_c2st: told(c2st(&network, &known.poses, &metric, rng)),
        network_mmd2: told(mmd2(&network, &known.poses, &metric)),
        network_samples_until_all: samples_until_all(&network, &centres, &pivot, &MatchTolerance::LOOSE),
    }
}

/// Best poses and masses of modes.
pub fn masses(modes: &[PoseMode]) -> Vec<(Rigid, f64)> {
    modes.iter().map(|m| (m.map, m.mass)).collect()
}

/// Scores of modes against a reference. A mode of 5 % or more counts as found if the other list has a mode of any mass
/// within the tolerance; masses are compared between all modes.
pub fn matched(
    found: &[(Rigid, f64)],
    reference: &[PoseMode],
    pivot: &Point,
    tolerance: &MatchTolerance,
) -> MatchRecord {
    let reference = masses(reference);
    let plausible = |modes: &[(Rigid, f64)]| modes.iter().copied().filter(|m| m.1 >= PLAUSIBLE).collect::<Vec<_>>();
    let recall = match_modes(found, &plausible(&reference), pivot, tolerance).recall;
    let precision = match_modes(&plausible(found), &reference, pivot, tolerance).precision;
    let all = match_modes(found, &reference, pivot, tolerance);
    let degrees = |e: regiscope_pose::posterior::PoseError| [e.mm, e.rad.to_degrees()];
    MatchRecord {
        recall,
        precision,
        f1: if recall + precision > 0.0 { 2.0 * recall * precision / (recall + precision) } else { 0.0 },
        mass_error: all.worst_mass_error,
        // An empty sum is −0.
        invented_mass: all.invented_mass.max(0.0),
        top_mm_deg: all.top.map(degrees),
        best_of_modes_mm_deg: all.best_of.map(degrees),
    }
}
