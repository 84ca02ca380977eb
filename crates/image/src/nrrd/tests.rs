use super::*;
use crate::RawImage;
use crate::damage::{survives, values};
use crate::read::{Loaded, read_image, read_image_bytes, read_volume};
use crate::volume::Volume;
use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
use regiscope_geometry::{Grid, Point, Vector};

/// The header that SimpleITK 2.5.7 writes for a turned image of shape 4 × 3 × 2.
const ITK_HEADER: &str = "NRRD0004\n# Complete NRRD file format specification at:\n\
    # http://teem.sourceforge.net/nrrd/format.html\ntype: short\ndimension: 3\nspace: left-posterior-superior\n\
    sizes: 4 3 2\nspace directions: (0.47766824456280299,0.14776010333066977,0) \
    (-0.36940025832667445,1.1941706114070074,0) (0,0,2)\nkinds: domain domain domain\nendian: little\n\
    encoding: raw\nspace origin: (10,-20,30.5)\n\n";

fn data() -> Vec<u8> {
    (-5..19i16).flat_map(i16::to_le_bytes).collect()
}

fn read(text: &str, data: &[u8]) -> Result<RawImage, ReadError> {
    read_image_bytes("a.nrrd".as_ref(), [text.as_bytes(), data].concat())
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
    let image = read(ITK_HEADER, &data()).unwrap();
    assert_eq!(image.value(&[3, 2, 1]), Some(18.0));
    let expected = Point::new(10.694204217035061, -17.168378467193975, 32.5);
    assert!((image.header().grid.world_from_index(&Point::new(3.0, 2.0, 1.0)) - expected).norm() < 1e-12);
    assert!(image.header().warnings.is_empty(), "{:?}", image.header().warnings);
}

/// Origin and directions that SimpleITK 2.5.7 gives for a file of pynrrd 1.1.3 in RAS, and for one in LAS.
#[test]
fn patient_spaces_are_turned_to_lps() {
    let text = "NRRD0005\ntype: uint8\ndimension: 3\nspace: right-anterior-superior\nsizes: 1 1 1\n\
        space directions: (0.5,0.1,0) (0,1.25,0.2) (0,0,2)\nencoding: raw\nspace origin: (10,-20,30.5)\n\n";
    let grid = |text: &str| read(text, &[1]).unwrap().header().grid.clone();
    let ras = grid(text);
    assert_eq!(ras.origin(), Point::new(-10.0, 20.0, 30.5));
    let direction = Matrix3::new(
        -0.9805806756909201,
        0.0,
        0.0, //
        -0.19611613513818404,
        -0.9874406319167053,
        0.0, //
        0.0,
        0.15799050110667287,
        1.0,
    );
    assert!((ras.direction() - direction).norm() < 1e-12);
    let las = grid(&text.replace("right-anterior-superior", "LAS"));
    assert_eq!(las.origin(), Point::new(10.0, 20.0, 30.5));
    for (space, warns) in [("scanner-xyz", true), ("3D-right-handed", true), ("left-posterior-superior", false)] {
        let image = read(&text.replace("right-anterior-superior", space), &[1]).unwrap();
        assert_eq!(image.header().grid.origin(), Point::new(10.0, -20.0, 30.5));
        assert_eq!(image.header().warnings.len(), usize::from(warns), "{space}");
    }
    let unnamed = read(&text.replace("space: right-anterior-superior", "space dimension: 3"), &[1]).unwrap();
    assert!(unnamed.header().warnings[0].as_str().contains("LPS"));
    assert!(read(&text.replace("right-anterior-superior", "3D-left-handed"), &[1]).is_err());
}

#[test]
fn encodings_and_byte_orders_agree() {
    let plain = values(&read(ITK_HEADER, &data()).unwrap());
    let big: Vec<u8> = (-5..19i16).flat_map(i16::to_be_bytes).collect();
    assert_eq!(values(&read(&ITK_HEADER.replace("little", "big"), &big).unwrap()), plain);
    let text = (-5..19).map(|n: i16| n.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(values(&read(&ITK_HEADER.replace("encoding: raw", "encoding: ascii"), text.as_bytes()).unwrap()), plain);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, &data()).unwrap();
    let packed = encoder.finish().unwrap();
    assert_eq!(values(&read(&ITK_HEADER.replace("encoding: raw", "encoding: gz"), &packed).unwrap()), plain);
    let skipped = ITK_HEADER.replace("encoding: raw", "encoding: raw\nline skip: 2\nbyte skip: 3");
    assert_eq!(values(&read(&skipped, &[b"a\nbb\nccc".to_vec(), data()].concat()).unwrap()), plain);
    let from_end = ITK_HEADER.replace("encoding: raw", "encoding: raw\nbyteskip: -1");
    assert_eq!(values(&read(&from_end, &[b"anything".to_vec(), data()].concat()).unwrap()), plain);
    for refused in ["bzip2", "hex", "zrl"] {
        let e = read(&ITK_HEADER.replace("encoding: raw", &format!("encoding: {refused}")), &data()).unwrap_err();
        assert!(e.to_string().contains(refused), "{e}");
    }
}

#[test]
fn axes_beside_space_are_components_or_repetitions() {
    let head = |sizes: &str, directions: &str| {
        format!(
            "NRRD0004\ntype: uchar\ndimension: 4\nspace: LPS\nsizes: {sizes}\nspace directions: {directions}\n\
             encoding: raw\nspace origin: (0,0,0)\n\n"
        )
    };
    let first = read(&head("2 3 1 1", "none (1,0,0) (0,1,0) (0,0,1)"), &[1, 10, 2, 20, 3, 30]).unwrap();
    assert_eq!(first.header().shape, [3, 1, 1, 1, 2]);
    assert_eq!(values(&first), [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
    let last = read(&head("3 1 1 2", "(1,0,0) (0,1,0) (0,0,1) none"), &[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(last.header().shape, [3, 1, 1, 2]);
    assert_eq!(values(&last), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert!(read(&head("3 2 1 1", "(1,0,0) none (0,1,0) (0,0,1)"), &[1, 2, 3, 4, 5, 6]).is_err());
    let timed = head("1 1 1 2", "(1,0,0,0) (0,1,0,0) (0,0,1,0) (0,0,0,2)")
        .replace("LPS", "right-anterior-superior-time")
        .replace("(0,0,0)\n\n", "(1,2,3,4)\n\n");
    let timed = read(&timed, &[1, 2]).unwrap();
    assert_eq!(
        (timed.header().shape.as_slice(), timed.header().grid.origin()),
        (&[1, 1, 1, 2][..], Point::new(-1.0, -2.0, 3.0))
    );
    let flat = "NRRD0001\ntype: uchar\ndimension: 2\nsizes: 3 2\nspacings: 2 0.5\nencoding: raw\n\n";
    let flat = read(flat, &[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!((flat.header().shape.as_slice(), flat.header().grid.spacing()), (&[3, 2][..], [2.0, 0.5, 1.0]));
    let colour = "NRRD0001\ntype: uchar\ndimension: 3\nkinds: RGB-color domain domain\nsizes: 3 2 1\nencoding: raw\n\n";
    assert_eq!(read(colour, &[1, 2, 3, 4, 5, 6]).unwrap().header().shape, [2, 1, 1, 1, 3]);
}

#[test]
fn writing_and_reading_are_inverse() {
    let folder = tempfile::tempdir().unwrap();
    let volume = volume();
    for (name, compressed) in [("a.nrrd", false), ("b.nrrd", true), ("c d.nhdr", false), ("d.nhdr", true)] {
        let path = folder.path().join(name);
        write_nrrd(&path, &volume, compressed).unwrap();
        let Loaded { volume: back, warnings } = read_volume(&path).unwrap();
        assert_eq!(back.data(), volume.data(), "{name}");
        assert_eq!(back.grid(), volume.grid(), "{name}");
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn data_beside_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = data();
    std::fs::write(at("p0.raw"), &bytes[..24]).unwrap();
    std::fs::write(at("p1.raw"), &bytes[24..]).unwrap();
    std::fs::write(at("whole.raw"), &bytes).unwrap();
    for reference in
        ["whole.raw", "p%d.raw 0 1 1", "p%01d.raw 0 1 1 2", "LIST\np0.raw\np1.raw", "LIST 2\np0.raw\np1.raw"]
    {
        std::fs::write(
            at("h.nhdr"),
            format!("{}data file: {reference}\n", ITK_HEADER.trim_end_matches('\n').to_string() + "\n"),
        )
        .unwrap();
        assert_eq!(read_image(&at("h.nhdr")).unwrap().value(&[3, 2, 1]), Some(18.0), "{reference}");
    }
    for reference in ["../whole.raw", "/etc/hostname", "LIST\n../p0.raw\np1.raw"] {
        std::fs::write(at("h.nhdr"), format!("{}\ndata file: {reference}\n", ITK_HEADER.trim_end())).unwrap();
        assert!(matches!(read_image(&at("h.nhdr")), Err(ReadError::ForeignReference { .. })), "{reference}");
    }
    std::fs::write(at("h.nhdr"), format!("{}\ndata file: LIST\n", ITK_HEADER.trim_end())).unwrap();
    assert!(matches!(read_image(&at("h.nhdr")), Err(ReadError::Field { .. })));
}

#[test]
fn broken_headers_are_refused() {
    let change = |from: &str, to: &str| {
        assert!(ITK_HEADER.contains(from), "{from}");
        let refused = read(&ITK_HEADER.replace(from, to), &data()).unwrap_err().to_string();
        assert!(refused.starts_with("a.nrrd: "), "{refused}");
    };
    change("NRRD0004", "NRRD0009");
    change("sizes: 4 3 2", "sizes: 4 3 0");
    change("sizes: 4 3 2", "sizes: 4 3");
    change("sizes: 4 3 2", "sizes: 4 3 3");
    change("sizes: 4 3 2", "sizes: 4294967296 4294967296 4294967296");
    change("dimension: 3\nspace", "dimension: 99\nspace");
    change("type: short", "type: block");
    change("endian: little\n", "");
    change("(0,0,2)", "(0,0,0)");
    change("(0,0,2)", "(0,0,nan)");
    change("(0,0,2)", "(0,0)");
    change("(10,-20,30.5)", "(10,nan,30.5)");
    change("(10,-20,30.5)", "(10,-20)");
    change("kinds: domain domain domain", "kinds: complex domain domain");
    change("encoding: raw", "encoding: raw\nbyte skip: -2");
    change("encoding: raw", "encoding: raw\nline skip: 1000000000000");
    change("encoding: raw", "encoding: gzip");
    change("space origin: (10,-20,30.5)\n\n", "space origin: (10,-20,30.5)\ndata file: x.raw\n\n");
}

#[test]
fn damaged_files_are_survived() {
    let read = |bytes| read_image_bytes("a.nrrd".as_ref(), bytes);
    survives(3, 4000, &[ITK_HEADER.as_bytes(), &data()].concat(), read);
    let mut packed = Vec::new();
    write_nrrd_to(&mut packed, &volume(), true).unwrap();
    survives(4, 2000, &packed, read);
}
