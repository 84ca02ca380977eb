//! The algebra of terms: from an expression with `+ - : * ^ / %in%` to a list of terms, as R's `terms.formula` makes it.
//!
//! A term is a set of variables (Wilkinson & Rogers 1973, "Symbolic description of factorial models for analysis of
//! variance", Appl. Statist. 22). Terms are ordered by their number of variables, then by their first appearance.

use super::ast::{Expr, Node, Operator, number};
use super::error::{FormulaError, Problem};
use std::collections::HashSet;

/// A variable of the model: a column, or a function of columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variable {
    pub expr: Expr,
    /// As R writes it.
    pub name: String,
}

/// The terms of one formula.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    /// In the order of their first appearance.
    pub variables: Vec<Variable>,
    pub intercept: bool,
    /// Ascending indices into `variables`, at least one each.
    pub terms: Vec<Vec<usize>>,
    /// The arguments of `offset()`.
    pub offsets: Vec<Expr>,
}

/// The greatest number of terms.
pub(crate) const MAX_TERMS: usize = 10_000;
/// The greatest exponent of `^`.
const MAX_POWER: u32 = 32;
/// The greatest number of products of terms that are formed on the way, counting those that are formed twice.
const MAX_PRODUCTS: usize = 4_000_000;

/// Expands the sum of `parts` (true: subtracted); `dot` holds the columns that `.` stands for, where it may stand.
pub(crate) fn expand(text: &str, parts: &[(bool, &Expr)], dot: Option<&[String]>) -> Result<Terms, FormulaError> {
    let mut expansion =
        Expansion { text, dot, variables: Vec::new(), offsets: Vec::new(), intercept: true, adding: true, products: 0 };
    let mut terms = Vec::new();
    for (minus, part) in parts {
        terms = expansion.plus(terms, *minus, part)?;
    }
    let Expansion { variables, offsets, intercept, .. } = expansion;
    let is_offset = |term: &Vec<usize>| term.iter().any(|&v| offsets.iter().any(|(at, _)| *at == v));
    terms.retain(|term| !is_offset(term));
    terms.sort_by_key(Vec::len);
    Ok(Terms { variables, intercept, terms, offsets: offsets.into_iter().map(|(_, expr)| expr).collect() })
}

impl Terms {
    /// A term as R writes it.
    pub fn label(&self, term: &[usize]) -> String {
        term.iter().map(|&v| self.variables[v].name.as_str()).collect::<Vec<_>>().join(":")
    }
}

type TermList = Vec<Vec<usize>>;

struct Expansion<'a> {
    text: &'a str,
    dot: Option<&'a [String]>,
    variables: Vec<Variable>,
    /// With the variable that stands for it while terms are formed.
    offsets: Vec<(usize, Expr)>,
    intercept: bool,
    /// Whether 1 means the intercept; it means its absence on the right of a minus.
    adding: bool,
    products: usize,
}

impl Expansion<'_> {
    fn error<T>(&self, expr: &Expr, problem: Problem) -> Result<T, FormulaError> {
        Err(FormulaError::new(self.text, expr.span.clone(), problem))
    }

    fn plus(&mut self, left: TermList, minus: bool, part: &Expr) -> Result<TermList, FormulaError> {
        if !minus {
            let right = self.terms_of(part)?;
            return self.union(part, left.into_iter().chain(right));
        }
        self.adding = !self.adding;
        let removed: HashSet<Vec<usize>> = self.terms_of(part)?.into_iter().collect();
        self.adding = !self.adding;
        Ok(left.into_iter().filter(|term| !removed.contains(term)).collect())
    }

    fn terms_of(&mut self, expr: &Expr) -> Result<TermList, FormulaError> {
        match &expr.node {
            Node::Number(value) if *value == 1.0 || *value == 0.0 => {
                self.intercept = self.adding == (*value == 1.0);
                Ok(Vec::new())
            }
            Node::Number(value) => self.error(expr, Problem::NumberTerm { number: number(*value) }),
            Node::Text(text) => self.error(expr, Problem::NoTerm { found: format!("the text {text:?}") }),
            Node::Name(name) if name == "." => {
                let Some(columns) = self.dot.map(<[String]>::to_vec) else {
                    return self.error(expr, Problem::NoTerm { found: "`.`, all other columns, here".into() });
                };
                let expr_of = |name| Expr { node: Node::Name(name), span: expr.span.clone(), depth: 0 };
                let list: Vec<Vec<usize>> = columns.into_iter().map(|c| vec![self.variable(&expr_of(c))]).collect();
                self.union(expr, list)
            }
            Node::Name(_) => Ok(vec![vec![self.variable(expr)]]),
            Node::Call(function, arguments) => {
                let at = self.variable(expr);
                if function == "offset" {
                    let [argument] = &arguments[..] else {
                        let problem = Problem::Arguments { function: "offset".into(), takes: "one argument".into() };
                        return self.error(expr, problem);
                    };
                    if !self.offsets.iter().any(|(known, _)| *known == at) {
                        self.offsets.push((at, argument.value.clone()));
                    }
                }
                Ok(vec![vec![at]])
            }
            Node::Paren(inside) => self.terms_of(inside),
            Node::Sign(minus, inside) => self.plus(Vec::new(), *minus, inside),
            Node::Sum(parts) => {
                let mut terms = Vec::new();
                for (minus, part) in parts {
                    terms = self.plus(terms, *minus, part)?;
                }
                Ok(terms)
            }
            Node::Not(_) => Ok(vec![vec![self.variable(expr)]]),
            Node::Binary(operator, ..) if operator.is_logical() => Ok(vec![vec![self.variable(expr)]]),
            Node::Binary(operator, left, right) => self.binary(expr, *operator, left, right),
        }
    }

    fn binary(&mut self, expr: &Expr, operator: Operator, left: &Expr, right: &Expr) -> Result<TermList, FormulaError> {
        match operator {
            Operator::Bar | Operator::DoubleBar => return self.error(expr, Problem::BarInside),
            Operator::Power => return self.power(expr, left, right),
            _ => {}
        }
        let l = self.terms_of(left)?;
        let r = self.terms_of(right)?;
        let all = |list: &TermList| list.iter().fold(Vec::new(), |all, term| merged(&all, term));
        match operator {
            Operator::Interact => self.products_of(expr, &l, &r),
            Operator::Multiply => {
                let both = self.products_of(expr, &l, &r)?;
                self.union(expr, l.into_iter().chain(r).chain(both))
            }
            Operator::Divide => {
                let outer = all(&l);
                let inner: TermList = r.iter().map(|term| merged(term, &outer)).collect();
                self.union(expr, l.into_iter().chain(inner))
            }
            Operator::In => {
                let outer = all(&r);
                let inner: TermList = l.iter().map(|term| merged(term, &outer)).collect();
                self.union(expr, inner)
            }
            _ => unreachable!("handled above"),
        }
    }

    fn power(&mut self, expr: &Expr, base: &Expr, exponent: &Expr) -> Result<TermList, FormulaError> {
        let times = match exponent.bare().node {
            Node::Number(value) if value.fract() == 0.0 && (1.0..=f64::from(MAX_POWER)).contains(&value) => {
                value as u32
            }
            _ => return self.error(exponent, Problem::Power { found: exponent.deparse(), limit: MAX_POWER }),
        };
        let base = self.terms_of(base)?;
        let mut result = base.clone();
        for _ in 1..times {
            let next = self.products_of(expr, &base, &result)?;
            if next == result {
                break;
            }
            result = next;
        }
        Ok(result)
    }

    fn products_of(&mut self, expr: &Expr, left: &TermList, right: &TermList) -> Result<TermList, FormulaError> {
        self.products += left.len() * right.len();
        if self.products > MAX_PRODUCTS {
            return self.error(expr, Problem::TooManyTerms { found: left.len() * right.len(), limit: MAX_TERMS });
        }
        self.union(expr, left.iter().flat_map(|l| right.iter().map(|r| merged(l, r))))
    }

    fn union(&self, expr: &Expr, terms: impl IntoIterator<Item = Vec<usize>>) -> Result<TermList, FormulaError> {
        let mut seen = HashSet::new();
        let mut list = Vec::new();
        for term in terms {
            if seen.insert(term.clone()) {
                list.push(term);
            }
            if list.len() > MAX_TERMS {
                return self.error(expr, Problem::TooManyTerms { found: list.len(), limit: MAX_TERMS });
            }
        }
        Ok(list)
    }

    fn variable(&mut self, expr: &Expr) -> usize {
        let name = expr.deparse();
        self.variables.iter().position(|v| v.name == name).unwrap_or_else(|| {
            self.variables.push(Variable { expr: expr.clone(), name });
            self.variables.len() - 1
        })
    }
}

/// The union of two ascending lists.
fn merged(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut both: Vec<usize> = a.iter().chain(b).copied().collect();
    both.sort_unstable();
    both.dedup();
    both
}

#[cfg(test)]
mod tests {
    use super::super::parser::formula;
    use super::*;

    fn expanded(text: &str) -> Result<Terms, FormulaError> {
        let sides = formula(text).unwrap();
        expand(text, &[(false, &sides.predictors)], Some(&["u".into(), "v".into()]))
    }

    /// `attr(terms(f), "term.labels")` and `attr(terms(f), "intercept")` of R 4.2.2 (`.` over the columns u and v).
    #[test]
    fn terms_are_those_of_r() {
        for (text, labels, intercept) in [
            ("y ~ a + b", "a b", true),
            ("y ~ b:a + a", "a b:a", true),
            ("y ~ a*b*c", "a b c a:b a:c b:c a:b:c", true),
            ("y ~ (a + b + c)^2", "a b c a:b a:c b:c", true),
            ("y ~ (a + b + c)^2 - a:b", "a b c a:c b:c", true),
            ("y ~ a/b", "a a:b", true),
            ("y ~ a*b/c", "a b a:b a:b:c", true),
            ("y ~ (a + b)/c", "a b a:b:c", true),
            ("y ~ a/(b + c)", "a a:b a:c", true),
            ("y ~ a + b %in% a", "a a:b", true),
            ("y ~ 0 + a", "a", false),
            ("y ~ a - 1", "a", false),
            ("y ~ -1 + a", "a", false),
            ("y ~ a - 1 + 1", "a", true),
            ("y ~ a - 0", "a", true),
            ("y ~ (0 + x)*c", "x c x:c", false),
            ("y ~ 1", "", true),
            ("y ~ 0", "", false),
            ("y ~ 1:x", "", true),
            ("y ~ a*b - a", "b a:b", true),
            ("y ~ log(x) + I(x^2) + offset(w) + x", "log(x) I(x^2) x", true),
            ("y ~ a:a", "a", true),
            ("y ~ .", "u v", true),
            ("y ~ .^2 - v", "u u:v", true),
            ("y ~ a - (a + b) + b", "b", true),
            ("y ~ a:offset(w) + b", "b", true),
        ] {
            let terms = expanded(text).unwrap();
            let found: Vec<String> = terms.terms.iter().map(|t| terms.label(t)).collect();
            assert_eq!((found.join(" ").as_str(), terms.intercept), (labels, intercept), "{text}");
        }
        assert_eq!(expanded("y ~ a + offset(log(w)) + offset(u)").unwrap().offsets.len(), 2);
    }

    #[test]
    fn explosions_are_refused_with_a_number() {
        let many = (0..60).map(|n| format!("x{n}")).collect::<Vec<_>>();
        for text in [
            format!("y ~ ({})^9", many.join("+")),
            format!("y ~ {}", many.join("*")),
            format!("y ~ ({0}) * ({0}) * ({0}) * ({0})", many.join("+")),
        ] {
            let error = expanded(&text).unwrap_err();
            assert!(matches!(*error.problem, Problem::TooManyTerms { limit: MAX_TERMS, .. }), "{error}");
        }
    }

    #[test]
    fn what_is_no_term_is_refused() {
        for (text, at) in [
            ("y ~ a + 2", 8..9),
            ("y ~ a + 'b'", 8..11),
            ("y ~ a^b", 6..7),
            ("y ~ a^0", 6..7),
            ("y ~ a * (1|g)", 9..12),
        ] {
            assert_eq!(expanded(text).unwrap_err().span, at, "{text}");
        }
    }
}
