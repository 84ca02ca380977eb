//! The response: numbers, successes out of trials, or categories.

use super::ast::{Expr, Node};
use super::error::{FormulaError, Problem};
use super::value::{Evaluator, LOGICAL, Value};
use super::warning::Warning;
use super::{ResponseKind, blueprint::shortened};
use crate::design::Response;
use crate::table::Factor;
use std::borrow::Cow;

/// The response in every row of the table.
pub(crate) enum RowResponse<'t> {
    Real(Cow<'t, [f64]>),
    /// Successes, trials.
    Counts(Vec<f64>, Vec<f64>),
    /// Proportions, to be multiplied by the weights.
    Proportion(Cow<'t, [f64]>),
    Ordinal(Cow<'t, Factor>),
}

/// Evaluates the left side of a formula.
pub(crate) fn evaluate<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    kind: ResponseKind,
) -> Result<RowResponse<'t>, FormulaError> {
    let refuse = |what: String| Err(FormulaError::new(evaluator.text, expr.span.clone(), Problem::Response { what }));
    if let Node::Call(name, arguments) = &expr.bare().node
        && name == "cbind"
    {
        if kind != ResponseKind::Binomial {
            return refuse("is cbind(successes, failures), which only binomial families model".into());
        }
        let [successes, failures] = &arguments[..] else {
            return refuse(format!(
                "is cbind() of {} columns; accepted is cbind(successes, failures)",
                arguments.len()
            ));
        };
        let successes = evaluator.numbers(&successes.value)?;
        let failures = evaluator.numbers(&failures.value)?;
        let trials = successes.iter().zip(failures.iter()).map(|(s, f)| s + f).collect();
        return Ok(RowResponse::Counts(successes.into_owned(), trials));
    }
    match (kind, evaluator.value(expr)?) {
        (ResponseKind::Real, Value::Factor(factor)) if factor.levels != LOGICAL => {
            refuse(format!("has labels ({}); this family models numbers", shortened(&factor.levels)))
        }
        (ResponseKind::Real, _) => Ok(RowResponse::Real(evaluator.numbers(expr)?)),
        (ResponseKind::Binomial, Value::Factor(factor)) => {
            let number = |&code: &u32| if code == Factor::MISSING { f64::NAN } else { f64::from(u8::from(code > 0)) };
            Ok(RowResponse::Proportion(factor.codes.iter().map(number).collect()))
        }
        (ResponseKind::Binomial, _) => Ok(RowResponse::Proportion(evaluator.numbers(expr)?)),
        (ResponseKind::Ordinal, _) => Ok(RowResponse::Ordinal(evaluator.factor(expr)?)),
    }
}

impl RowResponse<'_> {
    /// Whether a row has a response.
    pub fn is_present(&self, row: usize) -> bool {
        match self {
            Self::Real(values) | Self::Proportion(values) => !values[row].is_nan(),
            Self::Counts(successes, trials) => !successes[row].is_nan() && !trials[row].is_nan(),
            Self::Ordinal(factor) => factor.codes[row] != Factor::MISSING,
        }
    }

    /// Whether the row says nothing because there were no trials.
    pub fn has_no_trials(&self, row: usize) -> bool {
        matches!(self, Self::Counts(_, trials) if trials[row] == 0.0)
    }

    /// The responses of the given rows, checked. `weights` of those rows become trials of a proportion, and then 1.
    pub fn of_rows(&self, rows: &[u32], weights: &mut [f64], warnings: &mut Vec<Warning>) -> Result<Response, Problem> {
        let of = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&r| values[r as usize]).collect() };
        match self {
            Self::Real(values) => {
                let values = of(values);
                match values.iter().position(|v| v.is_infinite()) {
                    Some(at) => Err(Problem::Infinite { what: "the response".into(), row: rows[at] as usize + 1 }),
                    None => Ok(Response::Real(values)),
                }
            }
            Self::Counts(successes, trials) => counts(of(successes), of(trials), rows, warnings),
            Self::Proportion(values) => {
                let proportions = of(values);
                if let Some(at) = proportions.iter().position(|v| !(0.0..=1.0).contains(v)) {
                    let (value, row) = (proportions[at], rows[at] + 1);
                    let what = format!(
                        "is {value} in row {row}; a binomial response is 0 or 1, a proportion with the trials as \
                         weights, cbind(successes, failures), or a factor"
                    );
                    return Err(Problem::Response { what });
                }
                let trials = weights.to_vec();
                weights.fill(1.0);
                // A proportion times its trials is a whole number up to rounding.
                let product = |(p, n): (&f64, &f64)| {
                    let s = p * n;
                    if (s - s.round()).abs() <= 1e-7 * n.max(1.0) { s.round() } else { s }
                };
                counts(proportions.iter().zip(&trials).map(product).collect(), trials, rows, warnings)
            }
            Self::Ordinal(factor) => {
                let mut used = vec![false; factor.levels.len()];
                rows.iter().for_each(|&r| used[factor.codes[r as usize] as usize] = true);
                let (levels, unused): (Vec<_>, Vec<_>) = factor.levels.iter().zip(&used).partition(|(_, used)| **used);
                if !unused.is_empty() {
                    let unused: Vec<String> = unused.into_iter().map(|(l, _)| l.clone()).collect();
                    warnings
                        .push(Warning::UnusedLevels { factor: "of the response".into(), levels: shortened(&unused) });
                }
                if levels.len() < 2 {
                    let what = "has one category only; an ordinal model needs two or more".into();
                    return Err(Problem::Response { what });
                }
                let numbered = used.iter().scan(0, |next, &used| {
                    let code = *next;
                    *next += u32::from(used);
                    Some(code)
                });
                let code_of: Vec<u32> = numbered.collect();
                let codes = rows.iter().map(|&r| code_of[factor.codes[r as usize] as usize]).collect();
                Ok(Response::Ordinal { codes, levels: levels.into_iter().map(|(l, _)| l.clone()).collect() })
            }
        }
    }
}

fn counts(
    successes: Vec<f64>,
    trials: Vec<f64>,
    rows: &[u32],
    warnings: &mut Vec<Warning>,
) -> Result<Response, Problem> {
    let is_wrong = |(s, n): (&f64, &f64)| !(*s >= 0.0 && s <= n && n.is_finite());
    if let Some(at) = successes.iter().zip(&trials).position(is_wrong) {
        let (s, f, row) = (successes[at], trials[at] - successes[at], rows[at] + 1);
        return Err(Problem::Response { what: format!("has {s} successes and {f} failures in row {row}") });
    }
    let broken = successes.iter().filter(|s| (*s - s.round()).abs() > 1e-3).count();
    if broken > 0 {
        warnings.push(Warning::BrokenCounts { rows: broken });
    }
    Ok(Response::Counts { successes, trials })
}
