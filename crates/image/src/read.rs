//! Reading: which format a file has, and the three things one wants of it (header, numbers, volume).

use crate::error::{ReadError, Warning};
use crate::folder::Folder;
use crate::input::Input;
use crate::raw::{Format, Header, RawImage, not_finite_warning};
use crate::scalar::Encoding;
use crate::stored::Stored;
use crate::volume::Volume;
use crate::{dicom, metaimage, nifti, npy, nrrd, picture};
use std::path::Path;

/// A file whose header is read and whose numbers come next in `input`, x-fastest and in one piece.
pub struct Opened {
    /// What the header says.
    pub header: Header,
    /// How the numbers stand in the file.
    pub encoding: Encoding,
    /// The stream, at the first number.
    pub input: Input,
}

/// A volume ready for computing, and what was doubtful about its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Scaled values on their grid.
    pub volume: Volume<f32>,
    /// What was doubtful.
    pub warnings: Vec<Warning>,
}

/// Reads an image with its numbers as stored; the format is recognised by content.
pub fn read_image(path: &Path) -> Result<RawImage, ReadError> {
    open(path)?.into_image()
}

/// Reads an image from memory as [`read_image`] does; `name` is the name that errors give. Headers whose data
/// are in other files are refused.
pub fn read_image_bytes(name: &Path, bytes: Vec<u8>) -> Result<RawImage, ReadError> {
    open_stream(Input::from_bytes(name, bytes).ungzipped()?, Folder::Unknown(name))?.into_image()
}

/// Reads one volume as f32 (scaled in f64, then rounded). Numbers are decoded on the way from the file, so
/// that little more than the volume itself is ever held. More than one volume is refused.
pub fn read_volume(path: &Path) -> Result<Loaded, ReadError> {
    open(path)?.into_volume()
}

/// Reads one volume of labels, whole numbers from 0 to 65535; anything else is refused.
pub fn read_labels(path: &Path) -> Result<Volume<u16>, ReadError> {
    read_image(path)?.into_labels()
}

/// Reads the header and verifies that the data are complete (checksums included) without holding them.
pub fn read_header(path: &Path) -> Result<Header, ReadError> {
    open(path)?.into_header()
}

/// An image between its header and its numbers, by the way its format keeps them.
enum Source {
    /// In one piece in the order of the array.
    Plain(Opened),
    /// Behind a text header, in many forms.
    Stored(Stored),
    /// Packed so that it is unpacked as a whole.
    Whole(RawImage),
}

/// Opens a file of any format.
fn open(path: &Path) -> Result<Source, ReadError> {
    let ending = path.to_string_lossy().to_ascii_lowercase();
    if ending.ends_with(".img") || ending.ends_with(".img.gz") {
        return nifti::open(Input::open(&nifti::header_of(path)?)?, Folder::Of(path)).map(Source::Plain);
    }
    if path.is_dir() {
        return dicom::read_dicom_series(path, None).map(Source::Whole);
    }
    open_stream(Input::open(path)?, Folder::Of(path))
}

/// Opens a stream of any format; data files beside it are looked for in `folder`.
fn open_stream(mut input: Input, folder: Folder) -> Result<Source, ReadError> {
    let path = input.path().to_path_buf();
    let start = input.look_ahead(512)?;
    if nifti::recognises(&start) {
        return nifti::open(input, folder).map(Source::Plain);
    }
    if dicom::walk::recognises(&start) {
        return dicom::read_file(input).map(Source::Whole);
    }
    if picture::is_png(&start) {
        let decoded = picture::decode_png(&path, &input.read_all()?)?;
        return picture::placed(&path, Format::Png, decoded).map(Source::Whole);
    }
    if picture::is_tiff(&start) {
        let decoded = picture::decode_tiff(&path, &input.read_all()?)?;
        return picture::placed(&path, Format::Tiff, decoded).map(Source::Whole);
    }
    if npy::recognises(&start) {
        return npy::read_raw(input).map(Source::Whole);
    }
    if nrrd::recognises(&start) {
        return nrrd::open(input, folder).map(Source::Stored);
    }
    if metaimage::recognises(&path, &start) {
        return metaimage::open(input, folder).map(Source::Stored);
    }
    Err(ReadError::UnknownFormat { path, found: described(&start) })
}

/// What the first bytes of an unknown file look like.
fn described(start: &[u8]) -> String {
    if start.is_empty() {
        return "the file is empty".into();
    }
    if start.iter().all(|&b| b == 0) {
        return "it begins with zeros".into();
    }
    let shown: String = start.iter().take(12).flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect();
    format!("it begins with \"{shown}\"")
}

impl Source {
    fn into_image(self) -> Result<RawImage, ReadError> {
        match self {
            Self::Plain(opened) => opened.into_image(),
            Self::Stored(stored) => stored.into_image(),
            Self::Whole(image) => Ok(image),
        }
    }

    fn into_volume(self) -> Result<Loaded, ReadError> {
        match self {
            Self::Plain(opened) => opened.into_volume(),
            Self::Stored(stored) => stored.into_volume(),
            Self::Whole(image) => {
                let warnings = image.header().warnings.clone();
                Ok(Loaded { volume: image.into_volume_f32()?, warnings })
            }
        }
    }

    fn into_header(self) -> Result<Header, ReadError> {
        match self {
            Self::Plain(opened) => opened.into_header(),
            Self::Stored(stored) => stored.into_header(),
            Self::Whole(image) => Ok(image.into_parts().0),
        }
    }
}

impl Opened {
    fn values(&self) -> usize {
        self.header.len()
    }

    /// Reads the numbers as stored.
    pub fn into_image(mut self) -> Result<RawImage, ReadError> {
        let samples = self.input.read_samples(self.values(), self.encoding)?;
        self.header.warnings.extend(self.input.finish()?);
        Ok(RawImage::new(self.header, samples))
    }

    /// Reads the numbers as one f32 volume.
    pub fn into_volume(mut self) -> Result<Loaded, ReadError> {
        self.header.require_volume()?;
        let data = self.input.read_f32(self.values(), self.encoding, self.header.scale)?;
        let mut warnings = self.header.warnings;
        warnings.extend(self.input.finish()?);
        warnings.extend(not_finite_warning(data.iter().filter(|v| !v.is_finite()).count()));
        Ok(Loaded { volume: Volume::new(self.header.grid, data), warnings })
    }

    /// Passes over the numbers.
    pub fn into_header(mut self) -> Result<Header, ReadError> {
        self.input.skip(self.values() as u64 * self.encoding.scalar_type.size() as u64)?;
        self.header.warnings.extend(self.input.finish()?);
        Ok(self.header)
    }
}
