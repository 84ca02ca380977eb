//! The registration of each labelled part by itself, from the answer of the whole.

use serde::{Deserialize, Serialize};

use super::measure::Errors;
use super::record::PoseRecord;

/// The answer of one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PieceRow {
    /// Its label.
    pub label: u16,
    /// The label's name, if the table has one.
    pub name: Option<String>,
    /// How it ended.
    pub status: String,
    /// Its own pose.
    pub pose: PoseRecord,
    /// Similarity on its pixels.
    pub similarity: Option<f64>,
    /// Errors before, at the answer of the whole.
    pub before: Option<Errors>,
    /// Errors of its own pose.
    pub errors: Option<Errors>,
}
