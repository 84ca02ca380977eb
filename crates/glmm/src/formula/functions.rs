//! The functions that formulas know.

use super::ast::{Argument, Expr, Node};
use super::error::{FormulaError, Problem, nearest};
use super::polynomial::{Basis, distinct_up_to};
use super::value::{Evaluator, Learned, Value, map, zip};
use crate::table::Factor;
use std::borrow::Cow;
use std::collections::HashMap;

type Plain = (&'static str, fn(f64) -> f64);

/// Functions of one number.
const PLAIN: [Plain; 25] = [
    ("log2", f64::log2),
    ("log10", f64::log10),
    ("log1p", f64::ln_1p),
    ("exp", f64::exp),
    ("expm1", f64::exp_m1),
    ("sqrt", f64::sqrt),
    ("abs", f64::abs),
    ("sign", |v| if v == 0.0 { 0.0 } else { v.signum() }),
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sinh", f64::sinh),
    ("cosh", f64::cosh),
    ("tanh", f64::tanh),
    ("floor", f64::floor),
    ("ceiling", f64::ceil),
    ("trunc", f64::trunc),
    ("round", f64::round_ties_even),
    ("plogis", |v| 1.0 / (1.0 + (-v).exp())),
    ("qlogis", |v| (v / (1.0 - v)).ln()),
    ("I", |v| v),
    ("as.double", |v| v),
];

/// Numbers that summarise a column; they are learned, so that new data are measured with the same.
const SUMMARIES: [&str; 7] = ["mean", "sd", "var", "min", "max", "median", "sum"];

/// All other functions.
const OTHER: [&str; 11] = [
    "log",
    "poly",
    "scale",
    "factor",
    "as.factor",
    "ordered",
    "as.ordered",
    "relevel",
    "as.numeric",
    "as.integer",
    "offset",
];

/// x to the power y; whole powers are products, as in R.
pub(crate) fn power(x: f64, y: f64) -> f64 {
    if y == 2.0 { x * x } else { x.powf(y) }
}

/// The value of a call.
pub(crate) fn call<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    name: &str,
    arguments: &[Argument],
) -> Result<Value<'t>, FormulaError> {
    match name {
        "poly" => poly(evaluator, expr, arguments),
        "scale" => scale(evaluator, expr, arguments),
        "factor" | "as.factor" | "ordered" | "as.ordered" => factor(evaluator, expr, name, arguments),
        "relevel" => relevel(evaluator, expr, arguments),
        "log" => log(evaluator, expr, arguments),
        "as.numeric" | "as.integer" => as_number(evaluator, expr, arguments),
        "I" => {
            let given = evaluator.matched(expr, arguments, &["x"], "one argument")?;
            evaluator.value(given[0].expect("the first argument is given"))
        }
        _ => {
            if let Some((_, function)) = PLAIN.iter().find(|(known, _)| *known == name) {
                let given = evaluator.matched(expr, arguments, &["x"], "one argument")?;
                return Ok(map(evaluator.numeric(given[0].expect("the first argument is given"))?, function));
            }
            if SUMMARIES.contains(&name) {
                return summary(evaluator, expr, name, arguments);
            }
            let known = PLAIN.iter().map(|(n, _)| *n).chain(SUMMARIES).chain(OTHER);
            let problem = Problem::UnknownFunction { name: name.to_owned(), nearest: nearest(name, known) };
            evaluator.error(expr, problem)
        }
    }
}

fn log<'t>(evaluator: &mut Evaluator<'t, '_>, expr: &Expr, arguments: &[Argument]) -> Result<Value<'t>, FormulaError> {
    let given = evaluator.matched(expr, arguments, &["x", "base"], "a variable and a base")?;
    let value = evaluator.numeric(given[0].expect("the first argument is given"))?;
    let Some(base) = given[1] else { return Ok(map(value, f64::ln)) };
    let base = evaluator.numeric(base)?;
    // Exact for powers of 2 and 10, as R is.
    let logarithm = |v: f64, base: f64| match base {
        2.0 => v.log2(),
        10.0 => v.log10(),
        _ => v.ln() / base.ln(),
    };
    Ok(zip(value, base, logarithm))
}

fn as_number<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    arguments: &[Argument],
) -> Result<Value<'t>, FormulaError> {
    let given = evaluator.matched(expr, arguments, &["x"], "one argument")?;
    let inside = given[0].expect("the first argument is given");
    let whole = matches!(&expr.node, Node::Call(name, _) if name == "as.integer");
    match evaluator.value(inside)? {
        Value::Factor(factor) if factor.levels != super::value::LOGICAL => {
            let number = |&code: &u32| if code == Factor::MISSING { f64::NAN } else { f64::from(code) + 1.0 };
            Ok(Value::Numbers(factor.codes.iter().map(number).collect()))
        }
        _ => Ok(map(evaluator.numeric(inside)?, |v| if whole { v.trunc() } else { v })),
    }
}

fn summary<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    name: &str,
    arguments: &[Argument],
) -> Result<Value<'t>, FormulaError> {
    let given = evaluator.matched(expr, arguments, &["x"], "one argument")?;
    let numbers = evaluator.numbers(given[0].expect("the first argument is given"))?;
    let learned = evaluator.learned(expr, || {
        let mut present: Vec<f64> = numbers.iter().copied().filter(|v| !v.is_nan()).collect();
        let n = present.len() as f64;
        let mean = present.iter().sum::<f64>() / n;
        let variance = present.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
        Ok(Learned::Number(match name {
            "mean" => mean,
            "sum" => present.iter().sum(),
            "var" => variance,
            "sd" => variance.sqrt(),
            "min" => present.iter().copied().fold(f64::INFINITY, f64::min),
            "max" => present.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            _ => {
                present.sort_by(f64::total_cmp);
                let at = |i: usize| present.get(i).copied().unwrap_or(f64::NAN);
                let middle = present.len() / 2;
                if present.len() % 2 == 1 { at(middle) } else { (at(middle.wrapping_sub(1)) + at(middle)) / 2.0 }
            }
        }))
    })?;
    let Learned::Number(value) = learned else { unreachable!("a summary learns a number") };
    Ok(Value::Constant(value))
}

fn poly<'t>(evaluator: &mut Evaluator<'t, '_>, expr: &Expr, arguments: &[Argument]) -> Result<Value<'t>, FormulaError> {
    const TAKES: &str = "one variable, a degree (a whole number from 1 to 50) and raw = TRUE or FALSE";
    let given = evaluator.matched(expr, arguments, &["x", "degree", "raw", "simple"], TAKES)?;
    let inside = given[0].expect("the first argument is given");
    let refuse = |evaluator: &Evaluator, at: &Expr| {
        evaluator.error(at, Problem::Arguments { function: "poly".into(), takes: TAKES.into() })
    };
    let degree = match given[1].map(|e| (e, &e.bare().node)) {
        None => 1,
        Some((_, Node::Number(v))) if v.fract() == 0.0 && (1.0..=50.0).contains(v) => *v as usize,
        Some((at, _)) => return refuse(evaluator, at),
    };
    let raw = match given[2] {
        None => false,
        Some(flag) => match truth(flag) {
            Some(raw) => raw,
            None => return refuse(evaluator, flag),
        },
    };
    let numbers = evaluator.numbers(inside)?;
    let suffixes = (1..=degree).map(|j| j.to_string()).collect();
    if raw {
        let columns = (1..=degree).map(|j| numbers.iter().map(|v| v.powi(j as i32)).collect()).collect();
        return Ok(Value::Matrix { columns, suffixes });
    }
    let learned = evaluator.learned(expr, || {
        let present: Vec<f64> = numbers.iter().copied().filter(|v| v.is_finite()).collect();
        Basis::fit(&present, degree).map(Learned::Basis).ok_or_else(|| Problem::Degree {
            name: inside.deparse(),
            degree,
            distinct: distinct_up_to(&present, degree + 1),
        })
    })?;
    let Learned::Basis(basis) = learned else { unreachable!("poly() learns polynomials") };
    Ok(Value::Matrix { columns: basis.columns(&numbers), suffixes })
}

fn scale<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    arguments: &[Argument],
) -> Result<Value<'t>, FormulaError> {
    const TAKES: &str = "one variable, and center and scale, each TRUE, FALSE or a number";
    let given = evaluator.matched(expr, arguments, &["x", "center", "scale"], TAKES)?;
    let choice = |evaluator: &Evaluator, at: Option<&Expr>| match at.map(|e| (e, truth(e), constant(e))) {
        None => Ok((true, None)),
        Some((_, Some(flag), _)) => Ok((flag, None)),
        Some((_, None, Some(value))) => Ok((true, Some(value))),
        Some((e, None, None)) => {
            evaluator.error(e, Problem::Arguments { function: "scale".into(), takes: TAKES.into() })
        }
    };
    let (centred, fixed_centre) = choice(evaluator, given[1])?;
    let (scaled, fixed_scale) = choice(evaluator, given[2])?;
    let value = evaluator.numbers(given[0].expect("the first argument is given"))?;
    let learned = evaluator.learned(expr, || {
        let present = || value.iter().copied().filter(|v| !v.is_nan());
        let n = present().count() as f64;
        let mean = present().sum::<f64>() / n;
        let centre = if centred { fixed_centre.unwrap_or(mean) } else { 0.0 };
        let root_mean_square =
            (present().map(|v| (v - centre) * (v - centre)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
        let scale = if scaled { fixed_scale.unwrap_or(root_mean_square) } else { 1.0 };
        Ok(Learned::Scale { centre, scale })
    })?;
    let Learned::Scale { centre, scale } = learned else { unreachable!("scale() learns centre and scale") };
    Ok(map(Value::Numbers(value), |v| (v - centre) / scale))
}

fn factor<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    name: &str,
    arguments: &[Argument],
) -> Result<Value<'t>, FormulaError> {
    const TAKES: &str = "one variable, levels = c(…) in their order, and ordered = TRUE or FALSE";
    let given = evaluator.matched(expr, arguments, &["x", "levels", "ordered"], TAKES)?;
    let original = evaluator.factor(given[0].expect("the first argument is given"))?;
    let refuse = |evaluator: &Evaluator, at: &Expr| {
        evaluator.error(at, Problem::Arguments { function: name.to_owned(), takes: TAKES.into() })
    };
    let mut factor = original.into_owned();
    factor.ordered = match (name, given[2].map(|e| (e, truth(e)))) {
        ("ordered" | "as.ordered", None) => true,
        (_, None) => factor.ordered,
        (_, Some((_, Some(flag)))) => flag,
        (_, Some((at, None))) => return refuse(evaluator, at),
    };
    if let Some(list) = given[1] {
        let Some(levels) = labels(list) else { return refuse(evaluator, list) };
        factor = with_levels(&factor, levels);
    }
    Ok(Value::Factor(Cow::Owned(factor)))
}

fn relevel<'t>(
    evaluator: &mut Evaluator<'t, '_>,
    expr: &Expr,
    arguments: &[Argument],
) -> Result<Value<'t>, FormulaError> {
    let takes = "a factor and ref, one of its levels";
    let given = evaluator.matched(expr, arguments, &["x", "ref"], takes)?;
    let factor = evaluator.factor(given[0].expect("the first argument is given"))?;
    let reference = given[1].and_then(labels).filter(|l| l.len() == 1).map(|mut l| l.remove(0));
    match reference.filter(|label| factor.levels.contains(label)) {
        None => evaluator
            .error(given[1].unwrap_or(expr), Problem::Arguments { function: "relevel".into(), takes: takes.into() }),
        Some(reference) => {
            let others = factor.levels.iter().filter(|l| **l != reference).cloned();
            let levels = std::iter::once(reference.clone()).chain(others).collect();
            Ok(Value::Factor(Cow::Owned(with_levels(&factor, levels))))
        }
    }
}

/// The factor with other levels; rows whose label is not among them are missing.
pub(crate) fn with_levels(factor: &Factor, levels: Vec<String>) -> Factor {
    let index: HashMap<&str, u32> = levels.iter().zip(0..).map(|(label, code)| (label.as_str(), code)).collect();
    let code_of: Vec<u32> =
        factor.levels.iter().map(|label| index.get(label.as_str()).copied().unwrap_or(Factor::MISSING)).collect();
    let codes = factor.codes.iter().map(|&c| code_of.get(c as usize).copied().unwrap_or(Factor::MISSING)).collect();
    Factor { levels, codes, ordered: factor.ordered }
}

/// TRUE or FALSE.
fn truth(expr: &Expr) -> Option<bool> {
    match &expr.bare().node {
        Node::Name(name) if matches!(name.as_str(), "TRUE" | "T") => Some(true),
        Node::Name(name) if matches!(name.as_str(), "FALSE" | "F") => Some(false),
        _ => None,
    }
}

/// A number with its sign.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.bare().node {
        Node::Number(value) => Some(*value),
        Node::Sign(minus, inside) => constant(inside).map(|v| if *minus { -v } else { v }),
        _ => None,
    }
}

/// One label, or several in c(…); distinct.
pub(crate) fn labels(expr: &Expr) -> Option<Vec<String>> {
    let label = |expr: &Expr| match &expr.bare().node {
        Node::Text(text) => Some(text.clone()),
        _ => constant(expr).map(super::ast::number),
    };
    let list: Vec<String> = match &expr.bare().node {
        Node::Call(c, arguments) if c == "c" => arguments.iter().map(|a| label(&a.value)).collect::<Option<_>>()?,
        _ => vec![label(expr)?],
    };
    let distinct = list.iter().collect::<std::collections::HashSet<_>>().len() == list.len();
    (distinct && !list.is_empty()).then_some(list)
}
