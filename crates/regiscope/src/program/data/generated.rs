//! `regiscope data generate`.

use crate::program::args::GenerateArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_datasets::study::{StudySettings, generate};
use serde_json::json;

/// Writes a study.
pub fn run(arguments: &GenerateArgs, output: Output) -> Result<Ending, Failure> {
    let settings = StudySettings {
        seed: arguments.seed,
        images: arguments.images,
        procedures: arguments.procedures,
        algorithms: arguments.algorithms,
        annotations: arguments.annotations,
        raters_per_image: arguments.raters_per_image,
        ..StudySettings::default()
    };
    let study = generate(&settings).map_err(|e| Failure::Input(e.to_string()))?;
    let folder = &arguments.out;
    std::fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
    let mut truth = serde_json::to_string_pretty(&study.truth_json()).expect("the truth has a JSON form");
    truth.push('\n');
    let files = [
        ("study.csv", study.results_csv()),
        ("annotations.csv", study.annotations_csv()),
        ("annotations.toml", study.schema_toml()),
        ("truth.json", truth),
    ];
    for (name, text) in &files {
        let path = folder.join(name);
        regiscope_image::write_atomically(&path, |file| {
            file.write_all(text.as_bytes()).map_err(|e| regiscope_image::WriteError::io(&path, e))
        })
        .map_err(|e| Failure::file(&path, e))?;
    }
    let failures = study.results.iter().filter(|r| r.failure).count();
    let value = json!({
        "folder": folder,
        "files": files.map(|(name, _)| folder.join(name)),
        "seed": settings.seed,
        "images": study.images.len(),
        "procedures": study.procedures.len(),
        "algorithms": study.algorithms.len(),
        "characteristics": study.characteristics.len(),
        "annotated_cells": settings.annotated_cells(),
        "labels": study.labels.len(),
        "failures": failures,
    });
    output.result(&value, || {
        format!(
            "{}: {} images of {} procedures, {} algorithms, {} failures, {} labels of {} annotated cells\n",
            folder.display(),
            study.images.len(),
            study.procedures.len(),
            study.algorithms.len(),
            failures,
            study.labels.len(),
            settings.annotated_cells()
        )
    })?;
    Ok(Ending::Done)
}
