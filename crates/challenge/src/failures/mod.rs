//! What makes algorithms fail: mixed models of failures and scores on the characteristics of cases.
//!
//! The model is that of Roß et al. 2023, section 2.4: algorithm a fails on case i of group p with probability
//!
//! logit P = β₀ + Σ_j (β_j + s_aj) x_ij + u_i + u_p + u_a,
//!
//! with random effects u of cases, of nested groups (procedures in types) and of algorithms, and algorithms' deviations s
//! from the field. Odds ratios exp β_j say what a characteristic does to the field, shrunken s_aj where an algorithm is
//! stronger or weaker than the field; risks are probabilities with the effects of cases and groups integrated out.
//!
//! | module | what |
//! |---|---|
//! | [`observations`] | results and characteristics from a table, checked |
//! | [`model`] | the model of failures: design and fit |
//! | [`odds`] | odds ratios with intervals, adjusted for their number |
//! | [`linearised`] | joint covariance of fixed and random effects; tests of what the model leaves out |
//! | [`risk`] | probabilities of failure: by algorithm, marginal effects, new cases |
//! | [`mix`] | weights of cases for chosen conditions |
//! | [`ranks`] | ranks of algorithms by their risk, with intervals |
//! | [`profile`] | strengths and weaknesses of algorithms |
//! | [`spread`] | deviations of algorithms where their spread is uncertain |
//! | [`screen`] | pairs of characteristics whose effects do not add up |
//! | [`diagnostics`] | collinearity, separation, residuals |
//! | [`score`] | the model of the score: zero-inflated beta |
//! | [`imputation`] | uncertain labels carried into the model |
//! | [`labels`] | from annotations to characteristics |
//! | [`pareto`] | score against energy |
//! | [`analysis`] | all of it in one |

pub mod analysis;
pub mod diagnostics;
pub mod imputation;
pub mod labels;
pub mod linearised;
pub mod logistic_normal;
pub mod mix;
pub mod model;
pub mod observations;
mod observations_error;
pub mod odds;
mod outcome;
pub mod pareto;
pub mod profile;
pub mod ranks;
pub mod risk;
pub mod score;
pub mod screen;
pub mod spread;
#[cfg(test)]
mod testing;

pub use analysis::{FailureAnalysis, FailureSettings, analyse};
pub use observations::{FailureColumns, Observations, ObservationsError, Outcome};
pub use regiscope_glmm::infer::multiplicity::Adjustment;

/// Why there is no analysis.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FailureError {
    /// The table.
    #[error(transparent)]
    Observations(#[from] ObservationsError),
    /// All results are failures, or none is.
    #[error(
        "{failures} of {rows} results are failures, so that nothing tells which characteristics make them; accepted are results of both kinds (another threshold?)"
    )]
    OneOutcome {
        /// Failures.
        failures: usize,
        /// Results.
        rows: usize,
    },
    /// No characteristic varies.
    #[error("no characteristic varies over the cases; accepted is at least one that does")]
    NoEffect,
    /// A characteristic that is named for something else is not among those of the model.
    #[error("{what} names {found:?}; the characteristics of the model are {}", .there.join(", "))]
    NoCharacteristic {
        /// What names it.
        what: &'static str,
        /// The name.
        found: String,
        /// The characteristics.
        there: Vec<String>,
    },
    /// Conditions that no weights of the cases give.
    #[error("no weights of the cases give {what}: {reason}")]
    Mix {
        /// The condition.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A number out of its range.
    #[error("{what} is {found}; accepted is {accepted}")]
    Value {
        /// What it is.
        what: &'static str,
        /// The number.
        found: f64,
        /// The range.
        accepted: &'static str,
    },
    /// The model cannot be fitted.
    #[error("the model of {of} has no fit: {reason}")]
    Fit {
        /// Failures, or the score.
        of: &'static str,
        /// Why.
        reason: String,
    },
}
