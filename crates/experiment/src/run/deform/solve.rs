//! The solver: settings from the document, every step kept, checkpoints that a later run goes on from.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::{Progress, RunOptions};
use crate::document::deform as typed;
use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::distance::window::Window;
use regiscope_diffeo::frame::Frame;
use regiscope_diffeo::optimise::{Outcome, Preset, Progress as Step, Settings, Solution, Start, Weight, presets};
use regiscope_diffeo::prepare::Prepared;
use regiscope_diffeo::regularisation::Model;
use regiscope_diffeo::volumes::{Likeness, register_prepared, resumed};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// The last step's checkpoint.
const CHECKPOINT: &str = "state/checkpoint.bin";
/// The steps so far.
const STEPS: &str = "state/iterations.json";

/// Voxels on either side of the middle of the windows of local correlation.
const WINDOW_RADIUS: usize = 3;
/// Variance of intensities in [0, 1] that counts as noise: a standard deviation of 3 %.
const VARIANCE_FLOOR: f64 = 1e-3;

/// The solver's settings for images of a shape.
pub fn settings(method: &typed::Deform, shape: [usize; 3]) -> Settings {
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
    let mut settings = presets::settings(preset, model, shape);
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

/// How the document wants images to be compared.
pub fn likeness(method: &typed::Deform) -> Likeness {
    let of = Likeness::Distance;
    match method.distance {
        typed::Distance::Ssd => of(Distance::SumOfSquares),
        typed::Distance::Ncc => of(Distance::CrossCorrelation),
        typed::Distance::Lncc => of(Distance::LocalCrossCorrelation {
            window: Window::Box { radius: method.window_radius_voxels.map_or(WINDOW_RADIUS, |r| r as usize) },
            floor: method.variance_floor.unwrap_or(VARIANCE_FLOOR),
        }),
        typed::Distance::Ngf => match method.edge_per_mm {
            Some(edge) => of(Distance::NormalisedGradient { edge }),
            None => Likeness::NormalisedGradient,
        },
    }
}

/// What the solver found, in its box, and the steps, those before an interruption too, as in `iterations.jsonl`.
pub struct Solved {
    /// The box of the velocity.
    pub frame: Frame,
    /// The velocity and how it was found.
    pub solution: Solution<f32>,
    /// Every Newton step.
    pub steps: Vec<Value>,
}

/// Solves; `None` if it was cancelled, with a checkpoint left behind.
pub fn solve(
    prepared: Prepared<f32>,
    likeness: Likeness,
    settings: &Settings,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Solved>, RunError> {
    let (start, mut steps) = if options.resume { left_off(folder) } else { (Start::Rest, Vec::new()) };
    let total: usize = settings.stages.iter().map(|s| s.newton_steps).sum();
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
    let found = register_prepared(prepared, likeness, settings, start, &mut on_step);
    let (frame, solution) = found.map_err(|e| RunError::Unusable(e.to_string()))?;
    match (failed, solution.outcome) {
        (Some(error), _) => Err(error),
        (None, Outcome::Interrupted) => Ok(None),
        (None, _) => Ok(Some(Solved { frame, solution, steps })),
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

/// Where an interrupted run goes on, and its steps. A checkpoint that was cut off is as good as none.
fn left_off(folder: &RunFolder) -> (Start<f32>, Vec<Value>) {
    let read = || -> Option<(Start<f32>, Vec<Value>)> {
        let start = resumed(&std::fs::read(folder.file(CHECKPOINT)).ok()?).ok()?;
        Some((start, serde_json::from_slice(&std::fs::read(folder.file(STEPS)).ok()?).ok()?))
    };
    read().unwrap_or((Start::Rest, Vec::new()))
}
