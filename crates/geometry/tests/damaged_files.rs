//! Damaged camera, calibration and transform files are accepted or refused in a sentence, and never panic.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::carm::{Beam, CArm, Positioner};
use regiscope_geometry::itk_transform::{Scalar, Transform};
use regiscope_geometry::itk_transform_file::{self, TransformFile};
use regiscope_geometry::{AffineMap, Camera, Point, Twist, Vector, se3};
use regiscope_geometry::{calibration_file, camera_file, opencv_yaml, projection_file};

/// A valid text and its reader, which says what it refuses.
type Case = (&'static str, String, fn(&str) -> Result<(), String>);

fn cases() -> Vec<Case> {
    let arm = CArm { detector_rotation: 0.1, ..CArm::new(1020.0, 750.0, 31, 47, 0.388) };
    let view = arm.at(Positioner::from_deg(33.3, -12.1)).view().unwrap();
    let flat = CArm { beam: Beam::Parallel, ..arm }.view().unwrap();
    let camera = Camera::from_view(&view).unwrap();
    let motion = se3::exp(&Twist::new(30.0, -20.0, 10.0, 0.5, -0.7, 0.2));
    let centre = Point::new(1.0, 2.0, 3.0);
    let chain = TransformFile {
        transforms: vec![
            Transform::euler_3d(&motion, &centre),
            Transform::versor_rigid_3d(&motion, &centre),
            Transform::affine(&AffineMap::from(&motion), &centre),
            Transform::translation(&Vector::new(1.0, 2.0, 3.0)),
        ],
        composite: Some(Scalar::Double),
    };
    let camera_reader = |text: &str| camera_file::parse(text).map(|_| ()).map_err(|e| e.to_string());
    let calibration_reader = |text: &str| calibration_file::parse(text).map(|_| ()).map_err(|e| e.to_string());
    let transform_reader = |text: &str| {
        let rigid = itk_transform_file::parse(text).and_then(|file| file.rigid());
        rigid.map(|_| ()).map_err(|e| e.to_string())
    };
    vec![
        ("camera", camera_file::to_json(&view), camera_reader),
        ("parallel camera", camera_file::to_json(&flat), camera_reader),
        ("calibration", calibration_file::to_json(&camera), calibration_reader),
        ("OpenCV calibration", opencv_yaml::to_yaml(&camera), calibration_reader),
        ("transforms", itk_transform_file::to_text(&chain), transform_reader),
        ("projection", projection_file::to_text(&camera.projection_matrix()), |text| {
            let matrix = projection_file::parse(text).map_err(|e| e.to_string())?;
            let camera = Camera::from_projection_matrix(&matrix, &Point::origin(), 31, 47, 1020.0);
            camera.map(|_| ()).map_err(|e| e.to_string())
        }),
    ]
}

/// One damage: a cut, flipped bits, a byte put in, a piece taken out or doubled, or a number made extreme.
fn damaged(text: &str, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let at = rng.random_range(0..bytes.len());
    let end = rng.random_range(at..=bytes.len().min(at + 40));
    match rng.random_range(0..7) {
        0 => bytes.truncate(at),
        1 => (0..rng.random_range(1..6)).for_each(|_| {
            let n = rng.random_range(0..bytes.len());
            bytes[n] ^= 1 << rng.random_range(0..8);
        }),
        2 => bytes.insert(at, rng.random()),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(end..end, piece);
        }
        5 => bytes[at] = b"0123456789.-+eE[]{}:,#\n\" \t"[rng.random_range(0..26)],
        _ => {
            let extreme = ["1e308", "-1e308", "5e-324", "0", "-1", "18446744073709551615", "nan", "inf", "[", "\u{e9}"];
            let digit = bytes[at..].iter().position(u8::is_ascii_digit).map_or(at, |n| at + n);
            bytes.splice(digit..(digit + 1).min(text.len()), extreme[rng.random_range(0..extreme.len())].bytes());
        }
    }
    bytes
}

#[test]
fn no_damage_makes_a_reader_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(2024);
    for (name, text, read) in cases() {
        assert_eq!(read(&text), Ok(()), "{name} as written");
        let mut refused = 0;
        for _ in 0..2000 {
            let mut bytes = damaged(&text, &mut rng);
            if rng.random_range(0..3) == 0 && !bytes.is_empty() {
                bytes = damaged(&String::from_utf8_lossy(&bytes), &mut rng);
            }
            if let Err(said) = read(&String::from_utf8_lossy(&bytes)) {
                refused += 1;
                assert!(said.lines().count() == 1 && said.len() < 800, "{name}: {said}");
            }
        }
        assert!(refused > 300, "{name}: only {refused} of 2000 damaged files were refused");
    }
}

#[test]
fn every_cut_is_accepted_or_refused() {
    for (name, text, read) in cases() {
        for cut in 0..text.len() {
            // A list of transforms cut behind one of them is a shorter list, and a cut may only shorten the last
            // number or drop white space.
            let whole = name == "transforms" && cut > text.find("FixedParameters").unwrap_or(0);
            assert!(read(&text[..cut]).is_err() || whole || cut + 22 > text.len(), "{name} cut to {cut} bytes");
        }
    }
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = "[".repeat(500_000);
    assert!(camera_file::parse(&format!("{{\"source_mm\": {deep}")).is_err());
    assert!(calibration_file::parse(&format!("{{\"K\": {deep}")).is_err());
    assert!(calibration_file::parse(&format!("K: {deep}")).is_err());
}
