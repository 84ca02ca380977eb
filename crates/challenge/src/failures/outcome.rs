//! What counts as a failure, and the cells that say so.

use super::observations_error::ObservationsError;
use crate::table::{Table, is_missing};

/// What counts as a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A column of 0 and 1, `no` and `yes`, `false` and `true`.
    Column(String),
    /// A score on the bad side of a threshold.
    Threshold {
        /// Column of the score.
        value: String,
        /// Scores below it are failures; with smaller scores being better, those above it.
        threshold: f64,
        /// Whether smaller scores are better.
        smaller_is_better: bool,
    },
}

/// Numbers of a column; NaN where there is none.
pub(super) fn finite(table: &Table, column: &str) -> Result<Vec<f64>, ObservationsError> {
    let numbers = table.numbers(column)?;
    match numbers.iter().position(|v| v.is_infinite()) {
        None => Ok(numbers),
        Some(row) => {
            let (line, found) = (table.lines[row], numbers[row]);
            Err(ObservationsError::Infinite { line, column: column.to_owned(), found })
        }
    }
}

/// 0 and 1 by the words that people use.
pub(super) fn truth(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "no" | "false" => Some(0.0),
        "yes" | "true" => Some(1.0),
        _ => text.parse().ok(),
    }
}

/// For each row whether it is a failure; none where its cell is empty.
pub(super) fn outcomes(table: &Table, outcome: &Outcome) -> Result<Vec<Option<bool>>, ObservationsError> {
    match outcome {
        Outcome::Column(column) => {
            let cells = table.column(column)?.iter().zip(&table.lines);
            cells
                .map(|(cell, &line)| match truth(cell) {
                    _ if is_missing(cell) => Ok(None),
                    Some(0.0) => Ok(Some(false)),
                    Some(1.0) => Ok(Some(true)),
                    _ => {
                        let (column, found) = (column.clone(), cell.clone());
                        Err(ObservationsError::NoOutcome { line, column, found })
                    }
                })
                .collect()
        }
        Outcome::Threshold { value, threshold, smaller_is_better } => {
            let fails = |v: f64| if *smaller_is_better { v > *threshold } else { v < *threshold };
            Ok(finite(table, value)?.into_iter().map(|v| (!v.is_nan()).then(|| fails(v))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_by_the_words_that_people_use() {
        let table = Table::from_csv(b"f,v\nyes,1\nFALSE,2\n1,\n,inf\n").unwrap();
        let column = |name: &str| Outcome::Column(name.to_owned());
        assert_eq!(outcomes(&table, &column("f")), Ok(vec![Some(true), Some(false), Some(true), None]));
        let refused = |of: &Outcome| outcomes(&table, of).unwrap_err().to_string();
        assert!(refused(&column("v")).contains("line 3"));
        let value = Outcome::Threshold { value: "v".to_owned(), threshold: 1.5, smaller_is_better: true };
        assert!(refused(&value).contains("line 5"));
    }
}
