//! Volumes and images: the arrays the engines work on, and the files they come from and go to.
//!
//! **Arrays.** [`Volume`] is a [`Grid`](regiscope_geometry::Grid) (LPS, mm) with one value for each voxel,
//! x-fastest; [`Image`] is row-major. [`resample`], [`spline`], [`coarsen`], [`smooth`], [`mask`] and [`window`]
//! are functions from arrays to arrays.
//!
//! **Files.** [`read_volume`] gives what an engine computes with (f32, scaled), [`read_labels`] label maps,
//! [`read_image`] the numbers as stored, [`read_header`] shape and place without holding the numbers. The format
//! is recognised by content: NIfTI-1/2, MetaImage, NRRD, DICOM. [`write_volume`] chooses by the name.
//!
//! **Trust.** A file is believed only as far as its bytes go. Declared sizes are compared with what the file can
//! hold before anything is allocated ([`input`]), data files named by a header must lie in its own folder,
//! checksums are verified, and what cannot be read without a guess is refused with one sentence that names the
//! file ([`ReadError`]). What is doubtful and harmless becomes a [`Warning`] for the run record.
//!
//! **Memory.** [`read_volume`] decodes chunk by chunk into f32: where the numbers stand in one piece, compressed
//! or not, it holds less than a megabyte beside the volume.

pub mod coarsen;
#[cfg(test)]
mod damage;
pub mod dicom;
pub mod error;
mod fence;
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
pub mod picture;
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
