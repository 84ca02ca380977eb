//! `regiscope posterior` and `[posterior]`: training, cases, X-rays from files, calibration.

use crate::support::{json, program, refused, run, stderr, write};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A coarse phantom and a network that learns next to nothing in a second; weights make up for it.
const SCENE: &str = r#"title = "Small"
[phantom]
spacing_mm = 5
extent_mm = [160, 160, 160]
[view]
rows = 48
cols = 48
pitch_mm = 5
"#;
const POSTERIOR: &str = r#"
[posterior]
pixels = 24
samples = 200
prior = { turn_deg = 15, swing_deg = 2, displacement_mm = [4, 4, 4] }
network = { channels = [8, 16], features = 16, components = 2, flow_steps = 1, width = 16 }
training = { steps = 30, batch = 16, validation = 64, checkpoint_every = 10 }
simulate = { noise = [0.1, 0.5] }
[[posterior.contents]]
name = "all"
[[posterior.contents]]
name = "bones"
labels = ["vertebrae_L2", "vertebrae_L3", "vertebrae_L4"]
"#;
const CASES: &str = r#"
[[posterior.cases]]
name = "clear"
noise = 0.3
turn_deg = 5
[[posterior.cases]]
content = "bones"
noise = 0.5
"#;

fn document(folder: &Path) -> PathBuf {
    write(folder, "small.toml", format!("{SCENE}{POSTERIOR}"))
}

fn trained(folder: &Path) -> (PathBuf, PathBuf) {
    let (document, out) = (document(folder), folder.join("net"));
    let output = run(["posterior".as_ref(), "train".as_ref(), document.as_os_str(), "--out".as_ref(), out.as_os_str()]);
    assert!(output.status.success(), "{}", stderr(&output));
    (document, out)
}

#[test]
fn a_run_looks_at_its_cases_and_says_what_explains_them() {
    let folder = tempfile::tempdir().unwrap();
    let more = "reference = true\nbaselines = [\"mixture-density\", \"ensemble\", \"multi-start\", \"cma-es\"]\n";
    let posterior = POSTERIOR.replace("samples = 200\n", &format!("samples = 200\n{more}"));
    let views = "[posterior.next_view]\nprimary_angles_deg = [-45, 0, 90]\n";
    let text = format!("{SCENE}{posterior}{CASES}{views}[posterior.calibration]\ncases = 10\nsamples = 40\n");
    let (path, out) = (write(folder.path(), "small.toml", text), folder.path().join("out"));
    let value = json(["run".as_ref(), path.as_os_str(), "--out".as_ref(), out.as_os_str()]);
    let metrics = &value["metrics"];
    assert_eq!((metrics["task"].as_str(), metrics["training"]["steps"].as_u64()), (Some("posterior"), Some(30)));
    let cases = metrics["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    assert_eq!((cases[0]["name"].as_str(), cases[1]["name"].as_str()), (Some("clear"), Some("bones, noise 0.50")));
    for (n, case) in cases.iter().enumerate() {
        let mass: f64 = case["modes"].as_array().unwrap().iter().map(|m| m["mass"].as_f64().unwrap()).sum();
        assert!((mass - 1.0).abs() < 1e-9, "{case}");
        let table = fs::read_to_string(out.join(format!("posterior/case-{n:03}.csv"))).unwrap();
        let weights = table.lines().skip(1).map(|l| l.split_once(',').unwrap().0.parse::<f64>().unwrap());
        assert!((weights.sum::<f64>() - 1.0).abs() < 1e-6);
    }
    // The image model is exact here, so even an ignorant network ends at the truth.
    let best = &cases[0]["modes"][0];
    assert!((cases[0]["truth_turn_deg"].as_f64().unwrap() - 5.0).abs() < 1e-9);
    assert!(best["error_mm"].as_f64().unwrap() < 8.0 && best["error_deg"].as_f64().unwrap() < 6.0, "{best}");
    for case in cases {
        // One pose explains each X-ray; brute force says so too, and the searches find it.
        let reference = &case["reference"];
        assert_eq!(
            (reference["coarse"]["f1"].as_f64(), reference["agree"].as_bool()),
            (Some(1.0), Some(true)),
            "{case}"
        );
        assert!(reference["coarse"]["mass_error"].as_f64().unwrap() < 0.05);
        let names: Vec<_> = case["rivals"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        let searched = &case["rivals"][2];
        assert!(searched["seconds_to_truth"].is_number() && searched["coarse"]["recall"] == 1.0, "{searched}");
        // A single mode leaves nothing to be told apart.
        let gains = case["next_view"].as_array().unwrap();
        assert!(gains.len() == 3 && gains.iter().all(|g| g["gain_nats"].as_f64().unwrap().abs() < 1e-6), "{gains:?}");
    }
    assert_eq!(metrics["against_reference"]["cases"], 2);
    let calibration = &metrics["calibration"];
    assert_eq!(calibration["weighted"]["ranks"].as_array().unwrap().len(), 7);
    let report = fs::read_to_string(out.join("report.html")).unwrap();
    for words in ["The posterior", "clear", "Coverage, TARP", "turn about the patient", "brute force"] {
        assert!(report.contains(words), "{words}");
    }
    assert!(!report.contains("NaN"));
    assert!(out.join("network/network.safetensors").is_file() && !out.join("state").exists());
}

fn sample(document: &Path, net: &Path, image: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = program();
    command.args(["posterior", "sample"]).arg(document).arg("--run").arg(net);
    command.arg("--image").arg(image).arg("--out").arg(out).args(more).output().unwrap()
}

#[test]
fn an_x_ray_from_a_file_gets_its_poses() {
    let folder = tempfile::tempdir().unwrap();
    let (document, net) = trained(folder.path());
    let shot = format!("{SCENE}[simulate]\nrotation_deg = [0, 0, 8]\ntranslation_mm = [4, 0, -3]\n[render]\n");
    let shot = write(folder.path(), "shot.toml", shot);
    let xray = folder.path().join("shot");
    assert!(run(["run".as_ref(), shot.as_os_str(), "--out".as_ref(), xray.as_os_str()]).status.success());
    let image =
        fs::read_dir(&xray).unwrap().map(|e| e.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "npy"));
    let (image, out) = (image.unwrap(), folder.path().join("poses"));

    let output = sample(&document, &net, &image, &out, &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let best = &found["modes"][0];
    assert!((best["turn_deg"].as_f64().unwrap() - 8.0).abs() < 4.0, "{found}");
    assert!(best["ncc"].as_f64().unwrap() > 0.97);
    // The climb on the image's own 48 × 48 pixels ends nearer to the truth than pixels of 10 mm let one hope.
    let [x, y, z] = [0, 1, 2].map(|n| best["pose"]["translation_mm"][n].as_f64().unwrap());
    assert!((x - 4.0).abs() < 1.5 && y.abs() < 6.0 && (z + 3.0).abs() < 1.5, "{found}");
    for name in ["modes.json", "poses.csv", "mode-1.tfm", "mode-1.png"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    assert_eq!(json(["info".as_ref(), out.join("mode-1.tfm").as_os_str()])["kind"], "transform");

    let plain = sample(&document, &net, &image, &out, &["--noise", "0.5", "--content", "all"]);
    assert!(String::from_utf8_lossy(&plain.stdout).contains("mode 1"), "{}", stderr(&plain));
    refused(&sample(&document, &net, &image, &out, &["--content", "liver"]), &["liver", "\"all\", \"bones\""]);
    refused(&sample(&document, &net, &image, &out, &["--noise", "0"]), &["noise of 0"]);
    refused(&sample(&document, &net, &image, &out, &["--image", "other.npy"]), &["2 images", "1 views"]);
    refused(&sample(&document, folder.path(), &image, &out, &[]), &["no trained network", "posterior train"]);
    let changed = ["--set", "posterior.pixels=48"];
    refused(&sample(&document, &net, &image, &out, &changed), &["24 pixels a side", "48"]);
}

#[test]
fn calibration_goes_on_and_belongs_to_its_network() {
    let folder = tempfile::tempdir().unwrap();
    let (document, net) = trained(folder.path());
    let out = folder.path().join("calibration");
    let calibrate = |more: &[&str]| {
        let mut command = program();
        command.args(["posterior", "calibrate"]).arg(&document).arg("--run").arg(&net).arg("--out").arg(&out);
        command.args(["--cases", "12", "--samples", "50"]).args(more).output().unwrap()
    };
    let output = calibrate(&["--network-only", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["calibration"]["cases"], 12);
    assert!(found["calibration"]["weighted"].is_null());
    assert!(out.join("calibration.json").is_file());
    // What is left of another calibration is not taken for this one's.
    fs::create_dir_all(out.join("state")).unwrap();
    fs::write(out.join("state/whose.json"), "\"another\"").unwrap();
    refused(&calibrate(&["--network-only"]), &["unfinished calibration"]);
}

#[test]
fn mistakes_are_told_where_they_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let check = |change: &str| {
        let path = document(folder.path());
        program().arg("check").arg(path).args(["--set", change]).output().unwrap()
    };
    assert!(check("seed=1").status.success());
    refused(&check("posterior.pixels=18"), &["posterior.pixels", "multiple of 8"]);
    refused(&check("posterior.simulate.noise=[1, 0.5]"), &["noise", "must not be above"]);
    refused(&check("posterior.reference=true"), &["reference", "cases"]);
    refused(&check("posterior.cases=[{ content = \"liver\" }]"), &["liver", "\"all\", \"bones\""]);
    refused(&check("posterior.cases=[{ turn_deg = 40 }]"), &["turn_deg", "15"]);
    refused(&check("posterior.contents=[{ name = \"a\" }, { name = \"a\" }]"), &["two contents"]);
}
