//! `regiscope energy simulate`: a powercap tree that counts in real time.

use crate::program::args::energy::SimulateArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::interrupt;
use crate::program::output::Output;
use regiscope_energy::sim::powercap::{PowercapTree, SimZone};
use regiscope_energy::sim::profile::Profile;
use regiscope_energy::{Clock, SystemClock};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// Time between updates of the tree, s.
const STEP_S: f64 = 0.001;

/// Drives the tree until its time is over, and tells the energy of each zone.
pub fn run(arguments: &SimulateArgs, output: Output) -> Result<Ending, Failure> {
    let mut zones = zones(&arguments.zone)?;
    if let Some(joules) = arguments.wrap_after {
        for zone in &mut zones {
            let range_uj = zone.range_uj.unwrap_or(u64::MAX);
            zone.start_uj = range_uj.saturating_sub((1e6 * joules) as u64);
        }
    }
    let cancel = interrupt::flag();
    let tree = PowercapTree::create(&arguments.tree, zones).map_err(|e| Failure::file(&arguments.tree, e))?;
    output.note(format_args!("reading root: {}", tree.root().display()));
    let clock = SystemClock::default();
    let start_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let mut now_s = 0.0;
    while now_s < arguments.seconds && !cancel.load(Ordering::Relaxed) {
        clock.wait_until(now_s + STEP_S);
        now_s = clock.now_s();
        tree.advance(now_s).map_err(|e| Failure::file(&arguments.tree, e))?;
    }
    let told: Vec<_> =
        tree.zones().iter().map(|z| json!({"name": z.name, "joules": z.profile.energy_j(0.0, now_s)})).collect();
    output.result(&json!({"start_unix_s": start_unix_s, "seconds": now_s, "zones": told}), || {
        let line = |z: &SimZone| format!("{:16}{} J in {now_s} s\n", z.name, z.profile.energy_j(0.0, now_s));
        tree.zones().iter().map(line).collect()
    })?;
    Ok(Ending::Done)
}

/// Zones in the order typed: a package, then what it holds; `psys` and the like stand beside.
fn zones(typed: &[(String, String)]) -> Result<Vec<SimZone>, Failure> {
    let (mut all, mut top, mut inside, mut package) = (Vec::new(), 0, 0, None);
    for (name, power) in typed {
        let profile = profile(name, power)?;
        let is_part = matches!(name.as_str(), "core" | "uncore" | "dram");
        all.push(match package {
            Some(number) if is_part => {
                inside += 1;
                SimZone::inside(number, inside - 1, name, profile)
            }
            _ => {
                let zone = SimZone::beside(top, name, profile);
                (package, inside) = (name.starts_with("package").then_some(top), 0);
                top += 1;
                zone
            }
        });
    }
    Ok(all)
}

fn profile(name: &str, power: &str) -> Result<Profile, Failure> {
    let profile = match power.parse::<f64>() {
        Ok(watts) => Profile::constant(watts),
        Err(_) => {
            let path = Path::new(power);
            let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
            serde_json::from_str(&text).map_err(|e| Failure::file(path, e))?
        }
    };
    profile.check().map_err(|e| Failure::Input(format!("zone {name}: {e}")))?;
    Ok(profile)
}
