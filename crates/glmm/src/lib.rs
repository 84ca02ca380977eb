//! Linear and generalised linear mixed models.
//!
//! A [`table::Table`] of columns and a formula in lme4's language become a [`design::Design`] (responses, fixed-effect
//! model matrices, random terms), which the fitting functions take. The model of one predictor is
//!
//! η = X β + Σ_t Z_t b_t + offset,  b_t ~ N(0, Σ_t ⊗ I),  Σ_t = Λ_t(θ) Λ_t(θ)ᵀ (times σ² for linear mixed models),
//!
//! with one block of `columns` random effects for each level of the grouping factor of term t
//! (Bates, Mächler, Bolker & Walker 2015, "Fitting Linear Mixed-Effects Models Using lme4", J. Stat. Softw. 67(1)).

pub mod basis;
pub mod check;
pub mod cholesky;
pub mod collation;
pub mod cross;
pub mod decimal;
pub mod design;
pub mod distinct;
pub mod family;
pub mod family_name;
pub mod fit;
pub mod formula;
pub mod generalised;
pub mod generalised_report;
pub mod infer;
pub mod joint;
pub mod laplace;
pub mod linear;
pub mod linear_mixed;
pub mod matrix;
pub mod outer;
pub mod output;
pub mod profile;
pub mod quote_watch;
pub mod random;
pub mod read_csv;
pub mod report;
pub mod runs;
pub mod selected;
pub mod settings;
pub mod sparse;
pub mod start;
pub mod table;
pub mod term_basis;
#[cfg(test)]
mod testing;
pub mod verdict;
