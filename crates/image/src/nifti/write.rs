//! NIfTI-1 files written: one file, little-endian, plain or gzip by the name's ending.

use super::INTENT_VECTOR;
use crate::error::WriteError;
use crate::output::write_atomically;
use crate::scalar::{Scalar, ScalarType, write_numbers};
use crate::volume::Volume;
use flate2::{Compression, write::GzEncoder};
use regiscope_geometry::Grid;
use regiscope_geometry::nalgebra::{Matrix3, Matrix4, Rotation3, UnitQuaternion};
use std::io::{self, Write};
use std::path::Path;

/// Bytes before the voxels: the header and the mark that no extension follows.
const VOX_OFFSET: usize = 352;
/// Cosine between axes up to which they count as perpendicular and a qform is written.
const ORTHOGONAL: f64 = 1e-6;

/// Writes a volume as NIfTI-1 (`.nii`, or `.nii.gz` compressed). The place is written as sform, and as qform
/// too if the axes are perpendicular. Refused: extents above 32767 and places beyond the range of f32.
pub fn write_nifti<T: Scalar>(path: &Path, volume: &Volume<T>) -> Result<(), WriteError> {
    let [x, y, z] = volume.grid().shape();
    let header = header(path, volume.grid(), &[x, y, z], T::SCALAR_TYPE, 0)?;
    write_file(path, &header, |out| write_numbers(out, volume.data().iter().copied()))
}

/// Writes a displacement field (LPS, mm) as NIfTI-1 of shape (X, Y, Z, 1, 3), intent 1007, as ITK does.
pub fn write_nifti_displacements(path: &Path, field: &Volume<[f32; 3]>) -> Result<(), WriteError> {
    let [x, y, z] = field.grid().shape();
    let header = header(path, field.grid(), &[x, y, z, 1, 3], ScalarType::F32, INTENT_VECTOR as i16)?;
    write_file(path, &header, |out| {
        (0..3).try_for_each(|component| write_numbers(out, field.data().iter().map(|v| v[component])))
    })
}

/// Writes header and voxels under a temporary name and renames.
fn write_file(
    path: &Path,
    header: &[u8; VOX_OFFSET],
    numbers: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), WriteError> {
    let gzip = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
    write_atomically(path, |file| {
        let error = |e| WriteError::io(path, e);
        if !gzip {
            file.write_all(header).map_err(error)?;
            return numbers(file).map_err(error);
        }
        let mut encoder = GzEncoder::new(file, Compression::fast());
        encoder.write_all(header).map_err(error)?;
        numbers(&mut encoder).map_err(error)?;
        encoder.finish().map(|_| ()).map_err(error)
    })
}

/// A NIfTI-1 header and the four bytes after it.
fn header(
    path: &Path,
    grid: &Grid,
    shape: &[usize],
    scalar_type: ScalarType,
    intent: i16,
) -> Result<[u8; VOX_OFFSET], WriteError> {
    let mut bytes = [0; VOX_OFFSET];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    put(38, b"r");
    let mut dim = [1i16; 8];
    dim[0] = shape.len() as i16;
    for (d, &extent) in dim[1..].iter_mut().zip(shape) {
        *d = i16::try_from(extent).map_err(|_| {
            let what = format!("shape {shape:?} is too large for NIfTI-1");
            WriteError::unsupported(path, what, "extents up to 32767 (MetaImage and NRRD have no such limit)")
        })?;
    }
    put_each(&mut put, 40, dim.map(i16::to_le_bytes));
    put(68, &intent.to_le_bytes());
    put(70, &datatype(scalar_type).to_le_bytes());
    put(72, &(8 * scalar_type.size() as i16).to_le_bytes());
    put(108, &(VOX_OFFSET as f32).to_le_bytes());
    put(112, &1f32.to_le_bytes());
    put(123, &[2]); // mm

    let affine = grid.ras_affine();
    if affine.iter().any(|&v| !(v as f32).is_finite()) || grid.spacing().iter().any(|&s| s as f32 <= 0.0) {
        let what = "the grid's affine is beyond the range of single precision";
        return Err(WriteError::unsupported(path, what, "places that f32 can hold"));
    }
    let qform = qform(&affine);
    put(252, &i16::from(qform.is_some()).to_le_bytes());
    put(254, &1i16.to_le_bytes());
    let qform = qform.unwrap_or(Qform { qfac: 1.0, quatern: [0.0; 3] });
    let [sx, sy, sz] = grid.spacing();
    put_each(&mut put, 76, [qform.qfac, sx, sy, sz, 1.0, 1.0, 1.0, 1.0].map(single));
    put_each(&mut put, 256, qform.quatern.map(single));
    put_each(&mut put, 268, [affine[(0, 3)], affine[(1, 3)], affine[(2, 3)]].map(single));
    for row in 0..3 {
        put_each(&mut put, 280 + 16 * row, [0, 1, 2, 3].map(|column| single(affine[(row, column)])));
    }
    put(344, b"n+1\0");
    Ok(bytes)
}

fn single(value: f64) -> [u8; 4] {
    (value as f32).to_le_bytes()
}

fn put_each<const N: usize, const M: usize>(put: &mut impl FnMut(usize, &[u8]), at: usize, values: [[u8; N]; M]) {
    for (n, value) in values.iter().enumerate() {
        put(at + n * N, value);
    }
}

struct Qform {
    qfac: f64,
    quatern: [f64; 3],
}

/// The qform of an affine with perpendicular axes.
fn qform(affine: &Matrix4<f64>) -> Option<Qform> {
    let axes = affine.fixed_view::<3, 3>(0, 0);
    let mut direction = Matrix3::from_fn(|r, c| axes[(r, c)] / axes.column(c).norm());
    let off_diagonal = (direction.transpose() * direction - Matrix3::identity()).abs().max();
    if off_diagonal > ORTHOGONAL {
        return None;
    }
    let qfac = direction.determinant().signum();
    direction.column_mut(2).scale_mut(qfac);
    let q = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(direction));
    let sign = if q.w < 0.0 { -1.0 } else { 1.0 };
    Some(Qform { qfac, quatern: [q.i * sign, q.j * sign, q.k * sign] })
}

/// NIfTI's code of a type.
fn datatype(scalar_type: ScalarType) -> i16 {
    match scalar_type {
        ScalarType::U8 => 2,
        ScalarType::I16 => 4,
        ScalarType::I32 => 8,
        ScalarType::F32 => 16,
        ScalarType::F64 => 64,
        ScalarType::I8 => 256,
        ScalarType::U16 => 512,
        ScalarType::U32 => 768,
        ScalarType::I64 => 1024,
        ScalarType::U64 => 1280,
        ScalarType::F128 => 1536,
    }
}
