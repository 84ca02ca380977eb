//! Numbers in text headers, and what shapes and affines must fulfil.

use crate::error::ReadError;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point, Vector};
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;

/// Longest line of a header, bytes.
pub(crate) const MAX_LINE: usize = 1 << 16;
/// Most lines of a header.
pub(crate) const MAX_LINES: usize = 1 << 14;

/// The numbers of a field, separated by white space.
pub(crate) fn numbers<T: FromStr>(path: &Path, field: &str, text: &str, count: usize) -> Result<Vec<T>, ReadError> {
    let parsed: Option<Vec<T>> = text.split_whitespace().take(count + 1).map(|word| word.parse().ok()).collect();
    match parsed {
        Some(v) if v.len() == count => Ok(v),
        _ => Err(ReadError::field(path, field, quoted(text), format!("{count} numbers"))),
    }
}

/// One number of a field.
pub(crate) fn number<T: FromStr>(path: &Path, field: &str, text: &str, accepted: &str) -> Result<T, ReadError> {
    text.trim().parse().map_err(|_| ReadError::field(path, field, quoted(text), accepted))
}

/// A field's text for an error sentence, shortened.
pub(crate) fn quoted(text: &str) -> impl Display {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

/// Builds the grid of the first three axes and checks that the whole shape can be addressed. Missing axes have
/// extent 1. Extents of 0 and shapes beyond the address space are refused.
pub(crate) fn grid(path: &Path, shape: &[usize], origin: Point, axes: Matrix3<f64>) -> Result<Grid, ReadError> {
    let three = [0, 1, 2].map(|axis| shape.get(axis).copied().unwrap_or(1));
    let numbers = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent));
    if shape.contains(&0) || numbers.is_none_or(|n| n > isize::MAX as usize / 16) {
        let accepted = "extents of at least 1 whose product can be addressed";
        return Err(ReadError::field(path, "the shape", format!("{shape:?}"), accepted));
    }
    Grid::new(three, origin, axes).map_err(|source| ReadError::grid(path, source))
}

/// Completes two in-plane axes to three by their unit normal.
pub(crate) fn with_normal(x: Vector, y: Vector) -> Matrix3<f64> {
    let normal = x.cross(&y);
    let length = normal.norm();
    let z = if length > 0.0 { normal / length } else { Vector::zeros() };
    Matrix3::from_columns(&[x, y, z])
}
