//! Every crate that a build can pull in has a licence from the accepted list.

use std::collections::BTreeSet;
use std::process::Command;

/// Permissive licences and the file-level copyleft of MPL-2.0, by SPDX identifier.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Whether the accepted licences satisfy an SPDX expression; `/` is an old way of writing OR.
fn accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    spdx::Expression::parse_mode(&expression, spdx::ParseMode::LAX).is_ok_and(|parsed| {
        parsed.evaluate(|requirement| requirement.license.id().is_some_and(|id| ACCEPTED.contains(&id.name)))
    })
}

/// `cargo tree` follows features, unlike `cargo metadata`, which also lists what optional features of dependencies that no
/// build turns on would pull in.
#[test]
fn every_dependency_has_an_accepted_licence() {
    let arguments = ["tree", "--workspace", "--all-features", "--locked", "--prefix", "none"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--target", "all", "--edges", "normal,build,dev", "--format", "{p}\t{l}"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    // A package that was listed before carries a star.
    let rows = text.lines().filter_map(|line| line.trim_end_matches(" (*)").split_once('\t'));
    let packages: BTreeSet<(&str, &str)> = rows.collect();
    assert!(packages.len() > 200, "{} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|(_, licence)| !accepted(licence))
        .map(|(package, licence)| format!("{package}: {licence}"))
        .collect();
    assert!(refused.is_empty(), "not on the accepted list:\n{}", refused.join("\n"));
}

#[test]
fn copyleft_and_unknown_licences_are_refused() {
    assert!(accepted("MIT OR GPL-3.0-only") && accepted("MIT/Apache-2.0"));
    assert!(!accepted("GPL-3.0-only") && !accepted("MIT AND LGPL-2.1-or-later") && !accepted("LicenseRef-own"));
}
