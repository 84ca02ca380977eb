//! `regiscope challenge`: from results to rankings, from annotations to labels, from masks to metrics.

mod aggregate;
mod agree;
mod annotations;
mod detections;
mod failure_words;
mod failures;
mod landmarks;
mod metrics;
mod poses;
mod probabilities;
mod rank;
mod rank_words;
mod report;
mod results;
mod table;

use crate::program::args::JsonTarget;
use crate::program::args::challenge::{ChallengeArgs, ChallengeCommand};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use serde_json::Value;
use std::path::Path;

/// Does what was asked with a challenge.
pub fn run(arguments: ChallengeArgs, output: Output) -> Result<Ending, Failure> {
    match arguments.command {
        ChallengeCommand::Rank(arguments) => rank::run(&arguments, output),
        ChallengeCommand::Agree(arguments) => agree::run(&arguments, output),
        ChallengeCommand::Aggregate(arguments) => aggregate::run(&arguments, output),
        ChallengeCommand::Metrics(arguments) => metrics::run(&arguments, output),
        ChallengeCommand::Report(arguments) => report::run(&arguments, output),
        ChallengeCommand::Detections(arguments) => detections::run(&arguments, output),
        ChallengeCommand::Probabilities(arguments) => probabilities::run(&arguments, output),
        ChallengeCommand::Landmarks(arguments) => landmarks::run(&arguments, output),
        ChallengeCommand::Poses(arguments) => poses::run(&arguments, output),
        ChallengeCommand::Failures(arguments) => failures::run(&arguments, output),
    }
}

/// Writes a result: JSON to where it was asked for, else words to standard output.
fn tell(
    value: &Value,
    target: Option<&JsonTarget>,
    output: Output,
    words: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if let Some(JsonTarget::File(path)) = target {
        let mut text = serde_json::to_vec_pretty(value).map_err(|e| Failure::file(path, e))?;
        text.push(b'\n');
        written(path, &text)?;
        output.detail(format_args!("wrote {}", path.display()));
    }
    // `output.json` says whether JSON goes to standard output.
    output.result(value, words)?;
    Ok(())
}

/// Writes a file, and the folders it lies in: a temporary name, then renamed.
fn written(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
    }
    let written = regiscope_image::write_atomically(path, |file| {
        file.write_all(bytes).map_err(|e| regiscope_image::WriteError::io(path, e))
    });
    written.map_err(|e| Failure::file(path, e))
}
