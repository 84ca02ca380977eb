//! What a sensor really does: how often it is renewed, and how much of the time a power register sees.

use crate::clock::Clock;
use crate::sensor::{Reading, Sensor, SensorError};
use crate::statistics::deviation;

/// Updates of a sensor that were watched.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Watched {
    /// Changes of its value.
    pub updates: usize,
    /// Median time between two of them, s; `None` for fewer than two.
    pub period_s: Option<f64>,
    /// Moment of the last one, s.
    #[serde(skip)]
    pub last_update_s: Option<f64>,
    /// Mean time that one reading took, s.
    pub reading_s: f64,
}

/// Reads a sensor every `step_s` for `seconds` and times its changes.
///
/// A register whose power is constant shows no change; a period that is not seen is not guessed.
pub fn watch(sensor: &mut dyn Sensor, clock: &dyn Clock, seconds: f64, step_s: f64) -> Result<Watched, SensorError> {
    let began_s = clock.now_s();
    let mut value = sensor.read()?;
    let (mut changes, mut readings, mut reading_s) = (Vec::new(), 0u32, 0.0);
    while clock.now_s() < began_s + seconds {
        let before_s = clock.now_s();
        clock.wait_until(before_s + step_s);
        let from_s = clock.now_s();
        let next = sensor.read()?;
        let to_s = clock.now_s();
        reading_s += to_s - from_s;
        readings += 1;
        if next != value {
            changes.push(0.5 * (before_s + to_s));
            value = next;
        }
    }
    let mut spacings: Vec<f64> = changes.windows(2).map(|w| w[1] - w[0]).collect();
    spacings.sort_by(f64::total_cmp);
    Ok(Watched {
        updates: changes.len(),
        period_s: spacings.get(spacings.len() / 2).copied(),
        last_update_s: changes.last().copied(),
        reading_s: reading_s / f64::from(readings.max(1)),
    })
}

/// How much of its period a power register averages.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Window {
    /// Time between updates, s.
    pub period_s: f64,
    /// Time that a value is the mean of, s.
    pub window_s: f64,
    /// Root mean square of what the fit leaves of the steps' answers, as a fraction of the step.
    pub residual: f64,
}

/// Why a window could not be found.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProbeError {
    /// The sensor failed.
    #[error(transparent)]
    Sensor(#[from] SensorError),
    /// It is a counter.
    #[error("{0} is an energy counter, which has no window")]
    Counter(String),
    /// No period.
    #[error("{name} changed {updates} times in {seconds} s, too few to find its period")]
    NoPeriod {
        /// The sensor.
        name: String,
        /// Changes seen.
        updates: usize,
        /// Time watched, s.
        seconds: f64,
    },
    /// The load makes no difference.
    #[error("the load moves {name} by {step_w} W only, no more than its noise of {noise_w} W")]
    NoStep {
        /// The sensor.
        name: String,
        /// Height of the step, W.
        step_w: f64,
        /// Its noise, W.
        noise_w: f64,
    },
}

/// Finds the averaging window of a power register by steps of load in known phase (after Yang, Adamek and Armour 2024).
///
/// `load` switches the device between idle (`false`) and full load (`true`) and returns at once. A step δ before an
/// update is answered with the fraction min(1, δ/w) of its height by that update; w is fitted by least squares over
/// `trials` steps with δ spread over the period. Takes about 5 periods for each trial.
pub fn window(
    sensor: &mut dyn Sensor,
    clock: &dyn Clock,
    load: &mut dyn FnMut(bool),
    trials: usize,
) -> Result<Window, ProbeError> {
    let name = sensor.description().name.clone();
    let mut watts = || match sensor.read() {
        Ok(Reading::Watts(watts)) => Ok(watts),
        Ok(Reading::Joules(_)) => Err(ProbeError::Counter(name.clone())),
        Err(error) => Err(error.into()),
    };
    watts()?;
    // Toggling the load irregularly makes the register move at many of its updates, often at neighbouring ones.
    let mut updates = Vec::new();
    let began_s = clock.now_s();
    let (mut value, mut on, mut toggle_s) = (watts()?, false, began_s);
    while updates.len() < UPDATES && clock.now_s() < began_s + WATCH_S {
        if clock.now_s() >= toggle_s {
            on = !on;
            load(on);
            let irregular = (updates.len() as f64 * 0.618 + (toggle_s - began_s) * 7.3).fract();
            toggle_s += SHORTEST_TOGGLE_S * (1.0 + 4.0 * irregular);
        }
        clock.wait_until(clock.now_s() + STEP_S);
        let next = watts()?;
        if next != value {
            updates.push(clock.now_s() - 0.5 * STEP_S);
            value = next;
        }
    }
    load(false);
    let few = || ProbeError::NoPeriod { name: name.clone(), updates: updates.len(), seconds: WATCH_S };
    let shortest_s = updates.windows(2).map(|w| w[1] - w[0]).min_by(f64::total_cmp).ok_or_else(few)?;
    if updates.len() < UPDATES / 4 {
        return Err(few());
    }
    // All updates lie on one grid; each later one sharpens its spacing.
    let first_s = updates[0];
    let sharpen = |period_s: f64, &at_s: &f64| (at_s - first_s) / ((at_s - first_s) / period_s).round().max(1.0);
    let period_s = updates[1..].iter().fold(shortest_s, sharpen);
    let on_grid = |at_s: &f64| at_s - ((at_s - first_s) / period_s).round() * period_s;
    let first_s = updates.iter().map(on_grid).sum::<f64>() / updates.len() as f64;
    let settle = |load: &mut dyn FnMut(bool), on: bool| {
        load(on);
        clock.wait_until(clock.now_s() + 3.0 * period_s);
    };
    let mut level = |on: bool, load: &mut dyn FnMut(bool)| -> Result<(f64, f64), ProbeError> {
        settle(load, on);
        let mut seen = Vec::new();
        for _ in 0..5 {
            clock.wait_until(clock.now_s() + period_s);
            seen.push(watts()?);
        }
        Ok((seen.iter().sum::<f64>() / 5.0, deviation(&seen)))
    };
    let (low_w, low_noise_w) = level(false, load)?;
    let (high_w, high_noise_w) = level(true, load)?;
    let (step_w, noise_w) = (high_w - low_w, low_noise_w.max(high_noise_w));
    if step_w <= 4.0 * noise_w.max(0.1) {
        return Err(ProbeError::NoStep { name: name.clone(), step_w, noise_w });
    }
    let mut answers = Vec::new();
    for trial in 0..trials {
        settle(load, false);
        let before_s = period_s * (trial as f64 + 0.5) / trials as f64;
        let rounds = ((clock.now_s() + before_s - first_s) / period_s).ceil() + 1.0;
        let update_s = first_s + rounds * period_s;
        clock.wait_until(update_s - before_s);
        let begun_s = clock.now_s();
        load(true);
        // The update that first shows the step, timed by its own change.
        let mut shown_w = watts()?;
        while shown_w < low_w + 0.01 * step_w + noise_w && clock.now_s() < update_s + 2.0 * period_s {
            clock.wait_until(clock.now_s() + 0.5 * STEP_S);
            shown_w = watts()?;
        }
        answers.push((clock.now_s() - 0.25 * STEP_S - begun_s, (shown_w - low_w) / step_w));
    }
    load(false);
    let misfit = |window_s: f64| -> f64 {
        answers.iter().map(|(lead_s, share)| (share - (lead_s / window_s).clamp(0.0, 1.0)).powi(2)).sum()
    };
    let candidates = (1..=400).map(|n| period_s * f64::from(n) / 400.0);
    let best_s = candidates.min_by(|a, b| misfit(*a).total_cmp(&misfit(*b))).unwrap_or(period_s);
    let residual = (misfit(best_s) / trials.max(1) as f64).sqrt();
    Ok(Window { period_s, window_s: best_s, residual })
}

/// Longest search for the period, s.
const WATCH_S: f64 = 6.0;

/// Changes that are watched for it.
const UPDATES: usize = 40;

/// Shortest time between two switchings of the load meanwhile, s.
const SHORTEST_TOGGLE_S: f64 = 0.031;

/// Time between readings, s.
const STEP_S: f64 = 0.002;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::{Description, Domain, Scale};
    use crate::sim::clock::VirtualClock;

    /// A register over a device whose load is switched by the test.
    struct Switched {
        clock: VirtualClock,
        steps: std::sync::Arc<std::sync::Mutex<Vec<(f64, f64)>>>,
        period_s: f64,
        window_s: f64,
        description: Description,
    }

    impl Sensor for Switched {
        fn description(&self) -> &Description {
            &self.description
        }

        fn read(&mut self) -> Result<Reading, SensorError> {
            let to_s = ((self.clock.now_s() - 0.031) / self.period_s + 1e-9).floor() * self.period_s + 0.031;
            let from_s = to_s - self.window_s;
            let steps = self.steps.lock().unwrap();
            let until = |t: f64| -> f64 {
                let ends = steps.iter().skip(1).map(|s| s.0).chain([f64::INFINITY]);
                steps.iter().zip(ends).map(|(&(at, w), end)| w * (t.min(end) - at).max(0.0)).sum()
            };
            Ok(Reading::Watts(((until(to_s) - until(from_s)) / self.window_s).round()))
        }
    }

    #[test]
    fn period_and_window_of_part_time_registers_are_found() {
        for (period_s, window_s) in [(0.1, 0.025), (0.137, 0.025), (0.1, 0.1), (0.02, 0.01)] {
            let clock = VirtualClock::at(100.0);
            let steps = std::sync::Arc::new(std::sync::Mutex::new(vec![(0.0, 60.0)]));
            let scale = Scale::Power { quantum_w: 1.0, period_s: 0.1, window_s: 0.025 };
            let (name, source, note) = ("gpu-0".to_owned(), "test".to_owned(), String::new());
            let description = Description { name, domain: Domain::Gpu, source, scale, ceiling_w: 400.0, note };
            let (watched, inside) = (clock.clone(), steps.clone());
            let mut sensor = Switched { clock: watched, steps: inside, period_s, window_s, description };
            let mut load = |on: bool| steps.lock().unwrap().push((clock.now_s(), if on { 300.0 } else { 60.0 }));
            let found = window(&mut sensor, &clock, &mut load, 32).unwrap();
            assert!((found.period_s / period_s - 1.0).abs() < 0.01, "{period_s} {window_s}: {found:?}");
            assert!((found.window_s / window_s - 1.0).abs() < 0.1, "{period_s} {window_s}: {found:?}");
            assert!(found.residual < 0.1, "{found:?}");
        }
    }

    #[test]
    fn a_constant_register_has_no_period() {
        let clock = VirtualClock::at(1.0);
        let steps = std::sync::Arc::new(std::sync::Mutex::new(vec![(0.0, 60.0)]));
        let scale = Scale::Power { quantum_w: 1.0, period_s: 0.1, window_s: 0.1 };
        let (name, source, note) = ("gpu-0".to_owned(), "test".to_owned(), String::new());
        let description = Description { name, domain: Domain::Gpu, source, scale, ceiling_w: 400.0, note };
        let mut sensor = Switched { clock: clock.clone(), steps, period_s: 0.1, window_s: 0.1, description };
        let watched = watch(&mut sensor, &clock, 0.5, 0.002).unwrap();
        assert_eq!((watched.updates, watched.period_s), (0, None));
        let error = window(&mut sensor, &clock, &mut |_| {}, 4).unwrap_err();
        assert!(matches!(error, ProbeError::NoPeriod { .. }), "{error}");
    }
}
