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

/// Asserts that the command line was not understood: exit status 2, nothing on standard output, and all `words` in what
/// is said before the advice on usage.
#[track_caller]
pub fn misused(output: &Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty() && said.starts_with("error: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} in {said}");
    }
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

/// The bytes of a NIfTI-1 file of 16-bit integers, built by hand: shape (x, y, z), rows of the affine from voxel to
/// RAS mm as sform, slope and intercept.
pub fn nifti(shape: [u16; 3], affine: [[f32; 4]; 3], slope: f32, intercept: f32, data: &[i16]) -> Vec<u8> {
    let mut header = vec![0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348i32.to_le_bytes());
    for (n, extent) in [3, shape[0], shape[1], shape[2], 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * n, &extent.to_le_bytes());
    }
    put(70, &4i16.to_le_bytes()); // int16
    put(72, &16i16.to_le_bytes());
    let [x, y, z] = affine;
    for (axis, ((a, b), c)) in x.iter().zip(&y).zip(&z).take(3).enumerate() {
        put(80 + 4 * axis, &(a * a + b * b + c * c).sqrt().to_le_bytes());
    }
    put(76, &1f32.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(112, &slope.to_le_bytes());
    put(116, &intercept.to_le_bytes());
    put(123, &[2]); // mm
    put(254, &1i16.to_le_bytes()); // sform: scanner
    for (r, row) in affine.iter().enumerate() {
        for (c, value) in row.iter().enumerate() {
            put(280 + 16 * r + 4 * c, &value.to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    assert_eq!(data.len(), shape.iter().map(|&n| usize::from(n)).product::<usize>());
    header.extend(data.iter().flat_map(|v| v.to_le_bytes()));
    header
}
