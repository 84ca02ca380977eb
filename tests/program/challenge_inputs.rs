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

/// Euler angles (rad) and a translation (mm) as an ITK transform file.
fn transform(rotation: [f64; 3], translation: [f64; 3]) -> String {
    let ([a, b, c], [x, y, z]) = (rotation, translation);
    format!(
        "#Insight Transform File V1.0\n#Transform 0\nTransform: Euler3DTransform_double_3_3\n\
         Parameters: {a} {b} {c} {x} {y} {z}\nFixedParameters: 0 0 0 0\n"
    )
}

#[test]
fn poses_are_judged_alone_and_by_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| write(folder.path(), name, text).display().to_string();
    let gold = at("gold.tfm", &transform([0.0; 3], [1.0, 2.0, 3.0]));
    // Turned by 0.1 rad about z; the volume's origin lies 3 mm off along x and 4 along y. Files map the world to the volume.
    let (sin, cos) = 0.1_f64.sin_cos();
    let found = at("found.tfm", &transform([0.0, 0.0, 0.1], [4.0 * cos - 6.0 * sin, 4.0 * sin + 6.0 * cos, 3.0]));
    at("start.tfm", &transform([0.0; 3], [1.0, 2.0, 8.0]));
    at("moved.tfm", &transform([0.0; 3], [1.0, 2.0, 3.5]));
    let targets = at("targets.csv", "name,x,y,z\na,0,0,0\nb,0,0,50\n");
    let camera = at(
        "cam.json",
        r#"{"source_mm": [0, -500, 0], "pixel0_mm": [-50, 500, 50], "col_step_mm": [1, 0, 0], "row_step_mm": [0, 0, -1],
            "rows": 100, "cols": 100}"#,
    );
    let pair = ["challenge", "poses", "--reference", &gold, "--prediction", &found];
    let value = json(pair);
    assert!((value["rotation_deg"].as_f64().unwrap() - 0.1_f64.to_degrees()).abs() < 1e-9);
    assert!((value["translation_mm"].as_f64().unwrap() - 5.0).abs() < 1e-12);
    assert!(value.get("mtre_mm").is_none() && value.get("mpd_mm").is_none());
    // Both targets lie on the axis of the rotation.
    let value = json([&pair[..], &["--targets", &targets, "--camera", &camera]].concat());
    assert!((value["mtre_mm"].as_f64().unwrap() - 5.0).abs() < 1e-12);
    // 3 mm at about half the way to the detector, seen from 500 mm before the volume: some 6 mm.
    let (mpd, mrpd) = (value["mpd_mm"].as_f64().unwrap(), value["mrpd_mm"].as_f64().unwrap());
    assert!((5.5..6.5).contains(&mpd) && (2.8..3.2).contains(&mrpd), "{mpd} {mrpd}");

    let rows = "case,algorithm,reference,prediction,initial\n1,A,gold.tfm,moved.tfm,start.tfm\n\
                1,B,gold.tfm,found.tfm,start.tfm\n2,A,gold.tfm,,start.tfm\n2,B,gold.tfm,gold.tfm,\n";
    let manifest = at("m.csv", rows);
    let table = folder.path().join("errors.csv").display().to_string();
    let value = json(["challenge", "poses", "--manifest", &manifest, "--targets", &targets, "--table", &table]);
    let of = |name: &str| &value["tasks"]["task"][name];
    assert_eq!((&of("A")["answers"], &of("A")["missing"], &of("B")["answers"]), (&json!(1), &json!(1), &json!(2)));
    assert_eq!(of("A")["mtre_mm"]["mean"], 0.5);
    // A missing answer is no success; the start of 5 mm is within no captured band of B.
    assert_eq!((&of("A")["success"][0]["rate"], &of("B")["success"][0]["rate"]), (&json!(0.5), &json!(0.5)));
    assert_eq!(of("B")["capture_range_mm"], 0.0);
    let text = std::fs::read_to_string(&table).unwrap();
    assert_eq!(text.lines().next(), Some("task,case,algorithm,rotation_deg,translation_mm,mtre_mm"));
    assert!(text.contains("task,2,A,,,\n"), "{text}");
    let ranked = json([
        "challenge",
        "rank",
        "--data",
        &table,
        "--case",
        "case",
        "--algorithm",
        "algorithm",
        "--value",
        "mtre_mm",
        "--smaller-is-better",
        "--missing",
        "worst",
    ]);
    assert_eq!(ranked["task"]["B"]["rank"], 1.0);
    refused(&run([&pair[..], &["--threshold", "0"]].concat()), &["--threshold is 0"]);
    refused(&run(["challenge", "poses", "--reference", &gold, "--prediction", &targets]), &["targets.csv"]);
    misused(&run(["challenge", "poses", "--reference", &gold]), &["--prediction"]);
    misused(&run([&pair[..], &["--camera", &camera]].concat()), &["--targets"]);
}
