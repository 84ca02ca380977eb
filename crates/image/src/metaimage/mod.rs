//! MetaImage (.mha, .mhd with .raw or .zraw), the format of ITK and VTK.
//!
//! A text header ends with `ElementDataFile`, which says where the numbers are: `LOCAL` (right behind it), the
//! name of a file, a numbered pattern (`slice%03d.raw 1 20 1`) or `LIST` with one name a line. Names are
//! followed in the header's own folder only. The world is LPS in mm. Several components of a voxel stand
//! together in the file and become the fifth axis of the image.
//!
//! Format: <https://itk.org/Wiki/ITK/MetaIO/Documentation>.

mod header;
mod write;

pub use write::{write_metaimage, write_metaimage_to};

use crate::error::ReadError;
use crate::folder::Folder;
use crate::header_text::{MAX_LINE, MAX_LINES, quoted};
use crate::input::Input;
use crate::list::{self, DataFiles};
use crate::raw::{Format, Header};
use crate::scalar::Encoding;
use crate::stored::{Form, Place, Stored};
use header::MetaHeader;
use std::path::Path;

/// Whether a file is MetaImage: by its ending, or because it begins with one of the keys that headers begin with.
pub(crate) fn recognises(path: &Path, start: &[u8]) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let first = String::from_utf8_lossy(start.split(|&b| matches!(b, b'=' | b':' | b'\n')).next().unwrap_or_default())
        .into_owned();
    matches!(ending.as_str(), "mha" | "mhd") || matches!(first.trim(), "ObjectType" | "NDims")
}

/// Reads the header and finds the numbers.
pub(crate) fn open(mut input: Input, folder: Folder) -> Result<Stored, ReadError> {
    let path = input.path().to_path_buf();
    let meta = header::read(&mut input)?;
    let form = form(&meta);
    let place = place(&meta, input, folder, form)?;
    let components_first = meta.channels;
    Ok(Stored { header: described(&path, meta), components_first, form, place })
}

fn form(meta: &MetaHeader) -> Form {
    let MetaHeader { scalar_type, byte_order, .. } = *meta;
    if meta.binary { Form::Binary(Encoding { scalar_type, byte_order }) } else { Form::Text(scalar_type) }
}

fn described(path: &Path, meta: MetaHeader) -> Header {
    Header {
        path: path.to_path_buf(),
        format: Format::MetaImage,
        shape: meta.shape,
        affine: meta.grid.ras_affine(),
        grid: meta.grid,
        scalar_type: meta.scalar_type,
        scale: None,
        intent: 0,
        warnings: meta.warnings,
    }
}

/// Finds the numbers.
fn place(meta: &MetaHeader, mut input: Input, folder: Folder, form: Form) -> Result<Place, ReadError> {
    let path = input.path().to_path_buf();
    let values = meta.shape.iter().product::<usize>() as u64;
    let bytes = values * meta.scalar_type.size() as u64;
    let local = meta.data_file.eq_ignore_ascii_case("LOCAL");
    let files = if local { None } else { Some(data_files(meta, &mut input)?) };
    let mut data = match files {
        None => input,
        Some(DataFiles::One(name)) => folder.open(&name)?,
        Some(DataFiles::Parts(_)) if meta.compressed => {
            return Err(ReadError::unsupported(&path, "compressed data in several files", "one compressed file"));
        }
        Some(DataFiles::Parts(names)) => {
            let files = names.iter().map(|name| folder.resolve(name)).collect::<Result<_, _>>()?;
            return Ok(Place::Parts { files, skip: meta.header_size });
        }
    };
    match meta.header_size {
        Some(0) => {}
        Some(_) if local => {
            return Err(ReadError::unsupported(&path, "HeaderSize with attached data", "HeaderSize = 0 or -1"));
        }
        Some(skip) => data.skip(skip)?,
        None if meta.compressed || !meta.binary => {
            return Err(ReadError::unsupported(&path, "HeaderSize = -1 for data that are not raw", "HeaderSize = 0"));
        }
        None => data.skip_to_last(bytes)?,
    }
    if meta.compressed {
        // MetaIO writes zlib streams and reads gzip as well.
        data = if data.look_ahead(2)?.starts_with(&[0x1f, 0x8b]) { data.gunzip() } else { data.unzlib() };
    }
    if form == Form::Text(meta.scalar_type) {
        data.require(values.saturating_mul(2).saturating_sub(1))?;
    } else {
        data.require(bytes)?;
    }
    Ok(Place::Here(data))
}

/// What `ElementDataFile` names. Several files hold one slice each; an optional word or number says so (`2D`).
fn data_files(meta: &MetaHeader, input: &mut Input) -> Result<DataFiles, ReadError> {
    let path = input.path().to_path_buf();
    let slices = meta.dim_size[2..].iter().product::<usize>();
    let refused = |accepted: String| ReadError::field(&path, "ElementDataFile", quoted(&meta.data_file), accepted);
    let mut words = meta.data_file.split_whitespace();
    let files = if words.next().is_some_and(|w| w.eq_ignore_ascii_case("LIST")) {
        if words.next().is_some_and(|d| !matches!(d, "2D" | "2d" | "2")) {
            return Err(refused("LIST or LIST 2D: files that hold one slice each".into()));
        }
        DataFiles::Parts(listed(input, slices)?)
    } else {
        list::pattern(&meta.data_file, MAX_LINES).map_err(refused)?
    };
    match &files {
        DataFiles::Parts(names) if names.len() != slices || meta.dim_size.len() < 3 => {
            Err(refused(format!("one file for each of {slices} slices, {} are named", names.len())))
        }
        _ => Ok(files),
    }
}

/// The lines after `LIST`.
fn listed(input: &mut Input, slices: usize) -> Result<Vec<String>, ReadError> {
    let mut names = Vec::new();
    while names.len() < slices.min(MAX_LINES) {
        let Some(line) = input.read_line(MAX_LINE)? else { break };
        let name = String::from_utf8_lossy(&line).trim().to_string();
        if !name.is_empty() {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
