//! What can go wrong between a file and an array: every sentence names the file.

use regiscope_geometry::GridError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file was refused.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a format that is read here.
    #[error("{}: not an image that can be read: {found}; accepted are NIfTI-1/2 (.nii, .hdr + .img, .gz), MetaImage, NRRD, DICOM, grey PNG and TIFF, and NumPy arrays", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        found: String,
    },
    /// A header field holds something that is not accepted.
    #[error("{}: {field} is {found}; accepted: {accepted}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Name of the field in the format's own words.
        field: String,
        /// What it holds.
        found: String,
        /// What it may hold.
        accepted: String,
    },
    /// The file ends before its data.
    #[error("{}: truncated: {needed} bytes of data are declared and {found} are there", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header declares.
        needed: u64,
        /// Bytes that the file holds, or at most can hold.
        found: u64,
    },
    /// The bytes contradict themselves (broken compression, wrong checksum, data that cannot belong together).
    #[error("{}: damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A sound file with content that has no place here (complex numbers, colours, foreign compression, …).
    #[error("{}: {what} cannot be read; accepted: {accepted}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the file contains.
        what: String,
        /// What is accepted instead.
        accepted: String,
    },
    /// The array does not fit into memory.
    #[error("{}: its data take {bytes} bytes, more than this machine gives", path.display())]
    OutOfMemory {
        /// The file.
        path: PathBuf,
        /// Bytes asked for.
        bytes: u64,
    },
    /// The affine or shape does not make a grid.
    #[error("{}: {source}", path.display())]
    Grid {
        /// The file.
        path: PathBuf,
        /// Why the grid was refused.
        source: GridError,
    },
    /// A header points outside its own folder.
    #[error("{}: refers to the data file {reference:?}; accepted are names of files in the header's own folder", path.display())]
    ForeignReference {
        /// The header.
        path: PathBuf,
        /// The name it gives.
        reference: String,
    },
    /// More axes than a scalar volume has.
    #[error("{}: shape {shape:?} is not a single volume; accepted are three axes, further ones of extent 1", path.display())]
    NotAVolume {
        /// The file.
        path: PathBuf,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A value that is no label.
    #[error("{}: voxel {index:?} has the value {value}; labels are whole numbers from 0 to 65535", path.display())]
    NotALabel {
        /// The file.
        path: PathBuf,
        /// The first such voxel.
        index: [usize; 3],
        /// Its value.
        value: f64,
    },
}

impl ReadError {
    /// An error of the operating system about `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    /// A header field with a value that is not accepted.
    pub fn field(path: &Path, field: impl Into<String>, found: impl fmt::Display, accepted: impl Into<String>) -> Self {
        Self::Field {
            path: path.to_path_buf(),
            field: field.into(),
            found: found.to_string(),
            accepted: accepted.into(),
        }
    }

    /// Bytes that contradict themselves.
    pub fn damaged(path: &Path, detail: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), detail: detail.into() }
    }

    /// Sound content that has no place here.
    pub fn unsupported(path: &Path, what: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_path_buf(), what: what.into(), accepted: accepted.into() }
    }

    /// A shape or affine that makes no grid.
    pub fn grid(path: &Path, source: GridError) -> Self {
        Self::Grid { path: path.to_path_buf(), source }
    }

    /// The file the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::UnknownFormat { path, .. }
            | Self::Field { path, .. }
            | Self::Truncated { path, .. }
            | Self::Damaged { path, .. }
            | Self::Unsupported { path, .. }
            | Self::OutOfMemory { path, .. }
            | Self::Grid { path, .. }
            | Self::ForeignReference { path, .. }
            | Self::NotAVolume { path, .. }
            | Self::NotALabel { path, .. } => path,
        }
    }
}

/// Why a file was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The array or its place cannot be said in the format.
    #[error("{}: {what}; accepted: {accepted}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the format cannot hold.
        what: String,
        /// What it can hold.
        accepted: String,
    },
}

impl WriteError {
    /// An error of the operating system about `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    /// Content that the format cannot hold.
    pub fn unsupported(path: &Path, what: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_path_buf(), what: what.into(), accepted: accepted.into() }
    }
}

/// Something doubtful in an accepted file, in one sentence for the run record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(String);

impl Warning {
    /// Words a warning.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// The sentence.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
