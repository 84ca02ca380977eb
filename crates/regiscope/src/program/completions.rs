//! `regiscope completions`: the script a shell loads to complete commands and options.

use crate::program::args::{Arguments, CompletionsArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use clap::CommandFactory;
use serde_json::json;

/// Writes the completion script of a shell.
pub fn run(arguments: CompletionsArgs, output: Output) -> Result<Ending, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "regiscope", &mut script);
    let script = String::from_utf8(script).expect("completion scripts are text");
    output.result(&json!({ "shell": arguments.shell.to_string(), "script": script }), || script.clone())?;
    Ok(Ending::Done)
}
