//! Why a run ended without its result.

use std::path::PathBuf;
use thiserror::Error;

/// Why a run ended without its result. Each is one sentence.
#[derive(Debug, Error)]
pub enum RunError {
    /// The folder holds a run already.
    #[error("{}: holds a run already; choose another folder, or --resume to go on with an interrupted one", .0.display())]
    FolderInUse(PathBuf),
    /// There is nothing to resume.
    #[error("{}: holds no run that could be resumed", .0.display())]
    NothingToResume(PathBuf),
    /// The folder's document is another one.
    #[error("{}: was begun with another document (its resolved form has changed); --resume needs the same one", .0.display())]
    DocumentChanged(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
