//! What a linear regression has beside the figures of all fits.

use crate::linear::LinearFit;
use serde::Serialize;

/// The figures that only a linear regression has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinearPart {
    /// Residual degrees of freedom.
    pub df_residual: f64,
    /// Residual sum of squares.
    pub residual_sum_of_squares: f64,
    /// Share of the variance that is explained.
    pub r_squared: f64,
    /// The same, corrected for the number of coefficients.
    pub adjusted_r_squared: f64,
    /// The whole regression against the intercept.
    pub regression: Option<AnovaDocument>,
    /// Terms in their order (sequential sums of squares).
    pub anova: Vec<AnovaDocument>,
    /// The restricted log-likelihood.
    pub reml_log_lik: f64,
}

/// A row of an analysis of variance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnovaDocument {
    /// The term.
    pub term: String,
    /// Its degrees of freedom.
    pub df: f64,
    /// Its sum of squares.
    pub sum_of_squares: f64,
    /// Its mean square.
    pub mean_square: f64,
    /// Its F.
    pub f: f64,
    /// Probability of a larger F.
    pub p: f64,
}

impl LinearPart {
    pub(crate) fn of(fit: &LinearFit) -> Self {
        let row = |row: &crate::linear::AnovaRow| AnovaDocument {
            term: row.term.clone(),
            df: row.df,
            sum_of_squares: row.sum_of_squares,
            mean_square: row.mean_square,
            f: row.f,
            p: row.p,
        };
        Self {
            df_residual: fit.df_residual,
            residual_sum_of_squares: fit.residual_sum_of_squares,
            r_squared: fit.r_squared,
            adjusted_r_squared: fit.adjusted_r_squared,
            regression: fit.regression.as_ref().map(row),
            anova: fit.anova.iter().map(row).collect(),
            reml_log_lik: fit.reml_log_lik,
        }
    }
}
