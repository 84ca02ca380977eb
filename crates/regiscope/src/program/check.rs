//! `regiscope check`: whether a document can be run, and every mistake in it.

use crate::program::args::CheckArgs;
use crate::program::document::{self, Refusal};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use serde_json::json;

/// Checks a document.
pub fn run(arguments: CheckArgs, output: Output) -> Result<Ending, Failure> {
    match document::load(&arguments.document) {
        Ok(experiment) => {
            document::tell_warnings(&experiment, output);
            let path = arguments.document.path.display();
            let value = json!({"accepted": true, "mistakes": [], "warnings": experiment.warnings});
            output.result(&value, || format!("{path}: accepted"))?;
            Ok(Ending::Done)
        }
        Err(Refusal::Failure(failure)) => Err(failure),
        Err(Refusal::Mistakes(mistakes)) => {
            if output.json {
                let list = document::mistakes_json(&mistakes);
                output.result(&json!({"accepted": false, "mistakes": list, "warnings": []}), String::new)?;
            }
            Err(document::tell(&mistakes))
        }
    }
}
