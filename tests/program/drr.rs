//! `regiscope drr`: the files it writes, against the library and against lengths known by hand.

use crate::support::{json, nifti, program, refused, stderr, write};
use regiscope::drr::{Projector, Renderer, Settings, Span};
use regiscope::geometry::{Point, Rigid, Source, Vector, View};
use regiscope::image::{Image, npy, read_image, read_volume};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A block of 8 × 6 × 4 voxels of 5 mm, attenuation 0.02/mm but for one denser voxel, with labels 1 and 2.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let affine = [[5.0, 0.0, 0.0, -17.5], [0.0, 5.0, 0.0, -12.5], [0.0, 0.0, 5.0, -7.5]];
        let mut data = vec![20i16; 8 * 6 * 4];
        data[3 + 8 * (2 + 6)] = 500;
        write(folder.path(), "mu.nii", nifti([8, 6, 4], affine, 0.001, 0.0, &data));
        let labels: Vec<i16> = (0..8 * 6 * 4).map(|n| if n % 8 < 4 { 1 } else { 2 }).collect();
        write(folder.path(), "labels.nii", nifti([8, 6, 4], affine, 1.0, 0.0, &labels));
        let camera = r#"{"source_mm": [0, -400, 0], "pixel0_mm": [-44, 100, 20], "col_step_mm": [4, 0, 0],
            "row_step_mm": [0, 0, -4], "rows": 11, "cols": 23}"#;
        write(folder.path(), "cam.json", camera);
        Self { folder }
    }

    fn view(&self) -> View {
        let source = Source::Point(Point::new(0.0, -400.0, 0.0));
        View::new(source, Point::new(-44.0, 100.0, 20.0), Vector::x() * 4.0, Vector::z() * -4.0, 11, 23).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `regiscope drr` in the folder.
    fn drr(&self, arguments: &str) -> Output {
        program().current_dir(self.folder.path()).arg("drr").args(arguments.split_whitespace()).output().unwrap()
    }

    #[track_caller]
    fn rendered(&self, arguments: &str) -> Image<f32> {
        let output = self.drr(&format!("--volume mu.nii --units attenuation {arguments} --out out.npy"));
        assert!(output.status.success(), "{}", stderr(&output));
        npy::read_image(&self.path("out.npy")).unwrap().0
    }

    fn by_library(&self, settings: Settings, pose: &Rigid) -> Image<f32> {
        let volume = read_volume(&self.path("mu.nii")).unwrap().volume;
        Renderer::new(volume, settings).unwrap().render(&self.view(), pose)
    }
}

#[test]
fn projectors_give_what_the_library_gives() {
    let scene = Scene::new();
    let trilinear = |samples, span| Projector::Trilinear { samples, span };
    for (options, projector, clip) in [
        ("siddon", Projector::Siddon, true),
        ("joseph", Projector::Joseph, true),
        ("siddon --no-clip", Projector::Siddon, false),
        ("trilinear --samples 40", trilinear(40, Span::Ray), true),
        ("trilinear --samples 40 --span 0.7,0.9", trilinear(40, Span::Fixed([0.7, 0.9])), true),
    ] {
        let image = scene.rendered(&format!("--camera cam.json --projector {options}"));
        assert_eq!((image.rows(), image.cols()), (11, 23));
        assert_eq!(image, scene.by_library(Settings { projector, clip }, &Rigid::identity()), "{options}");
    }
}

#[test]
fn the_central_ray_measures_the_block() {
    let scene = Scene::new();
    let image = scene.rendered("--camera cam.json");
    // Row 5, column 11 is the axis of the beam: 30 mm of 0.02/mm, of which it meets the dense voxel's edge at most.
    let along_axis = f64::from(image.data()[5 * 23 + 9]);
    let obliquity = (500f64.powi(2) + 8f64.powi(2)).sqrt() / 500.0;
    assert!((along_axis - 30.0 * 0.02 * obliquity).abs() < 1e-4, "{along_axis}");
    assert_eq!(image.data()[0], 0.0, "the corner of the detector sees past the block");
}

#[test]
fn the_file_is_numpy_f32_row_major() {
    let scene = Scene::new();
    let image = scene.rendered("--camera cam.json");
    let bytes = std::fs::read(scene.path("out.npy")).unwrap();
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00") && (10 + length) % 64 == 0);
    assert!(header.contains("'descr': '<f4'") && header.contains("'fortran_order': False"));
    assert!(header.contains("'shape': (11, 23)"), "{header}");
    let values: Vec<f32> =
        bytes[10 + length..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(values, image.data());
}

#[test]
fn a_pose_moves_the_volume_in_the_world() {
    let scene = Scene::new();
    let pose = "#Insight Transform File V1.0\n#Transform 0\nTransform: TranslationTransform_double_3_3\n\
        Parameters: 10 0 -5\nFixedParameters:\n";
    write(scene.folder.path(), "pose.tfm", pose);
    let image = scene.rendered("--camera cam.json --pose pose.tfm");
    // The file maps points of the world to points of the volume: the volume itself goes the other way.
    assert_eq!(image, scene.by_library(Settings::default(), &Rigid::translation(-10.0, 0.0, 5.0)));
    assert_ne!(image, scene.rendered("--camera cam.json"));
}

#[test]
fn labels_and_their_sum() {
    let scene = Scene::new();
    let of = |label: &str| scene.rendered(&format!("--camera cam.json --labels labels.nii {label}"));
    let (one, two, both) = (of("--label 1"), of("--label 2"), of("--label 1 --label 2"));
    assert_eq!(both, scene.rendered("--camera cam.json"));
    assert_ne!(one, two);
    for ((a, b), sum) in one.data().iter().zip(two.data()).zip(both.data()) {
        assert!((a + b - sum).abs() < 1e-5);
    }
    let with = |more: &str| scene.drr(&format!("--volume mu.nii --camera cam.json --out o.npy --labels {more}"));
    refused(&with("labels.nii --label 7"), &["labels.nii", "label 7", "1, 2"]);
    refused(&with("labels.nii"), &["labels.nii", "--label"]);
    refused(&with("absent.nii --label 1"), &["absent.nii"]);
}

#[test]
fn a_c_arm_looks_at_the_middle_of_the_volume() {
    let scene = Scene::new();
    let arm = "--source-detector-mm 1000 --source-isocentre-mm 700 --rows 5 --cols 9 --pitch-mm 30";
    for (angles, thickness) in [("0 --secondary-deg 0", 30.0), ("90", 40.0), ("-90", 40.0)] {
        let image = scene.rendered(&format!("--primary-deg {angles} {arm} --labels labels.nii --label 1 --label 2"));
        // The ray through the isocentre; the dense voxel lies beside it.
        let middle = f64::from(image.data()[2 * 9 + 4]);
        assert!(middle >= thickness * 0.02 - 1e-4 && image.data()[0] == 0.0, "{angles}: {middle}");
    }
}

#[test]
fn intensity_and_noise() {
    let scene = Scene::new();
    let ideal = scene.rendered("--camera cam.json");
    let intensity = scene.rendered("--camera cam.json --intensity");
    for (i, t) in ideal.data().iter().zip(intensity.data()) {
        assert!((t - (-i).exp()).abs() < 1e-6);
    }
    let noisy = |seed: u32| scene.rendered(&format!("--camera cam.json --photons 1000 --seed {seed}"));
    assert_eq!(noisy(1), noisy(1));
    assert_ne!(noisy(1), noisy(2));
    assert_ne!(noisy(1), ideal);
}

#[test]
fn images_are_written_as_nifti_and_png() {
    let scene = Scene::new();
    let ideal = scene.rendered("--camera cam.json");
    for name in ["out.nii", "out.nii.gz"] {
        let drr = scene.drr(&format!("--volume mu.nii --units attenuation --camera cam.json --out {name}"));
        assert!(drr.status.success(), "{}", stderr(&drr));
        let image = read_image(&scene.path(name)).unwrap();
        assert_eq!(image.header().shape[..2], [23, 11]);
        assert_eq!(image.value(&[9, 5, 0]), Some(f64::from(ideal.data()[5 * 23 + 9])));
        let corner = image.header().grid.world_from_index(&Point::new(22.0, 10.0, 0.0));
        assert!((corner - scene.view().pixel(10.0, 22.0)).norm() < 1e-3, "pixels stand where the detector's do");
    }
    let drr = scene.drr("--volume mu.nii --units attenuation --camera cam.json --out out.png");
    assert!(drr.status.success(), "{}", stderr(&drr));
    assert!(std::fs::read(scene.path("out.png")).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
}

#[test]
fn the_summary_says_what_was_written() {
    let scene = Scene::new();
    let at = |name: &str| scene.path(name).display().to_string();
    let value = json([
        "drr",
        "--volume",
        &at("mu.nii"),
        "--units",
        "attenuation",
        "--camera",
        &at("cam.json"),
        "--out",
        &at("out.npy"),
    ]);
    let image = npy::read_image(Path::new(&at("out.npy"))).unwrap().0;
    let greatest = image.data().iter().copied().fold(f32::MIN, f32::max);
    assert_eq!((&value["rows"], &value["cols"], &value["min"]), (&json!(11), &json!(23), &json!(0.0)));
    assert_eq!(value["max"], json!(f64::from(greatest)));
    assert!(value["mean"].as_f64().unwrap() > 0.0 && value["seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(value["warnings"], json!([]));
}

#[test]
fn hounsfield_units_are_the_default() {
    let scene = Scene::new();
    let affine = [[5.0, 0.0, 0.0, 0.0], [0.0, 5.0, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0]];
    // Water, 6 voxels of 5 mm along the beam: 30 mm of 0.01929/mm at 70 keV (NIST XCOM), darker at lower energy.
    write(scene.folder.path(), "water.nii", nifti([6, 6, 6], affine, 1.0, 0.0, &[0; 216]));
    let middle = |options: &str| {
        let drr = scene.drr(&format!("--volume water.nii --primary-deg 0 --rows 9 --cols 9 --out w.npy {options}"));
        assert!(drr.status.success(), "{}", stderr(&drr));
        f64::from(npy::read_image(&scene.path("w.npy")).unwrap().0.data()[40])
    };
    assert!((middle("") - 30.0 * 0.01929).abs() < 0.005, "{}", middle(""));
    assert!(middle("--energy-kev 40") > 1.2 * middle(""));
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    let scene = Scene::new();
    write(scene.folder.path(), "nocam.json", "{\"rows\": 3}");
    write(scene.folder.path(), "cut.nii", &std::fs::read(scene.path("mu.nii")).unwrap()[..400]);
    for (arguments, words) in [
        ("--volume none.nii --camera cam.json --out o.npy", &["none.nii"][..]),
        ("--volume cut.nii --camera cam.json --out o.npy", &["cut.nii", "truncated"]),
        ("--volume mu.nii --camera nocam.json --out o.npy", &["nocam.json", "missing"]),
        ("--volume mu.nii --camera cam.json --out o.jpg", &["o.jpg", ".npy"]),
        ("--volume mu.nii --camera cam.json --out none/o.npy", &["none/o.npy"]),
        ("--volume mu.nii --camera cam.json --out o.npy --samples 5", &["--samples", "trilinear"]),
        ("--volume mu.nii --camera cam.json --out o.npy --projector trilinear --samples 1", &["1 samples"]),
        ("--volume mu.nii --camera cam.json --out o.npy --energy-kev 9", &["9 keV"]),
        ("--volume mu.nii --units attenuation --energy-kev 60 --camera cam.json --out o.npy", &["--energy-kev"]),
        ("--volume mu.nii --camera cam.json --out o.npy --photons -1", &["photons"]),
        ("--volume mu.nii --camera cam.json --out o.npy --pose cam.json", &["cam.json"]),
        ("--volume mu.nii --primary-deg 0 --source-isocentre-mm 2000 --out o.npy", &["source_isocentre_mm"]),
    ] {
        refused(&scene.drr(arguments), words);
    }
    let neither = scene.drr("--volume mu.nii --out o.npy");
    assert_eq!(neither.status.code(), Some(2));
    assert!(stderr(&neither).contains("--camera"));
}
