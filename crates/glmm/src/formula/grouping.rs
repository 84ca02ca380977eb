//! Grouping factors: `g`, `factor(g)`, `a:b`, `a/b`.

use super::ast::{Expr, Node, Operator};
use super::error::{FormulaError, Problem};
use super::value::Evaluator;
use crate::table::Factor;
use std::borrow::Cow;
use std::collections::HashMap;

/// A grouping factor: the interaction of some factors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// As lme4 names it: "subject", "cask:batch", "c:(b:a)".
    pub name: String,
    /// The factors, the first changing slowest in the order of the levels.
    pub factors: Vec<Expr>,
}

impl Group {
    /// Its name within an expression.
    fn written(&self) -> String {
        match &self.factors[..] {
            [only] => only.deparse(),
            _ => self.name.clone(),
        }
    }
}

/// The most factors that one grouping factor joins.
const MAX_FACTORS: usize = 16;

/// The grouping factors that stand after a bar: one, or several for `a/b`, `a*b`, `a + b`, the innermost first.
pub(crate) fn groups(text: &str, expr: &Expr) -> Result<Vec<Group>, FormulaError> {
    let refusal = |at: &Expr| FormulaError::new(text, at.span.clone(), Problem::Group { found: at.deparse() });
    let join = |left: &Group, right: &Group, name: String| {
        let factors: Vec<Expr> = left.factors.iter().chain(&right.factors).cloned().collect();
        if factors.len() > MAX_FACTORS { Err(refusal(expr)) } else { Ok(Group { name, factors }) }
    };
    let one = |side: &Expr| match &groups(text, side)?[..] {
        [only] => Ok(only.clone()),
        _ => Err(refusal(side)),
    };
    match &expr.node {
        // lme4 writes a name alone without backticks, and within an expression with them.
        Node::Name(name) if name != "." => Ok(vec![Group { name: name.clone(), factors: vec![expr.clone()] }]),
        Node::Call(..) => Ok(vec![Group { name: expr.deparse(), factors: vec![expr.clone()] }]),
        Node::Paren(inside) => groups(text, inside),
        Node::Binary(Operator::Interact, left, right) => {
            let (l, r) = (one(left)?, one(right)?);
            Ok(vec![join(&l, &r, expr.deparse())?])
        }
        Node::Binary(Operator::Divide, left, right) => {
            let outer = groups(text, left)?;
            let inner = one(right)?;
            let around = &outer[0];
            let outer_name = if around.factors.len() > 1 { format!("({})", around.name) } else { around.written() };
            let name = format!("{}:{outer_name}", inner.written());
            Ok(std::iter::once(join(&inner, around, name)?).chain(outer).collect())
        }
        Node::Binary(Operator::Multiply, left, right) => {
            let (l, r) = (one(left)?, one(right)?);
            let both = join(&l, &r, format!("{}:{}", l.written(), r.written()))?;
            Ok(vec![l, r, both])
        }
        Node::Sum(parts) if parts.iter().all(|(minus, _)| !minus) => {
            let each: Vec<Vec<Group>> = parts.iter().map(|(_, part)| groups(text, part)).collect::<Result<_, _>>()?;
            Ok(each.concat())
        }
        _ => Err(refusal(expr)),
    }
}

/// A grouping factor that was evaluated: the factors it joins, row by row.
pub(crate) struct GroupValues<'t> {
    factors: Vec<Cow<'t, Factor>>,
}

/// The levels of a grouping factor that occur.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Levels {
    /// Labels, joined by ":".
    pub labels: Vec<String>,
    /// For each level the labels of the factors that are joined.
    parts: Vec<Vec<String>>,
}

impl<'t> GroupValues<'t> {
    /// Evaluates the factors of a group.
    pub fn of(group: &Group, evaluator: &mut Evaluator<'t, '_>) -> Result<Self, FormulaError> {
        let factors = group.factors.iter().map(|f| evaluator.factor(f)).collect::<Result<_, _>>()?;
        Ok(Self { factors })
    }

    /// Whether a row has a label in every factor.
    pub fn is_present(&self, row: usize) -> bool {
        self.factors.iter().all(|f| f.codes[row] != Factor::MISSING)
    }

    /// The levels that occur in the given rows, in the order of the factors, and the level of each row.
    pub fn levels(&self, rows: &[u32]) -> (Levels, Vec<u32>) {
        let mut parts: Vec<Vec<String>> = vec![Vec::new()];
        let mut codes = vec![0_u32; rows.len()];
        for factor in &self.factors {
            let width = factor.levels.len() as u64;
            let keys: Vec<u64> = codes
                .iter()
                .zip(rows)
                .map(|(&c, &r)| u64::from(c) * width + u64::from(factor.codes[r as usize]))
                .collect();
            let (distinct, next) = ranked(&keys, parts.len() as u64 * width);
            parts = distinct
                .iter()
                .map(|key| {
                    let mut part = parts[(key / width) as usize].clone();
                    part.push(factor.levels[(key % width) as usize].clone());
                    part
                })
                .collect();
            codes = next;
        }
        let labels = parts.iter().map(|part| part.join(":")).collect();
        (Levels { labels, parts }, codes)
    }

    /// For each of the given rows the index among known levels; `unknown` where it is none of them or missing.
    pub fn codes_in(&self, known: &Levels, rows: &[u32], unknown: u32) -> Vec<u32> {
        let index: HashMap<Vec<&str>, u32> =
            known.parts.iter().map(|part| part.iter().map(String::as_str).collect()).zip(0..).collect();
        let mut seen: HashMap<Vec<u32>, u32> = HashMap::new();
        let level = |row: u32| {
            let codes: Vec<u32> = self.factors.iter().map(|f| f.codes[row as usize]).collect();
            *seen.entry(codes).or_insert_with_key(|codes| {
                let labels: Option<Vec<&str>> = self
                    .factors
                    .iter()
                    .zip(codes)
                    .map(|(f, &c)| f.levels.get(c as usize).map(String::as_str))
                    .collect();
                labels.and_then(|labels| index.get(&labels).copied()).unwrap_or(unknown)
            })
        };
        rows.iter().copied().map(level).collect()
    }
}

/// The distinct keys, ascending, and the rank of each key; keys are below `limit`.
pub(crate) fn ranked(keys: &[u64], limit: u64) -> (Vec<u64>, Vec<u32>) {
    if limit <= 4 * keys.len() as u64 + 1024 {
        let mut rank = vec![u32::MAX; limit as usize];
        keys.iter().for_each(|&key| rank[key as usize] = 0);
        let mut distinct = Vec::new();
        for (key, rank) in rank.iter_mut().enumerate().filter(|(_, rank)| **rank == 0) {
            *rank = distinct.len() as u32;
            distinct.push(key as u64);
        }
        let ranks = keys.iter().map(|&key| rank[key as usize]).collect();
        return (distinct, ranks);
    }
    let mut distinct = keys.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let index: HashMap<u64, u32> = distinct.iter().copied().zip(0..).collect();
    let ranks = keys.iter().map(|key| index[key]).collect();
    (distinct, ranks)
}

#[cfg(test)]
mod tests {
    use super::super::parser::expression;
    use super::super::value::Memory;
    use super::*;
    use crate::table::{Column, Table};

    fn names(text: &str) -> Vec<String> {
        groups(text, &expression(text).unwrap()).unwrap().into_iter().map(|g| g.name).collect()
    }

    /// Names of `lFormula(…)$reTrms$cnms`, lme4 1.1.31.
    #[test]
    fn nested_groups_are_named_as_lme4_names_them() {
        assert_eq!(names("a/b/c"), ["c:(b:a)", "b:a", "a"]);
        assert_eq!(names("a/b"), ["b:a", "a"]);
        assert_eq!(names("a:b"), ["a:b"]);
        assert_eq!(names("factor(a):b"), ["factor(a):b"]);
        assert_eq!(names("a*b"), ["a", "b", "a:b"]);
        assert_eq!(names("`a b`/c"), ["c:`a b`", "a b"]);
        assert_eq!(names("a + b"), ["a", "b"]);
        for text in ["1", "a - b", "a^2", "'g'", "a:(b + c)"] {
            assert!(groups(text, &expression(text).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn levels_of_an_interaction_occur_and_the_first_factor_changes_slowest() {
        let factor = |levels: [&str; 2], codes: [u32; 5]| {
            Column::Factor(Factor { levels: levels.map(str::to_owned).to_vec(), codes: codes.to_vec(), ordered: false })
        };
        let mut table = Table::new();
        table.push("a", factor(["x", "w"], [1, 0, 0, 1, 1])).unwrap();
        table.push("b", factor(["2", "1"], [1, 1, 0, 1, Factor::MISSING])).unwrap();
        let mut memory = Memory::new();
        let mut evaluator = Evaluator { text: "a:b", table: &table, memory: &mut memory };
        let group = groups("a:b", &expression("a:b").unwrap()).unwrap().remove(0);
        let values = GroupValues::of(&group, &mut evaluator).unwrap();
        assert!(values.is_present(0) && !values.is_present(4));
        let (levels, codes) = values.levels(&[0, 1, 2, 3]);
        assert_eq!(levels.labels, ["x:2", "x:1", "w:1"]);
        assert_eq!(codes, [2, 1, 0, 2]);
        assert_eq!(values.codes_in(&levels, &[3, 4, 2], 9), [2, 9, 0]);
        let (levels, _) = values.levels(&[0, 3]);
        assert_eq!(levels.labels, ["w:1"]);
        assert_eq!(values.codes_in(&levels, &[1, 0], 9), [9, 0]);
    }

    #[test]
    fn keys_are_ranked_alike_with_few_and_with_many_possible_keys() {
        let keys = [7, 3, 3, 900, 7];
        assert_eq!(ranked(&keys, 1000), ranked(&keys, u64::MAX));
        assert_eq!(ranked(&keys, 1000), (vec![3, 7, 900], vec![1, 0, 0, 2, 1]));
    }
}
