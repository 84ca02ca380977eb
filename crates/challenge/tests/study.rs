//! The analysis of failures of a study with known effects, from `../shared/reference/study`.

use regiscope_challenge::failures::linearised::Linearised;
use regiscope_challenge::failures::model::fit_failures;
use regiscope_challenge::failures::odds::odds_ratios;
use regiscope_challenge::failures::profile::profiles;
use regiscope_challenge::failures::{Adjustment, FailureColumns, Observations, Outcome};
use regiscope_challenge::table::Table;
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn the_known_effects_of_the_reference_study_lie_inside_their_intervals() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/study");
    if !folder.is_dir() {
        println!("skipped: the study is not beside the checkout");
        return;
    }
    let truth: Value = serde_json::from_slice(&std::fs::read(folder.join("truth.json")).unwrap()).unwrap();
    let table = Table::from_csv(&std::fs::read(folder.join("study.csv")).unwrap()).unwrap();
    let beta = truth["beta"].as_object().unwrap();
    let columns = FailureColumns {
        case: "image".into(),
        algorithm: "algorithm".into(),
        groups: vec!["procedure".into()],
        outcome: Outcome::Column("failure".into()),
        score: None,
        energy: None,
        characteristics: beta.keys().cloned().collect(),
    };
    let observations = Observations::from_table(&table, &columns).unwrap();
    let place = |name: &str| observations.effects.iter().position(|e| e.name == name).unwrap();
    let mut slopes: Vec<usize> = truth["slope_sd"].as_object().unwrap().keys().map(|n| place(n)).collect();
    slopes.sort_unstable();
    let model = fit_failures(&observations, &slopes, None).unwrap();
    assert!(model.fit.verdict.converged && observations.rows.len() == 27_280);

    let mut effects = odds_ratios(&observations, &model, Adjustment::Holm, 0.95).unwrap();
    let inside = effects.iter().filter(|e| (e.lower..=e.upper).contains(&beta[&e.name].as_f64().unwrap())).count();
    assert!(inside >= 18, "{inside} of 19: {effects:?}");
    effects.sort_by(|a, b| b.estimate.total_cmp(&a.estimate));
    // The causes that lie clearly apart in truth, in their order, and nothing without an effect among those found.
    let strong = |name: &str| beta[name].as_f64().unwrap() >= 0.4;
    assert!(effects[..5].iter().all(|e| strong(&e.name)), "{effects:?}");
    assert_eq!(effects[0].name, "underexposed_instrument");
    assert!(effects.iter().all(|e| e.p_adjusted > 0.05 || beta[&e.name].as_f64().unwrap() >= 0.1), "{effects:?}");

    let joint = Linearised::new(&model).unwrap();
    let own = |algorithm: &str, name: &str| truth["slopes"][algorithm][name].as_f64().unwrap();
    let (mut covered, mut all) = (0, 0);
    for profile in profiles(&observations, &model, &joint, 0.95) {
        for slope in &profile.slopes {
            let field = observations.algorithms.iter().map(|a| own(a, &slope.name)).sum::<f64>() / 10.0;
            let truth = own(&profile.algorithm, &slope.name) - field;
            covered += usize::from((slope.lower..=slope.upper).contains(&truth));
            all += 1;
        }
    }
    assert!(all == 40 && covered >= 35, "{covered} of {all}");
}
