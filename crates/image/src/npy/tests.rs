use super::*;
use std::path::PathBuf;

fn file(folder: &Path, version: u8, header: &str, numbers: &[u8]) -> PathBuf {
    let path = folder.join("a.npy");
    let mut bytes = [MAGIC, &[version, 0][..]].concat();
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(numbers);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn written_images_come_back_and_look_like_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let image = Image::new(2, 3, vec![0.5, -1.0, 2.0, 3.25, f32::MAX, 1e-9]);
    write_image(&path, &image).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    // As numpy.save writes np.zeros((2, 3), "<f4").
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"));
    assert_eq!((bytes.len(), bytes[127]), (128 + 24, b'\n'));
    assert_eq!(read_image(&path).unwrap(), (image, ScalarType::F32));
}

#[test]
fn types_orders_and_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n";
    let numbers: Vec<u8> = [1i16, 4, 2, 5, 3, -6].iter().flat_map(|v| v.to_be_bytes()).collect();
    for version in 1..=3 {
        let path = file(folder.path(), version, header, &numbers);
        let expected = Image::new(2, 3, vec![1.0, 2.0, 3.0, 4.0, 5.0, -6.0]);
        assert_eq!(read_image(&path).unwrap(), (expected, ScalarType::I16));
    }
}

#[test]
fn broken_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
    assert!(read_image(&file(folder.path(), 1, header, &[0; 6])).is_ok());
    for (from, to, numbers, word) in [
        ("", "", 5, "truncated"),
        ("", "", 7, "1 bytes follow"),
        ("(2, 3)", "(2, 3, 1)", 6, "two extents"),
        ("(2, 3)", "(6,)", 6, "two extents"),
        ("(2, 3)", "(0, 3)", 0, "at least one row"),
        ("(2, 3)", "(9999999999999, 9999999999999)", 0, "fit in memory"),
        ("(2, 3)", "(99999, 99999)", 6, "truncated"),
        ("(2, 3)", "(2, -3)", 6, "whole numbers"),
        ("(2, 3)", "(2, 3", 6, "whole numbers"),
        ("|u1", "|b1", 6, "descr"),
        ("|u1", "", 6, "descr"),
        ("|u1", "é", 6, "descr"),
        ("'descr'", "'desc'", 6, "descr"),
        ("False", "Maybe", 6, "True or False"),
    ] {
        let path = file(folder.path(), 1, &header.replacen(from, to, 1), &vec![0; numbers]);
        let sentence = read_image(&path).unwrap_err().to_string();
        assert!(sentence.contains(word) && sentence.contains("a.npy"), "{word}: {sentence}");
    }
    let path = file(folder.path(), 9, header, &[0; 6]);
    assert!(read_image(&path).unwrap_err().to_string().contains("version is 9"));
    std::fs::write(&path, b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap();
    assert!(read_image(&path).unwrap_err().to_string().contains("header length"));
    std::fs::write(&path, b"\x93NUM").unwrap();
    assert!(read_image(&path).unwrap_err().to_string().contains("truncated"));
}

#[test]
fn volumes_come_back_and_both_orders_agree() {
    use crate::damage::values;
    use regiscope_geometry::Grid;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    let volume = Volume::new(Grid::centred([2, 3, 2], [1.0; 3]).unwrap(), (0..12i16).collect());
    write_volume(&path, &volume).unwrap();
    let image = crate::read_image(&path).unwrap();
    assert_eq!(image.header().shape, [2, 3, 2]);
    assert_eq!(image.samples(), &crate::Samples::I16((0..12).collect()));
    // Element [i, j, k] = 100 i + 10 j + k in row-major order.
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3, 2), }\n";
    let numbers = [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121];
    let image = crate::read_image(&file(folder.path(), 1, header, &numbers)).unwrap();
    assert_eq!(image.value(&[1, 2, 1]), Some(121.0));
    assert_eq!(values(&image)[..4], [0.0, 100.0, 10.0, 110.0]);
    for (order, numbers) in [("False", [1, 2, 3, 4, 5, 6]), ("True", [1, 4, 2, 5, 3, 6])] {
        let header = format!("{{'descr': '|u1', 'fortran_order': {order}, 'shape': (2, 3), }}\n");
        let image = crate::read_image(&file(folder.path(), 1, &header, &numbers)).unwrap();
        assert_eq!(
            (image.header().shape.as_slice(), values(&image)),
            (&[3, 2][..], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        );
    }
}

#[test]
fn damaged_files_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    write_image(&path, &Image::new(3, 4, vec![0.5; 12])).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    crate::damage::survives(40, 4000, &bytes, |bytes| read_image_bytes("a.npy".as_ref(), bytes));
    crate::damage::survives(41, 2000, &bytes, |bytes| crate::read_image_bytes("a.npy".as_ref(), bytes));
}
