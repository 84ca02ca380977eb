//! `regiscope energy`: the meter and what is reckoned from its reports.

mod fleet;
mod measure;
mod probe;
mod reports;
mod simulate;
mod sources;
mod words;

use crate::program::args::energy::{EnergyArgs, EnergyCommand};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;

/// Does what was asked with energy.
pub fn run(arguments: EnergyArgs, output: Output) -> Result<Ending, Failure> {
    match arguments.command {
        EnergyCommand::Measure(arguments) => measure::run(*arguments, output),
        EnergyCommand::Probe(arguments) => probe::run(&arguments, output),
        EnergyCommand::Replay { trace } => reports::replay(&trace, output),
        EnergyCommand::Merge { reports, same_machine } => reports::merge(&reports, same_machine, output),
        EnergyCommand::Compare(arguments) => reports::compare(&arguments, output),
        EnergyCommand::Footprint(arguments) => reports::footprint(&arguments, output),
        EnergyCommand::Export(arguments) => reports::export(&arguments, output),
        EnergyCommand::Fleet { fleet } => fleet::run(fleet.as_deref(), output),
        EnergyCommand::Simulate(arguments) => simulate::run(&arguments, output),
    }
}
