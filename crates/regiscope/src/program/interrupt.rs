//! SIGINT and SIGTERM: the first asks the work to end cleanly, the second ends the program at once.

use crate::program::output::say;
use std::sync::atomic::{AtomicBool, Ordering};

static CANCEL: AtomicBool = AtomicBool::new(false);

/// Exit status of an interrupted program.
pub const INTERRUPTED: u8 = 130;

/// The flag that the first signal sets; from now on signals are caught.
pub fn flag() -> &'static AtomicBool {
    // The handler can be set once in a process, and one command runs in a process.
    let set = ctrlc::set_handler(|| {
        if CANCEL.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        say("regiscope: interrupted, ending after the current step (again to end at once)");
    });
    if let Err(error) = set {
        say(format_args!("warning: signals cannot be caught ({error}); an interrupt ends the program at once"));
    }
    &CANCEL
}
