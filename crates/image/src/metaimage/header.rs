//! The `Key = Value` header of MetaImage.

use crate::error::{ReadError, Warning};
use crate::header_text::{MAX_LINE, MAX_LINES, grid, number, numbers, quoted, with_normal};
use crate::input::Input;
use crate::scalar::{ByteOrder, ScalarType};
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point, Vector};
use std::collections::HashMap;
use std::path::Path;

/// `ElementType` words and what they mean; `MET_LONG` has four bytes on every machine.
pub(super) const ELEMENT_TYPES: [(&str, ScalarType); 13] = [
    ("MET_UCHAR", ScalarType::U8),
    ("MET_CHAR", ScalarType::I8),
    ("MET_ASCII_CHAR", ScalarType::I8),
    ("MET_USHORT", ScalarType::U16),
    ("MET_SHORT", ScalarType::I16),
    ("MET_UINT", ScalarType::U32),
    ("MET_INT", ScalarType::I32),
    ("MET_ULONG", ScalarType::U32),
    ("MET_LONG", ScalarType::I32),
    ("MET_ULONG_LONG", ScalarType::U64),
    ("MET_LONG_LONG", ScalarType::I64),
    ("MET_FLOAT", ScalarType::F32),
    ("MET_DOUBLE", ScalarType::F64),
];

/// Most components of one voxel.
const MAX_CHANNELS: usize = 4096;

/// A header understood.
pub(super) struct MetaHeader {
    /// Extents as `DimSize` gives them (two to four).
    pub dim_size: Vec<usize>,
    /// `ElementNumberOfChannels`.
    pub channels: usize,
    /// Extents of the array: `dim_size`, and the channels as the fifth axis if there are several.
    pub shape: Vec<usize>,
    /// The first three axes.
    pub grid: Grid,
    pub scalar_type: ScalarType,
    pub byte_order: ByteOrder,
    pub binary: bool,
    pub compressed: bool,
    /// Bytes before the data; `None` for data at the end of the file (`HeaderSize = -1`).
    pub header_size: Option<u64>,
    pub data_file: String,
    pub warnings: Vec<Warning>,
}

/// Fields by name, as they stand.
struct Fields<'a> {
    path: &'a Path,
    values: HashMap<String, String>,
}

impl Fields<'_> {
    /// The first of several names for the same thing, with the name found.
    fn get<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &str)> {
        names.iter().find_map(|name| self.values.get(*name).map(|v| (*name, v.as_str())))
    }

    fn required(&self, name: &'static str) -> Result<&str, ReadError> {
        self.get(&[name]).map(|(_, v)| v).ok_or_else(|| ReadError::field(self.path, name, "missing", "its value"))
    }

    fn flag(&self, names: &[&str], default: bool) -> Result<bool, ReadError> {
        let Some((name, value)) = self.get(names) else { return Ok(default) };
        match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "0" => Ok(false),
            _ => Err(ReadError::field(self.path, name, quoted(value), "True or False")),
        }
    }
}

/// Reads up to and including the line `ElementDataFile`.
pub(super) fn read(input: &mut Input) -> Result<MetaHeader, ReadError> {
    let path = input.path().to_path_buf();
    let mut fields = Fields { path: &path, values: HashMap::new() };
    for _ in 0..MAX_LINES {
        let Some(line) = input.read_line(MAX_LINE)? else {
            return Err(ReadError::field(&path, "ElementDataFile", "missing", "LOCAL, LIST or a file name"));
        };
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            return Err(ReadError::field(&path, "a header line", quoted(line), "lines of the form Key = Value"));
        };
        let (key, value) = (key.trim(), value.trim());
        fields.values.insert(key.to_string(), value.to_string());
        if key == "ElementDataFile" {
            return interpret(&fields);
        }
    }
    Err(ReadError::field(&path, "the header", format!("longer than {MAX_LINES} lines"), "shorter headers"))
}

fn interpret(fields: &Fields) -> Result<MetaHeader, ReadError> {
    let path = fields.path;
    let mut warnings = Vec::new();
    if let Some((name, kind)) = fields.get(&["ObjectType"])
        && !kind.eq_ignore_ascii_case("image")
    {
        return Err(ReadError::field(path, name, quoted(kind), "Image"));
    }
    let dims: usize = number(path, "NDims", fields.required("NDims")?, "2, 3 or 4")?;
    if !(2..=4).contains(&dims) {
        return Err(ReadError::field(path, "NDims", dims, "2, 3 or 4"));
    }
    let dim_size: Vec<usize> = numbers(path, "DimSize", fields.required("DimSize")?, dims)?;
    let channels = match fields.get(&["ElementNumberOfChannels"]) {
        Some((name, text)) => number(path, name, text, "a number from 1")?,
        None => 1,
    };
    if !(1..=MAX_CHANNELS).contains(&channels) {
        let accepted = format!("1 to {MAX_CHANNELS}");
        return Err(ReadError::field(path, "ElementNumberOfChannels", channels, accepted));
    }
    let word = fields.required("ElementType")?;
    let scalar_type = ELEMENT_TYPES.iter().find(|(name, _)| *name == word).map(|&(_, t)| t).ok_or_else(|| {
        let accepted = ELEMENT_TYPES.map(|(name, _)| name).join(", ");
        ReadError::field(path, "ElementType", quoted(word), accepted)
    })?;
    let big = fields.flag(&["BinaryDataByteOrderMSB", "ElementByteOrderMSB"], false)?;
    let header_size = match fields.get(&["HeaderSize"]) {
        Some((name, text)) => match number::<i64>(path, name, text, "-1 or a number of bytes")? {
            -1 => None,
            bytes => Some(u64::try_from(bytes).map_err(|_| ReadError::field(path, name, bytes, "-1 or above"))?),
        },
        None => Some(0),
    };
    if let Some((name, text)) = fields.get(&["ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"]) {
        warnings.push(Warning::new(format!("{name} = {text} is not applied: the values are those stored")));
    }
    let mut shape = dim_size.clone();
    if channels > 1 {
        shape.resize(4, 1);
        shape.push(channels);
    }
    let grid = place(fields, dims, &shape, &mut warnings)?;
    Ok(MetaHeader {
        dim_size,
        channels,
        shape,
        grid,
        scalar_type,
        byte_order: if big { ByteOrder::Big } else { ByteOrder::Little },
        binary: fields.flag(&["BinaryData"], true)?,
        compressed: fields.flag(&["CompressedData"], false)?,
        header_size,
        data_file: fields.required("ElementDataFile")?.to_string(),
        warnings,
    })
}

/// Spacing, directions and origin. The world of MetaImage is LPS, as ITK reads it; `AnatomicalOrientation`
/// describes the axes a second time and does not enter.
fn place(fields: &Fields, dims: usize, shape: &[usize], warnings: &mut Vec<Warning>) -> Result<Grid, ReadError> {
    let path = fields.path;
    let spacing: Vec<f64> = match fields.get(&["ElementSpacing", "ElementSize"]) {
        Some((name, text)) => {
            let spacing = numbers(path, name, text, dims)?;
            if spacing.iter().any(|&s: &f64| !s.is_finite() || s <= 0.0) {
                return Err(ReadError::field(path, name, quoted(text), "finite lengths above 0"));
            }
            spacing
        }
        None => {
            warnings.push(Warning::new("no ElementSpacing: 1 mm is taken"));
            vec![1.0; dims]
        }
    };
    let origin: Vec<f64> = match fields.get(&["Offset", "Position", "Origin"]) {
        Some((name, text)) => numbers(path, name, text, dims)?,
        None => {
            warnings.push(Warning::new("no Offset: voxel (0, 0, 0) is taken to lie at the world origin"));
            vec![0.0; dims]
        }
    };
    // The file lists the direction of axis 0, then of axis 1, …
    let direction: Vec<f64> = match fields.get(&["TransformMatrix", "Orientation", "Rotation"]) {
        Some((name, text)) => numbers(path, name, text, dims * dims)?,
        None => (0..dims * dims).map(|n| if n % (dims + 1) == 0 { 1.0 } else { 0.0 }).collect(),
    };
    let unit = length_unit(fields, warnings)?;
    let component = |v: &[f64], n: usize| v.get(n).copied().unwrap_or(0.0) * unit;
    let axis = |a: usize| {
        let cosines = &direction[a * dims..(a + 1) * dims];
        Vector::from_fn(|r, _| if r < dims { component(cosines, r) * spacing[a] } else { 0.0 })
    };
    let axes =
        if dims == 2 { with_normal(axis(0), axis(1)) } else { Matrix3::from_columns(&[axis(0), axis(1), axis(2)]) };
    let origin = Point::from(Vector::from_fn(|r, _| if r < dims { component(&origin, r) } else { 0.0 }));
    grid(path, shape, origin, axes)
}

/// mm in one unit of the file.
fn length_unit(fields: &Fields, warnings: &mut Vec<Warning>) -> Result<f64, ReadError> {
    let Some((name, unit)) = fields.get(&["DistanceUnits"]) else { return Ok(1.0) };
    let mm = match unit {
        "mm" => return Ok(1.0),
        "um" => 1e-3,
        "cm" => 10.0,
        "?" | "" => {
            warnings.push(Warning::new("DistanceUnits is unknown: mm are taken"));
            return Ok(1.0);
        }
        _ => return Err(ReadError::field(fields.path, name, quoted(unit), "um, mm or cm")),
    };
    warnings.push(Warning::new(format!("DistanceUnits = {unit}: lengths are converted to mm")));
    Ok(mm)
}
