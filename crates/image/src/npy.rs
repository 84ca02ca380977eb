//! NumPy's array files (`.npy`), for images: two-dimensional, shape (rows, cols).
//!
//! Written are little-endian binary32 in row-major order, format version 1.0. Read are versions 1 to 3, all integers
//! and binary32/64 in both byte orders, row-major or (`fortran_order`) column-major. Source: `numpy.lib.format`.

use crate::error::{ReadError, WriteError};
use crate::input::Input;
use crate::output::write_atomically;
use crate::scalar::{ByteOrder, Encoding, ScalarType};
use crate::volume::Image;
use std::path::Path;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// Longest header that is read, bytes; NumPy itself warns above this.
const MAX_HEADER: usize = 10_000;

/// Reads a two-dimensional array as f32, and the type its numbers were stored in.
pub fn read_image(path: &Path) -> Result<(Image<f32>, ScalarType), ReadError> {
    let mut input = Input::open_raw(path)?;
    let mut start = [0; 8];
    input.read_exact(&mut start)?;
    if !start.starts_with(MAGIC) {
        return Err(ReadError::field(
            path,
            "magic",
            format!("{:?}", start[..6].escape_ascii().to_string()),
            "\\x93NUMPY",
        ));
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
        version => return Err(ReadError::field(path, "version", version, "1, 2 or 3")),
    };
    if length > MAX_HEADER {
        return Err(ReadError::field(path, "header length", length, format!("at most {MAX_HEADER} bytes")));
    }
    let mut header = vec![0; length];
    input.read_exact(&mut header)?;
    let header = String::from_utf8(header).map_err(|_| ReadError::damaged(path, "the header is not text"))?;
    let header = Header::parse(path, &header)?;
    let Header { encoding, fortran_order, shape: [rows, cols] } = header;
    let values = rows.checked_mul(cols).filter(|&n| n > 0 && n <= isize::MAX as usize / 16).ok_or_else(|| {
        ReadError::field(
            path,
            "shape",
            format!("({rows}, {cols})"),
            "at least one row and one column that fit in memory",
        )
    })?;
    let data = input.read_f32(values, encoding, None)?;
    let trailing = input.limit();
    if trailing > 0 {
        return Err(ReadError::damaged(path, format!("{trailing} bytes follow after the array")));
    }
    let data = if fortran_order { transposed(&data, rows, cols) } else { data };
    Ok((Image::new(rows, cols, data), encoding.scalar_type))
}

/// Writes an image as binary32, shape (rows, cols), row-major.
pub fn write_image(path: &Path, image: &Image<f32>) -> Result<(), WriteError> {
    write_atomically(path, |out| {
        let mut header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", image.rows(), image.cols());
        // Magic, version, length and header together are a multiple of 64 bytes and end in a newline.
        let unpadded = MAGIC.len() + 4 + header.len() + 1;
        header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(64) - unpadded));
        header.push('\n');
        let error = |e| WriteError::io(path, e);
        let length = u16::try_from(header.len()).expect("the header of two extents is short");
        out.write_all(MAGIC).map_err(error)?;
        out.write_all(&[1, 0]).map_err(error)?;
        out.write_all(&length.to_le_bytes()).map_err(error)?;
        out.write_all(header.as_bytes()).map_err(error)?;
        for value in image.data() {
            out.write_all(&value.to_le_bytes()).map_err(error)?;
        }
        Ok(())
    })
}

/// What stands between the magic and the numbers.
struct Header {
    encoding: Encoding,
    fortran_order: bool,
    shape: [usize; 2],
}

impl Header {
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
        let shape = <[usize; 2]>::try_from(shape)
            .map_err(|shape| ReadError::field(path, "shape", format!("{shape:?}"), "two extents, rows and columns"))?;
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
    let scalar_type = match &descr[1..] {
        "u1" => ScalarType::U8,
        "i1" => ScalarType::I8,
        "u2" => ScalarType::U16,
        "i2" => ScalarType::I16,
        "u4" => ScalarType::U32,
        "i4" => ScalarType::I32,
        "u8" => ScalarType::U64,
        "i8" => ScalarType::I64,
        "f4" => ScalarType::F32,
        "f8" => ScalarType::F64,
        _ => return Err(refused()),
    };
    Ok(Encoding { scalar_type, byte_order })
}

fn shortened(text: &str) -> String {
    format!("{:?}", text.trim().chars().take(80).collect::<String>())
}

fn transposed(data: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols).map(|n| data[n % cols * rows + n / cols]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(folder: &Path, version: u8, header: &str, numbers: &[u8]) -> PathBuf {
        let path = folder.join("a.npy");
        let mut bytes = [MAGIC, &[version, 0][..]].concat();
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.as_bytes());
        bytes.extend(numbers);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn written_images_come_back_and_look_like_numpy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let image = Image::new(2, 3, vec![0.5, -1.0, 2.0, 3.25, f32::MAX, 1e-9]);
        write_image(&path, &image).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // As numpy.save writes np.zeros((2, 3), "<f4").
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
        assert_eq!((bytes.len(), bytes[127]), (128 + 24, b'\n'));
        assert_eq!(read_image(&path).unwrap(), (image, ScalarType::F32));
    }

    #[test]
    fn types_orders_and_versions_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n";
        let numbers: Vec<u8> = [1i16, 4, 2, 5, 3, -6].iter().flat_map(|v| v.to_be_bytes()).collect();
        for version in 1..=3 {
            let path = file(folder.path(), version, header, &numbers);
            let expected = Image::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.0]);
            assert_eq!(read_image(&path).unwrap(), (expected, ScalarType::I16));
        }
    }

    #[test]
    fn broken_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
        assert!(read_image(&file(folder.path(), 1, header, &[0; 6])).is_ok());
        for (from, to, numbers, word) in [
            ("", "", 5, "truncated"),
            ("", "", 7, "1 bytes follow"),
            ("(2, 3)", "(2, 3, 1)", 6, "two extents"),
            ("(2, 3)", "(6,)", 6, "two extents"),
            ("(2, 3)", "(0, 3)", 0, "at least one row"),
            ("(2, 3)", "(9999999999999, 9999999999999)", 0, "fit in memory"),
            ("(2, 3)", "(99999, 99999)", 6, "truncated"),
            ("(2, 3)", "(2, -3)", 6, "whole numbers"),
            ("(2, 3)", "(2, 3", 6, "whole numbers"),
            ("|u1", "|b1", 6, "descr"),
            ("|u1", "", 6, "descr"),
            ("|u1", "é", 6, "descr"),
            ("'descr'", "'desc'", 6, "descr"),
            ("False", "Maybe", 6, "True or False"),
        ] {
            let path = file(folder.path(), 1, &header.replacen(from, to, 1), &vec![0; numbers]);
            let sentence = read_image(&path).unwrap_err().to_string();
            assert!(sentence.contains(word) && sentence.contains("a.npy"), "{word}: {sentence}");
        }
        let path = file(folder.path(), 9, header, &[0; 6]);
        assert!(read_image(&path).unwrap_err().to_string().contains("version is 9"));
        std::fs::write(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap();
        assert!(read_image(&path).unwrap_err().to_string().contains("header length"));
        std::fs::write(&path, b"\x93NUM").unwrap();
        assert!(read_image(&path).unwrap_err().to_string().contains("truncated"));
    }
}
