//! The only place that asks what time it is.

use std::time::Instant;

/// A source of wall and processor time.
pub trait Clock: Sync {
    /// Seconds since some fixed moment.
    fn wall_s(&self) -> f64;
    /// Processor seconds that this process has used on all its threads; `None` where the system does not tell.
    fn core_s(&self) -> Option<f64>;
}

/// The operating system's clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn wall_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// From `/proc/self/stat` on Linux, in steps of 10 ms.
    fn core_s(&self) -> Option<f64> {
        core_seconds(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }
}

/// Kernel ticks per second in `/proc`: USER_HZ, 100 on every Linux architecture in use.
const TICKS_PER_S: f64 = 100.0;

/// User and system time of a line of `/proc/PID/stat` (proc(5), fields 14 and 15).
fn core_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system() {
        let stat = "77 (a) b (c) S 1 77 77 0 -1 4194304 97 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(core_seconds(stat), Some(3.0));
        assert_eq!(core_seconds("nonsense"), None);
    }
}
