//! The task `[render]`.

use super::error::RunError;
use super::folder::RunFolder;
use super::{Finished, Progress, RunOptions, Status, Stopwatch, files, subject, xray};
use crate::experiment::{Experiment, Scene};
use crate::report;
use serde_json::json;
use std::sync::atomic::Ordering;

/// Renders the views at the true pose; `None` if cancelled.
pub(super) fn run(
    experiment: &Experiment,
    scene: &Scene,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Finished>, RunError> {
    let mut watch = Stopwatch::new(options.clock);
    let mut warnings = experiment.warnings.clone();
    observer(Progress::begin("loading"));
    let subject = subject::load(&scene.volume, &mut warnings)?;
    watch.lap("loading");
    if options.cancel.load(Ordering::Relaxed) {
        return Ok(None);
    }
    observer(Progress::begin("rendering"));
    let gold = xray::true_pose(scene, &subject);
    let xrays = xray::simulate(scene, experiment.tables.seed, &subject, &gold)?;
    watch.lap("rendering");
    observer(Progress::begin("writing"));
    for x in &xrays {
        files::image(folder, &format!("xray-{}", x.name), &x.image, &x.view)?;
        files::camera(folder, &x.name, &x.view)?;
    }
    folder.make_dir("transforms")?;
    files::transform(folder, "reference", &gold)?;
    let views: Vec<_> = xrays
        .iter()
        .map(|x| {
            let values = x.image.data();
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
            let max = values.iter().copied().fold(f32::MIN, f32::max);
            json!({ "name": x.name, "rows": x.image.rows(), "cols": x.image.cols(), "mean": mean, "max": max })
        })
        .collect();
    let metrics = json!({ "title": experiment.tables.title, "task": "render", "views": views, "missed": [] });
    watch.lap("writing");
    let page =
        report::rendering(experiment, &subject.description, &xrays, &options.provenance, &watch.timings, &warnings)?;
    folder.write("report.html", page.as_bytes())?;
    Ok(Some(Finished { status: Status::Done, metrics, timings: watch.timings, warnings }))
}
