//! The solver: settings from the document, every step kept, checkpoints that a later run goes on from.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::{Progress, RunOptions};
use crate::document::deform as typed;
use regiscope_diffeo::optimise::{Outcome, Preset, Progress as Step, Settings, Weight, presets};
use regiscope_diffeo::regularisation::Model;
use regiscope_diffeo::volumes::{Error, Found, Request, register_volumes};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// The last step's checkpoint.
const CHECKPOINT: &str = "state/checkpoint.bin";
/// The steps so far.
const STEPS: &str = "state/iterations.json";

/// The solver's settings.
pub fn settings(method: &typed::Deform) -> Settings {
    let model = match method.model {
        typed::Model::H1 => Model::H1,
        typed::Model::H1Div => Model::H1Div,
        typed::Model::H1Stokes => Model::H1Stokes,
        typed::Model::H2 => Model::H2,
        typed::Model::H3 => Model::H3,
    };
    let preset = match method.preset {
        typed::Preset::Fast => Preset::Fast,
        typed::Preset::Default => Preset::Default,
        typed::Preset::Accurate => Preset::Accurate,
    };
    let mut settings = presets::settings(preset, model);
    let usual = settings.first_weight();
    if let Some(beta) = method.beta {
        settings.weight = Weight::Fixed(beta);
    }
    if let Some(bound) = method.jacobian_bound {
        // From a weight that hardly deforms to one that hardly holds.
        settings.weight = Weight::JacobianBound { bound, first: 100.0 * usual, least: 0.01 * usual };
        if !settings.stages.iter().any(|s| s.seek_weight) {
            settings.stages.iter_mut().for_each(|s| s.seek_weight = true);
        }
    }
    if let Some(steps) = method.newton_steps {
        settings.stages.iter_mut().for_each(|s| s.newton_steps = steps as usize);
    }
    settings
}

/// Solves; `None` if it was cancelled, with a checkpoint left behind. The steps, also those before an interruption, are as
/// in `iterations.jsonl`.
pub fn solve(
    request: &Request,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<(Found, Vec<Value>)>, RunError> {
    let (checkpoint, mut steps) = if options.resume { left_off(folder) } else { (None, Vec::new()) };
    let total: usize = request.settings.stages.iter().map(|s| s.newton_steps).sum();
    let began = (options.clock.wall_s(), options.clock.core_s());
    let mut failed = None;
    let mut on_step = |step: &Step, bytes: &dyn Fn() -> Vec<u8>| {
        let mut line = serde_json::to_value(step).expect("a step has string keys");
        line["wall_s"] = json!(options.clock.wall_s() - began.0);
        line["core_s"] = json!(options.clock.core_s().zip(began.1).map(|(now, began)| now - began));
        steps.push(line);
        let done = steps.len();
        observer(Progress { stage: "deforming", done, total: total.max(done), note: note(step) });
        let kept = folder.write(CHECKPOINT, &bytes()).and_then(|()| folder.write_json(STEPS, &steps));
        if let Err(error) = kept {
            failed = Some(error);
            return ControlFlow::Break(());
        }
        match options.cancel.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let request = Request { checkpoint: checkpoint.as_deref(), ..*request };
    let found = match register_volumes(&request, &mut on_step) {
        // A checkpoint that was cut off is as good as none.
        Err(Error::Checkpoint(_)) => register_volumes(&Request { checkpoint: None, ..request }, &mut on_step),
        found => found,
    };
    let found = found.map_err(|e| RunError::Unusable(e.to_string()))?;
    match (failed, found.outcome) {
        (Some(error), _) => Err(error),
        (None, Outcome::Interrupted) => Ok(None),
        (None, _) => Ok(Some((found, steps))),
    }
}

/// A step in a few words.
fn note(progress: &Step) -> String {
    let step = &progress.step;
    format!(
        "stage {}/{} of {}: mismatch {:.4}, gradient {:.1e}, {} products, det F {:.2} to {:.2}",
        progress.stage + 1,
        progress.stages,
        progress.shape.map(|n| n.to_string()).join("×"),
        step.relative_mismatch,
        step.relative_gradient,
        step.products,
        step.jacobian[0],
        step.jacobian[1]
    )
}

/// The checkpoint and the steps of an interrupted run, if both are there.
fn left_off(folder: &RunFolder) -> (Option<Vec<u8>>, Vec<Value>) {
    let read = || -> Option<(Vec<u8>, Vec<Value>)> {
        let bytes = std::fs::read(folder.file(CHECKPOINT)).ok()?;
        Some((bytes, serde_json::from_slice(&std::fs::read(folder.file(STEPS)).ok()?).ok()?))
    };
    read().map_or((None, Vec::new()), |(bytes, steps)| (Some(bytes), steps))
}
