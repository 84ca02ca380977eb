//! One X-ray image (XA, RF, CR, DX, MG): pixels, and the geometry where the header has it.

use super::dataset::Dataset;
use super::pixels::{self, PixelFormatOf};
use super::slice::{PIXEL_SPACING, positive};
use crate::error::{ReadError, Warning};
use crate::raw::{Format, Header, RawImage, Samples};
use crate::scalar::{ScalarType, Scale};
use crate::volume::Image;
use dicom_dictionary_std::tags;
use regiscope_geometry::carm::{CArm, Positioner};
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point, Vector};
use std::path::Path;

/// An X-ray image and what its header says of the geometry.
#[derive(Clone, Debug, PartialEq)]
pub struct XRay {
    /// The pixels; larger numbers are brighter on a screen (MONOCHROME1 is turned), rescaled if the header says
    /// so.
    pub image: Image<f32>,
    /// Which frame it is, from 0.
    pub frame: usize,
    /// How many frames the file has.
    pub frames: usize,
    /// Modality, e.g. `XA`, `CR`, `DX`.
    pub modality: String,
    /// Distance of neighbouring rows and of neighbouring columns on the detector, mm.
    pub pixel_pitch_mm: Option<[f64; 2]>,
    /// Source to detector, mm (DistanceSourceToDetector).
    pub source_detector_mm: Option<f64>,
    /// Source to patient, that is to the isocentre of a C-arm, mm (DistanceSourceToPatient).
    pub source_isocentre_mm: Option<f64>,
    /// Angles of the C-arm (PositionerPrimaryAngle, PositionerSecondaryAngle).
    pub positioner: Option<Positioner>,
    /// What the numbers are of the X-ray intensity: `LIN` proportional, `LOG` logarithmic, `DISP` for display.
    pub intensity_relationship: Option<String>,
    /// What was doubtful.
    pub warnings: Vec<Warning>,
}

impl XRay {
    /// The C-arm of the header, at the world origin; `None` if an entry is missing.
    pub fn c_arm(&self) -> Option<CArm> {
        let [row_pitch_mm, col_pitch_mm] = self.pixel_pitch_mm?;
        let (rows, cols) = (self.image.rows(), self.image.cols());
        let arm = CArm::new(self.source_detector_mm?, self.source_isocentre_mm?, rows, cols, col_pitch_mm);
        Some(CArm { row_pitch_mm, ..arm }.at(self.positioner?))
    }
}

/// Reads an X-ray image. A file with several frames is refused unless `frame` chooses one, from 0.
pub fn read_xray(path: &Path, frame: Option<usize>) -> Result<XRay, ReadError> {
    xray(&Dataset::open(path)?, frame)
}

/// Reads an X-ray image from memory; `name` is the name that errors give.
pub fn read_xray_bytes(name: &Path, bytes: Vec<u8>, frame: Option<usize>) -> Result<XRay, ReadError> {
    xray(&Dataset::from_bytes(name, bytes)?, frame)
}

fn xray(data: &Dataset, frame: Option<usize>) -> Result<XRay, ReadError> {
    let path = data.path();
    let format = PixelFormatOf::read(data)?;
    let accepted = || format!("a frame from 0 to {}", format.frames - 1);
    let frame = match frame {
        None if format.frames == 1 => 0,
        None => return Err(ReadError::field(path, "NumberOfFrames (0028,0008)", format.frames, accepted())),
        Some(frame) if frame < format.frames => frame,
        Some(frame) => return Err(ReadError::field(path, "the frame asked for", frame, accepted())),
    };
    let mut warnings = Vec::new();
    let scale = scale(data, &mut warnings)?;
    let stored = pixels::frame(data, &format, frame)?;
    let meant = |v: i32| {
        let v = f64::from(turned(&format, v));
        scale.map_or(v, |scale| scale.apply(v)) as f32
    };
    let image = Image::new(format.rows, format.cols, stored.into_iter().map(meant).collect());
    Ok(XRay {
        image,
        frame,
        frames: format.frames,
        modality: data.text(tags::MODALITY).unwrap_or_default(),
        pixel_pitch_mm: pixel_pitch(data, &mut warnings)?,
        source_detector_mm: distance(
            data,
            tags::DISTANCE_SOURCE_TO_DETECTOR,
            "DistanceSourceToDetector",
            &mut warnings,
        )?,
        source_isocentre_mm: distance(
            data,
            tags::DISTANCE_SOURCE_TO_PATIENT,
            "DistanceSourceToPatient",
            &mut warnings,
        )?,
        positioner: positioner(data, format.frames, &mut warnings)?,
        intensity_relationship: data.text(tags::PIXEL_INTENSITY_RELATIONSHIP),
        warnings,
    })
}

/// All frames as an image on the detector: axes x (columns), y (rows), then frames as the fourth axis.
pub(super) fn image(data: &Dataset) -> Result<RawImage, ReadError> {
    let path = data.path();
    let format = PixelFormatOf::read(data)?;
    let mut warnings = vec![Warning::new("an X-ray image: its grid lies at the world origin, not in the patient")];
    let scale = scale(data, &mut warnings)?;
    let [dy, dx] = pixel_pitch(data, &mut warnings)?.unwrap_or([1.0; 2]);
    let mut shape = vec![format.cols, format.rows];
    if format.frames > 1 {
        shape.extend([1, format.frames]);
    }
    let mut stored = Vec::new();
    for frame in 0..format.frames {
        stored.extend(pixels::frame(data, &format, frame)?.into_iter().map(|v| turned(&format, v)));
    }
    let (samples, scalar_type) = if format.signed {
        (Samples::I16(stored.into_iter().map(|v| v as i16).collect()), ScalarType::I16)
    } else {
        (Samples::U16(stored.into_iter().map(|v| v as u16).collect()), ScalarType::U16)
    };
    let axes = Matrix3::from_diagonal(&Vector::new(dx, dy, 1.0));
    let grid = Grid::new([format.cols, format.rows, 1], Point::origin(), axes)
        .map_err(|source| ReadError::grid(path, source))?;
    let affine = grid.ras_affine();
    let path = path.to_path_buf();
    let header = Header { path, format: Format::Dicom, shape, grid, affine, scalar_type, scale, intent: 0, warnings };
    Ok(RawImage::new(header, samples))
}

/// MONOCHROME1 turned: the least number becomes the greatest.
fn turned(format: &PixelFormatOf, stored: i32) -> i32 {
    let (least, greatest) = format.range();
    if format.inverted { least + greatest - stored } else { stored }
}

fn scale(data: &Dataset, warnings: &mut Vec<Warning>) -> Result<Option<Scale>, ReadError> {
    if data.sequences.contains(&tags::MODALITY_LUT_SEQUENCE) {
        warnings.push(Warning::new("a ModalityLUTSequence is not applied: the values are those stored"));
    }
    if data.text(tags::LOSSY_IMAGE_COMPRESSION).as_deref() == Some("01") {
        warnings.push(Warning::new("the image has been compressed with loss"));
    }
    let slope = data.number(tags::RESCALE_SLOPE, "RescaleSlope")?.unwrap_or(1.0);
    let intercept = data.number(tags::RESCALE_INTERCEPT, "RescaleIntercept")?.unwrap_or(0.0);
    if slope == 0.0 {
        return Err(ReadError::field(data.path(), "RescaleSlope (0028,1053)", slope, "finite numbers other than 0"));
    }
    Ok(Scale { slope, intercept }.unless_identity())
}

/// Pitch on the detector: ImagerPixelSpacing; PixelSpacing, which may be calibrated to the patient, with a warning.
fn pixel_pitch(data: &Dataset, warnings: &mut Vec<Warning>) -> Result<Option<[f64; 2]>, ReadError> {
    if let Some(pitch) = positive(data, &(tags::IMAGER_PIXEL_SPACING, "ImagerPixelSpacing"))? {
        return Ok(Some(pitch));
    }
    let pitch = positive(data, &PIXEL_SPACING)?;
    warnings.push(Warning::new(match pitch {
        Some(_) => "no ImagerPixelSpacing: PixelSpacing is taken, which may be scaled to the patient",
        None => "neither ImagerPixelSpacing nor PixelSpacing: the pixel pitch is unknown",
    }));
    Ok(pitch)
}

/// A distance; 0 stands for unknown in many files.
fn distance(
    data: &Dataset,
    tag: dicom_core::Tag,
    name: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Option<f64>, ReadError> {
    match data.number(tag, name)? {
        Some(v) if v < 0.0 => Err(ReadError::field(data.path(), format!("{name} {tag}"), v, "lengths above 0 mm")),
        Some(0.0) => {
            warnings.push(Warning::new(format!("{name} is 0: it is taken as unknown")));
            Ok(None)
        }
        distance => Ok(distance),
    }
}

fn positioner(data: &Dataset, frames: usize, warnings: &mut Vec<Warning>) -> Result<Option<Positioner>, ReadError> {
    let primary = data.number(tags::POSITIONER_PRIMARY_ANGLE, "PositionerPrimaryAngle")?;
    let secondary = data.number(tags::POSITIONER_SECONDARY_ANGLE, "PositionerSecondaryAngle")?;
    let moves = [tags::POSITIONER_PRIMARY_ANGLE_INCREMENT, tags::POSITIONER_SECONDARY_ANGLE_INCREMENT];
    if frames > 1 && moves.iter().any(|&tag| data.text(tag).is_some()) {
        warnings.push(Warning::new("the positioner moves: its angles are those of the first frame"));
    }
    match (primary, secondary) {
        (None, None) => Ok(None),
        (Some(primary), Some(secondary)) => Ok(Some(Positioner::from_deg(primary, secondary))),
        _ => {
            warnings.push(Warning::new("only one of the two positioner angles is given: both are taken as unknown"));
            Ok(None)
        }
    }
}
