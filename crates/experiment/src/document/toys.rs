//! The typed form of the table of small inverse problems.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Task: train invertible networks on small inverse problems with known posteriors, and score them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ToysTable {
    /// Which problems.
    #[schemars(length(min = 1, max = 2))]
    pub problems: Vec<Toy>,
    /// Training steps of each network.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub steps: u64,
    /// Networks trained for each problem, each from a seed of its own.
    #[schemars(range(min = 1, max = 100))]
    pub seeds: u32,
}

impl Default for ToysTable {
    fn default() -> Self {
        Self { problems: vec![Toy::EightModes, Toy::InverseKinematics], steps: 3000, seeds: 1 }
    }
}

/// A small inverse problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Toy {
    /// Eight modes on a circle, seen only by their colour (Ardizzone et al. 2018).
    EightModes,
    /// Which joints put the hand of an arm there (Ardizzone et al. 2018; Kruse et al. 2021).
    InverseKinematics,
}
