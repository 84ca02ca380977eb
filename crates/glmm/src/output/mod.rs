//! What people and scripts read of a fit: printed summaries, tables, forest plots, values for JSON.
//!
//! A [`FitDocument`] holds every figure; the other forms are made from it.

mod document;
mod entries;
mod forest;
mod inference;
mod inference_text;
mod layout;
mod linear;
mod summary;
mod tables;

pub use document::{FitDocument, Part, RandomValues, VarCorr, Written};
pub use entries::Entries;
pub use forest::forest_svg;
pub use inference::{Denominators, Inference, InferenceSettings};
pub use linear::LinearPart;
pub use summary::summary;
pub use tables::{coefficients_csv, coefficients_latex};
