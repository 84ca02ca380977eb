//! Estimated marginal means of a fitted model with their differences, as one table for each set of factors.

use serde::Serialize;
use thiserror::Error;

use super::contrasts::{Coefficients, FunctionTests, pairwise, treatment_vs_control};
use super::emmeans::{GridError, MarginalMean, Weights, marginal_means, on_both_scales, reference_grid};
use super::error::InferenceError;
use super::inverse_link::inverse_link;
use super::multiplicity::Adjustment;
use super::rectangle::Integration;
use super::wald::FixedEffects;
use crate::design::Design;
use crate::fit::Fit;
use crate::formula::{CovariateValues, DesignRecipe, FormulaError, Scope};
use crate::settings::{Family, Link};
use crate::table::Table;

/// Which differences of marginal means are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differences {
    /// None.
    None,
    /// Each mean against each other.
    Pairwise,
    /// Each mean against the first.
    FromFirst,
}

/// What is asked of marginal means.
#[derive(Clone, Debug, PartialEq)]
pub struct MarginalSettings {
    /// The factors (or covariates that stand in `at`) whose combinations have a mean each.
    pub by: Vec<String>,
    /// Values of covariates; others stand at their mean.
    pub at: Vec<(String, Vec<f64>)>,
    /// How the levels of the other factors are weighted.
    pub weights: Weights,
    /// The differences that are tested.
    pub differences: Differences,
    /// How their probabilities are adjusted.
    pub adjustment: Adjustment,
    /// Level of the intervals.
    pub level: f64,
}

/// Marginal means and their differences, on the scale of the linear predictor and (the means) of the response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarginalTable {
    /// The factors.
    pub factors: Vec<String>,
    /// The factors that were averaged over.
    pub averaged_over: Vec<String>,
    /// How the levels of those are weighted.
    pub weights: Weights,
    /// Level of the intervals.
    pub level: f64,
    /// One mean for each combination of levels.
    pub means: Vec<MarginalMean>,
    /// Differences of the linear predictor.
    pub differences: Option<FunctionTests>,
}

/// Why there are no marginal means.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MarginalError {
    /// The grid.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// The model matrix of the grid.
    #[error(transparent)]
    Formula(#[from] FormulaError),
    /// The tests.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// A variable that the fixed effects do not use.
    #[error("the fixed effects do not use \"{name}\"; they use {known}")]
    NotUsed {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A covariate without values.
    #[error("\"{0}\" is a covariate: its marginal means need the values where they are taken (at)")]
    WithoutValues(String),
    /// Columns were left out, so that means are not determined.
    #[error(
        "marginal means are not determined: other fixed effects span {columns}; leave out the term, or merge levels so \
         that no cell is empty"
    )]
    Aliased {
        /// The columns that were left out.
        columns: String,
    },
}

/// Marginal means of the mean's linear predictor. For ordered categories they are on the latent scale, without thresholds.
pub fn marginal_table(
    table: &Table,
    design: &Design,
    recipe: &DesignRecipe,
    fit: &Fit,
    effects: &FixedEffects,
    settings: &MarginalSettings,
) -> Result<MarginalTable, MarginalError> {
    let aliased = &design.mean.fixed.aliased;
    if !aliased.is_empty() {
        return Err(MarginalError::Aliased { columns: aliased.join(", ") });
    }
    let variables: Vec<String> = recipe.covariates().iter().map(|c| c.name.clone()).collect();
    for name in settings.by.iter().chain(settings.at.iter().map(|(name, _)| name)) {
        if !variables.contains(name) {
            return Err(MarginalError::NotUsed { name: name.clone(), known: variables.join(", ") });
        }
    }
    let mut at = settings.at.clone();
    for covariate in recipe.covariates() {
        // Numbers that the formula makes a factor of are crossed as its levels.
        if let CovariateValues::Numbers(values) = &covariate.values
            && !at.iter().any(|(name, _)| *name == covariate.name)
        {
            at.push((covariate.name.clone(), values.clone()));
        }
    }
    let is_alone = |name: &&String| {
        let is_mean = |c: &&crate::formula::Covariate| c.name == **name && matches!(c.values, CovariateValues::Mean(_));
        recipe.covariates().iter().any(|c| is_mean(&c)) && !at.iter().any(|(known, _)| known == *name)
    };
    if let Some(name) = settings.by.iter().find(is_alone) {
        return Err(MarginalError::WithoutValues(name.clone()));
    }
    let grid = reference_grid(table, &design.rows, &variables, &at)?;
    let made = recipe.apply(&grid.table, Scope::Population)?;
    let functions = marginal_means(&grid, &made.mean.fixed, &settings.by, settings.weights)?;
    let df = |contrast: &[f64]| effects.df(contrast);
    let coefficients = Coefficients { values: &effects.values, covariance: &effects.covariance, df: &df };
    let offset = made.mean.offset.iter().sum::<f64>() / made.mean.offset.len().max(1) as f64;
    let link = if fit.settings.family == Family::Ordinal { Link::Identity } else { fit.settings.link };
    let means = on_both_scales(&functions, &coefficients, offset, settings.level, |eta| inverse_link(link, eta));
    let differences = match settings.differences {
        Differences::None => Vec::new(),
        Differences::Pairwise => pairwise(&functions),
        Differences::FromFirst => treatment_vs_control(&functions, 0),
    };
    let differences = match differences.is_empty() {
        true => None,
        false => {
            let integration = Integration::default();
            Some(effects.function_tests(&differences, settings.adjustment, settings.level, &integration)?)
        }
    };
    let averaged_over = grid.factors.iter().filter(|f| !settings.by.contains(f)).cloned().collect();
    Ok(MarginalTable {
        factors: settings.by.clone(),
        averaged_over,
        weights: settings.weights,
        level: settings.level,
        means,
        differences,
    })
}
