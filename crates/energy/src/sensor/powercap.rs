//! RAPL through the kernel's powercap tree: <https://docs.kernel.org/power/powercap/powercap.html>.
//!
//! Zones are folders `CONTROL:N` and `CONTROL:N:M` with `name`, `energy_uj` and `max_energy_range_uj`; on a running
//! system they are links, and sub-zones appear both inside their parent and beside it.

use super::{Description, Domain, Reading, Scale, Sensor, SensorError, Unreadable, read_small, read_whole, subfolders};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the kernel keeps the tree.
pub const ROOT: &str = "/sys/class/powercap";

/// RAPL counts in units of 61 µJ where the processor does not say otherwise (Intel SDM vol. 3B, MSR_RAPL_POWER_UNIT,
/// default 2⁻¹⁴ J); units of memory and of other processors are smaller.
const QUANTUM_J: f64 = 1.0 / 16384.0;

/// The counters are renewed about every millisecond (Intel SDM vol. 3B, section on RAPL); twice that is allowed for.
const PERIOD_S: f64 = 0.002;

/// Worst-case power of a package or of the memory of a socket where no constraint says more.
const CEILING_W: f64 = 1000.0;

/// Greatest depth at which zones are looked for: `intel-rapl/intel-rapl:0/intel-rapl:0:0`.
const DEPTH: usize = 4;

/// One zone of the tree.
#[derive(Debug)]
pub struct Zone {
    folder: PathBuf,
    description: Description,
}

/// The sensors and the unreadable domains of a tree; both are empty where it holds no zones.
pub fn discover(root: &Path) -> (Vec<Zone>, Vec<Unreadable>) {
    let mut folders = BTreeMap::new();
    collect(root, DEPTH, &mut folders);
    let named: BTreeMap<String, (PathBuf, String)> = folders
        .into_iter()
        .filter_map(|(id, folder)| {
            let name = read_small(&folder.join("name")).ok()?.trim().to_owned();
            (!name.is_empty()).then_some((id, (folder, name)))
        })
        .collect();
    let mut names = Vec::new();
    let (mut zones, mut unreadable) = (Vec::new(), Vec::new());
    for (id, (folder, name)) in &named {
        if is_second_view(id, name, &named) {
            continue;
        }
        let parent = id.rsplit_once(':').and_then(|(parent, _)| named.get(parent)).map(|(_, name)| name.as_str());
        let mut shown = shown_name(name, parent);
        if names.contains(&shown) {
            shown = format!("{shown} ({id})");
        }
        names.push(shown.clone());
        let description = describe(folder, shown, name);
        match read_whole(&folder.join("energy_uj"), FIX) {
            Ok(_) => zones.push(Zone { folder: folder.clone(), description }),
            Err(error) => unreadable.push(Unreadable {
                name: description.name,
                domain: description.domain,
                source: description.source,
                reason: error.to_string(),
            }),
        }
    }
    (zones, unreadable)
}

/// What makes the counters readable: since Linux 5.10 only root may read them (CVE-2020-8694).
const FIX: &str = "run as root, or let your group read it, as with `sudo chgrp -R power /sys/class/powercap/*/ && \
                   sudo chmod g+r /sys/class/powercap/*/energy_uj`";

/// Zones by their identity, which is the folder's name.
fn collect(folder: &Path, depth: usize, found: &mut BTreeMap<String, PathBuf>) {
    if depth == 0 {
        return;
    }
    for child in subfolders(folder) {
        let Some(id) = child.file_name().and_then(|n| n.to_str()).map(str::to_owned) else { continue };
        let is_zone = id.contains(':') && child.join("name").is_file();
        if is_zone && found.insert(id.clone(), child.clone()).is_some() {
            continue;
        }
        // Links such as `device` and `subsystem` lead back up the tree.
        if is_zone || id.contains("rapl") {
            collect(&child, depth - 1, found);
        }
    }
}

/// `intel-rapl-mmio` shows the package that `intel-rapl` already shows.
fn is_second_view(id: &str, name: &str, all: &BTreeMap<String, (PathBuf, String)>) -> bool {
    let Some(rest) = id.strip_prefix("intel-rapl-mmio:") else { return false };
    let is_first = |(other, (_, other_name)): (&String, &(PathBuf, String))| {
        other.strip_prefix("intel-rapl:").is_some_and(|r| r.matches(':').count() == rest.matches(':').count())
            && other_name == name
    };
    all.iter().any(is_first)
}

/// `dram` inside `package-1` is `dram-1`; zones without a numbered parent keep their name.
fn shown_name(name: &str, parent: Option<&str>) -> String {
    match parent.and_then(|p| p.strip_prefix("package")) {
        Some(number) => format!("{name}{number}"),
        None => name.to_owned(),
    }
}

fn describe(folder: &Path, shown: String, name: &str) -> Description {
    let number = |file: &str| read_whole(&folder.join(file), "").ok().filter(|&v| v > 0);
    // A package may exceed its short-term limit for moments, hence twice the greatest stated constraint.
    let limit_uw = (0..3)
        .flat_map(|n| [format!("constraint_{n}_power_limit_uw"), format!("constraint_{n}_max_power_uw")])
        .filter_map(|file| number(&file))
        .max();
    let range_j = number("max_energy_range_uj").map(|uj| uj as f64 * 1e-6);
    let note = match range_j {
        Some(_) => String::new(),
        None => "max_energy_range_uj is missing, so a wrap of the counter is bridged by the power before it".to_owned(),
    };
    Description {
        name: shown,
        domain: Domain::of_name(name),
        source: format!("powercap {}", folder.display()),
        scale: Scale::Counter { quantum_j: QUANTUM_J, range_j, period_s: PERIOD_S },
        ceiling_w: limit_uw.map_or(CEILING_W, |uw| (2e-6 * uw as f64).clamp(CEILING_W, 1e5)),
        note,
    }
}

impl Sensor for Zone {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        // Opened anew each time: a file kept open would go on telling the old value after a replacement.
        let uj = read_whole(&self.folder.join("energy_uj"), FIX)?;
        Ok(Reading::Joules(uj as f64 * 1e-6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn zone(folder: &Path, name: &str, energy: &str, range: Option<&str>) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        fs::write(folder.join("energy_uj"), energy).unwrap();
        if let Some(range) = range {
            fs::write(folder.join("max_energy_range_uj"), range).unwrap();
        }
    }

    #[test]
    fn zones_links_and_second_views() {
        let root = tempfile::tempdir().unwrap();
        let devices = root.path().join("devices");
        let class = root.path().join("class");
        fs::create_dir_all(&class).unwrap();
        let range = Some("262143328850\n");
        zone(&devices.join("intel-rapl/intel-rapl:0"), "package-0", "1500000\n", range);
        zone(&devices.join("intel-rapl/intel-rapl:0/intel-rapl:0:0"), "core", "5\n", range);
        zone(&devices.join("intel-rapl/intel-rapl:0/intel-rapl:0:1"), "dram", "7\n", None);
        zone(&devices.join("intel-rapl/intel-rapl:1"), "psys", "9\n", range);
        zone(&devices.join("intel-rapl/intel-rapl:2"), "package-1", "oops\n", range);
        zone(&devices.join("intel-rapl-mmio/intel-rapl-mmio:0"), "package-0", "1500000\n", range);
        #[cfg(unix)]
        for (id, at) in [
            ("intel-rapl", "intel-rapl"),
            ("intel-rapl:0", "intel-rapl/intel-rapl:0"),
            ("intel-rapl:0:0", "intel-rapl/intel-rapl:0/intel-rapl:0:0"),
            ("intel-rapl:0:1", "intel-rapl/intel-rapl:0/intel-rapl:0:1"),
            ("intel-rapl:1", "intel-rapl/intel-rapl:1"),
            ("intel-rapl:2", "intel-rapl/intel-rapl:2"),
            ("intel-rapl-mmio:0", "intel-rapl-mmio/intel-rapl-mmio:0"),
        ] {
            std::os::unix::fs::symlink(devices.join(at), class.join(id)).unwrap();
        }
        let (mut zones, unreadable) = discover(&class);
        let names: Vec<&str> = zones.iter().map(|z| z.description.name.as_str()).collect();
        assert_eq!(names, ["package-0", "core-0", "dram-0", "psys"]);
        let counted: Vec<bool> = zones.iter().map(|z| z.description.domain.counts()).collect();
        assert_eq!(counted, [true, false, true, false]);
        assert_eq!(zones[0].read(), Ok(Reading::Joules(1.5)));
        assert!(matches!(zones[0].description.scale, Scale::Counter { range_j: Some(r), .. } if r == 262_143.328_85));
        assert!(zones[2].description.note.contains("max_energy_range_uj"));
        assert_eq!(unreadable.len(), 1);
        assert_eq!(unreadable[0].name, "package-1");
        assert!(unreadable[0].reason.contains("\"oops\""), "{}", unreadable[0].reason);
        fs::remove_file(devices.join("intel-rapl/intel-rapl:0/energy_uj")).unwrap();
        let gone = zones[0].read().unwrap_err();
        assert!(gone.to_string().contains("has disappeared"), "{gone}");
    }

    #[test]
    fn no_tree_is_no_sensor() {
        let (zones, unreadable) = discover(Path::new("/nowhere/powercap"));
        assert!(zones.is_empty() && unreadable.is_empty());
    }
}
