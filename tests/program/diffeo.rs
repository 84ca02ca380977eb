//! `regiscope diffeo`: a pair of brain-like volumes is registered, and what it leaves is applied, inverted, joined and
//! compared; bad input is refused.

use crate::support::{json, misused, program, refused, stderr};
use regiscope::datasets::brain::{Pair, PairSettings, generate};
use regiscope::diffeo::warp::{PointMap, field_of};
use regiscope::geometry::points_file::{self, NamedPoint};
use regiscope::geometry::{Grid, Point, Vector};
use regiscope::image::{Volume, read_image, read_volume, write_nifti, write_nifti_displacements};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

/// A coarse brain, carried and turned, in a folder with its files.
fn scene() -> (tempfile::TempDir, Pair) {
    let settings = PairSettings {
        seed: 2,
        voxels: 28,
        speed_mm: 8.0,
        waves: 1,
        rotation_deg: [0.0, 4.0, -7.0],
        translation_mm: [9.0, -6.0, 0.0],
        ..PairSettings::default()
    };
    let pair = generate(&settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_nifti(&at("fixed.nii.gz"), &pair.fixed).unwrap();
    write_nifti(&at("moving.nii.gz"), &pair.moving).unwrap();
    write_nifti(&at("fixed_labels.nii.gz"), &pair.labels_fixed).unwrap();
    write_nifti(&at("moving_labels.nii.gz"), &pair.labels_moving).unwrap();
    let points = |of: fn(&regiscope::datasets::brain::PairLandmark) -> Point| -> Vec<NamedPoint> {
        pair.landmarks.iter().map(|l| NamedPoint { name: l.name.into(), position: of(l) }).collect()
    };
    points_file::write(&at("fixed.fcsv"), &points(|l| l.fixed)).unwrap();
    points_file::write(&at("moving.csv"), &points(|l| l.moving)).unwrap();
    (folder, pair)
}

fn in_folder(folder: &Path, arguments: &str) -> Output {
    program().current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

#[track_caller]
fn done(folder: &Path, arguments: &str) -> Value {
    let output = in_folder(folder, &format!("{arguments} --json"));
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn displacements(path: &Path) -> Volume<[f32; 3]> {
    read_image(path).unwrap().into_displacements().unwrap()
}

const REGISTER: &str = "diffeo register --fixed fixed.nii.gz --moving moving.nii.gz --preset fast";

#[test]
fn a_pair_is_registered_and_its_maps_are_of_use() {
    let (folder, pair) = scene();
    let run = done(
        folder.path(),
        &format!(
            "{REGISTER} --labels-fixed fixed_labels.nii.gz --labels-moving moving_labels.nii.gz \
             --landmarks-fixed fixed.fcsv --landmarks-moving moving.csv --out out"
        ),
    );
    let out = folder.path().join("out");
    for name in [
        "warped.nii.gz",
        "displacement.nii.gz",
        "inverse_displacement.nii.gz",
        "velocity.nii.gz",
        "jacobian.nii.gz",
        "warped_labels.nii.gz",
        "residual.nii.gz",
        "affine.tfm",
        "iterations.jsonl",
        "metrics.json",
        "report.html",
        "run.json",
        "document.toml",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let metrics = &run["metrics"];
    let number = |pointer: &str| metrics.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    assert!(number("/relative_mismatch") < 0.5, "{metrics}");
    assert!(number("/dice_mean/after") > number("/dice_mean/before") + 0.2, "{metrics}");
    assert!(number("/landmarks_mm/after/mean") < 0.4 * number("/landmarks_mm/before/mean"), "{metrics}");
    assert!(number("/det_f/min") > 0.1 && number("/inverse_voxels/0") < 0.1, "{metrics}");
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http"), "the report opens offline");

    // The header says what ITK expects of displacements, and the field maps fixed points to moving ones.
    let header = read_image(&out.join("displacement.nii.gz")).unwrap();
    assert_eq!((header.header().intent, header.header().shape.len()), (1007, 5));
    let field = displacements(&out.join("displacement.nii.gz"));
    let apart =
        |at: &[f32; 3], truth: &[f32; 3]| (0..3).map(|c| f64::from(at[c] - truth[c]).powi(2)).sum::<f64>().sqrt();
    let inside: Vec<f64> = field
        .data()
        .iter()
        .zip(pair.displacement.data())
        .zip(pair.labels_fixed.data())
        .filter(|(_, label)| **label > 0)
        .map(|((u, t), _)| apart(u, t))
        .collect();
    let mean = inside.iter().sum::<f64>() / inside.len() as f64;
    assert!(mean < 3.5, "{mean} mm from the true map");

    // What `apply` makes with the displacement is what `register` wrote.
    done(folder.path(), "diffeo apply --transform out/displacement.nii.gz --image moving.nii.gz --out again.nii.gz");
    let (warped, again) = (
        read_volume(&out.join("warped.nii.gz")).unwrap().volume,
        read_volume(&folder.path().join("again.nii.gz")).unwrap().volume,
    );
    let worst = warped.data().iter().zip(again.data()).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(worst < 0.05, "{worst}");
    done(
        folder.path(),
        "diffeo apply --transform out/displacement.nii.gz --labels moving_labels.nii.gz --out again_labels.nii.gz",
    );
    let dice = done(folder.path(), "diffeo compare fixed_labels.nii.gz again_labels.nii.gz --labels");
    assert!((dice["dice_mean"].as_f64().unwrap() - number("/dice_mean/after")).abs() < 1e-9);

    // There and back.
    done(folder.path(), "diffeo invert --transform out/displacement.nii.gz --grid moving.nii.gz --out back.nii.gz");
    done(folder.path(), "diffeo compose --transform out/displacement.nii.gz --transform back.nii.gz --out loop.nii.gz");
    let still = displacements(&folder.path().join("loop.nii.gz"));
    let moved: Vec<f64> = still
        .data()
        .iter()
        .zip(pair.labels_fixed.data())
        .filter(|(_, l)| **l > 0)
        .map(|(u, _)| apart(u, &[0.0; 3]))
        .collect();
    assert!(moved.iter().copied().fold(0.0, f64::max) < 0.7, "a tenth of a voxel is 0.69 mm");

    // Landmarks: through the transform they come nearer to their partners, as the metrics say.
    let tre = done(folder.path(), "diffeo compare fixed.fcsv moving.csv --transform out/displacement.nii.gz");
    assert!((tre["distance_mm"]["mean"].as_f64().unwrap() - number("/landmarks_mm/after/mean")).abs() < 1e-6);
    done(folder.path(), "diffeo apply --transform out/displacement.nii.gz --points fixed.fcsv --out carried.csv");
    let same = done(folder.path(), "diffeo compare carried.csv moving.csv");
    assert!(
        (same["distance_mm"]["mean"].as_f64().unwrap() - tre["distance_mm"]["mean"].as_f64().unwrap()).abs() < 1e-4
    );

    // The flow itself, there and back, without a file between.
    done(folder.path(), "diffeo apply --transform out --points fixed.fcsv --out there.csv");
    let near = done(folder.path(), "diffeo compare there.csv carried.csv");
    assert!(near["distance_mm"]["max"].as_f64().unwrap() < 0.7, "the field and the flow differ by a tenth of a voxel");
    done(folder.path(), "diffeo apply --transform out --inverse --points there.csv --out home.csv");
    let home = done(folder.path(), "diffeo compare home.csv fixed.fcsv");
    assert!(home["distance_mm"]["max"].as_f64().unwrap() < 0.01, "{home}");
    done(folder.path(), "diffeo invert --transform out --grid moving.nii.gz --out flow_back.nii.gz");
    let output =
        in_folder(folder.path(), "diffeo apply --transform back.nii.gz --inverse --points fixed.fcsv --out p.csv");
    refused(&output, &["back.nii.gz", "diffeo invert"]);

    // Determinants.
    let found = done(folder.path(), "diffeo jacobian --transform out/displacement.nii.gz --log --out logj.nii.gz");
    assert!(found["det_f"]["min"].as_f64().unwrap() > 0.0);
    let written = read_volume(&out.join("jacobian.nii.gz")).unwrap().volume;
    let log = read_volume(&folder.path().join("logj.nii.gz")).unwrap().volume;
    let near = written.data().iter().zip(log.data()).zip(pair.labels_fixed.data()).filter(|(_, l)| **l > 0);
    let error = near.clone().map(|((a, b), _)| (a.ln() - b).abs()).sum::<f32>() / near.count() as f32;
    assert!(error < 0.05, "{error}");
}

#[test]
fn volumes_of_another_contrast_are_registered_by_the_distance_that_allows_for_it() {
    let (folder, pair) = scene();
    // Inverted everywhere, background and all; a second channel in which the masked half says nothing.
    let most = pair.moving.data().iter().copied().fold(0f32, f32::max);
    write_nifti(&folder.path().join("inverted.nii"), &pair.moving.map(|v| most - 0.6 * v)).unwrap();
    let half: Vec<u8> = (0..pair.fixed.data().len()).map(|o| u8::from(o % 28 < 24)).collect();
    write_nifti(&folder.path().join("mask.nii"), &Volume::new(pair.fixed.grid().clone(), half)).unwrap();
    let lengths = |distance: &str, more: &str| {
        let run = done(
            folder.path(),
            &format!(
                "{} --affine-measure mutual-information --distance {distance} --landmarks-fixed fixed.fcsv \
                 --landmarks-moving moving.csv {more} --out {distance}",
                REGISTER.replace("moving.nii.gz", "inverted.nii")
            ),
        );
        let report = fs::read_to_string(folder.path().join(distance).join("report.html")).unwrap();
        let number = |pointer: &str| run["metrics"].pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        (number("/landmarks_mm/after/mean") / number("/landmarks_mm/before/mean"), report)
    };
    for (distance, more, name) in [
        ("ncc", "", "normalised cross-correlation"),
        ("lncc", "--window-radius-voxels 2 --variance-floor 1e-3", "local normalised cross-correlation"),
        ("ngf", "--mask-fixed mask.nii --fixed fixed.nii.gz --moving moving.nii.gz --weights 1,0.5", "gradient field"),
    ] {
        let (left, report) = lengths(distance, more);
        assert!(left < 0.5, "{distance}: {left}");
        assert!(report.contains(name), "{distance}");
    }
    let (lost, _) = lengths("ssd", "");
    assert!(lost > 0.6, "squares cannot do it: {lost}");
    let output = in_folder(folder.path(), &format!("{REGISTER} --edge-per-mm 0.1 --out out"));
    refused(&output, &["deform.edge_per_mm", "ngf"]);
}

#[test]
fn transforms_join_and_invert() {
    let folder = tempfile::tempdir().unwrap();
    let grid = Grid::centred([12, 11, 10], [2.0, 2.0, 2.0]).unwrap();
    let shift = field_of(&grid, |x| x + Vector::new(1.0, 0.5, -0.25));
    write_nifti_displacements(&folder.path().join("shift.nii.gz"), &shift).unwrap();
    write_nifti(
        &folder.path().join("image.nii"),
        &Volume::new(grid.clone(), (0..grid.len()).map(|n| n as f32).collect()),
    )
    .unwrap();
    let tfm = "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n\
        Parameters: 1.1 0.1 0 -0.1 0.9 0 0 0 1.2 3 -2 1\nFixedParameters: 0 0 0\n";
    fs::write(folder.path().join("a.tfm"), tfm).unwrap();
    done(folder.path(), "diffeo invert --transform a.tfm --out b.tfm");
    done(folder.path(), "diffeo compose --transform a.tfm --transform b.tfm --out c.tfm");
    let same = regiscope::geometry::itk_transform_file::read(&folder.path().join("c.tfm")).unwrap().map().unwrap();
    assert!((same.apply(&Point::new(5.0, -7.0, 9.0)) - Point::new(5.0, -7.0, 9.0)).norm() < 1e-9);
    done(folder.path(), "diffeo compose --transform shift.nii.gz --transform a.tfm --out both.nii.gz");
    let both = PointMap::Field(displacements(&folder.path().join("both.nii.gz")));
    let a = regiscope::geometry::itk_transform_file::read(&folder.path().join("a.tfm")).unwrap().map().unwrap();
    let x = Point::new(1.0, 2.0, 3.0);
    assert!((both.apply(&x).unwrap() - a.apply(&(x + Vector::new(1.0, 0.5, -0.25)))).norm() < 1e-4);
    let same = done(folder.path(), "diffeo compare both.nii.gz both.nii.gz");
    assert_eq!(same["difference_mm"]["max"], 0.0);
    let images = done(folder.path(), "diffeo compare image.nii image.nii");
    assert_eq!(images["difference"]["rms"], 0.0);
    for (arguments, words) in [
        ("invert --transform a.tfm --out b.nii.gz", &["b.nii.gz", "--grid"][..]),
        ("compose --transform a.tfm --transform shift.nii.gz --out c.tfm", &["c.tfm", "displacement fields"]),
        ("compose --transform a.tfm --out c.nii.gz", &["c.nii.gz", "--grid"]),
        ("apply --transform a.tfm --image image.nii --out w.nii", &["--reference"]),
        ("apply --transform image.nii --image image.nii --out w.nii", &["image.nii", "shape"]),
        ("apply --transform shift.nii.gz --labels image.nii --interpolation cubic --out w.nii", &["cubic", "soft"]),
        ("apply --transform none.tfm --image image.nii --out w.nii", &["none.tfm"]),
        ("compare image.nii shift.nii.gz", &["shift.nii.gz"]),
        ("jacobian --transform a.nii --out j.nii", &["a.nii"]),
    ] {
        refused(&in_folder(folder.path(), &format!("diffeo {arguments}")), words);
    }
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    let (folder, pair) = scene();
    let write = |name: &str, volume: &Volume<f32>| write_nifti(&folder.path().join(name), volume).unwrap();
    let mut broken = pair.moving.clone();
    broken.data_mut()[28 * 28 + 3] = f32::NAN;
    write("nan.nii", &broken);
    write("flat.nii", &pair.moving.map(|_| 7.0));
    let far = Grid::new([28; 3], Point::new(5000.0, 0.0, 0.0), *pair.fixed.grid().axes()).unwrap();
    write("far.nii", &Volume::new(far, pair.moving.data().to_vec()));
    let thin = Grid::centred([28, 28, 1], [6.0; 3]).unwrap();
    write("thin.nii", &Volume::new(thin, (0..28 * 28).map(|n| n as f32).collect()));
    let none = pair.labels_moving.map(|_| 0u16);
    write_nifti(&folder.path().join("none.nii"), &none).unwrap();
    let small = Grid::centred([14; 3], [12.0; 3]).unwrap();
    write_nifti(&folder.path().join("small.nii"), &Volume::new(small, vec![1u16; 14 * 14 * 14])).unwrap();
    let moving = "--moving moving.nii.gz";
    for (from, to, words) in [
        (moving, "--moving nan.nii", &["nan.nii", "1 voxels are NaN", "[3, 0, 1]"][..]),
        (moving, "--moving flat.nii", &["flat.nii", "every voxel has the value 7"]),
        (moving, "--moving thin.nii", &["thin.nii", "[28, 28, 1]"]),
        (moving, "--moving far.nii --no-affine", &["fields of view do not meet", "affine stage"]),
        (moving, "--moving moving.nii.gz --moving moving.nii.gz", &["1 channels", "2"]),
        (moving, "--moving none.nii.gz", &["none.nii.gz"]),
        ("--preset fast", "--labels-moving none.nii", &["none.nii", "every voxel is 0"]),
        ("--preset fast", "--labels-moving small.nii", &["small.nii", "[14, 14, 14]", "[28, 28, 28]"]),
        ("--preset fast", "--labels-moving moving.nii.gz", &["moving.nii.gz", "labels are whole numbers"]),
        ("--preset fast", "--mask-fixed none.nii", &["none.nii", "mask"]),
        ("--preset fast", "--landmarks-fixed fixed.nii.gz --landmarks-moving moving.csv", &["fixed.nii.gz"]),
        ("--preset fast", "--beta -1", &["deform.beta"]),
        ("--preset fast", "--percentiles 90,10", &["deform.percentiles"]),
        ("--preset fast", "--jacobian-bound 2", &["deform.jacobian_bound"]),
    ] {
        let output = in_folder(folder.path(), &format!("{} --out out", REGISTER.replace(from, to)));
        refused(&output, words);
        let _ = fs::remove_dir_all(folder.path().join("out"));
    }
    for (to, words) in [
        ("--model h4", ["h4", "h1-div"]),
        ("--distance mi", ["mi", "lncc"]),
        ("--preset quick", ["quick", "accurate"]),
        ("--affine perspective", ["perspective", "similarity"]),
    ] {
        misused(&in_folder(folder.path(), &format!("{} --out out", REGISTER.replace("--preset fast", to))), &words);
    }
}

#[test]
fn doubtful_input_is_an_outcome_with_advice() {
    let (folder, pair) = scene();
    // Labels that only one image has, and a field of view elsewhere that the affine stage brings back.
    let changed = pair.labels_moving.map(|l| if *l == 23 { 99 } else { *l });
    write_nifti(&folder.path().join("changed.nii"), &changed).unwrap();
    let shifted = pair.moving.grid();
    let far = Grid::new(shifted.shape(), shifted.origin() + Vector::new(900.0, 0.0, 0.0), *shifted.axes()).unwrap();
    write_nifti(&folder.path().join("far.nii"), &Volume::new(far.clone(), pair.moving.data().to_vec())).unwrap();
    write_nifti(&folder.path().join("far_labels.nii"), &Volume::new(far, changed.data().to_vec())).unwrap();
    let arguments = REGISTER.replace("moving.nii.gz", "far.nii");
    let run = done(
        folder.path(),
        &format!("{arguments} --labels-fixed fixed_labels.nii.gz --labels-moving far_labels.nii --out out"),
    );
    let said = run["warnings"].to_string();
    assert!(said.contains("only the fixed image has 23; only the moving image has 99"), "{said}");
    assert!(run["metrics"]["relative_mismatch_affine"].as_f64().unwrap() < 0.8, "{run}");
    assert!(!run["metrics"]["advice"].as_str().unwrap().is_empty());
    assert_eq!(json(["info".as_ref(), folder.path().join("out/affine.tfm").as_os_str()])["kind"], "transform");
}

#[test]
fn itk_applies_what_register_writes() {
    let python = |arguments: &[&str]| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::process::Command::new("python3").current_dir(root).args(arguments).output()
    };
    if !python(&["-c", "import SimpleITK, numpy"]).is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 has no SimpleITK");
        return;
    }
    let output = python(&["benches/diffeo_itk.py", "--regiscope", env!("CARGO_BIN_EXE_regiscope")]).unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |pointer: &str| found.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
    assert!(number("/oblique_pair/inverse_of_forward_voxels/max") < 0.1, "{found}");
    assert!(number("/oblique_pair/relative_mismatch") < 0.2, "{found}");
}
