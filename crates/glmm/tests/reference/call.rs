//! The reference fits as they were called, and the same calls for this crate.

use regiscope_glmm::design::Response;
use regiscope_glmm::fit::{Fit, fit};
use regiscope_glmm::formula::{self, ResponseKind, build};
use regiscope_glmm::read_csv::{CsvSettings, FactorSettings, read_csv};
use regiscope_glmm::settings::{Criterion, Curvature, Family, Link, Method, Settings};
use regiscope_glmm::table::Table;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The folder of reference values, where it lies beside the checkout.
pub fn folder() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/glmm");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: the reference fits are not beside the checkout ({})", path.display());
    None
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
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
pub struct Case {
    pub formula: String,
    pub settings: Settings,
    pub lme4: bool,
}

/// Reads a call such as `glmer(y ~ x + (1 | g), family=binomial(logit), nAGQ=25)`.
pub fn case(reference: &Value) -> Case {
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

/// The fit that the reference names.
pub fn fit_case(folder: &Path, reference: &Value, case: &Case) -> Fit {
    let table = table(folder, reference["data"].as_str().unwrap());
    let response = match case.settings.family {
        Family::Binomial | Family::BetaBinomial => ResponseKind::Binomial,
        Family::Ordinal => ResponseKind::Ordinal,
        _ => ResponseKind::Real,
    };
    let built = build(&case.formula, &table, &formula::Settings { response, ..Default::default() }).unwrap();
    fit(&built.design, &case.settings, &mut |_| ()).unwrap()
}

/// What lme4 leaves out of the log-likelihood with more than one quadrature point: the constants of the responses.
pub fn dropped_constants(folder: &Path, reference: &Value, case: &Case) -> f64 {
    let points = matches!(case.settings.method, Method::Quadrature(_));
    if !case.lme4 || !points {
        return 0.0;
    }
    // lme4 sums deviance residuals: it leaves out the log-likelihood of the saturated model.
    let table = table(folder, reference["data"].as_str().unwrap());
    let response = if case.settings.family == Family::Binomial { ResponseKind::Binomial } else { ResponseKind::Real };
    let built = build(&case.formula, &table, &formula::Settings { response, ..Default::default() }).unwrap();
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
