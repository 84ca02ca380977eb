//! The findings of Caspart et al. 2022 on the simulated fleet of four node types.

use regiscope_energy::Provenance;
use regiscope_energy::fleet::answers::{Answers, answer};
use regiscope_energy::fleet::simulate::measure;
use regiscope_energy::fleet::{Fleet, FleetError, Phase};

fn fleet() -> Fleet {
    toml::from_str(include_str!("../../../experiments/fleet/four_node_types.toml")).unwrap()
}

fn answers(fleet: &Fleet) -> Answers {
    answer(fleet, &measure(fleet).unwrap())
}

#[test]
fn the_three_findings_hold() {
    let answers = answers(&fleet());
    for finding in &answers.findings {
        println!("{}: {}", finding.claim, finding.figures);
        assert_eq!(finding.holds, Some(true), "{}: {}", finding.claim, finding.figures);
    }
    assert_eq!(answers.findings.len(), 3);
    for row in &answers.rows {
        assert!(row.work.relative_half_width().unwrap() < 0.01, "{row:?}");
        assert!(row.work.provenance <= Provenance::Derived);
    }
    for statement in &answers.break_even {
        println!("{} ({:?})", statement.statement, statement.at);
    }
    assert_eq!(answers.break_even.len(), 2);
}

#[test]
fn measured_energies_are_those_of_the_profiles() {
    let fleet = fleet();
    let answers = answers(&fleet);
    for (row, run) in answers.rows.iter().zip(&fleet.runs) {
        let node = fleet.node(run).unwrap();
        let package_w = node.package_idle_w + run.processor_load * (node.package_busy_w - node.package_idle_w);
        let used = f64::from(run.accelerators_used);
        let idle = f64::from(node.accelerators) - used;
        let idle_w = idle * node.accelerator_idle_w;
        let node_w = f64::from(node.packages) * package_w + node.dram_w + used * node.accelerator_busy_w + idle_w;
        let truth = node_w * run.units * run.seconds_per_unit;
        let [low, high] = row.work.interval.unwrap();
        assert!((low..=high).contains(&truth), "{truth} in {:?}", row.work);
        assert!((row.work.joules.unwrap() / truth - 1.0).abs() < 1e-3, "{truth} against {:?}", row.work);
        let charge = idle_w * run.units * run.seconds_per_unit;
        assert!((row.idle_charge.joules.unwrap() - charge).abs() <= 0.002 * truth, "{charge} {:?}", row.idle_charge);
    }
}

#[test]
fn break_even_is_where_the_energies_cross() {
    let fleet = fleet();
    let answers = answers(&fleet);
    let at = answers.break_even[0].at.expect("accelerators need a longer setup but less per sample");
    let total = |node: &str, used: bool, n: f64| {
        let is_it = |r: &&regiscope_energy::fleet::answers::Row| {
            r.phase == Phase::Training && r.node == node && (r.accelerators[0] > 0) == used
        };
        let row = answers.rows.iter().find(is_it).unwrap();
        row.setup.unwrap().joules.unwrap() + n * row.per_unit.joules.unwrap()
    };
    let names: Vec<&str> = answers.rows.iter().map(|r| r.node.as_str()).collect();
    assert!(names.contains(&"gpu8"));
    // The best node of each kind, found anew.
    let best = |nodes: &[&'static str], used| {
        *nodes.iter().min_by(|a, b| total(a, used, 1e9).total_cmp(&total(b, used, 1e9))).unwrap()
    };
    let (gpu, cpu) = (best(&["gpu4", "gpu8"], true), best(&["cpu", "cpu-large-memory"], false));
    assert!(total(gpu, true, 0.9 * at) > total(cpu, false, 0.9 * at));
    assert!(total(gpu, true, 1.1 * at) < total(cpu, false, 1.1 * at));
}

#[test]
fn impossible_fleets_are_refused() {
    let mut bad = fleet();
    bad.runs[0].node = "nowhere".into();
    assert_eq!(measure(&bad).unwrap_err(), FleetError::UnknownNode { run: 1, node: "nowhere".into() });
    let mut bad = fleet();
    bad.runs[0].accelerators_used = 3;
    assert!(matches!(measure(&bad), Err(FleetError::Accelerators { used: 3, there: 0, .. })));
    let mut bad = fleet();
    bad.runs[1].seconds_per_unit = f64::NAN;
    assert!(matches!(measure(&bad), Err(FleetError::Range { key: "seconds_per_unit", .. })));
}
