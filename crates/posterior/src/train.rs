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
    settings.check()?;
    let side = settings.network.see.pixels;
    if let Some(view) = simulator.views().iter().find(|v| v.rows() != side || v.cols() != side) {
        let found = format!("{} × {} pixels", view.rows(), view.cols());
        return PosteriorError::input("a view", found, &format!("{side} × {side} pixels, as the network takes"));
    }
    let began = clock();
    let training = device.clone().autodiff();
    let network = untrained(simulator, &settings.network, seed, &training)?;
    let mut trainer = Trainer::new(network, settings.loop_settings(), seed)?;
    if let Some(checkpoints) = checkpoints {
        trainer.resume(checkpoints)?;
    }
    let from_views = geometry(simulator.views(), device);
    let stream = Stream { seed, size: settings.batch, first: trainer.steps_done(), last: settings.steps };
    let (waits, stopped) = std::thread::scope(|scope| -> Result<(Waits, bool), PosteriorError> {
        let mut batches = Batches::start(scope, simulator, stream, clock);
        let mut stopped = false;
        let views = from_views.clone().autodiff();
        let loss = |network: &PoseNetwork, _: &mut _| -> Tensor<1> {
            let batch = batches.next_batch().expect("one batch a step");
            mean_loss(network, &batch, side, &views, device, true)
        };
        let outcome = trainer.run(checkpoints, loss, |report| {
            let next = observe(report);
            stopped |= next.is_break() && report.step + 1 < settings.steps;
            next
        });
        outcome?;
        Ok((batches.waits, stopped))
    })?;
    if stopped {
        return Ok(None);
    }
    let steps = trainer.steps_done();
    let network = trainer.into_model().valid();
    // Far away from every training example, whatever the number of steps.
    let first = u64::MAX / 2;
    let kept_apart = simulator.examples(seed, first..first + settings.validation);
    let prior_loss = -mean(kept_apart.iter().map(|e| simulator.prior().log_density(&e.pose)));
    let batch = Batch::of(&kept_apart, &simulator.prior().pivot());
    let validation_loss = to_vec(mean_loss(&network, &batch, side, &from_views, device, false))[0];
    let familiar = Familiar::of(&to_vec(network.condition(images_tensor(batch.images, side, device), &from_views)), {
        settings.network.see.features
    });
    let Waits { rendering_s, waiting_s } = waits;
    let wall_s = clock() - began;
    let record = TrainingRecord { steps, validation_loss, prior_loss, rendering_s, waiting_s, wall_s };
    Ok(Some(Trained { network, familiar, record }))
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

/// Mean of −log density over a batch.
fn mean_loss(
    network: &PoseNetwork,
    batch: &Batch,
    side: usize,
    from_views: &Tensor<2>,
    device: &Device,
    training: bool,
) -> Tensor<1> {
    let mut images = images_tensor(batch.images.clone(), side, device);
    let mut rotations = rows(&batch.rotations, 4, device);
    let mut translations = rows(&batch.translations_mm, 3, device);
    if training {
        (images, rotations, translations) = (images.autodiff(), rotations.autodiff(), translations.autodiff());
    }
    let condition = network.condition(images, from_views);
    let projected = network.flow().project(Some(&condition)).expect("a condition of the flow's width");
    let log_density = network.flow().log_density(&rotations, &translations, &projected);
    log_density.expect("rows of quaternions and of translations").mean().neg()
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
