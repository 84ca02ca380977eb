//! A powercap tree on disk, as the kernel shows it, driven by profiles.

use super::clock::VirtualClock;
use super::profile::Profile;
use std::io;
use std::path::{Path, PathBuf};

/// One zone of a simulated tree.
#[derive(Clone, Debug, PartialEq)]
pub struct SimZone {
    /// Folder below `devices`, as `intel-rapl/intel-rapl:0/intel-rapl:0:0`.
    pub place: String,
    /// Content of `name`.
    pub name: String,
    /// Its power.
    pub profile: Profile,
    /// Where the counter starts again from zero, µJ, as `max_energy_range_uj` says; `None` for never.
    pub range_uj: Option<u64>,
    /// Leaves the file `max_energy_range_uj` out.
    pub hides_range: bool,
    /// Counter at time 0, µJ.
    pub start_uj: u64,
    /// Smallest step, µJ.
    pub quantum_uj: u64,
    /// Time between updates, s; 0 for a counter that is always right.
    pub period_s: f64,
    /// When the files vanish, s.
    pub vanishes_s: Option<f64>,
}

impl SimZone {
    /// A package with the range and units of a current server, renewed every millisecond.
    pub fn package(number: usize, profile: Profile) -> Self {
        Self {
            place: format!("intel-rapl/intel-rapl:{number}"),
            name: format!("package-{number}"),
            profile,
            range_uj: Some(262_143_328_850),
            hides_range: false,
            start_uj: 123_456_789,
            quantum_uj: 61,
            period_s: 0.001,
            vanishes_s: None,
        }
    }

    /// A sub-zone of a package.
    pub fn inside(package: usize, number: usize, name: &str, profile: Profile) -> Self {
        let place = format!("intel-rapl/intel-rapl:{package}/intel-rapl:{package}:{number}");
        Self { place, name: name.to_owned(), ..Self::package(package, profile) }
    }

    /// A zone beside the packages, such as `psys`.
    pub fn beside(number: usize, name: &str, profile: Profile) -> Self {
        Self { name: name.to_owned(), ..Self::package(number, profile) }
    }

    /// The counter at a moment, µJ.
    pub fn counter_uj(&self, t_s: f64) -> u64 {
        // Updates happen at whole multiples of the period; a little is added against rounding.
        let at_s = if self.period_s > 0.0 { (t_s / self.period_s + 1e-6).floor() * self.period_s } else { t_s };
        let since_uj = (self.profile.energy_until(at_s) * 1e6).max(0.0) as u64;
        let quantum = self.quantum_uj.max(1);
        let counted = (self.start_uj + since_uj) / quantum * quantum;
        self.range_uj.map_or(counted, |range| counted % range.max(1))
    }
}

/// A tree of simulated zones in a folder: `class` is the root to read, `devices` holds the zones that it links to.
#[derive(Clone, Debug)]
pub struct PowercapTree {
    folder: PathBuf,
    zones: Vec<SimZone>,
}

impl PowercapTree {
    /// Writes the tree as at time 0.
    pub fn create(folder: &Path, zones: Vec<SimZone>) -> io::Result<Self> {
        let tree = Self { folder: folder.to_owned(), zones };
        std::fs::create_dir_all(tree.root())?;
        for zone in &tree.zones {
            let place = folder.join("devices").join(&zone.place);
            std::fs::create_dir_all(&place)?;
            std::fs::write(place.join("name"), format!("{}\n", zone.name))?;
            if let Some(range) = zone.range_uj.filter(|_| !zone.hides_range) {
                std::fs::write(place.join("max_energy_range_uj"), format!("{range}\n"))?;
            }
            let id = zone.place.rsplit('/').next().unwrap_or_default();
            link(&place, &tree.root().join(id))?;
        }
        // Control types are listed beside the zones; some tools begin there.
        let types: std::collections::BTreeSet<&str> =
            tree.zones.iter().filter_map(|zone| zone.place.split('/').next()).collect();
        for name in types {
            link(&folder.join("devices").join(name), &tree.root().join(name))?;
        }
        tree.advance(0.0)?;
        Ok(tree)
    }

    /// The folder to read in the place of `/sys/class/powercap`.
    pub fn root(&self) -> PathBuf {
        self.folder.join("class")
    }

    /// The zones.
    pub fn zones(&self) -> &[SimZone] {
        &self.zones
    }

    /// Sets the counters to those of a moment.
    pub fn advance(&self, t_s: f64) -> io::Result<()> {
        for zone in &self.zones {
            let file = self.folder.join("devices").join(&zone.place).join("energy_uj");
            if zone.vanishes_s.is_some_and(|end| t_s >= end) {
                match std::fs::remove_file(&file) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => continue,
                }
            }
            // Replaced as a whole, so that no reader sees half a number.
            let fresh = file.with_extension("fresh");
            std::fs::write(&fresh, format!("{}\n", zone.counter_uj(t_s)))?;
            std::fs::rename(&fresh, &file)?;
        }
        Ok(())
    }

    /// Lets the tree follow a simulated clock.
    ///
    /// # Panics
    /// If the tree cannot be written to later on, which ends the simulation.
    pub fn follow(self, clock: &VirtualClock) {
        clock.on_move(move |t_s| self.advance(t_s).expect("the simulator's folder can be written to"));
    }
}

#[cfg(unix)]
fn link(place: &Path, name: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(std::path::absolute(place)?, name)
}

#[cfg(not(unix))]
fn link(_place: &Path, _name: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "a powercap tree needs links"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_steps_and_wraps() {
        let zone = SimZone {
            range_uj: Some(1_000_000),
            start_uj: 900_000,
            quantum_uj: 100,
            period_s: 0.01,
            ..SimZone::package(0, Profile::constant(1.0))
        };
        assert_eq!(zone.counter_uj(0.0), 900_000);
        assert_eq!(zone.counter_uj(0.0199), 910_000);
        assert_eq!(zone.counter_uj(0.15), 50_000);
    }
}
