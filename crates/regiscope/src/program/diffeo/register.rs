//! `regiscope diffeo register`: options into a document, and the document into a run folder.

use crate::program::args::diffeo::DeformArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use crate::program::register::{execute, file, table, word};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Deforms a volume onto another.
pub fn run(arguments: DeformArgs, output: Output) -> Result<Ending, Failure> {
    execute(&document_of(&arguments)?, &arguments.out, arguments.resume, output)
}

/// The document that says what the options say. Only what was asked for is written.
fn document_of(arguments: &DeformArgs) -> Result<Table, Failure> {
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut document = Table::new();
    let title = format!("{} onto {}", name(&arguments.moving[0]), name(&arguments.fixed[0]));
    document.insert("title".into(), title.into());
    document.insert("pair".into(), pair(arguments)?.into());
    document.insert("deform".into(), deform(arguments)?.into());
    Ok(document)
}

fn pair(arguments: &DeformArgs) -> Result<Table, Failure> {
    let channels = |paths: &[PathBuf]| -> Result<Value, Failure> {
        match paths {
            [one] => file(one),
            several => Ok(several.iter().map(|p| file(p)).collect::<Result<Vec<_>, _>>()?.into()),
        }
    };
    let mut pair = table([("fixed", channels(&arguments.fixed)?), ("moving", channels(&arguments.moving)?)]);
    if !arguments.weights.is_empty() {
        pair.insert("weights".into(), numbers(&arguments.weights));
    }
    for (key, given) in [
        ("labels_fixed", &arguments.labels_fixed),
        ("labels_moving", &arguments.labels_moving),
        ("mask_fixed", &arguments.mask_fixed),
        ("mask_moving", &arguments.mask_moving),
        ("landmarks_fixed", &arguments.landmarks_fixed),
        ("landmarks_moving", &arguments.landmarks_moving),
    ] {
        if let Some(path) = given {
            pair.insert(key.into(), file(path)?);
        }
    }
    Ok(pair)
}

fn deform(arguments: &DeformArgs) -> Result<Table, Failure> {
    let affine = if arguments.no_affine { "none" } else { &arguments.affine };
    let mut deform = table([
        ("model", word(&arguments.model)),
        ("preset", word(&arguments.preset)),
        ("distance", word(&arguments.distance)),
        ("affine", word(affine)),
        ("labels", word(&arguments.label_interpolation)),
        ("match_histograms", arguments.match_histograms.into()),
    ]);
    let whole = |n: u32| Value::from(i64::from(n));
    for (key, value) in [
        ("beta", arguments.beta.map(Value::from)),
        ("window_radius_voxels", arguments.window_radius_voxels.map(whole)),
        ("variance_floor", arguments.variance_floor.map(Value::from)),
        ("edge_per_mm", arguments.edge_per_mm.map(Value::from)),
        ("jacobian_bound", arguments.jacobian_bound.map(Value::from)),
        ("newton_steps", arguments.newton_steps.map(whole)),
        ("gap_voxels", arguments.gap_voxels.map(whole)),
        ("affine_measure", arguments.affine_measure.as_deref().map(word)),
        ("percentiles", arguments.percentiles.map(|pair| numbers(&pair))),
    ] {
        if let Some(value) = value {
            deform.insert(key.into(), value);
        }
    }
    if let Some(start) = &arguments.affine_start {
        deform.insert("affine_start".into(), file(start)?);
    }
    Ok(deform)
}

fn numbers(values: &[f64]) -> Value {
    values.iter().copied().map(Value::from).collect::<Vec<_>>().into()
}
