//! Running a checked experiment into its folder.
//!
//! # The folder
//! | file | content |
//! |---|---|
//! | `document.toml` | the document with its defaults filled in |
//! | `run.json` | program, machine, seeds, times, energy with provenance, warnings, status |
//! | `metrics.json` | errors, success rates, modes, criteria; written last |
//! | `starts.csv`, `iterations.jsonl` | every start, every iteration |
//! | `landscape.json` | similarity around the reference or the best answer |
//! | `xray-NAME.*`, `drr-NAME.*`, `camera-NAME.json` | images and geometry of each view |
//! | `transforms/*.tfm` | poses as ITK transforms (world points to points of the volume) |
//! | `warped.nii.gz`, `warped_labels.nii.gz`, `residual.nii.gz` | the deformed moving image and labels, the difference left |
//! | `displacement.nii.gz`, `inverse_displacement.nii.gz` | the whole map and its inverse (5-D, intent 1007, LPS, mm) |
//! | `velocity.nii.gz`, `jacobian.nii.gz`, `affine.tfm` | the flow's velocity, det F of the whole map, the affine map |
//! | `pair/` | the two images, labels, landmarks and displacements of a seeded pair |
//! | `ranking.csv`, `significance.csv`, `methods.csv`, `bootstrap_ranks.csv`, `*.tex`, `rankings.json` | rankings as tables and as JSON |
//! | `grand_challenge.json` | values and aggregates as grand-challenge.org reads them |
//! | `network/` | the trained network of a posterior: `network.safetensors`, `network.json`, `training.csv` |
//! | `posterior/NAME.csv` | weighted poses of a case |
//! | `report.html` | all of it to read, without a network |
//! | `state/` | finished starts, or the last step's checkpoint, of an unfinished run |

mod attenuation;
mod climb;
pub mod deform;
mod energy;
mod error;
pub mod failures;
mod files;
mod folder;
pub mod landscape;
pub mod measure;
mod moving;
mod physics;
pub mod pieces;
pub mod posterior;
mod ranking;
pub mod record;
pub mod registration;
mod rendering;
mod subject;
pub mod toys;
mod views;
pub mod xray;

pub use error::RunError;
pub use folder::{document_hash, document_text};

use crate::clock::Clock;
use crate::experiment::{Experiment, Task};
use crate::provenance::Provenance;
use folder::RunFolder;
use regiscope_energy::{Meter, RegionKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// What a run is given beside the experiment.
pub struct RunOptions<'a> {
    /// Whether to go on with an interrupted run in the same folder.
    pub resume: bool,
    /// Set to `true` from anywhere (a signal handler) to end after the current step.
    pub cancel: &'a AtomicBool,
    /// What is said about program and machine.
    pub provenance: Provenance,
    /// Where times come from.
    pub clock: &'a dyn Clock,
    /// What measures the run's energy; without a meter it is unmeasured.
    pub meter: Option<&'a Meter>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What is being done, as `registering`.
    pub stage: &'static str,
    /// Steps of the stage that are done.
    pub done: usize,
    /// Steps of the stage.
    pub total: usize,
    /// The last step in a few words; may be empty.
    pub note: String,
}

impl Progress {
    /// The beginning of a stage without counted steps.
    fn begin(stage: &'static str) -> Self {
        Self { stage, done: 0, total: 1, note: String::new() }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Everything was done and every criterion holds.
    Done,
    /// Everything was done, but these criteria do not hold; one sentence each.
    CriterionMissed(Vec<String>),
    /// It was cancelled; `resume` goes on.
    Interrupted,
}

impl Status {
    /// The status as one word, as in `run.json`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::CriterionMissed(_) => "criterion-missed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// The content of `metrics.json`; null if interrupted.
    pub metrics: serde_json::Value,
    /// What the reader should know, in plain words.
    pub warnings: Vec<String>,
    /// The folder's report, if it was written.
    pub report: Option<PathBuf>,
}

/// What a finished task hands to the end of the run.
struct Finished {
    status: Status,
    metrics: serde_json::Value,
    timings: Vec<Timing>,
    warnings: Vec<String>,
}

/// Time that a stage took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage.
    pub stage: String,
    /// Wall time, s.
    pub wall_s: f64,
    /// Processor time over all threads, s; null where the system does not tell.
    pub core_s: Option<f64>,
}

/// Times stages one after another.
pub(crate) struct Stopwatch<'a> {
    clock: &'a dyn Clock,
    began: (f64, Option<f64>),
    timings: Vec<Timing>,
}

impl<'a> Stopwatch<'a> {
    fn new(clock: &'a dyn Clock) -> Self {
        Self { clock, began: (clock.wall_s(), clock.core_s()), timings: Vec::new() }
    }

    /// Ends the stage that has been running since the last call.
    fn lap(&mut self, stage: &str) {
        let now = (self.clock.wall_s(), self.clock.core_s());
        let core_s = now.1.zip(self.began.1).map(|(now, before)| now - before);
        self.timings.push(Timing { stage: stage.to_owned(), wall_s: now.0 - self.began.0, core_s });
        self.began = now;
    }
}

/// Runs an experiment and writes its folder.
///
/// With `options.resume`, finished starts of an interrupted run of the same document are kept, and the results are
/// those of an uninterrupted run, times apart. A complete folder is left as it is and its metrics are returned.
pub fn run(
    experiment: &Experiment,
    out_dir: &Path,
    options: RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Outcome, RunError> {
    if options.resume
        && let Some(outcome) = folder::complete(out_dir, &experiment.tables)?
    {
        return Ok(outcome);
    }
    let folder = RunFolder::open(out_dir, &experiment.tables, options.resume)?;
    let region = options.meter.map(|meter| meter.region(&experiment.tables.title, RegionKind::Work));
    let record = |word: &str, timings: &[Timing], warnings: &[String], energy: serde_json::Value| {
        json!({
            "status": word,
            "title": experiment.tables.title,
            "seed": experiment.tables.seed,
            "document_sha256": document_hash(&experiment.tables),
            "provenance": options.provenance,
            "resumed": options.resume,
            "timings": timings,
            "wall_s": timings.iter().map(|t| t.wall_s).sum::<f64>(),
            "core_s": timings.iter().map(|t| t.core_s).sum::<Option<f64>>(),
            "energy": energy,
            "warnings": warnings,
        })
    };
    folder.write_json("run.json", &record("running", &[], &experiment.warnings, energy::unfinished()))?;
    let finished = match &experiment.task {
        Task::Render(scene) => rendering::run(experiment, scene, &folder, &options, observer)?,
        Task::Register(scene, task) => registration::run(experiment, scene, task, &folder, &options, observer)?,
        Task::Posterior(scene, task) => posterior::run(experiment, scene, task, &folder, &options, observer)?,
        Task::Deform(task) => deform::run(experiment, task, &folder, &options, observer)?,
        Task::Rank(task) => ranking::run(experiment, task, &folder, &options, observer)?,
        Task::Toys(asked) => toys::run(experiment, asked, &folder, &options, observer)?,
        Task::Failures(task) => failures::run(experiment, task, &folder, &options, observer)?,
    };
    let used = energy::used(options.meter, region);
    let Some(Finished { status, metrics, timings, warnings }) = finished else {
        folder.write_json("run.json", &record("interrupted", &[], &experiment.warnings, used))?;
        let warnings = experiment.warnings.clone();
        let metrics = serde_json::Value::Null;
        return Ok(Outcome { status: Status::Interrupted, metrics, warnings, report: None });
    };
    folder.write_json("run.json", &record(status.word(), &timings, &warnings, used))?;
    folder.finish(&metrics)?;
    let report = Some(folder.file("report.html"));
    Ok(Outcome { status, metrics, warnings, report })
}
