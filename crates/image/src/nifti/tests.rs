//! Figures of nibabel 5.4.2 (`tests/nibabel_figures.py` prints them), and files written and read again.

use super::sketch::Sketch;
use super::{write_nifti, write_nifti_displacements};
use crate::raw::{Format, RawImage};
use crate::scalar::{ByteOrder, ScalarType};
use crate::{ReadError, Volume, read_header, read_image, read_labels, read_volume};
use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
use regiscope_geometry::{Grid, Point, Vector};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn stored(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(sketch: &Sketch) -> Result<RawImage, ReadError> {
    let folder = tempfile::tempdir().unwrap();
    read_image(&stored(&folder, "a.nii", &sketch.bytes()))
}

fn warned(image: &RawImage, words: &str) -> bool {
    image.header().warnings.iter().any(|w| w.as_str().contains(words))
}

fn values(image: &RawImage) -> Vec<f64> {
    let scale = image.header().scale;
    (0..image.samples().len()).map(|n| image.samples().get(n)).map(|v| scale.map_or(v, |s| s.apply(v))).collect()
}

const OBLIQUE_1: [[f64; 4]; 3] = [
    [0.5, -0.25, 1.0, -10.5],
    [0.125, 0.75, 0.30000001192092896, 20.25],
    [-0.10000000149011612, 0.20000000298023224, 2.0, 30.125],
];
const QFORM_1: [[f64; 4]; 3] = [
    [0.5179999794960022, -0.4771337112986255, -0.7773618505128826, -11.5],
    [0.36149198334007987, 0.6399999976158138, -0.7636809457455381, 12.25],
    [0.30166131759590314, 0.05237789292864604, 2.2499999925494194, 13.75],
];
const BASE: [[f64; 4]; 3] = [
    [-0.699999988079071, 0.0, 0.0, 1.0499999821186066],
    [0.0, 0.800000011920929, 0.0, -0.800000011920929],
    [0.0, 0.0, 2.5, -1.25],
];

#[test]
fn affines_are_those_of_nibabel() {
    let flipped = QFORM_1.map(|row| [row[0], row[1], -row[2], row[3]]);
    let base = Sketch { sform_code: 0, ..Sketch::default() };
    let turned = |qform_code, qfac| {
        let mut sketch = Sketch { qform_code, ..base.clone() };
        sketch.pixdim[0] = qfac;
        sketch
    };
    let quatern = |quatern| Sketch { quatern, ..turned(1, 1.0) };
    let mut negative = base.clone();
    negative.pixdim[1] = -0.7;
    #[rustfmt::skip]
    let cases = [
        ("sform before qform", Sketch { sform_code: 2, qform_code: 1, ..Sketch::default() }, OBLIQUE_1),
        ("qform", turned(1, 1.0), QFORM_1),
        ("qfac -1", turned(3, -1.0), flipped),
        ("qfac 0", turned(3, 0.0), QFORM_1),
        ("half turn", quatern([0.6, 0.8, 0.0]), [
            [-0.19599998064041196, 0.7680000167846677, 0.0, -11.5],
            [0.671999993228912, 0.22399998502731333, 0.0, 12.25],
            [0.0, 0.0, -2.5, 13.75],
        ]),
        ("nearly a half turn", quatern([0.6, 0.79999, 0.0]), [
            [-0.19597759308552687, 0.7679904403681281, 0.015986767204738097, -11.5],
            [0.6719916138647075, 0.22399995756149133, -0.011990225782689273, 12.25],
            [-0.004476294741095821, 0.003836872307634419, -2.4999201302761698, 13.75],
        ]),
        ("pixdim", base.clone(), BASE),
        ("pixdim, negative", negative, BASE),
        ("pixdim, two axes", Sketch { dim: vec![4, 3], data: vec![0; 12], ..base.clone() }, [
            BASE[0], BASE[1], [0.0, 0.0, 1.0, 0.0],
        ]),
        ("unknown sform code", Sketch { sform_code: 17, ..turned(1, 1.0) }, QFORM_1),
        ("NIfTI-2 sform", Sketch { version: 2, ..Sketch::default() }, Sketch::default().srow),
        ("NIfTI-2 qform", Sketch { version: 2, ..turned(1, -1.0) }, [
            [0.518, -0.4771336877837938, 0.7773618495495704, -11.5],
            [0.3614919768108195, 0.64, 0.7636809247747852, 12.25],
            [0.3016613178738797, 0.05237789592793127, -2.25, 13.75],
        ]),
    ];
    for (name, sketch, expected) in cases {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let image = read(&Sketch { order, ..sketch.clone() }).unwrap();
            let header = image.header();
            for (r, row) in expected.iter().enumerate() {
                for (c, value) in row.iter().enumerate() {
                    let found = header.affine[(r, c)];
                    assert!((found - value).abs() < 1e-14, "{name}: [{r}][{c}] is {found}");
                    assert!((header.grid.ras_affine()[(r, c)] - found).abs() < 1e-12, "{name}");
                }
            }
        }
    }
}

#[test]
fn scaled_values_are_those_of_nibabel() {
    #[rustfmt::skip]
    let cases = [
        ([0.1, -1024.5], [-4301.300048828125, -1024.6000000014901, -1024.1999999955297, 2252.200048826635]),
        ([0.0, 7.0], [-32768.0, -1.0, 3.0, 32767.0]),
        ([f64::NAN, 7.0], [-32768.0, -1.0, 3.0, 32767.0]),
        ([1.0, 0.5], [-32767.5, -0.5, 3.5, 32767.5]),
        ([-2.0, 0.0], [65536.0, 2.0, -6.0, -65534.0]),
    ];
    let data: Vec<u8> = [-32768i16, -1, 3, 32767].iter().flat_map(|v| v.to_le_bytes()).collect();
    for (scale, expected) in cases {
        let image =
            read(&Sketch { dim: vec![4], datatype: 4, bitpix: 16, data: data.clone(), scale, ..Sketch::default() });
        let image = image.unwrap();
        assert_eq!(values(&image), expected);
        assert_eq!(image.value(&[3]), Some(expected[3]));
        let single: Vec<f32> = expected.iter().map(|&v| v as f32).collect();
        assert_eq!(image.into_volume_f32().unwrap().data(), single);
    }
}

#[test]
fn every_type_is_read_in_both_orders_and_versions() {
    macro_rules! case {
        ($t:ty, $datatype:expr, $name:expr, $values:expr) => {{
            let values: [$t; 4] = $values;
            let meant = values.map(|v| v as f64);
            let little = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
            let big = values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<u8>>();
            check($datatype, size_of::<$t>(), $name, &meant, little, big);
        }};
    }
    fn check(datatype: i16, size: usize, name: &str, meant: &[f64], little: Vec<u8>, big: Vec<u8>) {
        for version in [1, 2] {
            for (order, data) in [(ByteOrder::Little, &little), (ByteOrder::Big, &big)] {
                let (bitpix, data) = (8 * size as i16, data.clone());
                let sketch = Sketch { version, order, dim: vec![2, 1, 2], datatype, bitpix, data, ..Sketch::default() };
                let image = read(&sketch).unwrap();
                assert_eq!((values(&image), image.header().scalar_type.name()), (meant.to_vec(), name));
                let format = if version == 1 { Format::Nifti1 } else { Format::Nifti2 };
                assert_eq!(image.header().format, format);
            }
        }
    }
    case!(u8, 2, "uint8", [0, 1, 128, 255]);
    case!(i8, 256, "int8", [0, -1, -128, 127]);
    case!(u16, 512, "uint16", [0, 1, 258, 65535]);
    case!(i16, 4, "int16", [0, -2, 258, -32768]);
    case!(u32, 768, "uint32", [0, 1, 16909060, u32::MAX]);
    case!(i32, 8, "int32", [0, -1, 16909060, i32::MIN]);
    case!(u64, 1280, "uint64", [0, 1, 1 << 40, 1 << 63]);
    case!(i64, 1024, "int64", [0, -1, 1 << 40, i64::MIN]);
    case!(f32, 16, "float32", [0.0, -1.5, 1e-30, 3e38]);
    case!(f64, 64, "float64", [0.0, -1.5, 1e-300, 3e300]);
    // binary128 of 0, 1, -2.5 and 2^-1: sign and exponent in the first 16 bits.
    let quad = [0u128, 0x3fff << 112, 0xc000_4000 << 96, 0x3ffe << 112];
    let little = quad.iter().flat_map(|v| v.to_le_bytes()).collect();
    check(1536, 16, "float128", &[0.0, 1.0, -2.5, 0.5], little, quad.iter().flat_map(|v| v.to_be_bytes()).collect());
}

#[test]
fn odd_offsets_and_extensions_are_passed_over() {
    for offset in [352.0, 353.0, 361.0, 1007.0] {
        let image = read(&Sketch { vox_offset: Some(offset), ..Sketch::default() }).unwrap();
        assert_eq!(values(&image), (0..24).map(f64::from).collect::<Vec<_>>(), "{offset}");
        assert!(image.header().warnings.iter().all(|w| w.as_str().contains("sheared")));
    }
}

#[test]
fn pairs_are_read_from_either_name_and_only_from_their_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    let sketch = Sketch { magic: Some(*b"ni1\0"), vox_offset: Some(3.0), ..Sketch::default() };
    let header = stored(&folder, "a.hdr", &sketch.header());
    let missing = read_image(&header).unwrap_err().to_string();
    assert!(missing.contains("a.img") && missing.contains("missing"), "{missing}");
    let data = [&[9; 3], sketch.data.as_slice()].concat();
    let image = stored(&folder, "a.img", &data);
    for path in [&header, &image] {
        assert_eq!(values(&read_image(path).unwrap())[23], 23.0);
    }
    std::fs::remove_file(&image).unwrap();
    stored(&folder, "a.img.gz", &gzip(&data));
    assert_eq!(values(&read_image(&header).unwrap())[23], 23.0);
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        let link = stored(&folder, "c.hdr", &sketch.header());
        let target = stored(&elsewhere, "c.img", &data);
        std::os::unix::fs::symlink(&target, folder.path().join("c.img")).unwrap();
        assert!(matches!(read_image(&link), Err(ReadError::ForeignReference { .. })));
    }
    assert!(read_image(&stored(&folder, "b.nii", &sketch.header())).unwrap_err().to_string().contains(".hdr"));
}

#[test]
fn gzip_in_several_members_and_with_padding_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = Sketch::default().bytes();
    let members = [gzip(&bytes[..100]), vec![0; 5], gzip(&[]), gzip(&bytes[100..]), vec![0; 70000]].concat();
    let image = read_image(&stored(&folder, "a.nii.gz", &members)).unwrap();
    assert_eq!(values(&image)[23], 23.0);
    assert!(!warned(&image, "follow"));
}

#[test]
fn what_is_doubtful_is_said() {
    let base = Sketch::default();
    let unknown = read(&Sketch { units: 0, ..base.clone() }).unwrap();
    assert!(warned(&unknown, "unit is not stated"));
    assert!(warned(&read(&Sketch { sform_code: 0, ..base.clone() }).unwrap(), "neither sform nor qform"));
    let both = read(&Sketch { qform_code: 1, ..base.clone() }).unwrap();
    assert!(warned(&both, "sform and qform disagree") && warned(&both, "sheared"));
    let mut agreeing = Sketch { qform_code: 1, quatern: [0.0; 3], ..base.clone() };
    agreeing.srow = [[0.7, 0.0, 0.0, -11.5], [0.0, 0.8, 0.0, 12.25], [0.0, 0.0, 2.5, 13.75]];
    assert_eq!(read(&agreeing).unwrap().header().warnings, []);
    assert!(warned(&read(&Sketch { bitpix: 0, ..base.clone() }).unwrap(), "bitpix is not set"));
    let mut trailing = base.clone();
    trailing.data.push(1);
    assert!(warned(&read(&trailing).unwrap(), "1 bytes follow"));
    let nan = [f32::NAN, 1.0, f32::INFINITY, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let nan = Sketch { dim: vec![4, 1, 1], datatype: 16, bitpix: 32, data: nan, ..base };
    assert!(warned(&read(&nan).unwrap(), "2 voxels are not finite"));
    let folder = tempfile::tempdir().unwrap();
    let loaded = read_volume(&stored(&folder, "nan.nii", &nan.bytes())).unwrap();
    assert!(loaded.warnings.iter().any(|w| w.as_str().contains("2 voxels are not finite")));
}

#[test]
fn other_units_become_millimetres_and_the_affine_stays() {
    for (units, factor) in [(1, 1000.0), (3, 0.001)] {
        let image = read(&Sketch { units, ..Sketch::default() }).unwrap();
        assert!(warned(&image, "converted to millimetres"));
        assert_eq!(image.header().affine[(0, 3)], -10.5);
        assert!((image.header().grid.ras_affine()[(0, 3)] + 10.5 * factor).abs() < 1e-12 * factor);
    }
}

#[test]
fn labels_are_whole_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = stored(&folder, "labels.nii", &Sketch::default().bytes());
    assert_eq!(read_labels(&path).unwrap().data()[23], 23);
    let half = stored(&folder, "half.nii", &Sketch { scale: [0.5, 0.0], ..Sketch::default() }.bytes());
    let error = read_labels(&half).unwrap_err();
    assert!(matches!(error, ReadError::NotALabel { index: [1, 0, 0], value: 0.5, .. }), "{error}");
    let negative = stored(&folder, "negative.nii", &Sketch { scale: [1.0, -3.0], ..Sketch::default() }.bytes());
    assert!(matches!(read_labels(&negative), Err(ReadError::NotALabel { index: [0, 0, 0], .. })));
}

fn oblique(shape: [usize; 3], mirrored: bool) -> Grid {
    let sign = if mirrored { -1.0 } else { 1.0 };
    let axes = *Rotation3::from_euler_angles(0.4, -0.7, 2.8).matrix()
        * Matrix3::from_diagonal(&Vector::new(0.75, 1.25 * sign, 2.5));
    Grid::new(shape, Point::new(-31.5, 84.0, 12.5), axes).unwrap()
}

fn same_place(a: &Grid, b: &Grid) -> bool {
    a.shape() == b.shape() && a.corners().iter().zip(b.corners()).all(|(p, q)| (p - q).norm() < 1e-4)
}

#[test]
fn volumes_come_back_as_written() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii", "a.nii.gz"] {
        for mirrored in [false, true] {
            let path = folder.path().join(name);
            let grid = oblique([5, 4, 3], mirrored);
            let volume = Volume::new(grid.clone(), (0..60).map(|n| n as f32 * 0.37 - 9.0).collect());
            write_nifti(&path, &volume).unwrap();
            let loaded = read_volume(&path).unwrap();
            assert_eq!((loaded.volume.data(), loaded.warnings.as_slice()), (volume.data(), [].as_slice()));
            assert!(same_place(loaded.volume.grid(), &grid));
            let labels = volume.map(|&v| if v > 0.0 { 40000u16 } else { 1 });
            write_nifti(&path, &labels).unwrap();
            assert_eq!(read_labels(&path).unwrap().data(), labels.data());
            write_nifti(&path, &volume.map(|&v| v as i16)).unwrap();
            assert_eq!(read_header(&path).unwrap().scalar_type, ScalarType::I16);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn the_written_qform_says_the_same_place() {
    for mirrored in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.nii");
        let grid = oblique([5, 4, 3], mirrored);
        write_nifti(&path, &Volume::new(grid.clone(), vec![0u8; 60])).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[252..256], [1, 0, 1, 0]);
        bytes[254] = 0;
        std::fs::write(&path, bytes).unwrap();
        assert!(same_place(&read_header(&path).unwrap().grid, &grid));
    }
    // A sheared place has no qform.
    let sheared = Matrix3::new(1.0, 0.3, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    let grid = Grid::new([2, 2, 2], Point::origin(), sheared).unwrap();
    write_nifti(&path, &Volume::new(grid.clone(), vec![0u8; 8])).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[252..256], [0, 0, 1, 0]);
    assert!(same_place(&read_header(&path).unwrap().grid, &grid));
}

#[test]
fn displacement_fields_are_five_dimensional_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("field.nii.gz");
    let vectors = (0..60).map(|n| [n as f32, -(n as f32), 0.5]).collect();
    let field = Volume::new(oblique([5, 4, 3], false), vectors);
    write_nifti_displacements(&path, &field).unwrap();
    let image = read_image(&path).unwrap();
    assert_eq!((image.header().shape.as_slice(), image.header().intent), ([5, 4, 3, 1, 3].as_slice(), 1007));
    let index = |c| [2, 1, 2, 0, c];
    assert_eq!([0, 1, 2].map(|c| image.value(&index(c)).unwrap()), [47.0, -47.0, 0.5]);
    assert!(matches!(image.clone().into_volume_f32(), Err(ReadError::NotAVolume { .. })));
    let back = image.into_displacements().unwrap();
    assert!(back.data() == field.data() && same_place(back.grid(), field.grid()));
    assert!(read(&Sketch::default()).unwrap().into_displacements().is_err());
}

#[test]
fn what_nifti_1_cannot_hold_is_refused() {
    let path = Path::new("never-written.nii");
    let long = Grid::centred([40000, 1, 1], [1.0; 3]).unwrap();
    let error = write_nifti(path, &Volume::new(long, vec![0u8; 40000])).unwrap_err().to_string();
    assert!(error.contains("never-written.nii") && error.contains("32767"), "{error}");
    let far = Grid::new([1, 1, 1], Point::new(1e300, 0.0, 0.0), Matrix3::identity()).unwrap();
    assert!(write_nifti(path, &Volume::new(far, vec![0u8])).is_err());
    assert!(!path.exists());
}
