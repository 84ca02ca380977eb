//! PNG, through the `png` crate.

use super::overlay::Rgb;
use super::{Decoded, Depth, EXPANSION, Window, pixels};
use crate::error::{ReadError, WriteError};
use crate::fence::fenced;
use crate::input::Input;
use crate::output::write_atomically;
use crate::raw::Samples;
use crate::scalar::ScalarType;
use crate::volume::Image;
use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};
use std::io::Cursor;
use std::path::Path;

/// Writes a grey PNG.
pub fn write_png_gray(path: &Path, image: &Image<f32>, window: Window, depth: Depth) -> Result<(), WriteError> {
    write(path, encode_png_gray(image, window, depth))
}

/// Writes a colour PNG.
pub fn write_png_rgb(path: &Path, image: &Image<Rgb>) -> Result<(), WriteError> {
    write(path, encode_png_rgb(image))
}

/// A grey PNG as bytes; the error says what is wrong with the size.
pub fn encode_png_gray(image: &Image<f32>, window: Window, depth: Depth) -> Result<Vec<u8>, String> {
    match depth {
        Depth::Eight => {
            let data: Vec<u8> = image.data().iter().map(|&v| window.level8(v)).collect();
            encode(image.rows(), image.cols(), ColorType::Grayscale, BitDepth::Eight, &data)
        }
        Depth::Sixteen => {
            let data: Vec<u8> = image.data().iter().flat_map(|&v| window.level16(v).to_be_bytes()).collect();
            encode(image.rows(), image.cols(), ColorType::Grayscale, BitDepth::Sixteen, &data)
        }
    }
}

/// A colour PNG as bytes; the error says what is wrong with the size.
pub fn encode_png_rgb(image: &Image<Rgb>) -> Result<Vec<u8>, String> {
    encode(image.rows(), image.cols(), ColorType::Rgb, BitDepth::Eight, image.data().as_flattened())
}

fn encode(rows: usize, cols: usize, color: ColorType, depth: BitDepth, data: &[u8]) -> Result<Vec<u8>, String> {
    let size = |n: usize| u32::try_from(n).ok().filter(|&n| n > 0 && n < 1 << 31);
    let (Some(height), Some(width)) = (size(rows), size(cols)) else {
        return Err(format!("a picture of {rows} rows and {cols} columns"));
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let written = encoder.write_header().and_then(|mut w| w.write_image_data(data).and_then(|()| w.finish()));
    written.map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn write(path: &Path, encoded: Result<Vec<u8>, String>) -> Result<(), WriteError> {
    let bytes = encoded.map_err(|what| WriteError::unsupported(path, what, "1 to 2147483647 rows and columns"))?;
    write_atomically(path, |w| w.write_all(&bytes).map_err(|e| WriteError::io(path, e)))
}

/// Whether a file is PNG.
pub(crate) fn recognises(start: &[u8]) -> bool {
    start.starts_with(b"\x89PNG\r\n\x1a\n")
}

/// Reads a PNG as colours of 8 bits: grey, palette and colour pictures; what is behind transparent pixels is not looked
/// at. `None` for a file that is no PNG.
///
/// # Errors
/// If the file cannot be read or is damaged.
pub fn read_png_rgb(path: &Path) -> Result<Option<Image<Rgb>>, ReadError> {
    let mut input = Input::open(path)?;
    if !recognises(&input.look_ahead(8)?) {
        return Ok(None);
    }
    let bytes = input.read_all()?;
    let Unpacked { rows, cols, color, depth, data } = fenced(path, || unpacked(path, &bytes, |_| true))?;
    let bytes_of_value = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let values = color.samples();
    let pixel = |p: &[u8]| {
        // The more significant byte comes first.
        let value = |n: usize| p[n * bytes_of_value];
        if values < 3 { [value(0); 3] } else { [value(0), value(1), value(2)] }
    };
    let pixels: Vec<Rgb> = data.chunks_exact(values * bytes_of_value).map(pixel).collect();
    if pixels.len() != rows * cols {
        return Err(ReadError::damaged(path, format!("it holds {} of {} pixels", pixels.len(), rows * cols)));
    }
    Ok(Some(Image::new(rows, cols, pixels)))
}

/// Decodes a grey PNG of 8 or 16 bits; fewer bits are spread over 8.
pub(crate) fn decode_png(path: &Path, bytes: &[u8]) -> Result<Decoded, ReadError> {
    fenced(path, || decode(path, bytes))
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, ReadError> {
    let Unpacked { rows, cols, depth, data, .. } = unpacked(path, bytes, |color| color == ColorType::Grayscale)?;
    let (samples, scalar_type) = match depth {
        BitDepth::Sixteen => {
            (Samples::U16(data.as_chunks().0.iter().map(|b| u16::from_be_bytes(*b)).collect()), ScalarType::U16)
        }
        _ => (Samples::U8(data), ScalarType::U8),
    };
    if samples.len() != rows * cols {
        return Err(ReadError::damaged(path, format!("it holds {} of {} pixels", samples.len(), rows * cols)));
    }
    Ok(Decoded { rows, cols, samples, scalar_type, warnings: Vec::new() })
}

/// Rows of values of 8 or 16 bits.
struct Unpacked {
    rows: usize,
    cols: usize,
    color: ColorType,
    depth: BitDepth,
    data: Vec<u8>,
}

/// The pixels of a PNG with colours that are accepted; palettes and few bits are spread out.
fn unpacked(path: &Path, bytes: &[u8], accepted: fn(ColorType) -> bool) -> Result<Unpacked, ReadError> {
    let broken = |e: png::DecodingError| match e {
        png::DecodingError::LimitsExceeded => ReadError::damaged(path, "it unpacks to more than its size allows"),
        e => ReadError::damaged(path, e.to_string()),
    };
    let limit = bytes.len().saturating_mul(8 * EXPANSION).max(1 << 20);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: limit });
    decoder.set_transformations(Transformations::EXPAND);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let (width, height) = decoder.read_header_info().map_err(broken)?.size();
    let (rows, cols) = (height as usize, width as usize);
    let count = pixels(path, rows, cols, bytes.len())?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let (color, depth) = reader.output_color_type();
    if !accepted(color) {
        let what = format!("a PNG with {color:?} pixels");
        return Err(ReadError::unsupported(path, what, "grey PNG without transparency"));
    }
    let size = reader.output_buffer_size().filter(|&n| n <= 2 * color.samples() * count);
    let size = size.ok_or_else(|| ReadError::damaged(path, "its rows do not fit its size"))?;
    let mut data = Vec::new();
    data.try_reserve_exact(size)
        .map_err(|_| ReadError::OutOfMemory { path: path.to_path_buf(), bytes: size as u64 })?;
    data.resize(size, 0);
    reader.next_frame(&mut data).map_err(broken)?;
    Ok(Unpacked { rows, cols, color, depth, data })
}
