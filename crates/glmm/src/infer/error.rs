//! Why an inference cannot be made.

use thiserror::Error;

use super::rectangle::RectangleError;
use crate::fit::FitError;

/// Why an inference cannot be made.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum InferenceError {
    /// The method is one of linear mixed models.
    #[error(
        "{method} needs a linear mixed model (gaussian family, identity link); the fit is {family} with the link {link}"
    )]
    NotLinear {
        /// What was asked for.
        method: &'static str,
        /// The family.
        family: &'static str,
        /// The link.
        link: &'static str,
    },
    /// Kenward and Roger's method rests on restricted likelihood.
    #[error("{method} needs a fit by restricted maximum likelihood; refit with REML")]
    NeedsReml {
        /// What was asked for.
        method: &'static str,
    },
    /// The fit was made from another design.
    #[error("the fit does not belong to the design: it has {found} {what}, the design {expected}")]
    OtherDesign {
        /// What differs.
        what: &'static str,
        /// In the fit.
        found: usize,
        /// In the design.
        expected: usize,
    },
    /// A matrix that must be positive definite is not.
    #[error("{what} is not positive definite, so that {method} has no result")]
    Indefinite {
        /// The matrix.
        what: &'static str,
        /// What was asked for.
        method: &'static str,
    },
    /// A contrast has another length than the coefficients.
    #[error("a contrast has {found} numbers; the model has {expected} coefficients")]
    Contrast {
        /// Numbers of the contrast.
        found: usize,
        /// Coefficients.
        expected: usize,
    },
    /// Something that was asked for is not there, or out of range.
    #[error("{what} is {found}; {accepted}")]
    Value {
        /// What was asked for.
        what: &'static str,
        /// What was found.
        found: String,
        /// What is accepted.
        accepted: String,
    },
    /// Models that cannot be compared.
    #[error("\"{first}\" and \"{second}\" cannot be compared: {problem}")]
    Comparison {
        /// A model.
        first: String,
        /// Another.
        second: String,
        /// Why.
        problem: String,
    },
    /// Integration over a family of tests.
    #[error(transparent)]
    Rectangle(#[from] RectangleError),
    /// A refit that could not be started.
    #[error(transparent)]
    Fit(#[from] FitError),
}
