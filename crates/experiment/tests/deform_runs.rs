//! Deformations of seeded pairs as documents: results, resumption, criteria, report.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::options;
use regiscope_experiment::{Document, Experiment, Outcome, Places, Status, check, run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const MINIATURE: &str = r#"
title = "Miniature <of> a deformation"
[brain_pair]
subject = 3
voxels = 24
waves = 1
[deform]
preset = "fast"
affine = "none"
[deform.criteria]
mismatch = 0.9
det_f = 0.05
"#;

fn experiment(overrides: &[(&str, &str)]) -> Experiment {
    let overrides: Vec<(String, String)> = overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let places = Places { base_dir: ".".into(), data_dir: ".".into() };
    let document = Document::parse(MINIATURE, "mini.toml").and_then(|d| d.with_overrides(&overrides));
    document.and_then(|d| check(&d, &places)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Runs; `stop_after` cancels after so many Newton steps.
fn start(experiment: &Experiment, out: &Path, resume: bool, stop_after: Option<usize>) -> Outcome {
    let cancel = AtomicBool::new(false);
    let options = options(resume, &cancel);
    run(experiment, out, options, &mut |progress| {
        if progress.stage == "deforming" && Some(progress.done) == stop_after {
            cancel.store(true, Ordering::Relaxed);
        }
    })
    .unwrap_or_else(|e| panic!("{e}"))
}

/// Every file of a folder but `run.json`, which says whether it was resumed.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let files = entries.filter(|p| p.is_file() && !p.ends_with("run.json"));
    files.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&p).unwrap())).collect()
}

#[test]
fn an_interrupted_deformation_resumes_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (straight, halted) = (folder.path().join("straight"), folder.path().join("halted"));
    let experiment = experiment(&[]);
    assert_eq!(start(&experiment, &straight, false, None).status, Status::Done);
    assert_eq!(start(&experiment, &halted, false, Some(3)).status, Status::Interrupted);
    assert!(halted.join("state/checkpoint.bin").is_file() && !halted.join("metrics.json").exists());
    assert_eq!(start(&experiment, &halted, true, None).status, Status::Done);
    let (a, b) = (contents(&straight), contents(&halted));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    // Counts of work begin anew at a resumption; everything that was found is the same.
    for name in
        ["displacement.nii.gz", "inverse_displacement.nii.gz", "velocity.nii.gz", "warped.nii.gz", "jacobian.nii.gz"]
    {
        assert!(a[name] == b[name], "{name}");
    }
    assert!(!halted.join("state").exists());
    let lines = |files: &BTreeMap<String, Vec<u8>>| files["iterations.jsonl"].iter().filter(|b| **b == b'\n').count();
    assert_eq!(lines(&a), lines(&b));
}

#[test]
fn a_deformation_is_measured_against_the_truth_and_its_criteria() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = start(&experiment(&[("deform.criteria.dice", "0.999")]), &folder.path().join("run"), false, None);
    let Status::CriterionMissed(missed) = &outcome.status else { panic!("{:?}", outcome.status) };
    assert!(missed.len() == 1 && missed[0].contains("mean Dice at least 0.999"), "{missed:?}");
    let number = |pointer: &str| outcome.metrics.pointer(pointer).and_then(|v| v.as_f64()).unwrap_or(f64::NAN);
    assert!(number("/truth_mm/after/mean") < 0.7 * number("/truth_mm/before/mean"), "{}", outcome.metrics);
    assert!(number("/dice_mean/after") > number("/dice_mean/before"));
    assert!(number("/inverse_voxels/0") < 0.1, "{}", outcome.metrics["inverse_voxels"]);
    assert!(number("/inverse_file_voxels/0") < 0.2, "{}", outcome.metrics["inverse_file_voxels"]);
    assert_eq!(outcome.metrics["labels"].as_array().unwrap().len(), 23);
    let report = std::fs::read_to_string(outcome.report.unwrap()).unwrap();
    assert!(report.contains("Miniature &lt;of&gt; a deformation") && report.contains("thalamus_left"));
    assert!(!report.contains("src=\"http") && !report.contains(">NaN<"));
}

#[test]
fn other_models_and_preparations_run() {
    let folder = tempfile::tempdir().unwrap();
    for (n, overrides) in [
        &[("deform.model", "h2"), ("deform.beta", "1e-5")][..],
        &[("deform.model", "h1-stokes"), ("deform.labels", "nearest")],
        &[("deform.affine", "rigid"), ("deform.match_histograms", "true"), ("deform.percentiles", "[0, 99.5]")],
    ]
    .into_iter()
    .enumerate()
    {
        let outcome = start(&experiment(overrides), &folder.path().join(n.to_string()), false, None);
        assert!(outcome.metrics["relative_mismatch"].as_f64().unwrap() < 0.9, "{overrides:?}: {}", outcome.metrics);
        if n == 1 {
            let det = &outcome.metrics["det_f"];
            let range = [det["min"].as_f64().unwrap(), det["max"].as_f64().unwrap()];
            assert!((range[0] - 1.0).abs() < 0.05 && (range[1] - 1.0).abs() < 0.05, "{range:?}");
        }
    }
}

#[test]
fn every_distance_runs_and_is_named_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    for (distance, more, name) in [
        ("ncc", &[][..], "normalised cross-correlation"),
        ("lncc", &[("deform.window_radius_voxels", "2"), ("deform.variance_floor", "1e-4")], "local normalised"),
        ("ngf", &[("deform.edge_per_mm", "0.01")], "normalised gradient field"),
    ] {
        let usual = [("deform.distance", distance), ("deform.preset", "default"), ("deform.newton_steps", "3")];
        let overrides: Vec<(&str, &str)> = usual.into_iter().chain(more.to_vec()).collect();
        let out = folder.path().join(format!("{distance}{}", more.len()));
        let outcome = start(&experiment(&overrides), &out, false, None);
        let number = |pointer: &str| outcome.metrics.pointer(pointer).and_then(|v| v.as_f64()).unwrap_or(f64::NAN);
        assert!(number("/relative_distance") < 0.95, "{distance}: {}", outcome.metrics["relative_distance"]);
        let [after, before] = [number("/truth_mm/after/mean"), number("/truth_mm/before/mean")];
        assert!(after < 0.85 * before, "{distance}: {after} mm from the truth, before {before}");
        let report = std::fs::read_to_string(outcome.report.unwrap()).unwrap();
        assert!(report.contains(name), "{distance}");
    }
}

#[test]
fn tables_must_fit_together() {
    let refused = |text: &str| {
        let places = Places { base_dir: ".".into(), data_dir: ".".into() };
        check(&Document::parse(text, "doc.toml").unwrap(), &places).unwrap_err().to_string()
    };
    for (text, sentence) in [
        ("[deform]\n", "no images: [deform] needs a [pair] or a [brain_pair] table"),
        ("[brain_pair]\n[pair]\n[deform]\n", "both [pair] and [brain_pair]"),
        ("[brain_pair]\n[phantom]\npatient = 2\n[view]\n[render]\n", "[brain_pair] belongs to [deform]"),
        ("[brain_pair]\n[deform]\n[phantom]\npatient = 2\n", "[phantom] is about X-rays"),
        ("[brain_pair]\n[deform]\n[render]\n", "one task is accepted"),
        ("[brain_pair]\n[deform]\nbeta = 0.1\njacobian_bound = 0.3\n", "one of them is accepted"),
        ("[brain_pair]\n[deform]\npercentiles = [5, 5]\n", "the first must be less than the second"),
        ("[brain_pair]\n[deform]\naffine = \"none\"\naffine_measure = \"ssd\"\n", "it needs an affine stage"),
        ("[brain_pair]\n[deform.criteria]\n", "[deform.criteria] needs"),
        (
            "[pair]\nfixed = \"a.nii\"\nmoving = [\"b.nii\", \"c.nii\"]\n[deform]\n",
            "has 1 channels and `pair.moving` 2",
        ),
        (
            "[pair]\nfixed = \"a.nii\"\nmoving = \"b.nii\"\nlabels_fixed = \"l.nii\"\n[deform]\n",
            "does nothing without `pair.labels_moving`",
        ),
        ("[pair]\nfixed = \"a.nii\"\nmoving = \"b.nii\"\n[deform]\n", "`--set pair.moving=FILE` names another file"),
        (
            "[brain_pair]\n[deform]\nedge_per_mm = 0.1\n",
            "`deform.edge_per_mm` does nothing here: it needs `deform.distance",
        ),
        ("[brain_pair]\n[deform]\ndistance = \"ngf\"\nvariance_floor = 0.1\n", "`deform.distance = \"lncc\"`"),
        ("[pair]\nmoving = \"b.nii\"\n[deform]\n", "`pair.fixed` is missing"),
    ] {
        let found = refused(text);
        assert!(found.contains(sentence), "expected\n{sentence}\nin\n{found}");
    }
}

/// What stands between each `before` and the next quotation mark.
fn attributes<'a>(page: &'a str, before: &str) -> Vec<&'a str> {
    page.split(before).skip(1).map(|rest| &rest[..rest.find('"').expect("attributes are closed")]).collect()
}

#[test]
fn the_report_opens_offline_and_no_figure_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = start(&experiment(&[]), &folder.path().join("run"), false, None);
    let page = std::fs::read_to_string(outcome.report.unwrap()).unwrap();
    for before in ["src=\"", " href=\"", "url(\"", "data=\"", "srcset=\""] {
        let outside = |address: &&str| !address.starts_with("data:") && !address.starts_with('#');
        assert_eq!(attributes(&page, before).into_iter().find(outside), None, "{before}");
    }
    for outside in ["<link", "<script", "<iframe", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }

    // Eight rows of pictures in three planes, each of more than one colour; what was deformed differs from before.
    let pictures = attributes(&page, "src=\"data:image/png;base64,");
    assert_eq!(pictures.len(), 24);
    let names = attributes(&page, "alt=\"");
    for (picture, name) in pictures.iter().zip(&names) {
        let bytes = STANDARD.decode(picture).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let colours: BTreeSet<&[u8]> = pixels.chunks(3).collect();
        assert!(colours.len() > 8, "{name}: {} colours", colours.len());
    }
    assert_eq!(pictures.iter().collect::<BTreeSet<_>>().len(), 24, "no two pictures are the same");

    // Colours of det F, its histogram, mismatch, gradient and det F over steps: lines of several points, no NaN.
    let charts: Vec<&str> = page.split("<svg").skip(1).map(|s| &s[..s.find("</svg>").expect("closed")]).collect();
    assert_eq!(charts.len(), 5);
    for chart in &charts[1..] {
        let longest = attributes(chart, "<path d=\"").iter().map(|d| d.matches('L').count()).max();
        assert!(longest > Some(0) && !chart.contains("NaN"), "{chart}");
    }
    assert!(charts[0].contains("data:image/png") && charts[0].contains("det F = 1"));
    assert_eq!(page.matches("class=\"bar\"").count(), 23, "a bar for each label");
}
