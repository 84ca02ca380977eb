//! `regiscope completions`, `--version`, `--help` and mistakes on the command line.

use crate::support::{json, program, run, stderr, stdout};
use std::process::Stdio;

#[test]
fn every_shell_gets_a_script_that_names_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(["completions", shell]);
        assert!(output.status.success());
        assert!(stdout(&output).contains("completions") && stdout(&output).contains("voxel"), "{shell}");
        assert_eq!(json(["completions", shell])["script"], stdout(&output));
    }
}

#[test]
fn the_version_names_the_revision() {
    let output = run(["--version"]);
    let text = stdout(&output);
    let (version, revision) = text.trim().strip_prefix("regiscope ").unwrap().split_once(' ').unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(revision.starts_with('(') && revision.ends_with(')'), "{revision}");
}

#[test]
fn mistakes_on_the_command_line_end_with_status_2() {
    for arguments in [&["inof"][..], &[], &["info"], &["info", "a", "--voxel", "1,2"], &["-q", "-v", "info", "a"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    assert!(stderr(&run(["inof"])).contains("info"), "the nearest command is suggested");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child =
        program().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
