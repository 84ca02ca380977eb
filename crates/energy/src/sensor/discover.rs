//! All sensors of a machine, and one sentence where there are none.

use super::external::{External, Place};
use super::node::{Answer, Controller};
use super::nvml::library::{LIBRARY, Nvml};
use super::nvml::{Boards, NvmlError};
use super::{Domain, Sensor, Unreadable, hwmon, nvml, powercap};
use std::path::PathBuf;
use std::sync::Arc;

/// An outside meter that the user names.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterChoice {
    /// Name of its domain in reports.
    pub name: String,
    /// Where its lines come from.
    pub place: Place,
}

/// Where to look for sensors.
#[derive(Clone)]
pub struct Sources {
    /// The powercap tree.
    pub powercap: PathBuf,
    /// Description of the perf unit.
    pub perf: PathBuf,
    /// The hwmon devices.
    pub hwmon: PathBuf,
    /// Name of NVML's library for the loader; `None` leaves NVIDIA boards out.
    pub nvml: Option<String>,
    /// Boards of a simulator, in the place of the library.
    pub boards: Option<Arc<dyn Boards>>,
    /// Commands that tell the node's power.
    pub nodes: Vec<(Answer, String)>,
    /// Outside meters.
    pub meters: Vec<MeterChoice>,
}

impl Default for Sources {
    /// Where Linux keeps them; no node power and no outside meters.
    fn default() -> Self {
        Self {
            powercap: powercap::ROOT.into(),
            perf: "/sys/bus/event_source/devices/power".into(),
            hwmon: hwmon::ROOT.into(),
            nvml: Some(LIBRARY.to_owned()),
            boards: None,
            nodes: Vec::new(),
            meters: Vec::new(),
        }
    }
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// Sensors that can be read.
    pub sensors: Vec<Box<dyn Sensor>>,
    /// Domains that are there but cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What should be known, in plain sentences.
    pub messages: Vec<String>,
}

impl Found {
    /// Sensors of one's own.
    pub fn of(sensors: Vec<Box<dyn Sensor>>) -> Self {
        Self { sensors, ..Self::default() }
    }
}

/// Most that an outside meter of a node is taken to see, W.
const NODE_CEILING_W: f64 = 20_000.0;

/// Looks everywhere.
pub fn discover(sources: &Sources) -> Found {
    let mut found = Found::default();
    processors(sources, &mut found);
    let boards = boards(sources, &mut found);
    let (channels, unreadable) = hwmon::discover(&sources.hwmon);
    for channel in channels {
        let is_new = !found.sensors.iter().any(|s| s.description().name == channel.description().name);
        if is_new {
            // A package that powercap refuses may be readable here.
            found.unreadable.retain(|u| u.name != channel.description().name);
            found.sensors.push(Box::new(channel));
        }
    }
    found.unreadable.extend(unreadable);
    for (answer, command) in &sources.nodes {
        match Controller::open(*answer, command) {
            Ok(node) => found.sensors.push(Box::new(node)),
            Err(error) => found.unreadable.push(refused("node", Domain::Node, command, &error.to_string())),
        }
    }
    for meter in &sources.meters {
        match External::open(&meter.name, Domain::Node, &meter.place, NODE_CEILING_W) {
            Ok(external) => found.sensors.push(Box::new(external)),
            Err(error) => {
                let source = format!("{:?}", meter.place);
                found.unreadable.push(refused(&meter.name, Domain::Node, &source, &error.to_string()));
            }
        }
    }
    found.messages.extend(explained(sources, &found, boards.as_ref()));
    found
}

fn refused(name: &str, domain: Domain, source: &str, reason: &str) -> Unreadable {
    Unreadable { name: name.to_owned(), domain, source: source.to_owned(), reason: reason.to_owned() }
}

/// Powercap, and perf events for the domains that powercap does not give.
fn processors(sources: &Sources, found: &mut Found) {
    let (zones, unreadable) = powercap::discover(&sources.powercap);
    found.sensors.extend(zones.into_iter().map(|z| Box::new(z) as Box<dyn Sensor>));
    found.unreadable.extend(unreadable);
    #[cfg(target_os = "linux")]
    if !found.sensors.iter().any(|s| s.description().domain == Domain::Package) {
        let (counters, denied) = super::perf::discover(&sources.perf);
        for counter in counters {
            let name = counter.description().name.clone();
            if !found.sensors.iter().any(|s| s.description().name == name) {
                found.unreadable.retain(|u| u.name != name);
                found.sensors.push(Box::new(counter));
            }
        }
        if found.sensors.is_empty() && found.unreadable.is_empty() {
            found.unreadable.extend(denied);
        }
    }
}

/// NVIDIA boards; the error tells why there are none.
fn boards(sources: &Sources, found: &mut Found) -> Option<NvmlError> {
    let boards: Arc<dyn Boards> = match (&sources.boards, &sources.nvml) {
        (Some(boards), _) => boards.clone(),
        (None, Some(name)) => match Nvml::load(name) {
            Ok(library) => Arc::new(library),
            Err(error) => return Some(error),
        },
        (None, None) => return None,
    };
    let (sensors, unreadable, error) = nvml::discover(&boards);
    found.sensors.extend(sensors.into_iter().map(|s| Box::new(s) as Box<dyn Sensor>));
    found.unreadable.extend(unreadable);
    error
}

/// Sentences about what is missing.
fn explained(sources: &Sources, found: &Found, boards: Option<&NvmlError>) -> Vec<String> {
    let mut sentences: Vec<String> =
        found.unreadable.iter().map(|u| format!("{} is unmeasured: {}", u.name, u.reason)).collect();
    let root = sources.powercap.display();
    let boards_why = match boards {
        Some(NvmlError::Missing { library, .. }) => Some(format!("the loader finds no {library}")),
        Some(error) => Some(error.to_string()),
        None => None,
    };
    let has = |domain| {
        let readable = found.sensors.iter().any(|s| s.description().domain == domain);
        readable || found.unreadable.iter().any(|u| u.domain == domain)
    };
    let tree_why = if sources.powercap.is_dir() {
        format!("{root} holds no RAPL zones (`sudo modprobe intel_rapl_msr` loads them where the processor has any)")
    } else {
        format!("there is no {root} (virtual machines and containers hide it, Linux on hardware has it)")
    };
    if found.sensors.is_empty() && found.unreadable.is_empty() {
        let boards_why = boards_why.map(|why| format!(" and {why}")).unwrap_or_default();
        sentences.push(format!("energy is unmeasured because {tree_why}{boards_why}"));
    } else {
        if !has(Domain::Package) && !has(Domain::Psys) {
            sentences.push(format!("the processor is in no number here because {tree_why}"));
        }
        if let Some(error) = boards.filter(|error| !matches!(error, NvmlError::Missing { .. })) {
            sentences.push(format!("NVIDIA boards are in no number here because {error}"));
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_sensors_says_so_in_one_sentence() {
        let nowhere = PathBuf::from("/nowhere/class");
        let sources = Sources {
            powercap: nowhere.join("powercap"),
            perf: nowhere.join("power"),
            hwmon: nowhere.join("hwmon"),
            nvml: Some("libnowhere-ml.so.1".to_owned()),
            ..Sources::default()
        };
        let found = discover(&sources);
        assert!(found.sensors.is_empty() && found.unreadable.is_empty());
        assert_eq!(found.messages.len(), 1, "{:?}", found.messages);
        let sentence = &found.messages[0];
        for word in ["unmeasured", "/nowhere/class/powercap", "libnowhere-ml.so.1"] {
            assert!(sentence.contains(word), "{sentence}");
        }
    }
}
