//! The meter against simulated sensors whose energy is known exactly: within 0.1 % or inside the stated interval, and
//! the interval no wider than the sensor makes necessary.

use regiscope_energy::sensor::discover::{Sources, discover};
use regiscope_energy::sensor::nvml::Boards;
use regiscope_energy::sim::clock::VirtualClock;
use regiscope_energy::sim::nvml::{SimBoard, SimBoards};
use regiscope_energy::sim::powercap::{PowercapTree, SimZone};
use regiscope_energy::sim::profile::Profile;
use regiscope_energy::{Clock, Recorder, Region, RegionKind, Settings};
use std::path::Path;
use std::sync::Arc;

/// One scenario: zones and boards, when the region begins, how long it lasts.
struct Scenario {
    name: &'static str,
    zones: Vec<SimZone>,
    boards: Vec<SimBoard>,
    idle_s: f64,
    begin_s: f64,
    wall_s: f64,
    /// Zones and boards that make the total.
    counted: &'static [&'static str],
    /// Greatest half-width of the total's interval over its estimate.
    widest: f64,
    /// Greatest error of the estimate.
    error: f64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "",
            zones: Vec::new(),
            boards: Vec::new(),
            idle_s: 0.0,
            begin_s: 1.0,
            wall_s: 10.0,
            counted: &["package-0"],
            widest: 0.005,
            error: 0.001,
        }
    }
}

fn package(profile: Profile) -> Vec<SimZone> {
    vec![SimZone::package(0, profile)]
}

fn scenarios() -> Vec<Scenario> {
    let burst_then_low = Profile::once(&[(1.0, 15.0), (0.5, 200.0), (100.0, 20.0)]);
    let low_then_burst = Profile::once(&[(10.5, 20.0), (0.5, 200.0), (100.0, 15.0)]);
    let wrapping = |before_uj: u64| SimZone {
        start_uj: 262_143_328_850 - before_uj,
        ..SimZone::package(0, Profile::constant(80.0))
    };
    let part_time = |period_s: f64, profile: Profile| SimBoard {
        has_counter: false,
        period_s,
        window_s: 0.025,
        phase_s: 0.013,
        ..SimBoard::new(profile)
    };
    let inference = Profile::once(&[(3.03, 50.0), (0.04, 300.0), (100.0, 50.0)]);
    vec![
        Scenario { name: "constant", zones: package(Profile::constant(65.0)), ..Scenario::default() },
        Scenario {
            name: "square wave",
            zones: package(Profile::square(0.37, 0.4, 120.0, 20.0)),
            ..Scenario::default()
        },
        Scenario { name: "burst then low", zones: package(burst_then_low), widest: 0.01, ..Scenario::default() },
        Scenario { name: "low then burst", zones: package(low_then_burst), widest: 0.01, ..Scenario::default() },
        Scenario {
            name: "0.2 s job",
            zones: package(Profile::once(&[(1.0, 15.0), (0.2, 95.0), (10.0, 15.0)])),
            wall_s: 0.2,
            widest: 0.05,
            error: 0.01,
            ..Scenario::default()
        },
        Scenario { name: "wrap in mid-run", zones: vec![wrapping(480_000_000)], ..Scenario::default() },
        Scenario { name: "wrap just before the end", zones: vec![wrapping(879_900_000)], ..Scenario::default() },
        Scenario {
            name: "wraps every few samples",
            zones: vec![SimZone { range_uj: Some(40_000_000), ..SimZone::package(0, Profile::constant(80.0)) }],
            ..Scenario::default()
        },
        Scenario {
            name: "no range in the tree",
            zones: vec![SimZone {
                hides_range: true,
                start_uj: 262_143_000_000,
                ..SimZone::package(0, Profile::constant(80.0))
            }],
            widest: 0.07,
            ..Scenario::default()
        },
        Scenario {
            name: "psys present",
            zones: vec![
                SimZone::package(0, Profile::constant(65.0)),
                SimZone::inside(0, 0, "core", Profile::constant(50.0)),
                SimZone::inside(0, 1, "uncore", Profile::constant(5.0)),
                SimZone::beside(1, "psys", Profile::constant(90.0)),
            ],
            ..Scenario::default()
        },
        Scenario {
            name: "DRAM as sub-zone",
            zones: vec![
                SimZone::package(0, Profile::constant(65.0)),
                SimZone::inside(0, 0, "dram", Profile::square(0.5, 0.5, 20.0, 5.0)),
                SimZone::package(1, Profile::constant(45.0)),
                SimZone::inside(1, 0, "dram", Profile::constant(7.0)),
            ],
            counted: &["package-0", "dram", "package-1", "dram"],
            ..Scenario::default()
        },
        Scenario {
            name: "slow counter, 50 ms",
            zones: vec![SimZone { period_s: 0.05, ..SimZone::package(0, Profile::constant(80.0)) }],
            wall_s: 1.0,
            widest: 0.08,
            error: 0.01,
            ..Scenario::default()
        },
        Scenario {
            name: "sensor disappearing",
            zones: vec![SimZone { vanishes_s: Some(9.0), ..SimZone::package(0, Profile::constant(80.0)) }],
            widest: 1.7,
            ..Scenario::default()
        },
        Scenario {
            name: "GPU counter",
            boards: vec![SimBoard::new(Profile::square(1.3, 0.5, 350.0, 80.0))],
            counted: &["gpu-0"],
            widest: 0.02,
            error: 0.01,
            ..Scenario::default()
        },
        Scenario {
            name: "part-time GPU, 100 ms, load locked to it",
            boards: vec![part_time(0.1, Profile::square(0.1, 0.25, 350.0, 80.0))],
            counted: &["gpu-0"],
            idle_s: 0.0,
            widest: 5.0,
            error: 2.0,
            ..Scenario::default()
        },
        Scenario {
            name: "part-time GPU, 137 ms",
            boards: vec![part_time(0.137, Profile::square(0.8, 0.5, 350.0, 80.0))],
            counted: &["gpu-0"],
            widest: 1.5,
            error: 0.1,
            ..Scenario::default()
        },
        Scenario {
            name: "one 40 ms inference, counter",
            boards: vec![SimBoard { phase_s: 0.013, ..SimBoard::new(inference.clone()) }],
            counted: &["gpu-0"],
            idle_s: 1.5,
            begin_s: 3.03,
            wall_s: 0.04,
            widest: 0.7,
            error: 0.02,
            ..Scenario::default()
        },
        Scenario {
            name: "one 40 ms inference, part-time register",
            boards: vec![part_time(0.1, inference)],
            counted: &["gpu-0"],
            idle_s: 1.5,
            begin_s: 3.03,
            wall_s: 0.04,
            widest: 5.0,
            error: 1.0,
            ..Scenario::default()
        },
    ]
}

/// Measures one scenario in simulated time; the region's report, the truth of the total, and the recorder.
fn measure(scenario: &Scenario, folder: &Path) -> (Region, f64, Recorder) {
    let clock = VirtualClock::at(0.0);
    let tree = PowercapTree::create(folder, scenario.zones.clone()).unwrap();
    let sources = Sources {
        powercap: tree.root(),
        perf: folder.join("no-perf"),
        hwmon: folder.join("no-hwmon"),
        nvml: None,
        boards: (!scenario.boards.is_empty())
            .then(|| -> Arc<dyn Boards> { Arc::new(SimBoards::new(scenario.boards.clone(), Arc::new(clock.clone()))) }),
        ..Sources::default()
    };
    tree.follow(&clock);
    let mut recorder = Recorder::new(discover(&sources), Arc::new(clock.clone()), Settings::default());
    recorder.settle(0.02);
    if scenario.idle_s > 0.0 {
        let idle = recorder.begin("idle", RegionKind::Idle);
        recorder.run_until(clock.now_s() + scenario.idle_s);
        recorder.end(idle);
        let idle = recorder.report(idle).unwrap();
        recorder.set_baseline(&idle);
    }
    recorder.run_until(scenario.begin_s);
    let id = recorder.begin("work", RegionKind::Work);
    recorder.run_until(scenario.begin_s + scenario.wall_s);
    recorder.end(id);
    recorder.linger(id);
    let region = recorder.report(id).unwrap();
    let (from_s, to_s) = (region.began_s, region.began_s + region.wall_s);
    let profiles = scenario.zones.iter().map(|z| (z.name.as_str(), &z.profile));
    let boards = scenario.boards.iter().map(|b| ("gpu-0", &b.profile));
    let counted = profiles.chain(boards).filter(|(name, _)| scenario.counted.contains(name));
    (region, counted.map(|(_, profile)| profile.energy_j(from_s, to_s)).sum(), recorder)
}

#[test]
fn every_scenario_is_within_a_thousandth_or_inside_its_interval() {
    let mut faults = Vec::new();
    for scenario in scenarios() {
        let folder = tempfile::tempdir().unwrap();
        let (region, truth, _) = measure(&scenario, folder.path());
        let total = region.total.energy;
        let (joules, [low, high]) = total.known().unwrap_or_else(|| panic!("{}: unmeasured", scenario.name));
        let error = joules / truth - 1.0;
        let width = total.relative_half_width().unwrap();
        let line = format!(
            "{:42} truth {truth:9.3} J, told {joules:9.3} J ({:+.3} %), interval {low:.3} to {high:.3}",
            scenario.name,
            100.0 * error
        );
        println!("{line}");
        let is_inside = (low..=high).contains(&truth);
        if !(is_inside && error.abs() <= scenario.error && width <= scenario.widest) {
            faults.push(format!("{line} (half-width {width:.3})"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
