//! The last resort: pip itself, which knows every way its configuration describes (keyrings, netrc, mirrors).

use crate::manifest::Source;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs `python -m pip download` into `folder`; gives the file's path, or why there is none.
pub fn download(python: &str, source: &Source, folder: &Path) -> Result<PathBuf, String> {
    let output = Command::new(python)
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--only-binary", ":all:", "--dest"])
        .arg(folder)
        .arg(format!("{}=={}", source.project, source.version))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{python} cannot be started: {e}"))?;
    let path = folder.join(&source.file);
    if output.status.success() && path.is_file() {
        return Ok(path);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("{python} -m pip download ended with {}: {}", output.status, hide_credentials(last)))
}

/// pip hides passwords itself; this makes sure.
fn hide_credentials(line: &str) -> String {
    line.split(' ').map(super::address::without_credentials).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_that_are_addresses_lose_their_credentials() {
        let line = "ERROR: Could not open https://me:secret@host/simple/ (nothing@all)";
        assert_eq!(super::hide_credentials(line), "ERROR: Could not open https://host/simple/ (nothing@all)");
    }
}
