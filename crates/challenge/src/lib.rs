//! Analysis of image-analysis challenges: from results to rankings with uncertainty.
//!
//! The framework is that of Roß et al. 2023, "Beyond rankings: Learning (more) from algorithm validation", Medical Image
//! Analysis 86, and of Wiesenfarth et al. 2021, "Methods and open-source toolkit for analyzing and visualizing challenge
//! results", Scientific Reports 11.

pub mod annotations;
pub mod failures;
pub mod manifest;
pub mod metrics;
pub mod ranking;
pub mod results;
pub mod sum;
pub mod table;
