//! Which characteristics are annotated, and what values they take.
//!
//! A schema document is TOML with one table for each characteristic:
//!
//! ```toml
//! [smoke]
//! kind = "binary"
//!
//! [visibility]
//! kind = "ordinal"
//! levels = ["poor", "fair", "good"]
//!
//! [instruments]
//! kind = "count"
//! most = 7
//! ```

use serde::Deserialize;
use std::collections::BTreeMap;

/// The values of a characteristic, as typed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Characteristic {
    /// 0 and 1; `no`, `false` and `yes`, `true` are read, too.
    Binary,
    /// Levels in their order.
    Ordinal {
        /// At least two names.
        levels: Vec<String>,
    },
    /// Levels without an order.
    Nominal {
        /// At least two names.
        levels: Vec<String>,
    },
    /// Whole numbers from 0.
    Count {
        /// The largest.
        most: u32,
    },
}

/// Most categories of a characteristic.
pub const MOST_CATEGORIES: usize = 1000;

/// Why a schema is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No characteristic.
    #[error("the schema names no characteristic")]
    Empty,
    /// Too few or repeated levels, or too many.
    #[error("characteristic {name:?}: {found}; accepted are 2 to {MOST_CATEGORIES} different levels")]
    Levels {
        /// The characteristic.
        name: String,
        /// What is wrong.
        found: String,
    },
}

/// Characteristics by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Schema(pub BTreeMap<String, Characteristic>);

impl Schema {
    /// Checks all characteristics.
    ///
    /// # Errors
    /// If there is none, or one has no usable levels.
    pub fn checked(self) -> Result<Self, SchemaError> {
        if self.0.is_empty() {
            return Err(SchemaError::Empty);
        }
        for (name, characteristic) in &self.0 {
            let levels = characteristic.categories();
            let refuse = |found: String| Err(SchemaError::Levels { name: name.clone(), found });
            if levels.len() < 2 || levels.len() > MOST_CATEGORIES {
                return refuse(format!("{} levels", levels.len()));
            }
            if let Some(twice) = levels.iter().enumerate().find(|(i, level)| levels[..*i].contains(level)) {
                return refuse(format!("level {:?} stands twice", twice.1));
            }
        }
        Ok(self)
    }
}

impl Characteristic {
    /// Names of the categories, in their order.
    pub fn categories(&self) -> Vec<String> {
        match self {
            Self::Binary => vec!["0".to_owned(), "1".to_owned()],
            Self::Ordinal { levels } | Self::Nominal { levels } => levels.clone(),
            // One more than is accepted is enough to refuse it.
            Self::Count { most } => (0..=(*most).min(MOST_CATEGORIES as u32)).map(|n| n.to_string()).collect(),
        }
    }

    /// The category of a cell.
    pub fn category(&self, text: &str) -> Option<usize> {
        match self {
            Self::Binary => match text.to_ascii_lowercase().as_str() {
                "0" | "no" | "false" => Some(0),
                "1" | "yes" | "true" => Some(1),
                _ => None,
            },
            Self::Ordinal { levels } | Self::Nominal { levels } => levels.iter().position(|l| l == text),
            Self::Count { most } => text.parse().ok().filter(|n| n <= most).map(|n: u32| n as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_by_their_kind() {
        let levels = vec!["poor".to_owned(), "good".to_owned()];
        let ordinal = Characteristic::Ordinal { levels };
        assert_eq!((ordinal.category("good"), ordinal.category("bad")), (Some(1), None));
        assert_eq!((Characteristic::Binary.category("Yes"), Characteristic::Binary.category("2")), (Some(1), None));
        let count = Characteristic::Count { most: 3 };
        assert_eq!((count.category("3"), count.category("4"), count.category("-1")), (Some(3), None, None));
    }

    #[test]
    fn a_schema_without_use_is_refused() {
        let one = |c: Characteristic| Schema(BTreeMap::from([("a".to_owned(), c)])).checked();
        assert!(one(Characteristic::Count { most: 0 }).is_err());
        assert!(one(Characteristic::Count { most: u32::MAX }).is_err());
        let twice = Characteristic::Nominal { levels: vec!["x".into(), "x".into()] };
        assert!(one(twice).unwrap_err().to_string().contains("\"x\" stands twice"));
        assert_eq!(Schema::default().checked(), Err(SchemaError::Empty));
    }
}
