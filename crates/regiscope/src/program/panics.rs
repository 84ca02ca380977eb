//! Panics: a bug ends the program in one sentence; one inside a fence around foreign code is a refusal.

use crate::program::output::say;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

/// Exit status of a bug.
pub const BUG: u8 = 101;

/// What the last panic on any thread said.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs the program. A panic that reaches the end is told in one sentence; one that is caught on the way (readers
/// fence decoders of other crates) is not told here, for its catcher says what it means.
pub fn reported(program: impl FnOnce() -> u8) -> u8 {
    panic::set_hook(Box::new(|info| *last() = one_line(&info.to_string())));
    panic::catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|_| {
        say(format_args!("regiscope: this is a bug, please report it with the command: {}", last()));
        BUG
    })
}

/// Runs foreign code on a file; a panic inside comes back as its message.
#[cfg(feature = "tables")]
pub fn fenced<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| last().clone())
}

fn last() -> std::sync::MutexGuard<'static, String> {
    LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_status_101_wherever_it_happens() {
        assert_eq!(reported(|| 3), 3);
        assert_eq!(reported(|| panic!("index {} out of range", 7)), BUG);
        assert!(last().contains("index 7 out of range") && !last().contains('\n'));
        assert_eq!(reported(|| std::thread::spawn(|| panic!("inside")).join().map_or(5, |()| 6)), 5);
    }
}
