//! From tokens to expressions, with R's precedence of operators.
//!
//! From loosest to tightest: `~`, `|` and `||`, `&`, `!`, comparisons, `+` and `-`, `*` and `/`, `%in%`, `:`, signs, `^` (to
//! the right).

use super::ast::{Argument, Expr, Node, Operator};
use super::error::{FormulaError, Problem};
use super::lexer::{Token, TokenKind, tokens};

/// A formula: what stands before and after its tilde.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sides {
    pub response: Option<Expr>,
    pub predictors: Expr,
}

/// The greatest nesting that is accepted: it bounds recursion, here and in all that walks an expression.
pub(crate) const MAX_DEPTH: usize = 64;

/// Parses `response ~ predictors`, `~ predictors` or `predictors`.
pub(crate) fn formula(text: &str) -> Result<Sides, FormulaError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0 };
    let first = if parser.is_mark("~") { None } else { Some(parser.expression(0, 0)?) };
    let sides = if parser.take_mark("~") {
        Sides { response: first, predictors: parser.expression(0, 0)? }
    } else {
        Sides { response: None, predictors: first.expect("without a tilde an expression was read") }
    };
    parser.end()?;
    Ok(sides)
}

/// Parses an expression without tilde.
pub(crate) fn expression(text: &str) -> Result<Expr, FormulaError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0 };
    let expr = parser.expression(0, 0)?;
    parser.end()?;
    Ok(expr)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
}

const BAR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const SUM: u8 = 5;
const PRODUCT: u8 = 6;
const IN: u8 = 7;
const INTERACT: u8 = 8;
const SIGN: u8 = 9;
const POWER: u8 = 10;

fn binding(mark: &str) -> Option<(u8, Option<Operator>)> {
    Some(match mark {
        "|" => (BAR, Some(Operator::Bar)),
        "||" => (BAR, Some(Operator::DoubleBar)),
        "&" => (AND, Some(Operator::And)),
        "<" => (COMPARE, Some(Operator::Less)),
        "<=" => (COMPARE, Some(Operator::LessEqual)),
        ">" => (COMPARE, Some(Operator::Greater)),
        ">=" => (COMPARE, Some(Operator::GreaterEqual)),
        "==" => (COMPARE, Some(Operator::Equal)),
        "!=" => (COMPARE, Some(Operator::NotEqual)),
        "+" | "-" => (SUM, None),
        "*" => (PRODUCT, Some(Operator::Multiply)),
        "/" => (PRODUCT, Some(Operator::Divide)),
        "%in%" => (IN, Some(Operator::In)),
        ":" => (INTERACT, Some(Operator::Interact)),
        "^" => (POWER, Some(Operator::Power)),
        _ => return None,
    })
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at]
    }

    /// Takes the token that is next; the end is never passed.
    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_mark(&self, mark: &str) -> bool {
        matches!(self.peek().kind, TokenKind::Mark(found) if found == mark)
    }

    fn take_mark(&mut self, mark: &str) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.at += 1;
        }
        found
    }

    fn unexpected<T>(&self, expected: &'static str) -> Result<T, FormulaError> {
        let token = self.peek();
        let problem = Problem::Unexpected { found: token.kind.describe(), expected };
        Err(FormulaError::new(self.text, token.span.clone(), problem))
    }

    fn end(&self) -> Result<(), FormulaError> {
        match self.peek().kind {
            TokenKind::End => Ok(()),
            _ => self.unexpected("an operator or the end"),
        }
    }

    /// An expression of operators that bind more tightly than `loosest`.
    fn expression(&mut self, loosest: u8, level: usize) -> Result<Expr, FormulaError> {
        if level > MAX_DEPTH {
            let problem = Problem::TooDeep { limit: MAX_DEPTH };
            return Err(FormulaError::new(self.text, self.peek().span.clone(), problem));
        }
        let mut left = self.operand(level)?;
        while let TokenKind::Mark(mark) = self.peek().kind
            && let Some((strength, operator)) = binding(mark)
            && strength > loosest
        {
            self.at += 1;
            // `^` groups to the right, all others to the left; a sign may follow `^`.
            let right = self.expression(if strength == POWER { SIGN } else { strength }, level + 1)?;
            let span = left.span.start..right.span.end;
            left = match operator {
                Some(operator) => self.node(Node::Binary(operator, Box::new(left), Box::new(right)), span)?,
                None => self.sum(left, mark == "-", right, span)?,
            };
        }
        Ok(left)
    }

    fn sum(&self, left: Expr, minus: bool, right: Expr, span: std::ops::Range<usize>) -> Result<Expr, FormulaError> {
        let depth = left.depth.max(right.depth + 1);
        let mut parts = match left {
            Expr { node: Node::Sum(parts), .. } => parts,
            other => vec![(false, other)],
        };
        parts.push((minus, right));
        self.bounded(Expr { node: Node::Sum(parts), span, depth })
    }

    fn node(&self, node: Node, span: std::ops::Range<usize>) -> Result<Expr, FormulaError> {
        let depth = match &node {
            Node::Number(_) | Node::Name(_) | Node::Text(_) => 0,
            Node::Sum(parts) => parts.iter().map(|(_, p)| p.depth).max().unwrap_or(0) + 1,
            Node::Sign(_, inside) | Node::Not(inside) | Node::Paren(inside) => inside.depth + 1,
            Node::Binary(_, left, right) => left.depth.max(right.depth) + 1,
            Node::Call(_, arguments) => arguments.iter().map(|a| a.value.depth).max().unwrap_or(0) + 1,
        };
        self.bounded(Expr { node, span, depth })
    }

    fn bounded(&self, expr: Expr) -> Result<Expr, FormulaError> {
        if expr.depth > MAX_DEPTH {
            return Err(FormulaError::new(self.text, expr.span, Problem::TooDeep { limit: MAX_DEPTH }));
        }
        Ok(expr)
    }

    fn operand(&mut self, level: usize) -> Result<Expr, FormulaError> {
        const EXPECTED: &str = "a column, a number, a function or an opening parenthesis";
        let token = self.peek().clone();
        match token.kind {
            TokenKind::Number(value) => {
                self.at += 1;
                self.node(Node::Number(value), token.span)
            }
            TokenKind::Text(text) => {
                self.at += 1;
                self.node(Node::Text(text), token.span)
            }
            TokenKind::Name(name) => {
                self.at += 1;
                if self.take_mark("(") {
                    let arguments = self.arguments(level)?;
                    let end = self.closing(token.span.start)?;
                    self.node(Node::Call(name, arguments), token.span.start..end)
                } else {
                    self.node(Node::Name(name), token.span)
                }
            }
            TokenKind::Mark("(") => {
                self.at += 1;
                let inside = self.expression(0, level + 1)?;
                let end = self.closing(token.span.start)?;
                self.node(Node::Paren(Box::new(inside)), token.span.start..end)
            }
            TokenKind::Mark(mark @ ("+" | "-")) => {
                self.at += 1;
                let operand = self.expression(SIGN, level + 1)?;
                let span = token.span.start..operand.span.end;
                self.node(Node::Sign(mark == "-", Box::new(operand)), span)
            }
            TokenKind::Mark("!") => {
                self.at += 1;
                let operand = self.expression(NOT, level + 1)?;
                let span = token.span.start..operand.span.end;
                self.node(Node::Not(Box::new(operand)), span)
            }
            TokenKind::Mark(_) | TokenKind::End => self.unexpected(EXPECTED),
        }
    }

    fn closing(&mut self, opened: usize) -> Result<usize, FormulaError> {
        if self.is_mark(")") {
            return Ok(self.next().span.end);
        }
        match self.peek().kind {
            TokenKind::End => {
                let at = self.text[opened..].find('(').map_or(opened, |n| opened + n);
                Err(FormulaError::new(self.text, at..at + 1, Problem::Unclosed { quote: '(' }))
            }
            _ => self.unexpected("an operator or a closing parenthesis"),
        }
    }

    fn arguments(&mut self, level: usize) -> Result<Vec<Argument>, FormulaError> {
        let mut arguments = Vec::new();
        while !self.is_mark(")") {
            let name = match (&self.peek().kind, self.tokens.get(self.at + 1).map(|t| &t.kind)) {
                (TokenKind::Name(name), Some(TokenKind::Mark("="))) => Some(name.clone()),
                _ => None,
            };
            self.at += if name.is_some() { 2 } else { 0 };
            arguments.push(Argument { name, value: self.expression(0, level + 1)? });
            if !self.take_mark(",") {
                break;
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expression with a parenthesis around every operation.
    fn grouped(expr: &Expr) -> String {
        match &expr.node {
            Node::Sum(parts) => {
                let join = |(minus, p): &(bool, Expr)| format!("{}{}", if *minus { "-" } else { "+" }, grouped(p));
                format!("[{}]", parts.iter().map(join).collect::<String>())
            }
            Node::Sign(minus, inside) => format!("({}{})", if *minus { "-" } else { "+" }, grouped(inside)),
            Node::Binary(operator, l, r) => format!("({}{operator:?}{})", grouped(l), grouped(r)),
            Node::Paren(inside) => grouped(inside),
            _ => expr.deparse(),
        }
    }

    #[test]
    fn operators_bind_as_in_r() {
        for (text, expected) in [
            ("a + b * c", "[+a+(bMultiplyc)]"),
            ("a:b %in% c * d", "(((aInteractb)Inc)Multiplyd)"),
            ("a ^ b ^ 2", "(aPower(bPower2))"),
            ("-a ^ 2", "(-(aPower2))"),
            ("a > b + 1 & c == 2", "((aGreater[+b+1])And(cEqual2))"),
            ("-a:b", "((-a)Interactb)"),
            ("2 ^ -1 + 3", "[+(2Power(-1))+3]"),
            ("x + 1 | g / h", "([+x+1]Bar(gDivideh))"),
            ("a / b / c", "((aDivideb)Dividec)"),
            ("a - b + c", "[+a-b+c]"),
            ("-1 + x", "[+(-1)+x]"),
            ("a ** 2", "(aPower2)"),
        ] {
            assert_eq!(grouped(&expression(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn expressions_are_written_back_as_r_writes_them() {
        for (text, written) in [
            ("poly( x,degree=2,raw=TRUE )", "poly(x, degree = 2, raw = TRUE)"),
            ("I(x**2/100000)", "I(x^2/1e+05)"),
            ("I(-x*1e5)", "I(-x * 1e+05)"),
            ("log( `my x`,2 )", "log(`my x`, 2)"),
            ("a%in%b", "a %in% b"),
            ("(x+y)-z", "(x + y) - z"),
            ("relevel(f, ref='b')", "relevel(f, ref = \"b\")"),
        ] {
            assert_eq!(expression(text).unwrap().deparse(), written);
        }
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, from, to) in [
            ("y ~ ", 4, 4),
            ("y ~ a +", 7, 7),
            ("y ~ (a + b", 4, 5),
            ("y ~ f(a", 5, 6),
            ("y ~ a b", 6, 7),
            ("y ~ a)", 5, 6),
            ("y ~ a ~ b", 6, 7),
            ("", 0, 0),
            ("y ~ f(a b)", 8, 9),
            ("y ~ a + * b", 8, 9),
        ] {
            let error = formula(text).unwrap_err();
            assert_eq!(error.span, from..to, "{text}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        for text in [
            "(".repeat(9000),
            format!("y ~ {}x{}", "(".repeat(5000), ")".repeat(5000)),
            format!("y ~ {}x", "-".repeat(9000)),
            format!("y ~ {}x", "a^".repeat(5000)),
            format!("y ~ {}x", "a:".repeat(5000)),
            format!("y ~ {}", "f(".repeat(5000)),
        ] {
            let error = formula(&text).unwrap_err();
            assert!(matches!(*error.problem, Problem::TooDeep { .. }), "{error}");
        }
        assert!(formula(&format!("y ~ {}x", "a + ".repeat(4000))).is_ok(), "long sums are not deep");
    }
}
