//! A series of slices (CT, but any modality with planes in the patient) as one volume.

use super::dataset::Dataset;
use super::pixels;
use super::slice::Slice;
use super::walk;
use crate::error::{ReadError, Warning};
use crate::raw::{Format, Header, RawImage, Samples};
use crate::scalar::ScalarType;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Vector};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most files looked at in a folder.
const MAX_FILES: usize = 100_000;
/// Departure of a slice from its place in an even stack that passes for rounding, mm and part of the spacing.
const EVEN_MM: f64 = 0.02;
const EVEN_PART: f64 = 0.01;
/// Slices closer than this lie at the same place, mm.
const SAME_MM: f64 = 1e-3;
/// Tilt below which a stack counts as upright, rad.
const TILT: f64 = 1e-3;

/// Reads the series of slices in a folder (not in folders below it). Several series are refused unless
/// `series_uid` names the SeriesInstanceUID of one of them.
///
/// Slices are sorted by ImagePositionPatient along their normal. Refused: slices of different size or
/// direction, two slices at one place, missing slices and uneven spacing. A gantry tilt is kept as a sheared
/// grid and noted. Localizers and files that are no DICOM images are left out, and noted.
pub fn read_dicom_series(folder: &Path, series_uid: Option<&str>) -> Result<RawImage, ReadError> {
    let mut warnings = Vec::new();
    let slices = choose(folder, headers(folder, &mut warnings)?, series_uid)?;
    assemble(folder, slices, warnings)
}

/// One slice as a volume of one layer.
pub(super) fn single(data: &Dataset) -> Result<RawImage, ReadError> {
    let slice = Slice::read(data)?;
    let warning = Warning::new("one slice of a series: name its folder to read the whole series");
    let path = data.path().to_path_buf();
    let (grid, warnings) = stack(&path, std::slice::from_ref(&slice), vec![warning])?;
    let numbers = pixels::frame(data, &slice.format, 0)?;
    Ok(finish(&path, &[slice], grid, warnings, vec![numbers]))
}

/// The headers of all slices in a folder.
fn headers(folder: &Path, warnings: &mut Vec<Warning>) -> Result<Vec<Slice>, ReadError> {
    let error = |e| ReadError::io(folder, e);
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.is_file() {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            return Err(ReadError::unsupported(folder, "a folder of so many files", format!("up to {MAX_FILES}")));
        }
    }
    files.sort();
    let mut slices = Vec::new();
    let (mut foreign, mut images) = (0, 0);
    for path in files {
        if !begins_like_dicom(&path)? {
            foreign += 1;
            continue;
        }
        let data = Dataset::open(&path)?;
        if *data.pixel_data() == walk::PixelData::Absent {
            foreign += 1;
            continue;
        }
        images += 1;
        let slice = Slice::read(&data)?;
        if slice.localizer {
            warnings.push(Warning::new(format!("{} is a localizer and is left out", slice.name())));
        } else {
            slices.push(slice);
        }
    }
    if slices.is_empty() {
        let what = format!("a folder with {images} DICOM images and no slice of a series among them");
        return Err(ReadError::unsupported(folder, what, "a folder with the slices of a DICOM series"));
    }
    if foreign > 0 {
        warnings.push(Warning::new(format!("{foreign} files of the folder are no DICOM images and are left out")));
    }
    Ok(slices)
}

fn begins_like_dicom(path: &Path) -> Result<bool, ReadError> {
    let file = std::fs::File::open(path).map_err(|e| ReadError::io(path, e))?;
    let mut start = Vec::new();
    file.take(132).read_to_end(&mut start).map_err(|e| ReadError::io(path, e))?;
    Ok(walk::recognises(&start))
}

/// The slices of the one series, or of the one asked for.
fn choose(folder: &Path, slices: Vec<Slice>, series_uid: Option<&str>) -> Result<Vec<Slice>, ReadError> {
    let mut series: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    for slice in slices {
        series.entry(slice.series.clone()).or_default().push(slice);
    }
    let listed = |series: &BTreeMap<String, Vec<Slice>>| {
        let words = series.iter().take(8).map(|(uid, slices)| {
            let described: String = slices[0].description.chars().filter(|c| !c.is_control()).take(40).collect();
            format!("{uid} ({} slices, {described:?})", slices.len())
        });
        let more = if series.len() > 8 { format!(" and {} more", series.len() - 8) } else { String::new() };
        words.collect::<Vec<_>>().join(", ") + &more
    };
    match series_uid {
        Some(uid) => series.remove(uid).ok_or_else(|| {
            ReadError::field(folder, "SeriesInstanceUID (0020,000E)", format!("{uid:?}, not here"), listed(&series))
        }),
        None if series.len() == 1 => Ok(series.into_values().next().expect("there is one series")),
        None => {
            let found = format!("not the same in all files: {} series", series.len());
            let accepted = format!("one of {}", listed(&series));
            Err(ReadError::field(folder, "SeriesInstanceUID (0020,000E)", found, accepted))
        }
    }
}

fn assemble(folder: &Path, mut slices: Vec<Slice>, warnings: Vec<Warning>) -> Result<RawImage, ReadError> {
    let first = slices[0].clone();
    for slice in &slices {
        let (a, b) = (&first, slice);
        let differs = if (a.format.rows, a.format.cols) != (b.format.rows, b.format.cols) {
            Some("their size")
        } else if (a.x - b.x).norm() > 1e-4 || (a.y - b.y).norm() > 1e-4 {
            Some("their direction (ImageOrientationPatient)")
        } else if (0..2).any(|n| (a.spacing[n] - b.spacing[n]).abs() > 1e-4 * a.spacing[n]) {
            Some("their PixelSpacing")
        } else {
            None
        };
        if let Some(what) = differs {
            let sentence = format!("slices {} and {} of one series differ in {what}", a.name(), b.name());
            return Err(ReadError::damaged(folder, sentence));
        }
    }
    let normal = first.normal();
    slices.sort_by(|a, b| a.along(&normal).total_cmp(&b.along(&normal)));
    let (grid, warnings) = stack(folder, &slices, warnings)?;
    let mut numbers = Vec::with_capacity(slices.len());
    for slice in &slices {
        let data = Dataset::open(&slice.path)?;
        numbers.push(pixels::frame(&data, &slice.format, 0)?);
    }
    Ok(finish(folder, &slices, grid, warnings, numbers))
}

/// The grid of sorted slices.
fn stack(path: &Path, slices: &[Slice], mut warnings: Vec<Warning>) -> Result<(Grid, Vec<Warning>), ReadError> {
    let (first, last) = (&slices[0], &slices[slices.len() - 1]);
    let normal = first.normal();
    let step = if slices.len() > 1 {
        let step = (last.position - first.position) / (slices.len() - 1) as f64;
        even(path, slices, &normal, &step)?;
        let tilt = (step - normal * step.dot(&normal)).norm().atan2(step.dot(&normal));
        if tilt > TILT {
            let degrees = tilt.to_degrees();
            warnings.push(Warning::new(format!("the gantry is tilted by {degrees:.2} deg: the grid is sheared")));
        }
        step
    } else {
        let thickness = first.thickness.unwrap_or_else(|| {
            warnings.push(Warning::new("one slice without SliceThickness: 1 mm is taken"));
            1.0
        });
        normal * thickness
    };
    if slices.iter().any(|s| s.modality_lut) {
        warnings.push(Warning::new("a ModalityLUTSequence is not applied: the values are those stored"));
    }
    let axes = Matrix3::from_columns(&[first.x * first.spacing[0], first.y * first.spacing[1], step]);
    let shape = [first.format.cols, first.format.rows, slices.len()];
    let grid = Grid::new(shape, first.position, axes).map_err(|source| ReadError::grid(path, source))?;
    Ok((grid, warnings))
}

/// Refuses stacks whose slices are not evenly placed along one line, and says which fault it is.
fn even(path: &Path, slices: &[Slice], normal: &Vector, step: &Vector) -> Result<(), ReadError> {
    let refused = |sentence: String| Err(ReadError::damaged(path, sentence));
    let mut gaps: Vec<f64> = slices.windows(2).map(|w| w[1].along(normal) - w[0].along(normal)).collect();
    if let Some(n) = gaps.iter().position(|&gap| gap < SAME_MM) {
        let (a, b) = (&slices[n], &slices[n + 1]);
        let copies = if a.instance == b.instance { " (copies of one image)" } else { "" };
        return refused(format!("slices {} and {} lie at the same place{copies}", a.name(), b.name()));
    }
    let tolerance = |spacing: f64| EVEN_MM.max(EVEN_PART * spacing);
    let unsorted = gaps.clone();
    gaps.sort_by(f64::total_cmp);
    let usual = gaps[gaps.len() / 2];
    for (n, &gap) in unsorted.iter().enumerate() {
        if (gap - usual).abs() <= tolerance(usual) {
            continue;
        }
        let (a, b) = (slices[n].name(), slices[n + 1].name());
        let times = (gap / usual).round();
        return if times >= 2.0 && (gap - times * usual).abs() <= times * tolerance(usual) {
            refused(format!(
                "{} slices are missing between {a} and {b} ({gap:.3} mm, elsewhere {usual:.3})",
                times - 1.0
            ))
        } else {
            refused(format!("the slices are unevenly spaced: {gap:.3} mm between {a} and {b}, elsewhere {usual:.3} mm"))
        };
    }
    for (n, slice) in slices.iter().enumerate() {
        let off = (slice.position - (slices[0].position + step * n as f64)).norm();
        if off > 2.0 * tolerance(usual) {
            return refused(format!("slice {} lies {off:.3} mm beside the line of the others", slice.name()));
        }
    }
    Ok(())
}

/// Joins the slices: integers with one scale where all slices share it, otherwise scaled f32.
fn finish(path: &Path, slices: &[Slice], grid: Grid, warnings: Vec<Warning>, numbers: Vec<Vec<i32>>) -> RawImage {
    let scale = slices[0].scale;
    let uniform = slices.iter().all(|s| s.scale == scale);
    let signed = slices.iter().any(|s| s.format.signed);
    let wide = slices.iter().any(|s| !s.format.signed && s.format.bits_stored > 15);
    let stored = numbers.into_iter().flatten();
    let samples = if !uniform {
        let scaled =
            stored.zip(slices.iter().flat_map(|s| std::iter::repeat_n(s.scale, s.format.rows * s.format.cols)));
        Samples::F32(scaled.map(|(v, s)| s.map_or(f64::from(v), |s| s.apply(f64::from(v))) as f32).collect())
    } else if signed && wide {
        Samples::I32(stored.collect())
    } else if signed {
        Samples::I16(stored.map(|v| v as i16).collect())
    } else {
        Samples::U16(stored.map(|v| v as u16).collect())
    };
    let header = Header {
        path: path.to_path_buf(),
        format: Format::Dicom,
        shape: grid.shape().to_vec(),
        affine: grid.ras_affine(),
        grid,
        scalar_type: match samples {
            Samples::F32(_) => ScalarType::F32,
            Samples::I32(_) => ScalarType::I32,
            Samples::I16(_) => ScalarType::I16,
            _ => ScalarType::U16,
        },
        scale: if uniform { scale } else { None },
        intent: 0,
        warnings,
    };
    RawImage::new(header, samples)
}
