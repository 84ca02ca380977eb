//! How the columns of one model matrix are made from variables: R's `model.matrix`.
//!
//! A factor in a term is coded by contrasts where the term without that factor is already spanned by a term before it,
//! and by one column for each level otherwise (Chambers & Hastie 1992, Statistical Models in S, section 2.4.1). Without
//! an intercept the first factor of the first term that has one is coded by all its levels.

use super::Limits;
use super::contrasts::{Coding, Contrast, MAX_POLYNOMIAL_LEVELS, contrasts, indicators};
use super::error::{FormulaError, Problem};
use super::terms::Terms;
use super::value::{Evaluator, Value};
use crate::table::Factor;
use qd::Quad;
use std::borrow::Cow;
use std::collections::HashMap;

/// What was learned of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Number,
    Matrix { suffixes: Vec<String> },
    Factor { levels: Vec<String>, contrast: Contrast },
}

/// How the columns of one model matrix are made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blueprint {
    pub terms: Terms,
    /// For each variable of the terms.
    pub kinds: Vec<Kind>,
    /// For each term, for each of its variables: how it is coded.
    codings: Vec<Vec<Parts>>,
}

/// The columns that one variable brings into a term.
#[derive(Clone, Debug, PartialEq)]
enum Parts {
    /// The numbers of the variable, by column.
    Numbers(usize),
    /// Values for each level, by column.
    Levels(Coding),
}

/// A model matrix as it is made, before aliased columns are taken out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    pub values: Vec<f64>,
    pub names: Vec<String>,
    /// 0 for the intercept, else 1 + the index of the term.
    pub term_of_column: Vec<usize>,
}

impl Blueprint {
    /// Chooses the coding of every factor in every term.
    pub fn learn(text: &str, terms: Terms, kinds: Vec<Kind>) -> Result<Self, FormulaError> {
        let is_factor = |v: usize| matches!(kinds[v], Kind::Factor { .. });
        // Without an intercept one factor carries the level of the response.
        let carrier = match terms.intercept {
            true => None,
            false => (0..terms.terms.len())
                .find_map(|t| terms.terms[t].iter().position(|&v| is_factor(v)).map(|position| (t, position))),
        };
        let mut codings = Vec::with_capacity(terms.terms.len());
        for (t, term) in terms.terms.iter().enumerate() {
            let mut parts = Vec::with_capacity(term.len());
            for (position, &v) in term.iter().enumerate() {
                let spanned = || is_marginal_there(&terms.terms[..t], term, v);
                let by_contrasts = carrier != Some((t, position)) && (term.len() == 1 || spanned());
                parts.push(match &kinds[v] {
                    Kind::Number => Parts::Numbers(1),
                    Kind::Matrix { suffixes } => Parts::Numbers(suffixes.len()),
                    Kind::Factor { levels, .. } if !by_contrasts => {
                        Parts::Levels(indicators_of(text, &terms, v, levels)?)
                    }
                    Kind::Factor { levels, contrast } => {
                        Parts::Levels(contrasts_of(text, &terms, v, levels, *contrast)?)
                    }
                });
            }
            codings.push(parts);
        }
        Ok(Self { terms, kinds, codings })
    }

    /// Number of columns, the intercept included.
    pub fn columns(&self) -> u128 {
        let of_term = |parts: &Vec<Parts>| parts.iter().map(|p| p.len() as u128).fold(1, u128::saturating_mul);
        self.codings.iter().map(of_term).fold(u128::from(self.terms.intercept), u128::saturating_add)
    }

    /// Labels of the terms, the intercept first where there is one.
    pub fn labels(&self) -> Vec<String> {
        let intercept = self.terms.intercept.then(|| "(Intercept)".to_owned());
        intercept.into_iter().chain(self.terms.terms.iter().map(|t| self.terms.label(t))).collect()
    }

    /// Names of the columns and the index into [`Blueprint::labels`] of the term of each.
    pub fn names(&self) -> (Vec<String>, Vec<usize>) {
        let mut names = Vec::new();
        let mut term_of_column = Vec::new();
        if self.terms.intercept {
            names.push("(Intercept)".to_owned());
            term_of_column.push(0);
        }
        for (t, (term, parts)) in self.terms.terms.iter().zip(&self.codings).enumerate() {
            let mut of_term = vec![String::new()];
            for (position, (&v, part)) in term.iter().zip(parts).enumerate() {
                let colon = if position > 0 { ":" } else { "" };
                let variable = &self.terms.variables[v].name;
                let suffixed = (0..part.len()).flat_map(|j| {
                    let suffix = part.suffix(j, &self.kinds[v]);
                    of_term.iter().map(move |before| format!("{before}{colon}{variable}{suffix}"))
                });
                of_term = suffixed.collect();
            }
            term_of_column.extend(std::iter::repeat_n(t + usize::from(self.terms.intercept), of_term.len()));
            names.extend(of_term);
        }
        (names, term_of_column)
    }

    /// The matrix of the given rows of the values; `values` has one entry for each variable.
    pub fn matrix(&self, values: &[Value], rows: &[u32], limits: &Limits, text: &str) -> Result<Columns, FormulaError> {
        limits.check(rows.len(), self.columns()).map_err(|problem| FormulaError::new(text, 0..text.len(), problem))?;
        let (names, term_of_column) = self.names();
        let n = rows.len();
        let mut matrix = vec![1.0; n * names.len()];
        let mut columns = matrix.chunks_exact_mut(n.max(1)).skip(usize::from(self.terms.intercept));
        for (term, parts) in self.terms.terms.iter().zip(&self.codings) {
            let count: usize = parts.iter().map(Parts::len).product();
            for at in 0..count {
                let Some(column) = columns.next() else { break };
                // The first variable's columns change fastest.
                let mut rest = at;
                for (&v, part) in term.iter().zip(parts) {
                    let j = rest % part.len();
                    rest /= part.len();
                    part.multiply(column, &values[v], j, rows);
                }
            }
        }
        Ok(Columns { values: matrix, names, term_of_column })
    }

    /// The columns of the matrix in double-double arithmetic; `numeric` has the columns of the variables that are numbers.
    pub fn products(&self, numeric: &[Option<Vec<Vec<Quad>>>], values: &[Value], rows: &[u32]) -> Vec<Vec<Quad>> {
        let one = || vec![Quad::from(1.0); rows.len()];
        let mut columns: Vec<Vec<Quad>> = self.terms.intercept.then(one).into_iter().collect();
        for (term, parts) in self.terms.terms.iter().zip(&self.codings) {
            let count: usize = parts.iter().map(Parts::len).product();
            for at in 0..count {
                let (mut column, mut rest) = (one(), at);
                for (&v, part) in term.iter().zip(parts) {
                    let j = rest % part.len();
                    rest /= part.len();
                    match (part, &numeric[v], &values[v]) {
                        (_, Some(numbers), _) => {
                            column.iter_mut().zip(rows).for_each(|(c, &r)| *c *= numbers[j][r as usize]);
                        }
                        (Parts::Levels(coding), None, Value::Factor(factor)) => {
                            let code = |r: u32| factor.codes[r as usize] as usize;
                            column
                                .iter_mut()
                                .zip(rows)
                                .for_each(|(c, &r)| *c *= Quad::from(coding.columns[j][code(r)]));
                        }
                        _ => unreachable!("a variable is numbers or a factor"),
                    }
                }
                columns.push(column);
            }
        }
        columns
    }

    /// Evaluates the variables on a table whose levels may stand in another order or lack some: the values that
    /// [`Blueprint::matrix`] takes. Labels that were not seen in the fit are refused.
    pub fn values<'t>(&self, evaluator: &mut Evaluator<'t, '_>) -> Result<Vec<Value<'t>>, FormulaError> {
        let mut values = Vec::with_capacity(self.kinds.len());
        for (variable, kind) in self.terms.variables.iter().zip(&self.kinds) {
            // An offset is a variable of no term; it is evaluated as an offset.
            if !self.is_used(values.len()) {
                values.push(Value::Constant(0.0));
                continue;
            }
            values.push(match kind {
                Kind::Number => Value::Numbers(evaluator.numbers(&variable.expr)?),
                Kind::Matrix { .. } => evaluator.value(&variable.expr)?,
                Kind::Factor { levels, .. } => {
                    let factor = evaluator.factor(&variable.expr)?;
                    let known = known_codes(&factor, levels).map_err(|label| {
                        let known = shortened(levels);
                        let problem = Problem::UnknownLevel { name: variable.name.clone(), level: label, known };
                        FormulaError::new(evaluator.text, variable.expr.span.clone(), problem)
                    })?;
                    Value::Factor(Cow::Owned(known))
                }
            });
        }
        Ok(values)
    }

    /// Whether a variable is part of a term.
    pub fn is_used(&self, variable: usize) -> bool {
        self.terms.terms.iter().any(|term| term.contains(&variable))
    }
}

impl Parts {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(columns) => *columns,
            Self::Levels(coding) => coding.columns.len(),
        }
    }

    fn suffix<'a>(&'a self, column: usize, kind: &'a Kind) -> &'a str {
        match (self, kind) {
            (Self::Levels(coding), _) => &coding.suffixes[column],
            // R names the only column of a matrix after the variable alone.
            (Self::Numbers(columns), Kind::Matrix { suffixes }) if *columns > 1 => &suffixes[column],
            _ => "",
        }
    }

    /// Multiplies a column of the model matrix by column `j` of this variable.
    fn multiply(&self, column: &mut [f64], value: &Value, j: usize, rows: &[u32]) {
        match (self, value) {
            (Self::Levels(coding), Value::Factor(factor)) => {
                let of_level = &coding.columns[j];
                column.iter_mut().zip(rows).for_each(|(c, &r)| *c *= of_level[factor.codes[r as usize] as usize]);
            }
            (_, Value::Numbers(numbers)) => column.iter_mut().zip(rows).for_each(|(c, &r)| *c *= numbers[r as usize]),
            (_, Value::Matrix { columns, .. }) => {
                column.iter_mut().zip(rows).for_each(|(c, &r)| *c *= columns[j][r as usize]);
            }
            (_, Value::Constant(value)) => column.iter_mut().for_each(|c| *c *= value),
            (Self::Numbers(_), Value::Factor(_)) => unreachable!("the value of a numeric variable is numeric"),
        }
    }
}

/// Whether a term before this one spans this one without the variable `v`.
fn is_marginal_there(before: &[Vec<usize>], term: &[usize], v: usize) -> bool {
    let needed = |other: &Vec<usize>| term.iter().all(|&w| w == v || other.contains(&w));
    before.iter().any(needed)
}

fn indicators_of(text: &str, terms: &Terms, v: usize, levels: &[String]) -> Result<Coding, FormulaError> {
    check_coding(text, terms, v, levels.len(), levels.len())?;
    Ok(indicators(levels))
}

fn contrasts_of(
    text: &str,
    terms: &Terms,
    v: usize,
    levels: &[String],
    contrast: Contrast,
) -> Result<Coding, FormulaError> {
    let variable = &terms.variables[v];
    let error = |problem| Err(FormulaError::new(text, variable.expr.span.clone(), problem));
    if let [level] = levels {
        return error(Problem::OneLevel { name: variable.name.clone(), level: level.clone() });
    }
    if contrast == Contrast::Polynomial && levels.len() > MAX_POLYNOMIAL_LEVELS {
        let name = variable.name.clone();
        return error(Problem::PolynomialContrasts { name, levels: levels.len(), limit: MAX_POLYNOMIAL_LEVELS });
    }
    check_coding(text, terms, v, levels.len(), levels.len() - 1)?;
    Ok(contrasts(levels, contrast))
}

/// Values in the table of a factor's coding.
const MAX_CODING: usize = 1 << 25;

fn check_coding(text: &str, terms: &Terms, v: usize, levels: usize, columns: usize) -> Result<(), FormulaError> {
    let values = levels as u128 * columns as u128;
    if values <= MAX_CODING as u128 {
        return Ok(());
    }
    let problem = Problem::TooManyValues { rows: levels, columns: columns as u128, values, limit: MAX_CODING };
    Err(FormulaError::new(text, terms.variables[v].expr.span.clone(), problem))
}

/// The factor with the given levels; a label outside them is returned as the error.
fn known_codes(factor: &Factor, levels: &[String]) -> Result<Factor, String> {
    let index: HashMap<&str, u32> = levels.iter().zip(0..).map(|(label, code)| (label.as_str(), code)).collect();
    let code_of: Vec<Option<u32>> = factor.levels.iter().map(|label| index.get(label.as_str()).copied()).collect();
    let mut codes = Vec::with_capacity(factor.codes.len());
    for &code in &factor.codes {
        codes.push(match code {
            Factor::MISSING => Factor::MISSING,
            _ => code_of[code as usize].ok_or_else(|| factor.levels[code as usize].clone())?,
        });
    }
    Ok(Factor { levels: levels.to_vec(), codes, ordered: factor.ordered })
}

/// The first few labels, for messages.
pub(crate) fn shortened(labels: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = labels.iter().take(SHOWN).map(|l| format!("\"{l}\"")).collect();
    let more = if labels.len() > SHOWN { format!(" and {} more", labels.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
