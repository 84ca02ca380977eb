//! The typed form of the tables of a deformable registration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two images from files. Names are relative to the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PairTable {
    /// The image that stands still: NIfTI, MetaImage, NRRD or a folder of a DICOM series; a list where it has several
    /// channels, which lie on one grid.
    pub fixed: Files,
    /// The image that is deformed onto it; as many channels as `fixed`, in the same order.
    pub moving: Files,
    /// What each channel counts; 1 each if not given.
    #[schemars(length(max = 16), inner(range(min = 1e-6, max = 1e6)))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<f64>,
    /// Labels on the grid of the fixed image, whole numbers, 0 is background.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_fixed: Option<String>,
    /// Labels on the grid of the moving image; carried onto the fixed one, and compared where that has labels too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_moving: Option<String>,
    /// Voxels of the fixed image that count (not 0), on its grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_fixed: Option<String>,
    /// Voxels of the moving image that count (not 0), on its grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_moving: Option<String>,
    /// Landmarks in the fixed image: CSV with x, y, z (LPS, mm) or Slicer's .fcsv.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks_fixed: Option<String>,
    /// The same landmarks in the moving image, in the same order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks_moving: Option<String>,
}

/// One file, or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Files {
    /// One file.
    One(String),
    /// Several.
    List(Vec<String>),
}

impl Default for Files {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Files {
    /// The names.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::One(name) => vec![name],
            Self::List(names) => names.iter().map(String::as_str).collect(),
        }
    }
}

/// A seeded pair of brain-like images instead of files, with a known deformation between them, labels and landmarks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BrainPair {
    /// Which brain and which velocity: each seed gives another pair.
    pub subject: u32,
    /// Voxels along each axis of the field of view of 192 mm.
    #[schemars(range(min = 16, max = 512))]
    pub voxels: u32,
    /// Greatest speed of the flow between the images, mm for the unit of time.
    #[schemars(range(min = 0.0, max = 30.0))]
    pub speed_mm: f64,
    /// Highest wave number of the velocity along each axis.
    #[schemars(range(min = 1, max = 6))]
    pub waves: u32,
    /// Rotation of the moving image as a rotation vector along x (left), y (posterior), z (superior), degrees.
    #[schemars(inner(range(min = -180.0, max = 180.0)))]
    pub rotation_deg: [f64; 3],
    /// Shift of the moving image along x, y, z, mm.
    #[schemars(inner(range(min = -200.0, max = 200.0)))]
    pub translation_mm: [f64; 3],
    /// Size of the moving brain relative to the fixed one.
    #[schemars(range(min = 0.7, max = 1.4))]
    pub scale: f64,
    /// Standard deviation of noise in both images; white matter has the value 85.
    #[schemars(range(min = 0.0, max = 30.0))]
    pub noise: f64,
}

impl Default for BrainPair {
    fn default() -> Self {
        Self {
            subject: 1,
            voxels: 64,
            speed_mm: 8.0,
            waves: 3,
            rotation_deg: [0.0; 3],
            translation_mm: [0.0; 3],
            scale: 1.0,
            noise: 0.0,
        }
    }
}

/// Task: deform the moving image of `[pair]` (or `[brain_pair]`) onto the fixed one, by a smooth map with a smooth inverse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Deform {
    /// What keeps the deformation smooth.
    pub model: Model,
    /// What makes two images alike.
    pub distance: Distance,
    /// With `distance = "lncc"`, voxels on either side of the middle of the windows, on each grid of the run; 3 if not
    /// given.
    #[schemars(range(min = 1, max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_radius_voxels: Option<u32>,
    /// With `distance = "lncc"`, the variance of intensities in [0, 1] well below which a window holds but noise; 1e-3 if
    /// not given.
    #[schemars(range(min = 1e-9, max = 1.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance_floor: Option<f64>,
    /// With `distance = "ngf"`, the slope of intensities in [0, 1], per mm, well below which an edge counts as noise; the
    /// mean slope of both images if not given.
    #[schemars(range(min = 1e-9, max = 1e3))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_per_mm: Option<f64>,
    /// How much time is spent.
    pub preset: Preset,
    /// Weight β of the regularisation, for images in [0, 1]; that of the preset if not given. Other distances than `ssd`
    /// are scaled so that it means the same for them.
    #[schemars(range(min = 1e-12, max = 1e3))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// Finds the smallest weight for which det F stays between this and its reciprocal, instead of `beta`.
    #[schemars(range(min = 0.001, max = 0.99))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jacobian_bound: Option<f64>,
    /// Most Newton steps of each stage; those of the preset if not given.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newton_steps: Option<u32>,
    /// The affine stage before the deformation.
    pub affine: Affine,
    /// How alike two images are to the affine stage.
    pub affine_measure: AffineMeasure,
    /// An ITK transform file (fixed to moving points) that the affine stage starts from, or with `affine = "none"` the
    /// affine map itself; relative to the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affine_start: Option<String>,
    /// Percentiles of each image that become 0 and 1; what lies beyond is cut off.
    #[schemars(inner(range(min = 0.0, max = 100.0)))]
    pub percentiles: [f64; 2],
    /// Whether the moving image first gets the histogram of the fixed one.
    pub match_histograms: bool,
    /// Least gap of background around the periodic box, voxels; images that fill more get a margin.
    #[schemars(range(min = 0, max = 64))]
    pub gap_voxels: u32,
    /// How labels are carried.
    pub labels: LabelInterpolation,
    /// What must hold; if one criterion is missed, the program ends with status 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<DeformCriteria>,
}

impl Default for Deform {
    fn default() -> Self {
        Self {
            model: Model::default(),
            distance: Distance::default(),
            window_radius_voxels: None,
            variance_floor: None,
            edge_per_mm: None,
            preset: Preset::default(),
            beta: None,
            jacobian_bound: None,
            newton_steps: None,
            affine: Affine::default(),
            affine_measure: AffineMeasure::default(),
            affine_start: None,
            percentiles: [0.0, 100.0],
            match_histograms: false,
            gap_voxels: 8,
            labels: LabelInterpolation::default(),
            criteria: None,
        }
    }
}

/// What keeps the deformation smooth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// H1 seminorm of the velocity.
    H1,
    /// H1 with a penalty on the divergence: changes of volume stay small where the images do not call for them.
    #[default]
    H1Div,
    /// H1 without divergence: det F = 1.
    H1Stokes,
    /// H2 seminorm.
    H2,
    /// H3 seminorm.
    H3,
}

/// What makes two images alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distance {
    /// Sum of squared differences: the same tissue has the same value in both images.
    #[default]
    Ssd,
    /// Normalised cross-correlation: values differ by a linear change, of either sign.
    Ncc,
    /// Local normalised cross-correlation: by a linear change that varies in space.
    Lncc,
    /// Normalised gradient field: edges lie at the same places, whatever the values.
    Ngf,
}

/// How much time is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// A good alignment soon.
    Fast,
    /// The best that a few times the cost buys.
    #[default]
    Default,
    /// Fine detail.
    Accurate,
}

/// The maps of the affine stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Affine {
    /// No affine stage: the images are aligned as they lie.
    None,
    /// Shifts.
    Translation,
    /// Rotations and shifts.
    Rigid,
    /// One scale, rotations and shifts.
    Similarity,
    /// All affine maps.
    #[default]
    Affine,
}

/// How alike two images are to the affine stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AffineMeasure {
    /// Sum of squared differences.
    Ssd,
    /// Normalised cross-correlation.
    #[default]
    Ncc,
    /// Mutual information: images of different kinds.
    MutualInformation,
}

/// How labels are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LabelInterpolation {
    /// Each label by itself with linear weights, then the heaviest one.
    #[default]
    Soft,
    /// The nearest voxel.
    Nearest,
}

/// What must hold of a deformation for status 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeformCriteria {
    /// Largest accepted relative mismatch: what is left of the difference between the images, by squares whatever
    /// `distance` is.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<f64>,
    /// Least accepted mean overlap (Dice) of the labels.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dice: Option<f64>,
    /// Least accepted det F.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub det_f: Option<f64>,
    /// Largest accepted mean distance of landmarks, mm.
    #[schemars(range(min = 0.0, max = 1000.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tre_mm: Option<f64>,
}
