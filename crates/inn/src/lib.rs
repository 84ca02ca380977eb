//! Conditional invertible networks on Burn.
//!
//! A flow maps data `x`, given a condition `c`, to latent numbers `z = f(x; c)` that follow a simple base distribution.
//! Because `f` is invertible and its Jacobian's determinant is known, the network is a density,
//! `log p(x | c) = log p_base(f(x; c)) + log |det ∂f/∂x|`, and a sampler, `x = f⁻¹(z; c)`.
//!
//! - [`layer`]: ActNorm, couplings (additive, affine, volume preserving, splines, circular splines), all-in-one blocks,
//!   mixings; [`transform`] holds the elementwise maps, [`subnet`] the networks inside.
//! - [`flow`]: layers and a [`base`] distribution; [`image`]: layers on images.
//! - [`se3`]: densities over rigid poses.
//! - [`train`]: the training loop, its optimiser and checkpoints; [`mmd`]: losses and scores between samples.
//! - [`toys`]: small inverse problems with known posteriors.
//!
//! The device is chosen at run time by Burn's `Device`; random numbers come from ChaCha on the host, so a seed gives the same
//! network, batches and samples on every device.
//!
//! Symbols: `x` data, `z` latent, `c` condition, `n` rows of a batch, `d` numbers per row, log det per row.
#![recursion_limit = "256"]

pub mod base;
pub mod error;
pub mod flow;
mod fused;
pub mod image;
pub mod layer;
pub mod mmd;
pub mod objective;
pub mod se3;
mod spline;
pub mod subnet;
pub mod tensors;
pub mod toys;
pub mod train;
pub mod transform;

pub use base::{Base, BaseSettings};
pub use error::InnError;
pub use flow::{Flow, FlowSettings, Projected};
pub use layer::{Layer, LayerSettings, MixingKind, Networks};
pub use objective::Objective;
pub use se3::{PoseFlow, PoseFlowSettings, PoseProjected, PoseSamples};
pub use subnet::{Activation, Subnet};
pub use transform::Transform;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/inn.md")]
mod page {}
