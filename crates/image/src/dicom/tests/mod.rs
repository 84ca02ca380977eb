//! Small DICOM files made with `dicom-object`, read back.

mod damage;
mod series;
mod xray;

use dicom_core::smallvec::smallvec;
use dicom_core::value::{PixelFragmentSequence, Value};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

pub(super) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(super) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(super) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(super) const RLE: &str = "1.2.840.10008.1.2.5";
pub(super) const JPEG: &str = "1.2.840.10008.1.2.4.50";
pub(super) const JPEG_LOSSLESS: &str = "1.2.840.10008.1.2.4.70";

pub(super) fn text(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: &str) {
    object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
}

pub(super) fn short(object: &mut InMemDicomObject, tag: Tag, value: u16) {
    object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

/// A grey image of 12 bits in 16 without pixels.
pub(super) fn grey(rows: u16, cols: u16) -> InMemDicomObject {
    let mut object = InMemDicomObject::new_empty();
    text(&mut object, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.2");
    text(&mut object, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.4.5");
    text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    for (tag, value) in [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, rows),
        (tags::COLUMNS, cols),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ] {
        short(&mut object, tag, value);
    }
    object
}

pub(super) fn pixels(object: &mut InMemDicomObject, values: &[u16]) {
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(values.iter().copied().collect())));
}

/// Compressed pixels without offset table.
pub(super) fn fragments(object: &mut InMemDicomObject, parts: Vec<Vec<u8>>) {
    let sequence = PixelFragmentSequence::new(smallvec![], parts.into_iter().collect::<Vec<_>>());
    object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, Value::from(sequence)));
}

pub(super) fn file(object: InMemDicomObject, syntax: &str) -> Vec<u8> {
    let meta = FileMetaTableBuilder::new().transfer_syntax(syntax);
    let mut bytes = Vec::new();
    object.with_meta(meta).unwrap().write_all(&mut bytes).unwrap();
    bytes
}
