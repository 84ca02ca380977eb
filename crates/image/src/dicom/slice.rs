//! One slice of a series: where it lies and how its numbers are scaled.

use super::dataset::Dataset;
use super::pixels::PixelFormatOf;
use crate::error::ReadError;
use crate::scalar::Scale;
use dicom_dictionary_std::tags;
use regiscope_geometry::{Point, Vector};
use std::path::{Path, PathBuf};

/// The header of a slice.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub path: PathBuf,
    pub series: String,
    pub description: String,
    pub instance: String,
    /// ImageType says LOCALIZER.
    pub localizer: bool,
    pub format: PixelFormatOf,
    /// Centre of the first pixel, LPS mm.
    pub position: Point,
    /// Direction in which the column index grows, then that of the row index.
    pub x: Vector,
    pub y: Vector,
    /// Distance of neighbouring columns, then of neighbouring rows, mm.
    pub spacing: [f64; 2],
    /// Distance to the next slice as the header gives it.
    pub thickness: Option<f64>,
    pub scale: Option<Scale>,
    pub modality_lut: bool,
}

impl Slice {
    /// Reads the place and the scale of a slice; refuses images without a place in the patient.
    pub fn read(data: &Dataset) -> Result<Self, ReadError> {
        let path = data.path();
        let format = PixelFormatOf::read(data)?;
        if format.frames != 1 {
            let what = format!("a DICOM volume of {} frames in one file", format.frames);
            return Err(ReadError::unsupported(path, what, "series with one slice in each file"));
        }
        let missing = |name: &str| ReadError::field(path, name, "missing", "images with their place in the patient");
        let position = data
            .numbers::<3>(tags::IMAGE_POSITION_PATIENT, "ImagePositionPatient")?
            .ok_or_else(|| missing("ImagePositionPatient (0020,0032)"))?;
        let [a, b, c, d, e, f] = data
            .numbers::<6>(tags::IMAGE_ORIENTATION_PATIENT, "ImageOrientationPatient")?
            .ok_or_else(|| missing("ImageOrientationPatient (0020,0037)"))?;
        let (x, y) = (Vector::new(a, b, c), Vector::new(d, e, f));
        if (x.norm() - 1.0).abs() > 1e-3 || (y.norm() - 1.0).abs() > 1e-3 || x.dot(&y).abs() > 1e-3 {
            let found = format!("{:?}", [a, b, c, d, e, f]);
            let accepted = "two perpendicular unit vectors";
            return Err(ReadError::field(path, "ImageOrientationPatient (0020,0037)", found, accepted));
        }
        let [row_spacing, col_spacing] = positive(data, &PIXEL_SPACING)?.ok_or_else(|| missing(PIXEL_SPACING.1))?;
        let series = data.text(tags::SERIES_INSTANCE_UID).ok_or_else(|| missing("SeriesInstanceUID (0020,000E)"))?;
        let slope = data.number(tags::RESCALE_SLOPE, "RescaleSlope")?.unwrap_or(1.0);
        let intercept = data.number(tags::RESCALE_INTERCEPT, "RescaleIntercept")?.unwrap_or(0.0);
        if slope == 0.0 {
            return Err(ReadError::field(path, "RescaleSlope (0028,1053)", slope, "finite numbers other than 0"));
        }
        let distance = |tag, name| Ok::<_, ReadError>(data.number(tag, name)?.filter(|&v| v > 0.0));
        let thickness = match distance(tags::SPACING_BETWEEN_SLICES, "SpacingBetweenSlices")? {
            None => distance(tags::SLICE_THICKNESS, "SliceThickness")?,
            spacing => spacing,
        };
        Ok(Self {
            path: path.to_path_buf(),
            series,
            description: data.text(tags::SERIES_DESCRIPTION).unwrap_or_default(),
            instance: data.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
            localizer: data.text(tags::IMAGE_TYPE).is_some_and(|t| t.to_ascii_uppercase().contains("LOCALIZER")),
            format,
            position: Point::from(position),
            x: x.normalize(),
            y: y.normalize(),
            spacing: [col_spacing, row_spacing],
            thickness,
            scale: Scale { slope, intercept }.unless_identity(),
            modality_lut: data.sequences.contains(&tags::MODALITY_LUT_SEQUENCE),
        })
    }

    /// Unit normal of the slice.
    pub fn normal(&self) -> Vector {
        self.x.cross(&self.y)
    }

    /// Position along a direction, mm.
    pub fn along(&self, direction: &Vector) -> f64 {
        self.position.coords.dot(direction)
    }

    /// The file's name for sentences.
    pub fn name(&self) -> String {
        file_name(&self.path)
    }
}

/// A file's name without its folder.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

/// PixelSpacing and its name in sentences.
pub(super) const PIXEL_SPACING: (dicom_core::Tag, &str) = (tags::PIXEL_SPACING, "PixelSpacing");

/// A pair of lengths above 0 (distance of rows, distance of columns).
pub(super) fn positive(data: &Dataset, (tag, name): &(dicom_core::Tag, &str)) -> Result<Option<[f64; 2]>, ReadError> {
    let pair = data.numbers::<2>(*tag, name)?;
    match pair {
        Some(pair) if pair.iter().any(|&v| v <= 0.0) => {
            let found = format!("{pair:?}");
            Err(ReadError::field(data.path(), format!("{name} {tag}"), found, "two lengths above 0"))
        }
        pair => Ok(pair),
    }
}
