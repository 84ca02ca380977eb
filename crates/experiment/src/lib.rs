//! Experiment documents, run folders, provenance and reports.
//!
//! One flow: TOML text → [`Document`] (typed form: types and ranges) → [`check()`] → [`Experiment`] (checked form:
//! defaults resolved, tables fit together, rad) → [`run()`] → a folder with results and a report.

mod check;
mod check_alone;
mod check_deform;
mod check_failures;
mod check_posterior;
mod check_ranking;
mod check_task;
mod clock;
pub mod document;
mod estimate;
mod experiment;
mod provenance;
mod report;
mod run;

pub use check::{Places, check};
pub use clock::{Clock, SystemClock};
pub use document::{Document, DocumentErrors, json_schema};
pub use estimate::Estimate;
pub use experiment::{
    AttenuationModel, Deformation, Experiment, LandscapeScheme, PairFiles, PairSource, PosteriorTask, RankingSource,
    RankingTask, Registration, Scene, Simulation, StartScheme, Task, ViewGeometry, ViewSource, VolumeSource,
};
pub use provenance::{Hardware, Provenance};
pub use report::challenge as challenge_report;
#[cfg(feature = "networks")]
pub use run::posterior::tools as posterior;
pub use run::{Outcome, Progress, RunError, RunOptions, Status, run};
