//! Training a posterior network on made-up X-rays.

use crate::batches::{Batch, Batches, Stream, Waits};
use crate::error::PosteriorError;
use crate::familiar::Familiar;
use crate::network::{NetworkSettings, PoseNetwork, geometry, images_tensor};
use crate::simulator::Simulator;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use regiscope_inn::tensors::to_vec;
use regiscope_inn::train::{Checkpoints, Schedule, StepReport, TrainSettings, Trainer};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// How a posterior network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    /// The network.
    pub network: NetworkSettings,
    /// Steps, 1 or more.
    pub steps: u64,
    /// X-rays a step, 1 to 65536.
    pub batch: u64,
    /// Learning rate at its highest; it falls along half a cosine to 0.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises.
    pub warm_up: u64,
    /// Steps between checkpoints, 1 or more.
    pub checkpoint_every: u64,
    /// X-rays kept apart for validation and for knowing what is familiar, 64 to 65536.
    pub validation: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            network: NetworkSettings::default(),
            steps: 2000,
            batch: 64,
            learning_rate: 2e-3,
            warm_up: 50,
            checkpoint_every: 250,
            validation: 512,
        }
    }
}

impl TrainingSettings {
    /// Refuses the first setting that is out of range.
    pub fn check(&self) -> Result<(), PosteriorError> {
        self.network.see.check()?;
        if !(1..=65536).contains(&self.batch) {
            return PosteriorError::setting("batch", self.batch, "1 to 65536");
        }
        if !(64..=65536).contains(&self.validation) {
            return PosteriorError::setting("validation", self.validation, "64 to 65536");
        }
        self.loop_settings().check()?;
        Ok(())
    }

    fn loop_settings(&self) -> TrainSettings {
        TrainSettings {
            steps: self.steps,
            learning_rate: self.learning_rate,
            warm_up: self.warm_up,
            schedule: Schedule::Cosine,
            weight_decay: 1e-4,
            clip_norm: 10.0,
            checkpoint_every: self.checkpoint_every,
        }
    }
}

/// A trained network and what is known about its training.
pub struct Trained {
    /// The network, without autodiff.
    pub network: PoseNetwork,
    /// How an image is told that looks like nothing in the training.
    pub familiar: Familiar,
    /// What was recorded.
    pub record: TrainingRecord,
}

/// What a training came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Steps done, those before an interruption included.
    pub steps: u64,
    /// Mean of −log density over the validation X-rays (nats; density over Haar measure of mass 1 times mm³).
    pub validation_loss: f64,
    /// The same of the prior: what knowing nothing costs.
    pub prior_loss: f64,
    /// Rendering's and waiting's share, since the last start.
    pub rendering_s: f64,
    /// Time that training waited for rendered batches, since the last start, s.
    pub waiting_s: f64,
    /// Wall time since the last start, s.
    pub wall_s: f64,
}

/// Trains a network on X-rays of `simulator`, made up with `seed`. With `checkpoints`, an interrupted training goes on
/// where it was, bit for bit. `clock` tells seconds; `observe` hears every step and may end the training early, with what
/// was learned so far left in the checkpoints.
///
/// Returns nothing if `observe` ended it.
pub fn train(
    simulator: &Simulator,
    settings: &TrainingSettings,
    seed: u64,
    device: &Device,
    checkpoints: Option<&Checkpoints>,
    clock: &(dyn Fn() -> f64 + Sync),
    observe: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Result<Option<Trained>, PosteriorError> {
    let network = untrained(simulator, &settings.network, seed, &device.clone().autodiff())?;
    let Some(fitted) = fit(network, simulator, settings, seed, device, checkpoints, clock, observe)? else {
        return Ok(None);
    };
    let Fitted { model: network, steps, waits: Waits { rendering_s, waiting_s }, wall_s } = fitted;
    let (side, from_views) = (settings.network.see.pixels, geometry(simulator.views(), device));
    // Far away from every training example, whatever the number of steps.
    let first = u64::MAX / 2;
    let kept_apart = simulator.examples(seed, first..first + settings.validation);
    let prior_loss = -mean(kept_apart.iter().map(|e| simulator.prior().log_density(&e.pose)));
    let batch = Batch::of(&kept_apart, &simulator.prior().pivot());
    let validation_loss = to_vec(network.loss(shown(&batch, side, device), &from_views))[0];
    let features = to_vec(network.condition(images_tensor(batch.images, side, device), &from_views));
    let familiar = Familiar::of(&features, settings.network.see.features);
    let record = TrainingRecord { steps, validation_loss, prior_loss, rendering_s, waiting_s, wall_s };
    Ok(Some(Trained { network, familiar, record }))
}

/// Images and poses of a batch on a device.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Images, `[n · views, 1, side, side]`.
    pub images: Tensor<4>,
    /// Quaternions (w, x, y, z), `[n, 4]`.
    pub rotations: Tensor<2>,
    /// The pivot's places, mm, `[n, 3]`.
    pub translations_mm: Tensor<2>,
}

/// A network that learns from X-rays with known poses.
pub trait Learner: Module {
    /// What is made small, one number; `from_views` is the views' geometry.
    fn loss(&self, shown: Shown, from_views: &Tensor<2>) -> Tensor<1>;
}

impl Learner for PoseNetwork {
    /// Mean of −log density.
    fn loss(&self, shown: Shown, from_views: &Tensor<2>) -> Tensor<1> {
        let condition = self.condition(shown.images, from_views);
        let projected = self.flow().project(Some(&condition)).expect("a condition of the flow's width");
        let log_density = self.flow().log_density(&shown.rotations, &shown.translations_mm, &projected);
        log_density.expect("rows of quaternions and of translations").mean().neg()
    }
}

/// A network at the end of its training.
pub struct Fitted<M> {
    /// The network, without autodiff.
    pub model: M,
    /// Steps done, those before an interruption included.
    pub steps: u64,
    /// Rendering and waiting since the last start.
    pub waits: Waits,
    /// Wall time since the last start, s.
    pub wall_s: f64,
}

/// The loop of [`train`] for any network on an autodiff device; `None` if `observe` ended it.
#[expect(clippy::too_many_arguments, reason = "each is a different thing, and two callers fill them all")]
pub fn fit<M: Learner>(
    model: M,
    simulator: &Simulator,
    settings: &TrainingSettings,
    seed: u64,
    device: &Device,
    checkpoints: Option<&Checkpoints>,
    clock: &(dyn Fn() -> f64 + Sync),
    observe: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Result<Option<Fitted<M>>, PosteriorError> {
    settings.check()?;
    let side = settings.network.see.pixels;
    if let Some(view) = simulator.views().iter().find(|v| v.rows() != side || v.cols() != side) {
        let found = format!("{} × {} pixels", view.rows(), view.cols());
        return PosteriorError::input("a view", found, &format!("{side} × {side} pixels, as the network takes"));
    }
    let began = clock();
    let mut trainer = Trainer::new(model, settings.loop_settings(), seed)?;
    if let Some(checkpoints) = checkpoints {
        trainer.resume(checkpoints)?;
    }
    let from_views = geometry(simulator.views(), device).autodiff();
    let stream = Stream { seed, size: settings.batch, first: trainer.steps_done(), last: settings.steps };
    let (waits, stopped) = std::thread::scope(|scope| -> Result<(Waits, bool), PosteriorError> {
        let mut batches = Batches::start(scope, simulator, stream, clock);
        let mut stopped = false;
        let loss = |model: &M, _: &mut _| -> Tensor<1> {
            let batch = batches.next_batch().expect("one batch a step");
            let Shown { images, rotations, translations_mm } = shown(&batch, side, device);
            let (images, rotations) = (images.autodiff(), rotations.autodiff());
            model.loss(Shown { images, rotations, translations_mm: translations_mm.autodiff() }, &from_views)
        };
        trainer.run(checkpoints, loss, |report| {
            let next = observe(report);
            stopped |= next.is_break() && report.step + 1 < settings.steps;
            next
        })?;
        Ok((batches.waits, stopped))
    })?;
    if stopped {
        return Ok(None);
    }
    let steps = trainer.steps_done();
    Ok(Some(Fitted { model: trainer.into_model().valid(), steps, waits, wall_s: clock() - began }))
}

fn shown(batch: &Batch, side: usize, device: &Device) -> Shown {
    Shown {
        images: images_tensor(batch.images.clone(), side, device),
        rotations: rows(&batch.rotations, 4, device),
        translations_mm: rows(&batch.translations_mm, 3, device),
    }
}

/// The network before training: translations are counted about the prior's centre, in its standard deviations.
pub fn untrained(
    simulator: &Simulator,
    settings: &NetworkSettings,
    seed: u64,
    device: &Device,
) -> Result<PoseNetwork, PosteriorError> {
    let prior = simulator.prior();
    let (centre, scale) = (prior.nominal() * prior.pivot(), prior.displacement_sd());
    PoseNetwork::new(settings, centre.coords.into(), scale.into(), seed, device)
}

/// Numbers in rows of `width`.
pub(crate) fn rows(values: &[f32], width: usize, device: &Device) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len() / width, width]);
    Tensor::from_data(data, (device, DType::F32))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}
