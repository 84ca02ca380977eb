//! What a run with `[posterior]` found, as it stands in `metrics.json`.

use super::super::record::PoseRecord;
use regiscope_posterior::TrainingRecord;
use regiscope_posterior::calibration::{Coverage, MassReliability, Uniformity};
use serde::{Deserialize, Serialize};

/// Everything: `metrics.json` of a run with `[posterior]` alone, or its key `posterior`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PosteriorMetrics {
    /// Title of the document.
    pub title: String,
    /// `posterior`.
    pub task: String,
    /// The training.
    pub training: TrainingRecord,
    /// Part of the training's wall time in which the rendering thread was busy, and in which training waited for it.
    pub rendering_share: f64,
    /// See `rendering_share`.
    pub waiting_share: f64,
    /// What an X-ray may show.
    pub contents: Vec<String>,
    /// The cases.
    pub cases: Vec<CaseRecord>,
    /// Scores over all cases with a reference posterior.
    pub against_reference: Option<AgainstReference>,
    /// Whether posteriors hold the truth as often as they say.
    pub calibration: Option<CalibrationRecord>,
    /// Criteria that do not hold; there are none.
    pub missed: Vec<String>,
}

/// A mode, as people read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeRecord {
    /// Its probability.
    pub mass: f64,
    /// Its best pose, `world_from_volume`.
    pub pose: PoseRecord,
    /// Turn about the patient's long axis from the nominal pose, degrees.
    pub turn_deg: f64,
    /// Standard deviation of the pivot's place along x, y, z of the world, mm.
    pub sd_mm: [f64; 3],
    /// Standard deviation of the rotation about x, y, z, degrees.
    pub sd_deg: [f64; 3],
    /// Normalised cross-correlation of the X-ray with a rendering at the best pose, mean over views.
    pub ncc: f64,
    /// Distance of the best pose from the truth: the pivot's, mm.
    pub error_mm: f64,
    /// Angle between the best pose and the truth, degrees.
    pub error_deg: f64,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub content: String,
    /// Noise as a part of the image's standard deviation.
    pub noise: f64,
    /// The truth.
    pub truth: PoseRecord,
    /// The truth's turn, degrees.
    pub truth_turn_deg: f64,
    /// Part of familiar X-rays that look stranger than this one.
    pub part_stranger: f64,
    /// Modes of the weighted posterior, the heaviest first.
    pub modes: Vec<ModeRecord>,
    /// Modes of the network's own samples, before any weighting.
    pub network_modes: Vec<ModeRecord>,
    /// Effective sample size of the weighted poses.
    pub ess: f64,
    /// Pareto shape of the largest weights; null where it cannot be known.
    pub k_hat: Option<f64>,
    /// What to make of it, in words.
    pub verdict: String,
    /// Wall time from image to modes, s.
    pub seconds: f64,
    /// X-rays rendered.
    pub evaluations: usize,
    /// Comparison with the reference posterior.
    pub reference: Option<ReferenceRecord>,
    /// Rivals on the same image.
    pub rivals: Vec<RivalRecord>,
    /// What a next view is worth.
    pub next_view: Vec<NextViewRecord>,
}

/// A posterior beside the reference posterior of the same image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    /// Modes of the reference.
    pub modes: Vec<ModeRecord>,
    /// Whether two independent halves of the reference agree.
    pub agree: bool,
    /// Effective sample size of the reference.
    pub ess: f64,
    /// Wall time of the reference, s.
    pub seconds: f64,
    /// X-rays rendered for it.
    pub evaluations: usize,
    /// Matching within 5° and 5 mm.
    pub fine: MatchRecord,
    /// Matching within 10° and 10 mm.
    pub coarse: MatchRecord,
    /// Classifier two-sample test between weighted poses and the reference: 0.5 is indistinguishable.
    pub c2st: Option<f64>,
    /// Maximum mean discrepancy² to the reference.
    pub mmd2: Option<f64>,
    /// The same for the network's own samples.
    pub network_c2st: Option<f64>,
    /// The same for the network's own samples.
    pub network_mmd2: Option<f64>,
    /// How many of the network's own samples it takes until each mode of 5 % or more has one within 10° and 10 mm; null if
    /// they do not suffice.
    pub network_samples_until_all: Option<usize>,
}

/// Modes beside those of a reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MatchRecord {
    /// Part of the reference's modes that were found.
    pub recall: f64,
    /// Part of the modes that are in the reference.
    pub precision: f64,
    /// Harmonic mean of both.
    pub f1: f64,
    /// Largest difference of masses, matched or not.
    pub mass_error: f64,
    /// Mass of modes that the reference does not have.
    pub invented_mass: f64,
    /// Distance (mm) and angle (degrees) between the heaviest modes of both.
    pub top_mm_deg: Option<[f64; 2]>,
    /// The same between the heaviest mode of the reference and the nearest of the found ones.
    pub best_of_modes_mm_deg: Option<[f64; 2]>,
}

/// A rival's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RivalRecord {
    /// Its name.
    pub name: String,
    /// Poses that it names, and their masses where it has them.
    pub modes: usize,
    /// Wall time, s.
    pub seconds: f64,
    /// X-rays rendered.
    pub evaluations: usize,
    /// Wall time until the first pose within 5 mm and 5° of the truth; null if there was none.
    pub seconds_to_truth: Option<f64>,
    /// Matching with the reference within 10° and 10 mm.
    pub coarse: Option<MatchRecord>,
}

/// What a next view is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextViewRecord {
    /// Positioner primary angle, degrees.
    pub primary_angle_deg: f64,
    /// Expected information about which mode is true, nats.
    pub gain_nats: f64,
    /// Its standard error.
    pub se: f64,
    /// Expected information about the pose inside its mode, nats.
    pub pose_gain_nats: f64,
}

/// Means over cases with a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstReference {
    /// Cases.
    pub cases: usize,
    /// Mean F1 within 10° and 10 mm.
    pub f1: f64,
    /// Mean largest difference of masses.
    pub mass_error: f64,
    /// Largest invented mass on cases whose reference has a single mode.
    pub invented_on_unimodal: f64,
}

/// Whether posteriors hold the truth as often as they say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRecord {
    /// Simulated X-rays.
    pub cases: usize,
    /// Of the network's own posteriors.
    pub network: Calibrated,
    /// After importance weighting.
    pub weighted: Option<Calibrated>,
    /// Part of the weighted posteriors whose diagnostic says not to trust them.
    pub untrusted: Option<f64>,
}

/// Calibration of one kind of posterior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Ranks of the truth, a function of the pose each.
    pub ranks: Vec<Uniformity>,
    /// Smallest of their p-values, adjusted by Holm.
    pub least_p: f64,
    /// TARP coverage.
    pub tarp: Coverage,
    /// Coverage of highest-density regions.
    pub highest_density: Coverage,
    /// Masses of modes against how often they hold the truth; only after weighting.
    pub masses: Option<MassReliability>,
}
