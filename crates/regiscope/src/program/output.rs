//! Standard output for results, standard error for everything said to people on the way.

use crate::program::args::{JsonTarget, OutputArgs};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// How much is said, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Results as JSON.
    pub json: bool,
    verbose: bool,
    quiet: bool,
}

impl Output {
    /// As asked for on the command line.
    pub fn new(arguments: &OutputArgs) -> Self {
        Self { json: arguments.json == Some(JsonTarget::Stdout), verbose: arguments.verbose, quiet: arguments.quiet }
    }

    /// Writes the result: as JSON if that was asked for, else as the text.
    pub fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let mut written = if self.json { serde_json::to_string_pretty(value)? } else { text() };
        if !written.ends_with('\n') {
            written.push('\n');
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(written.as_bytes())?;
        stdout.flush()
    }

    /// A note that a person should see: a warning, or which file was written.
    pub fn note(&self, sentence: impl std::fmt::Display) {
        if !self.quiet {
            say(sentence);
        }
    }

    /// A detail for who asked for more.
    pub fn detail(&self, sentence: impl std::fmt::Display) {
        if self.verbose {
            say(sentence);
        }
    }

    /// Whether progress may be drawn: on a terminal, unless asked to be quiet.
    pub fn draws_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// Whether colours may be used on standard error: on a terminal, unless `NO_COLOR` is set (no-color.org) or the
/// terminal is a dumb one.
pub fn stderr_has_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// Columns of the terminal that standard error is, if it is one.
pub fn stderr_width() -> Option<usize> {
    io::stderr().is_terminal().then(|| usize::from(console::Term::stderr().size().1).clamp(40, 120))
}

/// One line on standard error; a closed pipe there is nobody's concern.
pub fn say(sentence: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{sentence}");
}
