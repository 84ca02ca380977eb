//! `regiscope register`: options into a document, and the document into a run folder.

use crate::program::args::{GeometryArgs, LabelArgs, RegisterArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use crate::program::{document, run};
use clap::ValueEnum;
use regiscope_experiment::{Document, Places, check};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Registers a volume to one X-ray.
pub fn run(arguments: RegisterArgs, output: Output) -> Result<Ending, Failure> {
    execute(&document_of(&arguments)?, &arguments.out, arguments.resume, output)
}

/// Runs the document that options were made into.
pub(super) fn execute(document: &Table, out: &Path, resume: bool, output: Output) -> Result<Ending, Failure> {
    let text = document.to_string();
    output.detail(format_args!("the document:\n{}", text.trim_end()));
    // Every file is named absolutely, so that neither folder is looked into.
    let places = Places { base_dir: PathBuf::new(), data_dir: PathBuf::new() };
    let checked = Document::parse(&text, "options").and_then(|document| check(&document, &places));
    let experiment = checked.map_err(|mistakes| {
        let sentences: Vec<&str> = mistakes.errors.iter().map(|e| e.message.as_str()).collect();
        Failure::Input(sentences.join("; "))
    })?;
    document::tell_warnings(&experiment, output);
    run::execute(&experiment, out, resume, output)
}

/// The document that says what the options say. Only what was asked for is written.
fn document_of(arguments: &RegisterArgs) -> Result<Table, Failure> {
    let mut document = Table::new();
    let name = arguments.xray.file_name().unwrap_or(arguments.xray.as_os_str()).to_string_lossy();
    document.insert("title".into(), format!("Registration to {name}").into());
    document.insert("seed".into(), i64::from(arguments.seed).into());
    let mut volume = table([("file", file(&arguments.volume)?), ("units", choice(arguments.units))]);
    let mut register = table([("similarity", choice(arguments.similarity))]);
    register.insert("optimiser".into(), choice(arguments.optimiser));
    let LabelArgs { labels, label } = &arguments.labels;
    if let Some(labels) = labels {
        volume.insert("labels".into(), file(labels)?);
    }
    if !label.is_empty() {
        register.insert("labels".into(), label.iter().map(|&l| Value::from(i64::from(l))).collect::<Vec<_>>().into());
    }
    if let Some(reference) = &arguments.reference {
        register.insert("reference".into(), file(reference)?);
    }
    document.insert("volume".into(), volume.into());
    document.insert("view".into(), view(arguments)?.into());
    document.insert("register".into(), register.into());
    document.insert("starts".into(), starts(arguments)?.into());
    Ok(document)
}

fn view(arguments: &RegisterArgs) -> Result<Table, Failure> {
    let mut view = match &arguments.geometry {
        GeometryArgs { camera: Some(camera), .. } => table([("camera", file(camera)?)]),
        arm => {
            let mut view = table([
                ("primary_angle_deg", arm.primary_deg.unwrap_or_default().into()),
                ("secondary_angle_deg", arm.secondary_deg.into()),
                ("source_detector_mm", arm.source_detector_mm.into()),
                ("source_isocentre_mm", arm.source_isocentre_mm.into()),
                ("rows", i64::from(arm.rows).into()),
                ("cols", i64::from(arm.cols).into()),
                ("pitch_mm", arm.pitch_mm.into()),
            ]);
            if let Some(isocentre) = arm.isocentre_mm {
                view.insert("isocentre_mm".into(), isocentre.map(Value::from).to_vec().into());
            }
            view
        }
    };
    view.insert("image".into(), file(&arguments.xray)?);
    view.insert("image_holds".into(), word(if arguments.intensity { "intensity" } else { "line-integrals" }));
    Ok(view)
}

/// A single start begins where it is told to; several spread around that place.
fn starts(arguments: &RegisterArgs) -> Result<Table, Failure> {
    let count = arguments.starts.unwrap_or(if arguments.start.is_some() { 1 } else { 20 });
    let spread = |given: Option<f64>, usual: f64| given.unwrap_or(if count == 1 { 0.0 } else { usual });
    let mut starts = table([
        ("count", i64::from(count).into()),
        ("rotation_deg", spread(arguments.rotation_deg, 20.0).into()),
        ("translation_mm", spread(arguments.translation_mm, 30.0).into()),
    ]);
    if let Some(start) = &arguments.start {
        starts.insert("centre".into(), file(start)?);
    }
    Ok(starts)
}

/// A table of entries.
pub fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A string.
pub fn word(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

/// The absolute name of a file, which the run folder's document keeps.
pub fn file(path: &Path) -> Result<Value, Failure> {
    let absolute = std::path::absolute(path).map_err(|e| Failure::file(path, e))?;
    let text = absolute.to_str().ok_or_else(|| Failure::file(path, "the file's name is not UTF-8 text"))?;
    Ok(word(text))
}

/// The name of a choice on the command line, which is the document's word for it.
fn choice(value: impl ValueEnum) -> Value {
    word(value.to_possible_value().expect("no choice is hidden").get_name())
}
