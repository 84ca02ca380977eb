use super::*;
use crate::dicom::{XRay, read_xray_bytes};
use crate::{ReadError, read_image_bytes};
use regiscope_geometry::Positioner;

fn read(object: InMemDicomObject, syntax: &str, frame: Option<usize>) -> Result<XRay, ReadError> {
    read_xray_bytes("x.dcm".as_ref(), file(object, syntax), frame)
}

fn angiogram() -> InMemDicomObject {
    let mut object = grey(2, 3);
    text(&mut object, tags::MODALITY, VR::CS, "XA");
    text(&mut object, tags::DISTANCE_SOURCE_TO_DETECTOR, VR::DS, "1020");
    text(&mut object, tags::DISTANCE_SOURCE_TO_PATIENT, VR::DS, "742.5");
    text(&mut object, tags::IMAGER_PIXEL_SPACING, VR::DS, "0.308\\0.31");
    text(&mut object, tags::POSITIONER_PRIMARY_ANGLE, VR::DS, "-30.5");
    text(&mut object, tags::POSITIONER_SECONDARY_ANGLE, VR::DS, "20");
    text(&mut object, tags::PIXEL_INTENSITY_RELATIONSHIP, VR::CS, "LIN");
    pixels(&mut object, &[0, 1, 2, 3, 4, 4095]);
    object
}

#[test]
fn geometry_comes_with_the_pixels() {
    let xray = read(angiogram(), EXPLICIT, None).unwrap();
    assert_eq!((xray.image.rows(), xray.image.cols()), (2, 3));
    assert_eq!(xray.image.data(), [0.0, 1.0, 2.0, 3.0, 4.0, 4095.0]);
    assert_eq!((xray.source_detector_mm, xray.source_isocentre_mm), (Some(1020.0), Some(742.5)));
    assert_eq!((xray.pixel_pitch_mm, xray.modality.as_str()), (Some([0.308, 0.31]), "XA"));
    assert_eq!(xray.positioner, Some(Positioner::from_deg(-30.5, 20.0)));
    assert_eq!(xray.intensity_relationship.as_deref(), Some("LIN"));
    assert!(xray.warnings.is_empty(), "{:?}", xray.warnings);
    let view = xray.c_arm().unwrap().view().unwrap();
    assert_eq!((view.rows(), view.cols()), (2, 3));
    assert!((view.row_step().norm() - 0.308).abs() < 1e-12 && (view.col_step().norm() - 0.31).abs() < 1e-12);
}

#[test]
fn monochrome1_is_turned_and_rescaled() {
    let mut object = angiogram();
    text(&mut object, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME1");
    text(&mut object, tags::RESCALE_SLOPE, VR::DS, "0.5");
    text(&mut object, tags::RESCALE_INTERCEPT, VR::DS, "1");
    let xray = read(object, EXPLICIT, None).unwrap();
    assert_eq!(xray.image.data()[..2], [4095.0 * 0.5 + 1.0, 4094.0 * 0.5 + 1.0]);
    assert_eq!(xray.image.data()[5], 1.0);
}

#[test]
fn frames_are_chosen() {
    let mut object = angiogram();
    text(&mut object, tags::NUMBER_OF_FRAMES, VR::IS, "2");
    text(&mut object, tags::POSITIONER_PRIMARY_ANGLE_INCREMENT, VR::DS, "0\\1");
    pixels(&mut object, &(0..12).collect::<Vec<_>>());
    assert!(read(object.clone(), EXPLICIT, None).unwrap_err().to_string().contains("from 0 to 1"));
    assert!(read(object.clone(), EXPLICIT, Some(2)).is_err());
    let xray = read(object.clone(), EXPLICIT, Some(1)).unwrap();
    assert_eq!((xray.image.data()[0], xray.frames), (6.0, 2));
    assert!(xray.warnings[0].as_str().contains("moves"));
    let image = read_image_bytes("x.dcm".as_ref(), file(object, EXPLICIT)).unwrap();
    assert_eq!(image.header().shape, [3, 2, 1, 2]);
    assert_eq!(image.value(&[1, 0, 0, 1]), Some(7.0));
}

#[test]
fn missing_geometry_is_unknown_and_said() {
    let mut object = angiogram();
    for tag in [tags::IMAGER_PIXEL_SPACING, tags::POSITIONER_PRIMARY_ANGLE] {
        object.remove_element(tag);
    }
    text(&mut object, tags::DISTANCE_SOURCE_TO_DETECTOR, VR::DS, "0");
    let xray = read(object.clone(), EXPLICIT, None).unwrap();
    assert_eq!((xray.pixel_pitch_mm, xray.positioner, xray.source_detector_mm), (None, None, None));
    assert_eq!(xray.warnings.len(), 3);
    assert_eq!(xray.c_arm(), None);
    text(&mut object, tags::PIXEL_SPACING, VR::DS, "0.2\\0.2");
    assert_eq!(read(object.clone(), EXPLICIT, None).unwrap().pixel_pitch_mm, Some([0.2, 0.2]));
    text(&mut object, tags::DISTANCE_SOURCE_TO_DETECTOR, VR::DS, "-5");
    assert!(read(object, EXPLICIT, None).is_err());
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

/// 8 × 8 pixels `60 n + 7` of 12 bits, written by imagecodecs (liblj92).
const LOSSLESS: &str = "ffd8ffc4001700010101010000000000000000000000000809060bffc3000b0c0008000801001100ffda000801000006\
    0000e00dbcde6f379bcde6f2f03c1e0f0783c1e0f0bc0f0783c1e0f0783c2f03c1e0f0783c1e0f0bc0f0783c1e0f0783c2f03c1e0f0783c1e0f0bc\
    0f0783c1e0f0783c2f03c1e0f0783c1e0f00ffd9";

/// 8 × 8 pixels `3 n + 20` of 8 bits, written by Pillow 13.0.0 at quality 95; decoded there within 1.
const BASELINE: &str = "ffd8ffe000104a46494600010100000100010000ffdb0043000201010101010201010102020202020403020202020504\
    040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc0000b080008000801011100ffc4001f00\
    00010501010101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d01020300041105122131\
    410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a53545556\
    5758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5\
    c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f00e27c11ff00044afb9ff148ff00e40f\
    feb57fffd9";

#[test]
fn compressed_pixels_are_those_that_were_packed() {
    let mut object = grey(8, 8);
    fragments(&mut object, vec![bytes(LOSSLESS)]);
    let xray = read(object, JPEG_LOSSLESS, None).unwrap();
    assert_eq!(xray.image.data(), (0..64).map(|n| (60 * n + 7) as f32).collect::<Vec<_>>());

    let mut object = grey(8, 8);
    for (tag, value) in [(tags::BITS_ALLOCATED, 8), (tags::BITS_STORED, 8), (tags::HIGH_BIT, 7)] {
        short(&mut object, tag, value);
    }
    // One frame in two fragments.
    let (a, b) = (bytes(&BASELINE[..200]), bytes(&BASELINE[200..]));
    fragments(&mut object, vec![a, b]);
    let xray = read(object.clone(), JPEG, None).unwrap();
    assert!(xray.image.data().iter().enumerate().all(|(n, v)| (v - (3 * n + 20) as f32).abs() <= 1.0));
    short(&mut object, tags::ROWS, 9);
    assert!(matches!(read(object, JPEG, None), Err(ReadError::Damaged { .. })));

    // RLE: two planes, most significant first; 0x0102 six times.
    let mut object = angiogram();
    let mut packed: Vec<u8> = [2u32, 64, 66].iter().flat_map(|w| w.to_le_bytes()).collect();
    packed.resize(64, 0);
    packed.extend([251, 1, 251, 2]);
    fragments(&mut object, vec![packed]);
    assert_eq!(read(object, RLE, None).unwrap().image.data(), [258.0; 6]);
}

#[test]
fn other_transfer_syntaxes_are_refused_by_name() {
    for (uid, name) in [
        ("1.2.840.10008.1.2.4.90", "JPEG 2000"),
        ("1.2.840.10008.1.2.4.80", "JPEG-LS"),
        ("1.2.840.10008.1.2.1.99", "Deflated"),
        ("1.2.3.4", "unknown"),
    ] {
        let mut bytes = file(angiogram(), "1.2.840.10008.1.2.4.90");
        if uid != "1.2.840.10008.1.2.4.90" {
            let at = bytes.windows(22).position(|w| w == b"1.2.840.10008.1.2.4.90").unwrap();
            let padded: Vec<u8> = uid.bytes().chain(std::iter::repeat(0)).take(22).collect();
            bytes[at..at + 22].copy_from_slice(&padded);
        }
        let sentence = read_xray_bytes("x.dcm".as_ref(), bytes, None).unwrap_err().to_string();
        assert!(sentence.contains(name), "{name}: {sentence}");
    }
}
