//! Time, injected: everything else here asks a [`Clock`], so that a simulated one makes every figure repeatable.

use std::time::{Duration, Instant};

/// A source of time that can also wait.
pub trait Clock: Send + Sync {
    /// Seconds since some fixed moment; never runs backwards.
    fn now_s(&self) -> f64;
    /// Waits until `moment_s` of the same scale; returns at once if it has passed.
    fn wait_until(&self, moment_s: f64);
}

/// The operating system's monotonic clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    fn wait_until(&self, moment_s: f64) {
        if let Ok(time) = Duration::try_from_secs_f64(moment_s - self.now_s()) {
            std::thread::sleep(time);
        }
    }
}
