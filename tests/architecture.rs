//! The layers of the workspace: ARCHITECTURE.md's table against the manifests, and what engines must not touch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What a crate of the table is: its layer and its folder.
struct Crate {
    layer: u32,
    folder: PathBuf,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows `| layer | \`package\` | \`folder\` | … |` of the table in ARCHITECTURE.md.
fn layers() -> BTreeMap<String, Crate> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let name = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
        let layer = cells.first()?.parse().ok()?;
        Some((name(cells.get(1)?)?, Crate { layer, folder: root().join(name(cells.get(2)?)?) }))
    });
    rows.collect()
}

fn manifest(folder: &Path) -> Table {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Names of the packages that a manifest depends on; with `dev`, also those of its tests.
fn dependencies(manifest: &Table, dev: bool) -> BTreeSet<String> {
    let kinds = ["dependencies", "build-dependencies", "dev-dependencies"];
    let tables = kinds.iter().take(if dev { 3 } else { 2 }).filter_map(|kind| manifest.get(*kind)?.as_table());
    let renamed = |key: &String, value: &Value| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
    tables.flat_map(|table| table.iter().map(|(key, value)| renamed(key, value)).collect::<Vec<_>>()).collect()
}

#[test]
fn the_table_names_every_member_of_the_workspace() {
    let workspace = manifest(&root());
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    let mut folders = BTreeSet::new();
    for member in members.iter().filter_map(Value::as_str) {
        match member.strip_suffix("/*") {
            Some(parent) => {
                let entries = fs::read_dir(root().join(parent)).expect("the folder of members is there");
                folders.extend(entries.map(|e| e.unwrap().path()).filter(|p| p.join("Cargo.toml").is_file()));
            }
            None => drop(folders.insert(root().join(member))),
        }
    }
    let packages: BTreeSet<String> =
        folders.iter().map(|f| manifest(f)["package"]["name"].as_str().expect("a package name").to_owned()).collect();
    assert_eq!(packages, layers().into_keys().collect());
    for (name, row) in layers() {
        assert_eq!(manifest(&row.folder)["package"]["name"].as_str(), Some(name.as_str()), "{}", row.folder.display());
    }
}

#[test]
fn a_crate_uses_only_crates_of_lower_layers() {
    let layers = layers();
    assert!(layers.len() >= 7, "the table was read");
    for (name, row) in &layers {
        for used in dependencies(&manifest(&row.folder), true).iter().filter(|d| d.starts_with("regiscope")) {
            let lower = layers.get(used).unwrap_or_else(|| panic!("{used}, used by {name}, is not in the table"));
            assert!(lower.layer < row.layer, "{name} (layer {}) uses {used} (layer {})", row.layer, lower.layer);
        }
    }
}

/// What no crate below the program may depend on, by the beginning of its name, and who may.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    ("burn", &["regiscope", "regiscope-inn", "regiscope-posterior"]),
    ("cubecl", &["regiscope"]),
    ("polars", &["regiscope"]),
    ("clap", &["regiscope"]),
    ("indicatif", &["regiscope"]),
    ("ctrlc", &["regiscope"]),
    ("miette", &["regiscope", "regiscope-experiment"]),
];

#[test]
fn heavy_and_outward_dependencies_stay_where_they_belong() {
    for (name, row) in layers() {
        for used in dependencies(&manifest(&row.folder), false) {
            for (forbidden, allowed) in FORBIDDEN {
                let is_it = used == forbidden || used.starts_with(&format!("{forbidden}-"));
                assert!(!is_it || allowed.contains(&name.as_str()), "{name} depends on {used}");
            }
        }
    }
}

/// Crates that compute: settings in, solution out.
const ENGINES: [&str; 7] = [
    "regiscope-geometry",
    "regiscope-image",
    "regiscope-drr",
    "regiscope-diffeo",
    "regiscope-inn",
    "regiscope-pose",
    "regiscope-posterior",
];

/// What an engine's code must not mention.
const OUTWARD: [&str; 9] = [
    "std::env::var",
    "env::args",
    "println!",
    "print!(",
    "dbg!",
    "Instant::now",
    "SystemTime",
    "process::exit",
    "clap::",
];

#[test]
fn engines_touch_neither_terminal_nor_environment_nor_clock() {
    for (name, row) in layers().into_iter().filter(|(name, _)| ENGINES.contains(&name.as_str())) {
        let mut files = Vec::new();
        rust_files(&row.folder.join("src"), &mut files);
        assert!(files.len() > 3, "{name} has sources");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may say why they were skipped; they stand at the end of a file.
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate().filter(|(_, l)| !l.trim_start().starts_with("//")) {
                for word in OUTWARD {
                    assert!(!line.contains(word), "{}:{}: {word} in an engine", file.display(), number + 1);
                }
            }
        }
    }
}

#[test]
fn unsafe_code_is_denied_everywhere() {
    let workspace = manifest(&root());
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    for (name, row) in layers() {
        assert_eq!(manifest(&row.folder)["lints"]["workspace"].as_bool(), Some(true), "{name}");
    }
}

#[test]
fn every_document_in_experiments_loads_and_checks() {
    use regiscope::experiment::{Document, Places, check};
    let folder = root().join("experiments");
    let entries = fs::read_dir(&folder).expect("experiments/ is there");
    let mut documents: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    documents.retain(|p| p.extension().is_some_and(|e| e == "toml"));
    assert!(documents.iter().any(|d| d.ends_with("quickstart.toml")));
    for path in documents {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        let document = Document::parse(&text, &name).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let places = Places { base_dir: folder.clone(), data_dir: folder.join("nothing-is-fetched-here") };
        if let Err(mistakes) = check(&document, &places) {
            // A dataset that is not fetched and files of the reader's own are all that may be missing.
            let others: Vec<&str> = mistakes
                .errors
                .iter()
                .filter(|e| {
                    let help = e.help.as_deref().unwrap_or_default();
                    !help.contains("data fetch") && !help.contains("names another file")
                })
                .map(|e| e.message.as_str())
                .collect();
            assert!(others.is_empty(), "{name}: {others:?}");
        }
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
