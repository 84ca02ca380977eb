//! The typed form of a document: one struct for each table, its defaults and ranges.
//!
//! These types are what `serde` reads, what the JSON Schema is made from and what the resolved document is
//! written from. Their field docs are the manual of the format.

use super::deform::{BrainPair, Deform, PairTable};
use super::failures::{Failures, ResultsTable, StudyTable};
use super::posterior::PosteriorTable;
use super::ranking::RankingTable;
use super::register::{Criteria, Landscape, Projector, Register, Render, Starts, Targets};
use super::toys::ToysTable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An experiment of Regiscope: where the images come from, and what is asked.
///
/// One task table says what is done. With `[register]`, `[posterior]` and `[render]`, `[phantom]` or `[volume]` gives a CT and
/// `[view]` or `[[views]]` the X-rays' geometry; with `[deform]`, `[pair]` or `[brain_pair]` gives two volumes;
/// with `[failures]`, `[study]` or `[results]` gives results of algorithms. Lengths are millimetres and angles degrees, as the names say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tables {
    /// The title of the report.
    pub title: String,
    /// What is asked, as one sentence for the head of the report.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Seed of every random number of the run; with the same seed the same figures come out.
    pub seed: u32,
    /// A seeded anatomical phantom instead of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phantom: Option<Phantom>,
    /// A CT from a file or a fetched dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeTable>,
    /// How Hounsfield units become linear attenuation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attenuation: Option<Attenuation>,
    /// The only view; `[[views]]` gives several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewTable>,
    /// Several views with known relative geometry, registered at once.
    #[schemars(length(max = 16))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<ViewTable>,
    /// How the X-rays are simulated from the volume; views with an `image` are not simulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Simulate>,
    /// Task: render the views and stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub render: Option<Render>,
    /// Task: register the volume to the X-rays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register: Option<Register>,
    /// Task: the whole posterior over poses by a network; stands alone or beside `[register]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posterior: Option<PosteriorTable>,
    /// Two volumes from files (with `[deform]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<PairTable>,
    /// A seeded pair of brain-like volumes (with `[deform]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brain_pair: Option<BrainPair>,
    /// Task: deform one volume onto another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deform: Option<Deform>,
    /// Task: rank algorithms, and say how sure the ranks are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranking: Option<RankingTable>,
    /// A seeded study of algorithms that fail on images (with `[failures]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyTable>,
    /// Results of algorithms from files (with `[failures]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub results: Option<ResultsTable>,
    /// Task: find out what makes algorithms fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// Task: invertible networks on small inverse problems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toys: Option<ToysTable>,
    /// Where the registrations start (with `[register]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Starts>,
    /// The points whose errors are reported (with `[register]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// The similarity around the reference pose, drawn in the report (with `[register]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landscape: Option<Landscape>,
    /// What must hold; if one criterion is missed, the program ends with status 1 (with `[register]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<Criteria>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            title: "Untitled experiment".to_owned(),
            question: String::new(),
            seed: 1,
            phantom: None,
            volume: None,
            attenuation: None,
            view: None,
            views: Vec::new(),
            simulate: None,
            render: None,
            register: None,
            posterior: None,
            pair: None,
            brain_pair: None,
            deform: None,
            ranking: None,
            study: None,
            results: None,
            failures: None,
            toys: None,
            starts: None,
            targets: None,
            landscape: None,
            criteria: None,
        }
    }
}

/// The embedded lumbar phantom: T11 to the sacrum, rib stubs, soft tissue and bowel gas, with labels (those of
/// TotalSegmentator, such as `vertebrae_L3`) and landmarks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Phantom {
    /// Which patient: each seed gives another anatomy.
    pub patient: u32,
    /// Edge of the cubic voxels, mm.
    #[schemars(range(min = 0.5, max = 20.0))]
    pub spacing_mm: f64,
    /// Size of the volume along x (left), y (posterior), z (superior), mm.
    #[schemars(inner(range(min = 10.0, max = 800.0)))]
    pub extent_mm: [f64; 3],
    /// How far patients differ from the mean: 0 is the mean itself, 1 the population.
    #[schemars(range(min = 0.0, max = 1.5))]
    pub variation: f64,
}

impl Default for Phantom {
    fn default() -> Self {
        Self { patient: 1, spacing_mm: 1.5, extent_mm: [360.0, 260.0, 320.0], variation: 1.0 }
    }
}

/// A CT from a file or a dataset. Exactly one of `file` and `dataset` is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeTable {
    /// NIfTI, MetaImage, NRRD, or a folder of a DICOM series; relative to the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A dataset by its name; `regiscope data list` shows the names, `regiscope data fetch` brings one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// What the voxels hold.
    pub units: Units,
    /// A volume of labels on the grid of the CT (whole numbers, 0 is background); relative to the document. A
    /// dataset brings its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
}

/// A label by its number, or by its name in TotalSegmentator's table (`vertebrae_L3`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Label {
    /// The number in the label volume.
    Number(#[schemars(range(min = 1, max = 65535))] u16),
    /// The name.
    Name(String),
}

/// What voxels hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Units {
    /// Hounsfield units, mapped by `[attenuation]`.
    #[default]
    Hu,
    /// Linear attenuation in 1/mm, used as it is.
    Attenuation,
}

/// How Hounsfield units become linear attenuation in 1/mm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Attenuation {
    /// Photon energy, keV.
    #[schemars(range(min = 10.0, max = 150.0))]
    pub energy_kev: f64,
    /// Effective energy of the CT scanner, keV: where its Hounsfield units were taken.
    #[schemars(range(min = 10.0, max = 150.0))]
    pub ct_energy_kev: f64,
    /// The shape of the mapping.
    pub mapping: Mapping,
    /// Voxels below this attenuate nothing, HU.
    #[schemars(range(min = -1100.0, max = 3000.0))]
    pub air_below_hu: f64,
    /// Voxels from this on are bone to `bone_scale`, HU; above `air_below_hu`.
    #[schemars(range(min = -1000.0, max = 30000.0))]
    pub bone_above_hu: f64,
    /// Factor on the attenuation of bone.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub bone_scale: f64,
    /// Whether voxels that are not bone are shown.
    pub soft_tissue: bool,
    /// What differs when the X-ray is simulated (the fixed image).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<AttenuationChange>,
    /// What differs when DRRs are rendered for the registration (the moving image).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moving: Option<AttenuationChange>,
}

impl Default for Attenuation {
    fn default() -> Self {
        Self {
            energy_kev: 70.0,
            ct_energy_kev: 70.0,
            mapping: Mapping::default(),
            air_below_hu: -900.0,
            bone_above_hu: 350.0,
            bone_scale: 1.0,
            soft_tissue: true,
            fixed: None,
            moving: None,
        }
    }
}

/// A departure from `[attenuation]` for one of the two images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttenuationChange {
    /// Photon energy, keV; as in `[attenuation]` if not given.
    #[schemars(range(min = 10.0, max = 150.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_kev: Option<f64>,
    /// The shape of the mapping; as in `[attenuation]` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// Factor on the attenuation of bone; as in `[attenuation]` if not given.
    #[schemars(range(min = 0.0, max = 100.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bone_scale: Option<f64>,
    /// Whether voxels that are not bone are shown; as in `[attenuation]` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft_tissue: Option<bool>,
}

/// The shape of the mapping from Hounsfield units to attenuation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mapping {
    /// Piecewise linear through air, water and cortical bone at the given energy.
    #[default]
    AirWaterBone,
    /// One line through air and water, continued above: bone as if it were dense water.
    AirWater,
}

/// One X-ray view: a C-arm (the numbers below), or the geometry in a `camera` file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ViewTable {
    /// The name of the view in files and in the report; `view1`, `view2`, … if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Distance from the source to the detector, mm.
    #[schemars(range(min = 50.0, max = 10000.0))]
    pub source_detector_mm: f64,
    /// Distance from the source to the isocentre, mm.
    #[schemars(range(min = 10.0, max = 10000.0))]
    pub source_isocentre_mm: f64,
    /// Rows of the detector.
    #[schemars(range(min = 8, max = 4096))]
    pub rows: u32,
    /// Columns of the detector.
    #[schemars(range(min = 8, max = 4096))]
    pub cols: u32,
    /// Distance between neighbouring pixel centres, mm.
    #[schemars(range(min = 0.05, max = 20.0))]
    pub pitch_mm: f64,
    /// Positioner primary angle, degrees: LAO positive, RAO negative (DICOM 0018,1510): the direction to the
    /// detector; 0 before the chest, 90 at the left hand, 180 behind the back.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub primary_angle_deg: f64,
    /// Positioner secondary angle, degrees: cranial positive, caudal negative (DICOM 0018,1511).
    #[schemars(range(min = -90.0, max = 90.0))]
    pub secondary_angle_deg: f64,
    /// Rotation of the detector in its plane, degrees: anatomy turns anticlockwise in the image.
    #[schemars(range(min = -360.0, max = 360.0))]
    pub detector_rotation_deg: f64,
    /// Whether columns are stored right to left.
    pub horizontal_flip: bool,
    /// Whether rays spread from a point or run in parallel.
    pub beam: Beam,
    /// The isocentre in the volume's LPS frame, mm; the middle of the volume if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = -100000.0, max = 100000.0)))]
    pub isocentre_mm: Option<[f64; 3]>,
    /// A camera file (JSON with `source_mm`, `pixel0_mm`, `col_step_mm`, `row_step_mm`, `rows`, `cols`) instead of
    /// the numbers above; relative to the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// A real X-ray (DICOM, NPY, NIfTI, PNG or TIFF) of this view, of `rows` × `cols` pixels; without it the X-ray
    /// is simulated. Relative to the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the pixels of `image` hold.
    pub image_holds: ImageHolds,
}

impl Default for ViewTable {
    fn default() -> Self {
        Self {
            name: None,
            source_detector_mm: 1020.0,
            source_isocentre_mm: 620.0,
            rows: 200,
            cols: 200,
            pitch_mm: 2.0,
            primary_angle_deg: 0.0,
            secondary_angle_deg: 0.0,
            detector_rotation_deg: 0.0,
            horizontal_flip: false,
            beam: Beam::default(),
            isocentre_mm: None,
            camera: None,
            image: None,
            image_holds: ImageHolds::default(),
        }
    }
}

/// Whether rays spread from a point or run in parallel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Beam {
    /// A point source.
    #[default]
    Cone,
    /// Orthographic: all rays run along the central ray.
    Parallel,
}

/// What the pixels of a real X-ray hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageHolds {
    /// Line integrals of the attenuation, or anything that grows with them: bone is bright.
    #[default]
    LineIntegrals,
    /// Detected intensity: bone is dark. The negative logarithm relative to the brightest pixel is taken.
    Intensity,
}

/// How X-rays are simulated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Simulate {
    /// Rotation of the true pose away from the volume's own frame, about the isocentre: a rotation vector along
    /// the axes x (left), y (posterior), z (superior), degrees.
    #[schemars(inner(range(min = -180.0, max = 180.0)))]
    pub rotation_deg: [f64; 3],
    /// Translation of the true pose along x (left), y (posterior), z (superior), mm.
    #[schemars(inner(range(min = -1000.0, max = 1000.0)))]
    pub translation_mm: [f64; 3],
    /// Mean number of photons per pixel without an object, for Poisson noise; no noise if not given.
    #[schemars(range(min = 10.0, max = 1e9))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photons: Option<f64>,
    /// How line integrals are discretised.
    pub projector: Projector,
    /// Standard deviation of the detector's blur, mm on the detector; 0 is none.
    #[schemars(range(min = 0.0, max = 50.0))]
    pub blur_mm: f64,
    /// Width of the closed collimator at each side of the detector, mm on the detector: left, right, top, bottom
    /// (columns grow to the right, rows to the bottom). What lies behind it is left out of the similarity.
    #[schemars(inner(range(min = 0.0, max = 10000.0)))]
    pub collimation_mm: [f64; 4],
    /// Labels of the parts that the X-ray shows; everything if empty.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
}
