//! Running a checked experiment into its folder.

mod error;

pub use error::RunError;

use crate::clock::Clock;
use crate::experiment::Experiment;
use crate::provenance::Provenance;
use serde::{Deserialize, Serialize};
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

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "status", content = "missed")]
pub enum Status {
    /// Everything was done and every criterion holds.
    Done,
    /// Everything was done, but these criteria do not hold; one sentence each.
    CriterionMissed(Vec<String>),
    /// It was cancelled; `resume` goes on.
    Interrupted,
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

/// Runs an experiment and writes its folder.
pub fn run(
    _experiment: &Experiment,
    out_dir: &Path,
    _options: RunOptions,
    _observer: &mut dyn FnMut(Progress),
) -> Result<Outcome, RunError> {
    Err(RunError::FolderInUse(out_dir.to_path_buf()))
}
