//! Expressions of a formula, and how R writes them back.

use std::fmt::Write;
use std::ops::Range;

/// An expression and the bytes of the formula it stands at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    pub node: Node,
    pub span: Range<usize>,
    /// Levels of nesting below, for a bound on recursion.
    pub depth: usize,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Number(f64),
    Name(String),
    Text(String),
    /// Operands joined by `+` and `-` (true: subtracted); the first is never subtracted.
    Sum(Vec<(bool, Expr)>),
    /// A sign before an operand (true: minus).
    Sign(bool, Box<Expr>),
    /// `!` before an operand.
    Not(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Paren(Box<Expr>),
    Call(String, Vec<Argument>),
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Argument {
    pub name: Option<String>,
    pub value: Expr,
}

/// Operators other than `+` and `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Multiply,
    Divide,
    Power,
    Interact,
    In,
    Bar,
    DoubleBar,
    And,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl Operator {
    /// As R writes it between operands.
    fn written(self) -> &'static str {
        match self {
            Self::Multiply => " * ",
            Self::Divide => "/",
            Self::Power => "^",
            Self::Interact => ":",
            Self::In => " %in% ",
            Self::Bar => " | ",
            Self::DoubleBar => " || ",
            Self::And => " & ",
            Self::Less => " < ",
            Self::LessEqual => " <= ",
            Self::Greater => " > ",
            Self::GreaterEqual => " >= ",
            Self::Equal => " == ",
            Self::NotEqual => " != ",
        }
    }

    /// Whether its value is TRUE or FALSE in every row.
    pub fn is_logical(self) -> bool {
        use Operator::*;
        matches!(self, And | Less | LessEqual | Greater | GreaterEqual | Equal | NotEqual)
    }
}

impl Expr {
    /// The expression as R's `deparse` writes it.
    pub fn deparse(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match &self.node {
            Node::Number(value) => out.push_str(&number(*value)),
            Node::Name(name) => out.push_str(&symbol(name)),
            Node::Text(text) => {
                let _ = write!(out, "{text:?}");
            }
            Node::Sum(parts) => {
                for (n, (minus, part)) in parts.iter().enumerate() {
                    if n > 0 {
                        out.push_str(if *minus { " - " } else { " + " });
                    }
                    part.write(out);
                }
            }
            Node::Sign(minus, operand) => {
                out.push(if *minus { '-' } else { '+' });
                operand.write(out);
            }
            Node::Not(operand) => {
                out.push('!');
                operand.write(out);
            }
            Node::Binary(operator, left, right) => {
                left.write(out);
                out.push_str(operator.written());
                right.write(out);
            }
            Node::Paren(inside) => {
                out.push('(');
                inside.write(out);
                out.push(')');
            }
            Node::Call(function, arguments) => {
                out.push_str(function);
                out.push('(');
                for (n, argument) in arguments.iter().enumerate() {
                    if n > 0 {
                        out.push_str(", ");
                    }
                    if let Some(name) = &argument.name {
                        let _ = write!(out, "{name} = ");
                    }
                    argument.value.write(out);
                }
                out.push(')');
            }
        }
    }

    /// The expression without parentheses around it.
    pub fn bare(&self) -> &Expr {
        match &self.node {
            Node::Paren(inside) => inside.bare(),
            _ => self,
        }
    }

    /// Calls `visit` with every name that is a variable, and its place.
    pub fn names<'a>(&'a self, visit: &mut impl FnMut(&'a str, &Range<usize>)) {
        match &self.node {
            Node::Name(name) => visit(name, &self.span),
            Node::Number(_) | Node::Text(_) => {}
            Node::Sum(parts) => parts.iter().for_each(|(_, part)| part.names(visit)),
            Node::Sign(_, inside) | Node::Not(inside) | Node::Paren(inside) => inside.names(visit),
            Node::Binary(_, left, right) => {
                left.names(visit);
                right.names(visit);
            }
            Node::Call(_, arguments) => arguments.iter().for_each(|a| a.value.names(visit)),
        }
    }
}

/// A name as R writes it: in backticks unless it is a syntactic name.
pub(crate) fn symbol(name: &str) -> String {
    let mut chars = name.chars();
    let starts = match chars.next() {
        Some('.') => !chars.clone().next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_alphabetic(),
        None => false,
    };
    let reserved =
        ["if", "else", "for", "while", "repeat", "function", "next", "break", "in", "NULL", "NA", "Inf", "NaN"];
    if starts && chars.all(|c| c.is_alphanumeric() || matches!(c, '.' | '_')) && !reserved.contains(&name) {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
    }
}

/// A number as R writes it: up to 15 significant digits, in the shorter of fixed and scientific notation.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Inf" } else { "-Inf" }.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    // The fewest significant digits that give the same number when rounded to 15.
    let full = format!("{value:.14e}");
    let (mantissa, exponent) = full.split_once('e').expect("scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of a finite number is an integer");
    let digits = mantissa.trim_end_matches('0').trim_end_matches('.');
    let significant = digits.chars().filter(char::is_ascii_digit).count() as i32;
    let sign = if exponent < 0 { '-' } else { '+' };
    let scientific = format!("{digits}e{sign}{:02}", exponent.abs());
    let decimals = (significant - 1 - exponent).max(0) as usize;
    let fixed_width = exponent.max(0) as usize + 1 + if decimals > 0 { decimals + 1 } else { 0 };
    let minus = usize::from(value < 0.0);
    if fixed_width + minus <= scientific.chars().count() { format!("{value:.decimals$}") } else { scientific }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_r_writes_them() {
        // as.character() and deparse() of R 4.2.2.
        for (value, written) in [
            (1.0, "1"),
            (100_000.0, "1e+05"),
            (123_456.0, "123456"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (0.0001, "1e-04"),
            (0.00012, "0.00012"),
            (1e15, "1e+15"),
            (123_456.789, "123456.789"),
            (-2.5, "-2.5"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.333333333333333"),
            (1_000_000.5, "1000000.5"),
            (1e100, "1e+100"),
            (0.0, "0"),
        ] {
            assert_eq!(number(value), written);
        }
    }

    #[test]
    fn names_that_are_not_syntactic_stand_in_backticks() {
        for (name, written) in [
            ("x", "x"),
            (".a", ".a"),
            (".2a", "`.2a`"),
            ("my x", "`my x`"),
            ("_u", "`_u`"),
            ("if", "`if`"),
            ("ä.1", "ä.1"),
        ] {
            assert_eq!(symbol(name), written);
        }
    }
}
