//! The meter's thread: regions nested, overlapping and from several threads, on a counter of known power.

use regiscope_energy::sensor::discover::Found;
use regiscope_energy::sim::powercap::SimZone;
use regiscope_energy::sim::profile::Profile;
use regiscope_energy::sim::zone::SimCounter;
use regiscope_energy::{Clock, Meter, Region, RegionKind, Settings, SystemClock};
use std::sync::Arc;
use std::time::Duration;

fn meter(watts: f64) -> Meter {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let zone = SimZone { range_uj: Some(3_000_000), ..SimZone::package(0, Profile::constant(watts)) };
    let sensor = SimCounter::new(zone, 2.0 * watts, clock.clone());
    Meter::start(Found::of(vec![Box::new(sensor)]), clock, Settings::default())
}

fn assert_holds(region: &Region, watts: f64) {
    let truth = watts * region.wall_s;
    let [low, high] = region.total.energy.interval.unwrap();
    assert!((low..=high).contains(&truth), "{}: {truth} in {}", region.name, region.total.energy);
}

#[test]
fn regions_nest_overlap_and_come_from_many_threads() {
    let meter = meter(50.0);
    let outer = meter.region("outer", RegionKind::Work);
    let inner: Vec<Region> = std::thread::scope(|scope| {
        let one = |n: u64| {
            let meter = &meter;
            move || {
                std::thread::sleep(Duration::from_millis(10 * n));
                let region = meter.region("inner", RegionKind::Work);
                std::thread::sleep(Duration::from_millis(60));
                region.end()
            }
        };
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(one(n))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    drop(meter.region("discarded", RegionKind::Work));
    let first = meter.region("first", RegionKind::Work);
    let second = meter.region("second", RegionKind::Work);
    let first = first.end_now();
    let (second, outer) = (second.end(), outer.end());
    for region in inner.iter().chain([&first, &second, &outer]) {
        assert_holds(region, 50.0);
    }
    assert!(outer.total.energy.joules > inner[0].total.energy.joules);
}

#[test]
fn the_idle_baseline_is_reported_apart() {
    let meter = meter(20.0);
    let idle = meter.idle(0.05);
    assert_eq!(idle.kind, RegionKind::Idle);
    assert_holds(&idle, 20.0);
}
