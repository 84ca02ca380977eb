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
    let open = write(folder.path(), "o.csv", "y,x\n1,2\n2,\"3\n4,1\n3,3\n");
    refused(&open, &[], "the quotation mark that opens a cell in line 3 is never closed");
    let weightless = write(folder.path(), "w.csv", "y,x,w\n1,2,0\n2,3,0\n4,1,0\n");
    refused(&weightless, &["--weights", "w"], "or the weight 0");
    for (name, text, word) in [
        ("e.csv", "", "the file is empty"),
        ("i.csv", "y,x\n1,2\nInf,3\n2,2\n", "the response is infinite in row 2"),
        ("d.csv", "y,x,x\n2,1,1\n1,2,1\n2,3,1\n", "column \"x\" is there twice"),
    ] {
        refused(&write(folder.path(), name, text), &[], word);
    }
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

/// The same table as CSV and as Parquet gives the same figures.
#[cfg(feature = "tables")]
#[test]
fn a_parquet_table_gives_the_same_fit() {
    use polars_core::prelude::{Column, DataFrame};
    let folder = tempfile::tempdir().unwrap();
    let csv = write(folder.path(), "t.csv", TABLE);
    let cells: Vec<Vec<&str>> = TABLE.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let rows = cells.len();
    let y: Vec<f64> = cells.iter().map(|row| row[0].parse().unwrap()).collect();
    let x: Vec<i32> = cells.iter().map(|row| row[1].parse().unwrap()).collect();
    let g: Vec<&str> = cells.iter().map(|row| row[2]).collect();
    let late: Vec<Option<bool>> = x.iter().map(|x| Some(*x > 1)).collect();
    let columns = vec![
        Column::new("y".into(), y),
        Column::new("x".into(), x),
        Column::new("g".into(), g),
        Column::new("late".into(), late),
    ];
    let mut bytes = Vec::new();
    let mut frame = DataFrame::new(rows, columns).unwrap();
    polars_io::prelude::ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    let parquet = write(folder.path(), "t.parquet", &bytes);
    let fit = |data: &std::path::Path, formula: &str, more: &[&str]| -> Value {
        let data = data.display().to_string();
        let base = ["glmm", "fit", "--json", "-", "--formula", formula, "--data", &data];
        let output = run(base.iter().chain(more).copied());
        assert!(output.status.success(), "{}", stderr(&output));
        let mut value: Value = serde_json::from_str(&stdout(&output)).unwrap();
        value.as_object_mut().unwrap().remove("data");
        value
    };
    for (formula, more) in [
        ("y ~ x + (1 | g)", &[][..]),
        ("y ~ x + (1 | g)", &["--factor", "x", "--factor", "g=c,b,a"]),
        ("y ~ factor(x) + (1 | g)", &[]),
    ] {
        assert_eq!(fit(&parquet, formula, more), fit(&csv, formula, more), "{formula} {more:?}");
    }
    assert_eq!(fit(&parquet, "y ~ late + (1 | g)", &[])["coef_names"][1], "lateTRUE");
}

/// A year as a slope: neither its distance from zero nor a covariate in millions harms the fit, and no false alarm sounds.
#[test]
fn slopes_far_from_zero_are_fitted_as_those_near_it() {
    let mut text = String::from("y,s,b,year,metres,g\n");
    for i in 0..160_u32 {
        let (year, group) = (i % 8, i / 16);
        let noise = f64::from(i * 7919 % 101) / 50.0 - 1.0;
        let effect = f64::from(group * 37 % 11) / 5.0 - 1.0;
        let slope = f64::from(group * 53 % 13) / 20.0 - 0.3;
        let y = 1.0 + effect + (0.2 + slope) * (f64::from(year) - 3.5) + noise;
        let b = u32::from(y > 1.0);
        text += &format!("{y},{year},{b},{},{},g{group}\n", 2010 + year, 1_000_000 * year);
    }
    let folder = tempfile::tempdir().unwrap();
    let data = write(folder.path(), "t.csv", text).display().to_string();
    let fit = |arguments: &[&str]| -> Value {
        let base = ["glmm", "fit", "--json", "-", "--data", &data, "--formula"];
        let output = run(base.iter().chain(arguments).copied());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let of = |value: &Value, key: &str| value[key].as_f64().unwrap();
    let near = fit(&["y ~ s + (s | g)", "--ml"]);
    for (name, scale) in [("year", 1.0), ("metres", 1e6)] {
        let far = fit(&[&format!("y ~ {name} + ({name} | g)"), "--ml"]);
        assert_eq!(far["converged"], true);
        assert_eq!(far["messages"], near["messages"]);
        assert!((of(&far, "log_lik") - of(&near, "log_lik")).abs() < 1e-7);
        for (key, index) in [("fixef", 1), ("se", 1)] {
            let (far, near) = (far[key][index].as_f64().unwrap() * scale, near[key][index].as_f64().unwrap());
            assert!((far - near).abs() < 1e-6 * near.abs(), "{name} {key} {far} {near}");
        }
        let sd = |v: &Value| v["varcorr"]["g"]["sd"][1].as_f64().unwrap();
        assert!((sd(&far) * scale - sd(&near)).abs() < 1e-5 * sd(&near), "{name}");
    }
    let binary = fit(&["b ~ year + (1 | g)", "--family", "binomial"]);
    assert_eq!(binary["messages"], serde_json::json!([]));
}
