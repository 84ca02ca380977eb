//! Bad input to the challenge commands, and the smaller of them.

use crate::support::{json, misused, refused, run, stderr, write};
use serde_json::{Value, json};
use std::path::Path;

fn report(folder: &Path, table: impl AsRef<[u8]>, more: &[&str]) -> std::process::Output {
    let path = write(folder, "t.csv", table).display().to_string();
    let out = folder.join("r.html").display().to_string();
    let asked = ["challenge", "report", "--data", &path, "--out", &out, "--case", "case", "--algorithm", "alg"];
    run([&asked[..], &["--value", "value", "--bootstrap", "20"], more].concat())
}

#[test]
fn a_report_of_a_bad_table_ends_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let header = "case,alg,value\n";
    let said = |text: &str, words: &[&str]| {
        refused(&report(folder.path(), text, &[]), &[&["t.csv"][..], words].concat());
        assert!(!folder.path().join("r.html").exists(), "half a report");
    };
    said("", &["empty"]);
    said("\u{feff}", &["empty"]);
    said(header, &["no rows"]);
    said("case,alg\n1,A\n", &["no column \"value\"", "\"case\", \"alg\""]);
    said(&format!("{header}1,A,1\n1,A,1\n"), &["line 3 repeats", "line 2"]);
    said(&format!("{header}1,A,great\n"), &["line 2", "\"great\" in column \"value\" is no number"]);
    said(&format!("{header}1,A,inf\n"), &["line 2", "finite"]);
    said(&format!("{header}1,A,1e200\n"), &["line 2", "1e150"]);
    said(&format!("{header}1,A,1\n1,B,\n"), &["\"B\"", "no value", "--missing"]);
    // An algorithm that left a case out, as one that is not known there.
    said(&format!("{header}1,A,1\n1,B,1\n2,A,1\n2,C,1\n"), &["no value", "2 such cells"]);
    said(&format!("{header}1,,1\n"), &["line 2: column \"alg\" is empty"]);
    said("case,alg,value\n1,A,1,2\n", &["line 2 has 4 fields"]);
    refused(&report(folder.path(), b"\xff\xfe\x00case", &[]), &["t.csv", "UTF-8"]);
    refused(&report(folder.path(), "case,alg,value\n1,A,1\n", &["--compare", "best"]), &["\"best\""]);
    misused(&run(["challenge", "report", "--data", "t.csv"]), &["--case"]);
    misused(&run(["challenge", "report"]), &["--data"]);
}

#[test]
fn little_data_follow_stated_rules() {
    let folder = tempfile::tempdir().unwrap();
    let made = |text: &str, words: &[&str]| {
        let output = report(folder.path(), text, &["--missing", "worst"]);
        let notes = stderr(&output);
        assert!(output.status.success(), "{notes}");
        let page = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
        assert!(!page.contains("NaN") && page.contains("</html>"));
        words.iter().for_each(|w| assert!(notes.contains(w) && page.contains(w), "{w}: {notes}"));
    };
    made("case,alg,value\n1,A,0.5\n2,A,0.6\n", &["one algorithm"]);
    made("case,alg,value\n1,A,0.5\n1,B,0.6\n", &["one case"]);
    made("case,alg,value\n1,A,0.5\n1,B,0.5\n2,A,0.5\n2,B,0.5\n", &["all values are equal"]);
    made(
        "\u{feff}case;alg;value\r\n1;A;0.5\r\n1;B;NA\r\n2;A;0.4\r\n2;B;0.3\r\n",
        &["1 cells without a value were filled"],
    );
    made("case,alg,value\n1,A,1e150\n1,B,-1e150\n2,A,1e-308\n2,B,0\n", &[]);
}

#[test]
fn detections_probabilities_and_landmarks_are_judged() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/examples");
    let at = |name: &str| examples.join(name).display().to_string();
    let (objects, found) = (at("objects.csv"), at("detections.csv"));
    let asked = ["challenge", "detections", "--reference", &objects, "--prediction", &found];
    let value = json(asked);
    // By confidence: hit, hit, hit, miss, miss of four objects.
    assert_eq!((&value["average_precision"], &value["true_positive"]), (&json!(0.75), &json!(3)));
    assert_eq!(json([&asked[..], &["--confidence", "0.5"]].concat())["precision"], 0.75);
    refused(&run([&asked[..], &["--iou", "0"]].concat()), &["--iou is 0"]);
    refused(&run(["challenge", "detections", "--reference", &objects, "--prediction", &objects]), &["confidence"]);

    let (data, folder) = (at("probabilities.csv"), tempfile::tempdir().unwrap());
    let of = |path: &str| {
        ["challenge", "probabilities", "--data", path, "--probability", "risk", "--outcome"].map(str::to_owned).to_vec()
    };
    let asked = |path: &str, outcome: &str| [of(path), vec![outcome.to_owned()]].concat();
    let value = json(asked(&data, "complication"));
    assert_eq!(value["auroc"], 15.0 / 16.0);
    assert!(value["brier"].as_f64().unwrap() < 0.2);
    refused(&run(asked(&data, "risk")), &["line 2", "\"risk\"", "\"0.05\""]);
    let same = write(folder.path(), "p.csv", "risk,y\n0.2,1\n0.3,1\n").display().to_string();
    let value = json(asked(&same, "y"));
    assert_eq!(
        (&value["auroc"], &value["rules"]["auroc"]),
        (&Value::Null, &json!("all outcomes are equal: undefined"))
    );
    let over = write(folder.path(), "q.csv", "risk,y\n1.2,1\n").display().to_string();
    refused(&run(asked(&over, "y")), &["line 2", "1.2", "from 0 to 1"]);

    let (reference, moved) = (at("landmarks.csv"), at("landmarks_found.csv"));
    let value = json(["challenge", "landmarks", "--reference", &reference, "--prediction", &moved]);
    assert!((value["distances_mm"]["L2"].as_f64().unwrap() - 0.5).abs() < 1e-12);
    let fewer = write(folder.path(), "l.csv", "name,x,y,z\nL1,1,2,3\n").display().to_string();
    let asked = ["challenge", "landmarks", "--reference", &reference, "--prediction", &fewer];
    refused(&run(asked), &["l.csv", "\"L2\""]);
}
