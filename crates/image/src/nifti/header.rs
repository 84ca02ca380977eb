//! The fields of a NIfTI header, as they stand in the file.
//!
//! Offsets from `nifti1.h` (R. W. Cox et al., 2004) and `nifti2.h` (2011).

use crate::error::{ReadError, Warning};
use crate::scalar::{ByteOrder, ScalarType};
use std::path::Path;

/// Bytes of a NIfTI-1 header.
pub(crate) const SIZE_1: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(crate) const SIZE_2: usize = 540;

/// What the readers use of a NIfTI-1 or NIfTI-2 header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fields {
    pub version: u8,
    pub byte_order: ByteOrder,
    /// Header and data in one file.
    pub single: bool,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub bitpix: i16,
    pub pixdim: [f64; 8],
    pub vox_offset: f64,
    pub scl_slope: f64,
    pub scl_inter: f64,
    pub xyzt_units: i32,
    pub qform_code: i32,
    pub sform_code: i32,
    pub quatern: [f64; 3],
    pub qoffset: [f64; 3],
    pub srow: [[f64; 4]; 3],
    pub intent_code: i32,
}

/// Version and byte order if `start` begins like a NIfTI or Analyze header.
pub(crate) fn recognised(start: &[u8]) -> Option<(u8, ByteOrder)> {
    let first: [u8; 4] = start.first_chunk().copied()?;
    [(1, SIZE_1), (2, SIZE_2)].into_iter().find_map(|(version, size)| {
        let size = size as i32;
        if i32::from_le_bytes(first) == size {
            Some((version, ByteOrder::Little))
        } else if i32::from_be_bytes(first) == size {
            Some((version, ByteOrder::Big))
        } else {
            None
        }
    })
}

/// Numbers at fixed places in a header.
struct Bytes<'a>(&'a [u8], ByteOrder);

macro_rules! getter {
    ($name:ident, $t:ty) => {
        fn $name(&self, at: usize) -> $t {
            let bytes = *self.0[at..].first_chunk().expect("the place lies inside the header");
            match self.1 {
                ByteOrder::Little => <$t>::from_le_bytes(bytes),
                ByteOrder::Big => <$t>::from_be_bytes(bytes),
            }
        }
    };
}

impl Bytes<'_> {
    getter!(i16, i16);
    getter!(i32, i32);
    getter!(i64, i64);
    getter!(f32, f32);
    getter!(f64, f64);

    fn single(&self, at: usize) -> f64 {
        f64::from(self.f32(at))
    }
}

/// Reads the fields of a NIfTI-1 header (348 bytes).
fn fields_1(bytes: &[u8], byte_order: ByteOrder, single: bool) -> Fields {
    let b = Bytes(bytes, byte_order);
    Fields {
        version: 1,
        byte_order,
        single,
        dim: std::array::from_fn(|n| i64::from(b.i16(40 + 2 * n))),
        intent_code: i32::from(b.i16(68)),
        datatype: b.i16(70),
        bitpix: b.i16(72),
        pixdim: std::array::from_fn(|n| b.single(76 + 4 * n)),
        vox_offset: b.single(108),
        scl_slope: b.single(112),
        scl_inter: b.single(116),
        xyzt_units: i32::from(bytes[123]),
        qform_code: i32::from(b.i16(252)),
        sform_code: i32::from(b.i16(254)),
        quatern: std::array::from_fn(|n| b.single(256 + 4 * n)),
        qoffset: std::array::from_fn(|n| b.single(268 + 4 * n)),
        srow: std::array::from_fn(|r| std::array::from_fn(|c| b.single(280 + 16 * r + 4 * c))),
    }
}

/// Reads the fields of a NIfTI-2 header (540 bytes).
fn fields_2(bytes: &[u8], byte_order: ByteOrder, single: bool) -> Fields {
    let b = Bytes(bytes, byte_order);
    Fields {
        version: 2,
        byte_order,
        single,
        datatype: b.i16(12),
        bitpix: b.i16(14),
        dim: std::array::from_fn(|n| b.i64(16 + 8 * n)),
        pixdim: std::array::from_fn(|n| b.f64(104 + 8 * n)),
        vox_offset: b.i64(168) as f64,
        scl_slope: b.f64(176),
        scl_inter: b.f64(184),
        qform_code: b.i32(344),
        sform_code: b.i32(348),
        quatern: std::array::from_fn(|n| b.f64(352 + 8 * n)),
        qoffset: std::array::from_fn(|n| b.f64(376 + 8 * n)),
        srow: std::array::from_fn(|r| std::array::from_fn(|c| b.f64(400 + 32 * r + 8 * c))),
        xyzt_units: b.i32(500),
        intent_code: b.i32(504),
    }
}

/// Reads the fields of a whole header of the version that [`recognised`] found.
pub(crate) fn parse(
    path: &Path,
    bytes: &[u8],
    version: u8,
    byte_order: ByteOrder,
    warnings: &mut Vec<Warning>,
) -> Result<Fields, ReadError> {
    let magic = if version == 1 { &bytes[344..348] } else { &bytes[4..8] };
    let single = match (version, magic) {
        (1, b"n+1\0") | (2, b"n+2\0") => true,
        (1, b"ni1\0") | (2, b"ni2\0") => false,
        (1, [0, 0, 0, 0]) => {
            return Err(ReadError::unsupported(path, "an Analyze 7.5 header (no NIfTI magic)", "NIfTI-1 and NIfTI-2"));
        }
        _ => {
            let found = format!("{:?}", String::from_utf8_lossy(magic));
            let accepted = if version == 1 { r#""n+1\0" or "ni1\0""# } else { r#""n+2\0" or "ni2\0""# };
            return Err(ReadError::field(path, "magic", found, accepted));
        }
    };
    if version == 1 {
        return Ok(fields_1(bytes, byte_order, single));
    }
    match &bytes[8..12] {
        b"\r\n\x1a\n" => {}
        [0, 0, 0, 0] => warnings.push(Warning::new("the header's line-end check (bytes 8–11) is not set")),
        _ => {
            return Err(ReadError::damaged(path, "the header's line ends were changed, as by a transfer in text mode"));
        }
    }
    Ok(fields_2(bytes, byte_order, single))
}

impl Fields {
    /// Extents as nibabel reports them: `dim[1..=dim[0]]`.
    pub(crate) fn shape(&self, path: &Path) -> Result<Vec<usize>, ReadError> {
        let axes = self.dim[0];
        if !(1..=7).contains(&axes) {
            return Err(ReadError::field(path, "dim[0]", axes, "1 to 7 axes"));
        }
        let mut shape = Vec::new();
        let mut count = 1usize;
        for (n, &extent) in self.dim.iter().enumerate().take(axes as usize + 1).skip(1) {
            let extent = usize::try_from(extent).ok().filter(|&e| e > 0);
            let Some(extent) = extent else {
                return Err(ReadError::field(path, format!("dim[{n}]"), self.dim[n], "extents of at least 1"));
            };
            count = count.checked_mul(extent).filter(|&c| c <= isize::MAX as usize / 16).ok_or_else(|| {
                ReadError::field(path, "dim", format!("{:?}", self.dim), "sizes that can be addressed")
            })?;
            shape.push(extent);
        }
        Ok(shape)
    }

    /// Type of the stored numbers; `bitpix` must agree unless it is not set.
    pub(crate) fn scalar_type(&self, path: &Path, warnings: &mut Vec<Warning>) -> Result<ScalarType, ReadError> {
        let scalar_type = match self.datatype {
            2 => ScalarType::U8,
            4 => ScalarType::I16,
            8 => ScalarType::I32,
            16 => ScalarType::F32,
            64 => ScalarType::F64,
            256 => ScalarType::I8,
            512 => ScalarType::U16,
            768 => ScalarType::U32,
            1024 => ScalarType::I64,
            1280 => ScalarType::U64,
            1536 => ScalarType::F128,
            other => {
                let name = match other {
                    1 => "binary (1-bit)",
                    32 => "complex64",
                    128 => "RGB (RGB24)",
                    1792 => "complex128",
                    2048 => "complex256",
                    2304 => "RGBA (RGBA32)",
                    _ => {
                        return Err(ReadError::field(
                            path,
                            "datatype",
                            other,
                            "the codes of NIfTI's integers and floats",
                        ));
                    }
                };
                return Err(ReadError::unsupported(path, format!("datatype {other}, {name},"), "integers and floats"));
            }
        };
        match (i32::from(self.bitpix), 8 * scalar_type.size() as i32) {
            (found, expected) if found == expected => {}
            (0, _) => warnings.push(Warning::new(format!("bitpix is not set; {scalar_type} is read as datatype says"))),
            (found, expected) => {
                let accepted = format!("{expected}, which belongs to datatype {} ({scalar_type})", self.datatype);
                return Err(ReadError::field(path, "bitpix", found, accepted));
            }
        }
        Ok(scalar_type)
    }
}
