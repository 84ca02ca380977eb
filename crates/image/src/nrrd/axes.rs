//! From NRRD axes to a grid in the LPS world.

use super::fields::Fields;
use crate::error::{ReadError, Warning};
use crate::header_text::{grid, number, numbers, quoted, with_normal};
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point, Vector};
use std::ops::Range;

/// Most axes.
const MAX_DIMENSION: usize = 8;

/// How the axes of the file become those of the image.
pub(super) struct Axes {
    /// Extents: the spatial ones, then those after them, then the components.
    pub shape: Vec<usize>,
    /// Numbers of a voxel that stand together in the file.
    pub components_first: usize,
    pub grid: Grid,
}

pub(super) fn read(fields: &Fields, warnings: &mut Vec<Warning>) -> Result<Axes, ReadError> {
    let path = &fields.path;
    let accepted = format!("2 to {MAX_DIMENSION}");
    let dimension: usize = number(path, "dimension", fields.required("dimension")?, &accepted)?;
    if !(2..=MAX_DIMENSION).contains(&dimension) {
        return Err(ReadError::field(path, "dimension", dimension, accepted));
    }
    let sizes: Vec<usize> = numbers(path, "sizes", fields.required("sizes")?, dimension)?;
    let kinds = kinds(fields, dimension)?;
    let directions = directions(fields, dimension)?;
    let spatial = spatial_axes(fields, dimension, &kinds, directions.as_deref())?;
    let (before, after) = (&sizes[..spatial.start], &sizes[spatial.end..]);
    let components = before.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
    let mut shape = sizes[spatial.clone()].to_vec();
    if !after.is_empty() {
        shape.resize(3, 1);
        shape.extend(after);
    }
    if components != Some(1) {
        shape.resize(4, 1);
        // An overflowing product becomes an extent that no shape may have.
        shape.push(components.unwrap_or(usize::MAX));
    }
    let (origin, axes) = match directions {
        Some(directions) => oriented(fields, &directions[spatial], warnings)?,
        None => unoriented(fields, dimension, spatial, warnings)?,
    };
    let unit = length_unit(fields, warnings)?;
    let grid = grid(path, &shape, Point::from(origin.coords * unit), axes * unit)?;
    Ok(Axes { shape, components_first: components.unwrap_or(1), grid })
}

fn kinds(fields: &Fields, dimension: usize) -> Result<Vec<String>, ReadError> {
    let Some(text) = fields.get("kinds") else { return Ok(vec!["???".to_string(); dimension]) };
    let kinds: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    if kinds.len() != dimension {
        return Err(ReadError::field(&fields.path, "kinds", quoted(text), format!("{dimension} words")));
    }
    if kinds.iter().any(|k| k == "complex") {
        return Err(ReadError::unsupported(&fields.path, "an axis of complex numbers", "real numbers"));
    }
    Ok(kinds)
}

/// The vector of each axis, `None` for `none`.
type Directions = Vec<Option<Vec<f64>>>;

fn directions(fields: &Fields, dimension: usize) -> Result<Option<Directions>, ReadError> {
    let Some(text) = fields.get("spacedirections") else { return Ok(None) };
    let error = || {
        let accepted = format!("{dimension} entries, each none or (a,b,c)");
        ReadError::field(&fields.path, "space directions", quoted(text), accepted)
    };
    let directions: Option<Directions> = entries(text)
        .take(dimension + 1)
        .map(|entry| if entry.eq_ignore_ascii_case("none") { Some(None) } else { vector(entry).map(Some) })
        .collect();
    match directions {
        Some(directions) if directions.len() == dimension => {
            let mut lengths = directions.iter().flatten().map(Vec::len);
            let first = lengths.next();
            let accepted = matches!(first, Some(2..=4)) && lengths.all(|n| Some(n) == first);
            if accepted { Ok(Some(directions)) } else { Err(error()) }
        }
        _ => Err(error()),
    }
}

/// Entries of a list of vectors: words, or everything between parentheses.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let end = match rest.strip_prefix('(') {
            Some(inner) => inner.find(')').map_or(rest.len(), |n| n + 2),
            None => rest.find([' ', '\t', '(']).unwrap_or(rest.len()),
        };
        let (entry, tail) = rest.split_at(end);
        rest = tail;
        Some(entry)
    })
}

fn vector(entry: &str) -> Option<Vec<f64>> {
    entry.strip_prefix('(')?.strip_suffix(')')?.split(',').map(|n| n.trim().parse().ok()).collect()
}

/// Which axes lie in space: two or three neighbouring ones, any number of axes before them (components) and at
/// most one behind.
fn spatial_axes(
    fields: &Fields,
    dimension: usize,
    kinds: &[String],
    directions: Option<&[Option<Vec<f64>>]>,
) -> Result<Range<usize>, ReadError> {
    let is_spatial = |axis: usize| match directions {
        // The time axis of a `-time` space has a vector without spatial part.
        Some(directions) => directions[axis].as_ref().is_some_and(|v| v.len() < 4 || v[..3].iter().any(|&x| x != 0.0)),
        None => match kinds[axis].as_str() {
            "domain" | "space" => true,
            "???" | "none" => dimension <= 3 || axis < 3,
            _ => false,
        },
    };
    let start = (0..dimension).find(|&a| is_spatial(a)).unwrap_or(dimension);
    let mut end = start + (start..dimension).take_while(|&a| is_spatial(a)).count();
    // Without directions a fourth domain axis is time or a list.
    if directions.is_none() && end - start == 4 {
        end = start + 3;
    }
    let alone = directions.is_none() || (end..dimension).all(|a| !is_spatial(a));
    if !alone || !matches!(end - start, 2 | 3) || dimension - end > 1 {
        let found = format!("{dimension} axes with {} neighbours in space", end - start);
        let accepted = "two or three neighbouring axes in space, component axes before them, at most one axis behind";
        return Err(ReadError::field(&fields.path, "space directions (or kinds)", found, accepted));
    }
    Ok(start..end)
}

/// Grid of axes with directions, turned to LPS.
fn oriented(
    fields: &Fields,
    spatial: &[Option<Vec<f64>>],
    warnings: &mut Vec<Warning>,
) -> Result<(Point, Matrix3<f64>), ReadError> {
    let path = &fields.path;
    let lps_from_space = lps_from_space(fields, warnings)?;
    let to_lps = |v: &[f64]| Vector::from_fn(|r, _| lps_from_space[r] * v.get(r).copied().unwrap_or(0.0));
    let axes: Vec<Vector> = spatial.iter().flatten().map(|v| to_lps(&v[..v.len().min(3)])).collect();
    let origin = match fields.get("spaceorigin") {
        Some(text) => {
            let length = spatial.iter().flatten().map(Vec::len).next().unwrap_or(3);
            let origin = vector(text).filter(|v| v.len() == length).ok_or_else(|| {
                ReadError::field(path, "space origin", quoted(text), format!("one vector of {length} numbers"))
            })?;
            Point::from(to_lps(&origin))
        }
        None => {
            warnings.push(Warning::new("no space origin: the first voxel is taken to lie at the world origin"));
            Point::origin()
        }
    };
    let axes = match axes[..] {
        [x, y] => with_normal(x, y),
        [x, y, z] => Matrix3::from_columns(&[x, y, z]),
        _ => Matrix3::zeros(),
    };
    Ok((origin, axes))
}

/// Signs that turn the file's space to LPS.
fn lps_from_space(fields: &Fields, warnings: &mut Vec<Warning>) -> Result<[f64; 3], ReadError> {
    let Some(space) = fields.get("space") else {
        warnings.push(Warning::new("no space is named: directions and origin are taken as LPS"));
        return Ok([1.0; 3]);
    };
    let lower = space.to_ascii_lowercase();
    match lower.strip_suffix("-time").unwrap_or(&lower) {
        "left-posterior-superior" | "lps" => Ok([1.0, 1.0, 1.0]),
        "right-anterior-superior" | "ras" => Ok([-1.0, -1.0, 1.0]),
        "left-anterior-superior" | "las" => Ok([1.0, -1.0, 1.0]),
        "scanner-xyz" | "3d-right-handed" => {
            let warning = format!("space {space} says nothing of the patient: it is taken as LPS");
            warnings.push(Warning::new(warning));
            Ok([1.0; 3])
        }
        _ => {
            let accepted = "left-posterior-superior, right-anterior-superior, left-anterior-superior, scanner-xyz \
                            or 3D-right-handed";
            Err(ReadError::field(&fields.path, "space", quoted(space), accepted))
        }
    }
}

/// Grid of axes that only have spacings.
fn unoriented(
    fields: &Fields,
    dimension: usize,
    spatial: Range<usize>,
    warnings: &mut Vec<Warning>,
) -> Result<(Point, Matrix3<f64>), ReadError> {
    let path = &fields.path;
    let mut spacing = [1.0; 3];
    match fields.get("spacings") {
        Some(text) => {
            let all: Vec<f64> = numbers(path, "spacings", text, dimension)?;
            for (to, &from) in spacing.iter_mut().zip(&all[spatial]) {
                if !from.is_finite() || from == 0.0 {
                    return Err(ReadError::field(path, "spacings", quoted(text), "finite lengths other than 0"));
                }
                *to = from;
            }
            warnings.push(Warning::new("no space directions: the axes are taken along LPS from the world origin"));
        }
        None => warnings
            .push(Warning::new("neither space directions nor spacings: 1 mm along LPS from the world origin is taken")),
    }
    Ok((Point::origin(), Matrix3::from_diagonal(&Vector::from(spacing))))
}

/// mm in one unit of the file, from `space units` (or `units` for axes without directions).
fn length_unit(fields: &Fields, warnings: &mut Vec<Warning>) -> Result<f64, ReadError> {
    let name = if fields.get("spacedirections").is_some() { "spaceunits" } else { "units" };
    let Some(text) = fields.get(name) else { return Ok(1.0) };
    let mut units: Vec<&str> = text.split('"').map(str::trim).filter(|u| !u.is_empty()).collect();
    units.retain(|u| !matches!(*u, "s" | "ms" | "none" | "???"));
    units.dedup();
    let mm = match units[..] {
        [] | ["mm" | "millimeter" | "millimeters"] => return Ok(1.0),
        ["um" | "micron" | "microns" | "micrometer"] => 1e-3,
        ["cm"] => 10.0,
        ["m"] => 1000.0,
        _ => {
            warnings.push(Warning::new(format!("units {} are unknown or mixed: mm are taken", quoted(text))));
            return Ok(1.0);
        }
    };
    warnings.push(Warning::new(format!("lengths are in {} and are converted to mm", units[0])));
    Ok(mm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_may_contain_spaces() {
        let text = "none (1, 0,0)(0,2,0) ( 0,0 ,3 )";
        assert_eq!(entries(text).collect::<Vec<_>>(), ["none", "(1, 0,0)", "(0,2,0)", "( 0,0 ,3 )"]);
        assert_eq!(vector("( 0,0 ,3 )"), Some(vec![0.0, 0.0, 3.0]));
        assert_eq!(vector("(1,x)"), None);
        assert_eq!(entries("(1,0").collect::<Vec<_>>(), ["(1,0"]);
        assert_eq!(vector("(1,0"), None);
    }
}
