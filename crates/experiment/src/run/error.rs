//! Why a run ended without its result.

use regiscope_image::{ReadError, WriteError};
use std::path::{Path, PathBuf};
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
    #[error("{}: was begun with another document; --resume needs the document as it was", .0.display())]
    DocumentChanged(PathBuf),
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A camera or transform file could not be read or written.
    #[error(transparent)]
    GeometryFile(#[from] regiscope_geometry::file::FileError),
    /// Two files do not belong together.
    #[error("{}: {reason}", path.display())]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// What was found and what is accepted.
        reason: String,
    },
    /// The document asks for something that its data cannot give.
    #[error("{0}")]
    Unusable(String),
    /// The phantom was refused.
    #[error("[phantom]: {0}")]
    Phantom(#[from] regiscope_datasets::phantom::PhantomError),
    /// The pair of brains was refused.
    #[error("[brain_pair]: {0}")]
    Brains(#[from] regiscope_datasets::brain::PairError),
    /// The study was refused.
    #[error("[study]: {0}")]
    Study(#[from] regiscope_datasets::study::StudyError),
    /// The failures cannot be analysed.
    #[error(transparent)]
    Failures(#[from] regiscope_challenge::failures::FailureError),
    /// Hounsfield units could not be mapped.
    #[error("[attenuation]: {0}")]
    Attenuation(#[from] regiscope_drr::attenuation::AttenuationError),
    /// The detector of the simulation was refused.
    #[error("[simulate]: {0}")]
    Detector(#[from] regiscope_drr::physics::DetectorError),
    /// The volume could not be divided into parts.
    #[error("`register.per_label`: {0}")]
    Pieces(#[from] regiscope_pose::PiecewiseError),
    /// The volume cannot be rendered.
    #[error("the volume cannot be rendered: {0}")]
    Render(#[from] regiscope_drr::DrrError),
    /// The registration's problem was refused.
    #[error("{0}")]
    Problem(#[from] regiscope_pose::ProblemError),
    /// A level of the pyramid was refused.
    #[error("{0}")]
    Level(#[from] regiscope_pose::LevelError),
    /// The report's template failed.
    #[error("the report could not be written: {0}")]
    Report(#[from] minijinja::Error),
}

impl RunError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }
}
