//! The checked form of a document: every default resolved, every range checked, angles in rad.

use crate::document::Tables;
use crate::document::deform::Deform;
use crate::document::failures::{Failures, ResultsTable};
use crate::document::posterior::PosteriorTable;
use crate::document::ranking::{RankingTable, ResultColumns};
use crate::document::register as typed;
use crate::document::tables::{Beam, ImageHolds, Units};
use crate::document::toys::ToysTable;
use regiscope_challenge::ranking::analysis::Settings;
use regiscope_datasets::brain::PairSettings;
use regiscope_datasets::phantom::PhantomSettings;
use regiscope_datasets::study::StudySettings;
pub use regiscope_drr::attenuation::Attenuation as AttenuationModel;
use regiscope_geometry::{AffineMap, Rigid, Twist};
use std::path::PathBuf;

/// A checked experiment, ready to [`run`](crate::run()).
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The document with its defaults filled in.
    pub tables: Tables,
    /// What is done.
    pub task: Task,
    /// What was accepted with doubt.
    pub warnings: Vec<String>,
}

/// A CT and how it is X-rayed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Where the CT comes from.
    pub volume: VolumeSource,
    /// HU mapping of the simulated X-ray.
    pub fixed_attenuation: AttenuationModel,
    /// HU mapping of the DRRs in the registration.
    pub moving_attenuation: AttenuationModel,
    /// The views; at least one.
    pub views: Vec<ViewSource>,
    /// How X-rays are simulated.
    pub simulation: Simulation,
}

/// Where the CT comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeSource {
    /// The embedded phantom.
    Phantom(PhantomSettings),
    /// Files that exist.
    File {
        /// The CT.
        path: PathBuf,
        /// Its labels.
        labels: Option<PathBuf>,
        /// What its voxels hold.
        units: Units,
    },
}

/// One view.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewSource {
    /// Its name, good for a file name and unlike the others.
    pub name: String,
    /// Its geometry.
    pub geometry: ViewGeometry,
    /// A real X-ray of it.
    pub image: Option<(PathBuf, ImageHolds)>,
}

/// The geometry of a view; lengths mm, angles rad.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewGeometry {
    /// A C-arm about an isocentre.
    CArm {
        /// Source to detector, mm.
        source_detector_mm: f64,
        /// Source to isocentre, mm, less than the former.
        source_isocentre_mm: f64,
        /// Rows and columns.
        shape: [usize; 2],
        /// Pixel pitch, mm.
        pitch_mm: f64,
        /// Positioner primary angle, rad.
        primary: f64,
        /// Positioner secondary angle, rad.
        secondary: f64,
        /// In-plane rotation, rad.
        detector_rotation: f64,
        /// Whether columns are stored right to left.
        horizontal_flip: bool,
        /// Cone or parallel rays.
        beam: Beam,
        /// Isocentre in the volume's LPS frame, mm; the middle of the volume if `None`.
        isocentre_mm: Option<[f64; 3]>,
    },
    /// A camera file that exists.
    Camera(PathBuf),
}

/// How X-rays are simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The true pose relative to the volume's own frame, about the isocentre (mm; rad).
    pub offset: Twist,
    /// Photons per pixel without an object; `None` is no noise.
    pub photons: Option<f64>,
    /// Standard deviation of the blur, mm on the detector.
    pub blur_mm: f64,
    /// Closed collimator, mm: left, right, top, bottom.
    pub collimation_mm: [f64; 4],
    /// Labels that the X-ray shows; empty shows all.
    pub labels: Vec<u16>,
    /// How line integrals are discretised.
    pub projector: typed::Projector,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Render the views at the true pose.
    Render(Box<Scene>),
    /// Register the volume to the X-rays.
    Register(Box<Scene>, Box<Registration>),
    /// Learn the posterior over poses and look at cases.
    Posterior(Box<Scene>, Box<PosteriorTask>),
    /// Deform one volume onto another.
    Deform(Box<Deformation>),
    /// Rank algorithms.
    Rank(Box<RankingTask>),
    /// Train invertible networks on small inverse problems.
    Toys(ToysTable),
    /// Find out what makes algorithms fail.
    Failures(Box<FailureTask>),
}

/// A checked ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct RankingTask {
    /// Where the results come from.
    pub source: RankingSource,
    /// How each task is analysed.
    pub settings: Settings,
    /// What was asked for beside.
    pub asked: RankingTable,
}

/// Where results of algorithms come from.
#[derive(Clone, Debug, PartialEq)]
pub enum RankingSource {
    /// A table that exists, and its columns.
    File(PathBuf, ResultColumns),
    /// A seeded study.
    Study(Box<StudySettings>),
}

/// A checked deformable registration.
#[derive(Clone, Debug, PartialEq)]
pub struct Deformation {
    /// Where the images come from.
    pub source: PairSource,
    /// The method, its ranges checked.
    pub method: Deform,
    /// Where the affine stage starts, or the affine map itself.
    pub affine_start: Option<AffineMap>,
}

/// Where two images come from.
#[derive(Clone, Debug, PartialEq)]
pub enum PairSource {
    /// A seeded pair.
    Brains(PairSettings),
    /// Files that exist.
    Files(Box<PairFiles>),
}

/// The files of two images.
#[derive(Clone, Debug, PartialEq)]
pub struct PairFiles {
    /// Channels of the fixed image.
    pub fixed: Vec<PathBuf>,
    /// Channels of the moving image, as many.
    pub moving: Vec<PathBuf>,
    /// What each channel counts.
    pub weights: Vec<f64>,
    /// Labels of the fixed image.
    pub labels_fixed: Option<PathBuf>,
    /// Labels of the moving image; there if those of the fixed image are.
    pub labels_moving: Option<PathBuf>,
    /// Voxels of the fixed image that count.
    pub mask_fixed: Option<PathBuf>,
    /// Voxels of the moving image that count.
    pub mask_moving: Option<PathBuf>,
    /// Landmarks of the fixed image.
    pub landmarks_fixed: Option<PathBuf>,
    /// Landmarks of the moving image; there if and only if those of the fixed image are.
    pub landmarks_moving: Option<PathBuf>,
}

/// A checked registration.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The method, its ranges checked.
    pub method: typed::Register,
    /// Labels that the DRRs show; empty shows all.
    pub labels: Vec<u16>,
    /// What is cut off the volume's inferior and superior ends, mm.
    pub truncate_mm: [f64; 2],
    /// Labels that are registered by themselves in the end.
    pub per_label: Vec<u16>,
    /// Answers nearer than this are one mode, mm.
    pub mode_within_mm: f64,
    /// How far a registration may go from its start; `None` is anywhere.
    pub reach: Option<regiscope_pose::pyramid::Reach>,
    /// The reference pose of real X-rays.
    pub reference: Option<Rigid>,
    /// The starts.
    pub starts: StartScheme,
    /// Which points are targets.
    pub targets: typed::TargetPoints,
    /// The landscape, if asked for.
    pub landscape: Option<LandscapeScheme>,
    /// What must hold.
    pub criteria: Option<typed::Criteria>,
    /// The posterior that is learned besides.
    pub posterior: Option<PosteriorTask>,
}

/// A checked posterior over poses.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorTask {
    /// The method, its ranges checked.
    pub asked: PosteriorTable,
    /// What an X-ray may show: names, and labels that are seen (empty: everything); at least one.
    pub contents: Vec<(String, Vec<u16>)>,
    /// The cases.
    pub cases: Vec<PosteriorCase>,
}

/// A simulated X-ray that is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorCase {
    /// Its name.
    pub name: String,
    /// Which content it shows.
    pub content: usize,
    /// Noise as a part of the ideal image's standard deviation.
    pub noise: f64,
    /// True turn about the long axis, rad; drawn from the prior if `None`.
    pub turn: Option<f64>,
}

/// How starts are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct StartScheme {
    /// How many.
    pub count: usize,
    /// Half-width of each rotation component, rad.
    pub rotation: f64,
    /// Half-width of each translation component, mm.
    pub translation_mm: f64,
    /// Centre of the offsets, if not the reference.
    pub centre: Option<Rigid>,
}

/// Where the similarity is sampled around the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LandscapeScheme {
    /// Points of each curve.
    pub points: usize,
    /// Points along each side of the map.
    pub map_points: usize,
    /// Half-width, rad.
    pub rotation: f64,
    /// Half-width, mm.
    pub translation_mm: f64,
}

/// A checked analysis of failures.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureTask {
    /// Where the results come from.
    pub source: StudySource,
    /// The method, its ranges checked.
    pub method: Failures,
}

/// Where results of algorithms come from.
#[derive(Clone, Debug, PartialEq)]
pub enum StudySource {
    /// A seeded study.
    Generated(Box<StudySettings>),
    /// Files that exist.
    Files(Box<FailureFiles>),
}

/// The files of results.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureFiles {
    /// The results.
    pub data: PathBuf,
    /// Raters' labels.
    pub annotations: Option<PathBuf>,
    /// The schema of the labels.
    pub schema: Option<PathBuf>,
    /// Which columns hold what.
    pub table: ResultsTable,
}
