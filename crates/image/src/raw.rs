//! An image as it stands in its file: typed numbers, their scale, their place, and what was doubtful.

use crate::error::{ReadError, Warning};
use crate::scalar::{ScalarType, Scale};
use crate::volume::Volume;
use regiscope_geometry::{Grid, nalgebra::Matrix4};
use std::path::PathBuf;

/// File formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NIfTI-1, one file or a pair.
    Nifti1,
    /// NIfTI-2, one file or a pair.
    Nifti2,
    /// MetaImage (.mha, .mhd).
    MetaImage,
    /// NRRD (.nrrd, .nhdr).
    Nrrd,
    /// DICOM: a series of slices or one X-ray image.
    Dicom,
    /// PNG, grey.
    Png,
    /// TIFF, grey.
    Tiff,
    /// An array of NumPy (.npy).
    Npy,
}

impl Format {
    /// The usual name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nifti1 => "NIfTI-1",
            Self::Nifti2 => "NIfTI-2",
            Self::MetaImage => "MetaImage",
            Self::Nrrd => "NRRD",
            Self::Dicom => "DICOM",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::Npy => "NumPy array",
        }
    }
}

/// Everything about an image in a file but its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The file (or folder) it came from.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Extents, x first, as the file states them: usually `[x, y, z]`, then time, then components.
    pub shape: Vec<usize>,
    /// The first three axes in the LPS world, mm; missing axes have extent 1.
    pub grid: Grid,
    /// Voxel index to RAS in the file's own unit of length, as nibabel reports it. Equal to
    /// `grid.ras_affine()` where the file is in mm.
    pub affine: Matrix4<f64>,
    /// Type of the stored numbers.
    pub scalar_type: ScalarType,
    /// Map from stored to meant numbers, `None` where they are the same.
    pub scale: Option<Scale>,
    /// What the numbers mean, as a NIfTI intent code; 0 where nothing is said.
    pub intent: i32,
    /// What was doubtful.
    pub warnings: Vec<Warning>,
}

impl Header {
    /// Numbers in the image: the product of the shape.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the image has no numbers (readers refuse such files).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses shapes with more than one volume.
    pub fn require_volume(&self) -> Result<(), ReadError> {
        if self.shape.iter().skip(3).any(|&n| n != 1) || self.len() != self.grid.len() {
            return Err(ReadError::NotAVolume { path: self.path.clone(), shape: self.shape.clone() });
        }
        Ok(())
    }
}

/// Numbers in the type they are stored in, x-fastest (binary128 as the nearest f64).
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 8-bit unsigned integers.
    U8(Vec<u8>),
    /// 8-bit signed integers.
    I8(Vec<i8>),
    /// 16-bit unsigned integers.
    U16(Vec<u16>),
    /// 16-bit signed integers.
    I16(Vec<i16>),
    /// 32-bit unsigned integers.
    U32(Vec<u32>),
    /// 32-bit signed integers.
    I32(Vec<i32>),
    /// 64-bit unsigned integers.
    U64(Vec<u64>),
    /// 64-bit signed integers.
    I64(Vec<i64>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

/// Evaluates `$body` with `$v` bound to the vector inside, whatever its type.
macro_rules! with_samples {
    ($samples:expr, $v:ident => $body:expr) => {
        match $samples {
            Samples::U8($v) => $body,
            Samples::I8($v) => $body,
            Samples::U16($v) => $body,
            Samples::I16($v) => $body,
            Samples::U32($v) => $body,
            Samples::I32($v) => $body,
            Samples::U64($v) => $body,
            Samples::I64($v) => $body,
            Samples::F32($v) => $body,
            Samples::F64($v) => $body,
        }
    };
}

impl Samples {
    /// How many numbers.
    pub fn len(&self) -> usize {
        with_samples!(self, v => v.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at `offset` as f64 (64-bit integers round to the nearest).
    ///
    /// # Panics
    /// If `offset` is not below [`Self::len`].
    #[allow(clippy::unnecessary_cast)] // f64 is one of the types
    pub fn get(&self, offset: usize) -> f64 {
        with_samples!(self, v => v[offset] as f64)
    }

    /// How many numbers are NaN or infinite.
    pub fn not_finite(&self) -> usize {
        match self {
            Self::F32(v) => v.iter().filter(|x| !x.is_finite()).count(),
            Self::F64(v) => v.iter().filter(|x| !x.is_finite()).count(),
            _ => 0,
        }
    }
}

/// An image read from a file, its numbers as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct RawImage {
    header: Header,
    samples: Samples,
}

impl RawImage {
    /// Joins a header and its numbers, x-fastest; numbers that are not finite are noted as a warning.
    ///
    /// # Panics
    /// If there is not one number for each element of the shape.
    pub fn new(mut header: Header, samples: Samples) -> Self {
        assert_eq!(header.len(), samples.len(), "an image has one number for each element of its shape");
        header.warnings.extend(not_finite_warning(samples.not_finite()));
        Self { header, samples }
    }

    /// All but the numbers.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The numbers as stored.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Gives header and numbers back.
    pub fn into_parts(self) -> (Header, Samples) {
        (self.header, self.samples)
    }

    /// The scaled value at an index with as many entries as the shape (missing trailing ones are 0), as
    /// nibabel's `get_fdata` gives it; `None` outside.
    pub fn value(&self, index: &[usize]) -> Option<f64> {
        let shape = &self.header.shape;
        if index.iter().enumerate().any(|(axis, &i)| i >= shape.get(axis).copied().unwrap_or(1)) {
            return None;
        }
        let offset = shape.iter().zip(index).rev().fold(0, |offset, (n, i)| offset * n + i);
        let stored = self.samples.get(offset);
        Some(self.header.scale.map_or(stored, |scale| scale.apply(stored)))
    }

    /// The image as one volume of f32; more than one volume is refused. Stored f32 without scale are kept in
    /// place; other types are held together with the result for a moment, so for big files prefer
    /// [`crate::read_volume`], which decodes straight from the file.
    #[allow(clippy::unnecessary_cast)] // f64 is one of the types
    pub fn into_volume_f32(self) -> Result<Volume<f32>, ReadError> {
        self.header.require_volume()?;
        let data = match (self.samples, self.header.scale) {
            (Samples::F32(v), None) => v,
            (samples, None) => with_samples!(samples, v => v.into_iter().map(|x| x as f64 as f32).collect()),
            (samples, Some(scale)) => {
                with_samples!(samples, v => v.into_iter().map(|x| scale.apply(x as f64) as f32).collect())
            }
        };
        Ok(Volume::new(self.header.grid, data))
    }

    /// The image as a field of displacements (LPS, mm), stored as shape (X, Y, Z, 1, 3) as
    /// [`crate::write_nifti_displacements`] writes it; other shapes are refused.
    pub fn into_displacements(self) -> Result<Volume<[f32; 3]>, ReadError> {
        let Header { path, shape, grid, scale, .. } = self.header;
        if shape[..] != [grid.shape()[0], grid.shape()[1], grid.shape()[2], 1, 3] {
            let what = format!("shape {shape:?} as a displacement field");
            return Err(ReadError::unsupported(&path, what, "shape (X, Y, Z, 1, 3)"));
        }
        let voxels = grid.len();
        let value = |offset: usize| {
            let stored = self.samples.get(offset);
            scale.map_or(stored, |s| s.apply(stored)) as f32
        };
        let data = (0..voxels).map(|voxel| [0, 1, 2].map(|component| value(component * voxels + voxel))).collect();
        Ok(Volume::new(grid, data))
    }

    /// The image as one volume of labels; refuses values that are not whole or not in 0–65535.
    #[allow(clippy::unnecessary_cast)] // f64 is one of the types
    pub fn into_labels(self) -> Result<Volume<u16>, ReadError> {
        self.header.require_volume()?;
        let Header { path, grid, scale, .. } = self.header;
        let label = |offset: usize, stored: f64| {
            let value = scale.map_or(stored, |s| s.apply(stored));
            if value.fract() == 0.0 && (0.0..=65535.0).contains(&value) {
                return Ok(value as u16);
            }
            let [nx, ny, _] = grid.shape();
            let index = [offset % nx, offset / nx % ny, offset / (nx * ny)];
            Err(ReadError::NotALabel { path: path.clone(), index, value })
        };
        let data = match self.samples {
            Samples::U16(v) if scale.is_none() => v,
            // What masks mostly hold; no value needs a look.
            Samples::U8(v) if scale.is_none() => v.into_iter().map(u16::from).collect(),
            Samples::I16(v) if scale.is_none() && v.iter().all(|x| *x >= 0) => {
                v.into_iter().map(|x| x as u16).collect()
            }
            samples => with_samples!(samples, v => {
                v.into_iter().enumerate().map(|(n, x)| label(n, x as f64)).collect::<Result<_, _>>()?
            }),
        };
        Ok(Volume::new(grid, data))
    }
}

/// The warning about numbers that are not finite, if there are any.
pub(crate) fn not_finite_warning(count: usize) -> Option<Warning> {
    (count > 0).then(|| Warning::new(format!("{count} voxels are not finite (NaN or infinite)")))
}
