//! The task with networks.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::subject::{self, Subject};
use super::super::{Finished, Progress, RunOptions, Status, Stopwatch};
use super::cases::{Study, look_at_all, scored};
use super::record::PosteriorMetrics;
use super::{Part, calibrate, next, scene, train};
use crate::experiment::{Experiment, PosteriorTask, Scene};
use crate::report;
use crate::report::posterior as page;
use std::sync::atomic::Ordering;

/// The task alone; `None` if cancelled.
pub fn run(
    experiment: &Experiment,
    scene: &Scene,
    task: &PosteriorTask,
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
    let found = findings(experiment, scene, task, &subject, folder, options, &mut watch, observer)?;
    let Some(findings) = found else { return Ok(None) };
    let told = report::Shared { provenance: &options.provenance, timings: &watch.timings, warnings: &warnings };
    let text = page::posterior(experiment, &subject.description, &findings, told)?;
    folder.write("report.html", text.as_bytes())?;
    watch.lap("report");
    let metrics = serde_json::to_value(&findings.metrics).expect("metrics have string keys");
    Ok(Some(Finished { status: Status::Done, metrics, timings: watch.timings, warnings }))
}

/// The task beside a registration; `None` if cancelled.
#[expect(clippy::too_many_arguments, reason = "what every stage of a run takes, and its own task")]
pub fn part(
    experiment: &Experiment,
    scene: &Scene,
    task: &PosteriorTask,
    subject: &Subject,
    folder: &RunFolder,
    options: &RunOptions,
    watch: &mut Stopwatch,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Part>, RunError> {
    let found = findings(experiment, scene, task, subject, folder, options, watch, observer)?;
    let Some(findings) = found else { return Ok(None) };
    let metrics = serde_json::to_value(&findings.metrics).expect("metrics have string keys");
    Ok(Some(Part { metrics, page: page::part(&findings)? }))
}

#[expect(clippy::too_many_arguments, reason = "what every stage of a run takes, and its own task")]
fn findings(
    experiment: &Experiment,
    scene: &Scene,
    task: &PosteriorTask,
    subject: &Subject,
    folder: &RunFolder,
    options: &RunOptions,
    watch: &mut Stopwatch,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<page::PosteriorFindings>, RunError> {
    let seed = u64::from(experiment.tables.seed);
    let simulator = scene::simulator(scene, task, subject)?;
    watch.lap("preparing the simulator");
    let settings = train::settings(&task.asked);
    let done = train::trained(&simulator, &settings, seed, "network", folder, options, observer)?;
    let Some((trained, losses)) = done else { return Ok(None) };
    watch.lap("training");
    let candidates = next::candidates(scene, task, subject)?;
    let candidates = candidates.as_slice();
    let study = Study { simulator: &simulator, trained: &trained, task, candidates, seed, folder, options };
    let Some((cases, pictures)) = look_at_all(&study, observer)? else { return Ok(None) };
    watch.lap("cases");
    let calibration = match &task.asked.calibration {
        Some(asked) => {
            match calibrate::calibrate(&simulator, &trained, task, asked, seed, folder, options.cancel, observer)? {
                Some(found) => Some(found),
                None => return Ok(None),
            }
        }
        None => None,
    };
    watch.lap("calibration");
    let record = trained.record;
    let share = |part: f64| if record.wall_s > 0.0 { part / record.wall_s } else { 0.0 };
    let metrics = PosteriorMetrics {
        title: experiment.tables.title.clone(),
        task: "posterior".to_owned(),
        rendering_share: share(record.rendering_s),
        waiting_share: share(record.waiting_s),
        training: record,
        contents: task.contents.iter().map(|(name, _)| name.clone()).collect(),
        against_reference: scored(&cases),
        cases,
        calibration,
        missed: Vec::new(),
    };
    Ok(Some(page::PosteriorFindings { metrics, pictures, losses }))
}
