//! Training the network, with what is needed to go on after an interruption.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::{Progress, RunOptions};
use super::scene::unusable;
use crate::document::posterior::PosteriorTable;
use regiscope_posterior::network::{NetworkSettings, SeeSettings};
use regiscope_posterior::{Checkpoints, Device, Simulator, Trained, TrainingSettings, train};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// Losses of these many steps are averaged in the curve.
pub const PER_POINT: u64 = 10;

/// The training in the engine's form.
pub fn settings(asked: &PosteriorTable) -> TrainingSettings {
    let (network, training) = (&asked.network, &asked.training);
    TrainingSettings {
        network: NetworkSettings {
            see: SeeSettings {
                pixels: asked.pixels as usize,
                channels: network.channels.iter().map(|c| *c as usize).collect(),
                blocks: network.blocks as usize,
                features: network.features as usize,
            },
            attention: network.attention,
            components: network.components as usize,
            steps: network.flow_steps as usize,
            width: network.width as usize,
        },
        steps: training.steps,
        batch: u64::from(training.batch),
        learning_rate: training.learning_rate,
        warm_up: (training.steps / 20).min(100),
        checkpoint_every: training.checkpoint_every,
        validation: u64::from(training.validation),
    }
}

/// Trains the network of a document, or goes on, or reads the one that is there; `None` if cancelled. Also returns the
/// mean loss of every ten steps.
pub fn trained(
    simulator: &Simulator,
    settings: &TrainingSettings,
    seed: u64,
    name: &str,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<(Trained, Vec<f64>)>, RunError> {
    let device = Device::flex();
    folder.make_dir(name)?;
    let (home, curve_name) = (folder.file(name), format!("{name}/training.csv"));
    if home.join("network.json").is_file() {
        let trained = Trained::load(simulator, &home, &device).map_err(unusable)?;
        return Ok(Some((trained, curve(folder, &curve_name)?)));
    }
    let checkpoints = Checkpoints::in_folder(folder.file(&format!("state/{name}")));
    let mut losses = Losses::open(folder, &curve_name, checkpoints.last().map_err(unusable)?.map_or(0, |c| c.step))?;
    let clock = || options.clock.wall_s();
    let mut failure = None;
    let done = train(simulator, settings, seed, &device, Some(&checkpoints), &clock, &mut |report| {
        if let Err(reason) = losses.add(report.step, report.loss) {
            failure = Some(reason);
            return ControlFlow::Break(());
        }
        if (report.step + 1).is_multiple_of(PER_POINT) || report.step + 1 == settings.steps {
            let note = format!("loss {:.2}", report.loss);
            observer(Progress {
                stage: "training",
                done: (report.step + 1) as usize,
                total: settings.steps as usize,
                note,
            });
        }
        if options.cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(reason) = failure {
        return Err(reason);
    }
    let Some(trained) = done.map_err(unusable)? else { return Ok(None) };
    trained.save(settings, &home).map_err(unusable)?;
    Ok(Some((trained, curve(folder, &curve_name)?)))
}

/// `training.csv`, a line a step.
struct Losses {
    file: File,
    path: std::path::PathBuf,
}

impl Losses {
    /// Opens the file with the lines of the steps that are done; later ones, of an interrupted run, will be done again.
    fn open(folder: &RunFolder, name: &str, steps_done: u64) -> Result<Self, RunError> {
        let path = folder.file(name);
        let before = fs::read_to_string(&path).unwrap_or_default();
        let kept = before.lines().skip(1).take(steps_done as usize).map(|line| format!("{line}\n"));
        let text: String = std::iter::once("step,loss\n".to_owned()).chain(kept).collect();
        folder.write(name, text.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| RunError::io(&path, e))?;
        Ok(Self { file, path })
    }

    fn add(&mut self, step: u64, loss: f64) -> Result<(), RunError> {
        writeln!(self.file, "{step},{loss}").map_err(|e| RunError::io(&self.path, e))
    }
}

/// Mean loss of every ten steps.
fn curve(folder: &RunFolder, name: &str) -> Result<Vec<f64>, RunError> {
    let path = folder.file(name);
    let text = fs::read_to_string(&path).map_err(|e| RunError::io(&path, e))?;
    let losses: Vec<f64> = text.lines().skip(1).filter_map(|l| l.split_once(',')?.1.parse().ok()).collect();
    Ok(losses.chunks(PER_POINT as usize).map(|c| c.iter().sum::<f64>() / c.len() as f64).collect())
}
