//! The typed form of the task tables.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Task: render every view of the volume at its true pose, without a registration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Render {}

/// How line integrals are discretised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Projector {
    /// The exact integral through constant voxels (Siddon 1985).
    #[default]
    Siddon,
    /// Bilinear interpolation in each slab of voxels (Joseph 1982).
    Joseph,
    /// Trilinear interpolation at equidistant points, two for each voxel.
    Trilinear,
}

/// Task: find the pose of the volume at which its DRRs look like the X-rays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Register {
    /// How alike two images are.
    pub similarity: Similarity,
    /// Side of the windows of `local-ncc`, pixels.
    #[schemars(range(min = 2, max = 1024))]
    pub patch: u32,
    /// Standard deviation of the smoothing before `gradient-ncc`, pixels; 0 is none.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub sigma: f64,
    /// Bins along each image's intensity of `mutual-information`.
    #[schemars(range(min = 8, max = 256))]
    pub bins: u32,
    /// How the pose is improved.
    pub optimiser: Optimiser,
    /// First spread of `nelder-mead` and `cma-es`, mm (rotations count as arcs on the object).
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub spread_mm: f64,
    /// A search around each start on the coarsest level, before the climb.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
    /// The pyramid, coarsest level first; chosen from the size of the detector and the voxels if empty.
    #[schemars(length(max = 8))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Level>,
    /// Labels of the parts that the DRRs show, for instance the vertebrae alone; everything if empty.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<super::tables::Label>,
    /// What is cut off the volume before DRRs are rendered, mm: at its inferior and at its superior end.
    #[schemars(inner(range(min = 0.0, max = 10000.0)))]
    pub truncate_mm: [f64; 2],
    /// Labels that are registered each by itself after all starts, from the most similar answer, while the rest of
    /// the volume stands still (piecewise rigid).
    #[schemars(length(max = 64))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_label: Vec<super::tables::Label>,
    /// Answers nearer than this to each other are one mode, mm (rotations count as arcs on the object).
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub mode_within_mm: f64,
    /// How far the volume's middle may go from its start, mm. If not given, a quarter farther than the
    /// corner of the starts' or the search's box, whichever is larger; without limit where both are points.
    #[schemars(range(min = 1.0, max = 10000.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach_mm: Option<f64>,
    /// How far the volume may turn from its start, degrees; if not given as for `reach_mm`.
    #[schemars(range(min = 1.0, max = 180.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach_deg: Option<f64>,
    /// The reference pose of real X-rays: an ITK transform file, which maps world points to points of the volume,
    /// relative to the document.
    /// Simulated X-rays have their true pose as reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Default for Register {
    fn default() -> Self {
        Self {
            similarity: Similarity::default(),
            patch: 13,
            sigma: 1.0,
            bins: 32,
            optimiser: Optimiser::default(),
            spread_mm: 10.0,
            search: None,
            levels: Vec::new(),
            labels: Vec::new(),
            truncate_mm: [0.0; 2],
            per_label: Vec::new(),
            mode_within_mm: 2.0,
            reach_mm: None,
            reach_deg: None,
            reference: None,
        }
    }
}

/// How alike an X-ray and a DRR are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// Sum of squared differences: both images must have the same unit and contrast.
    Ssd,
    /// Normalised cross-correlation of the whole image; blind to brightness and contrast.
    #[default]
    Ncc,
    /// Mean normalised cross-correlation of small windows (`patch`); blind to slow changes of contrast.
    LocalNcc,
    /// Normalised cross-correlation of the smoothed (`sigma`) images' gradients.
    GradientNcc,
    /// Mutual information of the grey values (`bins`).
    MutualInformation,
}

/// How the pose is improved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Optimiser {
    /// Levenberg–Marquardt on the exact Jacobian.
    #[default]
    LevenbergMarquardt,
    /// Limited-memory BFGS on the exact gradient.
    Lbfgs,
    /// The simplex of Nelder and Mead (`spread_mm`); needs no derivative.
    NelderMead,
    /// Covariance matrix adaptation evolution strategy (`spread_mm`); needs no derivative, slow, looks around.
    CmaEs,
}

/// A search around each start on the coarsest level, before the climb.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// Poses that are rendered.
    #[schemars(range(min = 1, max = 100000))]
    pub samples: u32,
    /// Best poses from which the coarsest level is climbed.
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u32,
    /// Largest rotation about each axis, degrees.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub rotation_deg: f64,
    /// Largest translation along each axis, mm.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub translation_mm: f64,
}

impl Default for Search {
    fn default() -> Self {
        Self { samples: 200, keep: 3, rotation_deg: 30.0, translation_mm: 40.0 }
    }
}

/// One level of the pyramid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Level {
    /// Voxels are joined to blocks of about this size, mm; 0 keeps the volume as it is.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub voxel_mm: f64,
    /// Detector pixels joined along each axis.
    #[schemars(range(min = 1, max = 256))]
    pub detector_factor: u32,
    /// Part of the pixels whose rays are traced.
    #[schemars(range(min = 0.001, max = 1.0))]
    pub ray_fraction: f64,
    /// Most iterations.
    #[schemars(range(min = 1, max = 10000))]
    pub max_iterations: u32,
    /// The level ends when a step is shorter than this, mm (rotations count as arcs on the object).
    #[schemars(range(min = 1e-6, max = 100.0))]
    pub step_mm: f64,
}

impl Default for Level {
    fn default() -> Self {
        Self { voxel_mm: 0.0, detector_factor: 1, ray_fraction: 1.0, max_iterations: 30, step_mm: 0.01 }
    }
}

/// Where the registrations start: offsets from a centre, each component uniform between its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Starts {
    /// How many.
    #[schemars(range(min = 1, max = 10000))]
    pub count: u32,
    /// Largest rotation about each axis, degrees.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub rotation_deg: f64,
    /// Largest translation along each axis, mm.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub translation_mm: f64,
    /// The centre of the offsets: an ITK transform file, which maps world points to points of the volume, relative
    /// to the document.
    /// Without it the true pose of simulated X-rays, and the volume's own frame for real ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub centre: Option<String>,
}

impl Default for Starts {
    fn default() -> Self {
        Self { count: 20, rotation_deg: 20.0, translation_mm: 30.0, centre: None }
    }
}

/// The points of the volume whose errors are reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    /// Which points.
    pub points: TargetPoints,
}

/// Which points are targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetPoints {
    /// Landmarks if the volume brings some, else the registered labels' voxels, else a box.
    #[default]
    Auto,
    /// The landmarks that the volume brings.
    Landmarks,
    /// Voxels spread over the registered labels.
    Labels,
    /// A regular grid in the middle half of the volume.
    Box,
}

/// Curves and a map of the similarity around the true pose, or around the best answer where there is no truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Landscape {
    /// Points of each curve.
    #[schemars(range(min = 3, max = 401))]
    pub points: u32,
    /// Points along each side of the map; 0 draws none.
    #[schemars(range(min = 0, max = 101))]
    pub map_points: u32,
    /// Half-width in rotation, degrees.
    #[schemars(range(min = 0.01, max = 180.0))]
    pub rotation_deg: f64,
    /// Half-width in translation, mm.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub translation_mm: f64,
}

impl Default for Landscape {
    fn default() -> Self {
        Self { points: 41, map_points: 25, rotation_deg: 20.0, translation_mm: 30.0 }
    }
}

/// What must hold for status 0. All are about mTRE and need a reference pose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Criteria {
    /// Least part of the starts that must succeed, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// A start succeeds if its mTRE is at most this, mm.
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub success_within_mm: f64,
    /// Largest accepted median mTRE over the starts, mm.
    #[schemars(range(min = 0.0, max = 1000.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_mtre_mm: Option<f64>,
    /// Largest accepted mTRE of the best answer (the start with the best similarity), mm.
    #[schemars(range(min = 0.0, max = 1000.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_mtre_mm: Option<f64>,
}

impl Default for Criteria {
    fn default() -> Self {
        Self { success_rate: None, success_within_mm: 2.0, median_mtre_mm: None, best_mtre_mm: None }
    }
}
