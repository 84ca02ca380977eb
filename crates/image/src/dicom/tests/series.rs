use super::*;
use crate::ReadError;
use crate::damage::values;
use crate::dicom::read_dicom_series;
use crate::raw::Samples;
use crate::read::{read_image, read_volume};
use dicom_core::value::DataSetSequence;
use regiscope_geometry::Point;
use std::path::Path;

/// A slice of 3 × 5 pixels turned by 0.2 rad about z at `position`, with a nested sequence before its pixels.
fn slice(position: [f64; 3], first: u16) -> InMemDicomObject {
    let mut object = grey(3, 5);
    let (s, c) = 0.2f64.sin_cos();
    text(&mut object, tags::MODALITY, VR::CS, "CT");
    text(&mut object, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3");
    text(&mut object, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, &format!("{c:.10}\\{s:.10}\\0\\{:.10}\\{c:.10}\\0", -s));
    text(&mut object, tags::IMAGE_POSITION_PATIENT, VR::DS, &position.map(|v| format!("{v:.6}")).join("\\"));
    text(&mut object, tags::PIXEL_SPACING, VR::DS, "0.8\\0.6");
    text(&mut object, tags::RESCALE_SLOPE, VR::DS, "2");
    text(&mut object, tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    let mut inner = InMemDicomObject::new_empty();
    text(&mut inner, tags::CODE_MEANING, VR::LO, "inner");
    let mut outer = InMemDicomObject::new_empty();
    outer.put(DataElement::new(tags::CONCEPT_NAME_CODE_SEQUENCE, VR::SQ, DataSetSequence::from(vec![inner])));
    object.put(DataElement::new(tags::REQUEST_ATTRIBUTES_SEQUENCE, VR::SQ, DataSetSequence::from(vec![outer])));
    pixels(&mut object, &(first..first + 15).collect::<Vec<_>>());
    object
}

fn stack() -> Vec<InMemDicomObject> {
    (0..4).map(|k| slice([-10.0, 5.0, 30.0 + 2.5 * f64::from(k)], 100 * k)).collect()
}

fn folder(slices: Vec<InMemDicomObject>, syntax: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (n, object) in slices.into_iter().enumerate() {
        std::fs::write(folder.path().join(format!("{}.dcm", 9 - n)), file(object, syntax)).unwrap();
    }
    folder
}

fn refusal(slices: Vec<InMemDicomObject>) -> String {
    read_dicom_series(folder(slices, IMPLICIT).path(), None).unwrap_err().to_string()
}

/// The same files, made with pydicom 3.0.2 and read with SimpleITK 2.5.7 (GDCM): size, origin, spacing, the value
/// -396 at (4, 2, 3) and the place of that voxel.
#[test]
fn a_series_is_the_volume_that_itk_reads() {
    for syntax in [IMPLICIT, EXPLICIT, BIG_ENDIAN] {
        let folder = folder(stack(), syntax);
        let image = read_image(folder.path()).unwrap();
        let grid = image.header().grid.clone();
        assert_eq!((grid.shape(), grid.origin()), ([5, 3, 4], Point::new(-10.0, 5.0, 30.0)), "{syntax}");
        assert!((grid.spacing()[0] - 0.6).abs() < 1e-9 && (grid.spacing()[1] - 0.8).abs() < 1e-9);
        assert_eq!(image.value(&[4, 2, 3]), Some(-396.0));
        let expected = Point::new(-7.965711142479771, 7.044912918480648, 37.5);
        assert!((grid.world_from_index(&Point::new(4.0, 2.0, 3.0)) - expected).norm() < 1e-8);
        assert!(matches!(image.samples(), Samples::U16(_)));
        assert!(image.header().warnings.is_empty(), "{:?}", image.header().warnings);
        let volume = read_volume(folder.path()).unwrap().volume;
        assert_eq!(volume.get([4, 2, 3]), Some(-396.0));
    }
}

#[test]
fn single_slices_are_volumes_of_one_layer() {
    let folder = folder(stack(), EXPLICIT);
    let image = read_image(&folder.path().join("8.dcm")).unwrap();
    assert_eq!((image.header().shape.as_slice(), image.value(&[0, 0, 0])), (&[5, 3, 1][..], Some(200.0 - 1024.0)));
    assert!(image.header().warnings[0].as_str().contains("folder"));
}

#[test]
fn faults_of_the_stack_are_said() {
    let mut missing = stack();
    missing.push(slice([-10.0, 5.0, 45.0], 0));
    let sentence = refusal(missing);
    assert!(sentence.contains("2 slices are missing") && sentence.contains("6.dcm"), "{sentence}");
    let mut uneven = stack();
    uneven.push(slice([-10.0, 5.0, 41.0], 0));
    assert!(refusal(uneven).contains("unevenly spaced"));
    let mut doubled = stack();
    doubled.push(slice([-10.0, 5.0, 32.5], 0));
    assert!(refusal(doubled).contains("same place"));
    let mut beside = stack();
    beside[1] = slice([-9.0, 5.0, 32.5], 0);
    assert!(refusal(beside).contains("beside the line"));
    let mut turned = stack();
    text(&mut turned[2], tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
    assert!(refusal(turned).contains("direction"));
    let mut other = stack();
    text(&mut other[2], tags::PIXEL_SPACING, VR::DS, "0.8\\0.7");
    assert!(refusal(other).contains("PixelSpacing"));
    let mut two = stack();
    text(&mut two[2], tags::SERIES_INSTANCE_UID, VR::UI, "9.8.7");
    let folder = folder(two, EXPLICIT);
    let sentence = read_dicom_series(folder.path(), None).unwrap_err().to_string();
    assert!(sentence.contains("1.2.3 (3 slices") && sentence.contains("9.8.7 (1 slices"), "{sentence}");
    assert_eq!(read_dicom_series(folder.path(), Some("9.8.7")).unwrap().header().shape, [5, 3, 1]);
    assert!(read_dicom_series(folder.path(), Some("5")).is_err());
    assert!(read_dicom_series(Path::new("absent folder"), None).is_err());
}

#[test]
fn a_gantry_tilt_shears_the_grid() {
    let tilted = (0..4).map(|k| slice([-10.0, 5.0 + 0.5 * f64::from(k), 30.0 + 2.5 * f64::from(k)], 0)).collect();
    let image = read_image(folder(tilted, EXPLICIT).path()).unwrap();
    let corner = image.header().grid.world_from_index(&Point::new(0.0, 0.0, 3.0));
    assert!((corner - Point::new(-10.0, 6.5, 37.5)).norm() < 1e-9);
    assert!(image.header().warnings[0].as_str().contains("tilted by 11.31 deg"), "{:?}", image.header().warnings);
}

#[test]
fn scales_may_differ_and_localizers_stay_out() {
    let mut slices = stack();
    text(&mut slices[3], tags::RESCALE_SLOPE, VR::DS, "1");
    let mut localizer = slice([0.0, 0.0, 0.0], 0);
    text(&mut localizer, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER");
    slices.push(localizer);
    let folder = folder(slices, EXPLICIT);
    std::fs::write(folder.path().join("notes.txt"), "not DICOM").unwrap();
    let image = read_image(folder.path()).unwrap();
    assert_eq!(image.header().warnings.len(), 2);
    assert_eq!(image.value(&[4, 2, 3]), Some(314.0 - 1024.0));
    assert_eq!(image.value(&[4, 2, 2]), Some(2.0 * 214.0 - 1024.0));
}

#[test]
fn signed_numbers_keep_their_sign_and_overlay_bits_are_masked() {
    let mut object = slice([0.0; 3], 0);
    short(&mut object, tags::PIXEL_REPRESENTATION, 1);
    let mut numbers = [0xf800u16; 15];
    numbers[1] = 0x07ff;
    numbers[2] = 0xffff;
    pixels(&mut object, &numbers);
    text(&mut object, tags::RESCALE_SLOPE, VR::DS, "1");
    text(&mut object, tags::RESCALE_INTERCEPT, VR::DS, "0");
    let image = read_image(folder(vec![object], EXPLICIT).path()).unwrap();
    assert_eq!(values(&image)[..4], [-2048.0, 2047.0, -1.0, -2048.0]);
}

#[test]
fn broken_slices_are_refused_by_field() {
    type Change = fn(&mut InMemDicomObject);
    let cases: [(&str, Change); 12] = [
        ("ImagePositionPatient", |o| text(o, tags::IMAGE_POSITION_PATIENT, VR::DS, "1\\2")),
        ("ImagePositionPatient", |o| text(o, tags::IMAGE_POSITION_PATIENT, VR::DS, "1\\2\\NaN")),
        ("ImageOrientationPatient", |o| text(o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\1\\0\\0")),
        ("PixelSpacing", |o| text(o, tags::PIXEL_SPACING, VR::DS, "0\\1")),
        ("RescaleSlope", |o| text(o, tags::RESCALE_SLOPE, VR::DS, "0")),
        ("SamplesPerPixel", |o| short(o, tags::SAMPLES_PER_PIXEL, 3)),
        ("PhotometricInterpretation", |o| text(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")),
        ("BitsAllocated", |o| short(o, tags::BITS_ALLOCATED, 12)),
        ("BitsStored", |o| short(o, tags::BITS_STORED, 17)),
        ("HighBit", |o| short(o, tags::HIGH_BIT, 3)),
        ("Rows", |o| short(o, tags::ROWS, 0)),
        ("truncated", |o| short(o, tags::COLUMNS, 60000)),
    ];
    for (word, change) in cases {
        let mut object = slice([0.0; 3], 0);
        change(&mut object);
        let sentence = refusal(vec![object]);
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
    assert!(matches!(read_image(tempfile::tempdir().unwrap().path()), Err(ReadError::Unsupported { .. })));
}
