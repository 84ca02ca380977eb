//! The results of a challenge: one value for each task, case and algorithm.

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Larger values, as for the Dice coefficient.
    Larger,
    /// Smaller values, as for distances.
    Smaller,
}
