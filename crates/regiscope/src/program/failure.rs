//! Why a command ended without its result, and the exit status that says so.

use crate::program::interrupt::INTERRUPTED;
use std::path::Path;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// A usage or input error, told in one sentence.
    Input(String),
    /// As [`Failure::Input`], already told on standard error.
    Told,
    /// The user interrupted.
    Interrupted(String),
    /// The reader of standard output went away.
    BrokenPipe,
}

/// How a command ended that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Done,
    /// Done, but a criterion of the document was missed.
    CriterionMissed,
    /// Done; the status is that of a command that was run for the user.
    OfCommand(u8),
}

impl Failure {
    /// An input error about a file; the sentence names the file once.
    pub fn file(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Input(named(path, reason))
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Input(_) | Self::Told => 2,
            Self::Interrupted(_) => INTERRUPTED,
            Self::BrokenPipe => 0,
        }
    }
}

/// The sentence with the file's name in front, unless it begins with it already.
fn named(path: &Path, reason: impl std::fmt::Display) -> String {
    let (path, reason) = (path.display().to_string(), reason.to_string());
    if reason.starts_with(&path) { reason } else { format!("{path}: {reason}") }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Input(format!("cannot write to standard output: {error}")),
        }
    }
}
