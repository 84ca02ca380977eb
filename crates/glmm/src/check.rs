//! Whether a design and settings go together, before anything is computed.

use crate::design::{Design, Response};
use crate::fit::FitError;
use crate::random::Layout;
use crate::settings::{Family, Method, Settings, ZeroPart};

/// Checks a design against settings.
pub fn check(design: &Design, settings: &Settings) -> Result<(), FitError> {
    check_link(settings)?;
    check_columns(design)?;
    check_zero_part(design, settings)?;
    check_response(design, settings)?;
    check_variance(design, settings)?;
    check_random(design, settings)
}

fn check_link(settings: &Settings) -> Result<(), FitError> {
    let links = settings.family.links();
    if links.contains(&settings.link) {
        return Ok(());
    }
    let accepted: Vec<&str> = links.iter().map(|l| l.name()).collect();
    Err(FitError::Link { family: settings.family.name(), link: settings.link.name(), accepted: accepted.join(", ") })
}

fn check_columns(design: &Design) -> Result<(), FitError> {
    let rows = design.weights.len();
    let parameters = design.mean.fixed.columns();
    if rows == 0 || rows < parameters {
        return Err(FitError::TooFewRows { rows, parameters });
    }
    let row_of = |i: usize| design.rows.get(i).map_or(i as u32 + 1, |r| r + 1);
    if let Some(i) = design.weights.iter().position(|w| !(w.is_finite() && *w > 0.0)) {
        return Err(FitError::Weight { row: row_of(i), value: design.weights[i] });
    }
    let finite = |column: &str, values: &[f64]| match values.iter().position(|v| !v.is_finite()) {
        Some(i) => Err(FitError::NotFinite { column: column.into(), row: row_of(i), value: values[i] }),
        None => Ok(()),
    };
    for predictor in std::iter::once(&design.mean).chain(design.zero.as_ref()) {
        for (j, name) in predictor.fixed.names.iter().enumerate() {
            finite(name, predictor.fixed.column(j))?;
        }
        finite("offset", &predictor.offset)?;
        for term in &predictor.random {
            for (name, values) in term.columns.iter().zip(term.values.chunks_exact(rows)) {
                finite(name, values)?;
            }
        }
    }
    Ok(())
}

fn check_zero_part(design: &Design, settings: &Settings) -> Result<(), FitError> {
    let problem = match (settings.zero, design.zero.is_some(), settings.family) {
        (ZeroPart::None, true, _) => "the design has a predictor of zeros, but the model has no zero part",
        (ZeroPart::Inflated | ZeroPart::Hurdle, false, _) => "the design has no predictor of zeros",
        (ZeroPart::Inflated, _, Family::Ordinal) | (ZeroPart::Hurdle, _, Family::Ordinal) => {
            "ordered categories have none"
        }
        (ZeroPart::Hurdle, _, Family::Gaussian) => "a Gaussian response has no lump at zero",
        (ZeroPart::Inflated, _, Family::Gaussian) => "a Gaussian response has no lump at zero",
        (ZeroPart::Hurdle, _, Family::Binomial | Family::BetaBinomial) => "hurdles are for counts, Gamma and beta",
        _ => return Ok(()),
    };
    Err(FitError::ZeroPart { problem })
}

/// A continuous response that is the same in every row has a likelihood without bound.
fn check_variance(design: &Design, settings: &Settings) -> Result<(), FitError> {
    let is_continuous = matches!(settings.family, Family::Gaussian | Family::Gamma | Family::Beta);
    let is_level = |values: &[f64]| values.windows(2).all(|w| w[0] == w[1]);
    match &design.response {
        Response::Real(y) if is_continuous && is_level(y) && is_level(&design.mean.offset) => Err(FitError::Constant {
            response: design.response_name.clone(),
            value: y[0],
            family: settings.family.name(),
        }),
        _ => Ok(()),
    }
}

fn check_response(design: &Design, settings: &Settings) -> Result<(), FitError> {
    let family = settings.family;
    let name = family.name();
    let row_of = |i: usize| design.rows.get(i).map_or(i as u32 + 1, |r| r + 1);
    let lump = settings.zero != ZeroPart::None;
    match &design.response {
        Response::Real(y) => {
            type Rule = fn(f64, bool) -> bool;
            let (accepted, good): (&str, Rule) = match family {
                Family::Gaussian => ("finite numbers", |v, _| v.is_finite()),
                Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2 => {
                    ("whole numbers from 0", |v, _| v.is_finite() && v >= 0.0 && v.fract() == 0.0)
                }
                Family::Binomial => ("numbers from 0 to 1", |v, _| (0.0..=1.0).contains(&v)),
                Family::Gamma if lump => ("0 and numbers above 0", |v, _| v.is_finite() && v >= 0.0),
                Family::Gamma => ("numbers above 0", |v, _| v.is_finite() && v > 0.0),
                Family::Beta if lump => ("0 and numbers between 0 and 1", |v, _| (0.0..1.0).contains(&v)),
                Family::Beta => ("numbers between 0 and 1, both excluded", |v, _| v > 0.0 && v < 1.0),
                Family::BetaBinomial => {
                    return Err(FitError::ResponseKind {
                        family: name,
                        accepted: "counts of successes and failures, or a proportion with numbers of trials as weights,",
                    });
                }
                Family::Ordinal => return Err(FitError::ResponseKind { family: name, accepted: "a factor" }),
            };
            match y.iter().position(|&v| !good(v, lump)) {
                Some(i) => Err(FitError::Response {
                    response: design.response_name.clone(),
                    row: row_of(i),
                    value: y[i],
                    family: name,
                    accepted,
                }),
                None => Ok(()),
            }
        }
        Response::Counts { successes, trials } => {
            if !matches!(family, Family::Binomial | Family::BetaBinomial) {
                return Err(FitError::ResponseKind { family: name, accepted: "one column of numbers" });
            }
            let good = |s: f64, t: f64| s.is_finite() && t.is_finite() && s >= 0.0 && s <= t;
            match (0..successes.len()).find(|&i| !good(successes[i], trials[i])) {
                Some(i) => Err(FitError::Response {
                    response: design.response_name.clone(),
                    row: row_of(i),
                    value: successes[i],
                    family: name,
                    accepted: "successes from 0 to the number of trials",
                }),
                None => Ok(()),
            }
        }
        Response::Ordinal { levels, .. } => {
            if family != Family::Ordinal || levels.len() < 2 {
                return Err(FitError::ResponseKind {
                    family: name,
                    accepted: if family == Family::Ordinal { "at least two categories" } else { "numbers" },
                });
            }
            Ok(())
        }
    }
}

fn check_random(design: &Design, settings: &Settings) -> Result<(), FitError> {
    let layout = Layout::new(design);
    let rows = design.weights.len();
    if settings.is_linear() {
        for term in &layout.terms {
            let effects = term.levels.len() * term.columns.len();
            if effects >= rows {
                let columns = term.columns.join(" + ");
                return Err(FitError::TooManyEffects { columns, group: term.group.clone(), effects, rows });
            }
        }
        let parameters = design.mean.fixed.columns();
        if rows <= parameters {
            return Err(FitError::TooFewRows { rows, parameters });
        }
    }
    if let Some(start) = &settings.start
        && start.len() != layout.parameters()
    {
        return Err(FitError::Start { found: start.len(), expected: layout.parameters() });
    }
    if let Method::Quadrature(points) = settings.method {
        let problem = match points {
            0 => Some("no points".to_owned()),
            1 => None,
            2..=200 => crate::check::quadrature_problem(&layout),
            _ => Some(format!("{points} points are more than 200")),
        };
        if let Some(problem) = problem {
            return Err(FitError::Quadrature { problem });
        }
    }
    Ok(())
}

/// Why quadrature is not defined for a layout, or nothing.
pub(crate) fn quadrature_problem(layout: &Layout) -> Option<String> {
    let largest = (0..layout.terms.len()).max_by_key(|&t| layout.terms[t].levels.len());
    match largest {
        None => Some("there are no random effects".into()),
        Some(t) if layout.terms[t].columns.len() > 1 => Some(format!(
            "the effects of \"{}\" are vectors of {}",
            layout.terms[t].group,
            layout.terms[t].columns.len()
        )),
        Some(_) => None,
    }
}
