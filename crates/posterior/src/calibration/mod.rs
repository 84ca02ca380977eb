//! Whether posteriors mean what they say: ranks, coverage, distances to a reference posterior.

pub mod coverage;
pub mod distance;
pub mod ranks;

pub use coverage::{Coverage, MassReliability, highest_density, tarp};
pub use distance::{PoseMetric, c2st, mmd2};
pub use ranks::{Uniformity, holm, relative_rank};
