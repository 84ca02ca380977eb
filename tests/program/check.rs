//! `regiscope check` and `regiscope schema`.

use crate::support::{json, program, run, stderr, stdout, write};
use serde_json::Value;

const GOOD: &str = "[phantom]\npatient = 2\n\n[view]\nrows = 32\ncols = 32\n\n[render]\n";

#[test]
fn a_good_document_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "good.toml", GOOD);
    let output = run(["check".as_ref(), path.as_os_str()]);
    assert!(output.status.success() && stdout(&output).contains("good.toml: accepted"), "{}", stderr(&output));
    assert_eq!(json(["check".as_ref(), path.as_os_str()])["accepted"], true);
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "bad.toml", GOOD.replace("patient", "pateint").replace("rows = 32", "rows = 0"));
    let output = run(["check".as_ref(), path.as_os_str()]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(output.stdout.is_empty() && said.lines().count() == 2, "{said}");
    assert!(said.contains("bad.toml:2:1") && said.contains("pateint") && said.contains("`patient`"), "{said}");
    assert!(said.contains("bad.toml:5:") && said.contains("rows"), "{said}");
    assert!(!said.contains('\u{1b}'), "no colours where there is no terminal");

    let output = run(["check".as_ref(), path.as_os_str(), "--json".as_ref()]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &value["accepted"]), (Some(2), &Value::Bool(false)));
    let mistakes = value["mistakes"].as_array().unwrap();
    assert_eq!(mistakes.iter().map(|m| m["line"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(mistakes[0]["column"], 1);
    assert!(mistakes[0]["help"].as_str().unwrap().contains("patient"));
}

#[test]
fn overrides_are_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "good.toml", GOOD);
    let with = |set: &str| program().args(["check", "--set", set]).arg(&path).output().unwrap();
    assert!(with("view.rows=64").status.success());
    for (set, word) in [("view.rows=-1", "view.rows"), ("view.row=64", "rows"), ("view", "TABLE.KEY=VALUE")] {
        let output = with(set);
        assert_eq!(output.status.code(), Some(2), "{set}");
        assert!(stderr(&output).contains(word), "{set}: {}", stderr(&output));
    }
}

#[test]
fn a_document_that_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for content in [&b"\xff\xfe\x00"[..], b"[phantom", b"a = [[[[[[[[", &[b'['; 100_000]] {
        let path = write(folder.path(), "no.toml", content);
        let output = run(["check".as_ref(), path.as_os_str()]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("no.toml"), "{}", stderr(&output));
    }
    let output = run(["check", "missing.toml"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("missing.toml"));
}

#[test]
fn the_schema_knows_the_tables() {
    let schema = json(["schema"]);
    for table in ["phantom", "volume", "view", "register", "criteria"] {
        assert!(schema["properties"][table].is_object(), "{table}");
    }
    assert_eq!(serde_json::from_slice::<Value>(&run(["schema"]).stdout).unwrap(), schema);
}
