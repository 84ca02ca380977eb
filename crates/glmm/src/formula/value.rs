//! The value of a variable: a column of the table, or a function of columns.
//!
//! What a function takes from the data (the centre of `scale`, the polynomials of `poly`, a mean) is learned once and
//! kept, so that new data go through the same function.

use super::ast::{Argument, Expr, Node, Operator, number};
use super::error::{FormulaError, Problem, nearest};
use super::functions;
use super::logic;
use super::polynomial::Basis;
use crate::table::{Column, Factor, Table};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'t> {
    /// The same number in every row.
    Constant(f64),
    /// A number for each row, NaN where it is missing.
    Numbers(Cow<'t, [f64]>),
    /// Several numbers for each row, and what stands after the variable's name in the names of the columns.
    Matrix { columns: Vec<Vec<f64>>, suffixes: Vec<String> },
    /// A label for each row.
    Factor(Cow<'t, Factor>),
}

/// What was learned from the data, under the expression that learned it.
pub(crate) type Memory = BTreeMap<String, Learned>;

/// What a function takes from the data it is fitted to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Learned {
    Basis(Basis),
    Scale { centre: f64, scale: f64 },
    Number(f64),
}

/// Evaluates expressions on a table.
pub(crate) struct Evaluator<'t, 'm> {
    pub text: &'m str,
    pub table: &'t Table,
    pub memory: &'m mut Memory,
}

/// The labels of logical values, in R's order.
pub(crate) const LOGICAL: [&str; 2] = ["FALSE", "TRUE"];

impl<'t> Evaluator<'t, '_> {
    pub fn error<T>(&self, expr: &Expr, problem: Problem) -> Result<T, FormulaError> {
        Err(FormulaError::new(self.text, expr.span.clone(), problem))
    }

    /// The value of an expression.
    pub fn value(&mut self, expr: &Expr) -> Result<Value<'t>, FormulaError> {
        match &expr.node {
            Node::Number(value) => Ok(Value::Constant(*value)),
            Node::Text(text) => self.error(expr, Problem::NoTerm { found: format!("the text {text:?}") }),
            Node::Name(name) => self.column(expr, name),
            Node::Paren(inside) => self.value(inside),
            Node::Sign(minus, inside) => {
                let value = self.numeric(inside)?;
                Ok(if *minus { map(value, |v| -v) } else { value })
            }
            Node::Sum(parts) => {
                let mut sum = Value::Constant(0.0);
                for (n, (minus, part)) in parts.iter().enumerate() {
                    let value = self.numeric(part)?;
                    sum = match (n, minus) {
                        (0, _) => value,
                        (_, true) => zip(sum, value, |a, b| a - b),
                        (_, false) => zip(sum, value, |a, b| a + b),
                    };
                }
                Ok(sum)
            }
            Node::Not(inside) => logic::not(self, inside),
            Node::Binary(Operator::In, left, right) => logic::is_one_of(self, expr, left, right),
            Node::Binary(operator, left, right) if operator.is_logical() => {
                logic::compare(self, expr, *operator, left, right)
            }
            Node::Binary(operator, left, right) => {
                let operation: fn(f64, f64) -> f64 = match operator {
                    Operator::Multiply => |a, b| a * b,
                    Operator::Divide => |a, b| a / b,
                    Operator::Power => functions::power,
                    Operator::Bar | Operator::DoubleBar => return self.error(expr, Problem::BarInside),
                    _ => {
                        return self
                            .error(expr, Problem::NoTerm { found: format!("{} in arithmetic", expr.deparse()) });
                    }
                };
                let left = self.numeric(left)?;
                Ok(zip(left, self.numeric(right)?, operation))
            }
            Node::Call(name, arguments) => functions::call(self, expr, name, arguments),
        }
    }

    /// A value that is a number for each row, or a constant; logical values count as 0 and 1.
    pub fn numeric(&mut self, expr: &Expr) -> Result<Value<'t>, FormulaError> {
        match self.value(expr)? {
            Value::Factor(factor) if factor.levels == LOGICAL => {
                let number = |&code: &u32| if code == Factor::MISSING { f64::NAN } else { f64::from(code) };
                Ok(Value::Numbers(factor.codes.iter().map(number).collect()))
            }
            Value::Factor(factor) => {
                let label = factor.levels.first().cloned().unwrap_or_default();
                self.error(expr, Problem::NotNumbers { what: expr.deparse(), label })
            }
            Value::Matrix { columns, .. } if columns.len() != 1 => {
                self.error(expr, Problem::NotOneColumn { what: expr.deparse(), columns: columns.len() })
            }
            Value::Matrix { mut columns, .. } => Ok(Value::Numbers(Cow::Owned(columns.remove(0)))),
            value => Ok(value),
        }
    }

    /// A number for each row; a constant is repeated.
    pub fn numbers(&mut self, expr: &Expr) -> Result<Cow<'t, [f64]>, FormulaError> {
        match self.numeric(expr)? {
            Value::Numbers(numbers) => Ok(numbers),
            Value::Constant(value) => Ok(Cow::Owned(vec![value; self.table.rows()])),
            Value::Matrix { .. } | Value::Factor(_) => unreachable!("numeric() gives numbers or a constant"),
        }
    }

    /// A factor; numbers become labels, ordered by their size.
    pub fn factor(&mut self, expr: &Expr) -> Result<Cow<'t, Factor>, FormulaError> {
        match self.value(expr)? {
            Value::Factor(factor) => Ok(factor),
            Value::Numbers(numbers) => Ok(Cow::Owned(factor_of_numbers(&numbers))),
            Value::Constant(_) => self.error(expr, Problem::Constant { what: expr.deparse() }),
            Value::Matrix { columns, .. } => {
                self.error(expr, Problem::NotOneColumn { what: expr.deparse(), columns: columns.len() })
            }
        }
    }

    fn column(&self, expr: &Expr, name: &str) -> Result<Value<'t>, FormulaError> {
        match (self.table.get(name), name) {
            (Some(Column::Numbers(numbers)), _) => Ok(Value::Numbers(Cow::Borrowed(numbers))),
            (Some(Column::Factor(factor)), _) => Ok(Value::Factor(Cow::Borrowed(factor))),
            (None, "pi") => Ok(Value::Constant(std::f64::consts::PI)),
            (None, _) => {
                let problem = Problem::UnknownColumn { name: name.into(), nearest: nearest(name, self.table.names()) };
                self.error(expr, problem)
            }
        }
    }

    /// What was learned under an expression; where nothing was, `learn` learns it now.
    pub fn learned(
        &mut self,
        expr: &Expr,
        learn: impl FnOnce() -> Result<Learned, Problem>,
    ) -> Result<Learned, FormulaError> {
        let key = expr.deparse();
        if let Some(known) = self.memory.get(&key) {
            return Ok(known.clone());
        }
        match learn() {
            Ok(learned) => {
                self.memory.insert(key, learned.clone());
                Ok(learned)
            }
            Err(problem) => self.error(expr, problem),
        }
    }

    /// The arguments of a call by the names of the parameters: named ones first, the others in their order, as R does.
    pub fn matched<'e>(
        &self,
        expr: &Expr,
        arguments: &'e [Argument],
        parameters: &[&str],
        takes: &str,
    ) -> Result<Vec<Option<&'e Expr>>, FormulaError> {
        let refuse = |at: &Expr| {
            let function = match &expr.node {
                Node::Call(name, _) => name.clone(),
                _ => expr.deparse(),
            };
            self.error(at, Problem::Arguments { function, takes: takes.to_owned() })
        };
        let mut found: Vec<Option<&Expr>> = vec![None; parameters.len()];
        for argument in arguments {
            if let Some(name) = &argument.name {
                match parameters.iter().position(|p| p == name) {
                    Some(at) if found[at].is_none() => found[at] = Some(&argument.value),
                    _ => return refuse(&argument.value),
                }
            }
        }
        for argument in arguments.iter().filter(|a| a.name.is_none()) {
            match found.iter_mut().find(|slot| slot.is_none()) {
                Some(slot) => *slot = Some(&argument.value),
                None => return refuse(&argument.value),
            }
        }
        if found.first().is_none_or(|first| first.is_none()) {
            return refuse(expr);
        }
        Ok(found)
    }
}

/// Applies a function to each number.
pub(crate) fn map<'t>(value: Value<'t>, function: impl Fn(f64) -> f64) -> Value<'t> {
    match value {
        Value::Constant(v) => Value::Constant(function(v)),
        Value::Numbers(numbers) => {
            let mut numbers = numbers.into_owned();
            numbers.iter_mut().for_each(|v| *v = function(*v));
            Value::Numbers(Cow::Owned(numbers))
        }
        other => other,
    }
}

/// Joins two numeric values row by row.
pub(crate) fn zip<'t>(left: Value<'t>, right: Value<'t>, function: impl Fn(f64, f64) -> f64) -> Value<'t> {
    match (left, right) {
        (Value::Constant(a), right) => map(right, |b| function(a, b)),
        (left, Value::Constant(b)) => map(left, |a| function(a, b)),
        (Value::Numbers(left), Value::Numbers(right)) => {
            let mut left = left.into_owned();
            left.iter_mut().zip(right.iter()).for_each(|(a, b)| *a = function(*a, *b));
            Value::Numbers(Cow::Owned(left))
        }
        (left, _) => left,
    }
}

/// Numbers as labels, the levels ascending; numbers that R writes alike are one level.
pub(crate) fn factor_of_numbers(numbers: &[f64]) -> Factor {
    use std::collections::HashMap;
    // -0 and 0 are the same number.
    let key = |v: f64| (v + 0.0).to_bits();
    let mut index: HashMap<u64, u32> = HashMap::new();
    let mut distinct: Vec<f64> = Vec::new();
    let mut codes: Vec<u32> = numbers
        .iter()
        .map(|&v| match v.is_nan() {
            true => Factor::MISSING,
            false => *index.entry(key(v)).or_insert_with(|| {
                distinct.push(v);
                distinct.len() as u32 - 1
            }),
        })
        .collect();
    let mut order: Vec<usize> = (0..distinct.len()).collect();
    order.sort_by(|&a, &b| distinct[a].total_cmp(&distinct[b]));
    let mut levels: Vec<String> = Vec::new();
    let mut code_of = vec![0; distinct.len()];
    for at in order {
        let label = number(distinct[at] + 0.0);
        if levels.last() != Some(&label) {
            levels.push(label);
        }
        code_of[at] = levels.len() as u32 - 1;
    }
    codes.iter_mut().filter(|c| **c != Factor::MISSING).for_each(|c| *c = code_of[*c as usize]);
    Factor { levels, codes, ordered: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_levels_by_their_size() {
        let factor = factor_of_numbers(&[10.0, 9.0, f64::NAN, -1.5, 10.0, 0.0, -0.0, 0.1 + 0.2, 0.3]);
        assert_eq!(factor.levels, ["-1.5", "0", "0.3", "9", "10"]);
        assert_eq!(factor.codes, [4, 3, Factor::MISSING, 0, 4, 1, 1, 2, 2]);
    }
}
