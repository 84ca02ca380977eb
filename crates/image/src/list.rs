//! Data in several files, one equal part in each: numbered patterns, as MetaImage and NRRD write them.

/// Where the data of a header are.
#[derive(Debug, PartialEq)]
pub(crate) enum DataFiles {
    /// In one file.
    One(String),
    /// In several, in this order.
    Parts(Vec<String>),
}

/// Reads `NAME%0Nd.EXT FIRST LAST [STEP]` as at most `most` names; text without `%` is the name of one file.
/// The error says what is accepted.
pub(crate) fn pattern(text: &str, most: usize) -> Result<DataFiles, String> {
    if !text.contains('%') {
        return Ok(DataFiles::One(text.to_string()));
    }
    let error = || format!("NAME%0Nd.EXT FIRST LAST STEP that make at most {most} names");
    let mut words = text.split_whitespace();
    let pattern = words.next().and_then(Pattern::parse).ok_or_else(error)?;
    let numbers: Vec<u64> = words.take(5).map(|w| w.parse().ok()).collect::<Option<_>>().ok_or_else(error)?;
    // NRRD may give the dimension of each part as a fourth number; equal parts follow from the sizes.
    let (first, last, step) = match numbers[..] {
        [first, last] => (first, last, 1),
        [first, last, step] | [first, last, step, _] if step > 0 => (first, last, step),
        _ => return Err(error()),
    };
    let parts = last.checked_sub(first).ok_or_else(error)? / step;
    if parts >= most as u64 {
        return Err(error());
    }
    Ok(DataFiles::Parts((0..=parts).map(|n| pattern.name(first + n * step)).collect()))
}

/// `BEFORE%0NdAFTER`, the one conversion of `printf` that file lists use.
struct Pattern<'a> {
    before: &'a str,
    width: usize,
    zeros: bool,
    after: &'a str,
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (before, rest) = text.split_once('%')?;
        let (width, after) = rest.split_once('d')?;
        let zeros = width.starts_with('0');
        let width = if width.is_empty() { 0 } else { width.parse().ok()? };
        (width <= 20 && !after.contains('%')).then_some(Self { before, width, zeros, after })
    }

    fn name(&self, number: u64) -> String {
        let Self { before, width, after, zeros } = *self;
        if zeros { format!("{before}{number:0width$}{after}") } else { format!("{before}{number:width$}{after}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_printf() {
        assert_eq!(Pattern::parse("a%03d.raw").unwrap().name(7), "a007.raw");
        assert_eq!(Pattern::parse("a%d.raw").unwrap().name(12), "a12.raw");
        assert_eq!(Pattern::parse("a%4d").unwrap().name(12), "a  12");
        for broken in ["a%s", "a%-3d", "a%d%d", "a%99d", "a%n"] {
            assert!(Pattern::parse(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn ranges_become_names() {
        let names = ["s2", "s5", "s8"].map(String::from).to_vec();
        assert_eq!(pattern("s%d 2 8 3", 9), Ok(DataFiles::Parts(names.clone())));
        assert_eq!(pattern("s%d 2 9 3 2", 9), Ok(DataFiles::Parts(names)));
        assert_eq!(pattern("plain name.raw", 9), Ok(DataFiles::One("plain name.raw".into())));
        for broken in
            ["s%d", "s%d 1", "s%d 3 1 1", "s%d 1 3 0", "s%d 0 99 1", "s%d 0 18446744073709551615 1", "s%d a b"]
        {
            assert!(pattern(broken, 9).is_err(), "{broken}");
        }
    }
}
