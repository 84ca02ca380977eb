//! `regiscope data`.

use crate::support::{json, program, refused, run, stdout};

#[test]
fn datasets_are_listed_with_their_licences() {
    let cache = tempfile::tempdir().unwrap();
    let value = json(["data".as_ref(), "list".as_ref(), "--cache".as_ref(), cache.path().as_os_str()]);
    let datasets = value["datasets"].as_array().unwrap();
    assert!(!datasets.is_empty());
    for dataset in datasets {
        assert!(dataset["name"].is_string() && dataset["licence_spdx"].is_string());
        assert_eq!(dataset["fetched"], false);
    }
    let text = stdout(&program().args(["data", "list"]).env("REGISCOPE_DATA", cache.path()).output().unwrap());
    assert!(text.contains(datasets[0]["name"].as_str().unwrap()) && text.contains("licence"), "{text}");
    assert!(text.contains(&cache.path().display().to_string()), "the cache folder follows the environment");
}

#[test]
fn unknown_datasets_are_refused_with_the_known_names() {
    let known = json(["data", "list"])["datasets"][0]["name"].as_str().unwrap().to_owned();
    for command in ["fetch", "verify"] {
        refused(&run(["data", command, "nothing-like-it"]), &["nothing-like-it", &known]);
    }
}

#[test]
fn verify_names_what_is_not_there() {
    let cache = tempfile::tempdir().unwrap();
    let name = json(["data", "list"])["datasets"][0]["name"].as_str().unwrap().to_owned();
    let verify = |arguments: &[&str]| {
        program().args(["data", "verify"]).args(arguments).arg("--cache").arg(cache.path()).output().unwrap()
    };
    let nothing = verify(&[]);
    assert!(nothing.status.success() && stdout(&nothing).contains("nothing is fetched"));
    let missing = verify(&[&name]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stdout(&missing).contains("missing"));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("data fetch"));
}

#[test]
fn a_fetch_from_nowhere_says_where_it_looked() {
    let (cache, links) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = json(["data", "list"])["datasets"][0]["name"].as_str().unwrap().to_owned();
    let output = program()
        .args(["-q", "data", "fetch", &name, "--cache"])
        .arg(cache.path())
        // A PATH without Python, and only an empty folder to look into.
        .env("PATH", links.path())
        .env("PIP_CONFIG_FILE", "/dev/null")
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", links.path())
        .output()
        .unwrap();
    refused(&output, &[&links.path().display().to_string()]);
}
