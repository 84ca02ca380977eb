//! `regiscope run`: the run folder, its exit statuses, interruption and resumption.

use crate::support::{json, program, refused, run, stderr, stdout, write};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// A coarse phantom, a coarse detector and two starts.
const DOCUMENT: &str = r#"title = "Small"
[phantom]
spacing_mm = 8
extent_mm = [160, 160, 160]
[view]
rows = 32
cols = 32
pitch_mm = 8
[register]
[starts]
count = 2
rotation_deg = 3
translation_mm = 5
"#;

fn run_document(folder: &Path, document: &str, arguments: &[&str]) -> Output {
    let path = write(folder, "small.toml", document);
    program().arg("run").arg(&path).arg("--out").arg(folder.join("out")).args(arguments).output().unwrap()
}

fn record(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("out/run.json")).unwrap()).unwrap()
}

#[test]
fn a_run_leaves_record_metrics_and_report() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_document(folder.path(), DOCUMENT, &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["status"], "done");
    let metrics: Value = serde_json::from_slice(&fs::read(folder.path().join("out/metrics.json")).unwrap()).unwrap();
    assert_eq!(value["metrics"], metrics);
    let record = record(folder.path());
    assert_eq!(record["status"], "done");
    assert_eq!(record["provenance"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(record["provenance"]["revision"].is_string() || record["provenance"]["revision"].is_null());
    let report = fs::read_to_string(folder.path().join("out/report.html")).unwrap();
    assert!(report.contains("<html") && report.contains("Small"));
    assert!(!report.contains("src=\"http") && !report.contains("href=\"http"), "the report opens offline");
    assert_eq!(stderr(&output), "", "no progress where there is no terminal");
    // The folder is taken; nothing in it is touched.
    let again = run_document(folder.path(), DOCUMENT, &[]);
    refused(&again, &["out", "--resume"]);
    // A complete run resumes to the same result.
    let resumed = run_document(folder.path(), DOCUMENT, &["--resume", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&resumed.stdout).unwrap()["metrics"], metrics);
    // The answer is a pose that the other commands take.
    let answer = folder.path().join("out/transforms/answer.tfm");
    assert_eq!(json(["info".as_ref(), answer.as_os_str()])["kind"], "transform");
}

#[test]
fn a_missed_criterion_is_status_1_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let document = format!("{DOCUMENT}[criteria]\nbest_mtre_mm = 0\n");
    let output = run_document(folder.path(), &document, &["--set", "starts.count=1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("criterion missed"), "{}", stderr(&output));
    assert_eq!(record(folder.path())["status"], "criterion-missed");
}

#[test]
fn a_dry_run_predicts_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "small.toml", DOCUMENT);
    let output = run(["run".as_ref(), path.as_os_str(), "--dry-run".as_ref()]);
    assert!(output.status.success() && stdout(&output).contains("core-seconds"), "{}", stderr(&output));
    let value = json(["run".as_ref(), path.as_os_str(), "--dry-run".as_ref()]);
    let predicted = &value["estimate"];
    assert!(predicted["memory_bytes"].as_u64().unwrap() > 1_000_000, "{predicted}");
    assert!(predicted["core_seconds"].as_f64().unwrap() > 0.0, "{predicted}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let neither = run(["run".as_ref(), path.as_os_str()]);
    assert!(neither.status.code() == Some(2) && stderr(&neither).contains("--out"));
}

#[test]
fn mistakes_end_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_document(folder.path(), &DOCUMENT.replace("count", "cuont"), &[]);
    refused(&output, &["small.toml:11:1", "cuont", "`count`"]);
    let output = run_document(folder.path(), DOCUMENT, &["--set", "starts.count=0"]);
    refused(&output, &["starts.count"]);
    let output = run_document(folder.path(), DOCUMENT, &["--resume"]);
    refused(&output, &["out", "resumed"]);
    assert!(!folder.path().join("out").exists());
}

/// Starts a run long enough to be interrupted, and waits until its first start is finished.
fn begun(folder: &Path, document: &Path) -> Child {
    let child = program()
        .arg("run")
        .arg(document)
        .arg("--out")
        .arg(folder.join("out"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = folder.join("out/state/start-00000.json");
    let since = Instant::now();
    while !first.exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "the first start does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn answer(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("out/transforms/answer.tfm")).unwrap()
}

#[cfg(unix)]
#[test]
fn an_interrupted_or_killed_run_resumes_to_the_same_answer() {
    let document = DOCUMENT.replace("count = 2", "count = 60");
    let straight = tempfile::tempdir().unwrap();
    assert!(run_document(straight.path(), &document, &[]).status.success());
    for (name, status) in [("-INT", Some(130)), ("-KILL", None)] {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = write(folder.path(), "small.toml", &document);
        let child = begun(folder.path(), &path);
        signal(&child, name);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), status, "{}", stderr(&ended));
        if status.is_some() {
            assert!(stderr(&ended).contains("--resume"), "{}", stderr(&ended));
            assert_eq!(record(folder.path())["status"], "interrupted");
        }
        assert!(!folder.path().join("out/metrics.json").exists());
        let other =
            run_document(folder.path(), &document.replace("rotation_deg = 3", "rotation_deg = 4"), &["--resume"]);
        refused(&other, &["another document"]);
        let resumed = run_document(folder.path(), &document, &["--resume"]);
        assert!(resumed.status.success(), "{}", stderr(&resumed));
        assert_eq!(answer(folder.path()), answer(straight.path()));
    }
}
