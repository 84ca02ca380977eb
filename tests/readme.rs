//! Commands in the documentation: those of the program are run, or at least understood, so that they cannot rot.
//!
//! Every line of a fenced `sh` block in README.md and the other pages is a command. A comment right after the block,
//! `<!-- run: REASON -->`, says that its commands are only parsed here and why (network, minutes).

#[allow(dead_code)] // the fields are read by the program
#[path = "../crates/regiscope/src/program/args.rs"]
mod args;

use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One line of a block.
struct Line {
    page: String,
    text: String,
    /// Why it is not run.
    kept_from_running: Option<String>,
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![
        root().join("README.md"),
        root().join("CONTRIBUTING.md"),
        root().join("benches/README.md"),
        root().join("fuzz/README.md"),
    ];
    if let Ok(entries) = fs::read_dir(root().join("docs")) {
        pages.extend(entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    pages.into_iter().filter(|p| p.is_file()).collect()
}

fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        for block in text.split("```sh\n").skip(1) {
            let (body, after) = block.split_once("```").unwrap_or_else(|| panic!("{name}: a block is not closed"));
            let marker = after.trim_start().strip_prefix("<!-- run:").and_then(|rest| rest.split_once("-->"));
            let kept_from_running = marker.map(|(reason, _)| reason.trim().to_owned());
            let body = body.replace("\\\n", " ");
            for line in body.lines().map(|l| l.split(" #").next().unwrap_or_default().trim()) {
                if !line.is_empty() && !line.starts_with('#') {
                    let (page, text) = (name.clone(), line.to_owned());
                    lines.push(Line { page, text, kept_from_running: kept_from_running.clone() });
                }
            }
        }
    }
    lines
}

/// The arguments of the program, if the command is one of the program, however it is called.
fn arguments(command: &str) -> Option<Vec<String>> {
    let words = shlex::split(command).expect("quotes are closed");
    match words.first()?.as_str() {
        "regiscope" => Some(words[1..].to_vec()),
        "cargo" if words.get(1)? == "run" => {
            let at = words.iter().position(|w| w == "--").expect("the program's arguments stand after --");
            Some(words[at + 1..].to_vec())
        }
        _ => None,
    }
}

#[test]
fn the_readme_shows_commands_of_the_program() {
    let all = lines();
    let of_program = all.iter().filter(|l| l.page == "README.md" && arguments(&l.text).is_some()).count();
    assert!(of_program >= 2, "README.md has {of_program} commands of the program");
}

#[test]
fn every_command_of_the_documentation_is_understood() {
    for line in lines() {
        match arguments(&line.text) {
            Some(arguments) => {
                let words = [vec!["regiscope".to_owned()], arguments].concat();
                let parsed = args::Arguments::try_parse_from(words);
                let parsed = parsed.unwrap_or_else(|e| panic!("{}: {}\n{e}", line.page, line.text));
                what_it_names_is_there(&line, &parsed.command);
            }
            None => other_command(&line),
        }
    }
}

/// Documents and datasets that a command names must exist, run or not.
fn what_it_names_is_there(line: &Line, command: &args::Command) {
    match command {
        args::Command::Run(args::RunArgs { document, .. }) | args::Command::Check(args::CheckArgs { document }) => {
            assert!(root().join(&document.path).is_file(), "{}: {}", line.page, line.text);
        }
        args::Command::Data(args::DataArgs { command: args::DataCommand::Fetch { name }, .. }) => {
            let known = regiscope::datasets::manifest::by_name(name);
            known.unwrap_or_else(|e| panic!("{}: {}: {e}", line.page, line.text));
        }
        _ => {}
    }
}

/// Commands of other programs: files of this repository that they name must be there, and so must cargo's packages.
fn other_command(line: &Line) {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    for word in &words {
        let is_ours = [".ci/", "benches/", "experiments/", "tests/", "crates/", "datasets/", "fuzz/"]
            .iter()
            .any(|f| word.starts_with(f));
        let is_output = word.contains("/results/");
        assert!(
            !is_ours || is_output || root().join(word).exists(),
            "{}: {}: there is no {word}",
            line.page,
            line.text
        );
    }
    if words[0] == "cargo"
        && let Some(at) = words.iter().position(|w| *w == "-p")
    {
        let package = words.get(at + 1).unwrap_or_else(|| panic!("{}: {}", line.page, line.text));
        let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("name = \"{package}\"\n")), "{}: there is no package {package}", line.page);
    }
}

#[test]
fn commands_of_the_program_run() {
    let out = tempfile::tempdir().unwrap();
    for line in lines().iter().filter(|l| l.kept_from_running.is_none()) {
        let Some(arguments) = arguments(&line.text) else { continue };
        // Results go to a folder of this test's own, and a run with starts makes two; all else is as printed.
        let is_run = arguments[0] == "run";
        let mut arguments: Vec<String> = arguments
            .into_iter()
            .map(|a| if a.starts_with("runs/") { out.path().join(a).display().to_string() } else { a })
            .collect();
        if is_run && !line.text.contains("diffeo") && !line.text.contains("challenge") {
            arguments.extend(["--set".to_owned(), "starts.count=2".to_owned()]);
        }
        let output =
            Command::new(env!("CARGO_BIN_EXE_regiscope")).current_dir(root()).args(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{said}", line.page, line.text);
    }
}
