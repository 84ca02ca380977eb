//! Analyses of failures as documents: seeded studies and files, criteria, report, mistakes.

#[path = "common/checked.rs"]
mod checked;
mod common;

use checked::checked;
use common::options;
use regiscope_experiment::{Experiment, Outcome, Status, run};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::AtomicBool;

const MINIATURE: &str = r#"
title = "Miniature <of> an analysis"
[study]
seed = 3
images = 300
procedures = 10
algorithms = 4
[failures]
imputations = 2
slopes = ["underexposed_instrument"]
mixes = [{ smoke = 0.5 }]
simulations = 20
resamples = 20
[failures.criteria]
coverage = 0.5
"#;

fn start(experiment: &Experiment, out: &Path) -> Outcome {
    let cancel = AtomicBool::new(false);
    let options = options(false, &cancel);
    run(experiment, out, options, &mut |_| ()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_study_becomes_effects_ranks_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let outcome = start(&checked(MINIATURE, folder.path()).unwrap(), &out);
    assert_eq!(outcome.status, Status::Done, "{:?}", outcome.warnings);
    let analysis = &outcome.metrics["analysis"];
    assert_eq!(analysis["data"]["rows"], 1200);
    assert_eq!(analysis["effects"].as_array().unwrap().len(), 19);
    assert_eq!(analysis["rankings"].as_array().unwrap().len(), 2);
    assert!(analysis["imputation"]["uncertain_cells"].as_u64().unwrap() > 0);
    assert_eq!(outcome.metrics["truth"].as_array().unwrap().len(), 19);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for part in [
        "Miniature &lt;of&gt; an analysis",
        "odds ratio of failure",
        "If smoke in 50 % of the cases",
        "Beside the truth",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http://") && !page.contains("NaN"), "nothing is loaded, nothing is broken");
    let effects = std::fs::read_to_string(out.join("effects.csv")).unwrap();
    assert_eq!(effects.lines().count(), 20);
    assert!(
        out.join("truth.json").is_file() && out.join("annotations.csv").is_file() && out.join("ranks.csv").is_file()
    );

    // The files of the run, by name: the same results, from the true characteristics.
    let again = r#"
[results]
data = "a/study.csv"
case = "image"
algorithm = "algorithm"
value = "dice"
threshold = 0.5
energy = "energy_j"
groups = ["surgery", "procedure"]
characteristics = ["smoke", "motion_blur"]
[failures]
slopes = []
simulations = 10
resamples = 10
"#;
    let outcome = start(&checked(again, folder.path()).unwrap(), &folder.path().join("b"));
    let analysis = &outcome.metrics["analysis"];
    assert_eq!(analysis["imputation"], Value::Null);
    assert_eq!(analysis["data"]["groups"], serde_json::json!([["surgery", 3], ["procedure", 10]]));
    assert!(analysis["model"]["formula"].as_str().unwrap().contains("(1 | surgery) + (1 | procedure)"));
}

#[test]
fn a_missed_criterion_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = MINIATURE.replace("coverage = 0.5", "first_in_order = 19");
    let outcome = start(&checked(&text, folder.path()).unwrap(), &folder.path().join("a"));
    let Status::CriterionMissed(missed) = outcome.status else { panic!("{:?}", outcome.status) };
    assert!(missed[0].starts_with("the 19 strongest causes in order: underexposed_instrument"), "{missed:?}");
}

#[test]
fn mistakes_are_told_in_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| checked(text, folder.path()).unwrap_err();
    assert!(refused("[failures]").contains("needs a [study] or a [results]"));
    assert!(refused("[study]").contains("[study] belongs to [failures]"));
    assert!(refused("[study]\n[results]\n[failures]").contains("one of them"));
    assert!(refused("[study]\n[failures]\n[phantom]").contains("[phantom] has no place beside [failures]"));
    assert!(refused("[study]\nprocedures = 50\nimages = 40\n[failures]").contains("procedures is 50"));
    assert!(refused("[study]\n[failures]\nimputations = 1").contains("0 and 2 to 1000"));
    assert!(refused("[study]\n[failures]\nmixes = [{ smoke = 1.5 }]").contains("between 0 and 1"));
    assert!(refused("[study]\n[failures]\n[render]").contains("[render] has no place"));
    let files = refused("[results]\nthreshold = 0.5\n[failures]");
    for part in ["`results.data` is missing", "`results.characteristics` is missing", "needs `results.value`"] {
        assert!(files.contains(part), "{part}: {files}");
    }
}
