//! Traces: every reading of a measurement as JSON lines, and their replay.
//!
//! The first line describes the sensors, each further one is a reading or a border of a region. Replaying a trace
//! through a [`crate::recorder::Recorder`] gives the figures of the measurement it was recorded from.

use crate::sensor::{Description, Reading, Sensor, SensorError};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the form, 1.
    pub trace: u32,
    /// The sensors, in the order that readings count them.
    pub sensors: Vec<Description>,
}

/// One reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Moment, s.
    pub t_s: f64,
    /// Which sensor, from 0.
    pub sensor: usize,
    /// Counter, J.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joules: Option<f64>,
    /// Register, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<f64>,
    /// Why there is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Sample {
    /// What a sensor answered.
    pub fn new(t_s: f64, sensor: usize, reading: &Result<Reading, SensorError>) -> Self {
        let mut sample = Self { t_s, sensor, joules: None, watts: None, error: None };
        match reading {
            Ok(Reading::Joules(joules)) => sample.joules = Some(*joules),
            Ok(Reading::Watts(watts)) => sample.watts = Some(*watts),
            Err(error) => sample.error = Some(error.to_string()),
        }
        sample
    }

    fn reading(&self, what: &str) -> Result<Reading, SensorError> {
        match (self.joules, self.watts, &self.error) {
            (Some(joules), None, None) => Ok(Reading::Joules(joules)),
            (None, Some(watts), None) => Ok(Reading::Watts(watts)),
            (_, _, reason) => Err(SensorError::Silent {
                what: what.to_owned(),
                reason: reason.clone().unwrap_or_else(|| "the trace has no value".to_owned()),
            }),
        }
    }
}

/// A region of the recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Its name.
    pub region: String,
    /// Its beginning, s.
    pub from_s: f64,
    /// Its end, s.
    pub to_s: f64,
}

/// A whole trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The sensors.
    pub sensors: Vec<Description>,
    /// The readings, in the order of time.
    pub samples: Vec<Sample>,
    /// The regions.
    pub regions: Vec<Span>,
}

/// Why a text is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Nothing in it.
    #[error("the trace is empty; its first line must describe the sensors")]
    Empty,
    /// A line that is not understood.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// Most sensors of a trace: more than any node has.
const MOST_SENSORS: usize = 1024;

/// Most regions of a trace; each open one is looked at for every reading.
const MOST_REGIONS: usize = 10_000;

impl Trace {
    /// As text: one JSON value a line.
    pub fn to_text(&self) -> String {
        let line = |value: Result<String, serde_json::Error>| value.expect("records have string keys") + "\n";
        let mut text = line(serde_json::to_string(&Header { trace: 1, sensors: self.sensors.clone() }));
        text.extend(self.regions.iter().map(|r| line(serde_json::to_string(r))));
        text.extend(self.samples.iter().map(|s| line(serde_json::to_string(s))));
        text
    }

    /// From text; moments must be finite and must not run backwards.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
        let fault = |at: usize, reason: String| TraceError::Line { line: at + 1, reason };
        let (at, first) = lines.next().ok_or(TraceError::Empty)?;
        let header: Header = serde_json::from_str(first).map_err(|e| fault(at, e.to_string()))?;
        if header.trace != 1 {
            return Err(fault(at, format!("version {} of traces is unknown; 1 is understood", header.trace)));
        }
        if header.sensors.len() > MOST_SENSORS {
            return Err(fault(at, format!("{} sensors; at most {MOST_SENSORS} are read", header.sensors.len())));
        }
        let (mut samples, mut regions) = (Vec::<Sample>::new(), Vec::new());
        for (at, line) in lines {
            if line.trim_start().starts_with("{\"region\"") {
                let span: Span = serde_json::from_str(line).map_err(|e| fault(at, e.to_string()))?;
                if !(span.from_s.is_finite() && span.to_s.is_finite() && span.from_s <= span.to_s) {
                    return Err(fault(at, format!("the region runs from {} to {} s", span.from_s, span.to_s)));
                }
                if regions.len() == MOST_REGIONS {
                    return Err(fault(at, format!("more than {MOST_REGIONS} regions")));
                }
                regions.push(span);
                continue;
            }
            let sample: Sample = serde_json::from_str(line).map_err(|e| fault(at, e.to_string()))?;
            let is_late = samples.last().is_none_or(|before| before.t_s <= sample.t_s);
            let values = [sample.joules, sample.watts];
            if !sample.t_s.is_finite() || !is_late || values.iter().flatten().any(|v| !(0.0..=1e18).contains(v)) {
                return Err(fault(at, "times must be finite and in order, values from 0 to 1e18".to_owned()));
            }
            if sample.sensor >= header.sensors.len() {
                let count = header.sensors.len();
                return Err(fault(at, format!("sensor {} of {count} (counted from 0)", sample.sensor)));
            }
            samples.push(sample);
        }
        Ok(Self { sensors: header.sensors, samples, regions })
    }
}

/// The readings that are still to come, for each sensor.
type Queue = Arc<Mutex<VecDeque<(f64, Result<Reading, SensorError>)>>>;

/// A sensor that says what a trace recorded.
#[derive(Debug)]
pub struct Replayed {
    description: Description,
    queue: Queue,
    last: Result<Reading, SensorError>,
    clock: crate::sim::clock::VirtualClock,
}

impl Sensor for Replayed {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        let now_s = crate::clock::Clock::now_s(&self.clock);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while queue.front().is_some_and(|(t, _)| *t <= now_s) {
            if let Some((_, reading)) = queue.pop_front() {
                self.last = reading;
            }
        }
        self.last.clone()
    }
}

/// The regions of a trace, computed anew from its readings.
pub fn replay(trace: &Trace) -> Vec<crate::region::Region> {
    use crate::recorder::{Recorder, RegionId, Settings};
    use crate::region::RegionKind;
    let start_s = trace.samples.first().map_or(0.0, |s| s.t_s);
    let clock = crate::sim::clock::VirtualClock::at(start_s);
    let sensors = trace.sensors.iter().enumerate().map(|(at, description)| {
        let own = trace.samples.iter().filter(|s| s.sensor == at);
        let queue: VecDeque<_> = own.map(|s| (s.t_s, s.reading(&description.source))).collect();
        let silent = SensorError::Silent { what: description.source.clone(), reason: "before the trace".to_owned() };
        let last = queue.front().map_or(Err(silent), |(_, r)| r.clone());
        let queue = Arc::new(Mutex::new(queue));
        Box::new(Replayed { description: description.clone(), queue, last, clock: clock.clone() }) as Box<dyn Sensor>
    });
    let found = crate::sensor::discover::Found::of(sensors.collect());
    let mut recorder = Recorder::new(found, Arc::new(clock.clone()), Settings::default());
    // Every moment at which something happened, in order: readings, beginnings and ends.
    let mut moments: Vec<(f64, u8, usize)> = trace.samples.iter().map(|s| (s.t_s, 1, 0)).collect();
    moments.extend(trace.regions.iter().enumerate().flat_map(|(n, r)| [(r.from_s, 0, n), (r.to_s, 2, n)]));
    moments.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    moments.dedup();
    let mut open: Vec<Option<RegionId>> = vec![None; trace.regions.len()];
    for (moment_s, what, n) in moments {
        crate::clock::Clock::wait_until(&clock, moment_s);
        match what {
            0 => open[n] = Some(recorder.begin(&trace.regions[n].region, RegionKind::Work)),
            2 => {
                if let Some(id) = open[n] {
                    recorder.end(id);
                }
            }
            _ => recorder.poll(),
        }
    }
    open.into_iter().flatten().filter_map(|id| recorder.report(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_traces_are_refused() {
        let header = r#"{"trace":1,"sensors":[]}"#;
        assert_eq!(Trace::parse(""), Err(TraceError::Empty));
        for (text, word) in [
            ("{}", "line 1"),
            (r#"{"trace":2,"sensors":[]}"#, "version 2"),
            (&format!("{header}\n{{\"t_s\":0,\"sensor\":0}}"), "sensor 0 of 0"),
            (&format!("{header}\n{{\"region\":\"a\",\"from_s\":2,\"to_s\":1}}"), "from 2 to 1"),
            (&format!("{header}\nnonsense"), "line 2"),
        ] {
            let error = Trace::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
