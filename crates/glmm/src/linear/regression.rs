//! Least squares: y = X β + offset + ε, ε ~ N(0, σ² / w).

use qd::Quad;
use serde::Serialize;
use thiserror::Error;

use super::qr::{QuadMatrix, decompose, sum_of_squares};
use crate::design::{Design, Response};
use crate::infer::distributions::{two_sided_t, upper_f};

/// A linear regression. Vectors of coefficients are in the order of `coef_names`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinearFit {
    /// Number of observations with a weight above 0.
    pub n_obs: usize,
    /// R's names of the coefficients.
    pub coef_names: Vec<String>,
    /// The coefficients.
    pub fixef: Vec<f64>,
    /// Their standard errors.
    pub se: Vec<f64>,
    /// Their t values.
    pub t: Vec<f64>,
    /// Two-sided probabilities of t with `df_residual` degrees of freedom.
    pub p: Vec<f64>,
    /// Covariance matrix of the coefficients, σ² (XᵀWX)⁻¹.
    pub vcov: Vec<Vec<f64>>,
    /// Residual standard deviation: the square root of the residual mean square.
    pub sigma: f64,
    /// Observations less coefficients.
    pub df_residual: f64,
    /// Share of the variance explained; about 0 in place of the mean where the model has no intercept, as in R and NIST.
    pub r_squared: f64,
    /// The same, each sum of squares divided by its degrees of freedom.
    pub adjusted_r_squared: f64,
    /// The regression as a whole; `None` if an intercept is all there is.
    pub regression: Option<AnovaRow>,
    /// Residual sum of squares.
    pub residual_sum_of_squares: f64,
    /// Analysis of variance, one row for each term but the intercept, each after those before it (type I).
    pub anova: Vec<AnovaRow>,
    /// Log-likelihood at the maximum (σ² = RSS / n).
    pub log_lik: f64,
    /// Restricted log-likelihood.
    pub reml_log_lik: f64,
    /// Number of parameters: coefficients and σ.
    pub df: f64,
    /// Akaike's criterion of `log_lik`.
    pub aic: f64,
    /// Schwarz's criterion of `log_lik`.
    pub bic: f64,
    /// Fitted values, one for each row of the design.
    pub fitted: Vec<f64>,
    /// y less fitted values.
    pub residuals: Vec<f64>,
    /// Diagonal of the hat matrix.
    pub leverage: Vec<f64>,
}

/// One line of an analysis of variance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnovaRow {
    /// The term.
    pub term: String,
    /// Degrees of freedom.
    pub df: f64,
    /// Sum of squares.
    pub sum_of_squares: f64,
    /// Sum of squares over degrees of freedom.
    pub mean_square: f64,
    /// Mean square over the residual mean square.
    pub f: f64,
    /// Probability of a larger F if the term has no effect.
    pub p: f64,
}

/// Why a design is no linear regression.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum LinearError {
    /// The response is not a column of numbers.
    #[error("linear regression needs a response of numbers; \"{0}\" is given as {1}")]
    Response(String, &'static str),
    /// Random terms, or a model of zeros.
    #[error("linear regression has no {0}; fit a mixed model")]
    NotLinear(&'static str),
    /// No more observations than coefficients.
    #[error("{observations} observations with a weight above 0 cannot determine {coefficients} coefficients")]
    TooFew {
        /// Observations with a weight.
        observations: usize,
        /// Columns of the model matrix.
        coefficients: usize,
    },
    /// A weight below zero, infinite or not a number.
    #[error("observation {row} has the weight {weight}; a weight is a finite number, 0 or more")]
    Weight {
        /// The observation, from 0.
        row: usize,
        /// Its weight.
        weight: f64,
    },
    /// A response, offset or effect that is not finite.
    #[error("observation {row} has a value that is not finite")]
    NotFinite {
        /// The observation, from 0.
        row: usize,
    },
    /// Dependent columns.
    #[error("column \"{0}\" of the model matrix is a combination of the columns before it")]
    Aliased(String),
}

/// Fits a linear regression in double-double arithmetic (the design's low parts are used where it has them).
///
/// The design has a response of numbers and neither random terms nor a zero part; observations of weight 0 are
/// predicted, but do not count.
pub fn fit_linear(design: &Design) -> Result<LinearFit, LinearError> {
    let (x, y) = checked(design)?;
    let (n, p) = (x.rows, x.columns);
    let fixed = &design.mean.fixed;
    let root_weights: Vec<Quad> = design.weights.iter().map(|&w| Quad::from(w).sqrt()).collect();
    let mut weighted = x.clone();
    weighted.scale_rows(&root_weights);
    let target: Vec<Quad> = y.iter().zip(&root_weights).map(|(&v, &w)| v * w).collect();
    let qr = decompose(weighted.clone(), target.clone());

    let observations = design.weights.iter().filter(|&&w| w > 0.0).count();
    let beta = qr.solve();
    let fitted = (0..n).map(|i| (0..p).fold(Quad::ZERO, |sum, j| sum + x.column(j)[i] * beta[j]));
    let fitted: Vec<Quad> = fitted.collect();
    let rss = sum_of_squares(&qr.effects[p..]);
    let df_residual = (observations - p) as f64;
    let mean_square = rss / Quad::from(df_residual);
    let unscaled = qr.unscaled_covariance();
    let se: Vec<f64> = (0..p).map(|j| (mean_square * unscaled[j][j]).sqrt().0).collect();
    let t: Vec<f64> = beta.iter().zip(&se).map(|(b, s)| b.0 / s).collect();

    let has_intercept = fixed.terms.iter().any(|t| t == "(Intercept)");
    let anova: Vec<AnovaRow> = (0..fixed.terms.len())
        .filter(|&term| fixed.terms[term] != "(Intercept)")
        .filter_map(|term| {
            let columns: Vec<usize> = (0..p).filter(|&j| fixed.term_of_column[j] == term).collect();
            let sum = columns.iter().fold(Quad::ZERO, |sum, &j| sum + qr.effects[j] * qr.effects[j]);
            let row = || anova_row(&fixed.terms[term], columns.len() as f64, sum, mean_square, df_residual);
            (!columns.is_empty()).then(row)
        })
        .collect();
    let first = usize::from(has_intercept && p > 0);
    // The intercept is R's first column; what the other effects explain, they explain about the mean.
    let explained = sum_of_squares(&qr.effects[first..p]);
    let total = explained + rss;
    let regression =
        (p > first).then(|| anova_row("Regression", (p - first) as f64, explained, mean_square, df_residual));
    let unexplained = rss / total;
    let adjusted = unexplained.0 * (observations - first) as f64 / df_residual;

    let log_weights: f64 = design.weights.iter().filter(|&&w| w > 0.0).map(|w| w.ln()).sum();
    let log_lik_of = |count: f64| {
        let mean = (rss / Quad::from(count)).0;
        0.5 * (log_weights - count * ((std::f64::consts::TAU * mean).ln() + 1.0))
    };
    let log_determinant: f64 = (0..p).map(|j| qr.r[j * p + j].0.abs().ln()).sum();
    let (count, df) = (observations as f64, p as f64 + 1.0);
    let log_lik = log_lik_of(count);
    let highs = |values: &[Quad]| values.iter().map(|v| v.0).collect::<Vec<_>>();
    let offset = design.mean.offset.iter();
    Ok(LinearFit {
        n_obs: observations,
        coef_names: fixed.names.clone(),
        p: t.iter().map(|&t| two_sided_t(t, df_residual)).collect(),
        fixef: highs(&beta),
        se,
        t,
        vcov: unscaled.iter().map(|row| row.iter().map(|&v| (v * mean_square).0).collect()).collect(),
        sigma: mean_square.sqrt().0,
        df_residual,
        r_squared: if total.0 > 0.0 { (explained / total).0 } else { 0.0 },
        adjusted_r_squared: if total.0 > 0.0 { 1.0 - adjusted } else { 0.0 },
        regression,
        residual_sum_of_squares: rss.0,
        anova,
        log_lik,
        reml_log_lik: log_lik_of(df_residual) - log_determinant,
        df,
        aic: 2.0 * (df - log_lik),
        bic: df * count.ln() - 2.0 * log_lik,
        residuals: y.iter().zip(&fitted).map(|(&y, &f)| (y - f).0).collect(),
        fitted: fitted.iter().zip(offset).map(|(&f, &o)| (f + Quad::from(o)).0).collect(),
        leverage: leverage(&weighted, &unscaled),
    })
}

/// The model matrix and the responses less the offset, or what is wrong with them.
fn checked(design: &Design) -> Result<(QuadMatrix, Vec<Quad>), LinearError> {
    let fixed = &design.mean.fixed;
    let response = match &design.response {
        Response::Real(values) => values,
        Response::Counts { .. } => {
            return Err(LinearError::Response(design.response_name.clone(), "successes out of trials"));
        }
        Response::Ordinal { .. } => {
            return Err(LinearError::Response(design.response_name.clone(), "ordered categories"));
        }
    };
    if !design.mean.random.is_empty() {
        return Err(LinearError::NotLinear("random terms"));
    }
    if design.zero.is_some() {
        return Err(LinearError::NotLinear("model of zeros"));
    }
    if let Some((row, &weight)) = design.weights.iter().enumerate().find(|&(_, w)| !(w.is_finite() && *w >= 0.0)) {
        return Err(LinearError::Weight { row, weight });
    }
    let finite = |row: &usize| {
        response[*row].is_finite()
            && design.mean.offset[*row].is_finite()
            && (0..fixed.columns()).all(|j| fixed.column(j)[*row].is_finite())
    };
    if let Some(row) = (0..fixed.rows).find(|row| !finite(row)) {
        return Err(LinearError::NotFinite { row });
    }
    let observations = design.weights.iter().filter(|&&w| w > 0.0).count();
    if observations <= fixed.columns() {
        return Err(LinearError::TooFew { observations, coefficients: fixed.columns() });
    }
    let low = design.low.as_ref();
    let independent = super::independent_columns(fixed.rows, &fixed.values, low.map(|l| l.fixed.as_slice()));
    if let Some(j) = independent.iter().position(|&kept| !kept) {
        return Err(LinearError::Aliased(fixed.names[j].clone()));
    }
    let x = QuadMatrix::new(fixed.rows, fixed.columns(), &fixed.values, low.map(|l| l.fixed.as_slice()));
    let y = QuadMatrix::new(fixed.rows, 1, response, low.map(|l| l.response.as_slice()));
    let less_offset = y.values.iter().zip(&design.mean.offset).map(|(&v, &o)| v - Quad::from(o));
    Ok((x, less_offset.collect()))
}

fn anova_row(term: &str, df: f64, sum: Quad, residual: Quad, df_residual: f64) -> AnovaRow {
    let mean_square = sum / Quad::from(df);
    let f = (mean_square / residual).0;
    AnovaRow {
        term: term.into(),
        df,
        sum_of_squares: sum.0,
        mean_square: mean_square.0,
        f,
        p: upper_f(f, df, df_residual),
    }
}

/// Diagonal of √W X (XᵀWX)⁻¹ Xᵀ √W.
fn leverage(weighted: &QuadMatrix, unscaled: &[Vec<Quad>]) -> Vec<f64> {
    let p = weighted.columns;
    (0..weighted.rows)
        .map(|i| {
            let row: Vec<Quad> = (0..p).map(|j| weighted.column(j)[i]).collect();
            let inner = |j: usize| unscaled[j].iter().zip(&row).fold(Quad::ZERO, |sum, (&u, &x)| sum + u * x);
            (0..p).fold(Quad::ZERO, |sum, j| sum + row[j] * inner(j)).0
        })
        .collect()
}
