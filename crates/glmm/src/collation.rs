//! The order of labels, as `sort` and `factor` of R have it in an English locale.
//!
//! Labels are compared as words of a dictionary: punctuation before digits before letters, letters without regard to case
//! and accents; where that leaves them equal, plain before accented letters, then lower case before upper case
//! (the levels of ISO 14651, which the C library follows).

use std::cmp::Ordering;

/// Compares two labels.
pub fn compare(a: &str, b: &str) -> Ordering {
    let bases = || a.chars().map(base).cmp(b.chars().map(base));
    let accents = || a.chars().map(is_accented).cmp(b.chars().map(is_accented));
    let cases = || a.chars().map(char::is_uppercase).cmp(b.chars().map(char::is_uppercase));
    bases().then_with(accents).then_with(cases).then_with(|| a.cmp(b))
}

/// Marks in the order of the C library.
const MARKS: &str = "_-,;:!?/.`^~'\"()[]{}@$*\\&#%+<=>|";

/// The class of a character and its place within it.
fn base(c: char) -> (u8, u32) {
    if c.is_whitespace() {
        return (0, 0);
    }
    if let Some(at) = MARKS.find(c) {
        return (1, at as u32);
    }
    if c.is_numeric() {
        return (2, c as u32);
    }
    (3, plain(c.to_lowercase().next().unwrap_or(c)) as u32)
}

/// A lower-case letter without its accent.
fn plain(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'š' => 's',
        'ž' => 'z',
        other => other,
    }
}

fn is_accented(c: char) -> bool {
    let lower = c.to_lowercase().next().unwrap_or(c);
    plain(lower) != lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_ordered_as_in_a_dictionary() {
        for expected in [
            ["a", "A", "b", "B"],
            ["Champmartin", "ChEsard", "Chevroux", "Corcelles"],
            ["R-1", "R-10", "R-2", "VF-1"],
            ["10", "9", "a", "ab"],
            ["resume", "résumé", "Zoe", "Zoé"],
            ["a b", "a_b", "a1", "aa"],
        ] {
            let mut sorted = expected.to_vec();
            sorted.reverse();
            sorted.sort_by(|a, b| compare(a, b));
            assert_eq!(sorted, expected);
        }
    }
}
