//! Comparisons and logical operators: TRUE or FALSE for each row, as R has them in `I(x > 0)` and `f == "a"`.

use super::ast::{Expr, Node, Operator, number};
use super::error::{FormulaError, Problem};
use super::functions::labels;
use super::value::{Evaluator, LOGICAL, Value};
use crate::table::Factor;
use std::borrow::Cow;

/// Truths as the factor that R makes of them in a model matrix; NaN is missing.
fn truths<'t>(rows: impl Iterator<Item = Option<bool>>) -> Value<'t> {
    let codes = rows.map(|truth| truth.map_or(Factor::MISSING, u32::from)).collect();
    Value::Factor(Cow::Owned(Factor { levels: LOGICAL.map(str::to_owned).to_vec(), codes, ordered: false }))
}

/// `!x`.
pub(crate) fn not<'t>(evaluator: &mut Evaluator<'t, '_>, operand: &Expr) -> Result<Value<'t>, FormulaError> {
    let numbers = evaluator.numbers(operand)?;
    Ok(truths(numbers.iter().map(|v| (!v.is_nan()).then_some(*v == 0.0))))
}

/// `f %in% c("a", "b")`, `x %in% 1`; a missing value is in no list.
pub(crate) fn is_one_of<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    left: &Expr,
    right: &Expr,
) -> Result<Value<'t>, FormulaError> {
    let Some(list) = labels(right) else {
        return evaluator.error(expr, Problem::NoTerm { found: format!("{} in arithmetic", expr.deparse()) });
    };
    let factor = evaluator.factor(left)?;
    let is_in: Vec<bool> = factor.levels.iter().map(|level| list.contains(level)).collect();
    Ok(truths(factor.codes.iter().map(|&c| Some(is_in.get(c as usize).copied().unwrap_or(false)))))
}

/// `a < b`, `a == b`, `a & b` and their like.
pub(crate) fn compare<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    operator: Operator,
    left: &Expr,
    right: &Expr,
) -> Result<Value<'t>, FormulaError> {
    let (one, other) = (side(evaluator, left)?, side(evaluator, right)?);
    if let (Side::Value(Value::Constant(_)) | Side::Text(_), Side::Value(Value::Constant(_)) | Side::Text(_)) =
        (&one, &other)
    {
        return evaluator.error(expr, Problem::Constant { what: expr.deparse() });
    }
    if one.has_labels() || other.has_labels() {
        let equal = match operator {
            Operator::Equal => true,
            Operator::NotEqual => false,
            _ => return evaluator.error(expr, Problem::LabelOrder { what: expr.deparse() }),
        };
        let rows = evaluator.table.rows();
        let same = |row: usize| Some((one.label(row)? == other.label(row)?) == equal);
        return Ok(truths((0..rows).map(same)));
    }
    let test = |a: f64, b: f64| match operator {
        Operator::And if a == 0.0 || b == 0.0 => Some(false),
        _ if a.is_nan() || b.is_nan() => None,
        Operator::And => Some(true),
        Operator::Less => Some(a < b),
        Operator::LessEqual => Some(a <= b),
        Operator::Greater => Some(a > b),
        Operator::GreaterEqual => Some(a >= b),
        Operator::Equal => Some(a == b),
        _ => Some(a != b),
    };
    let (a, b) = (evaluator.numbers(left)?, evaluator.numbers(right)?);
    Ok(truths(a.iter().zip(b.iter()).map(|(a, b)| test(*a, *b))))
}

/// One side of a comparison.
enum Side<'t> {
    Text(String),
    Value(Value<'t>),
}

fn side<'t>(evaluator: &mut Evaluator<'t, '_>, expr: &Expr) -> Result<Side<'t>, FormulaError> {
    match &expr.bare().node {
        Node::Text(text) => Ok(Side::Text(text.clone())),
        Node::Name(name) if matches!(name.as_str(), "TRUE" | "FALSE") => Ok(Side::Text(name.clone())),
        _ => evaluator.value(expr).map(Side::Value),
    }
}

impl Side<'_> {
    fn has_labels(&self) -> bool {
        match self {
            Side::Text(_) => true,
            Side::Value(Value::Factor(factor)) => factor.levels != LOGICAL,
            Side::Value(_) => false,
        }
    }

    /// What stands in a row, as R writes it; nothing where it is missing.
    fn label(&self, row: usize) -> Option<Cow<'_, str>> {
        let written = |v: f64| (!v.is_nan()).then(|| Cow::Owned(number(v)));
        match self {
            Side::Text(text) => Some(Cow::Borrowed(text)),
            Side::Value(Value::Factor(factor)) => {
                factor.levels.get(factor.codes[row] as usize).map(|level| Cow::Borrowed(level.as_str()))
            }
            Side::Value(Value::Constant(v)) => written(*v),
            Side::Value(Value::Numbers(numbers)) => written(numbers[row]),
            Side::Value(Value::Matrix { .. }) => None,
        }
    }
}
