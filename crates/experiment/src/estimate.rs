//! What a run will need, before it runs.

use crate::document::deform::Preset;
use crate::document::register::Optimiser;
use crate::document::toys::ToysTable;
use crate::experiment::{
    Deformation, Experiment, FailureTask, PairSource, PosteriorTask, RankingSource, RankingTask, Registration,
    StudySource, Task, ViewGeometry, VolumeSource,
};
use regiscope_challenge::ranking::Method;
use regiscope_geometry::camera_file;
use serde::Serialize;

/// Predicted cost of a run: right within a factor of about two where nothing unusual happens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Peak memory, bytes.
    pub memory_bytes: u64,
    /// Processor time, seconds.
    pub core_seconds: f64,
}

/// Bytes for each voxel: HU (4), labels (2), attenuation with its running sums (4), coarser levels and copies under way
/// (4). Measured: 12.5 on a CT of 512 × 512 × 133 voxels.
const BYTES_PER_VOXEL: u64 = 14;
/// Bytes for each pixel: image, mask, DRRs, pictures of the report.
const BYTES_PER_PIXEL: u64 = 80;
/// The program itself.
const BYTES_AT_LEAST: u64 = 60 << 20;

/// Seconds for each voxel of the phantom, of a file, and of preparing either (measured on one core at about 3 GHz).
const PHANTOM_S_PER_VOXEL: f64 = 2.5e-7;
const FILE_S_PER_VOXEL: f64 = 3e-8;
const PREPARE_S_PER_VOXEL: f64 = 8e-8;
/// Seconds for each ray with its derivative.
const S_PER_RAY: f64 = 1e-6;
/// Rays that one image of the automatic pyramid takes at most.
const RAYS_PER_IMAGE: f64 = 5000.0;

impl Experiment {
    /// Predicts memory and processor time. Reads the header of the volume, but renders nothing.
    pub fn estimate(&self) -> Estimate {
        let scene = match &self.task {
            Task::Render(scene) | Task::Register(scene, _) | Task::Posterior(scene, _) => scene,
            Task::Deform(task) => return deformation(task),
            Task::Rank(task) => return ranking(task),
            Task::Failures(task) => return failures(task),
            Task::Toys(asked) => return toys(asked),
        };
        let (voxels, load_s) = match &scene.volume {
            VolumeSource::Phantom(settings) => (settings.check().map_or(0, |g| g.len()), PHANTOM_S_PER_VOXEL),
            VolumeSource::File { path, .. } => {
                (regiscope_image::read_header(path).map_or(0, |h| h.grid.len()), FILE_S_PER_VOXEL)
            }
        };
        let pixels: usize = scene.views.iter().map(|v| pixels(&v.geometry)).sum();
        let task_s = match &self.task {
            Task::Register(_, task) => {
                registration_s(task, pixels as f64, scene.views.len() as f64)
                    + task.posterior.as_ref().map_or(0.0, |p| posterior_s(p, scene.views.len() as f64))
            }
            Task::Posterior(_, task) => posterior_s(task, scene.views.len() as f64),
            Task::Render(_) | Task::Deform(_) | Task::Rank(_) | Task::Failures(_) | Task::Toys(_) => 0.0,
        };
        Estimate {
            memory_bytes: BYTES_AT_LEAST + voxels as u64 * BYTES_PER_VOXEL + pixels as u64 * BYTES_PER_PIXEL,
            core_seconds: voxels as f64 * (load_s + PREPARE_S_PER_VOXEL) + pixels as f64 * S_PER_RAY + task_s,
        }
    }
}

/// Seconds for each pixel of an X-ray in training (rendering, and the network forth and back), and of one that is only
/// rendered.
const TRAINING_S_PER_PIXEL: f64 = 5e-7;
const RENDERED_S_PER_PIXEL: f64 = 6e-7;

fn posterior_s(task: &PosteriorTask, views: f64) -> f64 {
    let asked = &task.asked;
    let pixels = views * f64::from(asked.pixels).powi(2);
    let shown = asked.training.steps as f64 * f64::from(asked.training.batch);
    let weighted = asked.calibration.as_ref().map_or(0.0, |c| if c.weighted { f64::from(c.cases) } else { 0.0 });
    let brute = if asked.reference { 20.0 } else { 0.0 };
    let looked = task.cases.len() as f64 * (1.0 + brute) + weighted;
    pixels * (shown * TRAINING_S_PER_PIXEL + looked * 1.5 * f64::from(asked.samples) * RENDERED_S_PER_PIXEL)
}

/// Seconds of a step and of scoring a network on a toy.
const TOY_S_PER_STEP: f64 = 0.02;
const TOY_SCORE_S: f64 = 20.0;

fn toys(asked: &ToysTable) -> Estimate {
    let networks = asked.problems.len() as f64 * f64::from(asked.seeds);
    let core_seconds = networks * (asked.steps as f64 * TOY_S_PER_STEP + TOY_SCORE_S);
    Estimate { memory_bytes: 2 * BYTES_AT_LEAST, core_seconds }
}

/// Bytes for each voxel of the fixed image: the solver's fields, both images, two fields of displacements, labels.
const DEFORM_BYTES_PER_VOXEL: u64 = 160;
/// Seconds for each voxel of the box: the presets, and maps, files and report.
const DEFORM_S_PER_VOXEL: [f64; 3] = [2.5e-6, 1.1e-5, 3e-5];
const DEFORM_FILES_S_PER_VOXEL: f64 = 3e-6;

fn deformation(task: &Deformation) -> Estimate {
    let voxels = match &task.source {
        PairSource::Brains(settings) => settings.check().map_or(0, |g| g.len()),
        PairSource::Files(files) => regiscope_image::read_header(&files.fixed[0]).map_or(0, |h| h.grid.len()),
    };
    let of_preset = match task.method.preset {
        Preset::Fast => DEFORM_S_PER_VOXEL[0],
        Preset::Default => DEFORM_S_PER_VOXEL[1],
        Preset::Accurate => DEFORM_S_PER_VOXEL[2],
    };
    Estimate {
        memory_bytes: BYTES_AT_LEAST + voxels as u64 * DEFORM_BYTES_PER_VOXEL,
        core_seconds: 0.3 + voxels as f64 * (of_preset + DEFORM_FILES_S_PER_VOXEL),
    }
}

/// Bytes of a result: names in the table, values, figures.
const BYTES_PER_RESULT: u64 = 600;
/// Seconds of a pairwise test in a resample for each case; other methods cost a hundredth.
const S_PER_TESTED_CASE: f64 = 4e-9;

fn ranking(task: &RankingTask) -> Estimate {
    // A row of a table has at least some twenty bytes.
    let (results, algorithms) = match &task.source {
        RankingSource::Study(s) => (s.images * s.algorithms, s.algorithms),
        RankingSource::File(path, _) => (std::fs::metadata(path).map_or(0, |m| m.len() as usize / 20), 10),
    };
    let tests = matches!(task.settings.method.1, Method::TestThenRank(_));
    let resamples = task.settings.resamples as f64 * if tests { 1.0 } else { 0.01 };
    Estimate {
        memory_bytes: BYTES_AT_LEAST + results as u64 * BYTES_PER_RESULT,
        core_seconds: 0.2 + resamples * results as f64 * algorithms as f64 * S_PER_TESTED_CASE + results as f64 * 2e-5,
    }
}

/// Bytes for each result: tables, design, random effects, simulations.
const FAILURE_BYTES_PER_ROW: u64 = 6_000;
/// Seconds for each result: a fit of failures, that of the score, checks and tests.
const FIT_S_PER_ROW: f64 = 2e-5;
const ANALYSIS_S_PER_ROW: f64 = 3e-4;
/// Bytes of a row of a table, about.
const BYTES_OF_ROW: u64 = 80;

fn failures(task: &FailureTask) -> Estimate {
    let (rows, has_labels) = match &task.source {
        StudySource::Generated(settings) => ((settings.images * settings.algorithms) as u64, true),
        StudySource::Files(files) => {
            let bytes = std::fs::metadata(&files.data).map_or(0, |m| m.len());
            (bytes / BYTES_OF_ROW, files.annotations.is_some())
        }
    };
    // Each imputation is fitted twice.
    let fits = if has_labels { 2.0 * f64::from(task.method.imputations) } else { 0.0 };
    Estimate {
        memory_bytes: BYTES_AT_LEAST + rows * FAILURE_BYTES_PER_ROW,
        core_seconds: 0.3 + rows as f64 * (ANALYSIS_S_PER_ROW + fits * FIT_S_PER_ROW),
    }
}

fn pixels(geometry: &ViewGeometry) -> usize {
    match geometry {
        ViewGeometry::CArm { shape, .. } => shape[0] * shape[1],
        ViewGeometry::Camera(path) => camera_file::read(path).map_or(0, |view| view.pixels()),
    }
}

/// Seconds of a registration: images rendered, times their rays.
fn registration_s(task: &Registration, pixels: f64, views: f64) -> f64 {
    let levels = &task.method.levels;
    let rays = match levels.last() {
        Some(level) => pixels * level.ray_fraction / f64::from(level.detector_factor).powi(2),
        None => pixels.min(RAYS_PER_IMAGE * views),
    };
    // Images rendered by a start, counted on the documents in `experiments/`.
    let images = match task.method.optimiser {
        Optimiser::LevenbergMarquardt => 60.0,
        Optimiser::Lbfgs => 120.0,
        Optimiser::NelderMead => 500.0,
        Optimiser::CmaEs => 1500.0,
    };
    // The search looks at the coarsest level, where rays are few.
    let search = task.method.search.as_ref().map_or(0.0, |s| 0.15 * f64::from(s.samples));
    let landscape = task.landscape.map_or(0.0, |l| (6 * l.points + 3 * l.map_points * l.map_points) as f64);
    let parts = 3.0 * images * task.per_label.len() as f64;
    ((images + search) * task.starts.count as f64 + landscape + parts) * rays * S_PER_RAY
}
