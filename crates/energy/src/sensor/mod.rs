//! Sensors behind one trait: what they are, and one reading at a time.

pub mod discover;
pub mod external;
pub mod hwmon;
pub mod node;
pub mod nvml;
#[cfg(target_os = "linux")]
pub mod perf;
pub mod polled;
pub mod powercap;

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a sensor sees; decides whether it counts towards the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// A processor package: cores, caches, on-chip graphics.
    Package,
    /// The cores of a package: part of it.
    Core,
    /// What a package holds beside its cores: part of it.
    Uncore,
    /// Memory, which no package includes.
    Dram,
    /// The platform as RAPL sees it: includes packages.
    Psys,
    /// An accelerator board.
    Gpu,
    /// The whole node, as its supply or an outside meter sees it: includes everything.
    Node,
    /// Something else, such as a regulator's rail: no part of the total.
    Other,
}

impl Domain {
    /// The domain that a name in a report stands for.
    pub fn of_name(name: &str) -> Self {
        let is = |word: &str| name.starts_with(word);
        match name {
            _ if is("package") => Self::Package,
            _ if is("dram") => Self::Dram,
            _ if is("gpu") || is("amdgpu") => Self::Gpu,
            _ if is("psys") => Self::Psys,
            _ if is("core") => Self::Core,
            _ if is("uncore") => Self::Uncore,
            _ if is("node") || is("module") => Self::Node,
            _ => Self::Other,
        }
    }

    /// Whether the total adds this domain: packages, memory and accelerators, which do not overlap.
    pub fn counts(self) -> bool {
        matches!(self, Self::Package | Self::Dram | Self::Gpu)
    }
}

/// How a sensor tells energy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Scale {
    /// A counter of energy that only grows, but for wraps.
    Counter {
        /// Smallest step, J.
        quantum_j: f64,
        /// Where it starts again from zero, J; `None` if the sensor does not say.
        range_j: Option<f64>,
        /// Longest time between two updates, s.
        period_s: f64,
    },
    /// A register of power: the mean over `window_s`, renewed every `period_s`.
    Power {
        /// Smallest step, W.
        quantum_w: f64,
        /// Time between two updates, s.
        period_s: f64,
        /// Time that a value is the mean of, s; the rest of the period is not seen.
        window_s: f64,
    },
}

/// What is known about a sensor before it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Name of the domain in reports, as `package-0`.
    pub name: String,
    /// What it sees.
    pub domain: Domain,
    /// Interface and place, as `powercap /sys/class/powercap/intel-rapl:0`.
    pub source: String,
    /// How it tells energy.
    pub scale: Scale,
    /// Worst-case power, W: bounds what a counter may have missed and what a blind register may have overlooked.
    pub ceiling_w: f64,
    /// What should be known about its numbers, in one sentence; empty if nothing.
    pub note: String,
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// Value of a counter, J.
    Joules(f64),
    /// Value of a power register, W.
    Watts(f64),
}

/// Why a sensor gives no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SensorError {
    /// The user may not read it.
    #[error("{what} may not be read by this user: {fix}")]
    Denied {
        /// The file or interface.
        what: String,
        /// What makes it readable.
        fix: String,
    },
    /// It was there and is gone.
    #[error("{what} has disappeared: {reason}")]
    Gone {
        /// The file or interface.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// It answered, but not with a number it may give.
    #[error("{what} says {found}, but {expected} is expected")]
    Nonsense {
        /// The file or interface.
        what: String,
        /// What it said, shortened.
        found: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// It has no value yet, or none any more that is fresh enough.
    #[error("{what} gives no value: {reason}")]
    Silent {
        /// The file, command or interface.
        what: String,
        /// Why.
        reason: String,
    },
}

/// A sensor that can be read again and again.
///
/// Implement it to plug in a meter that this crate does not know.
pub trait Sensor: Send {
    /// What is known about it; the same at every call.
    fn description(&self) -> &Description;
    /// Its value now, of the kind that the description's scale says.
    fn read(&mut self) -> Result<Reading, SensorError>;
}

/// A domain that was found but cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unreadable {
    /// Name of the domain in reports.
    pub name: String,
    /// What it would see.
    pub domain: Domain,
    /// Interface and place.
    pub source: String,
    /// Why not, and the fix, in one sentence.
    pub reason: String,
}

/// Whole content of a small file of the kernel.
pub(crate) fn read_small(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(65_536).read_to_string(&mut text)?;
    Ok(text)
}

/// A whole number in a file; an empty or half-written file is read again a few times.
pub(crate) fn read_whole(path: &std::path::Path, fix: &str) -> Result<u64, SensorError> {
    let what = || path.display().to_string();
    let mut found = String::new();
    for _ in 0..4 {
        let text = read_small(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => SensorError::Denied { what: what(), fix: fix.to_owned() },
            _ => SensorError::Gone { what: what(), reason: error.to_string() },
        })?;
        if let Ok(value) = text.trim().parse() {
            return Ok(value);
        }
        found = text;
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
    let found: String = found.trim().chars().take(40).collect();
    let found = if found.is_empty() { "nothing".to_owned() } else { format!("\"{found}\"") };
    Err(SensorError::Nonsense { what: what(), found, expected: "a whole number" })
}

/// The folders in `folder`, sorted by name; none if it cannot be listed.
pub(crate) fn subfolders(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    folders
}
