//! `regiscope register`: an X-ray that `drr` made is registered back.

use crate::support::{nifti, program, refused, stderr};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

/// Three bright ellipsoids in a block of 20 × 18 × 16 voxels of 6 mm, in attenuation × 1000.
fn volume() -> Vec<u8> {
    let inside = |x: f64, y: f64, z: f64, c: [f64; 3], r: [f64; 3]| {
        ((x - c[0]) / r[0]).powi(2) + ((y - c[1]) / r[1]).powi(2) + ((z - c[2]) / r[2]).powi(2) < 1.0
    };
    let mut data = Vec::new();
    for k in 0..16 {
        for j in 0..18 {
            for i in 0..20 {
                let (x, y, z) = (f64::from(i), f64::from(j), f64::from(k));
                let body = inside(x, y, z, [9.5, 8.5, 7.5], [9.0, 8.0, 7.0]);
                let one = inside(x, y, z, [6.0, 7.0, 9.0], [2.5, 2.0, 3.0]);
                let two = inside(x, y, z, [13.0, 10.0, 5.0], [2.0, 3.5, 1.5]);
                data.push(10 * i16::from(body) + 40 * i16::from(one) + 60 * i16::from(two));
            }
        }
    }
    let affine = [[6.0, 0.0, 0.0, -57.0], [0.0, 6.0, 0.0, -51.0], [0.0, 0.0, 6.0, -45.0]];
    nifti([20, 18, 16], affine, 0.001, 0.0, &data)
}

fn pose(rotation: [f64; 3], translation: [f64; 3]) -> String {
    let ([a, b, c], [x, y, z]) = (rotation, translation);
    format!(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: Euler3DTransform_double_3_3\n\
         Parameters: {a} {b} {c} {x} {y} {z}\nFixedParameters: 0 0 0 0\n"
    )
}

fn in_folder(folder: &Path, arguments: &str) -> Output {
    program().current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn scene() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let camera = r#"{"source_mm": [30, -600, 20], "pixel0_mm": [-98, 300, 98], "col_step_mm": [4, 0, 0],
        "row_step_mm": [0, 0, -4], "rows": 50, "cols": 50}"#;
    fs::write(folder.path().join("mu.nii"), volume()).unwrap();
    fs::write(folder.path().join("cam.json"), camera).unwrap();
    fs::write(folder.path().join("truth.tfm"), pose([0.03, -0.02, 0.04], [2.0, -3.0, 1.0])).unwrap();
    let output = in_folder(
        folder.path(),
        "drr --volume mu.nii --units attenuation --camera cam.json --pose truth.tfm --out xray.npy",
    );
    assert!(output.status.success(), "{}", stderr(&output));
    folder
}

const REGISTER: &str = "register --volume mu.nii --units attenuation --xray xray.npy --camera cam.json";

#[test]
fn a_rendered_xray_is_registered_back_to_its_pose() {
    let folder = scene();
    for (options, out) in [
        ("--starts 1 --reference truth.tfm", "one"),
        ("--start truth.tfm --starts 3 --rotation-deg 4 --translation-mm 6 --seed 7 --reference truth.tfm", "three"),
        ("--start truth.tfm --similarity gradient-ncc --optimiser lbfgs --reference truth.tfm", "other"),
    ] {
        let output = in_folder(folder.path(), &format!("{REGISTER} {options} --out {out} --json"));
        assert!(output.status.success(), "{}", stderr(&output));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["status"], "done");
        let answer = folder.path().join(out).join("transforms/answer.tfm");
        let answer = regiscope::geometry::itk_transform_file::read_rigid(&answer).unwrap();
        let truth = regiscope::geometry::itk_transform_file::read_rigid(&folder.path().join("truth.tfm")).unwrap();
        let apart = (answer.inverse() * truth).translation.vector.norm();
        assert!(apart < 1.0 && answer.rotation.angle_to(&truth.rotation) < 0.01, "{options}: {apart} mm");
        for file in ["run.json", "metrics.json", "report.html", "document.toml"] {
            assert!(folder.path().join(out).join(file).is_file(), "{file}");
        }
    }
}

#[test]
fn the_folders_document_says_what_the_options_said() {
    let folder = scene();
    let output = in_folder(folder.path(), &format!("{REGISTER} --starts 2 --seed 9 --similarity ssd --out one"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(folder.path().join("one/document.toml")).unwrap();
    let document: toml::Table = text.parse().unwrap();
    assert_eq!(document["seed"].as_integer(), Some(9));
    assert_eq!(document["register"]["similarity"].as_str(), Some("ssd"));
    assert_eq!(document["starts"]["count"].as_integer(), Some(2));
    let file = document["volume"]["file"].as_str().unwrap();
    assert!(Path::new(file).is_absolute() && file.ends_with("mu.nii"));
    // The document runs by itself, elsewhere.
    let again = in_folder(folder.path(), "run one/document.toml --out two --json");
    assert!(again.status.success(), "{}", stderr(&again));
    let answer = |out: &str| fs::read(folder.path().join(out).join("transforms/answer.tfm")).unwrap();
    assert_eq!(answer("one"), answer("two"));
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    let folder = scene();
    for (from, to, words) in [
        ("xray.npy", "none.npy", &["none.npy"][..]),
        ("mu.nii", "none.nii", &["none.nii"]),
        ("cam.json", "none.json", &["none.json"]),
        ("--camera cam.json", "--primary-deg 0 --rows 40 --cols 40", &["xray.npy", "50 × 50", "40 × 40"]),
        ("--units attenuation", "--start none.tfm", &["none.tfm"]),
        ("--units attenuation", "--starts 0", &["starts.count"]),
        ("--units attenuation", "--rotation-deg 400", &["starts.rotation_deg"]),
        ("--units attenuation", "--labels none.nii --label 1", &["none.nii"]),
    ] {
        let output = in_folder(folder.path(), &format!("{} --out out", REGISTER.replace(from, to)));
        refused(&output, words);
    }
}
