//! Tells the program which revision of the sources it was built from.

use std::process::Command;

fn main() {
    let version = std::env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let revision = revision();
    println!("cargo:rustc-env=REGISCOPE_REVISION={}", revision.as_deref().unwrap_or_default());
    println!("cargo:rustc-env=REGISCOPE_VERSION={version} ({})", revision.as_deref().unwrap_or("no revision"));
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// Twelve digits of the revision; none outside a git checkout.
fn revision() -> Option<String> {
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
