//! The posterior over C-arm poses by invertible networks.
#![recursion_limit = "256"]
pub mod batches;
pub mod calibration;
pub mod error;
pub mod familiar;
pub mod given;
pub mod network;
pub mod simulator;
pub mod train;
pub use error::PosteriorError;
pub use network::{NetworkSettings, PoseNetwork, SeeSettings};
