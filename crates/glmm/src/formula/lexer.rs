//! The text of a formula as tokens.

use super::error::{FormulaError, Problem};
use std::ops::Range;

/// A token and the bytes it stands at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub span: Range<usize>,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Number(f64),
    Name(String),
    Text(String),
    /// One of `+ - * / ^ : ~ | || ( ) , =` or `%in%`.
    Mark(&'static str),
    End,
}

impl TokenKind {
    /// For messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Number(value) => format!("the number {value}"),
            Self::Name(name) => format!("\"{name}\""),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end".into(),
        }
    }
}

/// The longest formula that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 20_000;

const MARKS: [&str; 21] =
    ["||", "%in%", "<=", ">=", "==", "!=", "+", "-", "*", "/", "^", ":", "~", "|", "(", ")", ",", "<", ">", "&", "!"];

/// Cuts a text into tokens; the last one is [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, FormulaError> {
    if text.len() > MAX_BYTES {
        let problem = Problem::TooLong { bytes: text.len(), limit: MAX_BYTES };
        let start: String = text.chars().take(60).collect();
        return Err(FormulaError::new(&start, 0..1, problem));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let next = rest[first.len_utf8()..].chars().next();
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, length) = if first.is_ascii_digit() || (first == '.' && next.is_some_and(|c| c.is_ascii_digit())) {
            number(text, at)?
        } else if first.is_alphabetic() || matches!(first, '.' | '_') {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_'))).unwrap_or(rest.len());
            (TokenKind::Name(rest[..length].to_owned()), length)
        } else if matches!(first, '"' | '\'' | '`') {
            quoted(text, at, first)?
        } else if rest.starts_with("**") {
            (TokenKind::Mark("^"), 2)
        } else if let Some(mark) = MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            (TokenKind::Mark(mark), mark.len())
        } else if first == '=' {
            (TokenKind::Mark("="), 1)
        } else {
            let problem = Problem::Character { found: first };
            return Err(FormulaError::new(text, at..at + first.len_utf8(), problem));
        };
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens.push(Token { kind: TokenKind::End, span: text.len()..text.len() });
    Ok(tokens)
}

/// A number without sign: digits, a point, an exponent; R's suffix L of whole numbers is passed over.
fn number(text: &str, at: usize) -> Result<(TokenKind, usize), FormulaError> {
    let bytes = &text.as_bytes()[at..];
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(length + 1 + sign).map_or(0, |_| digits(length + 1 + sign));
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let value: Option<f64> = text[at..at + length].parse().ok().filter(|v: &f64| v.is_finite());
    let suffix = usize::from(bytes.get(length) == Some(&b'L'));
    let follows = text[at + length + suffix..].chars().next();
    match (value, follows) {
        (Some(value), follows) if !follows.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_')) => {
            Ok((TokenKind::Number(value), length + suffix))
        }
        _ => {
            let end = text[at..].find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_')));
            let end = at + end.unwrap_or(text.len() - at);
            let found = format!("\"{}\"", &text[at..end]);
            Err(FormulaError::new(text, at..end, Problem::Unexpected { found, expected: "a number or a name" }))
        }
    }
}

fn quoted(text: &str, at: usize, quote: char) -> Result<(TokenKind, usize), FormulaError> {
    let inside = &text[at + 1..];
    let mut content = String::new();
    let mut chars = inside.char_indices();
    while let Some((offset, c)) = chars.next() {
        match c {
            '\\' => content.extend(chars.next().map(|(_, escaped)| escaped)),
            c if c == quote => {
                let kind = if quote == '`' { TokenKind::Name(content) } else { TokenKind::Text(content) };
                return Ok((kind, offset + 2));
            }
            c => content.push(c),
        }
    }
    Err(FormulaError::new(text, at..at + 1, Problem::Unclosed { quote }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_cut_where_r_cuts_it() {
        let kinds = |text: &str| tokens(text).unwrap().into_iter().map(|t| t.kind.describe()).collect::<Vec<_>>();
        assert_eq!(
            kinds("y~x.1^2 %in% `a b`||.5e-3"),
            [
                "\"y\"",
                "`~`",
                "\"x.1\"",
                "`^`",
                "the number 2",
                "`%in%`",
                "\"a b\"",
                "`||`",
                "the number 0.0005",
                "the end"
            ]
        );
        assert_eq!(kinds("f(x, b = 'u', 2L)").len(), 11);
        assert_eq!(kinds("größe + _a").len(), 4);
    }

    #[test]
    fn what_has_no_meaning_is_pointed_at() {
        for (text, at) in [("y ~ a $ b", 6), ("y ~ 'abc", 4), ("y ~ 1e999", 4), ("y ~ 2x", 4), ("y @ x", 2)] {
            assert_eq!(tokens(text).unwrap_err().span.start, at, "{text}");
        }
        assert!(matches!(*tokens(&"x".repeat(MAX_BYTES + 1)).unwrap_err().problem, Problem::TooLong { .. }));
    }
}
