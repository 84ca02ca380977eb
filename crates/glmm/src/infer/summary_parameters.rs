//! The parameters that people report: fixed effects, standard deviations, correlations, scale.

use serde::Serialize;

use crate::fit::Fit;
use crate::settings::Family;

/// What a reported parameter is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterKind {
    /// A fixed effect of the mean: its column.
    Fixed(usize),
    /// A fixed effect of the zero part: its column.
    Zero(usize),
    /// A threshold between ordered categories.
    Threshold(usize),
    /// A standard deviation of a random term.
    Sd {
        /// The term, in the order of the fit.
        term: usize,
        /// The effect.
        column: usize,
    },
    /// A correlation of a random term.
    Correlation {
        /// The term, in the order of the fit.
        term: usize,
        /// The first effect.
        row: usize,
        /// The second effect, before the first.
        column: usize,
    },
    /// The scale or shape of the family.
    Dispersion,
}

/// A reported parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryParameter {
    /// Its name: that of the coefficient, `sd_(Intercept)|g`, `cor_x.(Intercept)|g`, `sigma` or `dispersion`.
    pub name: String,
    /// What it is.
    pub kind: ParameterKind,
    /// The estimate.
    pub value: f64,
}

/// All reported parameters of a fit: standard deviations and correlations term by term, the scale, fixed effects.
pub fn summary_parameters(fit: &Fit) -> Vec<SummaryParameter> {
    let mut all = Vec::new();
    let mut push = |name: String, kind: ParameterKind, value: f64| all.push(SummaryParameter { name, kind, value });
    for (term, random) in fit.random.iter().enumerate() {
        let group = if random.predictor == 1 { format!("zero: {}", random.group) } else { random.group.clone() };
        for (column, name) in random.columns.iter().enumerate() {
            push(format!("sd_{name}|{group}"), ParameterKind::Sd { term, column }, random.sd[column]);
            if random.form != crate::design::Covariance::Diagonal {
                for (row, other) in random.columns.iter().enumerate().skip(column + 1) {
                    let kind = ParameterKind::Correlation { term, row, column };
                    push(format!("cor_{other}.{name}|{group}"), kind, random.correlation[(row, column)]);
                }
            }
        }
    }
    if let Some(dispersion) = fit.dispersion {
        let name = if fit.settings.family == Family::Gaussian { "sigma" } else { "dispersion" };
        push(name.into(), ParameterKind::Dispersion, dispersion);
    }
    for (j, name) in fit.fixed.names.iter().enumerate() {
        push(name.clone(), ParameterKind::Fixed(j), fit.fixed.values[j]);
    }
    for (j, name) in fit.zero.iter().flat_map(|z| z.names.iter().enumerate()) {
        let value = fit.zero.as_ref().map_or(f64::NAN, |z| z.values[j]);
        push(format!("zero: {name}"), ParameterKind::Zero(j), value);
    }
    for (j, name) in fit.thresholds.iter().flat_map(|t| t.names.iter().enumerate()) {
        let value = fit.thresholds.as_ref().map_or(f64::NAN, |t| t.values[j]);
        push(name.clone(), ParameterKind::Threshold(j), value);
    }
    all
}
