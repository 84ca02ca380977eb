//! The pixels of one frame as the numbers that are stored.

use super::dataset::{Dataset, Packing};
use super::rle;
use super::walk::PixelData;
use crate::error::ReadError;
use dicom_dictionary_std::tags;
use jpeg_decoder::PixelFormat;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// No JPEG process packs a frame tighter than this many pixels into a byte.
const JPEG_EXPANSION: usize = 1024;

/// How the pixels of a file are to be understood.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PixelFormatOf {
    pub rows: usize,
    pub cols: usize,
    pub frames: usize,
    /// 1 or 2.
    pub bytes: usize,
    pub bits_stored: u32,
    pub high_bit: u32,
    pub signed: bool,
    /// MONOCHROME1: the least number is white.
    pub inverted: bool,
}

impl PixelFormatOf {
    /// Reads the image pixel module; only grey images are accepted.
    pub fn read(data: &Dataset) -> Result<Self, ReadError> {
        let path = data.path();
        let whole = |tag, name, range| data.whole(tag, name, range);
        data.whole(tags::SAMPLES_PER_PIXEL, "SamplesPerPixel", 1..=1)?;
        let photometric = data.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default();
        let inverted = match photometric.as_str() {
            "MONOCHROME1" => true,
            "MONOCHROME2" => false,
            other => {
                let field = "PhotometricInterpretation (0028,0004)";
                return Err(ReadError::field(path, field, format!("{other:?}"), "MONOCHROME1 or MONOCHROME2"));
            }
        };
        let allocated = whole(tags::BITS_ALLOCATED, "BitsAllocated", 8..=16)?;
        if allocated != 8 && allocated != 16 {
            return Err(ReadError::field(path, "BitsAllocated (0028,0100)", allocated, "8 or 16"));
        }
        let stored = whole(tags::BITS_STORED, "BitsStored", 1..=allocated)?;
        let high = match data.number(tags::HIGH_BIT, "HighBit")? {
            Some(_) => whole(tags::HIGH_BIT, "HighBit", stored - 1..=allocated - 1)?,
            None => stored - 1,
        };
        let frames = match data.number(tags::NUMBER_OF_FRAMES, "NumberOfFrames")? {
            Some(_) => whole(tags::NUMBER_OF_FRAMES, "NumberOfFrames", 1..=1_000_000)?,
            None => 1,
        };
        Ok(Self {
            rows: whole(tags::ROWS, "Rows", 1..=65535)? as usize,
            cols: whole(tags::COLUMNS, "Columns", 1..=65535)? as usize,
            frames: frames as usize,
            bytes: allocated as usize / 8,
            bits_stored: stored as u32,
            high_bit: high as u32,
            signed: whole(tags::PIXEL_REPRESENTATION, "PixelRepresentation", 0..=1)? == 1,
            inverted,
        })
    }

    /// Least and greatest stored number.
    pub fn range(&self) -> (i32, i32) {
        let count = 1i32 << self.bits_stored;
        if self.signed { (-count / 2, count / 2 - 1) } else { (0, count - 1) }
    }

    /// The stored number in `raw` (bits above and below the stored ones may hold overlays).
    fn stored(&self, raw: u16) -> i32 {
        let shifted = i32::from(raw) >> (self.high_bit + 1 - self.bits_stored);
        let value = shifted & ((1 << self.bits_stored) - 1);
        if self.signed && value >> (self.bits_stored - 1) == 1 { value - (1 << self.bits_stored) } else { value }
    }
}

/// The stored numbers of one frame, row by row, before MONOCHROME1 is turned.
pub(super) fn frame(data: &Dataset, format: &PixelFormatOf, frame: usize) -> Result<Vec<i32>, ReadError> {
    let pixels = format.rows * format.cols;
    let size = pixels * format.bytes;
    let damaged = |what: String| ReadError::damaged(data.path(), what);
    let (raw, big_endian): (Cow<[u8]>, bool) = match (data.pixel_data(), data.packing) {
        (PixelData::Absent, _) => return Err(ReadError::unsupported(data.path(), "DICOM without pixels", "images")),
        (PixelData::Native(range), Packing::Native) => {
            let bytes = &data.bytes()[range.clone()];
            let needed = size.saturating_mul(format.frames);
            if needed > bytes.len() {
                let (needed, found) = (needed as u64, bytes.len() as u64);
                return Err(ReadError::Truncated { path: data.path().to_path_buf(), needed, found });
            }
            if data.big_endian && format.bytes == 1 {
                let what = "8-bit pixels in big-endian words";
                return Err(ReadError::unsupported(data.path(), what, "little-endian files"));
            }
            (Cow::Borrowed(&bytes[frame * size..(frame + 1) * size]), data.big_endian)
        }
        (PixelData::Fragments(..), Packing::Rle) => {
            let packed = fragment(data, format, frame)?;
            (Cow::Owned(rle::decode(&packed, pixels, format.bytes).map_err(damaged)?), false)
        }
        (PixelData::Fragments(..), Packing::Jpeg) => {
            let packed = fragment(data, format, frame)?;
            (Cow::Owned(jpeg(&packed, format).map_err(damaged)?), false)
        }
        _ => return Err(damaged("its pixels are not packed as its transfer syntax says".into())),
    };
    let stored = |raw: u16| format.stored(raw);
    Ok(match (format.bytes, big_endian) {
        (1, _) => raw.iter().map(|&b| stored(u16::from(b))).collect(),
        (_, false) => raw.as_chunks().0.iter().map(|b| stored(u16::from_le_bytes(*b))).collect(),
        (_, true) => raw.as_chunks().0.iter().map(|b| stored(u16::from_be_bytes(*b))).collect(),
    })
}

/// The compressed bytes of one frame: a fragment for each frame, or those between two entries of the offset table.
fn fragment<'a>(data: &'a Dataset, format: &PixelFormatOf, frame: usize) -> Result<Cow<'a, [u8]>, ReadError> {
    let PixelData::Fragments(table, fragments) = data.pixel_data() else { unreachable!("the caller matched") };
    let bytes = data.bytes();
    let joined = |parts: &[std::ops::Range<usize>]| match parts {
        [part] => Cow::Borrowed(&bytes[part.clone()]),
        parts => Cow::Owned(parts.iter().flat_map(|part| &bytes[part.clone()]).copied().collect()),
    };
    if fragments.len() == format.frames {
        return Ok(joined(&fragments[frame..=frame]));
    }
    if format.frames == 1 && !fragments.is_empty() {
        return Ok(joined(fragments));
    }
    let offsets: Vec<usize> =
        bytes[table.clone()].as_chunks().0.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
    // Offsets count from the first fragment's item header, eight bytes before its value.
    let first = fragments.first().map_or(0, |f| f.start);
    let index = |offset: usize| fragments.iter().position(|f| f.start - first == offset);
    let start = offsets.get(frame).and_then(|&o| index(o));
    let end = offsets.get(frame + 1).map_or(Some(fragments.len()), |&o| index(o));
    match (offsets.len() == format.frames, start, end) {
        (true, Some(start), Some(end)) if start < end => Ok(joined(&fragments[start..end])),
        _ => {
            let what = format!("{} fragments cannot be assigned to {} frames", fragments.len(), format.frames);
            Err(ReadError::damaged(data.path(), what))
        }
    }
}

/// Decodes a grey JPEG of the expected size; returns little-endian pixels. A panic of the decoder is one damaged
/// frame.
fn jpeg(packed: &[u8], format: &PixelFormatOf) -> Result<Vec<u8>, String> {
    let pixels = format.rows * format.cols;
    if pixels / JPEG_EXPANSION > packed.len() {
        return Err(format!("{} bytes of JPEG data cannot hold {pixels} pixels", packed.len()));
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = jpeg_decoder::Decoder::new(packed);
        decoder.set_max_decoding_buffer_size(2 * pixels);
        decoder.read_info().map_err(|e| format!("its JPEG data are broken ({e})"))?;
        let info = decoder.info().ok_or("its JPEG data have no header")?;
        let size = (usize::from(info.height), usize::from(info.width));
        if size != (format.rows, format.cols) {
            return Err(format!("its JPEG frame is {size:?} where the header says {:?}", (format.rows, format.cols)));
        }
        let wide = match info.pixel_format {
            PixelFormat::L8 => false,
            PixelFormat::L16 => true,
            other => return Err(format!("its JPEG data are {other:?}, not grey")),
        };
        let bytes = decoder.decode().map_err(|e| format!("its JPEG data are broken ({e})"))?;
        Ok((wide, bytes))
    }));
    let (wide, bytes) = decoded.map_err(|_| "its JPEG data are broken".to_string())??;
    // 16-bit pixels come in the machine's byte order.
    let numbers: Vec<u16> = if wide {
        bytes.as_chunks().0.iter().map(|b| u16::from_ne_bytes(*b)).collect()
    } else {
        bytes.iter().map(|&b| u16::from(b)).collect()
    };
    if numbers.len() != pixels {
        return Err(format!("its JPEG data hold {} of {pixels} pixels", numbers.len()));
    }
    match format.bytes {
        1 => Ok(numbers.iter().map(|&n| n as u8).collect()),
        _ => Ok(numbers.iter().flat_map(|n| n.to_le_bytes()).collect()),
    }
}
