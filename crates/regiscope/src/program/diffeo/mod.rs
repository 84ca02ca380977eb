//! `regiscope diffeo`: deformations of volumes.

mod apply;
mod compare;
mod register;
mod transforms;

use crate::program::args::diffeo::{DiffeoArgs, DiffeoCommand};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;

/// Runs a command.
pub fn run(arguments: DiffeoArgs, output: Output) -> Result<Ending, Failure> {
    match arguments.command {
        DiffeoCommand::Register(arguments) => register::run(*arguments, output),
        DiffeoCommand::Apply(arguments) => apply::run(arguments, output),
        DiffeoCommand::Invert(arguments) => transforms::invert(arguments, output),
        DiffeoCommand::Compose(arguments) => transforms::compose(arguments, output),
        DiffeoCommand::Jacobian(arguments) => transforms::jacobian(arguments, output),
        DiffeoCommand::Compare(arguments) => compare::run(arguments, output),
    }
}
