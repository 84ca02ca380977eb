//! PNG, through the `png` crate.

use super::overlay::Rgb;
use super::{Decoded, Depth, EXPANSION, Window, pixels};
use crate::error::{ReadError, WriteError};
use crate::fence::fenced;
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

/// Decodes a grey PNG of 8 or 16 bits; fewer bits are spread over 8.
pub(crate) fn decode_png(path: &Path, bytes: &[u8]) -> Result<Decoded, ReadError> {
    fenced(path, || decode(path, bytes))
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded, ReadError> {
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
    if color != ColorType::Grayscale {
        let what = format!("a PNG with {color:?} pixels");
        return Err(ReadError::unsupported(path, what, "grey PNG without transparency"));
    }
    let size = reader.output_buffer_size().filter(|&n| n <= 2 * count);
    let size = size.ok_or_else(|| ReadError::damaged(path, "its rows do not fit its size"))?;
    let mut data = Vec::new();
    data.try_reserve_exact(size)
        .map_err(|_| ReadError::OutOfMemory { path: path.to_path_buf(), bytes: size as u64 })?;
    data.resize(size, 0);
    reader.next_frame(&mut data).map_err(broken)?;
    let (samples, scalar_type) = match depth {
        BitDepth::Sixteen => {
            (Samples::U16(data.as_chunks().0.iter().map(|b| u16::from_be_bytes(*b)).collect()), ScalarType::U16)
        }
        _ => (Samples::U8(data), ScalarType::U8),
    };
    if samples.len() != count {
        return Err(ReadError::damaged(path, format!("it holds {} of {count} pixels", samples.len())));
    }
    Ok(Decoded { rows, cols, samples, scalar_type, warnings: Vec::new() })
}
