//! Writing of MetaImage.

use super::header::ELEMENT_TYPES;
use crate::error::WriteError;
use crate::output::{write_atomically, write_detached};
use crate::scalar::{Scalar, write_numbers};
use crate::volume::Volume;
use flate2::{Compression, write::ZlibEncoder};
use regiscope_geometry::Grid;
use std::io::{self, Write};
use std::path::Path;

/// Writes a volume as .mha (header and data in one file) or, for a path that ends in .mhd, as a header
/// with its data beside it in a file of the same name that ends in .raw (.zraw if compressed). Both files are
/// written under temporary names and renamed, the header last.
pub fn write_metaimage<T: Scalar>(path: &Path, volume: &Volume<T>, compressed: bool) -> Result<(), WriteError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if extension != "mhd" {
        return write_atomically(path, |w| {
            write_metaimage_to(w, volume, compressed).map_err(|e| WriteError::io(path, e))
        });
    }
    let data_path = path.with_extension(if compressed { "zraw" } else { "raw" });
    write_detached(
        path,
        &data_path,
        |w| data(w, volume, compressed),
        |w, name, size| header::<T>(w, volume.grid(), compressed.then_some(size), name),
    )
}

/// Writes the form with attached data to any stream.
pub fn write_metaimage_to<T: Scalar>(mut w: impl Write, volume: &Volume<T>, compressed: bool) -> io::Result<()> {
    if !compressed {
        header::<T>(&mut w, volume.grid(), None, "LOCAL")?;
        return data(w, volume, false);
    }
    let mut packed = Vec::new();
    data(&mut packed, volume, true)?;
    header::<T>(&mut w, volume.grid(), Some(packed.len()), "LOCAL")?;
    w.write_all(&packed)
}

fn header<T: Scalar>(mut w: impl Write, grid: &Grid, packed: Option<usize>, data_file: &str) -> io::Result<()> {
    let [nx, ny, nz] = grid.shape();
    let (element_type, _) = ELEMENT_TYPES
        .iter()
        .find(|(_, t)| *t == T::SCALAR_TYPE)
        .expect("every scalar type that can be written has a name");
    let spacing = grid.spacing();
    let words = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    // Column-major storage lists the direction of axis 0 first, as the format does.
    let direction = words(grid.direction().map(|v| v + 0.0).as_slice());
    let origin = words(grid.origin().coords.map(|v| v + 0.0).as_slice());
    writeln!(w, "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False")?;
    match packed {
        // ITK does not unpack without the size.
        Some(size) => writeln!(w, "CompressedData = True\nCompressedDataSize = {size}")?,
        None => writeln!(w, "CompressedData = False")?,
    }
    writeln!(w, "TransformMatrix = {direction}\nOffset = {origin}\nCenterOfRotation = 0 0 0")?;
    writeln!(w, "ElementSpacing = {}\nDimSize = {nx} {ny} {nz}", words(&spacing))?;
    writeln!(w, "ElementType = {element_type}\nElementDataFile = {data_file}")
}

fn data<T: Scalar>(mut w: impl Write, volume: &Volume<T>, compressed: bool) -> io::Result<()> {
    if !compressed {
        return write_numbers(&mut w, volume.data().iter().copied());
    }
    let mut encoder = ZlibEncoder::new(w, Compression::default());
    write_numbers(&mut encoder, volume.data().iter().copied())?;
    encoder.finish()?;
    Ok(())
}
