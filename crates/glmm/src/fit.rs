//! What a fit gives: estimates, their covariances, random effects, likelihood, verdict.

use crate::design::{Covariance, Design};
use crate::matrix::Matrix;
use crate::settings::Settings;
use crate::term_basis::TermBases;
use crate::verdict::{Message, Verdict};
use serde::{Deserialize, Serialize};

/// Estimates with their covariance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimates {
    /// Names.
    pub names: Vec<String>,
    /// Values.
    pub values: Vec<f64>,
    /// Standard errors (NaN where the Hessian gives none).
    pub se: Vec<f64>,
    /// Covariance matrix.
    pub covariance: Matrix,
}

impl Estimates {
    /// Estimates whose standard errors are the roots of the covariance's diagonal.
    pub fn new(names: Vec<String>, values: Vec<f64>, covariance: Matrix) -> Self {
        let se = covariance.diagonal().iter().map(|v| v.sqrt()).collect();
        Estimates { names, values, se, covariance }
    }
}

/// The random effects of one term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomEffects {
    /// Name of the grouping factor.
    pub group: String,
    /// The predictor it belongs to: 0 the mean, 1 the zero part.
    pub predictor: usize,
    /// Form of the covariance.
    pub form: Covariance,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Names of the levels.
    pub levels: Vec<String>,
    /// Covariance Σ of the effects of one level.
    pub covariance: Matrix,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// Correlations (NaN where a standard deviation is zero).
    pub correlation: Matrix,
    /// Standard errors of the logarithms of the standard deviations (NaN where the Hessian gives none).
    pub log_sd_se: Vec<f64>,
    /// Conditional modes b̂, levels × columns.
    pub modes: Matrix,
    /// Conditional covariances of b given the data and the parameters, one for each level.
    pub conditional: Vec<Matrix>,
}

/// Conditional covariances between the effects of two terms of one grouping factor, as in `(1 | g) + (0 + x | g)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BetweenTerms {
    /// The terms, by their places in [`Fit::random`], the earlier one first.
    pub terms: (usize, usize),
    /// For each level the covariance of the first term's columns (rows) with the second's, given the data and the
    /// parameters.
    pub conditional: Vec<Matrix>,
}

/// Counts of what the outer loop did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Quasi-Newton and Newton steps.
    pub iterations: usize,
    /// Evaluations of the likelihood with its gradient.
    pub evaluations: usize,
    /// Passes over the observations to find the modes of the random effects.
    pub passes: usize,
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// What was asked.
    pub settings: Settings,
    /// Number of observations.
    pub rows: usize,
    /// The fixed effects of the mean (of the linear predictor without thresholds for ordered categories).
    pub fixed: Estimates,
    /// The fixed effects of the zero part.
    pub zero: Option<Estimates>,
    /// The thresholds between ordered categories.
    pub thresholds: Option<Estimates>,
    /// The random effects, term by term in the order of the design, those of the zero part last.
    pub random: Vec<RandomEffects>,
    /// What belongs to two terms of one grouping factor and predictor.
    #[serde(default)]
    pub between_terms: Vec<BetweenTerms>,
    /// The covariance parameters θ of [`random`](crate::random), relative to σ for linear mixed models.
    pub theta: Vec<f64>,
    /// σ for Gaussian models; 1 where the family has no scale.
    pub sigma: f64,
    /// The family's scale or shape in its own convention: σ (Gaussian), the coefficient of variation (Gamma), α
    /// (negative binomial 1 and 2), φ (beta, beta-binomial).
    pub dispersion: Option<f64>,
    /// Every parameter that was estimated, on the scale of the optimisation: fixed effects of the mean and of the zero
    /// part, θ, then the logarithm of the scale or shape, or the thresholds. For linear mixed models by REML the
    /// covariance has no correlation between fixed effects and the rest.
    pub parameters: Estimates,
    /// The log-likelihood with all constants (the REML criterion over −2 for REML).
    pub log_lik: f64,
    /// Number of parameters.
    pub df: usize,
    /// Akaike's criterion.
    pub aic: f64,
    /// Bayes' criterion of Schwarz.
    pub bic: f64,
    /// The linear predictors at the conditional modes, mean and (where there is one) zero part.
    pub linear_predictors: Vec<Vec<f64>>,
    /// Expected responses at the conditional modes: means, for binomial data probabilities; with a zero part including
    /// the zeros; for ordered categories the probability of the category that was seen.
    pub fitted: Vec<f64>,
    /// Pearson's residuals (y − μ)/√Var(y), with prior weights; for ordered categories NaN.
    pub pearson: Vec<f64>,
    /// Whether the covariance of some random term has not full rank.
    pub singular: bool,
    /// How sure it is that this is the optimum.
    pub verdict: Verdict,
    /// What the user must know.
    pub messages: Vec<Message>,
    /// How much work it was.
    pub counts: Counts,
}

/// Why there is no fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// No observations, or no more than fixed effects.
    #[error("{rows} observations cannot determine {parameters} fixed effects")]
    TooFewRows {
        /// Observations.
        rows: usize,
        /// Fixed effects.
        parameters: usize,
    },
    /// A link that the family does not take.
    #[error("the {family} family takes the links {accepted}, not {link}")]
    Link {
        /// The family.
        family: &'static str,
        /// The link.
        link: &'static str,
        /// Those it takes.
        accepted: String,
    },
    /// A response outside the family's range.
    #[error("observation {row} of \"{response}\" is {value}; the {family} family takes {accepted}")]
    Response {
        /// Name of the response.
        response: String,
        /// Row of the table, from 1.
        row: u32,
        /// What it is.
        value: f64,
        /// The family.
        family: &'static str,
        /// What it may be.
        accepted: &'static str,
    },
    /// The kind of response does not fit the family.
    #[error("the {family} family needs {accepted} as its response")]
    ResponseKind {
        /// The family.
        family: &'static str,
        /// What it needs.
        accepted: &'static str,
    },
    /// A continuous response without variance.
    #[error("\"{response}\" is {value} in every row; a {family} model needs a response that varies")]
    Constant {
        /// Name of the response.
        response: String,
        /// What it is.
        value: f64,
        /// The family.
        family: &'static str,
    },
    /// A weight that is not finite and above zero.
    #[error("the weight of observation {row} is {value}; weights are finite and above zero")]
    Weight {
        /// Row of the table, from 1.
        row: u32,
        /// What it is.
        value: f64,
    },
    /// A number in a model matrix, offset or random term that is not finite.
    #[error("column \"{column}\" has the value {value} at observation {row}; model columns are finite")]
    NotFinite {
        /// Name of the column.
        column: String,
        /// Row of the table, from 1.
        row: u32,
        /// What it is.
        value: f64,
    },
    /// A zero part was asked for without a predictor, or the other way round.
    #[error("a zero part needs a formula of its own and a family that can have one: {problem}")]
    ZeroPart {
        /// What does not go together.
        problem: &'static str,
    },
    /// More random effects of a term than observations, in a linear mixed model.
    #[error(
        "term ({columns} | {group}) has {effects} random effects for {rows} observations; together with the residual \
         variance they cannot be told apart"
    )]
    TooManyEffects {
        /// Columns.
        columns: String,
        /// Group.
        group: String,
        /// Random effects.
        effects: usize,
        /// Observations.
        rows: usize,
    },
    /// Quadrature with random effects for which it is not defined.
    #[error("quadrature needs a scalar random effect as the factor with most levels: {problem}")]
    Quadrature {
        /// What stands against it.
        problem: String,
    },
    /// θ given as a start has another length than the model's.
    #[error("{found} starting values for {expected} covariance parameters")]
    Start {
        /// Given.
        found: usize,
        /// Needed.
        expected: usize,
    },
    /// The likelihood could not be evaluated at the start.
    #[error("the likelihood cannot be evaluated at the starting values: {problem}")]
    Evaluation {
        /// What happened.
        problem: String,
    },
}

/// What the outer loop reports while it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// Evaluations so far.
    pub evaluations: usize,
    /// The log-likelihood there.
    pub log_lik: f64,
    /// The covariance parameters there, of the columns that the fit works with (see [`term_basis`](crate::term_basis)).
    pub theta: &'a [f64],
}

/// Fits a model. `observer` is told of every evaluation of the likelihood.
///
/// Linear mixed models go through the [profiled deviance](crate::profile), all others through
/// [Laplace's approximation](crate::laplace) or quadrature.
pub fn fit(design: &Design, settings: &Settings, observer: &mut dyn FnMut(Progress)) -> Result<Fit, FitError> {
    if let Some(without) = without_intercept(design, settings) {
        return fit(&without, settings, observer);
    }
    crate::check::check(design, settings)?;
    match TermBases::of(design) {
        None => fit_checked(design, settings, observer),
        Some(bases) => {
            let turned = fit_checked(&bases.turned(design), &bases.turned_settings(design, settings), observer)?;
            Ok(bases.restored(turned, design, settings))
        }
    }
}

fn fit_checked(design: &Design, settings: &Settings, observer: &mut dyn FnMut(Progress)) -> Result<Fit, FitError> {
    if !settings.is_linear() {
        return crate::generalised::fit_generalised(design, settings, observer);
    }
    crate::linear_mixed::fit_linear(design, settings, observer)
}

/// The design of ordered categories without the intercept, which the thresholds hold already; nothing where there is none.
fn without_intercept(design: &Design, settings: &Settings) -> Option<Design> {
    if settings.family != crate::settings::Family::Ordinal {
        return None;
    }
    let fixed = &design.mean.fixed;
    let at = fixed.names.iter().position(|n| n == "(Intercept)")?;
    let mut without = design.clone();
    let columns = &mut without.mean.fixed;
    columns.values.drain(at * fixed.rows..(at + 1) * fixed.rows);
    columns.names.remove(at);
    columns.term_of_column.remove(at);
    without.low = None;
    Some(without)
}
