//! TIFF, through the `tiff` crate.

use super::{Decoded, Depth, EXPANSION, Window, pixels};
use crate::error::{ReadError, Warning, WriteError};
use crate::fence::fenced;
use crate::output::write_atomically;
use crate::raw::Samples;
use crate::scalar::ScalarType;
use crate::volume::Image;
use std::io::Cursor;
use std::path::Path;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::{TiffEncoder, TiffValue, colortype};

/// Writes the numbers themselves, as 32-bit floating point.
pub fn write_tiff_f32(path: &Path, image: &Image<f32>) -> Result<(), WriteError> {
    write::<colortype::Gray32Float>(path, image.rows(), image.cols(), image.data())
}

/// Writes grey levels.
pub fn write_tiff_gray(path: &Path, image: &Image<f32>, window: Window, depth: Depth) -> Result<(), WriteError> {
    let (rows, cols) = (image.rows(), image.cols());
    match depth {
        Depth::Eight => {
            let data: Vec<u8> = image.data().iter().map(|&v| window.level8(v)).collect();
            write::<colortype::Gray8>(path, rows, cols, &data)
        }
        Depth::Sixteen => {
            let data: Vec<u16> = image.data().iter().map(|&v| window.level16(v)).collect();
            write::<colortype::Gray16>(path, rows, cols, &data)
        }
    }
}

fn write<C: colortype::ColorType>(path: &Path, rows: usize, cols: usize, data: &[C::Inner]) -> Result<(), WriteError>
where
    [C::Inner]: TiffValue,
{
    // Offsets in TIFF have 32 bits.
    let refused = |what: String| WriteError::unsupported(path, what, "pictures of at least one pixel up to 4 GB");
    let size = format!("a picture of {rows} rows and {cols} columns");
    let (Ok(height), Ok(width)) = (u32::try_from(rows), u32::try_from(cols)) else { return Err(refused(size)) };
    if data.is_empty() || size_of_val(data) as u64 > u64::from(u32::MAX) - (1 << 20) {
        return Err(refused(size));
    }
    let mut bytes = Cursor::new(Vec::new());
    let written = TiffEncoder::new(&mut bytes).and_then(|mut encoder| encoder.write_image::<C>(width, height, data));
    written.map_err(|e| refused(e.to_string()))?;
    write_atomically(path, |w| w.write_all(bytes.get_ref()).map_err(|e| WriteError::io(path, e)))
}

/// Whether a file is TIFF (or BigTIFF), in either byte order.
pub(crate) fn recognises(start: &[u8]) -> bool {
    [b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b"].iter().any(|mark| start.starts_with(*mark))
}

/// Decodes the first page of a grey TIFF, integers or floating point.
pub(crate) fn decode_tiff(path: &Path, bytes: &[u8]) -> Result<Decoded, ReadError> {
    fenced(path, || decode(path, bytes))
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, ReadError> {
    let broken = |e: tiff::TiffError| ReadError::damaged(path, e.to_string().replace('\n', " "));
    let mut limits = Limits::default();
    limits.decoding_buffer_size = bytes.len().saturating_mul(EXPANSION);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    limits.ifd_value_size = bytes.len();
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(broken)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(broken)?;
    let (rows, cols) = (height as usize, width as usize);
    let count = pixels(path, rows, cols, bytes.len())?;
    let color = decoder.colortype().map_err(broken)?;
    if !matches!(color, ColorType::Gray(8 | 16 | 32 | 64)) {
        return Err(ReadError::unsupported(path, format!("a TIFF with {color:?} pixels"), "grey TIFF of 8 to 64 bits"));
    }
    let decoded = decoder.read_image().map_err(broken)?;
    let mut warnings = Vec::new();
    if decoder.more_images() {
        warnings.push(Warning::new("the first of several pages is read"));
    }
    let (samples, scalar_type) = match decoded {
        DecodingResult::U8(v) => (Samples::U8(v), ScalarType::U8),
        DecodingResult::U16(v) => (Samples::U16(v), ScalarType::U16),
        DecodingResult::U32(v) => (Samples::U32(v), ScalarType::U32),
        DecodingResult::U64(v) => (Samples::U64(v), ScalarType::U64),
        DecodingResult::I8(v) => (Samples::I8(v), ScalarType::I8),
        DecodingResult::I16(v) => (Samples::I16(v), ScalarType::I16),
        DecodingResult::I32(v) => (Samples::I32(v), ScalarType::I32),
        DecodingResult::I64(v) => (Samples::I64(v), ScalarType::I64),
        DecodingResult::F16(v) => (Samples::F32(v.into_iter().map(f32::from).collect()), ScalarType::F32),
        DecodingResult::F32(v) => (Samples::F32(v), ScalarType::F32),
        DecodingResult::F64(v) => (Samples::F64(v), ScalarType::F64),
    };
    if samples.len() != count {
        return Err(ReadError::damaged(path, format!("it holds {} of {count} pixels", samples.len())));
    }
    Ok(Decoded { rows, cols, samples, scalar_type, warnings })
}
