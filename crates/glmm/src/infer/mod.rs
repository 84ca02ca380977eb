//! Inference: tests, intervals, contrasts and checks.

pub mod bootstrap;
pub mod compare;
mod constrained;
pub mod contrasts;
pub mod distributions;
pub mod emmeans;
pub mod error;
mod held_coordinate;
pub mod inverse_link;
mod joint_modes;
pub mod kenward_roger;
mod linear_state;
pub mod marginal;
pub mod multiplicity;
pub mod predict;
pub mod profile_likelihood;
pub mod r_squared;
pub mod rectangle;
pub mod residual_checks;
pub mod satterthwaite;
pub mod simulate;
pub mod summary_parameters;
pub mod wald;
