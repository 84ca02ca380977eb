//! Learning rates over a run.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate goes down from its start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Half a cosine down to 0 at the last step.
    #[default]
    Cosine,
    /// A geometric fall to `last` times the start at the last step.
    Exponential {
        /// The last rate beside the first, above 0 to 1.
        last: f64,
    },
}

impl Schedule {
    /// The factor on the learning rate at `step` of `steps`, with a linear rise over the first `warm_up` steps.
    pub fn factor(self, step: u64, steps: u64, warm_up: u64) -> f64 {
        if step < warm_up {
            return (step + 1) as f64 / (warm_up + 1) as f64;
        }
        let part = (step - warm_up) as f64 / steps.saturating_sub(warm_up).max(1) as f64;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => 0.5 * (1.0 + (PI * part.min(1.0)).cos()),
            Schedule::Exponential { last } => last.powf(part.min(1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_rise_over_the_warm_up_and_end_where_they_say() {
        for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::Exponential { last: 0.01 }] {
            assert!((schedule.factor(0, 100, 9) - 0.1).abs() < 1e-12);
            assert!((schedule.factor(9, 100, 9) - 1.0).abs() < 1e-12);
        }
        assert!((Schedule::Cosine.factor(50, 100, 0) - 0.5).abs() < 1e-12);
        assert!(Schedule::Cosine.factor(99, 100, 0) < 1e-3);
        assert!((Schedule::Exponential { last: 0.01 }.factor(50, 100, 0) - 0.1).abs() < 1e-12);
    }
}
