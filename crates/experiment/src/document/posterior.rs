//! The typed form of the table of a posterior over poses.

use super::tables::Label;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Task: train a network that gives the whole posterior over the poses of the CT, and look at cases with it. May stand
/// alone or beside `[register]`; the views are those of `[view]` or `[[views]]`, with `pixels` × `pixels` pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PosteriorTable {
    /// Side of the square images that the network sees, pixels; a multiple of 4·2^(stages − 1).
    #[schemars(range(min = 16, max = 512))]
    pub pixels: u32,
    /// Which poses are possible, and how likely.
    pub prior: PriorTable,
    /// What an X-ray may show; each simulated X-ray shows one of them. The whole volume if none is given.
    #[schemars(length(max = 16))]
    pub contents: Vec<ContentTable>,
    /// What varies from X-ray to X-ray besides pose and content.
    pub simulate: DegradationTable,
    /// The network.
    pub network: NetworkTable,
    /// How it is trained.
    pub training: TrainingTable,
    /// Poses drawn and weighted for each case: the first half teaches the proposal, the second is kept.
    #[schemars(range(min = 100, max = 100_000))]
    pub samples: u32,
    /// X-rays that are looked at in the report.
    #[schemars(length(max = 64))]
    pub cases: Vec<CaseTable>,
    /// Whether each case is compared with a posterior found by brute force.
    pub reference: bool,
    /// Rivals that look at the same cases.
    #[schemars(length(max = 4))]
    pub baselines: Vec<Baseline>,
    /// Positioner angles at which the next view might be taken, degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_view: Option<NextViewTable>,
    /// Whether posteriors of simulated X-rays hold the truth as often as they say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationTable>,
}

impl Default for PosteriorTable {
    fn default() -> Self {
        Self {
            pixels: 64,
            prior: PriorTable::default(),
            contents: Vec::new(),
            simulate: DegradationTable::default(),
            network: NetworkTable::default(),
            training: TrainingTable::default(),
            samples: 1000,
            cases: Vec::new(),
            reference: false,
            baselines: Vec::new(),
            next_view: None,
            calibration: None,
        }
    }
}

/// The prior: the patient turned about the long axis, that axis swung, and the middle of what is seen displaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PriorTable {
    /// Half-width of the uniform distribution of turns about the patient's long axis, degrees; 180 is the whole circle.
    #[schemars(range(min = 0.1, max = 180.0))]
    pub turn_deg: f64,
    /// Standard deviation of the swing of that axis, degrees.
    #[schemars(range(min = 0.1, max = 60.0))]
    pub swing_deg: f64,
    /// Standard deviations of the displacement along x (left), y (posterior), z (superior), mm.
    #[schemars(inner(range(min = 0.01, max = 500.0)))]
    pub displacement_mm: [f64; 3],
}

impl Default for PriorTable {
    fn default() -> Self {
        Self { turn_deg: 180.0, swing_deg: 7.0, displacement_mm: [15.0, 30.0, 15.0] }
    }
}

/// Something that an X-ray may show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContentTable {
    /// Its name in the report; the labels' if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Labels that are seen; everything if none is given.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}

/// What varies from X-ray to X-ray besides pose and content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DegradationTable {
    /// Noise: lowest and highest standard deviation, as a part of the ideal image's standard deviation; log-uniform.
    #[schemars(inner(range(min = 1e-4, max = 100.0)))]
    pub noise: [f64; 2],
    /// Blur: lowest and highest standard deviation, pixels.
    #[schemars(inner(range(min = 0.0, max = 10.0)))]
    pub blur_pixels: [f64; 2],
    /// Standard deviation of the contrast around 1.
    #[schemars(range(min = 0.0, max = 0.3))]
    pub gain_sd: f64,
    /// Largest part of the image's side that the collimator hides from each side.
    #[schemars(range(min = 0.0, max = 0.45))]
    pub collimation: f64,
    /// Whether half of the X-rays are made with the mapping of `[attenuation.fixed]` and half with that of
    /// `[attenuation.moving]`; else all are made with the latter.
    pub both_mappings: bool,
}

impl Default for DegradationTable {
    fn default() -> Self {
        Self { noise: [0.02, 0.5], blur_pixels: [0.0; 2], gain_sd: 0.0, collimation: 0.0, both_mappings: false }
    }
}

/// The network: a residual convolutional network for each image, pooled over views, and a flow on SE(3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkTable {
    /// Channels of each stage of the convolutional network.
    #[schemars(length(min = 1, max = 6), inner(range(min = 1, max = 1024)))]
    pub channels: Vec<u32>,
    /// Residual blocks per stage.
    #[schemars(range(max = 16))]
    pub blocks: u32,
    /// Numbers that the flow is given for an X-ray.
    #[schemars(range(min = 1, max = 4096))]
    pub features: u32,
    /// Whether views are weighed by attention instead of equally.
    pub attention: bool,
    /// Components of the density: at least as many as modes that one X-ray can have.
    #[schemars(range(min = 1, max = 64))]
    pub components: u32,
    /// Steps of the flow that components share.
    #[schemars(range(max = 64))]
    pub flow_steps: u32,
    /// Width of the networks inside the flow.
    #[schemars(range(min = 1, max = 4096))]
    pub width: u32,
}

impl Default for NetworkTable {
    fn default() -> Self {
        Self {
            channels: vec![16, 32, 64],
            blocks: 1,
            features: 128,
            attention: false,
            components: 8,
            flow_steps: 2,
            width: 64,
        }
    }
}

/// How the network is trained: Adam on simulated X-rays that are never shown twice, the learning rate along half a cosine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingTable {
    /// Steps.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub steps: u64,
    /// X-rays a step.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u32,
    /// Learning rate at its highest.
    #[schemars(range(min = 1e-7, max = 1.0))]
    pub learning_rate: f64,
    /// X-rays kept apart for validation.
    #[schemars(range(min = 64, max = 65_536))]
    pub validation: u32,
    /// Steps between checkpoints.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub checkpoint_every: u64,
}

impl Default for TrainingTable {
    fn default() -> Self {
        Self { steps: 2000, batch: 64, learning_rate: 2e-3, validation: 512, checkpoint_every: 250 }
    }
}

/// One simulated X-ray that is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CaseTable {
    /// Its name in the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of its content; the first if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Noise as a part of the ideal image's standard deviation.
    #[schemars(range(min = 1e-4, max = 100.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// True turn about the long axis, degrees; drawn from the prior if not given.
    #[schemars(range(min = -180.0, max = 180.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_deg: Option<f64>,
}

/// A rival of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// A mixture of simple densities from the same images (no flow), trained alike.
    MixtureDensity,
    /// Five networks that each name one pose, trained alike; their answers are gathered.
    Ensemble,
    /// Levenberg–Marquardt from many starts of the prior, answers gathered.
    MultiStart,
    /// CMA-ES from many starts of the prior, answers gathered.
    CmaEs,
}

/// Where the next view might be taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NextViewTable {
    /// Positioner primary angles, degrees.
    #[schemars(length(min = 1, max = 360), inner(range(min = -180.0, max = 180.0)))]
    pub primary_angles_deg: Vec<f64>,
}

impl Default for NextViewTable {
    fn default() -> Self {
        Self { primary_angles_deg: (0..=12).map(|n| -90.0 + 15.0 * f64::from(n)).collect() }
    }
}

/// Simulated X-rays whose truth is looked for in their posterior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CalibrationTable {
    /// X-rays.
    #[schemars(range(min = 10, max = 100_000))]
    pub cases: u32,
    /// Poses drawn for each.
    #[schemars(range(min = 20, max = 10_000))]
    pub samples: u32,
    /// Whether the posteriors after importance weighting are looked at too.
    pub weighted: bool,
}

impl Default for CalibrationTable {
    fn default() -> Self {
        Self { cases: 200, samples: 200, weighted: true }
    }
}
