//! The task `[posterior]`: a network learns the posterior over poses, and cases are looked at with it.

#[cfg(feature = "networks")]
mod calibrate;
#[cfg(feature = "networks")]
mod cases;
#[cfg(feature = "networks")]
mod learned;
#[cfg(feature = "networks")]
mod next;
#[cfg(feature = "networks")]
pub mod record;
#[cfg(feature = "networks")]
pub mod reference;
#[cfg(feature = "networks")]
mod rivals;
#[cfg(feature = "networks")]
mod scene;
#[cfg(feature = "networks")]
pub mod tools;
#[cfg(feature = "networks")]
pub mod train;

#[cfg(feature = "networks")]
pub(super) use learned::{part, run};
#[cfg(not(feature = "networks"))]
pub(super) use without::{part, run};

use serde_json::Value;

/// What a posterior adds to a run.
pub struct Part {
    /// Its metrics.
    pub metrics: Value,
    /// Its part of the report, HTML.
    pub page: String,
}

/// A program without networks refuses the task.
#[cfg(not(feature = "networks"))]
mod without {
    use super::super::error::RunError;
    use super::super::folder::RunFolder;
    use super::super::subject::Subject;
    use super::super::{Finished, Progress, RunOptions, Stopwatch};
    use super::Part;
    use crate::experiment::{Experiment, PosteriorTask, Scene};

    fn refused<T>() -> Result<T, RunError> {
        let reason = "[posterior] needs networks, which this program was built without (feature `networks`)";
        Err(RunError::Unusable(reason.to_owned()))
    }

    pub fn run(
        _: &Experiment,
        _: &Scene,
        _: &PosteriorTask,
        _: &RunFolder,
        _: &RunOptions,
        _: &mut dyn FnMut(Progress),
    ) -> Result<Option<Finished>, RunError> {
        refused()
    }

    #[expect(clippy::too_many_arguments, reason = "as the form with networks")]
    pub fn part(
        _: &Experiment,
        _: &Scene,
        _: &PosteriorTask,
        _: &Subject,
        _: &RunFolder,
        _: &RunOptions,
        _: &mut Stopwatch,
        _: &mut dyn FnMut(Progress),
    ) -> Result<Option<Part>, RunError> {
        refused()
    }
}
