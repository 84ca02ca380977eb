//! `regiscope schema`: the JSON Schema of experiment documents.

use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_experiment::json_schema;

/// Writes the schema; it is JSON with and without `--json`.
pub fn run(mut output: Output) -> Result<Ending, Failure> {
    output.json = true;
    output.result(&json_schema(), String::new)?;
    Ok(Ending::Done)
}
