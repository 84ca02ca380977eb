//! Pictures: PNG and TIFF, grey for X-rays and colour for reports.
//!
//! Grey levels are made from f32 through a [`Window`]; 32-bit TIFF keeps the numbers. Grey PNG and TIFF are read
//! back as X-rays without geometry; colour PNG only as pictures to look at. Sizes are checked against what the compressed bytes can hold before anything
//! is allocated.

mod overlay;
mod png;
mod tiff;

pub use self::overlay::{Rgb, overlay_contour};
pub(crate) use self::png::{decode_png, recognises as is_png};
pub use self::png::{encode_png_gray, encode_png_rgb, read_png_rgb, write_png_gray, write_png_rgb};
pub(crate) use self::tiff::{decode_tiff, recognises as is_tiff};
pub use self::tiff::{write_tiff_f32, write_tiff_gray};

use crate::error::{ReadError, Warning};
use crate::raw::{Format, Header, RawImage, Samples};
use crate::scalar::ScalarType;
use crate::volume::Image;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point};
use std::path::Path;

/// Largest expansion of the compressions that are read (deflate 1032, LZW below).
const EXPANSION: usize = 1032;

/// The values shown as black and as white.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Shown black.
    pub black: f32,
    /// Shown white; less than `black` inverts the picture.
    pub white: f32,
}

/// Levels of a grey picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 256 levels.
    Eight,
    /// 65536 levels.
    Sixteen,
}

impl Window {
    /// From the least to the greatest finite value; an image without any is shown between 0 and 1.
    pub fn full(image: &Image<f32>) -> Self {
        let finite = image.data().iter().copied().filter(|v| v.is_finite());
        match finite.clone().reduce(f32::min).zip(finite.reduce(f32::max)) {
            Some((black, white)) => Self { black, white },
            None => Self { black: 0.0, white: 1.0 },
        }
    }

    /// Position of a value between black (0) and white (1), clamped; NaN is black. A window without width shows
    /// all values up to it black and those above white.
    pub fn level(&self, value: f32) -> f32 {
        if self.white == self.black {
            return if value > self.black { 1.0 } else { 0.0 };
        }
        // In f64, so that windows near the ends of f32 do not overflow.
        let (black, white) = (f64::from(self.black), f64::from(self.white));
        let level = (f64::from(value) - black) / (white - black);
        if level.is_nan() { 0.0 } else { level.clamp(0.0, 1.0) as f32 }
    }

    fn level8(&self, value: f32) -> u8 {
        (self.level(value) * 255.0).round() as u8
    }

    fn level16(&self, value: f32) -> u16 {
        (self.level(value) * 65535.0).round() as u16
    }
}

/// A decoded grey picture.
pub(crate) struct Decoded {
    pub rows: usize,
    pub cols: usize,
    pub samples: Samples,
    pub scalar_type: ScalarType,
    pub warnings: Vec<Warning>,
}

/// A picture as an image of two axes, x (columns) and y (rows), at the world origin with a pitch of 1 mm.
pub(crate) fn placed(path: &Path, format: Format, decoded: Decoded) -> Result<RawImage, ReadError> {
    let Decoded { rows, cols, samples, scalar_type, mut warnings } = decoded;
    warnings.push(Warning::new(format!("{} holds no place: 1 mm at the world origin is taken", format.name())));
    let grid = Grid::new([cols, rows, 1], Point::origin(), Matrix3::identity())
        .map_err(|source| ReadError::grid(path, source))?;
    let header = Header {
        path: path.to_path_buf(),
        format,
        shape: vec![cols, rows],
        affine: grid.ras_affine(),
        grid,
        scalar_type,
        scale: None,
        intent: 0,
        warnings,
    };
    Ok(RawImage::new(header, samples))
}

/// Refuses a declared size that the file cannot hold; returns the number of pixels.
fn pixels(path: &Path, rows: usize, cols: usize, file: usize) -> Result<usize, ReadError> {
    let pixels = rows.checked_mul(cols).filter(|&n| n > 0);
    // A packed pixel takes at least a bit before compression.
    match pixels {
        Some(n) if n / 8 / EXPANSION <= file => Ok(n),
        _ => {
            let found = format!("{cols} × {rows} pixels in {file} bytes");
            Err(ReadError::field(path, "its size", found, "sizes that the file can hold"))
        }
    }
}

#[cfg(test)]
mod tests;
