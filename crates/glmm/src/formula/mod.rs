//! lme4's formula language: from a formula and a table to a [`Design`].
//!
//! Fixed effects follow R's `terms.formula` and `model.matrix` (names and order of the columns included), random terms
//! lme4's and glmmTMB's: `(1 | g)`, `(x | g)`, `(x || g)`, `(1 | a/b)`, `(1 | a:b)`, `diag(x | g)`, `cs(x | g)`.
//! [`build`] makes the design, and a [`DesignRecipe`] that makes the same columns from new data.

mod alias;
mod ast;
mod blueprint;
mod build;
mod contrasts;
mod error;
mod exact;
mod functions;
mod grouping;
mod lexer;
mod logic;
mod maker;
mod parser;
mod polynomial;
mod random;
mod recipe;
mod response;
mod terms;
mod value;
mod warning;

pub(crate) use ast::number as written_number;
pub use build::{Built, build};
pub use contrasts::Contrast;
pub use error::{FormulaError, Problem, nearest};
pub use recipe::{Covariate, CovariateValues, DesignRecipe, NewData, Scope};
pub use warning::Warning;

#[cfg(doc)]
use crate::design::Design;
use std::collections::{BTreeMap, BTreeSet};

/// What the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// A number for each row.
    Real,
    /// Successes out of trials: `cbind(successes, failures)`, a proportion with the trials as weights, 0 and 1, or a
    /// factor (its first level is failure).
    Binomial,
    /// Categories in their order.
    Ordinal,
}

/// What a formula leaves open.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What the response is; the family says it.
    pub response: ResponseKind,
    /// Formula of the zero part: `~ predictors`.
    pub zero_formula: Option<String>,
    /// Prior weights: a column or an expression of columns.
    pub weights: Option<String>,
    /// A known part of the predictor of the mean: a column or an expression of columns.
    pub offset: Option<String>,
    /// Contrasts of single factors; others have treatment contrasts, or polynomial ones if they are ordered.
    pub contrasts: BTreeMap<String, Contrast>,
    /// Whether the low parts of decimal numbers go through the formula ([`Design::low`]); for linear regression only.
    pub exact: bool,
    /// The greatest number of values of a model matrix; 2^28 take 2 GB.
    pub max_values: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            response: ResponseKind::Real,
            zero_formula: None,
            weights: None,
            offset: None,
            contrasts: BTreeMap::new(),
            exact: false,
            max_values: 1 << 28,
        }
    }
}

/// The columns of a table that a formula needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnsUsed {
    /// Their names; `TRUE`, `FALSE` and `pi` are among them where the formula names them.
    pub names: BTreeSet<String>,
    /// Whether the formula has a `.`, which stands for all columns.
    pub all: bool,
}

/// The columns that a formula and its settings name, so that a reader can leave out the others.
pub fn columns_used(formula: &str, settings: &Settings) -> Result<ColumnsUsed, FormulaError> {
    let mut used = ColumnsUsed::default();
    let mut note = |expr: &ast::Expr| {
        expr.names(&mut |name, _| {
            if name == "." {
                used.all = true;
            } else {
                used.names.insert(name.to_owned());
            }
        });
    };
    let sides = parser::formula(formula)?;
    sides.response.iter().for_each(&mut note);
    note(&sides.predictors);
    if let Some(zero) = &settings.zero_formula {
        note(&parser::formula(zero)?.predictors);
    }
    for expression in settings.weights.iter().chain(&settings.offset) {
        note(&parser::expression(expression)?);
    }
    Ok(used)
}

/// Whether a formula has random terms.
pub fn has_random_terms(formula: &str) -> Result<bool, FormulaError> {
    let sides = parser::formula(formula)?;
    Ok(!random::split(formula, &sides.predictors)?.1.is_empty())
}

/// Bounds on what a formula may ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limits {
    max_values: usize,
}

/// The greatest number of columns of a model matrix.
const MAX_COLUMNS: u128 = 10_000;

impl Limits {
    fn check(&self, rows: usize, columns: u128) -> Result<(), Problem> {
        let values = columns.saturating_mul(rows as u128);
        if values > self.max_values as u128 {
            return Err(Problem::TooManyValues { rows, columns, values, limit: self.max_values });
        }
        if columns > MAX_COLUMNS {
            return Err(Problem::TooManyColumns { columns, limit: MAX_COLUMNS });
        }
        Ok(())
    }
}
