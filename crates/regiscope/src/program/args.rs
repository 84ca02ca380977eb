//! The command line as it may be typed. Only clap is used here: what the values mean is checked by the commands.

use clap::{Args, Parser, Subcommand, ValueHint};
use std::path::PathBuf;

/// Registers X-ray images to CT volumes, and says how well that went.
///
/// Every command is a thin form of the library. Exit status: 0 done, 1 a criterion of the document was missed,
/// 2 a usage or input error, 101 a bug of this program, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "regiscope", version = env!("REGISCOPE_VERSION"), propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// How the program speaks.
#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArgs {
    /// Writes one JSON value to standard output instead of text
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Says more on standard error: what was read, chosen and how long it took
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Output")]
    pub verbose: bool,
    /// Says nothing on standard error but errors: no progress, no warnings
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says what a file holds, or why it is refused
    ///
    /// Images (NIfTI, MetaImage, NRRD, DICOM, PNG, TIFF, NPY), ITK transforms, camera files, tables (CSV, Parquet)
    /// and experiment documents.
    Info(InfoArgs),
    /// Writes a shell's completion script to standard output
    Completions(CompletionsArgs),
}

/// `regiscope info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The file to look at; a folder is read as a DICOM series
    #[arg(value_hint = ValueHint::AnyPath)]
    pub file: PathBuf,
    /// Also gives the value of one voxel, indices from 0
    #[arg(long, value_name = "I,J,K", value_parser = parse_index)]
    pub voxel: Option<[usize; 3]>,
}

/// `regiscope completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

fn parse_index(text: &str) -> Result<[usize; 3], String> {
    parse_triple(text).ok_or_else(|| "expected three whole numbers from 0, as in 12,0,7".to_owned())
}

fn parse_triple<T: std::str::FromStr>(text: &str) -> Option<[T; 3]> {
    let values: Vec<T> = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    values.try_into().ok()
}
