//! Columns of a model matrix with what rounding to `f64` cuts off.
//!
//! Decimal text has low parts ([`Table::low`]). They go through +, −, ×, ÷ and whole powers in double-double arithmetic,
//! so that a polynomial of the tenth degree in decimal data is the one that was written, to 31 digits.

use super::ast::{Expr, Node, Operator};
use super::blueprint::Blueprint;
use super::value::Value;
use crate::table::{Column, Table};
use qd::Quad;

/// A value with its low parts.
enum Exact {
    Constant(Quad),
    Rows(Vec<Quad>),
}

/// The numbers of an expression in double-double arithmetic; None where it is more than arithmetic.
pub(crate) fn numbers(expr: &Expr, table: &Table) -> Option<Vec<Quad>> {
    match exact(expr, table)? {
        Exact::Rows(rows) => Some(rows),
        Exact::Constant(_) => None,
    }
}

fn exact(expr: &Expr, table: &Table) -> Option<Exact> {
    match &expr.node {
        Node::Number(value) => Some(Exact::Constant(Quad::from(*value))),
        Node::Name(name) => match table.get(name)? {
            Column::Numbers(high) => {
                let mut rows: Vec<Quad> = high.iter().map(|&v| Quad::from(v)).collect();
                for (row, &low) in rows.iter_mut().zip(table.low(name).unwrap_or_default()) {
                    *row += Quad::from(low);
                }
                Some(Exact::Rows(rows))
            }
            Column::Factor(_) => None,
        },
        Node::Paren(inside) => exact(inside, table),
        Node::Sign(minus, inside) => {
            let value = exact(inside, table)?;
            Some(if *minus { map(value, |v| -v) } else { value })
        }
        Node::Sum(parts) => {
            let mut sum = Exact::Constant(Quad::ZERO);
            for (minus, part) in parts {
                let value = exact(part, table)?;
                sum = if *minus { zip(sum, value, |a, b| a - b) } else { zip(sum, value, |a, b| a + b) };
            }
            Some(sum)
        }
        Node::Binary(Operator::Multiply, left, right) => {
            Some(zip(exact(left, table)?, exact(right, table)?, |a, b| a * b))
        }
        Node::Binary(Operator::Divide, left, right) => {
            Some(zip(exact(left, table)?, exact(right, table)?, |a, b| a / b))
        }
        Node::Binary(Operator::Power, base, exponent) => {
            let base = exact(base, table)?;
            let exponent = whole(exponent)?;
            Some(map(base, |v| power(v, exponent)))
        }
        Node::Call(name, arguments) if name == "I" => match &arguments[..] {
            [only] => exact(&only.value, table),
            _ => None,
        },
        _ => None,
    }
}

/// An exponent whose power is a product.
fn whole(expr: &Expr) -> Option<u32> {
    match expr.bare().node {
        Node::Number(value) if value.fract() == 0.0 && (0.0..=100.0).contains(&value) => Some(value as u32),
        _ => None,
    }
}

fn power(base: Quad, exponent: u32) -> Quad {
    let (mut result, mut square, mut left) = (Quad::from(1.0), base, exponent);
    while left > 0 {
        if left % 2 == 1 {
            result *= square;
        }
        square *= square;
        left /= 2;
    }
    result
}

fn map(value: Exact, function: impl Fn(Quad) -> Quad) -> Exact {
    match value {
        Exact::Constant(v) => Exact::Constant(function(v)),
        Exact::Rows(rows) => Exact::Rows(rows.into_iter().map(function).collect()),
    }
}

fn zip(left: Exact, right: Exact, function: impl Fn(Quad, Quad) -> Quad) -> Exact {
    match (left, right) {
        (Exact::Constant(a), right) => map(right, |b| function(a, b)),
        (left, Exact::Constant(b)) => map(left, |a| function(a, b)),
        (Exact::Rows(a), Exact::Rows(b)) => Exact::Rows(a.into_iter().zip(b).map(|(a, b)| function(a, b)).collect()),
    }
}

/// The columns of raw powers of an expression: `poly(x, degree, raw = TRUE)`.
fn raw_powers(expr: &Expr, table: &Table, degree: usize) -> Option<Vec<Vec<Quad>>> {
    let Node::Call(name, arguments) = &expr.node else { return None };
    let is_raw = arguments.iter().any(|a| {
        a.name.as_deref() == Some("raw") && matches!(&a.value.node, Node::Name(flag) if flag == "TRUE" || flag == "T")
    });
    if name != "poly" || !is_raw {
        return None;
    }
    let base = numbers(&arguments.first()?.value, table)?;
    Some((1..=degree as u32).map(|k| base.iter().map(|&v| power(v, k)).collect()).collect())
}

/// The model matrix of some rows as high and low parts; `values` are those that [`Blueprint::matrix`] takes.
pub(crate) fn matrix(blueprint: &Blueprint, values: &[Value], table: &Table, rows: &[u32]) -> (Vec<f64>, Vec<f64>) {
    let variables = blueprint.terms.variables.iter().zip(values);
    let columns_of = |(variable, value): (&super::terms::Variable, &Value)| match value {
        Value::Numbers(rounded) => {
            let exact = numbers(&variable.expr, table);
            Some(vec![exact.unwrap_or_else(|| rounded.iter().map(|&v| Quad::from(v)).collect())])
        }
        Value::Matrix { columns, .. } => {
            let rounded = || columns.iter().map(|c| c.iter().map(|&v| Quad::from(v)).collect()).collect();
            Some(raw_powers(&variable.expr, table, columns.len()).unwrap_or_else(rounded))
        }
        Value::Constant(_) | Value::Factor(_) => None,
    };
    let numeric: Vec<Option<Vec<Vec<Quad>>>> = variables.map(columns_of).collect();
    let products = blueprint.products(&numeric, values, rows);
    products.into_iter().flatten().map(|v| (v.0, v.1)).unzip()
}
