//! One DICOM file: its elements by tag, and the bytes of its pixels.

use super::walk::{self, PixelData, Syntax};
use crate::error::ReadError;
use crate::input::Input;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::{TransferSyntaxIndex, TransferSyntaxRegistry};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The elements that are read.
const WANTED: [Tag; 37] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::IMAGE_TYPE,
    tags::SOP_CLASS_UID,
    tags::SOP_INSTANCE_UID,
    tags::MODALITY,
    tags::SERIES_DESCRIPTION,
    tags::SERIES_INSTANCE_UID,
    tags::INSTANCE_NUMBER,
    tags::SLICE_THICKNESS,
    tags::SPACING_BETWEEN_SLICES,
    tags::GANTRY_DETECTOR_TILT,
    tags::DISTANCE_SOURCE_TO_DETECTOR,
    tags::DISTANCE_SOURCE_TO_PATIENT,
    tags::IMAGER_PIXEL_SPACING,
    tags::POSITIONER_PRIMARY_ANGLE,
    tags::POSITIONER_SECONDARY_ANGLE,
    tags::POSITIONER_PRIMARY_ANGLE_INCREMENT,
    tags::POSITIONER_SECONDARY_ANGLE_INCREMENT,
    tags::PATIENT_POSITION,
    tags::IMAGE_POSITION_PATIENT,
    tags::IMAGE_ORIENTATION_PATIENT,
    tags::SAMPLES_PER_PIXEL,
    tags::PHOTOMETRIC_INTERPRETATION,
    tags::NUMBER_OF_FRAMES,
    tags::ROWS,
    tags::COLUMNS,
    tags::PIXEL_SPACING,
    tags::BITS_ALLOCATED,
    tags::BITS_STORED,
    tags::HIGH_BIT,
    tags::PIXEL_REPRESENTATION,
    tags::PIXEL_INTENSITY_RELATIONSHIP,
    tags::RESCALE_INTERCEPT,
    tags::RESCALE_SLOPE,
    tags::RESCALE_TYPE,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::PRESENTATION_LUT_SHAPE,
];

/// How the pixels are packed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Packing {
    /// Plain numbers.
    Native,
    /// PackBits planes.
    Rle,
    /// JPEG, lossy or lossless.
    Jpeg,
}

/// Transfer syntaxes that are read.
const SYNTAXES: [(&str, bool, bool, Packing); 8] = [
    ("1.2.840.10008.1.2", false, false, Packing::Native),
    ("1.2.840.10008.1.2.1", true, false, Packing::Native),
    ("1.2.840.10008.1.2.2", true, true, Packing::Native),
    ("1.2.840.10008.1.2.5", true, false, Packing::Rle),
    ("1.2.840.10008.1.2.4.50", true, false, Packing::Jpeg),
    ("1.2.840.10008.1.2.4.51", true, false, Packing::Jpeg),
    ("1.2.840.10008.1.2.4.57", true, false, Packing::Jpeg),
    ("1.2.840.10008.1.2.4.70", true, false, Packing::Jpeg),
];

/// A DICOM file in memory.
pub(super) struct Dataset {
    path: PathBuf,
    bytes: Vec<u8>,
    object: InMemDicomObject,
    pixel_data: PixelData,
    pub sequences: Vec<Tag>,
    pub big_endian: bool,
    pub packing: Packing,
}

impl Dataset {
    /// Reads a file.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let input = Input::open_raw(path)?;
        Self::from_input(input)
    }

    /// Reads all of a stream that is not compressed.
    pub fn from_input(mut input: Input) -> Result<Self, ReadError> {
        let path = input.path().to_path_buf();
        let bytes = input.read_all()?;
        Self::from_bytes(&path, bytes)
    }

    /// Understands a file in memory; `path` is the name that errors give.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, ReadError> {
        let (uid, start) = walk::transfer_syntax(path, &bytes)?;
        let known = SYNTAXES.iter().find(|(known, ..)| *known == uid);
        let &(_, explicit_vr, big_endian, packing) = known.ok_or_else(|| refused_syntax(path, &uid))?;
        let syntax = Syntax { explicit_vr, big_endian };
        let walked = walk::walk(path, &bytes, start, syntax, &WANTED)?;
        let plain = match (explicit_vr, big_endian) {
            (false, _) => "1.2.840.10008.1.2",
            (true, false) => "1.2.840.10008.1.2.1",
            (true, true) => "1.2.840.10008.1.2.2",
        };
        let syntax = TransferSyntaxRegistry.get(plain).expect("the plain syntaxes are built in");
        // The walk has bounded what is parsed here; a panic of the parser would still be one damaged file.
        let parsed =
            catch_unwind(AssertUnwindSafe(|| InMemDicomObject::read_dataset_with_ts(&walked.picked[..], syntax)));
        let object = match parsed {
            Ok(Ok(object)) => object,
            Ok(Err(e)) => return Err(ReadError::damaged(path, format!("its elements cannot be read: {}", line(&e)))),
            Err(_) => return Err(ReadError::damaged(path, "its elements cannot be read")),
        };
        let (sequences, pixel_data) = (walked.sequences, walked.pixel_data);
        Ok(Self { path: path.to_path_buf(), bytes, object, pixel_data, sequences, big_endian, packing })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the pixels are in [`Self::bytes`].
    pub fn pixel_data(&self) -> &PixelData {
        &self.pixel_data
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Text of an element without padding; `None` if it is missing or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let value = self.object.get(tag)?;
        let text = catch_unwind(AssertUnwindSafe(|| value.to_str().ok().map(|t| t.into_owned()))).ok()??;
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        (!text.is_empty()).then(|| text.to_string())
    }

    /// Numbers of an element, exactly `count`; `None` if it is missing or empty.
    pub fn numbers<const N: usize>(&self, tag: Tag, name: &str) -> Result<Option<[f64; N]>, ReadError> {
        let Some(value) = self.object.get(tag) else { return Ok(None) };
        if self.text(tag).is_none() {
            return Ok(None);
        }
        let numbers = catch_unwind(AssertUnwindSafe(|| value.to_multi_float64().ok())).ok().flatten();
        let accepted = numbers.and_then(|n| <[f64; N]>::try_from(n).ok()).filter(|n| n.iter().all(|v| v.is_finite()));
        accepted.map(Some).ok_or_else(|| {
            let found: String = self.text(tag).unwrap_or_default().chars().take(60).collect();
            let plural = if N == 1 { "one finite number".to_string() } else { format!("{N} finite numbers") };
            ReadError::field(&self.path, format!("{name} {tag}"), format!("{found:?}"), plural)
        })
    }

    /// One number of an element; `None` if it is missing or empty.
    pub fn number(&self, tag: Tag, name: &str) -> Result<Option<f64>, ReadError> {
        Ok(self.numbers::<1>(tag, name)?.map(|[v]| v))
    }

    /// A whole number that must be there and in `range`.
    pub fn whole(&self, tag: Tag, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<i64, ReadError> {
        let accepted = || format!("a whole number from {} to {}", range.start(), range.end());
        let value = self
            .number(tag, name)?
            .ok_or_else(|| ReadError::field(&self.path, format!("{name} {tag}"), "missing", accepted()))?;
        if value.fract() != 0.0 || value < *range.start() as f64 || value > *range.end() as f64 {
            return Err(ReadError::field(&self.path, format!("{name} {tag}"), value, accepted()));
        }
        Ok(value as i64)
    }
}

/// Names a transfer syntax that is not read.
fn refused_syntax(path: &Path, uid: &str) -> ReadError {
    let name = TransferSyntaxRegistry.get(uid).map_or("unknown", |syntax| syntax.name());
    let accepted =
        "uncompressed, RLE, JPEG baseline and JPEG lossless (convert with dcmdjpeg, dcmdjpls or gdcmconv --raw)";
    ReadError::unsupported(path, format!("transfer syntax {name} ({uid:?})"), accepted)
}

/// An error as one line.
fn line(e: &dyn std::error::Error) -> String {
    e.to_string().replace(['\n', '\r'], " ").chars().take(300).collect()
}
