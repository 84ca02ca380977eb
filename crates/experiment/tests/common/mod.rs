//! What every test of a run needs.

use regiscope_experiment::{Clock, Provenance, RunOptions};
use std::sync::atomic::AtomicBool;

/// A clock that stands still, so that runs differ in nothing.
struct NoTime;

impl Clock for NoTime {
    fn wall_s(&self) -> f64 {
        0.0
    }
    fn core_s(&self) -> Option<f64> {
        None
    }
}

/// A run without time, energy or a known program.
pub fn options(resume: bool, cancel: &AtomicBool) -> RunOptions<'_> {
    let provenance = Provenance::of_this_machine("0", None);
    RunOptions { resume, cancel, provenance, clock: &NoTime, meter: None }
}
