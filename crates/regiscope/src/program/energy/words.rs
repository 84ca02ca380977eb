//! Reports as text.

use regiscope_energy::energy::figure;
use regiscope_energy::{Energy, RegionKind, Report};

/// One line for an energy, `what` in front.
pub fn line(what: &str, energy: &Energy) -> String {
    format!("{what:22}{energy}\n")
}

/// A report: domains, total, what is above idle, joules per unit, messages.
pub fn report(report: &Report) -> String {
    let mut text = String::new();
    for domain in &report.domains {
        text += &line(&domain.name, &domain.energy);
    }
    text += &line("total", &report.total.energy);
    if let (Some(joules), true) = (report.total.energy.joules, report.wall_s > 0.0) {
        text += &format!("{:22}{} W over {} s\n", "mean power", figure(joules / report.wall_s), figure(report.wall_s));
    } else {
        text += &format!("{:22}{} s\n", "wall time", figure(report.wall_s));
    }
    if let Some(idle) = report.regions.iter().find(|r| r.region.kind == RegionKind::Idle) {
        text += &line("idle baseline", &idle.region.total.energy);
    }
    if let Some(above) = report.above_idle() {
        text += &line("above idle", &above);
    }
    if let Some((per_unit, unit)) = report.per_unit() {
        text += &line(&format!("per {unit}"), &per_unit);
    }
    if let Some(part) = report.worked().filter_map(|r| r.attributed.as_ref()).last() {
        text += &line("attributed", &part.energy);
        text += &format!("{:22}model: {}\n", "", part.model);
    }
    let count = report.worked().count();
    if count > 1 {
        text += &format!("{:22}mean of {count} runs\n", "");
    }
    for message in &report.messages {
        text += &format!("{message}\n");
    }
    text
}
