//! A fence around libraries that panic on some broken files.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};

static FENCED: AtomicUsize = AtomicUsize::new(0);

/// Whether panics are being turned into refusals just now, so that the panic hook keeps silent.
pub fn is_fenced() -> bool {
    FENCED.load(Ordering::SeqCst) > 0
}

/// Runs foreign code on a file; a panic inside (on any of its threads) comes back as its message.
pub fn fenced<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    FENCED.fetch_add(1, Ordering::SeqCst);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    FENCED.fetch_sub(1, Ordering::SeqCst);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("the reader gave up").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_is_a_message_outside() {
        assert_eq!(fenced(|| 3), Ok(3));
        assert_eq!(fenced(|| -> u8 { panic!("index {} out of range", 7) }), Err("index 7 out of range".into()));
        assert!(!is_fenced());
    }
}
