//! Settings of a density over poses.

use crate::error::InnError;
use crate::subnet::Subnet;
use serde::{Deserialize, Serialize};

/// What a density over poses is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoseFlowSettings {
    /// Numbers per condition, 0 (none) to 65536.
    #[serde(default)]
    pub condition: usize,
    /// Components of the mixture, 1 to 64.
    pub components: usize,
    /// Steps of the shared flow, each three Möbius couplings and a map of the translation, 0 to 64.
    pub steps: usize,
    /// The networks.
    pub subnet: Subnet,
    /// Centre of the prior's translations, mm.
    pub centre_mm: [f64; 3],
    /// Scale of the prior's translations, mm, each 0.001 to 100,000.
    pub scale_mm: [f64; 3],
    /// Degrees of freedom of the translations' base (multivariate Student's t), 1 to 1000.
    #[serde(default = "default_degrees_of_freedom")]
    pub degrees_of_freedom: f64,
}

/// Tails heavy enough for importance weights, light enough for a near-normal posterior.
fn default_degrees_of_freedom() -> f64 {
    10.0
}

impl PoseFlowSettings {
    /// Refuses the first setting that is out of range.
    pub fn check(&self) -> Result<(), InnError> {
        let refuse = |field: &str, found: String, accepted: &str| Err(InnError::setting(field, found, accepted));
        if self.condition > 65536 {
            return refuse("condition", self.condition.to_string(), "0 to 65536");
        }
        if !(1..=64).contains(&self.components) {
            return refuse("components", self.components.to_string(), "1 to 64");
        }
        if self.steps > 64 {
            return refuse("steps", self.steps.to_string(), "0 to 64");
        }
        if !self.centre_mm.iter().all(|c| c.is_finite()) {
            return refuse("centre_mm", format!("{:?}", self.centre_mm), "finite numbers");
        }
        if !self.scale_mm.iter().all(|s| (1e-3..=1e5).contains(s)) {
            return refuse("scale_mm", format!("{:?}", self.scale_mm), "three numbers from 0.001 to 100000");
        }
        if !(1.0..=1000.0).contains(&self.degrees_of_freedom) {
            return refuse("degrees_of_freedom", self.degrees_of_freedom.to_string(), "1 to 1000");
        }
        self.subnet.check("subnet")
    }
}
