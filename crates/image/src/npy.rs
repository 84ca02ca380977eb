//! NumPy's array files (`.npy`): images of shape (rows, cols) and volumes of shape (x, y, z).
//!
//! Written are little-endian numbers, images row-major and volumes column-major, format version 1.0. Read are versions 1 to 3, all integers
//! and binary32/64 in both byte orders, row-major or (`fortran_order`) column-major. Source: `numpy.lib.format`.

use crate::error::{ReadError, Warning, WriteError};
use crate::header_text::grid;
use crate::input::Input;
use crate::output::write_atomically;
use crate::raw::{self, Format, RawImage};
use crate::scalar::{ByteOrder, Encoding, Scalar, ScalarType, write_numbers};
use crate::stored::gathered;
use crate::volume::{Image, Volume};
use regiscope_geometry::Point;
use regiscope_geometry::nalgebra::Matrix3;
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header that is read, bytes; NumPy itself warns above this.
const MAX_HEADER: usize = 10_000;

/// Reads a two-dimensional array as f32, and the type its numbers were stored in.
pub fn read_image(path: &Path) -> Result<(Image<f32>, ScalarType), ReadError> {
    image(Input::open_raw(path)?)
}

/// Reads a two-dimensional array from memory; `name` is the name that errors give.
pub fn read_image_bytes(name: &Path, bytes: Vec<u8>) -> Result<(Image<f32>, ScalarType), ReadError> {
    image(Input::from_bytes(name, bytes))
}

fn image(mut input: Input) -> Result<(Image<f32>, ScalarType), ReadError> {
    let path = input.path().to_path_buf();
    let Header { encoding, fortran_order, shape } = Header::read(&mut input)?;
    let [rows, cols] = <[usize; 2]>::try_from(shape)
        .map_err(|shape| ReadError::field(&path, "shape", format!("{shape:?}"), "two extents, rows and columns"))?;
    let values = rows * cols;
    let data = input.read_f32(values, encoding, None)?;
    ended(&input)?;
    let data = if fortran_order { transposed(&data, rows, cols) } else { data };
    Ok((Image::new(rows, cols, data), encoding.scalar_type))
}

/// Reads an array of two axes as an image (rows, columns) or of three as a volume (x, y, z), as nibabel gives
/// them, in its own scalar type. The array holds no place: 1 mm at the world origin is taken, with a warning.
pub(crate) fn read_raw(mut input: Input) -> Result<RawImage, ReadError> {
    let path = input.path().to_path_buf();
    let Header { encoding, fortran_order, shape: file } = Header::read(&mut input)?;
    let samples = input.read_samples(file.iter().product(), encoding)?;
    ended(&input)?;
    let (shape, samples) = match (file[..].as_ref(), fortran_order) {
        (&[rows, cols], false) => (vec![cols, rows], samples),
        (&[rows, cols], true) => (vec![cols, rows], gathered(samples, |n| n / cols + n % cols * rows)),
        (&[_, _, _], true) => (file, samples),
        (&[x, y, z], false) => (file, gathered(samples, |n| (n % x * y + n / x % y) * z + n / (x * y))),
        _ => return Err(ReadError::field(&path, "shape", format!("{file:?}"), "two or three extents")),
    };
    let grid = grid(&path, &shape, Point::origin(), Matrix3::identity())?;
    let header = raw::Header {
        path,
        format: Format::Npy,
        shape,
        affine: grid.ras_affine(),
        grid,
        scalar_type: encoding.scalar_type,
        scale: None,
        intent: 0,
        warnings: vec![Warning::new("an array holds no place: 1 mm at the world origin is taken")],
    };
    Ok(RawImage::new(header, samples))
}

/// Whether a file is an array of NumPy.
pub(crate) fn recognises(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

fn ended(input: &Input) -> Result<(), ReadError> {
    match input.limit() {
        0 => Ok(()),
        trailing => Err(ReadError::damaged(input.path(), format!("{trailing} bytes follow after the array"))),
    }
}

/// Writes an image as binary32, shape (rows, cols), row-major.
pub fn write_image(path: &Path, image: &Image<f32>) -> Result<(), WriteError> {
    write(path, "False", &[image.rows(), image.cols()], image.data())
}

/// Writes the numbers of a volume, shape (x, y, z), column-major, so that NumPy indexes it `[i, j, k]`. The place
/// is not kept.
pub fn write_volume<T: Scalar>(path: &Path, volume: &Volume<T>) -> Result<(), WriteError> {
    write(path, "True", &volume.grid().shape(), volume.data())
}

fn write<T: Scalar>(path: &Path, fortran_order: &str, shape: &[usize], data: &[T]) -> Result<(), WriteError> {
    let (descr, _) =
        TYPES.iter().find(|(_, t)| *t == T::SCALAR_TYPE).expect("every scalar that can be written is here");
    let mark = if T::SCALAR_TYPE.size() == 1 { '|' } else { '<' };
    let extents = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    write_atomically(path, |out| {
        let mut header =
            format!("{{'descr': '{mark}{descr}', 'fortran_order': {fortran_order}, 'shape': ({extents}), }}");
        // Magic, version, length and header together are a multiple of 64 bytes and end in a newline.
        let unpadded = MAGIC.len() + 4 + header.len() + 1;
        header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(64) - unpadded));
        header.push('\n');
        let error = |e| WriteError::io(path, e);
        let length = u16::try_from(header.len()).expect("the header of three extents is short");
        out.write_all(MAGIC).map_err(error)?;
        out.write_all(&[1, 0]).map_err(error)?;
        out.write_all(&length.to_le_bytes()).map_err(error)?;
        out.write_all(header.as_bytes()).map_err(error)?;
        write_numbers(out, data.iter().copied()).map_err(error)
    })
}

/// Type words, without byte order.
const TYPES: [(&str, ScalarType); 10] = [
    ("u1", ScalarType::U8),
    ("i1", ScalarType::I8),
    ("u2", ScalarType::U16),
    ("i2", ScalarType::I16),
    ("u4", ScalarType::U32),
    ("i4", ScalarType::I32),
    ("u8", ScalarType::U64),
    ("i8", ScalarType::I64),
    ("f4", ScalarType::F32),
    ("f8", ScalarType::F64),
];

/// What stands between the magic and the numbers.
struct Header {
    encoding: Encoding,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads up to the first number.
    fn read(input: &mut Input) -> Result<Self, ReadError> {
        let path = input.path().to_path_buf();
        let mut start = [0; 8];
        input.read_exact(&mut start)?;
        if !start.starts_with(MAGIC) {
            let found = format!("{:?}", start[..6].escape_ascii().to_string());
            return Err(ReadError::field(&path, "magic", found, "\\x93NUMPY"));
        }
        let length = match start[6] {
            1 => {
                let mut bytes = [0; 2];
                input.read_exact(&mut bytes)?;
                usize::from(u16::from_le_bytes(bytes))
            }
            2 | 3 => {
                let mut bytes = [0; 4];
                input.read_exact(&mut bytes)?;
                u32::from_le_bytes(bytes) as usize
            }
            version => return Err(ReadError::field(&path, "version", version, "1, 2 or 3")),
        };
        if length > MAX_HEADER {
            return Err(ReadError::field(&path, "header length", length, format!("at most {MAX_HEADER} bytes")));
        }
        let mut header = vec![0; length];
        input.read_exact(&mut header)?;
        let header = String::from_utf8(header).map_err(|_| ReadError::damaged(&path, "the header is not text"))?;
        Self::parse(&path, &header)
    }

    /// Reads the Python dictionary literal that NumPy writes: three keys in any order.
    fn parse(path: &Path, text: &str) -> Result<Self, ReadError> {
        let refused = |field: &str, accepted: &str| ReadError::field(path, field, shortened(text), accepted);
        let descr = entry(text, "descr").and_then(quoted).ok_or_else(|| refused("descr", "a quoted type"))?;
        let fortran_order = match entry(text, "fortran_order") {
            Some(rest) if rest.starts_with("True") => true,
            Some(rest) if rest.starts_with("False") => false,
            _ => return Err(refused("fortran_order", "True or False")),
        };
        let shape = entry(text, "shape").and_then(tuple).ok_or_else(|| refused("shape", "a tuple of whole numbers"))?;
        let values = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
        if values.is_none_or(|n| n == 0 || n > isize::MAX as usize / 16) {
            let accepted = "at least one row and one column that fit in memory";
            return Err(ReadError::field(path, "shape", format!("{shape:?}"), accepted));
        }
        Ok(Self { encoding: encoding(path, descr)?, fortran_order, shape })
    }
}

/// What follows the colon after a key.
fn entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = ['\'', '"'].iter().find_map(|quote| text.split_once(&format!("{quote}{key}{quote}")))?.1;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| ['\'', '"'].contains(c))?;
    text[1..].split_once(quote).map(|(inside, _)| inside)
}

fn tuple(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split_once(')')?.0;
    let parts = inside.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().ok()).collect()
}

fn encoding(path: &Path, descr: &str) -> Result<Encoding, ReadError> {
    let refused = || {
        ReadError::field(
            path,
            "descr",
            format!("{descr:?}"),
            "integers of 8 to 64 bits, float32 or float64, '<' or '>'",
        )
    };
    let byte_order = match descr.as_bytes().first() {
        Some(b'<' | b'|') => ByteOrder::Little,
        Some(b'>') => ByteOrder::Big,
        _ => return Err(refused()),
    };
    let word = &descr[1..];
    let scalar_type = TYPES.iter().find(|(known, _)| *known == word).map(|&(_, t)| t).ok_or_else(refused)?;
    Ok(Encoding { scalar_type, byte_order })
}

fn shortened(text: &str) -> String {
    format!("{:?}", text.trim().chars().take(80).collect::<String>())
}

fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols).map(|n| data[n % cols * rows + n / cols]).collect()
}

#[cfg(test)]
mod tests;
