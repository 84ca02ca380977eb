//! What a run will need, before it runs.

use crate::experiment::Experiment;
use serde::Serialize;

/// Predicted cost of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Peak memory, bytes.
    pub memory_bytes: u64,
    /// Processor time, seconds.
    pub core_seconds: f64,
}

impl Experiment {
    /// Predicts memory and processor time.
    pub fn estimate(&self) -> Estimate {
        Estimate { memory_bytes: 0, core_seconds: 0.0 }
    }
}
