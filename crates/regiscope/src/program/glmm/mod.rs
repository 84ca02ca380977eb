//! `regiscope glmm`: mixed models of tables.

mod compare;
mod fit;
mod inference;
mod intervals;
mod model;
#[cfg(feature = "tables")]
mod parquet;
mod predict;
mod simulate;
mod table;

use crate::program::args::glmm::{GlmmArgs, GlmmCommand};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;

/// Does what was asked with a mixed model.
pub fn run(arguments: GlmmArgs, output: Output) -> Result<Ending, Failure> {
    match arguments.command {
        GlmmCommand::Fit(arguments) => fit::run(*arguments, output),
        GlmmCommand::Predict(arguments) => predict::run(*arguments, output),
        GlmmCommand::Compare(arguments) => compare::run(*arguments, output),
        GlmmCommand::Simulate(arguments) => simulate::run(*arguments, output),
        GlmmCommand::Profile(arguments) => intervals::profile(*arguments, output),
        GlmmCommand::Bootstrap(arguments) => intervals::bootstrap(*arguments, output),
    }
}
