//! Fits beside those of lme4 1.1.31, glmmTMB 1.1.5 and ordinal 2022.11.16 at tight tolerances, where the folder of
//! reference values lies beside the checkout.
//!
//! A reference has its own distance from the optimum. A point whose log-likelihood lies g below the maximum is, in the
//! quadratic approximation, within √(2 g) standard errors of it in every direction; every figure may differ by that much
//! beside the tolerance that it must keep.

mod call;

use call::{Case, case, dropped_constants, fit_case, folder, json};
use regiscope_glmm::fit::{Fit, RandomEffects};
use serde_json::Value;
use std::path::PathBuf;

/// Differences of log-likelihoods that are sums of thousands of rounded terms tell nothing below this.
const ROUNDING: f64 = 1e-11;

/// References that are looser than their log-likelihood says, with the relative tolerance of their standard errors.
///
/// lme4 and clmm difference the likelihood numerically for their Hessian. lme4's negative binomial holds the shape fixed
/// while it computes standard errors.
const LOOSE_SE: [(&str, f64); 6] = [
    ("clmm_wine_logit_agq1", 1e-2),
    ("glmm_cbpp_logit_agq1_default", 2e-2),
    ("glmm_epil_nb_lme4", 5e-4),
    ("glmm_toenail_logit_agq1", 2e-4),
    ("glmm_verbagg_crossed_agq1", 1e-3),
    ("glmm_verbagg_int_agq1", 2e-2),
];

/// lme4's Gamma has no likelihood of its own dispersion: glmmTMB's fit of the same model is the reference.
const WITHOUT_LIKELIHOOD: &str = "glmm_orthodont_gammalog_agq1";

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().map_or(vec![], |a| a.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect())
}

/// What was found against what was expected.
struct Comparison {
    id: String,
    /// Log-likelihood above the reference's.
    gain: f64,
    failures: Vec<String>,
    /// The greatest difference of each kind, in units of its tolerance.
    worst: Vec<(&'static str, f64)>,
}

impl Comparison {
    fn check(&mut self, what: &'static str, name: &str, found: f64, expected: f64, tolerance: f64) {
        let share = (found - expected).abs() / tolerance;
        match self.worst.iter_mut().find(|(known, _)| *known == what) {
            Some((_, worst)) => *worst = worst.max(share),
            None => self.worst.push((what, share)),
        }
        if share.is_nan() || share > 1.0 {
            self.failures
                .push(format!("{}: {what} {name}: {found:e} for {expected:e}, tolerance {tolerance:.1e}", self.id));
        }
    }

    /// How far the reference may be from the optimum, in standard errors.
    fn distance(&self) -> f64 {
        (2.0 * self.gain.max(ROUNDING)).sqrt()
    }
}

fn compare(reference: &Value, case: &Case, found: &Fit, constants: f64) -> Comparison {
    let id = reference["id"].as_str().unwrap().to_owned();
    let gain = found.log_lik - constants - reference["logLik"].as_f64().unwrap();
    let mut comparison = Comparison { id, gain, failures: vec![], worst: vec![] };
    if gain < -1e-6 || !found.verdict.converged {
        comparison.failures.push(format!("{}: gain {gain:e}, converged {}", comparison.id, found.verdict.converged));
    }
    compare_fixed(&mut comparison, reference, found);
    for term in &found.random {
        compare_deviations(&mut comparison, reference, found, term);
        compare_effects(&mut comparison, reference, case, term);
    }
    comparison
}

fn compare_fixed(comparison: &mut Comparison, reference: &Value, found: &Fit) {
    let part = if reference["cond"].is_object() { &reference["cond"] } else { reference };
    let (mut names, mut values, mut se) =
        (found.fixed.names.clone(), found.fixed.values.clone(), found.fixed.se.clone());
    if let Some(thresholds) = &found.thresholds {
        names.splice(0..0, thresholds.names.iter().cloned());
        values.splice(0..0, thresholds.values.iter().copied());
        se.splice(0..0, thresholds.se.iter().copied());
    }
    let texts = |key: &str| -> Vec<String> {
        let list = part[key].as_array().map_or(&[][..], |list| list);
        list.iter().map(|n| n.as_str().unwrap().to_owned()).collect()
    };
    let expected_names = [texts("coef_names"), texts("names")].concat();
    if names != expected_names {
        comparison.failures.push(format!("{}: {names:?} for {expected_names:?}", comparison.id));
        return;
    }
    let expected = [numbers(&part["fixef"]), numbers(&part["est"])].concat();
    let expected_se = numbers(&part["se"]);
    let loose = LOOSE_SE.iter().find(|(id, _)| *id == comparison.id).map_or(1e-4, |(_, tolerance)| *tolerance);
    for (j, name) in names.iter().enumerate() {
        let tolerance = 1e-5 * expected[j].abs() + comparison.distance() * se[j];
        comparison.check("beta", name, values[j], expected[j], tolerance);
        comparison.check("se", name, se[j], expected_se[j], loose * expected_se[j]);
    }
}

fn compare_deviations(comparison: &mut Comparison, reference: &Value, found: &Fit, term: &RandomEffects) {
    let mut expected: Vec<(String, f64)> = Vec::new();
    // lme4 writes the parts of `(x || g)` as groups of their own ("g", "g.1").
    for (_, about) in
        reference["varcorr"].as_object().into_iter().flatten().filter(|(n, _)| n.split('.').next() == Some(&term.group))
    {
        let names = about["names"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned());
        expected.extend(names.zip(numbers(&about["sd"])));
    }
    if let Some(sd) = reference["sd"][&term.group].as_f64() {
        expected.push(("(Intercept)".into(), sd));
    }
    for c in 0..term.columns.len() {
        let Some((name, sd)) = expected.iter().find(|(name, _)| *name == term.columns[c]) else {
            comparison.failures.push(format!("{}: no sd of {} | {}", comparison.id, term.columns[c], term.group));
            continue;
        };
        let spread = if term.log_sd_se[c].is_finite() { term.log_sd_se[c] * sd } else { 0.0 };
        let at_boundary = if found.singular { 1e-4 } else { 0.0 };
        let tolerance = (1e-5 * sd + comparison.distance() * spread).max(at_boundary);
        comparison.check("sd", name, term.sd[c], *sd, tolerance);
    }
}

fn compare_effects(comparison: &mut Comparison, reference: &Value, case: &Case, term: &RandomEffects) {
    let ranef = &reference["ranef"][&term.group];
    let Some(levels) = ranef["levels"].as_array() else { return };
    let clmm = reference["condVar"].is_object();
    // glmmTMB's conditional variances hold the uncertainty of the parameters too. With quadrature and a link that is not
    // canonical lme4 takes the expected curvature, and this crate the observed one.
    let canonical = case.settings.link == case.settings.family.usual_link();
    let comparable = clmm
        || case.lme4 && (canonical || !matches!(case.settings.method, regiscope_glmm::settings::Method::Quadrature(_)));
    for (c, column) in term.columns.iter().enumerate() {
        let at = match ranef["columns"].as_array() {
            Some(columns) => columns.iter().position(|n| n.as_str() == Some(column)),
            None => Some(0),
        };
        let Some(at) = at else { continue };
        for (l, level) in levels.iter().enumerate() {
            let name = format!("{} {column}", level.as_str().unwrap());
            let Some(own) = term.levels.iter().position(|n| Some(n.as_str()) == level.as_str()) else {
                comparison.failures.push(format!("{}: no level {name}", comparison.id));
                continue;
            };
            let conditional = term.conditional[own][(c, c)];
            // A mode moves with the parameters, by about as much as they do in units of its own standard deviations.
            let reach = comparison.distance() * (conditional.sqrt() + term.sd[c]);
            let value = ranef["values"][l][at].as_f64().unwrap();
            let scale = value.abs().max(term.sd[c]).max(1e-3);
            comparison.check("mode", &name, term.modes[(own, c)], value, 1e-5 * scale + reach);
            let variance = match clmm {
                true => reference["condVar"][&term.group][l].as_f64(),
                false => ranef["condVar"][l][at][at].as_f64(),
            };
            if let Some(variance) = variance.filter(|_| comparable) {
                let tolerance = 1e-5 * variance + 2.0 * comparison.distance() * variance + 1e-8;
                comparison.check("variance", &name, conditional, variance, tolerance);
            }
        }
    }
}

#[test]
fn every_reference_fit_is_reached() {
    let Some(folder) = folder() else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("fits")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 51);
    let mut failures = Vec::new();
    for path in files {
        let reference = json(&path);
        if reference["id"] == WITHOUT_LIKELIHOOD {
            continue;
        }
        let case = case(&reference);
        let found = fit_case(&folder, &reference, &case);
        let comparison = compare(&reference, &case, &found, dropped_constants(&folder, &reference, &case));
        let worst: Vec<String> = comparison.worst.iter().map(|(what, share)| format!("{what} {share:.2}")).collect();
        println!("{:34} gain {:+.1e}; of the tolerances: {}", comparison.id, comparison.gain, worst.join(", "));
        failures.extend(comparison.failures);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
