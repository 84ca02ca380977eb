//! Random terms: `(x | g)`, `(x || g)`, `diag(x | g)`, `cs(x | g)`, `us(x | g)`.

use super::ast::{Expr, Node, Operator};
use super::error::{FormulaError, Problem};
use super::grouping::{Group, groups};
use super::terms::{Terms, expand};
use crate::design::Covariance;

/// A random term as it was written, for one grouping factor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RandomSpec {
    pub group: Group,
    pub covariance: Covariance,
    /// Written with two bars.
    pub double_bar: bool,
    /// The columns: one list of terms, or for two bars one for each term, as lme4 expands them.
    pub columns: Vec<Terms>,
    pub span: std::ops::Range<usize>,
}

/// A sum of expressions (true: subtracted).
pub(crate) type Parts<'e> = Vec<(bool, &'e Expr)>;

/// Parts the right side of a formula into the fixed part and the random terms.
pub(crate) fn split<'e>(text: &str, predictors: &'e Expr) -> Result<(Parts<'e>, Vec<RandomSpec>), FormulaError> {
    if bar_of(predictors).is_some() {
        return Err(FormulaError::new(text, predictors.span.clone(), Problem::BareBar));
    }
    let (mut fixed, mut random) = (Vec::new(), Vec::new());
    collect(text, predictors, false, &mut fixed, &mut random)?;
    Ok((fixed, random))
}

fn collect<'e>(
    text: &str,
    expr: &'e Expr,
    minus: bool,
    fixed: &mut Parts<'e>,
    random: &mut Vec<RandomSpec>,
) -> Result<(), FormulaError> {
    let inside = expr.bare();
    if let Some((covariance, bar)) = random_term(inside) {
        if minus {
            return Err(FormulaError::new(text, expr.span.clone(), Problem::BarInside));
        }
        random.extend(specs(text, covariance, bar)?);
        return Ok(());
    }
    match &inside.node {
        Node::Sum(parts) if !minus && has_bar(inside) => {
            parts.iter().try_for_each(|(minus, part)| collect(text, part, *minus, fixed, random))
        }
        Node::Sum(parts) if std::ptr::eq(inside, expr) && !minus => {
            fixed.extend(parts.iter().map(|(minus, part)| (*minus, part)));
            Ok(())
        }
        _ => {
            fixed.push((minus, expr));
            Ok(())
        }
    }
}

fn bar_of(expr: &Expr) -> Option<(bool, &Expr, &Expr)> {
    match &expr.node {
        Node::Binary(Operator::Bar, left, right) => Some((false, left, right)),
        Node::Binary(Operator::DoubleBar, left, right) => Some((true, left, right)),
        _ => None,
    }
}

fn has_bar(expr: &Expr) -> bool {
    match &expr.node {
        Node::Sum(parts) => parts.iter().any(|(_, part)| has_bar(part)),
        Node::Paren(inside) => has_bar(inside),
        _ => random_term(expr).is_some(),
    }
}

/// The covariance that was asked for by name, and the expression with the bar.
fn random_term(expr: &Expr) -> Option<(Option<Covariance>, &Expr)> {
    if bar_of(expr).is_some() {
        return Some((None, expr));
    }
    let Node::Call(name, arguments) = &expr.node else { return None };
    let covariance = match name.as_str() {
        "diag" => Covariance::Diagonal,
        "cs" => Covariance::CompoundSymmetric,
        "us" => Covariance::Unstructured,
        _ => return None,
    };
    match &arguments[..] {
        [only] if only.name.is_none() && bar_of(only.value.bare()).is_some() => {
            Some((Some(covariance), only.value.bare()))
        }
        _ => None,
    }
}

fn specs(text: &str, covariance: Option<Covariance>, expr: &Expr) -> Result<Vec<RandomSpec>, FormulaError> {
    let (double_bar, left, right) = bar_of(expr).expect("only expressions with a bar come here");
    if double_bar && covariance.is_some() {
        let expected = "one bar, since the covariance is named";
        return Err(FormulaError::new(
            text,
            left.span.end..right.span.start,
            Problem::Unexpected { found: "`||`".into(), expected },
        ));
    }
    let terms = expand(text, &[(false, left)], None)?;
    if let Some(offset) = terms.offsets.first() {
        let problem = Problem::NoTerm { found: "an offset of a random term".into() };
        return Err(FormulaError::new(text, offset.span.clone(), problem));
    }
    if !terms.intercept && terms.terms.is_empty() {
        return Err(FormulaError::new(text, expr.span.clone(), Problem::EmptyRandom));
    }
    let columns = if double_bar { one_by_one(&terms) } else { vec![terms] };
    let of_group = |group| RandomSpec {
        group,
        covariance: covariance.unwrap_or(if double_bar { Covariance::Diagonal } else { Covariance::Unstructured }),
        double_bar,
        columns: columns.clone(),
        span: expr.span.clone(),
    };
    Ok(groups(text, right)?.into_iter().map(of_group).collect())
}

/// `1 + x + f` as `1`, `0 + x` and `0 + f`.
fn one_by_one(terms: &Terms) -> Vec<Terms> {
    let alone = |intercept: bool, list: Vec<Vec<usize>>| Terms { intercept, terms: list, ..terms.clone() };
    let intercept = terms.intercept.then(|| alone(true, Vec::new()));
    intercept.into_iter().chain(terms.terms.iter().map(|t| alone(false, vec![t.clone()]))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parser::formula;
    use super::*;

    fn parted(text: &str) -> Result<(Vec<String>, Vec<RandomSpec>), FormulaError> {
        let sides = formula(text)?;
        let (fixed, random) = split(text, &sides.predictors)?;
        let sign = |(minus, e): &(bool, &Expr)| format!("{}{}", if *minus { "-" } else { "" }, e.deparse());
        Ok((fixed.iter().map(sign).collect(), random))
    }

    #[test]
    fn fixed_and_random_parts_are_told_apart() {
        let (fixed, random) = parted("y ~ 0 + x - z + (1 + x | a/b) + (x || g) + cs(0 + f | g) + ((1 | h))").unwrap();
        assert_eq!(fixed, ["0", "x", "-z"]);
        let names: Vec<&str> = random.iter().map(|r| r.group.name.as_str()).collect();
        assert_eq!(names, ["b:a", "a", "g", "g", "h"]);
        assert_eq!(random[2].columns.len(), 2);
        assert_eq!((random[2].covariance, random[2].double_bar), (Covariance::Diagonal, true));
        assert_eq!(random[3].covariance, Covariance::CompoundSymmetric);
        assert!(!random[3].columns[0].intercept && random[0].columns[0].intercept);
        let (fixed, random) = parted("y ~ (x + (1 | g))").unwrap();
        assert_eq!((fixed, random.len()), (vec!["x".to_owned()], 1));
        assert_eq!(parted("y ~ (x + z)").unwrap().0, ["(x + z)"]);
    }

    #[test]
    fn bars_where_they_mean_nothing_are_refused() {
        for (text, at) in [
            ("y ~ x + 1 | g", 4..13),
            ("y ~ x - (1 | g)", 8..15),
            ("y ~ (0 | g)", 5..10),
            ("y ~ diag(x || g)", 10..14),
            ("y ~ (offset(x) | g)", 12..13),
            ("y ~ (1 | 2)", 9..10),
            ("y ~ (. | g)", 5..6),
        ] {
            let error = parted(text).unwrap_err();
            assert_eq!(error.span, at, "{text}: {error}");
        }
        // Inside of products the bar is found when terms are formed.
        assert_eq!(parted("y ~ x * (1 | g)").unwrap().1.len(), 0);
    }
}
