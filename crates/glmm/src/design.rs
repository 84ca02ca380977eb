//! What a model is fitted to: responses, model matrices and random terms, without missing rows.

/// Everything that a fit reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// The responses.
    pub response: Response,
    /// Name of the response, as the formula wrote it.
    pub response_name: String,
    /// Prior weights, one for each observation (for a binomial proportion they are the numbers of trials and stand in
    /// [`Response::Counts`] instead, and here is 1).
    pub weights: Vec<f64>,
    /// The predictor of the mean (for hurdle models: of the part beyond zero).
    pub mean: Predictor,
    /// The predictor of the zero part of zero-inflated and hurdle models.
    pub zero: Option<Predictor>,
    /// For each observation the row of the table it came from; rows with missing values are left out.
    pub rows: Vec<u32>,
    /// What rounding to `f64` cut off the responses and the fixed effects of the mean, where it is known; linear
    /// regression uses it.
    pub low: Option<LowParts>,
}

/// Low parts of double-double numbers: a value is `values + low`.
///
/// They start in the decimal text of a table ([`Table::low`](crate::table::Table::low)) and go through a formula's
/// arithmetic: a column that is a variable, or made from variables by +, −, ×, ÷ and whole powers (`I(x^2)`,
/// `poly(x, 10, raw = TRUE)`, `a:b`), is evaluated with [`qd::Quad`]; what other functions give has low parts of zero.
#[derive(Clone, Debug, PartialEq)]
pub struct LowParts {
    /// One for each observation.
    pub response: Vec<f64>,
    /// In the order of [`ModelMatrix::values`].
    pub fixed: Vec<f64>,
}

/// The responses of the observations.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// Real numbers, or counts of events.
    Real(Vec<f64>),
    /// Successes out of trials.
    Counts {
        /// Number of successes.
        successes: Vec<f64>,
        /// Number of trials.
        trials: Vec<f64>,
    },
    /// Categories in their order.
    Ordinal {
        /// Index of each observation's category.
        codes: Vec<u32>,
        /// Names of the categories.
        levels: Vec<String>,
    },
}

/// A linear predictor: fixed effects, offset and random terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictor {
    /// The fixed effects.
    pub fixed: ModelMatrix,
    /// Known part, one number for each observation.
    pub offset: Vec<f64>,
    /// The random terms, in the order of the formula.
    pub random: Vec<RandomTerm>,
}

/// A model matrix with full column rank (aliased columns are taken out and named).
#[derive(Clone, Debug, PartialEq)]
pub struct ModelMatrix {
    /// Number of observations.
    pub rows: usize,
    /// Values, column after column: element (i, j) is `values[j * rows + i]`.
    pub values: Vec<f64>,
    /// R's names of the columns.
    pub names: Vec<String>,
    /// The term each column belongs to, an index into `terms`.
    pub term_of_column: Vec<usize>,
    /// The terms, as R writes them ("(Intercept)", "a", "a:b").
    pub terms: Vec<String>,
    /// Names of the columns that were left out because others already span them.
    pub aliased: Vec<String>,
}

impl ModelMatrix {
    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// One column.
    pub fn column(&self, j: usize) -> &[f64] {
        &self.values[j * self.rows..(j + 1) * self.rows]
    }
}

/// Random effects of one grouping factor: `columns.len()` of them for each level.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomTerm {
    /// Name of the grouping factor ("subject", "batch:cask").
    pub group: String,
    /// Names of the levels that occur, sorted as the factor orders them.
    pub levels: Vec<String>,
    /// For each observation the index of its level.
    pub level_of_row: Vec<u32>,
    /// Names of the columns ("(Intercept)", "Days").
    pub columns: Vec<String>,
    /// Values of the columns, column after column, as in [`ModelMatrix::values`].
    pub values: Vec<f64>,
    /// Form of the covariance of the effects of one level.
    pub covariance: Covariance,
}

impl RandomTerm {
    /// In [`RandomTerm::level_of_row`] of new data: a level that the fit did not see, or none.
    pub const NEW_LEVEL: u32 = u32::MAX;
}

/// The form of a random term's covariance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covariance {
    /// Any symmetric, positive semi-definite matrix: `(x | g)`.
    Unstructured,
    /// Variances of their own, no correlation: `(x || g)` and `diag(x | g)`.
    Diagonal,
    /// Variances of their own, one common correlation: `cs(x | g)`.
    CompoundSymmetric,
}
