//! The command line program.

mod args;
mod cache;
mod check;
mod completions;
mod data;
mod document;
mod failure;
#[cfg(feature = "tables")]
mod guard;
mod info;
mod interrupt;
mod output;
mod progress;
mod register;
mod run;
mod schema;

use args::{Arguments, Command};
use clap::Parser;
use failure::{Ending, Failure};
use output::{Output, say};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

/// Exit status of a bug.
const BUG: u8 = 101;

/// Runs the program on the arguments of the process.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        #[cfg(feature = "tables")]
        if guard::is_fenced() {
            return;
        }
        say(format_args!("regiscope: this is a bug, please report it with the command: {}", one_line(info)));
    }));
    panic::catch_unwind(AssertUnwindSafe(|| dispatch(Arguments::parse()))).unwrap_or(ExitCode::from(BUG))
}

fn dispatch(arguments: Arguments) -> ExitCode {
    let output = Output::new(arguments.output);
    let ended = match arguments.command {
        Command::Run(arguments) => run::run(arguments, output),
        Command::Check(arguments) => check::run(arguments, output),
        Command::Register(arguments) => register::run(*arguments, output),
        Command::Data(arguments) => data::run(arguments, output),
        Command::Schema => schema::run(output),
        Command::Info(arguments) => info::run(arguments, output),
        Command::Completions(arguments) => completions::run(arguments, output),
    };
    match ended {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::CriterionMissed) => ExitCode::from(1),
        Err(failure) => {
            if let Failure::Input(sentence) | Failure::Interrupted(sentence) = &failure {
                say(format_args!("regiscope: {sentence}"));
            }
            failure.status()
        }
    }
}

fn one_line(info: &panic::PanicHookInfo) -> String {
    info.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
