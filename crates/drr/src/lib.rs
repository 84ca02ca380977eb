//! Digitally reconstructed radiographs (DRRs) and their exact derivative with respect to the pose.
//!
//! An X-ray pixel measures the line integral `I = ∫ μ(x) dx` of the linear attenuation `μ` (1/mm) along the
//! ray from the source to the pixel. [`Renderer`] computes it for all pixels of a
//! [`View`](regiscope_geometry::View) of a volume that stands in the world by a pose `world_from_volume`.
//!
//! The pose derivative is taken at `ξ = 0` of `exp(ξ) · world_from_volume` with the twist `ξ = [ρ; φ]` (mm, rad)
//! of [`regiscope_geometry::se3`]: a motion of the volume in the world frame, about the world origin.

pub mod attenuation;
pub mod backproject;
pub mod chord;
mod engine;
mod fast;
pub mod jacobian;
pub mod labels;
pub mod physics;
pub mod reference;
pub mod renderer;

pub use backproject::backproject;
pub use labels::{LabelError, LabelRenderer};
pub use renderer::{DrrError, Projector, Renderer, Settings, Span};
