//! Writing of NRRD.

use super::fields::TYPES;
use crate::error::WriteError;
use crate::output::{write_atomically, write_detached};
use crate::scalar::{Scalar, write_numbers};
use crate::volume::Volume;
use flate2::{Compression, write::GzEncoder};
use regiscope_geometry::{Grid, Vector};
use std::io::{self, Write};
use std::path::Path;

/// Writes a volume as .nrrd (header and data in one file) or, for a path that ends in .nhdr, as a header
/// with its data beside it in a file of the same name that ends in .raw (.raw.gz if compressed). Files are
/// written under temporary names and renamed, the header last.
pub fn write_nrrd<T: Scalar>(path: &Path, volume: &Volume<T>, compressed: bool) -> Result<(), WriteError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    if extension != "nhdr" {
        return write_atomically(path, |w| write_nrrd_to(w, volume, compressed).map_err(|e| WriteError::io(path, e)));
    }
    let data_path = path.with_extension(if compressed { "raw.gz" } else { "raw" });
    write_detached(
        path,
        &data_path,
        |w| data(w, volume, compressed),
        |w, name, _| header::<T>(w, volume.grid(), compressed, Some(name)),
    )
}

/// Writes the form with attached data to any stream.
pub fn write_nrrd_to<T: Scalar>(mut w: impl Write, volume: &Volume<T>, compressed: bool) -> io::Result<()> {
    header::<T>(&mut w, volume.grid(), compressed, None)?;
    data(w, volume, compressed)
}

fn header<T: Scalar>(mut w: impl Write, grid: &Grid, compressed: bool, data_file: Option<&str>) -> io::Result<()> {
    let [nx, ny, nz] = grid.shape();
    let vector = |v: Vector| format!("({},{},{})", v.x + 0.0, v.y + 0.0, v.z + 0.0);
    let directions = [0, 1, 2].map(|a| vector(grid.axes().column(a).into_owned())).join(" ");
    writeln!(
        w,
        "NRRD0004\ntype: {}\ndimension: 3\nspace: left-posterior-superior\nsizes: {nx} {ny} {nz}",
        type_name::<T>()
    )?;
    writeln!(w, "space directions: {directions}\nkinds: domain domain domain\nendian: little")?;
    writeln!(w, "encoding: {}", if compressed { "gzip" } else { "raw" })?;
    writeln!(w, "space origin: {}", vector(grid.origin().coords))?;
    match data_file {
        Some(name) => writeln!(w, "data file: {name}"),
        None => writeln!(w),
    }
}

/// The specification's word for the type.
fn type_name<T: Scalar>() -> &'static str {
    let (_, names) =
        TYPES.iter().find(|(t, _)| *t == T::SCALAR_TYPE).expect("every scalar type that can be written has a name");
    names[0]
}

fn data<T: Scalar>(mut w: impl Write, volume: &Volume<T>, compressed: bool) -> io::Result<()> {
    if !compressed {
        return write_numbers(&mut w, volume.data().iter().copied());
    }
    let mut encoder = GzEncoder::new(w, Compression::default());
    write_numbers(&mut encoder, volume.data().iter().copied())?;
    encoder.finish()?;
    Ok(())
}
