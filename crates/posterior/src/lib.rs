//! The posterior over C-arm poses by invertible networks: every pose that explains an X-ray, with its mass.
//!
//! [`simulator`] makes X-rays of a patient at poses from a prior; [`train()`] teaches a [`PoseNetwork`] the density of the
//! pose given the X-ray; [`Given`] is that density for one case, from which [`regiscope_pose::posterior`] makes weighted
//! samples and modes; [`familiar`] says whether an X-ray looks like those of the training; [`calibration`] measures whether
//! posteriors mean what they say.
//!
//! All random numbers come from seeded ChaCha generators. A training that was interrupted goes on bit for bit.
#![recursion_limit = "256"]

pub mod batches;
pub mod calibration;
pub mod error;
pub mod familiar;
pub mod given;
pub mod model;
pub mod network;
pub mod regressor;
pub mod simulator;
pub mod train;

pub use burn::tensor::Device;
pub use error::PosteriorError;
pub use given::Given;
pub use network::{NetworkSettings, PoseNetwork, SeeSettings};
pub use regiscope_inn::toys;
pub use regiscope_inn::train::{Checkpoints, StepReport, TrainError};
pub use simulator::{Content, Degradation, Example, Simulator};
pub use train::{Trained, TrainingRecord, TrainingSettings, train};
