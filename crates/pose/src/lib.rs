//! 2D/3D registration: where a volume stands in the world, found from X-ray images of it.
//!
//! # The problem
//! One or several X-ray images ("fixed" images `F_v`, line integrals of attenuation up to an unknown change of
//! contrast) were taken with known relative geometry. Wanted is the rigid motion `world_from_volume = T` for which
//! the rendered images `I_v(T)` ("moving" images, digitally reconstructed radiographs) resemble them most:
//! `max_T Σ_v S(F_v, I_v(T)) / V`, with a [`Similarity`] `S`.
//!
//! # The way
//! [`Problem`] → [`Prepared`] (a pyramid of coarser volumes and detectors, made once) → [`register()`] or
//! [`multi_start()`] with checked [`Settings`] → [`Solution`], whose [`Status`] says whether it converged. [`modes()`]
//! gathers the solutions of many starts; [`posterior`] gives every plausible pose its probability; [`scores`] measures errors by their standard names; [`piecewise`] gives
//! each labelled part its own pose.
//!
//! The derivative of `S` with respect to the pose is `Jᵀ w`: `w = ∂S/∂I` comes from [`similarity`], the exact
//! per-pixel derivative `J = ∂I/∂ξ` from [`regiscope_drr`].
//!
//! The same seed gives the same figures on any number of threads.

pub mod chart;
mod coarsen;
pub mod landscape;
pub mod modes;
pub mod multi_start;
mod objective;
pub mod optimise;
pub mod options;
pub mod piecewise;
pub mod posterior;
pub mod problem;
pub mod pyramid;
pub mod register;
pub mod scores;
pub mod similarity;
pub mod solution;
pub mod starts;

pub use landscape::{Axis, Landscape, Profile, landscape, profile};
pub use modes::{Mode, ModeTolerance, modes};
pub use multi_start::multi_start;
pub use options::{Optimiser, Options, OptionsError, Search, Settings, Similarity};
pub use piecewise::{PieceOptions, PieceSolution, Pieces, PiecewiseError, Rest, register_pieces};
pub use problem::{FixedImage, Problem, ProblemError};
pub use pyramid::{Level, LevelError, Prepared, Pyramid, Reach};
pub use register::register;
pub use solution::{Iteration, LevelRecord, Solution, Status};

#[cfg(test)]
mod scene;
