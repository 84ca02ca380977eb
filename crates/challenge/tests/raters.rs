//! Agreement and aggregation beside other programs, from `../shared/reference/raters`.

use regiscope_challenge::annotations::cohen::{Weights, kappa};
use regiscope_challenge::annotations::dawid_skene::{Limits, Model, estimate};
use regiscope_challenge::annotations::krippendorff::{Level, alpha};
use regiscope_challenge::annotations::votes::Votes;
use regiscope_challenge::annotations::{fleiss, glad, import};
use regiscope_challenge::table::Table;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/raters");
    if !folder.is_dir() {
        println!("skipped: annotations are not beside the checkout");
        return None;
    }
    Some(folder)
}

fn reference(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// A table without header: columns are items, rows raters, or the other way round.
fn matrix(folder: &Path, name: &str, items_in_columns: bool) -> Votes {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let mut long = String::from("item,rater,label\n");
    for (r, row) in rows.iter().enumerate() {
        for (c, cell) in row.iter().enumerate() {
            let (item, rater) = if items_in_columns { (c, r) } else { (r, c) };
            long += &format!("{item},{rater},{cell}\n");
        }
    }
    import::long(&Table::from_csv(long.as_bytes()).unwrap(), "item", "rater", "label", None).unwrap()
}

fn annotations(folder: &Path) -> Votes {
    let table = Table::from_csv(&std::fs::read(folder.join("annotations.csv")).unwrap()).unwrap();
    import::long(&table, "task", "worker", "label", None).unwrap()
}

#[test]
fn agreement_is_that_of_krippendorff_and_statsmodels() {
    let Some(folder) = folder() else { return };
    let irr = &reference(&folder, "reference.json")["irr"];
    let near = |value: f64, name: &str| {
        let expected = irr[name].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-12, "{name}: {value} {expected}");
    };
    let sparse = matrix(&folder, "reliability.csv", true);
    let full = matrix(&folder, "full_ratings.csv", false);
    let values = [0.0, 1.0, 2.0, 3.0];
    let of = |votes: &Votes, level| alpha(votes, &values, level, 0, 0.95, 1).unwrap().alpha;
    near(of(&sparse, Level::Nominal), "krippendorff_nominal");
    near(of(&sparse, Level::Ordinal), "krippendorff_ordinal");
    near(of(&sparse, Level::Interval), "krippendorff_interval");
    near(of(&full, Level::Nominal), "krippendorff_nominal_full");
    near(of(&full, Level::Ordinal), "krippendorff_ordinal_full");
    near(fleiss::kappa(&full).unwrap().unwrap(), "fleiss");
    assert!(fleiss::kappa(&sparse).is_err());
    let category =
        |item: usize, rater: usize| full.votes.iter().find(|v| (v.item, v.rater) == (item, rater)).unwrap().category;
    let pairs: Vec<(usize, usize)> = (0..200).map(|item| (category(item, 0), category(item, 5))).collect();
    for (weights, name) in
        [(Weights::Plain, "unweighted"), (Weights::Linear, "linear"), (Weights::Quadratic, "quadratic")]
    {
        let found = kappa(&pairs, 4, weights).unwrap();
        near(found.kappa, &format!("cohen_{name}"));
        near(found.standard_error, &format!("cohen_{name}_se"));
    }
}

#[test]
fn labels_are_aggregated_to_the_optima() {
    let Some(folder) = folder() else { return };
    let (votes, own) = (annotations(&folder), reference(&folder, "own_reference.json"));
    let truth = Table::from_csv(&std::fs::read(folder.join("truth.csv")).unwrap()).unwrap();
    let accuracy = |label: &dyn Fn(usize) -> usize| {
        let right = |row: &usize| {
            let item = votes.items.iter().position(|i| *i == truth.columns[0][*row]).unwrap();
            votes.categories[label(item)] == truth.columns[1][*row]
        };
        (0..600).filter(right).count() as f64 / 600.0
    };
    let found = estimate(&votes, Model::Confusion, Limits::default());
    let expected = own["ds_loglik"].as_f64().unwrap();
    assert!(found.converged && (found.log_likelihood - expected).abs() < 1e-6, "{}", found.log_likelihood);
    assert!((accuracy(&|i| found.labels.label(i)) - own["ds_acc"].as_f64().unwrap()).abs() < 1e-12);
    let coin = estimate(&votes, Model::OneCoin, Limits::default());
    assert!(coin.converged && coin.log_likelihood < found.log_likelihood);
    assert!(accuracy(&|i| coin.labels.label(i)) > 0.75);
    let map = glad::estimate(&votes);
    let expected = own["glad_logpost_optimum"].as_f64().unwrap();
    assert!(map.log_posterior >= expected - 1e-8, "{} {expected}", map.log_posterior);
    assert!(map.gradient < 1e-3, "{}", map.gradient);
    for (rater, ability) in votes.raters.iter().zip(&map.ability) {
        assert!((ability - own["alphas"][rater].as_f64().unwrap()).abs() < 1e-4, "{rater} {ability}");
    }
}
