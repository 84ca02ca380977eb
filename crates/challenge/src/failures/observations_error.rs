//! Why a table of results and characteristics is refused.

use crate::table::TableError;

/// Why a table is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ObservationsError {
    /// The table itself.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A second result of an algorithm on a case.
    #[error("line {line}: algorithm {algorithm:?} has a second result on case {case:?}; accepted is one for each case")]
    Twice {
        /// The line.
        line: u64,
        /// The algorithm.
        algorithm: String,
        /// The case.
        case: String,
    },
    /// A case with two values of one thing.
    #[error(
        "line {line}: {column:?} of case {case:?} is {found:?}, and {before:?} in a row before; accepted is one value for each case"
    )]
    Varies {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// The case.
        case: String,
        /// What stands there.
        found: String,
        /// What stood there before.
        before: String,
    },
    /// Not 0 or 1.
    #[error(
        "line {line}: {found:?} in column {column:?} is no outcome; accepted are 0, 1, no, yes, false, true, and nothing, NA or NaN for none"
    )]
    NoOutcome {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        found: String,
    },
    /// Infinite.
    #[error(
        "line {line}: {found} in column {column:?} is not finite; accepted are finite numbers, and nothing, NA or NaN for none"
    )]
    Infinite {
        /// The line.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        found: f64,
    },
    /// More levels than effects can be told apart.
    #[error(
        "characteristic {column:?} has {levels} levels of text; accepted are up to {most} (is it a column of names?)"
    )]
    Levels {
        /// The column.
        column: String,
        /// Its levels.
        levels: usize,
        /// Most levels.
        most: usize,
    },
    /// One column in two roles.
    #[error("column {0:?} is named twice; accepted is one role for each column")]
    TwoRoles(String),
    /// Nothing left.
    #[error("no row has an outcome and all characteristics")]
    NothingLeft,
}
