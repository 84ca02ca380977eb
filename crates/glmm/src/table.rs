//! Columns as a model reads them: numbers, or labels with an order of levels.

use thiserror::Error;

/// Named columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<(String, Column)>,
    low: Vec<(String, Vec<f64>)>,
}

/// One variable of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Numbers; NaN where a value is missing.
    Numbers(Vec<f64>),
    /// Labels.
    Factor(Factor),
}

/// A variable with labels: the level of each row, and the levels in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The labels, in the order that contrasts use; the first is the reference of treatment contrasts.
    pub levels: Vec<String>,
    /// For each row the index of its level, or [`Factor::MISSING`].
    pub codes: Vec<u32>,
    /// Whether the order of the levels means something (polynomial contrasts by default).
    pub ordered: bool,
}

impl Factor {
    /// The code of a row without a value.
    pub const MISSING: u32 = u32::MAX;
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::Numbers(values) => values.len(),
            Column::Factor(factor) => factor.codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is wrong with a column that is put into a table.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TableError {
    /// Its length differs from that of the columns that are there.
    #[error("column \"{name}\" has {found} rows; the columns before it have {expected}")]
    Length {
        /// The column.
        name: String,
        /// Its rows.
        found: usize,
        /// The rows of the table.
        expected: usize,
    },
    /// A column of that name is there already.
    #[error("column \"{name}\" is there twice")]
    Twice {
        /// The column.
        name: String,
    },
    /// A code points past the levels.
    #[error("column \"{name}\" has the code {code}, but only {levels} levels")]
    Code {
        /// The column.
        name: String,
        /// The code.
        code: u32,
        /// Number of levels.
        levels: usize,
    },
}

impl Table {
    /// A table without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column.
    pub fn push(&mut self, name: impl Into<String>, column: Column) -> Result<(), TableError> {
        let name = name.into();
        if self.get(&name).is_some() {
            return Err(TableError::Twice { name });
        }
        if let Some((_, first)) = self.columns.first()
            && first.len() != column.len()
        {
            return Err(TableError::Length { name, found: column.len(), expected: first.len() });
        }
        if let Column::Factor(factor) = &column {
            let levels = factor.levels.len();
            let past = |&&code: &&u32| code != Factor::MISSING && code as usize >= levels;
            if let Some(&code) = factor.codes.iter().find(past) {
                return Err(TableError::Code { name, code, levels });
            }
        }
        self.columns.push((name, column));
        Ok(())
    }

    /// Adds a column of numbers that were read from decimal text, with what rounding to `f64` cut off: the value of a
    /// row is `values + low` (see [`parse_decimal`](crate::decimal::parse_decimal)). A low part that is zero everywhere
    /// is not kept. Linear regression needs the low parts where leading digits cancel (NIST's SmLs07: thirteen of them).
    pub fn push_decimal(&mut self, name: impl Into<String>, values: Vec<f64>, low: Vec<f64>) -> Result<(), TableError> {
        let name = name.into();
        if low.len() != values.len() {
            return Err(TableError::Length { name, found: low.len(), expected: values.len() });
        }
        self.push(name.clone(), Column::Numbers(values))?;
        if low.iter().any(|&part| part != 0.0) {
            self.low.push((name, low));
        }
        Ok(())
    }

    /// The low parts of a column of numbers, where it has some.
    pub fn low(&self, name: &str) -> Option<&[f64]> {
        self.low.iter().find_map(|(n, low)| (n == name).then_some(low.as_slice()))
    }

    /// The column of a name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find_map(|(n, column)| (n == name).then_some(column))
    }

    /// The names, in the order in which the columns were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_another_length_and_codes_past_the_levels_are_refused() {
        let mut table = Table::new();
        table.push("x", Column::Numbers(vec![1.0, 2.0])).unwrap();
        assert!(matches!(table.push("x", Column::Numbers(vec![1.0, 2.0])), Err(TableError::Twice { .. })));
        assert!(matches!(table.push("y", Column::Numbers(vec![1.0])), Err(TableError::Length { .. })));
        let factor = Factor { levels: vec!["a".into()], codes: vec![0, 1], ordered: false };
        assert!(matches!(table.push("f", Column::Factor(factor)), Err(TableError::Code { .. })));
        assert!(matches!(table.push_decimal("z", vec![1.0, 2.0], vec![0.0]), Err(TableError::Length { .. })));
        assert_eq!(table.rows(), 2);
        assert_eq!(table.names().collect::<Vec<_>>(), ["x"]);
    }
}
