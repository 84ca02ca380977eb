//! The typed form of the tables of a ranking.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Task: rank algorithms, and say how sure the ranks are. The results come from `[ranking.table]` or `[ranking.study]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RankingTable {
    /// Results from a CSV table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<ResultColumns>,
    /// A seeded study instead, its types of surgery as tasks and its procedures as clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub study: Option<RankingStudy>,
    /// mean-then-rank, median-then-rank, quantile-then-rank:P, rank-then-mean, rank-then-median, test-then-rank or
    /// robust-mis.
    pub method: String,
    /// Methods to compare with.
    pub compare: Vec<String>,
    /// What happens to cells without a value.
    pub missing: MissingCells,
    /// How p-values of the pairwise tests are adjusted.
    pub adjust: TestAdjustment,
    /// Level of the tests and of the confidence sets.
    #[schemars(range(min = 0.0001, max = 0.5))]
    pub alpha: f64,
    /// Resamples of the bootstrap, by cluster where there are clusters.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub bootstrap: u32,
    /// Cases of each task in the gallery of the worst.
    #[schemars(range(min = 0, max = 100))]
    pub worst: u32,
    /// What must hold; if one criterion is missed, the program ends with status 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criteria: Option<RankingCriteria>,
}

impl Default for RankingTable {
    fn default() -> Self {
        let names = ["median-then-rank", "robust-mis", "rank-then-mean", "rank-then-median", "test-then-rank"];
        Self {
            table: None,
            study: None,
            method: "mean-then-rank".to_owned(),
            compare: names.map(str::to_owned).to_vec(),
            missing: MissingCells::Refuse,
            adjust: TestAdjustment::Holm,
            alpha: 0.05,
            bootstrap: 1000,
            worst: 4,
            criteria: None,
        }
    }
}

/// A CSV table with one value in each row, and its columns. The name is relative to the document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResultColumns {
    /// The table.
    pub data: String,
    /// Column of tasks; without it there is one task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Column of cases.
    pub case: String,
    /// Column of algorithms.
    pub algorithm: String,
    /// Column of values.
    pub value: String,
    /// Column of patients, procedures or other units that cases come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Smaller values are better.
    pub smaller_is_better: bool,
}

/// A seeded study of algorithms that segment images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RankingStudy {
    /// Which study.
    pub seed: u32,
    /// Images.
    #[schemars(range(min = 30, max = 100_000))]
    pub images: u32,
    /// Procedures that the images come from.
    #[schemars(range(min = 3, max = 1000))]
    pub procedures: u32,
    /// Algorithms.
    #[schemars(range(min = 1, max = 100))]
    pub algorithms: u32,
}

impl Default for RankingStudy {
    fn default() -> Self {
        Self { seed: 1, images: 2728, procedures: 30, algorithms: 10 }
    }
}

/// What happens to cells without a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingCells {
    /// They are refused.
    #[default]
    Refuse,
    /// They get the worst value of the task.
    Worst,
    /// Their case is dropped.
    DropCase,
}

/// Adjustment of p-values for the number of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TestAdjustment {
    /// Holm 1979.
    #[default]
    Holm,
    /// Benjamini and Hochberg 1995.
    Bh,
    /// None.
    None,
}

/// What must hold of a ranking.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RankingCriteria {
    /// Least mean Kendall's tau between the ranking of each task and those of its resamples.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1.0, max = 1.0))]
    pub mean_tau: Option<f64>,
}
