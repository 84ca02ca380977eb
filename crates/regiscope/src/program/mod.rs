//! The command line program.

mod args;
mod cache;
mod challenge;
mod check;
mod completions;
mod data;
mod diffeo;
mod document;
mod drr;
mod energy;
mod failure;
mod geometry;
mod glmm;
mod info;
mod interrupt;
mod labels;
mod output;
mod panics;
mod picture;
#[cfg(feature = "networks")]
mod posterior;
mod progress;
mod register;
mod run;
mod schema;

use args::{Arguments, Command};
use clap::Parser;
use failure::{Ending, Failure};
use output::{Output, say};
use std::process::ExitCode;
use std::time::Instant;

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    ExitCode::from(panics::reported(|| dispatch(Arguments::parse())))
}

/// Runs a command; gives the exit status.
fn dispatch(arguments: Arguments) -> u8 {
    let output = Output::new(&arguments.output);
    let started = Instant::now();
    let ended = match arguments.command {
        Command::Run(arguments) => run::run(arguments, output),
        Command::Check(arguments) => check::run(arguments, output),
        Command::Drr(arguments) => drr::run(*arguments, output),
        Command::Register(arguments) => register::run(*arguments, output),
        Command::Diffeo(arguments) => diffeo::run(arguments, output),
        #[cfg(feature = "networks")]
        Command::Posterior(arguments) => posterior::run(*arguments, output),
        Command::Info(arguments) => info::run(arguments, output),
        Command::Glmm(arguments) => glmm::run(arguments, output),
        Command::Data(arguments) => data::run(arguments, output),
        Command::Challenge(arguments) => challenge::run(*arguments, output),
        Command::Energy(arguments) => energy::run(*arguments, output),
        Command::Schema => schema::run(output),
        Command::Completions(arguments) => completions::run(arguments, output),
    };
    output.detail(format_args!("ended after {:.3} s", started.elapsed().as_secs_f64()));
    match ended {
        Ok(Ending::Done) => 0,
        Ok(Ending::CriterionMissed) => 1,
        Ok(Ending::OfCommand(status)) => status,
        Err(failure) => {
            if let Failure::Input(sentence) | Failure::Interrupted(sentence) = &failure {
                say(format_args!("regiscope: {sentence}"));
            }
            failure.status()
        }
    }
}
