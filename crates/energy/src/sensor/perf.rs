//! RAPL through perf events, for systems where powercap is not readable but `perf_event_paranoid` allows counting.
//!
//! `/sys/bus/event_source/devices/power` names the events (`events/energy-pkg` holds `event=0x02`), their unit
//! (`.scale`, `.unit`) and one processor per socket (`cpumask`); `perf_event_open` counts in 64 bits without wraps.

use super::{Description, Domain, Reading, Scale, Sensor, SensorError, Unreadable, read_small};
use perf_event::events::Dynamic;
use perf_event::{Builder, Counter};
use std::path::Path;

/// An event as the kernel describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Name of the domain without the socket, as `package`.
    pub name: &'static str,
    /// What it sees.
    pub domain: Domain,
    /// Name of its file.
    pub event: &'static str,
    /// Joules per count.
    pub joules_per_count: f64,
}

/// One event on one socket.
#[derive(Debug)]
pub struct PerfCounter {
    counter: Counter,
    joules_per_count: f64,
    description: Description,
}

const EVENTS: [(&str, &str, Domain); 5] = [
    ("energy-pkg", "package", Domain::Package),
    ("energy-cores", "core", Domain::Core),
    ("energy-gpu", "uncore", Domain::Uncore),
    ("energy-ram", "dram", Domain::Dram),
    ("energy-psys", "psys", Domain::Psys),
];

/// The energy events under `root`; empty where there are none.
pub fn described(root: &Path) -> Vec<Described> {
    let described = |&(event, name, domain): &(&'static str, &'static str, Domain)| {
        let text = |suffix: &str| read_small(&root.join(format!("events/{event}{suffix}"))).ok();
        text("")?;
        let joules_per_count: f64 = text(".scale")?.trim().parse().ok()?;
        let is_joules = text(".unit").is_none_or(|unit| unit.trim() == "Joules");
        let is_sound = is_joules && joules_per_count > 0.0 && joules_per_count < 1.0;
        is_sound.then_some(Described { name, domain, event, joules_per_count })
    };
    EVENTS.iter().filter_map(described).collect()
}

/// Processors of a list such as `0,18-19`.
pub fn cpus(list: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<Vec<usize>> {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        (to.checked_sub(from)? < 4096).then(|| (from..=to).collect())
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Opens every event on every socket.
pub fn discover(root: &Path) -> (Vec<PerfCounter>, Vec<Unreadable>) {
    let sockets = cpus(&read_small(&root.join("cpumask")).unwrap_or_else(|_| "0".to_owned()));
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for event in described(root) {
        for (socket, &cpu) in sockets.iter().enumerate() {
            let name =
                if event.domain == Domain::Psys { "psys".to_owned() } else { format!("{}-{socket}", event.name) };
            let source = format!("perf event {} on processor {cpu}", event.name);
            if event.domain == Domain::Psys && socket > 0 {
                continue;
            }
            match open(root, &event, cpu) {
                Ok(counter) => {
                    let scale = Scale::Counter { quantum_j: event.joules_per_count, range_j: None, period_s: PERIOD_S };
                    let (domain, ceiling_w, note) = (event.domain, CEILING_W, String::new());
                    let description = Description { name, domain, source, scale, ceiling_w, note };
                    found.push(PerfCounter { counter, joules_per_count: event.joules_per_count, description });
                }
                Err(error) => {
                    let reason = match error.kind() {
                        std::io::ErrorKind::PermissionDenied => format!(
                            "{source} may not be counted by this user: run as root, or \
                             `sudo sysctl kernel.perf_event_paranoid=0`"
                        ),
                        _ => format!("{source} cannot be opened: {error}"),
                    };
                    unreadable.push(Unreadable { name, domain: event.domain, source, reason });
                }
            }
        }
    }
    (found, unreadable)
}

/// See [`super::powercap`]: the same registers.
const PERIOD_S: f64 = 0.002;
const CEILING_W: f64 = 1000.0;

fn open(root: &Path, event: &Described, cpu: usize) -> std::io::Result<Counter> {
    let chosen = Dynamic::builder(root)?.event(event.event)?.build().map_err(std::io::Error::other)?;
    let mut builder = Builder::new(chosen);
    // Uncore units count for the whole socket and refuse to leave out the kernel.
    builder.any_pid().one_cpu(cpu).exclude_kernel(false).exclude_hv(false);
    let mut counter = builder.build()?;
    counter.enable()?;
    Ok(counter)
}

impl Sensor for PerfCounter {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        let what = || self.description.source.clone();
        let count = self.counter.read().map_err(|e| SensorError::Gone { what: what(), reason: e.to_string() })?;
        Ok(Reading::Joules(count as f64 * self.joules_per_count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn events_are_read_from_the_tree() {
        let root = tempfile::tempdir().unwrap();
        let events = root.path().join("events");
        fs::create_dir_all(&events).unwrap();
        for (file, content) in [
            ("energy-pkg", "event=0x02\n"),
            ("energy-pkg.scale", "2.3283064365386962890625e-10\n"),
            ("energy-pkg.unit", "Joules\n"),
            ("energy-ram", "event=0x03\n"),
            ("energy-ram.scale", "nonsense\n"),
        ] {
            fs::write(events.join(file), content).unwrap();
        }
        let found = described(root.path());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name, found[0].event), ("package", "energy-pkg"));
        assert_eq!(found[0].joules_per_count, 2f64.powi(-32));
        assert_eq!(described(Path::new("/nowhere")), []);
    }

    #[test]
    fn processor_lists() {
        assert_eq!(cpus("0,18-20\n"), [0, 18, 19, 20]);
        assert_eq!(cpus("x,5-3,0-99999999"), [] as [usize; 0]);
    }
}
