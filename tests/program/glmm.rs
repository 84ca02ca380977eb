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

/// Runs a command of `glmm` on the table and gives its figures.
fn figures(command: &str, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "t.csv", TABLE).display().to_string();
    let base = ["glmm", command, "--data", &data, "--json", "-"];
    let output = run(base.iter().chain(more).copied());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// The table is balanced: within groups 9 − 3 − 1 degrees of freedom are left for the slope.
#[test]
fn fits_are_tested_and_averaged() {
    let value = figures("fit", &["--formula", "y ~ x + (1 | g)", "--ddf", "kenward-roger", "--checks", "50"]);
    assert_eq!(value["ddf"]["method"], "kenward-roger");
    assert!((value["ddf"]["df"][1].as_f64().unwrap() - 5.0).abs() < 1e-6);
    assert!(value["r_squared"]["shares"][0]["marginal"].as_f64().unwrap() > 0.5);
    assert_eq!(value["residual_checks"]["simulations"], 50);
    let asked = ["--formula", "y ~ factor(x) + (1 | g)", "--emmeans", "x", "--adjust", "single-step"];
    let value = figures("fit", &asked);
    let table = &value["emmeans"][0];
    assert_eq!(table["means"].as_array().unwrap().len(), 3);
    assert!((table["means"][0]["link"].as_f64().unwrap() - 3.5 / 3.0).abs() < 1e-6);
    assert_eq!(table["differences"]["tests"][0]["label"], "0 - 1");
}

#[test]
fn options_without_effect_are_told_or_refused() {
    let value = figures("fit", &["--formula", "y ~ x", "--factor", "g"]);
    assert!(value["messages"][0].as_str().unwrap().contains("the model does not use it"), "{value}");
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "t.csv", TABLE).display().to_string();
    for (more, word) in [
        (["--factor", "gg"], "the nearest is \"g\""),
        (["--emmeans", "g"], "do not use \"g\""),
        (["--at", "x=1"], "--emmeans names"),
        (["--level", "2"], "between 0 and 1"),
    ] {
        let base = ["glmm", "fit", "--formula", "y ~ x", "--data", &data];
        let output = run(base.iter().chain(&more).copied());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[test]
fn coefficients_are_written_as_tables_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "t.csv", TABLE).display().to_string();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (csv, tex, svg) = (path("c.csv"), path("c.tex"), path("f.svg"));
    let files = ["--csv", &csv, "--latex", &tex, "--forest", &svg];
    let base = ["glmm", "fit", "--formula", "y ~ x + (1 | g)", "--data", &data];
    let output = run(base.iter().chain(&files).copied());
    assert!(output.status.success(), "{}", stderr(&output));
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert!(read(&csv).starts_with("part,term,estimate") && read(&csv).lines().count() == 3);
    assert!(read(&tex).contains("\\begin{tabular}") && read(&svg).starts_with("<svg"));
}

#[test]
fn the_other_commands_agree_with_the_fit() {
    let formula = ["--formula", "y ~ x + (1 | g)"];
    let fit = figures("fit", &formula);
    let predicted = figures("predict", &[&formula[..], &["--level", "population"]].concat());
    let at_zero = predicted["prediction"]["response"][0].as_f64().unwrap();
    assert!((at_zero - fit["fixef"][0].as_f64().unwrap()).abs() < 1e-9);
    let compared = figures("compare", &["--formula", "y ~ 1 + (1 | g)", "--formula", "y ~ x + (1 | g)"]);
    assert_eq!(compared["rows"][1]["test"]["df"], 1);
    assert!(compared["rows"][1]["test"]["p"].as_f64().unwrap() < 0.01);
    let profiled = figures("profile", &[&formula[..], &["--parameter", "x"]].concat());
    let interval = &profiled["intervals"][0];
    let slope = fit["fixef"][1].as_f64().unwrap();
    assert!(interval["lower"].as_f64().unwrap() < slope && slope < interval["upper"].as_f64().unwrap());
    let again = || figures("bootstrap", &[&formula[..], &["--count", "20", "--seed", "3"]].concat());
    let (one, other) = (again(), again());
    assert_eq!(one, other);
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "t.csv", TABLE).display().to_string();
    let base = ["glmm", "simulate", "--data", &data, "--count", "2", "--seed", "5"];
    let drawn = stdout(&run(base.iter().chain(&formula).copied()));
    assert!(drawn.starts_with("row,sim_1,sim_2\n1,") && drawn.lines().count() == 10, "{drawn}");
}

/// NIST's Statistical Reference Datasets of linear regression: nine digits and more through the command.
#[test]
fn regressions_have_the_certified_digits() {
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../glmm/tests/data/nist");
    let folder = tempfile::tempdir().unwrap();
    for name in ["Norris", "Pontius", "NoInt1", "Longley", "Filip", "Wampler4"] {
        let text = std::fs::read_to_string(files.join(format!("{name}.txt"))).unwrap();
        let (head, rows) = text.split_once("\ndata\n").unwrap();
        let words = |key: &str| -> Vec<Vec<&str>> {
            let lines = head.lines().filter(|line| line.starts_with(key));
            lines.map(|line| line.split_whitespace().skip(1).collect()).collect()
        };
        let columns = rows.lines().next().unwrap().split_whitespace().count() - 1;
        let header: String = (1..=columns).map(|j| format!(",x{j}")).collect();
        let cells = rows.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(",") + "\n");
        let data = write(folder.path(), "t.csv", format!("y{header}\n{}", cells.collect::<String>()));
        let formula = match words("model")[0][..] {
            ["no_intercept"] => "y ~ 0 + x1".to_owned(),
            ["polynomial", degree] => {
                let powers = (2..=degree.parse().unwrap()).map(|d: u32| format!(" + I(x1^{d})"));
                format!("y ~ x1{}", powers.collect::<String>())
            }
            _ => format!("y ~ {}", header[1..].replace(',', " + ")),
        };
        let output = run(["glmm", "fit", "--json", "-", "--formula", &formula, "--data", &data.display().to_string()]);
        let value: Value = serde_json::from_str(&stdout(&output)).unwrap();
        for (j, certified) in words("coefficient").iter().enumerate() {
            for (key, certified) in ["fixef", "se"].iter().zip(certified) {
                let (found, certified) = (value[key][j].as_f64().unwrap(), certified.parse::<f64>().unwrap());
                let digits = -((found - certified) / certified).abs().max(1e-16).log10();
                assert!(digits >= 9.0, "{name} {key} {j}: {found} for {certified}, {digits:.1} digits");
            }
        }
    }
}
