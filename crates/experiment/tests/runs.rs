//! Whole runs on a miniature phantom: results, resumption, report.

mod common;

use common::options;
use regiscope_experiment::{Document, Experiment, Outcome, Places, Progress, RunError, Status, check, run};
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const MINIATURE: &str = r#"
title = "Miniature <of> a \"run\""
question = "Does it work & resume?"
seed = 5
[phantom]
spacing_mm = 8
extent_mm = [240, 200, 200]
[view]
rows = 40
cols = 40
pitch_mm = 9
primary_angle_deg = 20
[simulate]
rotation_deg = [2, -1, 3]
translation_mm = [4, 2, -3]
photons = 50000
[register]
[[register.levels]]
detector_factor = 2
max_iterations = 20
[[register.levels]]
max_iterations = 10
[starts]
count = 4
rotation_deg = 5
translation_mm = 8
[landscape]
points = 5
map_points = 3
[criteria]
success_rate = 0.5
success_within_mm = 5
"#;

fn experiment(text: &str, overrides: &[(&str, &str)], base_dir: &Path) -> Experiment {
    let overrides: Vec<(String, String)> = overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let places = Places { base_dir: base_dir.into(), data_dir: base_dir.into() };
    let document = Document::parse(text, "mini.toml").and_then(|d| d.with_overrides(&overrides));
    document.and_then(|d| check(&d, &places)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn start(
    experiment: &Experiment,
    out: &Path,
    resume: bool,
    observer: &mut dyn FnMut(Progress, &AtomicBool),
) -> Result<Outcome, RunError> {
    let cancel = AtomicBool::new(false);
    let options = options(resume, &cancel);
    run(experiment, out, options, &mut |progress| observer(progress, &cancel))
}

fn quietly(experiment: &Experiment, out: &Path, resume: bool) -> Outcome {
    start(experiment, out, resume, &mut |_, _| {}).unwrap_or_else(|e| panic!("{e}"))
}

/// Every file of a folder; `run.json` without what says that it was resumed.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let mut bytes = std::fs::read(&path).unwrap();
            if name == "run.json" {
                let mut record: Value = serde_json::from_slice(&bytes).unwrap();
                record["resumed"] = Value::Null;
                bytes = record.to_string().into_bytes();
            }
            files.insert(name, bytes);
        }
    }
    files
}

#[test]
fn a_run_leaves_its_whole_folder() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let outcome = quietly(&experiment(MINIATURE, &[], folder.path()), &out, false);
    assert_eq!(outcome.status, Status::Done);
    let names: Vec<String> = contents(&out).into_keys().collect();
    for name in [
        "document.toml",
        "run.json",
        "metrics.json",
        "starts.csv",
        "iterations.jsonl",
        "landscape.json",
        "report.html",
        "camera-view1.json",
        "xray-view1.npy",
        "xray-view1.png",
        "xray-view1.nii.gz",
        "drr-view1.npy",
        "drr-view1.png",
        "drr-start-view1.nii.gz",
        "transforms/answer.tfm",
        "transforms/reference.tfm",
        "transforms/start-00003.tfm",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} is missing in {names:?}");
    }
    assert!(!names.iter().any(|n| n.starts_with("state") || n.contains(".tmp")), "{names:?}");
    assert!(outcome.metrics["best"]["mtre_mm"].as_f64().unwrap() < 2.0, "{}", outcome.metrics);
    let csv = std::fs::read_to_string(out.join("starts.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5);

    // The written files are what a second run would start from: the answer is a good centre and a good X-ray.
    let real = r#"
[volume]
file = "none"
[view]
camera = "run/camera-view1.json"
image = "run/xray-view1.npy"
[register]
reference = "run/transforms/reference.tfm"
[starts]
count = 1
rotation_deg = 0
translation_mm = 0
centre = "run/transforms/answer.tfm"
"#;
    let overrides = [("volume", ""), ("phantom", "{spacing_mm=8, extent_mm=[240,200,200]}")];
    let again = quietly(&experiment(real, &overrides, folder.path()), &folder.path().join("again"), false);
    assert!(again.metrics["best"]["mtre_mm"].as_f64().unwrap() < 2.0, "{}", again.metrics);
    let blind = [overrides[0], overrides[1], ("register.reference", "")];
    let blind = quietly(&experiment(real, &blind, folder.path()), &folder.path().join("blind"), false);
    assert_eq!((&blind.metrics["best"], &blind.metrics["has_reference"]), (&Value::Null, &Value::Bool(false)));
    let page = std::fs::read_to_string(folder.path().join("blind/report.html")).unwrap();
    assert!(page.contains("There is no reference pose"));
}

#[test]
fn a_run_killed_at_any_step_resumes_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment(MINIATURE, &[], folder.path());
    let whole = folder.path().join("whole");
    let mut steps = 0;
    start(&experiment, &whole, false, &mut |_, _| steps += 1).unwrap();
    let expected = contents(&whole);
    assert!(steps > 12, "{steps} steps");
    for kill_at in 0..steps {
        let out = folder.path().join(format!("killed-{kill_at}"));
        let mut step = 0;
        let killed = catch_unwind(AssertUnwindSafe(|| {
            start(&experiment, &out, false, &mut |_, _| {
                step += 1;
                assert!(step <= kill_at, "killed by the test");
            })
        }));
        assert!(killed.is_err(), "the run was to be killed at step {kill_at}");
        if kill_at == 6 {
            // A half-written start counts as none.
            std::fs::write(out.join("state/start-00000.json"), b"{\"start\": 0").unwrap();
        }
        quietly(&experiment, &out, true);
        let found = contents(&out);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &expected {
            assert!(found[name] == *bytes, "{name} differs after a kill at step {kill_at}");
        }
    }
}

#[test]
fn cancelling_ends_cleanly_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = experiment(MINIATURE, &[], folder.path());
    let out = folder.path().join("run");
    let cancel_at = |stage: &'static str, done: usize| {
        move |p: Progress, cancel: &AtomicBool| {
            if p.stage == stage && p.done >= done {
                cancel.store(true, Ordering::Relaxed);
            }
        }
    };
    let mut resume = false;
    for (stage, done) in [("loading", 0), ("X-rays", 0), ("registering", 1), ("landscape", 2)] {
        let outcome = start(&experiment, &out, resume, &mut cancel_at(stage, done)).unwrap();
        assert_eq!(outcome.status, Status::Interrupted, "{stage}");
        let record: Value = serde_json::from_slice(&std::fs::read(out.join("run.json")).unwrap()).unwrap();
        assert_eq!(record["status"], "interrupted");
        resume = true;
    }
    let outcome = quietly(&experiment, &out, true);
    assert_eq!(outcome.status, Status::Done);
    let again = quietly(&experiment, &out, true);
    assert_eq!((again.status, again.metrics), (outcome.status, outcome.metrics), "a finished run stays as it is");
}

#[test]
fn folders_are_not_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let refuse =
        |experiment: &Experiment, resume| start(experiment, &out, resume, &mut |_, _| {}).unwrap_err().to_string();
    let first = experiment(MINIATURE, &[("landscape", ""), ("starts.count", "1")], folder.path());
    assert!(refuse(&first, true).contains("holds no run that could be resumed"));
    quietly(&first, &out, false);
    assert!(refuse(&first, false).contains("holds a run already"));
    let other = experiment(MINIATURE, &[("landscape", ""), ("starts.count", "1"), ("seed", "6")], folder.path());
    assert!(refuse(&other, true).contains("another document"));
}

#[test]
fn a_missed_criterion_is_a_status_with_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let overrides = [("criteria.success_within_mm", "0.001"), ("landscape", ""), ("starts.count", "2")];
    let outcome = quietly(&experiment(MINIATURE, &overrides, folder.path()), &folder.path().join("run"), false);
    let Status::CriterionMissed(missed) = outcome.status else { panic!("{:?}", outcome.status) };
    assert_eq!(missed, ["at least 50 % of the starts under 0.001 mm mTRE: found 0 of 2 starts (0 %)"]);
    let page = std::fs::read_to_string(outcome.report.unwrap()).unwrap();
    assert!(page.contains("Criteria missed"));
}

#[test]
fn every_table_of_the_task_does_something() {
    let folder = tempfile::tempdir().unwrap();
    let small = [("landscape", ""), ("starts.count", "2")];
    let image = |name: &str, overrides: &[(&str, &str)]| {
        let out = folder.path().join(name);
        let all: Vec<_> = small.iter().chain(overrides).copied().collect();
        let outcome = quietly(&experiment(MINIATURE, &all, folder.path()), &out, false);
        (std::fs::read(out.join("xray-view1.npy")).unwrap(), std::fs::read(out.join("drr-view1.npy")).unwrap(), outcome)
    };
    let plain = image("plain", &[]);
    for (n, fixed) in [
        ("simulate.photons", ""),
        ("simulate.blur_mm", "5"),
        ("simulate.collimation_mm", "[40,0,0,0]"),
        ("simulate.labels", "[\"vertebrae_L3\", \"vertebrae_L2\"]"),
        ("simulate.projector", "trilinear"),
        ("attenuation.energy_kev", "50"),
        ("attenuation.fixed", "{bone_scale=2.0}"),
        ("view.horizontal_flip", "true"),
        ("view.detector_rotation_deg", "10"),
        ("view.beam", "parallel"),
    ]
    .iter()
    .enumerate()
    {
        assert!(image(&format!("fixed-{n}"), &[*fixed]).0 != plain.0, "{fixed:?} left the X-ray as it was");
    }
    for (n, moving) in [
        ("register.similarity", "gradient-ncc"),
        ("register.optimiser", "nelder-mead"),
        ("register.labels", "[27, 28, 29]"),
        ("register.truncate_mm", "[60, 0]"),
        ("attenuation.moving", "{mapping=\"air-water\", energy_kev=50}"),
        ("register.search", "{samples=5, keep=2}"),
    ]
    .iter()
    .enumerate()
    {
        let found = image(&format!("moving-{n}"), &[*moving]);
        assert!(found.0 == plain.0 && found.1 != plain.1, "{moving:?} left the answer as it was");
    }
    let parts = [("register.labels", "[27, 28, 29, 30, 31]"), ("register.per_label", "[29, 30]")];
    let (_, _, outcome) = image("parts", &parts);
    let pieces = outcome.metrics["pieces"].as_array().unwrap();
    assert_eq!(
        pieces.iter().map(|p| p["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["vertebrae_L3", "vertebrae_L2"]
    );
}

#[test]
fn rendering_is_a_task_too() {
    let folder = tempfile::tempdir().unwrap();
    let overrides = [("register", ""), ("starts", ""), ("landscape", ""), ("criteria", ""), ("render", "{}")];
    let outcome = quietly(&experiment(MINIATURE, &overrides, folder.path()), &folder.path().join("run"), false);
    assert_eq!(outcome.status, Status::Done);
    assert!(outcome.metrics["views"][0]["max"].as_f64().unwrap() > 1.0, "{}", outcome.metrics);
    assert!(folder.path().join("run/report.html").is_file());
}

#[test]
fn the_report_loads_nothing_and_escapes_what_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let outcome =
        quietly(&experiment(MINIATURE, &[("starts.count", "2")], folder.path()), &folder.path().join("r"), false);
    let page = std::fs::read_to_string(outcome.report.unwrap()).unwrap();
    for word in ["http:", "https:", "//", "url(", "@import", "<script", "<link", "<iframe", "srcset"] {
        // Slashes occur in base64 and in end tags; an address would have a scheme or begin an attribute.
        let found = match word {
            "//" => page.contains("\"//") || page.contains("'//"),
            other => page.contains(other),
        };
        assert!(!found, "{word} in the report");
    }
    for part in page.split("src=\"").skip(1).chain(page.split("href=\"").skip(1)) {
        assert!(part.starts_with("data:image/png;base64,"), "{}", &part[..part.len().min(60)]);
    }
    assert!(page.contains("Miniature &lt;of&gt;") && !page.contains("Miniature <of>"));
    assert!(!page.contains("NaN") && !page.contains("undefined"));
    assert!(page.contains("mTRE") && page.contains("<svg") && page.contains("prefers-color-scheme: dark"));
}
