//! `regiscope glmm`.

use crate::support::{program, run, stderr, stdout, write};
use serde_json::Value;

const TABLE: &str = "y,x,g\n1.1,0,a\n2.3,1,a\n2.9,2,a\n0.4,0,b\n1.2,1,b\n2.6,2,b\n2.0,0,c\n2.7,1,c\n4.4,2,c\n";

#[test]
fn a_fit_is_printed_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "t.csv", TABLE);
    let json = folder.path().join("fit.json");
    let fit = |formula: &str| {
        let arguments = ["glmm", "fit", "--formula", formula, "--data"];
        program().args(arguments).arg(&data).arg("--json").arg(&json).output().unwrap()
    };
    let output = fit("y ~ x + (1 | g)");
    assert!(stdout(&output).contains("Linear mixed model fit by REML"), "{}", stderr(&output));
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(value["coef_names"], serde_json::json!(["(Intercept)", "x"]));
    assert_eq!(value["n_groups"]["g"], 3);
    assert_eq!(value["ranef"]["g"]["levels"], serde_json::json!(["a", "b", "c"]));
    let refused = fit("y ~ xx + (1 | g)");
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("the nearest is \"x\"") && stderr(&refused).contains("      ^^"));
}

#[test]
fn bad_options_and_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "t.csv", TABLE);
    let ragged = write(folder.path(), "r.csv", "y,x\n1\n");
    let refused = |data: &std::path::Path, more: &[&str], word: &str| {
        let data = data.display().to_string();
        let base = ["glmm", "fit", "--formula", "y ~ x", "--data", &data];
        let output = run(base.iter().chain(more).copied());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    };
    refused(&good, &["--family", "weibull"], "there is no family");
    refused(&good, &["--link", "probit"], "takes the links");
    refused(&good, &["--factor", "x=0,1"], "none of the levels");
    refused(&good, &["--contrasts", "g"], "accepted is COL=KIND");
    refused(&ragged, &[], "line 2 has 1 cells");
    refused(&folder.path().join("missing.csv"), &[], "missing.csv");
}
