use super::*;
use crate::damage::survives;
use crate::dicom::read_xray_bytes;
use crate::{ReadError, read_image_bytes};

fn read(bytes: Vec<u8>) -> Result<(), ReadError> {
    let whole = read_image_bytes("x.dcm".as_ref(), bytes.clone()).map(drop);
    read_xray_bytes("x.dcm".as_ref(), bytes, Some(0)).map(drop).and(whole)
}

fn packed(parts: Vec<Vec<u8>>) -> InMemDicomObject {
    let mut object = grey(8, 8);
    fragments(&mut object, parts);
    object
}

#[test]
fn damaged_files_are_survived() {
    let mut plain = grey(8, 8);
    text(&mut plain, tags::IMAGE_POSITION_PATIENT, VR::DS, "1\\2\\3");
    text(&mut plain, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
    text(&mut plain, tags::PIXEL_SPACING, VR::DS, "1\\1");
    text(&mut plain, tags::SERIES_INSTANCE_UID, VR::UI, "1.2");
    pixels(&mut plain, &(0..64).collect::<Vec<_>>());
    for (seed, syntax) in [IMPLICIT, EXPLICIT, BIG_ENDIAN].into_iter().enumerate() {
        survives(10 + seed as u64, 1500, &file(plain.clone(), syntax), read);
    }
    let mut rle: Vec<u8> = [2u32, 64, 66].iter().flat_map(|w| w.to_le_bytes()).collect();
    rle.resize(64, 0);
    rle.extend([193, 1, 193, 2]);
    survives(20, 1500, &file(packed(vec![rle]), RLE), read);
}

/// Sequences nested deeper than any stack, lengths beyond the file, items in the wrong place.
#[test]
fn hostile_structures_are_refused() {
    let mut head = file(grey(1, 1), EXPLICIT);
    let refused = |tail: &[u8]| {
        let bytes = [head.as_slice(), tail].concat();
        let e = read_image_bytes("x.dcm".as_ref(), bytes).unwrap_err();
        assert!(matches!(e, ReadError::Damaged { .. } | ReadError::Truncated { .. }), "{e}");
    };
    let open = b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff";
    refused(&open.repeat(100_000));
    refused(b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\x08\x00\x05\x00CS\x02\x00AB");
    refused(b"\x40\x00\x75\x02OB\0\0\xfe\xff\xff\xff");
    refused(b"\xe0\x7f\x10\x00OW\0\0\xfe\xff\xff\xff");
    refused(b"\xe0\x7f\x10\x00OW\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\x7f");
    refused(b"\x40\x00");
    head.truncate(100);
    assert!(matches!(read_image_bytes("x".as_ref(), head), Err(ReadError::UnknownFormat { .. })));
}
