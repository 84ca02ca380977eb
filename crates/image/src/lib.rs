//! Volumes and images: the arrays the engines work on, and the files they come from and go to.

pub mod coarsen;
#[cfg(test)]
mod damage;
pub mod dicom;
pub mod error;
mod folder;
mod header_text;
pub mod input;
mod list;
pub mod mask;
pub mod metaimage;
pub mod nifti;
pub mod npy;
pub mod nrrd;
pub mod output;
pub mod raw;
pub mod read;
pub mod resample;
pub mod scalar;
pub mod smooth;
pub mod spline;
mod stored;
pub mod volume;
pub mod window;
pub mod write;

pub use error::{ReadError, Warning, WriteError};
pub use metaimage::write_metaimage;
pub use nifti::{write_nifti, write_nifti_displacements};
pub use nrrd::write_nrrd;
pub use output::write_atomically;
pub use raw::{Format, Header, RawImage, Samples};
pub use read::{Loaded, Opened, read_header, read_image, read_image_bytes, read_labels, read_volume};
pub use scalar::{ByteOrder, Encoding, Scalar, ScalarType, Scale};
pub use volume::{Image, Volume};
pub use write::write_volume;
