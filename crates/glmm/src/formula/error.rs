//! What can be wrong with a formula, shown where it is wrong.

use std::fmt;
use std::ops::Range;
use thiserror::Error;

/// A formula that gives no design: what is wrong, and where in its text.
#[derive(Clone, Debug, PartialEq)]
pub struct FormulaError {
    /// The text of the formula (or of the weights or the offset).
    pub text: String,
    /// The bytes of `text` that are meant.
    pub span: Range<usize>,
    /// What is wrong.
    pub problem: Box<Problem>,
}

impl std::error::Error for FormulaError {}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.problem, self.excerpt())
    }
}

/// Characters of the formula that an excerpt shows before and after the place that is meant.
const CONTEXT: usize = 60;

impl FormulaError {
    pub(crate) fn new(text: &str, span: Range<usize>, problem: Problem) -> Self {
        Self { text: text.to_owned(), span, problem: Box::new(problem) }
    }

    /// Two lines: the formula, and carets under the place that is meant.
    pub fn excerpt(&self) -> String {
        let chars_before = |end: usize| self.text.get(..end).map_or(0, |t| t.chars().count());
        let all: Vec<char> = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let from = chars_before(self.span.start.min(self.text.len()));
        let to = chars_before(self.span.end.min(self.text.len())).clamp(from + 1, from + CONTEXT);
        let (first, last) = (from.saturating_sub(CONTEXT), (to + CONTEXT).min(all.len()));
        let before = if first > 0 { "… " } else { "" };
        let after = if last < all.len() { " …" } else { "" };
        let shown: String = all[first.min(last)..last].iter().collect();
        let indent = " ".repeat(2 + before.chars().count() + from - first);
        format!("  {before}{shown}{after}\n{indent}{}", "^".repeat(to - from))
    }
}

/// What is wrong with a formula.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Problem {
    /// A character that formulas do not know.
    #[error("{found:?} has no meaning in a formula")]
    Character {
        /// The character.
        found: char,
    },
    /// Two things that no comparison joins.
    #[error("{what} compares labels by their size, and only numbers have one; labels are compared with == and !=")]
    LabelOrder {
        /// The comparison.
        what: String,
    },
    /// A quote or backtick without its partner.
    #[error("the {quote} that opens here is never closed")]
    Unclosed {
        /// The quote.
        quote: char,
    },
    /// The grammar wants something else.
    #[error("found {found} where {expected} is expected")]
    Unexpected {
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// The text is too long.
    #[error("the formula has {bytes} bytes; at most {limit} are accepted")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        limit: usize,
    },
    /// Parentheses or operators nest too deeply.
    #[error("the formula nests deeper than {limit} levels")]
    TooDeep {
        /// The greatest depth.
        limit: usize,
    },
    /// No `~`, or nothing before it.
    #[error("the formula has no response: write `response ~ predictors`")]
    NoResponse,
    /// A formula that has no response was given one.
    #[error("the formula of the zero part has no response of its own: write `~ predictors`")]
    ZeroResponse,
    /// A name that the table does not have.
    #[error("there is no column \"{name}\"{}", nearest_hint(.nearest))]
    UnknownColumn {
        /// The name.
        name: String,
        /// The column whose name is most like it.
        nearest: Option<String>,
    },
    /// A function that formulas do not know.
    #[error("there is no function \"{name}\" in formulas{}", nearest_hint(.nearest))]
    UnknownFunction {
        /// The name.
        name: String,
        /// The function whose name is most like it.
        nearest: Option<String>,
    },
    /// A function's arguments are not what it takes.
    #[error("{function}() takes {takes}")]
    Arguments {
        /// The function.
        function: String,
        /// What it takes.
        takes: String,
    },
    /// A bar outside of parentheses.
    #[error("a random term stands in parentheses, as in (1 | group)")]
    BareBar,
    /// A random term that is not added.
    #[error("a random term can only be added with +")]
    BarInside,
    /// The right side of a bar is not a grouping factor.
    #[error("a grouping factor is a column, factor(column), or such joined by : and /; found {found}")]
    Group {
        /// What stands there.
        found: String,
    },
    /// A random term without columns.
    #[error("the random term has no columns: nothing stands before its bar but 0")]
    EmptyRandom,
    /// A number other than 0 and 1 as a term.
    #[error("the number {number} is no term: 1 is the intercept, 0 its absence; arithmetic stands inside I()")]
    NumberTerm {
        /// As it was written.
        number: String,
    },
    /// An operand that is no term.
    #[error("{found} is no term of a formula")]
    NoTerm {
        /// What stands there.
        found: String,
    },
    /// The exponent of `^` between terms.
    #[error("terms are raised to a whole number from 1 to {limit}; found {found}")]
    Power {
        /// What stands there.
        found: String,
        /// The greatest exponent.
        limit: u32,
    },
    /// The formula expands to too many terms.
    #[error("the formula expands to {found} terms or more; at most {limit} are accepted")]
    TooManyTerms {
        /// How many were reached.
        found: usize,
        /// The greatest number.
        limit: usize,
    },
    /// The matrix of a term or of the model would be too big.
    #[error("{rows} rows × {columns} columns are {values} values; at most {limit} are accepted")]
    TooManyValues {
        /// Rows of the table.
        rows: usize,
        /// Columns of the matrix.
        columns: u128,
        /// Their product.
        values: u128,
        /// The greatest number of values.
        limit: usize,
    },
    /// A model matrix with too many columns.
    #[error("the model has {columns} columns; at most {limit} are accepted")]
    TooManyColumns {
        /// Its columns.
        columns: u128,
        /// The greatest number.
        limit: u128,
    },
    /// Arithmetic with labels.
    #[error("{what} holds labels (such as \"{label}\"), and numbers are needed here")]
    NotNumbers {
        /// The column or expression.
        what: String,
        /// One of the labels.
        label: String,
    },
    /// A matrix where one column is needed.
    #[error("{what} has {columns} columns, and one is needed here")]
    NotOneColumn {
        /// The expression.
        what: String,
        /// Its columns.
        columns: usize,
    },
    /// A constant where a variable is needed.
    #[error("{what} is a constant, and a variable is needed here")]
    Constant {
        /// The expression.
        what: String,
    },
    /// A factor that contrasts cannot code.
    #[error(
        "the factor {name} has one level only (\"{level}\") in the rows without missing values, so it has no effect"
    )]
    OneLevel {
        /// The factor.
        name: String,
        /// Its level.
        level: String,
    },
    /// Polynomial contrasts or polynomials of a degree that the values do not carry.
    #[error("a polynomial of degree {degree} in {name} needs more than {degree} distinct values; there are {distinct}")]
    Degree {
        /// The variable.
        name: String,
        /// The degree.
        degree: usize,
        /// Distinct values.
        distinct: usize,
    },
    /// Polynomial contrasts of a factor with too many levels.
    #[error(
        "polynomial contrasts of {name} with {levels} levels lose all precision; at most {limit} levels are accepted"
    )]
    PolynomialContrasts {
        /// The factor.
        name: String,
        /// Its levels.
        levels: usize,
        /// The greatest number of levels.
        limit: usize,
    },
    /// New data have a level that the fit did not see.
    #[error("{name} has the level \"{level}\", which the fit did not see; it saw {known}")]
    UnknownLevel {
        /// The factor.
        name: String,
        /// The level.
        level: String,
        /// The levels it saw, shortened.
        known: String,
    },
    /// A value that is infinite.
    #[error("{what} is infinite in row {row}")]
    Infinite {
        /// The variable.
        what: String,
        /// The row of the table, from 1.
        row: usize,
    },
    /// The response is not what the family models.
    #[error("the response {what}")]
    Response {
        /// What it is, and what is accepted.
        what: String,
    },
    /// A weight below zero.
    #[error("the weight in row {row} is {value}; weights are not negative")]
    NegativeWeight {
        /// The row of the table, from 1.
        row: usize,
        /// The weight.
        value: f64,
    },
    /// No row is left.
    #[error("{}", no_rows(*.rows))]
    NoRows {
        /// Rows of the table.
        rows: usize,
    },
    /// Contrasts were chosen for something that is no factor of the model.
    #[error("contrasts are chosen for \"{name}\", which is no factor of the fixed effects")]
    ContrastsOfNoFactor {
        /// The name.
        name: String,
    },
}

fn no_rows(rows: usize) -> String {
    match rows {
        0 => "the table has no rows".into(),
        _ => {
            format!("no row is left: {rows} rows, each with a missing value in a variable of the model or the weight 0")
        }
    }
}

fn nearest_hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |name| format!("; the nearest is \"{name}\""))
}

/// The candidate whose name is most like a name, if any is like it at all: by edits (Damerau–Levenshtein), and among equals by
/// what both have at the same places (Jaro–Winkler), upper and lower case alike.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let folded = name.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let edits = strsim::normalized_damerau_levenshtein(&folded, &candidate);
        edits + strsim::jaro_winkler(&folded, &candidate) / 10.0
    };
    let scored = candidates.into_iter().map(|c| (likeness(c), c));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.35).then(|| best.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_under_the_place() {
        let error = FormulaError::new(
            "höhe ~ Dayz",
            8..12,
            Problem::UnknownColumn { name: "Dayz".into(), nearest: nearest("Dayz", ["Reaction", "Days"]) },
        );
        assert_eq!(
            error.to_string(),
            "there is no column \"Dayz\"; the nearest is \"Days\"\n  höhe ~ Dayz\n         ^^^^"
        );
        assert_eq!(nearest("qqq", ["abc"]), None);
    }

    #[test]
    fn long_formulas_are_shown_around_the_place() {
        let text = format!("y ~ {}", "x + ".repeat(200));
        let error = FormulaError::new(&text, 400..401, Problem::NoResponse);
        let lines: Vec<String> = error.excerpt().lines().map(str::to_owned).collect();
        assert!(lines[0].chars().count() < 140 && lines[0].starts_with("  … ") && lines[0].ends_with(" …"));
        assert_eq!(lines[0].chars().nth(lines[1].chars().count() - 1), Some('x'));
        let end = FormulaError::new("y ~", 3..3, Problem::NoResponse);
        assert_eq!(end.excerpt(), "  y ~\n     ^");
    }
}
