//! Volumes and images: the arrays the engines work on, and the files they come from and go to.

pub mod error;
pub mod input;
pub mod nifti;
pub mod npy;
pub mod output;
pub mod raw;
pub mod read;
pub mod scalar;
pub mod volume;

pub use error::{ReadError, Warning, WriteError};
pub use nifti::{write_nifti, write_nifti_displacements};
pub use output::write_atomically;
pub use raw::{Format, Header, RawImage, Samples};
pub use read::{Loaded, Opened, read_header, read_image, read_labels, read_volume};
pub use scalar::{ByteOrder, Encoding, Scalar, ScalarType, Scale};
pub use volume::{Image, Volume};
