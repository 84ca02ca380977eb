use super::*;
use crate::RawImage;
use crate::damage::{survives, values};
use crate::raw::Samples;
use crate::read::{Loaded, read_image, read_image_bytes, read_volume};
use crate::scalar::{ByteOrder, ScalarType};
use crate::volume::Volume;
use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
use regiscope_geometry::{Grid, Point, Vector};

/// The header that SimpleITK 2.5.7 writes for a turned image of shape 4 × 3 × 2.
const ITK_HEADER: &str = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
    CompressedData = False\nTransformMatrix = 0.95533648912560598 0.29552020666133955 0 -0.29552020666133955 \
    0.95533648912560598 0 0 0 1\nOffset = 10 -20 30.5\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n\
    ElementSpacing = 0.5 1.25 2\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementDataFile = LOCAL\n";

fn itk_file() -> Vec<u8> {
    let data = (-5..19i16).flat_map(i16::to_le_bytes);
    ITK_HEADER.bytes().chain(data).collect()
}

fn read(text: &str, data: &[u8]) -> Result<RawImage, ReadError> {
    read_image_bytes("a.mha".as_ref(), [text.as_bytes(), data].concat())
}

fn volume() -> Volume<f32> {
    let axes =
        *Rotation3::from_euler_angles(0.3, -0.2, 0.9).matrix() * Matrix3::from_diagonal(&Vector::new(0.7, 1.1, 2.5));
    let grid = Grid::new([5, 4, 3], Point::new(10.0, -20.25, 1.0 / 3.0), axes).unwrap();
    Volume::new(grid, (0..60).map(|n| n as f32 * 0.37 - 5.0).collect())
}

/// Figures of SimpleITK 2.5.7: `TransformIndexToPhysicalPoint((3, 2, 1))` and the value there.
#[test]
fn places_and_values_are_those_of_itk() {
    let image = read_image_bytes("a.mha".as_ref(), itk_file()).unwrap();
    let header = image.header();
    assert_eq!((header.shape.as_slice(), header.scalar_type), (&[4, 3, 2][..], ScalarType::I16));
    assert_eq!(image.value(&[3, 2, 1]), Some(18.0));
    let expected = Point::new(10.694204217035061, -17.168378467193975, 32.5);
    assert!((header.grid.world_from_index(&Point::new(3.0, 2.0, 1.0)) - expected).norm() < 1e-12);
    assert!(header.warnings.is_empty(), "{:?}", header.warnings);
}

#[test]
fn element_types_and_byte_orders() {
    let header = |t: &str, msb| {
        format!(
            "NDims = 3\nDimSize = 1 1 1\nElementSpacing = 1 1 1\nOffset = 0 0 0\nElementByteOrderMSB = {msb}\n\
             ElementType = {t}\nElementDataFile = LOCAL\n"
        )
    };
    // -2 (or 254 …) in every width; MET_LONG has four bytes for ITK as well (read back with SimpleITK 2.5.7).
    let cases: [(&str, &[u8], f64); 13] = [
        ("MET_UCHAR", &[0xfe], 254.0),
        ("MET_CHAR", &[0xfe], -2.0),
        ("MET_ASCII_CHAR", &[0xfe], -2.0),
        ("MET_USHORT", &[0xff, 0xfe], 65534.0),
        ("MET_SHORT", &[0xff, 0xfe], -2.0),
        ("MET_UINT", &[0xff, 0xff, 0xff, 0xfe], 4294967294.0),
        ("MET_INT", &[0xff, 0xff, 0xff, 0xfe], -2.0),
        ("MET_ULONG", &[0xff, 0xff, 0xff, 0xfe], 4294967294.0),
        ("MET_LONG", &[0xff, 0xff, 0xff, 0xfe], -2.0),
        ("MET_ULONG_LONG", &[0, 0, 0, 0, 0, 0, 1, 2], 258.0),
        ("MET_LONG_LONG", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe], -2.0),
        ("MET_FLOAT", &[0xc0, 0, 0, 0], -2.0),
        ("MET_DOUBLE", &[0xc0, 0, 0, 0, 0, 0, 0, 0], -2.0),
    ];
    for (t, big, expected) in cases {
        let little: Vec<u8> = big.iter().rev().copied().collect();
        assert_eq!(read(&header(t, "True"), big).unwrap().value(&[0, 0, 0]), Some(expected), "{t} big");
        assert_eq!(read(&header(t, "False"), &little).unwrap().value(&[0, 0, 0]), Some(expected), "{t} little");
    }
    assert!(matches!(read(&header("MET_FLOAT_ARRAY", "False"), &[0; 4]), Err(ReadError::Field { .. })));
}

#[test]
fn channels_become_the_fifth_axis_and_two_axes_a_slice() {
    let head = "NDims = 2\nDimSize = 2 2\nElementSpacing = 1 3\nOffset = 5 6\n";
    let image = read(
        &format!("{head}ElementNumberOfChannels = 3\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"),
        &[1, 2, 3, 11, 12, 13, 21, 22, 23, 31, 32, 33],
    )
    .unwrap();
    assert_eq!(image.header().shape, [2, 2, 1, 1, 3]);
    assert_eq!(values(&image), [1.0, 11.0, 21.0, 31.0, 2.0, 12.0, 22.0, 32.0, 3.0, 13.0, 23.0, 33.0]);
    assert!(matches!(image.into_volume_f32(), Err(ReadError::NotAVolume { .. })));
    let image = read(&format!("{head}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"), &[1, 2, 3, 4]).unwrap();
    let grid = &image.header().grid;
    assert_eq!((grid.shape(), grid.spacing(), grid.origin()), ([2, 2, 1], [1.0, 3.0, 1.0], Point::new(5.0, 6.0, 0.0)));
}

#[test]
fn writing_and_reading_are_inverse() {
    let folder = tempfile::tempdir().unwrap();
    let volume = volume();
    for (name, compressed) in [("a.mha", false), ("b.mha", true), ("c d.mhd", false), ("d.mhd", true)] {
        let path = folder.path().join(name);
        write_metaimage(&path, &volume, compressed).unwrap();
        let Loaded { volume: back, warnings } = read_volume(&path).unwrap();
        assert_eq!(back.data(), volume.data(), "{name}");
        assert!((back.grid().axes() - volume.grid().axes()).norm() < 1e-14);
        assert!((back.grid().origin() - volume.grid().origin()).norm() < 1e-14);
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(read_image(&path).unwrap().into_volume_f32().unwrap(), back);
    }
    assert!(folder.path().join("d.zraw").exists() && folder.path().join("c d.raw").exists());
}

#[test]
fn lists_patterns_text_and_skipped_headers() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("s1.raw"), [9, 1, 2]).unwrap();
    std::fs::write(at("s2.raw"), [9, 3, 4]).unwrap();
    std::fs::write(at("all.txt"), "1 2\n3 4\n").unwrap();
    let head = "NDims = 3\nDimSize = 2 1 2\nElementSpacing = 1 1 1\nOffset = 0 0 0\nElementType = MET_UCHAR\n";
    for tail in [
        "HeaderSize = 1\nElementDataFile = s%d.raw 1 2 1\n",
        "HeaderSize = -1\nElementDataFile = LIST\ns1.raw\ns2.raw\n",
        "HeaderSize = 1\nElementDataFile = LIST 2D\ns1.raw\ns2.raw\n",
        "BinaryData = False\nElementDataFile = all.txt\n",
    ] {
        std::fs::write(at("h.mhd"), format!("{head}{tail}")).unwrap();
        let image = read_image(&at("h.mhd")).unwrap();
        assert_eq!(values(&image), [1.0, 2.0, 3.0, 4.0], "{tail}");
    }
    for tail in [
        "ElementDataFile = s%d.raw 1 3 1\n",
        "ElementDataFile = LIST\ns1.raw\n",
        "ElementDataFile = LIST 3D\ns1.raw\ns2.raw\n",
        "CompressedData = True\nElementDataFile = LIST\ns1.raw\ns2.raw\n",
    ] {
        std::fs::write(at("h.mhd"), format!("{head}{tail}")).unwrap();
        assert!(read_image(&at("h.mhd")).is_err(), "{tail}");
    }
}

#[test]
fn references_outside_the_folder_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("x.raw"), [1; 8]).unwrap();
    std::fs::create_dir(outer.path().join("in")).unwrap();
    let path = outer.path().join("in/h.mhd");
    let absolute = outer.path().join("x.raw").display().to_string();
    for name in ["../x.raw", absolute.as_str(), "LIST\n../x.raw\n../x.raw", "../x%d.raw 1 2 1"] {
        let text = format!("NDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\nElementDataFile = {name}\n");
        std::fs::write(&path, text).unwrap();
        assert!(matches!(read_image(&path), Err(ReadError::ForeignReference { .. })), "{name}");
    }
}

#[test]
fn broken_headers_are_refused() {
    let change = |from: &str, to: &str| {
        assert!(ITK_HEADER.contains(from));
        let data: Vec<u8> = (-5..19i16).flat_map(i16::to_le_bytes).collect();
        let refused = read(&ITK_HEADER.replace(from, to), &data).unwrap_err().to_string();
        assert!(refused.starts_with("a.mha: "), "{refused}");
        refused
    };
    change("DimSize = 4 3 2", "DimSize = 4 3 0");
    change("DimSize = 4 3 2", "DimSize = 4 3");
    change("DimSize = 4 3 2", "DimSize = 4 3 -2");
    change("DimSize = 4 3 2", "DimSize = 4294967296 4294967296 4294967296");
    change("DimSize = 4 3 2", "DimSize = 40000 30000 20000");
    change("DimSize = 4 3 2", "ElementNumberOfChannels = 4096\nDimSize = 100000000 100000000 50");
    change("DimSize = 4 3 2", "DimSize = 4 3 3");
    change("0.5 1.25 2\n", "0.5 0 2\n");
    change("0.5 1.25 2\n", "0.5 -1 2\n");
    change("0.5 1.25 2\n", "0.5 NaN 2\n");
    change("10 -20 30.5", "10 NaN 30.5");
    change("10 -20 30.5", "10 inf 30.5");
    change("TransformMatrix = 0.95533648912560598", "TransformMatrix = NaN");
    change(" 0 0 0 1\nOffset", " 0 0 0 0\nOffset");
    change("NDims = 3", "NDims = 7");
    change("ElementDataFile = LOCAL\n", "");
    change("MET_SHORT", "MET_STRING");
    change("= Image", "= Tube");
    change("CompressedData = False", "CompressedData = Maybe");
    change("ElementDataFile = LOCAL\n", "ElementDataFile = beside.raw\n");
}

#[test]
fn compression_bombs_are_refused_before_they_unpack() {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &vec![0; 1 << 20]).unwrap();
    let packed = encoder.finish().unwrap();
    let header =
        |dims: &str| ITK_HEADER.replace("CompressedData = False", "CompressedData = True").replace("4 3 2", dims);
    assert!(read(&header("1024 512 1"), &packed).is_ok());
    // More than deflate can hold in so few bytes.
    assert!(matches!(read(&header("1024 1024 1024"), &packed), Err(ReadError::Truncated { .. })));
    // Fewer numbers than the stream holds: read, with a warning.
    let image = read(&header("4 3 2"), &packed).unwrap();
    assert!(image.header().warnings.iter().any(|w| w.as_str().contains("follow")));
    // A wrong checksum.
    let mut broken = packed.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(matches!(read(&header("1024 512 1"), &broken), Err(ReadError::Damaged { .. })));
}

#[test]
fn damaged_files_are_survived() {
    let read = |bytes| read_image_bytes("a.mha".as_ref(), bytes);
    survives(1, 4000, &itk_file(), read);
    let mut packed = Vec::new();
    write_metaimage_to(&mut packed, &volume(), true).unwrap();
    survives(2, 2000, &packed, read);
}

#[test]
fn doubtful_headers_are_read_with_warnings() {
    let text = "NDims = 3\nDimSize = 1 1 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
    let image = read(text, &[7]).unwrap();
    assert_eq!(image.header().warnings.len(), 2);
    let text = text.replace("NDims", "DistanceUnits = cm\nElementSpacing = 1 2 3\nOffset = 1 0 0\nNDims");
    let image = read(&text, &[7]).unwrap();
    assert_eq!(image.header().grid.spacing(), [10.0, 20.0, 30.0]);
    assert_eq!(image.header().grid.origin(), Point::new(10.0, 0.0, 0.0));
    assert!(image.header().warnings[0].as_str().contains("cm"));
}

#[test]
fn samples_keep_their_type() {
    let image = read_image_bytes("a.mha".as_ref(), itk_file()).unwrap();
    assert_eq!(image.samples(), &Samples::I16((-5..19).collect()));
    let meta = header::read(&mut Input::from_bytes("a".as_ref(), itk_file())).unwrap();
    assert_eq!((meta.byte_order, meta.header_size), (ByteOrder::Little, Some(0)));
}

/// SimpleITK 2.5.7 answers "Uncompress failed" where the size is missing.
#[test]
fn compressed_files_state_their_compressed_size() {
    let mut file = Vec::new();
    write_metaimage_to(&mut file, &volume(), true).unwrap();
    let text = String::from_utf8_lossy(&file);
    let size: usize = text.split("CompressedDataSize = ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let mark = b"ElementDataFile = LOCAL\n";
    let data = file.windows(mark.len()).position(|w| w == mark).unwrap() + mark.len();
    assert_eq!(file.len() - data, size);
}
