//! NRRD (.nrrd with attached data, .nhdr with data beside it), the format of Teem and 3D Slicer.
//!
//! Encodings raw, gzip and text. Spaces named by patient directions are turned to LPS; a space without a name
//! is taken as LPS and noted. Axes before the spatial ones (vectors, colours) become the fifth axis of the
//! image. Measurement frames and key/value pairs do not enter. Data files are followed in the header's own
//! folder only.
//!
//! Format: <https://teem.sourceforge.net/nrrd/format.html>.

mod axes;
mod fields;
mod write;

pub use write::{write_nrrd, write_nrrd_to};

use crate::error::{ReadError, Warning};
use crate::folder::Folder;
use crate::header_text::{number, quoted};
use crate::input::Input;
use crate::list::{self, DataFiles};
use crate::raw::{Format, Header};
use crate::scalar::{ByteOrder, Encoding, ScalarType};
use crate::stored::{Form, Place, Stored};
use axes::Axes;
use fields::Fields;

/// Whether a file begins like NRRD.
pub(crate) fn recognises(start: &[u8]) -> bool {
    start.starts_with(b"NRRD000")
}

/// Packing of the data.
#[derive(Clone, Copy, PartialEq)]
enum Packing {
    Raw,
    Gzip,
    Text,
}

/// Reads the header and finds the numbers.
pub(crate) fn open(mut input: Input, folder: Folder) -> Result<Stored, ReadError> {
    let fields = Fields::read(&mut input)?;
    let mut warnings: Vec<Warning> = Vec::new();
    let scalar_type = fields.scalar_type()?;
    let Axes { shape, components_first, grid } = axes::read(&fields, &mut warnings)?;
    let packing = packing(&fields)?;
    let form = match packing {
        Packing::Text => Form::Text(scalar_type),
        Packing::Raw | Packing::Gzip => {
            Form::Binary(Encoding { scalar_type, byte_order: byte_order(&fields, scalar_type)? })
        }
    };
    let values = shape.iter().product::<usize>();
    let place = place(&fields, input, folder, packing, form, values)?;
    let header = Header {
        path: fields.path.clone(),
        format: Format::Nrrd,
        shape,
        affine: grid.ras_affine(),
        grid,
        scalar_type,
        scale: None,
        intent: 0,
        warnings,
    };
    Ok(Stored { header, components_first, form, place })
}

fn packing(fields: &Fields) -> Result<Packing, ReadError> {
    let word = fields.required("encoding")?;
    match word.to_ascii_lowercase().as_str() {
        "raw" => Ok(Packing::Raw),
        "gz" | "gzip" => Ok(Packing::Gzip),
        "txt" | "text" | "ascii" => Ok(Packing::Text),
        _ => Err(ReadError::field(&fields.path, "encoding", quoted(word), "raw, gzip or text")),
    }
}

fn byte_order(fields: &Fields, scalar_type: ScalarType) -> Result<ByteOrder, ReadError> {
    match fields.get("endian").map(str::to_ascii_lowercase).as_deref() {
        Some("little") => Ok(ByteOrder::Little),
        Some("big") => Ok(ByteOrder::Big),
        None if scalar_type.size() == 1 => Ok(ByteOrder::Little),
        other => Err(ReadError::field(&fields.path, "endian", other.unwrap_or("missing"), "little or big")),
    }
}

/// Finds the numbers. Line skip counts in the file as it is, byte skip in what it unpacks to.
fn place(
    fields: &Fields,
    input: Input,
    folder: Folder,
    packing: Packing,
    form: Form,
    values: usize,
) -> Result<Place, ReadError> {
    let path = &fields.path;
    let skip = |name: &str| fields.get(name).map_or(Ok(0), |text| number::<i64>(path, name, text, "a whole number"));
    let lines = skip("lineskip")?;
    let lines = u64::try_from(lines).map_err(|_| ReadError::field(path, "line skip", lines, "a number from 0"))?;
    let byte_skip = match skip("byteskip")? {
        -1 if packing == Packing::Raw => None,
        bytes => Some(
            u64::try_from(bytes)
                .map_err(|_| ReadError::field(path, "byte skip", bytes, "a number from 0, or -1 for raw data"))?,
        ),
    };
    let mut data = match fields.get("datafile") {
        None => input,
        Some(text) => match data_files(fields, text, values)? {
            DataFiles::One(name) => folder.open(&name)?,
            DataFiles::Parts(_) if packing == Packing::Gzip || lines > 0 => {
                let what = "gzip or line skip with several data files";
                return Err(ReadError::unsupported(path, what, "raw data files without line skip"));
            }
            DataFiles::Parts(names) => {
                let files = names.iter().map(|name| folder.resolve(name)).collect::<Result<_, _>>()?;
                return Ok(Place::Parts { files, skip: byte_skip });
            }
        },
    };
    for _ in 0..lines {
        data.skip_line()?;
    }
    if packing == Packing::Gzip {
        data = data.gunzip();
    }
    match (byte_skip, form) {
        (Some(bytes), _) => data.skip(bytes)?,
        (None, Form::Binary(encoding)) => data.skip_to_last(values as u64 * encoding.scalar_type.size() as u64)?,
        (None, Form::Text(_)) => {}
    }
    Ok(Place::Here(data))
}

/// What `data file` names; several files hold equal parts.
fn data_files(fields: &Fields, text: &str, values: usize) -> Result<DataFiles, ReadError> {
    let path = &fields.path;
    let mut words = text.split_whitespace();
    let files = if words.next() == Some("LIST") {
        DataFiles::Parts(fields.list.clone())
    } else {
        list::pattern(text, crate::header_text::MAX_LINES)
            .map_err(|accepted| ReadError::field(path, "data file", quoted(text), accepted))?
    };
    if let DataFiles::Parts(names) = &files
        && (names.is_empty() || !values.is_multiple_of(names.len()))
    {
        let found = format!("{} names for {values} numbers", names.len());
        return Err(ReadError::field(path, "data file", found, "files that hold equal parts"));
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
