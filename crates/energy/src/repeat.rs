//! Repetitions whose phase moves over the period of slow and part-time sensors, until the mean is sure enough.
//!
//! A register that averages w of every p seconds tells nothing about a kernel of fixed phase, but repetitions whose
//! beginnings are spread evenly over p show it every part in turn. Multiples of the golden ratio spread evenly however
//! many there are in the end.

use crate::report::{BATCH, RegionRecord, Report};

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeat {
    /// Most repetitions; at least one is made.
    pub most: usize,
    /// Ends as soon as the half-width of the total's interval is at most this fraction of its estimate.
    pub target: Option<f64>,
    /// Longest period of the slow sensors, s; 0 where there is none.
    pub period_s: f64,
}

/// Fewest repetitions from which an interval of their mean is believed.
const FEWEST: usize = 4;

/// 1/φ.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

impl Repeat {
    /// The first moment from `now_s` on that has the phase of repetition `index` (from 0), when the first one began at
    /// `first_s`.
    pub fn begin_s(&self, index: usize, first_s: f64, now_s: f64) -> f64 {
        if index == 0 || self.period_s <= 0.0 {
            return now_s;
        }
        let phase_s = (index as f64 * GOLDEN).fract() * self.period_s;
        let rounds = ((now_s - first_s - phase_s) / self.period_s).ceil().max(0.0);
        first_s + phase_s + rounds * self.period_s
    }

    /// Makes repetitions; `one` is told the index and when the first one began, and measures one.
    pub fn run<E>(
        &self,
        mut one: impl FnMut(usize, Option<f64>) -> Result<RegionRecord, E>,
    ) -> Result<Vec<RegionRecord>, E> {
        let mut records: Vec<RegionRecord> = Vec::new();
        for index in 0..self.most.max(1) {
            let first_s = records.first().map(|r| r.region.began_s);
            records.push(one(index, first_s)?);
            let has_failed = records.last().is_some_and(|r| r.exit_status.is_some_and(|s| s != 0));
            if has_failed || self.is_reached(&records) {
                break;
            }
        }
        Ok(records)
    }

    fn is_reached(&self, records: &[RegionRecord]) -> bool {
        let Some(target) = self.target else { return false };
        if records.len() > 3 * BATCH && !records.len().is_multiple_of(BATCH) {
            return false;
        }
        let energy = Report::of(records.to_vec(), Vec::new()).total.energy;
        let is_sure = energy.relative_half_width().is_some_and(|half| half <= target);
        // Without any number nothing is gained by going on; a derived one needs some repetitions to be believed.
        energy.joules.is_none()
            || (is_sure && (records.len() >= FEWEST || energy.provenance == crate::Provenance::Measured))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_spread_evenly() {
        let repeat = Repeat { most: 16, target: None, period_s: 0.1 };
        let mut phases: Vec<f64> =
            (0..16).map(|k| ((repeat.begin_s(k, 7.0, 9.03) - 7.0) / 0.1).fract()).skip(1).collect();
        phases.sort_by(f64::total_cmp);
        let widest = phases.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
        assert!(widest < 0.11, "{phases:?}");
        assert!((1..16).all(|k| (9.03..9.13 + 1e-9).contains(&repeat.begin_s(k, 7.0, 9.03))));
        assert_eq!(repeat.begin_s(0, 7.0, 9.03), 9.03);
    }
}
