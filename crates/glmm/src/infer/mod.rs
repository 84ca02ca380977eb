//! Inference: tests, intervals, contrasts and checks.

pub mod contrasts;
pub mod distributions;
pub mod emmeans;
pub mod error;
pub mod kenward_roger;
mod linear_state;
pub mod multiplicity;
pub mod rectangle;
pub mod satterthwaite;
pub mod wald;
