//! The loop of a training run.

use super::adam::AdamW;
use super::checkpoint::{Checkpoint, CheckpointError, Checkpoints};
use super::schedule::Schedule;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// How a network is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Steps of the run, 1 or more.
    pub steps: u64,
    /// Learning rate at its highest, above 0 to 1.
    pub learning_rate: f64,
    /// Steps over which it rises to that.
    pub warm_up: u64,
    /// How it falls.
    pub schedule: Schedule,
    /// Decay of weights per unit of learning rate, 0 to 1.
    pub weight_decay: f64,
    /// Largest norm of all gradients together, above 0; larger ones are shortened to it.
    pub clip_norm: f64,
    /// Steps between checkpoints, 1 or more.
    pub checkpoint_every: u64,
}

impl Default for TrainSettings {
    fn default() -> TrainSettings {
        TrainSettings {
            steps: 1000,
            learning_rate: 1e-3,
            warm_up: 0,
            schedule: Schedule::Cosine,
            weight_decay: 1e-5,
            clip_norm: 10.0,
            checkpoint_every: 500,
        }
    }
}

impl TrainSettings {
    /// Refuses the first setting that is out of range.
    pub fn check(&self) -> Result<(), TrainError> {
        let refuse = |field, found: f64, accepted| Err(TrainError::Setting { field, found, accepted });
        if self.steps == 0 {
            return refuse("steps", 0.0, "1 or more");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return refuse("learning_rate", self.learning_rate, "above 0 to 1");
        }
        if !(0.0..=1.0).contains(&self.weight_decay) {
            return refuse("weight_decay", self.weight_decay, "0 to 1");
        }
        if self.clip_norm.is_nan() || self.clip_norm <= 0.0 {
            return refuse("clip_norm", self.clip_norm, "above 0");
        }
        if self.checkpoint_every == 0 {
            return refuse("checkpoint_every", 0.0, "1 or more");
        }
        match self.schedule {
            Schedule::Exponential { last } if !(last > 0.0 && last <= 1.0) => {
                refuse("schedule.exponential.last", last, "above 0 to 1")
            }
            _ => Ok(()),
        }
    }
}

/// A run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting outside its range.
    #[error("{field} is {found}; accepted is {accepted}")]
    Setting {
        /// The setting.
        field: &'static str,
        /// Its value.
        found: f64,
        /// The values that are accepted.
        accepted: &'static str,
    },
    /// The loss or the gradients are no longer finite.
    #[error("at step {step} the loss is {loss} and the norm of the gradients {norm}; a lower learning rate may help")]
    NotFinite {
        /// The step, from 0.
        step: u64,
        /// The loss.
        loss: f64,
        /// The gradients' norm.
        norm: f64,
    },
    /// A checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The step, from 0.
    pub step: u64,
    /// The loss before the update.
    pub loss: f64,
    /// The norm of all gradients together, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the update.
    pub learning_rate: f64,
}

/// A network in training.
pub struct Trainer<M: Module> {
    /// `None` only while a step replaces it.
    model: Option<M>,
    optimiser: AdamW,
    rng: ChaCha8Rng,
    step: u64,
    settings: TrainSettings,
}

impl<M: Module> Trainer<M> {
    /// A run of `model` (on an autodiff device) from its first step; all random numbers follow from `seed`.
    pub fn new(model: M, settings: TrainSettings, seed: u64) -> Result<Trainer<M>, TrainError> {
        settings.check()?;
        let optimiser = AdamW::new(settings.weight_decay);
        Ok(Trainer { model: Some(model), optimiser, rng: ChaCha8Rng::seed_from_u64(seed), step: 0, settings })
    }

    /// The run goes on from the last checkpoint in `checkpoints`, if there is one; `false` if there is none.
    pub fn resume(&mut self, checkpoints: &Checkpoints) -> Result<bool, TrainError> {
        let model = self.model.take().expect("a step puts its model back");
        let Some(last) = checkpoints.last()? else {
            self.model = Some(model);
            return Ok(false);
        };
        self.model = Some(last.restore(model, &mut self.optimiser)?);
        self.rng = last.rng();
        self.step = last.step;
        Ok(true)
    }

    /// The network as it is now.
    pub fn model(&self) -> &M {
        self.model.as_ref().expect("a step puts its model back")
    }

    /// The network, at the end of its training.
    pub fn into_model(self) -> M {
        self.model.expect("a step puts its model back")
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// One step: `loss` makes a number of the network and random numbers, and the network is moved against its gradient.
    pub fn step(&mut self, loss: impl FnOnce(&M, &mut ChaCha8Rng) -> Tensor<1>) -> Result<StepReport, TrainError> {
        let model = self.model.as_ref().expect("a step puts its model back");
        let loss = loss(model, &mut self.rng);
        let value = crate::tensors::to_vec(loss.clone().inner())[0];
        let grads = GradientsParams::from_grads(loss.backward(), self.model());
        drop(loss);
        let norm = gradient_norm(self.model(), &grads);
        if !value.is_finite() || !norm.is_finite() {
            return Err(TrainError::NotFinite { step: self.step, loss: value, norm });
        }
        let TrainSettings { steps, warm_up, schedule, learning_rate, clip_norm, .. } = self.settings;
        let rate = learning_rate * schedule.factor(self.step, steps, warm_up);
        let shrink = if norm > clip_norm { clip_norm / norm } else { 1.0 };
        let model = self.model.take().expect("a step puts its model back");
        self.model = Some(self.optimiser.update(model, grads, rate, shrink));
        let report = StepReport { step: self.step, loss: value, gradient_norm: norm, learning_rate: rate };
        self.step += 1;
        Ok(report)
    }

    /// The steps that remain, with checkpoints on the way and at the end. `observe` may end the run early, after a
    /// checkpoint.
    pub fn run(
        &mut self,
        checkpoints: Option<&Checkpoints>,
        mut loss: impl FnMut(&M, &mut ChaCha8Rng) -> Tensor<1>,
        mut observe: impl FnMut(&StepReport) -> ControlFlow<()>,
    ) -> Result<(), TrainError> {
        while self.step < self.settings.steps {
            let report = self.step(&mut loss)?;
            let stop = observe(&report).is_break();
            let due = self.step.is_multiple_of(self.settings.checkpoint_every) || self.step == self.settings.steps;
            if let Some(checkpoints) = checkpoints.filter(|_| due || stop) {
                checkpoints.save(&Checkpoint::of(self.model(), &self.optimiser, self.step, &self.rng))?;
            }
            if stop {
                break;
            }
        }
        Ok(())
    }
}

/// The norm of all gradients together.
fn gradient_norm<M: Module>(model: &M, grads: &GradientsParams) -> f64 {
    struct Norm<'a>(&'a GradientsParams, f64);
    impl ModuleVisitor for Norm<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.0.get::<D>(param.id) {
                self.1 += crate::fused::sum_of_squares(grad);
            }
        }
    }
    let mut norm = Norm(grads, 0.0);
    model.visit(&mut norm);
    norm.1.sqrt()
}
