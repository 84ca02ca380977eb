//! The typed form of the tables of an analysis of failures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A seeded study of algorithms that fail on images, with known effects, instead of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StudyTable {
    /// Which study: each seed gives other images, random effects and results under the same effects.
    pub seed: u32,
    /// Images.
    #[schemars(range(min = 30, max = 100_000))]
    pub images: u32,
    /// Procedures that the images come from, nested in three types of surgery.
    #[schemars(range(min = 3, max = 1000))]
    pub procedures: u32,
    /// Algorithms.
    #[schemars(range(min = 1, max = 100))]
    pub algorithms: u32,
    /// Raters of each image, of five in all.
    #[schemars(range(min = 1, max = 5))]
    pub raters_per_image: u32,
}

impl Default for StudyTable {
    fn default() -> Self {
        Self { seed: 0, images: 2728, procedures: 30, algorithms: 10, raters_per_image: 3 }
    }
}

/// Results of algorithms from a CSV table, one result in each row. Names are relative to the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResultsTable {
    /// The table.
    pub data: String,
    /// Column of cases.
    pub case: String,
    /// Column of algorithms.
    pub algorithm: String,
    /// Column of failures: 0 and 1, no and yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Column of the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Scores below it are failures, where there is no column of failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Smaller scores are better: failures are those above the threshold.
    pub smaller_is_better: bool,
    /// Column of the energy of each result, J.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<String>,
    /// Columns of nested groups that cases come from, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The cases' characteristics: columns of the table, or names in the annotations.
    pub characteristics: Vec<String>,
    /// Table of raters' labels with the columns image, characteristic, rater, label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<String>,
    /// Schema of the characteristics (TOML).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
}

/// Task: find out which characteristics of `[study]` (or of `[results]`) make algorithms fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Failures {
    /// How raters' labels are aggregated, where there are annotations.
    pub aggregation: Labels,
    /// Fits that carry uncertain labels into the effects; 0 takes the likeliest labels as they are.
    #[schemars(range(min = 0, max = 1000))]
    pub imputations: u32,
    /// Characteristics whose effect may differ between algorithms: `["found"]` (those that do significantly), `["all"]`,
    /// or names; empty for none.
    pub slopes: Vec<String>,
    /// How effects are adjusted for their number.
    pub adjust: EffectAdjustment,
    /// Level of the intervals.
    #[schemars(range(min = 0.5, max = 0.9999))]
    pub level: f64,
    /// Conditions to rank under beside the cases as they are: for each the shares of cases that have characteristics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mixes: Vec<BTreeMap<String, f64>>,
    /// Simulations of the residual checks.
    #[schemars(range(min = 2, max = 10_000))]
    pub simulations: u32,
    /// Resamples of the front of score and energy.
    #[schemars(range(min = 1, max = 100_000))]
    pub resamples: u32,
    /// What must hold; if one criterion is missed, the program ends with status 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<FailureCriteria>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            aggregation: Labels::default(),
            imputations: 10,
            slopes: vec!["found".to_owned()],
            adjust: EffectAdjustment::default(),
            level: 0.95,
            mixes: Vec::new(),
            simulations: 250,
            resamples: 1000,
            criteria: None,
        }
    }
}

/// How raters' labels are aggregated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// They are not: characteristics are columns of the results (of a study: the true ones).
    None,
    /// Shares of the votes.
    Majority,
    /// A confusion matrix for each rater, by maximum likelihood.
    #[default]
    DawidSkene,
    /// One probability of being right for each rater, by maximum likelihood.
    OneCoin,
    /// Abilities of raters and easiness of items, by maximum a posteriori.
    Glad,
}

/// Adjustment of effects for their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectAdjustment {
    /// Holm 1979.
    #[default]
    Holm,
    /// Benjamini and Hochberg 1995.
    Bh,
    /// From the joint normal distribution.
    SingleStep,
    /// The number of effects times p.
    Bonferroni,
    /// None.
    None,
}

/// What must hold of an analysis of failures for status 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FailureCriteria {
    /// Least share of a study's true effects inside their intervals (with `[study]`).
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// How many of the study's strongest causes must be found in their order (with `[study]`).
    #[schemars(range(min = 1, max = 19))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_in_order: Option<u32>,
}
