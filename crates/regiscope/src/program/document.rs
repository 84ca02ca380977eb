//! From a document's file to a checked experiment, with every mistake shown where it was made.

use crate::program::args::DocumentArgs;
use crate::program::cache;
use crate::program::failure::Failure;
use crate::program::output::{self, Output, say};
use regiscope_experiment::document::MAX_BYTES;
use regiscope_experiment::{Document, DocumentErrors, Experiment, Places, check};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Why a document gives no experiment.
#[derive(Debug)]
pub enum Refusal {
    /// The file could not be read, or a setting around it is wrong.
    Failure(Failure),
    /// Mistakes in the document.
    Mistakes(DocumentErrors),
}

/// Reads and checks a document.
pub fn load(arguments: &DocumentArgs) -> Result<Experiment, Refusal> {
    let path = &arguments.path;
    let text = read(path).map_err(Refusal::Failure)?;
    let data_dir = cache::folder(arguments.cache.as_deref()).map_err(Refusal::Failure)?;
    let document = Document::parse(&text, &path.display().to_string()).map_err(Refusal::Mistakes)?;
    let document = document.with_overrides(&arguments.set).map_err(Refusal::Mistakes)?;
    let base_dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
    check(&document, &Places { base_dir, data_dir }).map_err(Refusal::Mistakes)
}

/// The text of a document of acceptable length.
pub fn read(path: &Path) -> Result<String, Failure> {
    let refused = |reason: &dyn std::fmt::Display| Failure::file(path, reason);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| refused(&e))?;
    // One byte more than accepted, so that the document's own check of its length speaks.
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|e| refused(&e))?;
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        refused(&format_args!("byte {at} is not UTF-8 text, so this is not a document"))
    })
}

/// Tells all mistakes on standard error: source lines with carets on a terminal, one line for each elsewhere.
pub fn tell(mistakes: &DocumentErrors) -> Failure {
    match output::stderr_width() {
        Some(width) => say(mistakes.render(output::stderr_has_colour(), width).trim_end()),
        None => say(mistakes),
    }
    Failure::Told
}

/// The mistakes for scripts.
pub fn mistakes_json(mistakes: &DocumentErrors) -> Value {
    let one = |error: &regiscope_experiment::document::DocumentError| {
        let (line, column) = mistakes.line_and_column(error);
        let source = &mistakes.sources[error.place.source];
        let mut value = json!({"line": line, "column": column, "message": error.message, "help": error.help});
        match error.place.source {
            0 => value["file"] = json!(source.name),
            _ => value["set"] = json!(source.text),
        }
        value
    };
    mistakes.errors.iter().map(one).collect()
}

/// Notes what was accepted with doubt.
pub fn tell_warnings(experiment: &Experiment, output: Output) {
    for warning in &experiment.warnings {
        output.note(format_args!("warning: {warning}"));
    }
}
