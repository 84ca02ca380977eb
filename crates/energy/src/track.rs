//! One sensor's running account: cumulative energy with bounds, from one reading to the next.
//!
//! Between readings at times t₁ < t₂:
//!
//! - a counter gives ΔE = v₂ − v₁, plus its range if it wrapped. Only the borders of a region are then uncertain, see
//!   [`crate::border`].
//! - a power register gives P₂·(t₂ − t₁). Where its window w is shorter than its period p, the share 1 − w/p of the
//!   time is unseen, and there the power may be anything from the floor (0, or the idle baseline) to the ceiling.

use crate::sensor::{Description, Reading, Scale, SensorError};

/// Cumulative energy since the first reading, J.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    /// Estimate.
    pub joules: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Time for which readings were missing and power was carried on, s.
    pub bridged_s: f64,
}

impl Account {
    fn add(&mut self, joules: f64, low: f64, high: f64) {
        self.joules += joules;
        self.low += low;
        self.high += high;
    }
}

/// When a counter was last seen to have moved: after `after_s` and not later than `seen_s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Time of the last reading before it, s.
    pub after_s: f64,
    /// Time of the reading that saw it, s.
    pub seen_s: f64,
}

/// The account of one sensor.
#[derive(Clone, Debug)]
pub struct Track {
    description: Description,
    last: Option<(f64, f64)>,
    account: Account,
    power_w: f64,
    peak_w: f64,
    floor_w: f64,
    change: Option<Change>,
    period_s: f64,
    failure: Option<SensorError>,
    failed_since_s: Option<f64>,
    wraps: u64,
    resets: u64,
    first_s: f64,
    registers: Registers,
}

/// Updates of a power register as far as its values show them.
#[derive(Clone, Copy, Debug)]
struct Registers {
    /// Changes seen by readings that were close enough to time them.
    timed: u32,
    /// Shortest time between two of them, s; not less than the period.
    shortest_s: f64,
}

impl Track {
    /// An account without readings.
    pub fn new(description: Description) -> Self {
        let (Scale::Counter { period_s, .. } | Scale::Power { period_s, .. }) = description.scale;
        Self {
            description,
            last: None,
            account: Account::default(),
            power_w: 0.0,
            peak_w: 0.0,
            floor_w: 0.0,
            change: None,
            period_s,
            failure: None,
            failed_since_s: None,
            wraps: 0,
            resets: 0,
            first_s: 0.0,
            registers: Registers { timed: 0, shortest_s: f64::INFINITY },
        }
    }

    /// The sensor.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Time between updates, s: as described, or as seen where that is longer (counters) or was well timed (registers).
    pub fn period_s(&self) -> f64 {
        self.period_s
    }

    /// Mean power between the last two readings that moved, W.
    pub fn power_w(&self) -> f64 {
        self.power_w
    }

    /// Power that is taken not to be exceeded for the length of an update at a border, W: twice the greatest mean power
    /// seen between readings, at most the ceiling.
    pub fn border_power_w(&self) -> f64 {
        if self.peak_w > 0.0 { (2.0 * self.peak_w).min(self.description.ceiling_w) } else { self.description.ceiling_w }
    }

    /// Whether a counter has not moved for so long that it is broken rather than slow.
    pub fn is_frozen(&self) -> bool {
        let is_counter = matches!(self.description.scale, Scale::Counter { .. });
        let since_s = self.change.map_or(self.first_s, |change| change.seen_s);
        is_counter && self.last.is_some_and(|(last_s, _)| last_s - since_s > FROZEN_S.max(5.0 * self.stated_period_s()))
    }

    /// Time between updates as described, s.
    pub fn stated_period_s(&self) -> f64 {
        let (Scale::Counter { period_s, .. } | Scale::Power { period_s, .. }) = self.description.scale;
        period_s
    }

    /// The last change of a counter.
    pub fn change(&self) -> Option<Change> {
        self.change
    }

    /// The last reading: time (s) and value (J or W).
    pub fn last(&self) -> Option<(f64, f64)> {
        self.last
    }

    /// Why the last reading failed, if it did.
    pub fn failure(&self) -> Option<&SensorError> {
        self.failure.as_ref()
    }

    /// Wraps that were put right.
    pub fn wraps(&self) -> u64 {
        self.wraps
    }

    /// Times the counter began anew without a wrap.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Takes a pause up to the last reading for a counter's period, even if it has not moved since.
    pub fn note_pause(&mut self) {
        if let (Scale::Counter { .. }, Some((last_s, _))) = (self.description.scale, self.last) {
            let since_s = self.change.map_or(self.first_s, |change| change.seen_s);
            self.period_s = self.period_s.max((last_s - since_s).min(MAX_PERIOD_S));
        }
    }

    /// Takes the lowest power of the idle baseline as the floor of what is unseen.
    pub fn set_floor_w(&mut self, floor_w: f64) {
        self.floor_w = floor_w.clamp(0.0, self.description.ceiling_w);
    }

    /// The account at `now_s`; time since a sensor fell silent is bridged with its last power, bounded by zero and the
    /// ceiling.
    pub fn account_at(&self, now_s: f64) -> Account {
        let mut account = self.account;
        if let (Some(since), Some(_)) = (self.failed_since_s, self.last) {
            let gap_s = (now_s - since).max(0.0);
            account.add(self.power_w * gap_s, 0.0, self.description.ceiling_w * gap_s);
            account.bridged_s += gap_s;
        }
        account
    }

    /// Books what a sensor said at `now_s`. Returns whether its value differs from the last one.
    pub fn book(&mut self, now_s: f64, reading: Result<Reading, SensorError>) -> bool {
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                let since = self.last.map_or(now_s, |(t, _)| t);
                self.failed_since_s.get_or_insert(since);
                self.failure = Some(error);
                return false;
            }
        };
        let (Reading::Joules(value) | Reading::Watts(value)) = reading;
        let is_first = self.last.is_none();
        let moved = self.last.is_some_and(|(_, v)| v != value);
        if let Some((then_s, before)) = self.last {
            let dt_s = (now_s - then_s).max(0.0);
            match (reading, self.description.scale) {
                (Reading::Joules(_), Scale::Counter { quantum_j, range_j, .. }) => {
                    self.count(then_s, now_s, value - before, value, quantum_j, range_j);
                }
                (Reading::Watts(_), Scale::Power { window_s, .. }) => {
                    if moved {
                        self.time_register(then_s, now_s);
                    }
                    self.hold(dt_s, value, (window_s / self.period_s.max(1e-9)).clamp(0.0, 1.0));
                }
                _ => {}
            }
        } else {
            self.first_s = now_s;
            if let Reading::Watts(watts) = reading {
                (self.power_w, self.peak_w) = (watts, watts);
            }
        }
        self.last = Some((now_s, value));
        self.failure = None;
        self.failed_since_s = None;
        moved && !is_first
    }

    /// A counter moved by `step` (negative after a wrap) between two readings.
    fn count(&mut self, then_s: f64, now_s: f64, step: f64, value: f64, quantum_j: f64, range_j: Option<f64>) {
        let dt_s = (now_s - then_s).max(0.0);
        let ceiling_j = self.description.ceiling_w * (dt_s + self.period_s) + quantum_j;
        let expected_j = self.power_w * dt_s;
        let (joules, low, high) = if step >= 0.0 {
            self.whole_ranges(step, expected_j, ceiling_j, range_j)
        } else if let Some(range) =
            range_j.filter(|range| step + range <= ceiling_j + self.description.ceiling_w * BENEFIT_S)
        {
            self.wraps += 1;
            self.whole_ranges((step + range).max(0.0), expected_j, ceiling_j, range_j)
        } else {
            // It began anew: what it counts since is sure, what it counted before is not.
            self.resets += 1;
            let since = if value <= ceiling_j { value } else { 0.0 };
            self.account.bridged_s += dt_s;
            (expected_j.clamp(since, ceiling_j), since, ceiling_j)
        };
        self.account.add(joules, low, high);
        if step != 0.0 {
            let after_s = self.change.map_or(self.first_s, |change| change.seen_s);
            // Surely without an update: from the reading that saw the last one to the last reading without this one.
            self.period_s = self.period_s.max((then_s - after_s).min(MAX_PERIOD_S));
            let power_w = joules / (now_s - after_s).max(dt_s).max(1e-9);
            if now_s - after_s >= 0.5 * self.period_s {
                self.power_w = power_w;
                self.peak_w = self.peak_w.max(power_w);
            }
            self.change = Some(Change { after_s: then_s, seen_s: now_s });
        }
    }

    /// Further whole ranges that may have gone by unseen: taken from the power before, bounded by the ceiling.
    fn whole_ranges(&mut self, step: f64, expected: f64, ceiling: f64, range: Option<f64>) -> (f64, f64, f64) {
        let Some(range) = range.filter(|r| *r > 0.0 && step + r <= ceiling) else { return (step, step, step) };
        let most = ((ceiling - step) / range).floor();
        let likely = ((expected - step) / range).round().clamp(0.0, most);
        self.wraps = self.wraps.saturating_add(likely as u64);
        (step + likely * range, step, step + most * range)
    }

    /// A register changed between two readings: three changes that were well timed tell its period.
    fn time_register(&mut self, then_s: f64, now_s: f64) {
        if let Some(before) = self.change {
            let spacing_s = now_s - before.after_s;
            let error_s = (now_s - then_s) + (before.seen_s - before.after_s);
            if error_s <= 0.3 * spacing_s && spacing_s <= MAX_PERIOD_S {
                self.registers.timed += 1;
                self.registers.shortest_s = self.registers.shortest_s.min(spacing_s - 0.5 * error_s);
            }
            if self.registers.timed >= 3 {
                self.period_s = self.registers.shortest_s;
            }
        }
        self.change = Some(Change { after_s: then_s, seen_s: now_s });
    }

    /// A register showed `watts` at the end of `dt_s`; the share `seen` of the time is in its value.
    fn hold(&mut self, dt_s: f64, watts: f64, seen: f64) {
        let gap = self.failed_since_s.is_some();
        let seen = if gap { 0.0 } else { seen };
        let low = seen * watts + (1.0 - seen) * self.floor_w.min(watts);
        let high = seen * watts + (1.0 - seen) * self.description.ceiling_w.max(watts);
        self.account.add(watts * dt_s, low * dt_s, high * dt_s);
        if gap {
            self.account.bridged_s += dt_s;
        }
        self.power_w = watts;
        self.peak_w = self.peak_w.max(watts);
    }
}

/// A counter that runs backwards is taken to have wrapped if that means no more than its ceiling for the time since the
/// last reading and so many seconds more; else it began anew.
const BENEFIT_S: f64 = 1.0;

/// A device in use never uses nothing for so long, s.
const FROZEN_S: f64 = 0.5;

/// Longest pause of a counter that is taken for its period: a machine asleep is no sensor's period.
const MAX_PERIOD_S: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::Domain;

    fn counter(range_j: Option<f64>, ceiling_w: f64) -> Track {
        Track::new(Description {
            name: "package-0".into(),
            domain: Domain::Package,
            source: "test".into(),
            scale: Scale::Counter { quantum_j: 1e-6, range_j, period_s: 0.001 },
            ceiling_w,
            note: String::new(),
        })
    }

    fn book(track: &mut Track, readings: &[(f64, f64)]) {
        for &(t, v) in readings {
            track.book(t, Ok(Reading::Joules(v)));
        }
    }

    #[test]
    fn a_wrap_is_put_right_and_a_reset_is_told_from_it() {
        let mut track = counter(Some(100.0), 300.0);
        book(&mut track, &[(0.0, 80.0), (0.1, 90.0), (0.2, 0.0), (0.3, 10.0)]);
        assert_eq!((track.account_at(0.3).joules, track.wraps(), track.resets()), (30.0, 1, 0));
        let mut track = counter(Some(1e5), 300.0);
        book(&mut track, &[(0.0, 80.0), (0.1, 90.0), (0.2, 2.0), (0.3, 12.0)]);
        let account = track.account_at(0.3);
        assert_eq!((track.wraps(), track.resets()), (0, 1));
        assert!(account.joules >= 29.9 && account.low <= 22.0 && account.high >= 40.0, "{account:?}");
    }

    #[test]
    fn unseen_whole_ranges_widen_the_interval() {
        let mut track = counter(Some(10.0), 1000.0);
        book(&mut track, &[(0.0, 0.0), (0.005, 1.0), (0.2, 0.0)]);
        let account = track.account_at(0.2);
        assert!(account.low <= 20.0 && account.high > 100.0, "{account:?}");
        assert!((account.joules - 40.0).abs() < 0.1, "200 W carried on: {account:?}");
    }

    #[test]
    fn a_silent_sensor_is_bridged_and_bounded() {
        let mut track = counter(Some(1e5), 400.0);
        book(&mut track, &[(0.0, 0.0), (1.0, 100.0)]);
        track.book(1.5, Err(SensorError::Gone { what: "x".into(), reason: "y".into() }));
        let account = track.account_at(2.0);
        assert_eq!((account.joules, account.low, account.high), (200.0, 100.0, 500.0));
        // It comes back: the counter went on counting, nothing is lost.
        book(&mut track, &[(3.0, 250.0)]);
        let account = track.account_at(3.0);
        assert_eq!((account.joules, account.low, account.bridged_s), (250.0, 250.0, 0.0));
    }

    #[test]
    fn the_unseen_share_of_a_register_is_bounded_by_floor_and_ceiling() {
        let mut description = counter(None, 400.0).description;
        description.scale = Scale::Power { quantum_w: 1.0, period_s: 0.1, window_s: 0.025 };
        let mut track = Track::new(description);
        track.set_floor_w(40.0);
        for n in 0..=10 {
            track.book(0.1 * f64::from(n), Ok(Reading::Watts(200.0)));
        }
        let account = track.account_at(1.0);
        assert!((account.joules - 200.0).abs() < 1e-9);
        assert!((account.low - (50.0 + 30.0)).abs() < 1e-9 && (account.high - (50.0 + 300.0)).abs() < 1e-9);
    }
}
