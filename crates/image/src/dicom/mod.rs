//! DICOM: a series of slices as a volume, and single X-ray images.
//!
//! Elements are decoded by `dicom-object`, behind a walk over the file (`walk`) that checks every length, so
//! that nothing is allocated that the file does not hold. Pixels are unpacked here: plain numbers (8 and 16
//! bits, both byte orders), RLE, and JPEG baseline and lossless through `jpeg-decoder`. (The RLE adapter of
//! `dicom-pixeldata` 0.10 allocates and indexes by unchecked header fields; its other codecs are C code.) Other
//! transfer syntaxes are refused by name. Calls into both dependencies are fenced with `catch_unwind`: should a
//! hostile file make them panic, the file is refused as damaged (in programs built with `panic = "abort"` the
//! fence has no effect).
//!
//! The world of DICOM is LPS in mm, and so is ours.

mod dataset;
mod pixels;
mod rle;
mod series;
mod slice;
pub(crate) mod walk;
mod xray;

pub use series::read_dicom_series;
pub use xray::{XRay, read_xray, read_xray_bytes};

use crate::error::ReadError;
use crate::input::Input;
use crate::raw::RawImage;
use dataset::Dataset;
use dicom_dictionary_std::tags;

/// Reads one DICOM file: a slice of a series as a volume of one layer, an X-ray image as its frames.
pub(crate) fn read_file(input: Input) -> Result<RawImage, ReadError> {
    let data = Dataset::from_input(input)?;
    if data.text(tags::IMAGE_POSITION_PATIENT).is_some() { series::single(&data) } else { xray::image(&data) }
}

#[cfg(test)]
mod tests;
