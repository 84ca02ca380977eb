//! Which program ran, on which machine.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where figures come from: program, versions, machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of the program.
    pub version: String,
    /// Git revision it was built from, if known.
    pub revision: Option<String>,
    /// Versions of the libraries that figures may depend on.
    pub libraries: BTreeMap<String, String>,
    /// The machine.
    pub hardware: Hardware,
}

impl Provenance {
    /// This machine, and what the program says about itself.
    pub fn of_this_machine(version: &str, revision: Option<&str>) -> Self {
        Self {
            version: version.to_owned(),
            revision: revision.map(str::to_owned),
            libraries: libraries(),
            hardware: Hardware::of_this_machine(),
        }
    }
}

/// Libraries whose arithmetic or random numbers go into figures.
const LIBRARIES: [&str; 9] =
    ["argmin", "argmin-math", "libm", "nalgebra", "rand", "rand_chacha", "rand_distr", "rayon", "toml"];

/// Their versions in the lock file of this build; where several are locked, all of them.
fn libraries() -> BTreeMap<String, String> {
    let lock: toml::Table = include_str!("../../../Cargo.lock").parse().unwrap_or_default();
    let packages = lock.get("package").and_then(|p| p.as_array()).map_or(&[][..], Vec::as_slice);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        let text = |key: &str| package.get(key).and_then(|v| v.as_str()).unwrap_or_default();
        if LIBRARIES.contains(&text("name")) {
            let versions = found.entry(text("name").to_owned()).or_default();
            let separator = if versions.is_empty() { "" } else { ", " };
            versions.push_str(&format!("{separator}{}", text("version")));
        }
    }
    found
}

/// What the run was computed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hardware {
    /// Name of the processor, empty if the system does not tell.
    pub cpu: String,
    /// Threads that the run may use.
    pub cores: usize,
    /// Memory of the machine, bytes; 0 if the system does not tell.
    pub memory_bytes: u64,
    /// Operating system and architecture.
    pub system: String,
}

impl Hardware {
    /// What the operating system tells; on Linux from `/proc`.
    pub fn of_this_machine() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = field(&meminfo, "MemTotal").and_then(|v| v.split(' ').next()?.parse::<u64>().ok());
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or_default().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib.unwrap_or(0).saturating_mul(1024),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// The value of the first `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_named_with_their_versions() {
        let libraries = libraries();
        assert!(libraries["nalgebra"].starts_with("0."), "{libraries:?}");
        assert!(libraries.contains_key("rand_chacha"));
    }

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: Good CPU @ 2 GHz\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name"), Some("Good CPU @ 2 GHz"));
        assert_eq!(field(text, "model"), None);
        assert!(Hardware::of_this_machine().cores >= 1);
    }
}
