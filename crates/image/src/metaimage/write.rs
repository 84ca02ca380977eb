//! Writing of MetaImage.

use crate::error::WriteError;
use crate::output::write_atomically;
use crate::volume::Volume;
use flate2::{Compression, write::ZlibEncoder};
use regiscope_geometry::Grid;
use std::io::{self, Write};
use std::path::Path;

/// Writes a volume of f32 as .mha (header and data in one file) or, for a path that ends in .mhd, as a header
/// with its data beside it in a file of the same name that ends in .raw (.zraw if compressed). Both files are
/// written under temporary names and renamed, the header last.
pub fn write_metaimage(path: &Path, volume: &Volume<f32>, compressed: bool) -> Result<(), WriteError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if extension != "mhd" {
        return write_atomically(path, |w| {
            write_metaimage_to(w, volume, compressed).map_err(|e| WriteError::io(path, e))
        });
    }
    let data_path = path.with_extension(if compressed { "zraw" } else { "raw" });
    let name =
        data_path.file_name().and_then(|n| n.to_str()).filter(|n| !n.contains(['\n', '\r', '%'])).ok_or_else(|| {
            WriteError::unsupported(
                path,
                "the name of the data file cannot stand in a header",
                "names in UTF-8 without % and line ends",
            )
        })?;
    write_atomically(&data_path, |w| data(w, volume, compressed).map_err(|e| WriteError::io(&data_path, e)))?;
    write_atomically(path, |w| header(w, volume.grid(), compressed, name).map_err(|e| WriteError::io(path, e)))
}

/// Writes the form with attached data to any stream.
pub fn write_metaimage_to(mut w: impl Write, volume: &Volume<f32>, compressed: bool) -> io::Result<()> {
    header(&mut w, volume.grid(), compressed, "LOCAL")?;
    data(w, volume, compressed)
}

fn header(mut w: impl Write, grid: &Grid, compressed: bool, data_file: &str) -> io::Result<()> {
    let [nx, ny, nz] = grid.shape();
    let spacing = grid.spacing();
    let words = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
    // Column-major storage lists the direction of axis 0 first, as the format does.
    let direction = words(grid.direction().map(|v| v + 0.0).as_slice());
    let origin = words(grid.origin().coords.map(|v| v + 0.0).as_slice());
    writeln!(w, "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False")?;
    writeln!(w, "CompressedData = {}", if compressed { "True" } else { "False" })?;
    writeln!(w, "TransformMatrix = {direction}\nOffset = {origin}\nCenterOfRotation = 0 0 0")?;
    writeln!(w, "ElementSpacing = {}\nDimSize = {nx} {ny} {nz}", words(&spacing))?;
    writeln!(w, "ElementType = MET_FLOAT\nElementDataFile = {data_file}")
}

fn data(mut w: impl Write, volume: &Volume<f32>, compressed: bool) -> io::Result<()> {
    if !compressed {
        return crate::stored::write_f32_le(&mut w, volume.data());
    }
    let mut encoder = ZlibEncoder::new(w, Compression::default());
    crate::stored::write_f32_le(&mut encoder, volume.data())?;
    encoder.finish()?;
    Ok(())
}
