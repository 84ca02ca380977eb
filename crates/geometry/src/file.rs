//! Small text files: read within a bound, written whole or not at all, refused in one clear sentence.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest text file (bytes) that the readers of this crate accept: a camera or a transform is a few kilobytes.
pub const MAX_TEXT_BYTES: u64 = 1 << 20;

/// Why a file was refused or could not be written; the sentence names the file.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}: {problem}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with the text of a file.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Problem {
    /// The operating system refused.
    #[error("cannot {action} it: {message}")]
    Io {
        /// What was tried: "read" or "write".
        action: &'static str,
        /// The system's message.
        message: String,
    },
    /// Larger than the reader accepts.
    #[error("it holds more than {limit} bytes, the most that is accepted")]
    TooLarge {
        /// Largest accepted size in bytes.
        limit: u64,
    },
    /// Not UTF-8 text.
    #[error("it is not UTF-8 text (byte {offset} begins no valid character)")]
    NotText {
        /// Position of the first offending byte.
        offset: usize,
    },
    /// A value, or the layout, that is not accepted.
    #[error("{}{field}: found {found}, accepted is {accepted}", at_line(*line))]
    Value {
        /// Line, counted from 1, where it is known.
        line: Option<usize>,
        /// The field.
        field: String,
        /// What stands there (shortened).
        found: String,
        /// What would be accepted.
        accepted: String,
    },
    /// A key that the format does not have.
    #[error("unknown key {key:?}; the nearest accepted key is {nearest:?}")]
    UnknownKey {
        /// The key as found (shortened).
        key: String,
        /// The most similar accepted key.
        nearest: &'static str,
    },
    /// A key that stands twice.
    #[error("key {key:?} stands more than once")]
    DuplicateKey {
        /// The key (shortened).
        key: String,
    },
    /// A required key is not there.
    #[error("key {key:?} is missing")]
    MissingKey {
        /// The missing key.
        key: String,
    },
    /// The numbers are readable but describe nothing possible.
    #[error("{0}")]
    Meaning(String),
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}, "))
}

impl Problem {
    /// Adds the file's name.
    pub fn in_file(self, path: &Path) -> FileError {
        FileError { path: path.to_path_buf(), problem: self }
    }

    /// A value that is not accepted, with whatever stands there shortened.
    pub(crate) fn value(
        line: Option<usize>,
        field: impl Into<String>,
        found: &str,
        accepted: impl Into<String>,
    ) -> Self {
        Self::Value { line, field: field.into(), found: shorten(found), accepted: accepted.into() }
    }
}

/// Text from a file made fit for a sentence: one line, at most 60 characters, "nothing" where it is empty.
pub(crate) fn shorten(found: &str) -> String {
    let clean: String = found.trim().chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    match (clean.is_empty(), found.trim().chars().nth(60).is_some()) {
        (true, _) => "nothing".into(),
        (false, true) => format!("{clean:?}…"),
        (false, false) => format!("{clean:?}"),
    }
}

/// The accepted key most like `key` (fewest edits, ASCII case ignored).
pub(crate) fn nearest_key(key: &str, accepted: &[&'static str]) -> &'static str {
    let key: Vec<char> = key.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    accepted.iter().copied().min_by_key(|candidate| edits(&key, candidate)).unwrap_or("")
}

/// Levenshtein distance by rows.
fn edits(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (j, cb) in b.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = j + 1;
        for (i, &ca) in a.iter().enumerate() {
            let substitute = diagonal + usize::from(ca != cb);
            diagonal = row[i + 1];
            row[i + 1] = substitute.min(row[i] + 1).min(diagonal + 1);
        }
    }
    row[a.len()]
}

/// Reads a text file of at most [`MAX_TEXT_BYTES`]; a leading byte-order mark is dropped.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let io = |e: std::io::Error| Problem::Io { action: "read", message: e.to_string() }.in_file(path);
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(MAX_TEXT_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    text_from_bytes(bytes).map_err(|problem| problem.in_file(path))
}

/// The text in `bytes`, within the same bounds as [`read_text`].
pub(crate) fn text_from_bytes(mut bytes: Vec<u8>) -> Result<String, Problem> {
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(Problem::TooLarge { limit: MAX_TEXT_BYTES });
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|e| Problem::NotText { offset: e.utf8_error().valid_up_to() })
}

/// Writes `bytes` to a temporary name beside `path`, then renames it: a killed run leaves no half file.
pub fn write_renamed(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let io = |e: std::io::Error| Problem::Io { action: "write", message: e.to_string() }.in_file(path);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // the umask still applies
    let mut file = builder.tempfile_in(folder).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(io)?;
    file.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_key_is_the_likely_one() {
        let keys = ["source_mm", "pixel0_mm", "rows", "cols"];
        assert_eq!(nearest_key("Source", &keys), "source_mm");
        assert_eq!(nearest_key("row", &keys), "rows");
        assert_eq!(nearest_key("pixel_mm", &keys), "pixel0_mm");
    }

    #[test]
    fn writing_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_renamed(&path, b"one").unwrap();
        write_renamed(&path, b"two").unwrap();
        assert_eq!(read_text(&path).unwrap(), "two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write_renamed(&folder.path().join("no/such/folder.txt"), b"").unwrap_err();
        assert!(error.to_string().contains("folder.txt: cannot write it"), "{error}");
    }

    #[test]
    fn oversized_and_binary_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.txt");
        std::fs::write(&path, vec![b' '; MAX_TEXT_BYTES as usize + 1]).unwrap();
        assert!(matches!(read_text(&path).unwrap_err().problem, Problem::TooLarge { .. }));
        std::fs::write(&path, b"ab\xff").unwrap();
        assert_eq!(read_text(&path).unwrap_err().problem, Problem::NotText { offset: 2 });
        assert!(matches!(read_text(folder.path()).unwrap_err().problem, Problem::Io { .. }));
    }

    #[test]
    fn found_text_is_one_short_line() {
        assert_eq!(shorten(" \n "), "nothing");
        assert_eq!(shorten("a\nb"), "\"a b\"");
        assert!(shorten(&"x".repeat(1000)).len() < 70);
    }
}
