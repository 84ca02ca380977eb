//! A fleet's runs through the simulator: profiles drive counters and boards, the meter reads them as it would real
//! ones.

use super::{Fleet, FleetError, Node, Phase, Run};
use crate::clock::Clock;
use crate::recorder::{Recorder, Settings};
use crate::region::{Region, RegionKind};
use crate::sensor::discover::Found;
use crate::sensor::{Sensor, nvml};
use crate::sim::clock::VirtualClock;
use crate::sim::nvml::{SimBoard, SimBoards};
use crate::sim::powercap::SimZone;
use crate::sim::profile::Profile;
use crate::sim::zone::SimCounter;
use std::sync::Arc;

/// A measured run.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What ran.
    pub run: Run,
    /// Setup, apart.
    pub setup: Option<Region>,
    /// The units of work.
    pub work: Region,
}

/// Time before the first region, s.
const LEAD_S: f64 = 1.0;

/// Measures every run of a fleet in simulated time.
pub fn measure(fleet: &Fleet) -> Result<Vec<Measured>, FleetError> {
    fleet.check()?;
    Ok(fleet.runs.iter().filter_map(|run| Some(measure_one(fleet.node(run)?, run))).collect())
}

fn measure_one(node: &Node, run: &Run) -> Measured {
    let clock = VirtualClock::at(0.0);
    let work_s = run.units * run.seconds_per_unit;
    let found = Found::of(sensors(node, run, work_s, &clock));
    // Long runs need no reading ten times a second in simulated time; counters do not care.
    let sample_s = (work_s / 2000.0).max(0.1);
    let mut recorder = Recorder::new(found, Arc::new(clock.clone()), Settings { sample_s, ..Settings::default() });
    recorder.run_until(LEAD_S);
    let mut region = |name: &str, kind, seconds: f64| {
        let id = recorder.begin(name, kind);
        recorder.run_until(clock.now_s() + seconds);
        recorder.end(id);
        recorder.report(id).expect("a region that was just opened")
    };
    let kind = match run.phase {
        Phase::Training => RegionKind::Training,
        Phase::Inference => RegionKind::Inference,
    };
    let setup = (run.setup_s > 0.0).then(|| region("setup", RegionKind::Work, run.setup_s));
    let work = region("work", kind, work_s);
    Measured { run: run.clone(), setup, work }
}

fn sensors(node: &Node, run: &Run, work_s: f64, clock: &VirtualClock) -> Vec<Box<dyn Sensor>> {
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let phases = |before: f64, setup: f64, work: f64| {
        let mut pieces = vec![(LEAD_S, before)];
        if run.setup_s > 0.0 {
            pieces.push((run.setup_s, setup));
        }
        pieces.extend([(work_s, work), (1.0, before)]);
        Profile::once(&pieces)
    };
    let loaded_w = node.package_idle_w + run.processor_load * (node.package_busy_w - node.package_idle_w);
    let package = phases(node.package_idle_w, node.package_busy_w, loaded_w);
    let mut all: Vec<Box<dyn Sensor>> = (0..node.packages as usize)
        .map(|n| SimZone::package(n, package.clone()))
        .chain([SimZone { name: "dram-0".into(), ..SimZone::package(0, Profile::constant(node.dram_w)) }])
        .map(|zone| Box::new(SimCounter::new(zone, 1000.0, shared.clone())) as Box<dyn Sensor>)
        .collect();
    let board = |n: u32| {
        let busy_w = if n < run.accelerators_used { node.accelerator_busy_w } else { node.accelerator_idle_w };
        let profile = phases(node.accelerator_idle_w, node.accelerator_idle_w, busy_w);
        SimBoard { period_s: 0.02, ..SimBoard::new(profile) }
    };
    let boards: Arc<dyn nvml::Boards> = Arc::new(SimBoards::new((0..node.accelerators).map(board).collect(), shared));
    all.extend(nvml::discover(&boards).0.into_iter().map(|b| Box::new(b) as Box<dyn Sensor>));
    all
}
