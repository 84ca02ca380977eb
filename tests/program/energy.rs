//! `regiscope energy`: the meter from outside, on simulated sensors and on a machine without any.

use crate::support::{json, program, refused, run, stderr, stdout, write};
use regiscope::energy::sim::powercap::{PowercapTree, SimZone};
use regiscope::energy::sim::profile::Profile;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `energy measure` without any sensor of the machine, with further options and a command.
fn measure(powercap: &Path, options: &[&str], command: &[&str]) -> (Output, Value) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.json");
    let output = program()
        .args(["energy", "measure", "--nvml", "libnowhere-ml.so.1", "--powercap"])
        .arg(powercap)
        .arg("--json")
        .arg(&out)
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .unwrap();
    let value = std::fs::read(&out).ok().map(|b| serde_json::from_slice(&b).unwrap()).unwrap_or_default();
    (output, value)
}

/// A tree that stands still, for what needs no energy.
fn still_tree(folder: &Path, zones: Vec<SimZone>) -> PathBuf {
    PowercapTree::create(folder, zones).unwrap().root()
}

#[test]
fn a_machine_without_sensors_says_unmeasured_and_why() {
    let nowhere = Path::new("/nowhere/powercap");
    let (output, value) = measure(nowhere, &[], &["sh", "-c", "echo worked; exit 0"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "worked\n"));
    assert_eq!(value["total"], json!({"name": "total", "joules": null, "provenance": "unmeasured", "interval": null}));
    let messages: Vec<&str> = value["messages"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("unmeasured because") && messages[0].contains("/nowhere/powercap"), "{messages:?}");
    assert!(stderr(&output).contains(messages[0]), "{}", stderr(&output));
    assert!(value["wall_s"].as_f64().unwrap() > 0.0);
    assert_eq!(value["regions"][0]["exit_status"], 0);
    // On request the same is a missed criterion.
    let (output, value) = measure(nowhere, &["--require-measured"], &["true"]);
    assert_eq!((output.status.code(), &value["total"]["joules"]), (Some(1), &Value::Null));
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let nowhere = Path::new("/nowhere");
    for (command, status) in [("exit 3", 3), ("kill -9 $$", 137), ("exit 0", 0)] {
        let (output, value) = measure(nowhere, &["--require-measured"], &["sh", "-c", command]);
        let expected = if status == 0 { 1 } else { status };
        assert_eq!(output.status.code(), Some(expected), "{command}: {}", stderr(&output));
        assert_eq!(value["regions"][0]["exit_status"], status);
    }
    let (output, value) = measure(nowhere, &[], &["/nowhere/program"]);
    assert_eq!((output.status.code(), value), (Some(127), Value::Null));
    assert!(stderr(&output).contains("/nowhere/program"), "{}", stderr(&output));
    let (output, _) = measure(nowhere, &[], &["/etc/passwd"]);
    assert_eq!(output.status.code(), Some(126));
    // A failing command is not repeated.
    let (_, value) = measure(nowhere, &["--repeat", "3"], &["false"]);
    assert_eq!(value["regions"].as_array().unwrap().len(), 1);
    refused(&run(["energy", "footprint", "/nowhere/report.json"]), &["/nowhere/report.json"]);
    assert_eq!(run(["energy", "measure"]).status.code(), Some(2));
}

#[test]
fn an_unreadable_zone_is_told_with_its_fix() {
    let folder = tempfile::tempdir().unwrap();
    let tree = still_tree(folder.path(), vec![SimZone::package(0, Profile::constant(5.0))]);
    // A folder in the place of the counter cannot be read by anybody, the superuser of a container included.
    let counter = folder.path().join("devices/intel-rapl/intel-rapl:0/energy_uj");
    std::fs::remove_file(&counter).unwrap();
    std::fs::create_dir(&counter).unwrap();
    let (output, value) = measure(&tree, &[], &["true"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(value["domains"][0]["name"], "package-0");
    assert_eq!(value["domains"][0]["joules"], Value::Null);
    assert_eq!(value["total"]["provenance"], "unmeasured");
    assert!(value["messages"][0].as_str().unwrap().contains("package-0 is unmeasured"), "{value}");
}

#[test]
fn a_simulated_tree_is_measured_in_real_time() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    let mut simulator = program()
        .args(["energy", "simulate", "--seconds", "20", "--zone", "package-0=60", "--zone", "dram=8"])
        .args(["--zone", "psys=90", "--quiet", "--tree"])
        .arg(&tree)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let ready = tree.join("class/intel-rapl:1");
    while !ready.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (output, value) = measure(
        &tree.join("class"),
        &["--repeat", "2", "--idle", "0.2", "--units", "4", "--unit", "nap"],
        &["sleep", "0.3"],
    );
    simulator.kill().unwrap();
    simulator.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let names: Vec<&str> = value["domains"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["package-0", "dram-0", "psys"]);
    let truth = 68.0 * value["wall_s"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|side| value["total"]["interval"][side].as_f64().unwrap());
    assert!((low..=high).contains(&truth), "{truth} J in {low} to {high}");
    let kinds: Vec<&str> = value["regions"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["idle", "work", "work"]);
    assert!(stderr(&output).contains("per nap"), "{}", stderr(&output));
    assert_eq!(value.as_object().unwrap().len(), 5, "domains, total, wall_s, regions, messages");
}

/// The fake driver library that cargo built beside this test, under the name that the loader looks for.
fn fake_nvml(folder: &Path) -> PathBuf {
    // The dependency makes cargo build it; naming something of it keeps it one.
    assert_eq!(regiscope_fake_nvml::boards::VARIABLE, "REGISCOPE_FAKE_NVML");
    let beside = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = beside.join("libregiscope_fake_nvml.so");
    std::fs::copy(&library, folder.join("libnvidia-ml.so.1")).unwrap_or_else(|e| panic!("{}: {e}", library.display()));
    folder.to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn boards_come_through_the_loader() {
    let folder = tempfile::tempdir().unwrap();
    let loader_path = fake_nvml(folder.path());
    let boards = json!({"boards": [
        {"profile": {"pieces": [[1.0, 250.0]], "repeat": true}, "period_s": 0.02},
        {"profile": {"pieces": [[1.0, 100.0]], "repeat": true}, "has_counter": false},
    ]});
    let boards = write(folder.path(), "boards.json", boards.to_string());
    let out = folder.path().join("out.json");
    let with_boards = |command: &mut Command| {
        command.env("LD_LIBRARY_PATH", &loader_path).env("REGISCOPE_FAKE_NVML", &boards).output().unwrap()
    };
    let output = with_boards(
        program()
            .args(["energy", "measure", "--powercap", "/nowhere", "--json"])
            .arg(&out)
            .args(["--", "sleep", "0.4"]),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let value: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let wall_s = value["wall_s"].as_f64().unwrap();
    for (at, watts) in [(0, 250.0), (1, 100.0)] {
        let domain = &value["domains"][at];
        let [low, high] = [0, 1].map(|side| domain["interval"][side].as_f64().unwrap());
        assert!((low..=high).contains(&(watts * wall_s)), "{} J: {domain}", watts * wall_s);
    }
    assert_eq!(value["domains"][1]["provenance"], "derived");
    assert!(value["messages"].to_string().contains("the processor is in no number here"), "{value}");
    let output = with_boards(program().args(["energy", "probe", "--powercap", "/nowhere", "--json"]));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let period_s = found["sensors"][0]["period_s"].as_f64().unwrap();
    assert!((period_s - 0.02).abs() < 0.01, "{found}");
}

#[test]
fn a_report_is_merged_compared_exported_and_reckoned_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for name in ["a.json", "b.json"] {
        let mut command = program();
        command.args(["energy", "measure", "--powercap", "/nowhere", "--nvml", "libnowhere.so", "--tdp", "100"]);
        let output =
            command.args(["--kind", "training", "--repeat", "4", "--json", &path(name), "--", "true"]).output();
        assert_eq!(output.unwrap().status.code(), Some(0));
    }
    let report: Value = serde_json::from_slice(&std::fs::read(path("a.json")).unwrap()).unwrap();
    assert_eq!(report["total"]["provenance"], "modelled");
    assert!(report["messages"].to_string().contains("package-model is modelled, not measured"), "{report}");
    let merged = json(["energy", "merge", &path("a.json"), &path("b.json")]);
    assert_eq!(merged["domains"][1]["name"], "rank1/package-model");
    let compared = json(["energy", "compare", &path("a.json"), &path("b.json"), "--warm-up", "0"]);
    assert_eq!(compared["pairs"], 4);
    let carbon = json(["energy", "footprint", &path("a.json"), "--grid", "fr", "--pue", "1.2", "--price", "0.2"]);
    assert_eq!((&carbon["grid"]["g_per_kwh"], &carbon["provenance"]), (&json!(56.0), &json!("modelled")));
    refused(&run(["energy", "footprint", &path("a.json"), "--grid", "xx"]), &["xx", "world", "--intensity"]);
    let spdx = stdout(&run(["energy", "export", &path("a.json"), "--form", "spdx"]));
    assert!(spdx.contains("ai_trainingEnergyConsumption"), "{spdx}");
    let text = stdout(&run(["energy", "export", &path("a.json"), "--form", "prometheus"]));
    assert!(text.contains("regiscope_energy_joules{domain=\"total\""), "{text}");
    let csv = path("a.csv");
    assert!(run(["energy", "export", &path("a.json"), "--form", "csv", "--out", &csv]).status.success());
    assert_eq!(std::fs::read_to_string(csv).unwrap().lines().count(), 1 + 4 * 2);
}

#[test]
fn a_trace_replays_to_the_figures_it_was_recorded_with() {
    let folder = tempfile::tempdir().unwrap();
    let meter = write(folder.path(), "meter", "energy_j 5\n");
    let trace = folder.path().join("trace.jsonl");
    let out = folder.path().join("out.json");
    let output = program()
        .args(["energy", "measure", "--powercap", "/nowhere", "--nvml", "libnowhere.so", "--meter"])
        .arg(format!("wall={}", meter.display()))
        .arg("--trace")
        .arg(&trace)
        .arg("--json")
        .arg(&out)
        .args(["--", "sh", "-c"])
        .arg(format!("echo energy_j 12 >> {}; sleep 0.05", meter.display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let recorded: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(recorded["domains"][0]["name"], "wall");
    let replayed = json(["energy".as_ref(), "replay".as_ref(), trace.as_os_str()]);
    let [a, b] = [&recorded, &replayed].map(|r| r["regions"][0]["domains"][0]["joules"].as_f64().unwrap());
    assert!((a - b).abs() <= 0.05 * a.max(1.0), "{a} {b}");
    let damaged = write(folder.path(), "damaged", "{\"trace\":7,\"sensors\":[]}\n");
    refused(&run(["energy".as_ref(), "replay".as_ref(), damaged.as_os_str()]), &["damaged", "line 1"]);
}

#[test]
fn the_fleet_shows_the_three_findings() {
    let value = json(["energy", "fleet"]);
    let holds: Vec<&Value> = value["findings"].as_array().unwrap().iter().map(|f| &f["holds"]).collect();
    assert_eq!(holds, [&json!(true); 3]);
    let folder = tempfile::tempdir().unwrap();
    let bad = write(folder.path(), "fleet.toml", "title = \"x\"\nnodes = []\nruns = []\nnonsense = 1\n");
    refused(&run(["energy".as_ref(), "fleet".as_ref(), bad.as_os_str()]), &["fleet.toml", "line 4", "nonsense"]);
}

#[test]
fn the_record_of_a_run_says_what_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let document = write(
        folder.path(),
        "render.toml",
        "title = \"Small\"\n[phantom]\nspacing_mm = 8\nextent_mm = [160, 160, 160]\n[view]\nrows = 16\ncols = 16\npitch_mm = 16\n[render]\n",
    );
    let out = folder.path().join("out");
    let output = program().arg("run").arg(&document).arg("--out").arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let record: Value = serde_json::from_slice(&std::fs::read(out.join("run.json")).unwrap()).unwrap();
    let energy = &record["energy"];
    match energy["total"]["joules"].as_f64() {
        Some(joules) => assert!(joules > 0.0),
        None => {
            assert_eq!(energy["total"]["provenance"], "unmeasured");
            assert!(energy["messages"][0].as_str().unwrap().contains("unmeasured"), "{energy}");
        }
    }
}
