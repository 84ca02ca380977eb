//! What is doubtful about a design, though it can be fitted.

use serde::Serialize;
use thiserror::Error;

/// What a user should know about the design.
#[derive(Clone, Debug, PartialEq, Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Warning {
    /// Rows with missing values.
    #[error("{missing} of {rows} rows have a missing value and are left out")]
    RowsDropped {
        /// Rows that are left out.
        missing: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// Rows of weight zero, or without trials.
    #[error("{zero} rows have the weight 0 and are left out")]
    ZeroWeights {
        /// Rows that are left out.
        zero: usize,
    },
    /// A function gave no number for a row that has its values.
    #[error("{what} is not a number in {rows} rows that have no missing value; they are left out")]
    NotANumber {
        /// The expression.
        what: String,
        /// Rows.
        rows: usize,
    },
    /// Levels of a factor that no row has.
    #[error("no row has {levels} of the factor {factor}; left out")]
    UnusedLevels {
        /// The factor.
        factor: String,
        /// Its unused levels, shortened.
        levels: String,
    },
    /// Cells of an interaction that no row falls into.
    #[error("{empty} of the {cells} cells of {term} have no row, such as {example}")]
    EmptyCells {
        /// The interaction.
        term: String,
        /// Cells without rows.
        empty: usize,
        /// All cells.
        cells: usize,
        /// One empty cell.
        example: String,
    },
    /// Columns that the columns before them span.
    #[error("the fixed effects {columns} are left out: the columns before them span them{zero_part}")]
    Aliased {
        /// Names of the columns.
        columns: String,
        /// Where, if it is the zero part.
        #[serde(skip)]
        zero_part: &'static str,
    },
    /// A grouping factor with one level.
    #[error("the grouping factor {group} has one level only, so its variance cannot be told from the intercept")]
    OneGroup {
        /// The grouping factor.
        group: String,
    },
    /// Two bars and a factor.
    #[error(
        "the levels of a factor stay correlated in ({term} || {group}), as in lme4; diag({term} | {group}) has no correlations"
    )]
    CorrelatedFactor {
        /// The columns of the factor.
        term: String,
        /// The grouping factor.
        group: String,
    },
    /// A column that would be one of numbers, but for some cells.
    #[error("{factor} holds numbers and also \"{label}\", so that it was read as labels and is a factor")]
    LabelsAmongNumbers {
        /// The column.
        factor: String,
        /// A label that is no number.
        label: String,
    },
    /// A column that was named as a factor for nothing.
    #[error("the column {column} was named as a factor, and the model does not use it")]
    UnusedColumn {
        /// The column.
        column: String,
    },
    /// Successes that are not whole.
    #[error("{rows} rows have a number of successes that is not whole")]
    BrokenCounts {
        /// Rows.
        rows: usize,
    },
}
