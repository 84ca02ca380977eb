//! A progress bar on standard error, only on a terminal.

use crate::program::output::{self, Output};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One bar, whose stage changes as the work goes on.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar, hidden where none is wanted.
    pub fn new(output: Output) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if output.draws_progress() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self { bar }
    }

    /// Shows counted steps of a stage.
    pub fn steps(&self, stage: &str, done: usize, total: usize, note: &str) {
        self.show("{msg:24} [{bar:30}] {pos}/{len} {elapsed} {prefix}", stage, done as u64, total as u64);
        self.bar.set_prefix(note.to_owned());
    }

    /// Shows bytes of a transfer.
    pub fn bytes(&self, stage: &str, done: u64, total: u64) {
        self.show("{msg} [{bar:30}] {bytes}/{total_bytes} {eta}", stage, done, total);
    }

    /// Removes the bar, so that the next line stands where it was.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, template: &str, stage: &str, done: u64, total: u64) {
        if self.bar.message() != stage {
            let coloured = if output::stderr_has_colour() {
                template.replace("{bar:30}", "{bar:30.cyan}")
            } else {
                template.into()
            };
            self.bar.set_style(ProgressStyle::with_template(&coloured).expect("the templates of this file are sound"));
            self.bar.set_message(stage.to_owned());
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}
