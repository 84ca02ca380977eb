//! Inference: tests, intervals, contrasts and checks.

pub mod distributions;
pub mod multiplicity;
pub mod rectangle;
