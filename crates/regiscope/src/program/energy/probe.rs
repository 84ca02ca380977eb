//! `regiscope energy probe`: every sensor, its period, range and rights.

use super::sources;
use crate::program::args::energy::ProbeArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_energy::SystemClock;
use regiscope_energy::energy::figure;
use regiscope_energy::probe::watch;
use regiscope_energy::sensor::Scale;
use regiscope_energy::sensor::discover::discover;
use serde_json::{Value, json};

/// Lists the sensors; a machine without any is no error.
pub fn run(arguments: &ProbeArgs, output: Output) -> Result<Ending, Failure> {
    let mut found = discover(&sources::sources(&arguments.sources));
    let clock = SystemClock::default();
    let each_s = arguments.seconds / found.sensors.len().max(1) as f64;
    let mut sensors = Vec::new();
    let mut text = String::new();
    for sensor in &mut found.sensors {
        let watched = watch(sensor.as_mut(), &clock, each_s, 0.001);
        let about = sensor.description();
        let (range_j, window_s, stated_s, kind) = match about.scale {
            Scale::Counter { range_j, period_s, .. } => (range_j, None, period_s, "energy counter"),
            Scale::Power { period_s, window_s, .. } => (None, Some(window_s), period_s, "power register"),
        };
        let period_s = watched.as_ref().ok().and_then(|w| w.period_s);
        let told = json!({
            "name": about.name,
            "domain": about.domain,
            "source": about.source,
            "kind": kind,
            "readable": true,
            "period_s": period_s,
            "stated_period_s": stated_s,
            "window_s": window_s,
            "range_j": range_j,
            "ceiling_w": about.ceiling_w,
            "reading_s": watched.as_ref().ok().map(|w| w.reading_s),
            "problem": watched.as_ref().err().map(ToString::to_string),
            "note": about.note,
        });
        let seconds = |s: f64| format!("{} ms", figure(1000.0 * s));
        let period = period_s.map_or_else(|| format!("not seen, {} stated", seconds(stated_s)), seconds);
        let range = range_j.map_or_else(|| "no range stated".to_owned(), |j| format!("range {} J", figure(j)));
        let range = window_s.map_or(range, |w| format!("averages {}", seconds(w)));
        text += &format!("{:16}{kind}, period {period}, {range}, readable; {}\n", about.name, about.source);
        if let Err(problem) = &watched {
            text += &format!("{:16}{problem}\n", "");
        }
        sensors.push(told);
    }
    for unreadable in &found.unreadable {
        text += &format!("{:16}not readable; {}\n", unreadable.name, unreadable.source);
        sensors.push(json!({
            "name": unreadable.name,
            "domain": unreadable.domain,
            "source": unreadable.source,
            "readable": false,
            "problem": unreadable.reason,
        }));
    }
    let messages: Vec<Value> = found.messages.iter().map(|m| json!(m)).collect();
    output.result(&json!({"sensors": sensors, "messages": messages}), || {
        text + &found.messages.iter().map(|m| format!("{m}\n")).collect::<String>()
    })?;
    Ok(Ending::Done)
}
