//! Linear regression and analysis of variance without random terms.

mod qr;
mod rank;
mod regression;

pub use rank::{EXACT_TOLERANCE, TOLERANCE, independent_columns};
pub use regression::{AnovaRow, LinearError, LinearFit, fit_linear};
