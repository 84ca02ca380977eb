//! Fits beside those of lme4, glmmTMB and ordinal at tight tolerances, where the folder of reference values lies beside
//! the checkout.

use regiscope_glmm::fit::{Fit, fit};
use regiscope_glmm::formula::{self, ResponseKind, build};
use regiscope_glmm::read_csv::{CsvSettings, FactorSettings, read_csv};
use regiscope_glmm::settings::{Criterion, Curvature, Family, Link, Method, Settings};
use regiscope_glmm::table::Table;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/glmm");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: the reference fits are not beside the checkout ({})", path.display());
    None
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn table(folder: &Path, name: &str) -> Table {
    let meta = json(&folder.join(format!("data/{name}.meta.json")));
    let mut settings = CsvSettings::default();
    for (column, about) in meta["columns"].as_object().unwrap() {
        if let Some(levels) = about["levels"].as_array() {
            let levels = levels.iter().map(|l| l.as_str().unwrap().to_owned()).collect();
            let ordered = about["type"].as_str().unwrap().contains("ordered");
            settings.factors.insert(column.clone(), FactorSettings { levels: Some(levels), ordered });
        }
    }
    let path = folder.join(format!("data/{name}.csv"));
    read_csv(|| std::fs::File::open(&path), &settings).unwrap()
}

/// One reference fit: what was called, and where it needs lme4's form of Laplace's approximation.
struct Case {
    formula: String,
    settings: Settings,
    lme4: bool,
}

/// Reads a call such as `glmer(y ~ x + (1 | g), family=binomial(logit), nAGQ=25)`.
fn case(reference: &Value) -> Case {
    let call = reference["call"].as_str().unwrap();
    let (function, rest) = call.split_once('(').unwrap();
    let arguments = split_arguments(rest.trim_end().strip_suffix(')').unwrap());
    let named = |name: &str| {
        let of = |a: &String| a.split_once('=').filter(|(n, _)| n.trim() == name).map(|(_, v)| v.trim().to_owned());
        arguments.iter().find_map(of)
    };
    let quoted = |v: String| v.trim_matches('\'').to_owned();
    let (family, link) = match (function, named("family")) {
        ("lmer", _) => ("gaussian".to_owned(), "identity".to_owned()),
        ("clmm", _) => ("ordinal".to_owned(), named("link").map(quoted).unwrap()),
        ("glmer.nb", _) => ("nbinom2".to_owned(), "log".to_owned()),
        (_, Some(text)) => {
            let (f, l) = text.split_once('(').unwrap();
            (f.to_owned(), l.trim_end_matches(')').to_owned())
        }
        _ => panic!("{call}"),
    };
    let family = match family.as_str() {
        "gaussian" => Family::Gaussian,
        "binomial" => Family::Binomial,
        "poisson" => Family::Poisson,
        "nbinom2" => Family::NegativeBinomial2,
        "Gamma" => Family::Gamma,
        "betabinomial" => Family::BetaBinomial,
        "ordinal" => Family::Ordinal,
        other => panic!("{other}"),
    };
    let link = match link.as_str() {
        "identity" => Link::Identity,
        "logit" => Link::Logit,
        "probit" => Link::Probit,
        "cloglog" => Link::Cloglog,
        "log" => Link::Log,
        other => panic!("{other}"),
    };
    let points: usize = named("nAGQ").map_or(1, |n| n.parse().unwrap());
    let reml = named("REML").as_deref() == Some("TRUE");
    let lme4 = matches!(function, "glmer" | "glmer.nb");
    let settings = Settings {
        link,
        method: match points {
            0 => Method::Joint,
            1 => Method::Laplace,
            n => Method::Quadrature(n),
        },
        curvature: if lme4 { Curvature::Expected } else { Curvature::Observed },
        criterion: if reml { Criterion::Reml } else { Criterion::Ml },
        ..Settings::new(family)
    };
    Case { formula: arguments[0].clone(), settings, lme4 }
}

/// Splits at the commas outside brackets.
fn split_arguments(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.iter().map(|p| p.trim().to_owned()).collect()
}

fn fit_case(folder: &Path, reference: &Value, case: &Case) -> Fit {
    let table = table(folder, reference["data"].as_str().unwrap());
    let response = match case.settings.family {
        Family::Binomial | Family::BetaBinomial => ResponseKind::Binomial,
        Family::Ordinal => ResponseKind::Ordinal,
        _ => ResponseKind::Real,
    };
    let built = build(&case.formula, &table, &formula::Settings { response, ..Default::default() }).unwrap();
    fit(&built.design, &case.settings, &mut |_| ()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().map_or(vec![], |a| a.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect())
}

fn worst(found: &[f64], expected: &[f64], floor: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let relative = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs().max(floor);
    found.iter().zip(expected).map(relative).fold(0.0, f64::max)
}

/// What lme4 leaves out of the log-likelihood with more than one quadrature point: the constants of the responses.
fn dropped_constants(folder: &Path, reference: &Value, case: &Case) -> f64 {
    let points = matches!(case.settings.method, Method::Quadrature(_));
    if !case.lme4 || !points {
        return 0.0;
    }
    // lme4 sums deviance residuals: it leaves out the log-likelihood of the saturated model.
    let table = table(folder, reference["data"].as_str().unwrap());
    let response = if case.settings.family == Family::Binomial { ResponseKind::Binomial } else { ResponseKind::Real };
    let built = build(&case.formula, &table, &formula::Settings { response, ..Default::default() }).unwrap();
    use regiscope_glmm::design::Response;
    let ln_gamma = |x: f64| statrs::function::gamma::ln_gamma(x);
    let x_ln_x = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
    match &built.design.response {
        Response::Counts { successes, trials } => {
            let one = |(&y, &n): (&f64, &f64)| {
                ln_gamma(n + 1.0) - ln_gamma(y + 1.0) - ln_gamma(n - y + 1.0) + x_ln_x(y) + x_ln_x(n - y) - x_ln_x(n)
            };
            successes.iter().zip(trials).map(one).sum()
        }
        Response::Real(y) if case.settings.family == Family::Poisson => {
            y.iter().map(|&y| x_ln_x(y) - y - ln_gamma(y + 1.0)).sum()
        }
        _ => 0.0,
    }
}

#[test]
fn every_reference_fit_is_reached() {
    let Some(folder) = folder() else { return };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join("fits")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let only: Option<String> = std::env::var("GLMM_REFERENCE").ok();
    let mut failures = Vec::new();
    for path in files {
        let reference = json(&path);
        let id = reference["id"].as_str().unwrap().to_owned();
        if only.as_deref().is_some_and(|only| !id.contains(only)) {
            continue;
        }
        let case = case(&reference);
        let found = fit_case(&folder, &reference, &case);
        let constants = dropped_constants(&folder, &reference, &case);
        let gain = found.log_lik - constants - reference["logLik"].as_f64().unwrap();
        let part = if reference["cond"].is_object() { &reference["cond"] } else { &reference };
        let expected_fixed = match (numbers(&part["fixef"]), numbers(&part["est"])) {
            (f, _) if !f.is_empty() => f,
            (_, e) => e,
        };
        let mut fixed = found.fixed.values.clone();
        let mut se = found.fixed.se.clone();
        if let Some(thresholds) = &found.thresholds {
            fixed = thresholds.values.iter().chain(&fixed).copied().collect();
            se = thresholds.se.iter().chain(&se).copied().collect();
        }
        let se_error = worst(&se, &numbers(&part["se"]), 1e-8);
        let scale = expected_fixed.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let fixed_error = worst(&fixed, &expected_fixed, 1e-2 * scale);
        let (mut sd_error, mut modes_error, mut variance_error) = (0.0f64, 0.0f64, 0.0f64);
        for term in &found.random {
            // lme4 writes the parts of `(x || g)` as groups of their own ("g", "g.1").
            if let Some(groups) = reference["varcorr"].as_object() {
                for (group, about) in groups.iter().filter(|(n, _)| n.split('.').next() == Some(&term.group)) {
                    for (name, sd) in about["names"].as_array().unwrap().iter().zip(numbers(&about["sd"])) {
                        let at = term.columns.iter().position(|c| Some(c.as_str()) == name.as_str());
                        let Some(at) = at else { continue };
                        assert!(!group.is_empty());
                        sd_error = sd_error.max((term.sd[at] - sd).abs() / sd.max(1e-2));
                    }
                }
            }
            let ranef = &reference["ranef"][&term.group];
            let (Some(levels), Some(names)) = (ranef["levels"].as_array(), ranef["columns"].as_array()) else {
                continue;
            };
            for (c, column) in term.columns.iter().enumerate() {
                let Some(at) = names.iter().position(|n| n.as_str() == Some(column)) else { continue };
                for (l, level) in levels.iter().enumerate() {
                    let own = term.levels.iter().position(|n| Some(n.as_str()) == level.as_str()).unwrap();
                    let expected = ranef["values"][l][at].as_f64().unwrap();
                    let spread = term.sd[c].max(1e-3);
                    modes_error = modes_error.max((term.modes[(own, c)] - expected).abs() / spread);
                    if let Some(v) = ranef["condVar"][l][at][at].as_f64() {
                        variance_error =
                            variance_error.max((term.conditional[own][(c, c)] - v).abs() / (v.abs() + 1e-6));
                    }
                }
            }
        }
        println!(
            "{id:34} gain {gain:+.1e} beta {fixed_error:.1e} se {se_error:.1e} sd {sd_error:.1e} modes {modes_error:.1e} var \
             {variance_error:.1e} {:?} evals {} passes {} {} dec {:.0e}",
            found.verdict.converged,
            found.counts.evaluations,
            found.counts.passes,
            if found.singular { "singular" } else { "" },
            found.verdict.newton_decrement
        );
        // lme4's Gamma has no likelihood of its own dispersion: glmmTMB's fit of the same model is the reference.
        if id == "glmm_orthodont_gammalog_agq1" {
            continue;
        }
        if gain < -1e-6 || !found.verdict.converged {
            failures.push(id);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}
