//! `regiscope info`: what a file holds, or why it is refused.

mod camera;
mod document;
mod image;
#[cfg(feature = "tables")]
pub mod table;
mod transform;

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

/// What a file's name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Image,
    Transform,
    Camera,
    Document,
    Table,
}

/// Looks at a file.
pub fn run(arguments: InfoArgs, output: Output) -> Result<Ending, Failure> {
    let path = &arguments.file;
    // A missing file is told as such, whatever its name promises.
    std::fs::metadata(path).map_err(|e| Failure::file(path, e))?;
    let kind = kind_of(path);
    output.detail(format_args!("{} is taken for {}", path.display(), kind.name()));
    if arguments.voxel.is_some() && kind != Kind::Image {
        return Err(Failure::file(path, format_args!("--voxel is for images; this is taken for {}", kind.name())));
    }
    let description = match kind {
        Kind::Image => image::describe(path, arguments.voxel)?,
        Kind::Transform => transform::describe(path)?,
        Kind::Document => document::describe(path)?,
        Kind::Camera => camera::describe(path)?,
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
            Self::Image => "an image",
            Self::Transform => "an ITK transform",
            Self::Camera => "a camera file",
            Self::Document => "an experiment document",
            Self::Table => "a table",
        }
    }
}

/// Images are recognised by their content, whatever they are called.
fn kind_of(path: &Path) -> Kind {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("json" | "yaml" | "yml") => Kind::Camera,
        Some("tfm" | "txt" | "mat" | "h5") => Kind::Transform,
        Some("toml") => Kind::Document,
        Some("csv" | "tsv" | "parquet") => Kind::Table,
        _ => Kind::Image,
    }
}
