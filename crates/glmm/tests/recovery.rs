//! Fits find the parameters that data were simulated with: the benchmark's studies, a few of each.

#[path = "../../../benches/glmm_recovery/study.rs"]
mod study;

use study::{Found, recover, studies};

fn check(name: &str, count: u64) {
    let kind = studies().into_iter().find(|s| s.name == name).unwrap();
    let design = kind.design();
    let found: Vec<Vec<Found>> = (0..count).filter_map(|replicate| kind.run(&design, 5, replicate)).collect();
    assert_eq!(found.len() as u64, count, "{name}: every study converges");
    for parameter in recover(&kind, &found) {
        let unexplained = parameter.bias - parameter.expected_bias;
        assert!(unexplained.abs() < 3.5 * parameter.bias_se, "{name}: {parameter:?}");
        assert!(
            (parameter.coverage - parameter.expected_coverage).abs() < 3.5 * parameter.coverage_se,
            "{name} ({}): {parameter:?}",
            kind.intervals
        );
    }
}

#[test]
fn linear() {
    check("linear", 40);
}

#[test]
fn logit() {
    check("logit", 12);
}

#[test]
fn poisson() {
    check("poisson", 12);
}

#[test]
fn beta() {
    check("beta", 10);
}
