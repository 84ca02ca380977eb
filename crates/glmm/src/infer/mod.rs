//! Inference: tests, intervals, contrasts and checks.

pub mod contrasts;
pub mod distributions;
pub mod emmeans;
pub mod multiplicity;
pub mod rectangle;
