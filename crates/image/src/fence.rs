//! Calls into decoders of other crates, at the border of what we vouch for.

use crate::error::ReadError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs a decoder; should it panic on a hostile file, the file is refused as damaged. (No effect in programs
/// built with `panic = "abort"`.)
pub(crate) fn fenced<T>(path: &Path, decode: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ReadError::damaged(path, "its decoder gave up on the contents")))
}
