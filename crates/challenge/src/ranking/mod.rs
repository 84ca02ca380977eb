//! Rankings of algorithms, and how sure they are.
//!
//! | module | what |
//! |---|---|
//! | [`method`] | ranking methods: aggregate-then-rank, rank-then-aggregate, test-then-rank |
//! | [`plain`] | the methods as their definitions read, on a resample written out case by case |
//! | [`prepared`] | the same on multiplicities of the cases: what bootstraps run |
//! | [`wilcoxon`], [`adjust`], [`significance`] | pairwise one-sided tests |
//! | [`bootstrap()`], [`jackknife`] | resampling by case or by cluster |
//! | [`confidence`] | simultaneous confidence sets for ranks |
//! | [`kendall`], [`consensus`], [`tree`] | agreement of rankings, one ranking from several, which tasks rank alike |
//! | [`analysis`] | all of it for one task |
//!
//! Symbols: n cases, K algorithms. Rank 1 is the best.

pub mod adjust;
pub mod analysis;
pub mod bootstrap;
pub mod confidence;
pub mod consensus;
pub mod jackknife;
pub mod kendall;
pub mod method;
pub mod order;
pub mod plain;
pub mod prepared;
pub mod significance;
pub mod tree;
pub mod wilcoxon;

pub use bootstrap::{Bootstrap, Resampling, bootstrap};
pub use method::{Aggregate, Method, Ranking, Test};
pub use prepared::Prepared;
