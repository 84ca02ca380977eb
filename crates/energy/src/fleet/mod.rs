//! Node types compared by training and inference: joules per unit, charge for idle accelerators, break-even.
//!
//! After Caspart et al., "Precise Energy Consumption Measurements of Heterogeneous Artificial Intelligence Workloads"
//! (ISC High Performance 2022 Workshops, arXiv:2212.01698), whose three findings are computed here from a fleet's
//! measurements: runtime is no proxy for energy; leaving accelerators of a mixed node idle costs over-proportionally;
//! training and inference must be judged apart.

pub mod answers;
pub mod simulate;

use serde::{Deserialize, Serialize};

/// A fleet as typed: node types and what was or would be run on them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// What it stands for.
    pub title: String,
    /// Node types.
    pub nodes: Vec<Node>,
    /// What ran where.
    pub runs: Vec<Run>,
}

/// A node type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Processor packages.
    pub packages: u32,
    /// Power of an idle package, W.
    pub package_idle_w: f64,
    /// Power of a busy package, W.
    pub package_busy_w: f64,
    /// Power of the memory, W.
    pub dram_w: f64,
    /// Accelerators.
    #[serde(default)]
    pub accelerators: u32,
    /// Power of an idle accelerator, W.
    #[serde(default)]
    pub accelerator_idle_w: f64,
    /// Power of a busy accelerator, W.
    #[serde(default)]
    pub accelerator_busy_w: f64,
}

/// Training or inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Training of a model.
    Training,
    /// Use of a trained model.
    Inference,
}

/// One job on one node type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Training or inference.
    pub phase: Phase,
    /// Name of the node type.
    pub node: String,
    /// Units of useful work done.
    pub units: f64,
    /// What a unit is.
    pub unit: String,
    /// Time before the first unit (loading, compiling, copying), s; packages are busy, accelerators idle.
    #[serde(default)]
    pub setup_s: f64,
    /// Time for one unit, s.
    pub seconds_per_unit: f64,
    /// Share of the packages' way from idle to busy power, 0 to 1.
    pub processor_load: f64,
    /// Accelerators used; the rest of the node's stay idle, but are paid for.
    #[serde(default)]
    pub accelerators_used: u32,
}

/// Why a fleet cannot be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FleetError {
    /// A run on a node type that is not there.
    #[error("run {run} is on node type \"{node}\", which the fleet does not have")]
    UnknownNode {
        /// Counted from 1.
        run: usize,
        /// The name.
        node: String,
    },
    /// More accelerators than the node has.
    #[error("run {run} uses {used} accelerators of node type \"{node}\", which has {there}")]
    Accelerators {
        /// Counted from 1.
        run: usize,
        /// The name.
        node: String,
        /// As stated.
        used: u32,
        /// As the node has.
        there: u32,
    },
    /// A figure out of its range.
    #[error("{place}: {key} is {value}; {accepted}")]
    Range {
        /// Run or node.
        place: String,
        /// The key.
        key: &'static str,
        /// What was found.
        value: f64,
        /// What is accepted.
        accepted: &'static str,
    },
}

impl Fleet {
    /// The node type of a run.
    pub fn node(&self, run: &Run) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == run.node)
    }

    /// Refuses what cannot be.
    pub fn check(&self) -> Result<(), FleetError> {
        for node in &self.nodes {
            let place = || format!("node type \"{}\"", node.name);
            let powers = [
                ("package_idle_w", node.package_idle_w),
                ("package_busy_w", node.package_busy_w),
                ("dram_w", node.dram_w),
                ("accelerator_idle_w", node.accelerator_idle_w),
                ("accelerator_busy_w", node.accelerator_busy_w),
            ];
            for (key, value) in powers {
                within(place, key, value, 0.0, 5000.0, "0 to 5000 W are accepted")?;
            }
            within(place, "packages", f64::from(node.packages), 1.0, 64.0, "1 to 64 are accepted")?;
            within(place, "accelerators", f64::from(node.accelerators), 0.0, 64.0, "0 to 64 are accepted")?;
        }
        for (index, run) in self.runs.iter().enumerate() {
            let place = || format!("run {}", index + 1);
            let unknown = || FleetError::UnknownNode { run: index + 1, node: run.node.clone() };
            let there = self.node(run).ok_or_else(unknown)?.accelerators;
            if run.accelerators_used > there {
                let (node, used) = (run.node.clone(), run.accelerators_used);
                return Err(FleetError::Accelerators { run: index + 1, node, used, there });
            }
            within(place, "processor_load", run.processor_load, 0.0, 1.0, "0 to 1 is accepted")?;
            within(place, "units", run.units, 1.0, 1e12, "1 to 1e12 are accepted")?;
            within(place, "setup_s", run.setup_s, 0.0, 1e5, "0 to 1e5 s are accepted")?;
            within(place, "seconds_per_unit", run.seconds_per_unit, 1e-12, 1e5, "1e-12 to 1e5 s are accepted")?;
            let wall_s = run.setup_s + run.units * run.seconds_per_unit;
            within(place, "units × seconds_per_unit", wall_s, 0.01, 1e5, "a run may last 0.01 to 1e5 s")?;
        }
        Ok(())
    }
}

fn within(
    place: impl Fn() -> String,
    key: &'static str,
    value: f64,
    least: f64,
    most: f64,
    accepted: &'static str,
) -> Result<(), FleetError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(FleetError::Range { place: place(), key, value, accepted })
    }
}
