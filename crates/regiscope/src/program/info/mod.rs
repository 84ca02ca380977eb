//! `regiscope info`: what a file holds, or why it is refused.

#[cfg(feature = "tables")]
mod table;

use crate::program::args::InfoArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use serde_json::Value;
use std::path::Path;

/// What is said about an accepted file.
#[derive(Debug)]
pub struct Description {
    /// For scripts; always with the keys `kind` and `warnings`.
    pub value: Value,
    /// For people.
    pub text: String,
    /// What was doubtful.
    pub warnings: Vec<String>,
}

/// What a file's name and first bytes promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Table,
}

/// Looks at a file.
pub fn run(arguments: InfoArgs, output: Output) -> Result<Ending, Failure> {
    let path = &arguments.file;
    // A missing file is told as such, whatever its name promises.
    std::fs::metadata(path).map_err(|e| Failure::file(path, e))?;
    let accepted = "accepted are tables (.csv, .tsv, .parquet)";
    let kind = kind_of(path).ok_or_else(|| Failure::file(path, format_args!("of no known kind; {accepted}")))?;
    if arguments.voxel.is_some() {
        return Err(Failure::file(path, format_args!("--voxel is for images, and this is a {} file", kind.name())));
    }
    let description = match kind {
        Kind::Table => describe_table(path)?,
    };
    if !output.json {
        for warning in &description.warnings {
            output.note(format_args!("warning: {warning}"));
        }
    }
    output.result(&description.value, || description.text.clone())?;
    Ok(Ending::Done)
}

#[cfg(feature = "tables")]
use table::describe as describe_table;

#[cfg(not(feature = "tables"))]
fn describe_table(path: &Path) -> Result<Description, Failure> {
    Err(Failure::file(path, "a table, and this program was built without the cargo feature `tables`"))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
        }
    }
}

fn kind_of(path: &Path) -> Option<Kind> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "csv" | "tsv" | "parquet" => Some(Kind::Table),
        _ => None,
    }
}
