//! Training: a loop, Adam with decoupled weight decay, learning-rate schedules, and checkpoints from which an interrupted
//! run goes on bit for bit.
//!
//! Nothing here knows what is trained: a [`Trainer`] holds any Burn module, and the loss of a step is the caller's function
//! of the module and the run's random numbers. Everything that a step depends on (parameters, moments, the step number,
//! the random numbers' state) is in a checkpoint; a run that is killed at any moment repeats the steps since its last
//! checkpoint exactly.

pub(crate) mod adam;
mod checkpoint;
mod schedule;
mod trainer;

pub use adam::AdamW;
pub use checkpoint::{Checkpoint, CheckpointError, Checkpoints, load_parameters, save_parameters};
pub use schedule::Schedule;
pub use trainer::{StepReport, TrainError, TrainSettings, Trainer};
