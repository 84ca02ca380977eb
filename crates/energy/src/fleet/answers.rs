//! What a fleet's measurements answer.

use super::simulate::Measured;
use super::{Fleet, Phase};
use crate::energy::{Energy, figure};
use crate::sensor::Domain;
use serde::Serialize;

/// One run in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Training or inference.
    pub phase: Phase,
    /// Node type.
    pub node: String,
    /// Accelerators used, and those of the node.
    pub accelerators: [u32; 2],
    /// Units of useful work.
    pub units: f64,
    /// What a unit is.
    pub unit: String,
    /// Time of the work without setup, s.
    pub wall_s: f64,
    /// Energy of the work without setup.
    pub work: Energy,
    /// Energy of the setup.
    pub setup: Option<Energy>,
    /// Energy of one unit.
    pub per_unit: Energy,
    /// Mean power, W.
    pub power_w: Option<f64>,
    /// Energy of accelerators that the run left idle: the charge for reserving them.
    pub idle_charge: Energy,
}

/// From where on one choice is cheaper than the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BreakEven {
    /// The statement in a sentence.
    pub statement: String,
    /// Units (training) or units per hour (inference); `None` where one choice is always cheaper.
    pub at: Option<f64>,
}

/// The answers of a fleet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answers {
    /// What the fleet stands for.
    pub title: String,
    /// Every run.
    pub rows: Vec<Row>,
    /// The three findings, each with its figures.
    pub findings: Vec<Finding>,
    /// Break-even statements.
    pub break_even: Vec<BreakEven>,
}

/// A finding and whether this fleet shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The finding in general.
    pub claim: &'static str,
    /// Whether the measurements show it; `None` where the fleet has no runs to tell.
    pub holds: Option<bool>,
    /// The figures in a sentence.
    pub figures: String,
}

/// Reckons with the measurements.
pub fn answer(fleet: &Fleet, measured: &[Measured]) -> Answers {
    let rows: Vec<Row> = measured.iter().map(|m| row(fleet, m)).collect();
    let findings = vec![runtime_is_no_proxy(&rows), idle_accelerators(&rows), judged_apart(&rows)];
    let break_even = [Phase::Training, Phase::Inference].into_iter().filter_map(|p| break_even(fleet, &rows, p));
    Answers { title: fleet.title.clone(), break_even: break_even.collect(), rows, findings }
}

fn row(fleet: &Fleet, measured: &Measured) -> Row {
    let run = &measured.run;
    let work = measured.work.total.energy;
    let boards: Vec<Energy> =
        measured.work.domains.iter().filter(|d| d.domain == Domain::Gpu).map(|d| d.energy).collect();
    let unused = &boards[(run.accelerators_used as usize).min(boards.len())..];
    let none = Energy::new(0.0, 0.0, 0.0, crate::Provenance::Derived);
    Row {
        phase: run.phase,
        node: run.node.clone(),
        accelerators: [run.accelerators_used, fleet.node(run).map_or(0, |n| n.accelerators)],
        units: run.units,
        unit: run.unit.clone(),
        wall_s: measured.work.wall_s,
        work,
        setup: measured.setup.as_ref().map(|s| s.total.energy),
        per_unit: work.times(1.0 / run.units),
        power_w: work.joules.map(|j| j / measured.work.wall_s),
        idle_charge: if unused.is_empty() { none } else { Energy::sum(unused) },
    }
}

fn of_phase(rows: &[Row], phase: Phase) -> Vec<&Row> {
    rows.iter().filter(|r| r.phase == phase && r.per_unit.joules.is_some()).collect()
}

fn joules(row: &Row) -> f64 {
    row.per_unit.joules.unwrap_or(f64::NAN)
}

fn seconds(row: &Row) -> f64 {
    row.wall_s / row.units
}

fn best<'a>(rows: &[&'a Row]) -> Option<&'a Row> {
    rows.iter().copied().min_by(|a, b| joules(a).total_cmp(&joules(b)))
}

/// A proxy would tell the energy of every run from its time and one power; here the power of the first run of the
/// phase, as one who measures a single node type would take it.
fn runtime_is_no_proxy(rows: &[Row]) -> Finding {
    let claim = "runtime is no proxy for energy";
    let errors = [Phase::Training, Phase::Inference].into_iter().flat_map(|phase| {
        let all = of_phase(rows, phase);
        let reference_w = all.first().and_then(|r| r.power_w);
        let error = move |r: &Row| Some(reference_w? * seconds(r) / joules(r) - 1.0);
        all.into_iter().skip(1).filter_map(move |r| Some((r.clone(), error(r)?))).collect::<Vec<(Row, f64)>>()
    });
    let worst = errors.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    match worst {
        Some((row, error)) => Finding {
            claim,
            holds: Some(error.abs() > 0.1),
            figures: format!(
                "energy from runtime at the first node's power is off by {:+.0} % for {} on {} with {} of {} accelerators",
                100.0 * error,
                word(row.phase),
                row.node,
                row.accelerators[0],
                row.accelerators[1]
            ),
        },
        None => Finding { claim, holds: None, figures: "there are no two runs of one phase".to_owned() },
    }
}

/// A run that leaves all accelerators of a mixed node idle, against the same phase on a node without any.
fn idle_accelerators(rows: &[Row]) -> Finding {
    let claim = "leaving the accelerators of a mixed node idle costs over-proportionally";
    let pairs = rows.iter().filter(|r| r.accelerators[0] == 0 && r.accelerators[1] > 0).filter_map(|idle| {
        let plain =
            best(&of_phase(rows, idle.phase).into_iter().filter(|r| r.accelerators[1] == 0).collect::<Vec<_>>())?;
        Some((idle, plain, joules(idle) / joules(plain), seconds(idle) / seconds(plain)))
    });
    match pairs.max_by(|a, b| (a.2 / a.3).total_cmp(&(b.2 / b.3))) {
        Some((idle, plain, energy, time)) => Finding {
            claim,
            holds: Some(energy > 1.1 * time),
            figures: format!(
                "{} on {} without its {} accelerators takes {time:.2} times the time of {} but {energy:.2} times its \
                 energy; {:.0} % of it is the charge for the idle accelerators",
                word(idle.phase),
                idle.node,
                idle.accelerators[1],
                plain.node,
                100.0 * idle.idle_charge.joules.unwrap_or(0.0) / idle.work.joules.unwrap_or(f64::NAN)
            ),
        },
        None => Finding { claim, holds: None, figures: "no run leaves a node's accelerators idle".to_owned() },
    }
}

/// The advantage of accelerators over nodes without them, in training and in inference.
fn judged_apart(rows: &[Row]) -> Finding {
    let claim = "training and inference must be judged apart";
    let advantage = |phase| {
        let all = of_phase(rows, phase);
        let with: Vec<&Row> = all.iter().copied().filter(|r| r.accelerators[0] > 0).collect();
        let without: Vec<&Row> = all.iter().copied().filter(|r| r.accelerators[1] == 0).collect();
        Some(joules(best(&without)?) / joules(best(&with)?))
    };
    match (advantage(Phase::Training), advantage(Phase::Inference)) {
        (Some(training), Some(inference)) => Finding {
            claim,
            holds: Some(training > 2.0 * inference || inference > 2.0 * training),
            figures: format!(
                "processors need {training:.1} times the energy of accelerators in training, {inference:.2} times in \
                 inference"
            ),
        },
        _ => Finding {
            claim,
            holds: None,
            figures: "training and inference are not both there with and without accelerators".to_owned(),
        },
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Training => "training",
        Phase::Inference => "inference",
    }
}

/// The best node with accelerators against the best without: by setup and units for training, by idle power and rate
/// for inference, where a node stands ready all the time.
fn break_even(fleet: &Fleet, rows: &[Row], phase: Phase) -> Option<BreakEven> {
    let all = of_phase(rows, phase);
    let with = best(&all.iter().copied().filter(|r| r.accelerators[0] > 0).collect::<Vec<_>>())?;
    let without = best(&all.iter().copied().filter(|r| r.accelerators[1] == 0).collect::<Vec<_>>())?;
    let (unit, gpu, cpu) = (&with.unit, joules(with), joules(without));
    match phase {
        Phase::Training => {
            let setup = |r: &Row| r.setup.and_then(|s| s.joules).unwrap_or(0.0);
            let (more, less) = (setup(with) - setup(without), cpu - gpu);
            let (at, statement) = match () {
                () if less <= 0.0 && more >= 0.0 => {
                    (None, format!("training on {} never pays: {} needs less per {unit}", with.node, without.node))
                }
                () if more <= 0.0 && less >= 0.0 => {
                    (None, format!("training on {} pays from the first {unit} on", with.node))
                }
                () => {
                    let at = more / less;
                    let (first, then) = if less > 0.0 { (without, with) } else { (with, without) };
                    let statement = format!(
                        "training on {} pays after {} {unit}s: until then the setup of {} makes it dearer than {}",
                        then.node,
                        figure(at.ceil()),
                        then.node,
                        first.node
                    );
                    (Some(at), statement)
                }
            };
            Some(BreakEven { statement, at })
        }
        Phase::Inference => {
            let idle_w = |r: &Row| {
                let node = fleet.nodes.iter().find(|n| n.name == r.node)?;
                let packages_w = f64::from(node.packages) * node.package_idle_w + node.dram_w;
                Some(packages_w + f64::from(node.accelerators) * node.accelerator_idle_w)
            };
            // Power at rate r per second: idle + r·(joules per unit above idle).
            let above = |r: &Row, idle: f64| joules(r) - idle * seconds(r);
            let (idle_gpu, idle_cpu) = (idle_w(with)?, idle_w(without)?);
            let less = above(without, idle_cpu) - above(with, idle_gpu);
            let at = 3600.0 * (idle_gpu - idle_cpu) / less;
            let most = 3600.0 / seconds(without);
            let (at, statement) = match () {
                () if idle_gpu <= idle_cpu && less >= 0.0 => {
                    (None, format!("inference on {} is cheaper at any rate", with.node))
                }
                () if less <= 0.0 || at > most => (
                    None,
                    format!(
                        "inference on {} is cheaper up to its {} {unit}s per hour; {} pays only beyond",
                        without.node,
                        figure(most.round()),
                        with.node
                    ),
                ),
                () => (
                    Some(at),
                    format!("inference on {} is cheaper below {} {unit}s per hour", without.node, figure(at.round())),
                ),
            };
            Some(BreakEven { statement, at })
        }
    }
}
