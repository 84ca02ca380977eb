//! NIfTI-1 and NIfTI-2: one file (`.nii`) or a pair (`.hdr` + `.img`), plain or gzip, both byte orders.
//!
//! The reader is our own: what of a header counts (352 or 544 bytes) is small, the voxels are to be decoded
//! straight into f32 without holding the file, and every declared size is checked against the bytes that are
//! there before anything is allocated. Shape, affine and voxels are those of nibabel; where nibabel repairs a
//! header in silence, the repair is a warning here, and where readers disagree (`vox_offset` inside the header,
//! `bitpix` against `datatype`, zero spacing) the file is refused.
//!
//! Units: positions in metres or micrometres are converted to mm for the grid, with a warning;
//! [`crate::Header::affine`] keeps the numbers of the file. Unknown units are taken as mm, with a warning.

#[cfg(test)]
mod damage_tests;
mod header;
mod place;
#[cfg(test)]
mod sketch;
#[cfg(test)]
mod tests;
mod write;

pub use write::{write_nifti, write_nifti_displacements};

use crate::error::ReadError;
use crate::folder::Folder;
use crate::input::Input;
use crate::raw::{Format, Header};
use crate::read::Opened;
use crate::scalar::{Encoding, Scale};
use header::{Fields, SIZE_1, SIZE_2};
use std::path::{Path, PathBuf};

/// Whether a file begins like a NIfTI (or Analyze) header.
pub(crate) fn recognises(start: &[u8]) -> bool {
    header::recognised(start).is_some()
}

/// Reads the header of a file that [`recognises`] accepts and stops at its first voxel.
pub(crate) fn open(mut input: Input, folder: Folder) -> Result<Opened, ReadError> {
    let path = input.path().to_path_buf();
    let mut bytes = [0; SIZE_2];
    input.read_exact(&mut bytes[..4])?;
    let (version, byte_order) = header::recognised(&bytes).ok_or_else(|| {
        ReadError::field(
            &path,
            "sizeof_hdr",
            i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            "348 or 540",
        )
    })?;
    let size = if version == 1 { SIZE_1 } else { SIZE_2 };
    input.read_exact(&mut bytes[4..size])?;
    let mut warnings = Vec::new();
    let fields = header::parse(&path, &bytes[..size], version, byte_order, &mut warnings)?;
    let shape = fields.shape(&path)?;
    let scalar_type = fields.scalar_type(&path, &mut warnings)?;
    let scale = scale(&path, &fields)?;
    let place = place::place(&path, &fields, &shape, &mut warnings)?;
    let offset = data_offset(&path, &fields)?;
    if fields.single {
        skip_to(&mut input, offset, size)?;
    } else {
        // What follows the header of a pair are extensions.
        input.finish()?;
        input = folder.open(&partner(&path, ".hdr", ".img")?)?.ungzipped()?;
        skip_to(&mut input, offset, 0)?;
    }
    let header = Header {
        path,
        format: if version == 1 { Format::Nifti1 } else { Format::Nifti2 },
        shape,
        grid: place.grid,
        affine: place.affine,
        scalar_type,
        scale,
        intent: fields.intent_code,
        warnings,
    };
    Ok(Opened { header, encoding: Encoding { scalar_type, byte_order }, input })
}

/// The header that belongs to an `.img` file.
pub(crate) fn header_of(image: &Path) -> Result<PathBuf, ReadError> {
    Folder::Of(image).resolve(&partner(image, ".img", ".hdr")?)
}

/// Name of the other file of a pair: same folder, same name, plain or gzip.
fn partner(path: &Path, own: &str, other: &str) -> Result<String, ReadError> {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let stem = [format!("{own}.gz"), own.to_string()].iter().find_map(|ending| lower.strip_suffix(ending.as_str()));
    let Some(stem) = stem.map(|s| &name[..s.len()]) else {
        let accepted = "a name that ends in .hdr, with the data beside it in .img";
        return Err(ReadError::unsupported(path, "a NIfTI header of a pair under this name", accepted));
    };
    [other.to_string(), format!("{other}.gz"), other.to_uppercase()]
        .iter()
        .map(|ending| format!("{stem}{ending}"))
        .find(|candidate| path.with_file_name(candidate).is_file())
        .ok_or_else(|| ReadError::damaged(path, format!("the other file of the pair, {stem}{other}, is missing")))
}

/// Slope 0 or not finite means no scaling, as in nibabel; a slope with a broken intercept is refused.
fn scale(path: &Path, fields: &Fields) -> Result<Option<Scale>, ReadError> {
    let (slope, intercept) = (fields.scl_slope, fields.scl_inter);
    if slope == 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    if !intercept.is_finite() {
        return Err(ReadError::field(path, "scl_inter", intercept, "a finite number where scl_slope is set"));
    }
    Ok(Scale { slope, intercept }.unless_identity())
}

/// Where the voxels begin in their file.
fn data_offset(path: &Path, fields: &Fields) -> Result<u64, ReadError> {
    let offset = fields.vox_offset;
    let least = match (fields.single, fields.version) {
        (false, _) => 0,
        (true, 1) => SIZE_1 + 4,
        (true, _) => SIZE_2 + 4,
    };
    if !(offset >= least as f64 && offset < 9e15 && offset.fract() == 0.0) {
        return Err(ReadError::field(path, "vox_offset", offset, format!("whole numbers from {least} on")));
    }
    Ok(offset as u64)
}

/// Passes over extensions up to the first voxel.
fn skip_to(input: &mut Input, offset: u64, at: usize) -> Result<(), ReadError> {
    let skip = offset - at as u64;
    if skip > input.limit() {
        let accepted = format!("places inside the file, which ends at byte {}", input.limit() + at as u64);
        return Err(ReadError::field(input.path(), "vox_offset", offset, accepted));
    }
    input.skip(skip)
}

/// NIfTI's intent code for vectors at each voxel (`NIFTI_INTENT_VECTOR`), which ITK uses for displacements.
pub const INTENT_VECTOR: i32 = 1007;
