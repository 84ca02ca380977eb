//! What can be wrong with settings or inputs of the posterior engine.

use regiscope_drr::DrrError;
use regiscope_inn::InnError;
use regiscope_inn::train::{CheckpointError, TrainError};
use std::path::PathBuf;

/// A network that cannot be built, trained or used, or an input that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum PosteriorError {
    /// A setting outside its range.
    #[error("{field} is {found}; accepted is {accepted}")]
    Setting {
        /// The setting's path, as in `see.pixels`.
        field: String,
        /// The value that was found.
        found: String,
        /// The values that are accepted.
        accepted: String,
    },
    /// An image that the network was not made for.
    #[error("{what}: {found}; accepted is {accepted}")]
    Input {
        /// Which input.
        what: String,
        /// What it is.
        found: String,
        /// What is accepted.
        accepted: String,
    },
    /// A volume that cannot be rendered.
    #[error(transparent)]
    Render(#[from] DrrError),
    /// An image model or images that do not fit it.
    #[error(transparent)]
    ImageModel(#[from] regiscope_pose::posterior::ImageModelError),
    /// Settings that the flow refuses.
    #[error(transparent)]
    Flow(#[from] InnError),
    /// Training that cannot start or go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A checkpoint or model that cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file of a model that cannot be read or written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl PosteriorError {
    /// A refusal of the setting `field`.
    pub(crate) fn setting<T>(field: &str, found: impl ToString, accepted: &str) -> Result<T, Self> {
        Err(Self::Setting { field: field.to_owned(), found: found.to_string(), accepted: accepted.to_owned() })
    }

    /// A refusal of an input.
    pub(crate) fn input<T>(what: impl Into<String>, found: impl ToString, accepted: &str) -> Result<T, Self> {
        Err(Self::Input { what: what.into(), found: found.to_string(), accepted: accepted.to_owned() })
    }
}
