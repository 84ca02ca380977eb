//! Runs the program the way a shell would.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, not yet started, with nothing of the user's settings around it.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regiscope"));
    command.env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
    command
}

/// Runs the program to its end.
pub fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    program().args(arguments).output().expect("the program starts")
}

/// Runs the program, which must succeed, and reads its output as JSON.
#[track_caller]
pub fn json(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Value {
    let output = program().args(arguments).arg("--json").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON and nothing else on standard output")
}

/// Asserts a refusal: exit status 2, nothing on standard output, one sentence on standard error that holds all
/// `words`. Returns the sentence.
#[track_caller]
pub fn refused(output: &Output, words: &[&str]) -> String {
    let sentence = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{sentence}");
    assert!(output.stdout.is_empty());
    assert_eq!(sentence.trim_end().lines().count(), 1, "one line: {sentence}");
    for word in words {
        assert!(sentence.contains(word), "{word:?} in {sentence}");
    }
    sentence
}

/// What was said on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What was said on standard output.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes a file of a test's folder.
pub fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a temporary folder can be written to");
    path
}
