//! From options to a design and settings.

use super::table;
use crate::program::args::glmm::{Hessian, TermArgs};
use crate::program::failure::Failure;
use crate::program::output::Output;
use regiscope_glmm::family_name::{FamilyName, parse_family, parse_link};
use regiscope_glmm::formula::{
    self, Built, ColumnsUsed, Contrast, Problem, ResponseKind, Warning, build, columns_used, has_random_terms, nearest,
};
use regiscope_glmm::output::Written;
use regiscope_glmm::settings::{Criterion, Curvature, Family, Method, Settings, ZeroPart};
use regiscope_glmm::table::Table;
use std::collections::BTreeMap;
use std::path::Path;

/// A model of a table, before it is fitted.
pub struct Model {
    /// The design, how it was made, and what is doubtful.
    pub built: Built,
    /// How it is fitted.
    pub settings: Settings,
    /// Whether it is a linear regression without random terms.
    pub is_regression: bool,
    /// What was written.
    pub written: Written,
    /// The columns of the table that the model uses.
    pub table: Table,
}

/// Reads the table and builds the design.
pub fn load(data: &Path, formula: &str, terms: &TermArgs, output: Output) -> Result<Model, Failure> {
    let settings = settings(terms)?;
    let mut design = design_settings(terms, &settings)?;
    let used = columns_used(formula, &design).map_err(|e| Failure::Input(e.to_string()))?;
    let is_regression =
        settings.is_linear() && !has_random_terms(formula).map_err(|e| Failure::Input(e.to_string()))?;
    design.exact = is_regression;
    let unused = unused_factors(data, terms, &used)?;
    let table = table::read(data, terms, &used, design.exact)?;
    output.detail(format_args!("{}: {} rows", data.display(), table.rows()));
    let mut built = build(formula, &table, &design).or_else(|error| match *error.problem {
        // The nearest name is looked for among all columns, and only those that the formula names were read.
        Problem::UnknownColumn { .. } => {
            let everything = ColumnsUsed { all: true, ..used.clone() };
            let whole = table::read(data, terms, &everything, false)?;
            build(formula, &whole, &design).map_err(|e| Failure::Input(e.to_string()))
        }
        _ => Err(Failure::Input(error.to_string())),
    })?;
    built.warnings.extend(unused.into_iter().map(|column| Warning::UnusedColumn { column }));
    let written = Written {
        formula: formula.to_owned(),
        zero_formula: design.zero_formula,
        data: Some(data.display().to_string()),
        weights: terms.weights.clone(),
        offset: terms.offset.clone(),
    };
    Ok(Model { built, settings, is_regression, written, table })
}

/// The columns that --factor and --ordered name and the model does not use; those that the table does not have are
/// refused.
fn unused_factors(data: &Path, terms: &TermArgs, used: &ColumnsUsed) -> Result<Vec<String>, Failure> {
    let options = terms.factor.iter().map(|text| ("--factor", text));
    let all = options.chain(terms.ordered.iter().map(|text| ("--ordered", text)));
    let name = |text: &str| text.split_once('=').map_or(text, |(name, _)| name).to_owned();
    let unused: Vec<(&str, String)> = all
        .map(|(option, text)| (option, name(text)))
        .filter(|(_, name)| !used.all && !used.names.contains(name))
        .collect();
    if unused.is_empty() {
        return Ok(Vec::new());
    }
    let everything = ColumnsUsed { all: true, ..ColumnsUsed::default() };
    let whole = table::read(data, &TermArgs { factor: vec![], ordered: vec![], ..terms.clone() }, &everything, false)?;
    for (option, name) in &unused {
        if whole.get(name).is_none() {
            let nearest =
                nearest(name, whole.names()).map_or_else(String::new, |n| format!("; the nearest is \"{n}\""));
            return Err(Failure::Input(format!("{option} {name}: there is no column \"{name}\"{nearest}")));
        }
    }
    Ok(unused.into_iter().map(|(_, name)| name).collect())
}

/// How the model is fitted.
fn settings(terms: &TermArgs) -> Result<Settings, Failure> {
    let input = |e: &dyn std::fmt::Display| Failure::Input(e.to_string());
    let FamilyName { family, link, zero } = parse_family(&terms.family).map_err(|e| input(&e))?;
    let mut settings = Settings::new(family);
    match (&terms.link, link) {
        (Some(given), Some(link)) if parse_link(given).is_ok_and(|given| given != link) => {
            let family = &terms.family;
            return Err(Failure::Input(format!("--family {family} and --link {given} name different links")));
        }
        (Some(given), _) => settings.link = parse_link(given).map_err(|e| input(&e))?,
        (None, Some(link)) => settings.link = link,
        (None, None) => {}
    }
    if !family.links().contains(&settings.link) {
        let accepted: Vec<&str> = family.links().iter().map(|l| l.name()).collect();
        return Err(Failure::Input(format!(
            "the {} family takes the links {}; {} was given",
            family.name(),
            accepted.join(", "),
            settings.link.name()
        )));
    }
    settings.zero = match (zero, zero_formula(terms)) {
        (ZeroPart::None, None) => ZeroPart::None,
        (ZeroPart::None, Some(_)) => ZeroPart::Inflated,
        (named, Some(_)) => named,
        (_, None) => {
            return Err(Failure::Input(format!(
                "--family {} has a zero part; give its formula, as in --zero-formula '~ 1'",
                terms.family
            )));
        }
    };
    settings.method = match terms.nagq {
        0 => Method::Joint,
        1 => Method::Laplace,
        points => Method::Quadrature(points),
    };
    settings.curvature = match terms.hessian {
        Hessian::Observed => Curvature::Observed,
        Hessian::Lme4 => Curvature::Expected,
    };
    settings.criterion = if terms.ml { Criterion::Ml } else { Criterion::Reml };
    if terms.reml && !settings.is_linear() {
        return Err(Failure::Input(format!(
            "--reml is for linear models; the {} family with the {} link is fitted by maximum likelihood",
            family.name(),
            settings.link.name()
        )));
    }
    Ok(settings)
}

/// The formula of the zero part; `~ 0` says that there is none.
fn zero_formula(terms: &TermArgs) -> Option<&String> {
    terms.zero_formula.as_ref().filter(|f| f.trim().trim_start_matches('~').trim() != "0")
}

fn design_settings(terms: &TermArgs, settings: &Settings) -> Result<formula::Settings, Failure> {
    let mut contrasts = BTreeMap::new();
    for text in &terms.contrasts {
        let refuse = || {
            Failure::Input(format!(
                "--contrasts {text}: accepted is COL=KIND, where KIND is treatment, sum, helmert or poly"
            ))
        };
        let (name, kind) = text.rsplit_once('=').ok_or_else(refuse)?;
        let contrast = match kind.trim().trim_start_matches("contr.") {
            "treatment" => Contrast::Treatment,
            "sum" => Contrast::Sum,
            "helmert" => Contrast::Helmert,
            "poly" | "polynomial" => Contrast::Polynomial,
            _ => return Err(refuse()),
        };
        contrasts.insert(name.trim().to_owned(), contrast);
    }
    Ok(formula::Settings {
        response: match settings.family {
            Family::Binomial | Family::BetaBinomial => ResponseKind::Binomial,
            Family::Ordinal => ResponseKind::Ordinal,
            _ => ResponseKind::Real,
        },
        zero_formula: zero_formula(terms).cloned(),
        weights: terms.weights.clone(),
        offset: terms.offset.clone(),
        contrasts,
        ..formula::Settings::default()
    })
}
