//! `regiscope challenge`.

use crate::support::{json, misused, nifti, refused, run, stdout, write};
use serde_json::{Value, json};
use std::path::Path;

const TABLE: &str = "task,case,alg,value\n\
    t,1,A,0.9\nt,1,B,0.8\nt,2,A,0.7\nt,2,B,0.75\nt,3,A,0.8\nt,3,B,0.6\n";

fn rank<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let columns = ["--task", "task", "--case", "case", "--algorithm", "alg", "--value", "value"];
    [&["challenge", "rank", "--data", path][..], &columns, more].concat()
}

fn table(folder: &Path, text: &str) -> String {
    write(folder, "t.csv", text).display().to_string()
}

#[test]
fn a_ranking_goes_to_a_file_with_aggregates_tests_and_resamples() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (table(folder.path(), TABLE), folder.path().join("o.json").display().to_string());
    let more = ["--bootstrap", "50", "--seed", "3", "--json", &out, "--jackknife"];
    let output = run(rank(&path, &more));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(value["t"]["A"]["rank"], 1.0);
    assert!((value["t"]["A"]["aggregate"].as_f64().unwrap() - 0.8).abs() < 1e-15);
    assert_eq!(value["significance"]["t"]["algorithms"], json!(["A", "B"]));
    // Differences 0.1, -0.05, 0.2: V = 5 of 6, exact p = 2/8.
    assert_eq!(value["significance"]["t"]["p_value"], json!([[null, 0.25], [0.875, null]]));
    assert_eq!(value["bootstrap_ranks"]["t"]["B"].as_array().unwrap().len(), 50);
    assert!(value["kendall_tau"]["t"]["mean"].as_f64().unwrap() <= 1.0);
    assert_eq!(value["t"]["B"]["jackknife"]["worst_rank"], 2.0);
    let text = stdout(&run(rank(&path, &[])));
    assert!(text.contains("rank") && text.contains("0.800000"), "{text}");
    // Standard output, and the same seed gives the same resamples.
    let again = json(rank(&path, &["--bootstrap", "50", "--seed", "3", "--jackknife"]));
    assert_eq!(again, value);
}

#[test]
fn every_method_and_option_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let path = table(folder.path(), TABLE);
    for method in [
        "median-then-rank",
        "quantile-then-rank:0.05",
        "rank-then-mean",
        "rank-then-median",
        "test-then-rank",
        "robust-mis",
    ] {
        let value = json(rank(&path, &["--method", method, "--adjust", "none", "--alpha", "0.3", "--bootstrap", "5"]));
        assert!(value["t"]["A"]["rank"].is_number(), "{method}");
    }
    let smaller = json(rank(&path, &["--smaller-is-better"]));
    assert_eq!(smaller["t"]["B"]["rank"], 1.0);
    let two = TABLE.to_owned() + "u,1,A,0.1\nu,1,B,0.2\n";
    let path = table(folder.path(), &two);
    let more = ["--consensus", "kemeny,borda,mean-rank", "--compare", "rank-then-mean,median-then-rank"];
    let value = json(rank(&path, &more));
    assert_eq!(value["consensus"]["kemeny"]["equally_good_orders"], 2.0);
    assert_eq!(value["kendall_tau_tasks"]["tau_b"][0][1], -1.0);
    assert_eq!(value["kendall_tau_methods"]["t"]["names"].as_array().unwrap().len(), 3);
    let clustered = "task,case,alg,value,patient\nt,1,A,0.9,p\nt,1,B,0.8,p\nt,2,A,0.7,q\nt,2,B,0.75,q\n";
    let path = table(folder.path(), clustered);
    assert!(json(rank(&path, &["--cluster", "patient", "--bootstrap", "9"]))["t"]["A"]["confidence_set"].is_array());
}

#[test]
fn bad_tables_end_in_a_sentence_or_by_a_stated_rule() {
    let folder = tempfile::tempdir().unwrap();
    let said = |text: &str, more: &[&str], words: &[&str]| {
        let path = table(folder.path(), text);
        refused(&run(rank(&path, more)), &[&["t.csv"][..], words].concat());
    };
    let header = "task,case,alg,value\n";
    said("", &[], &["empty"]);
    said(header, &[], &["no rows"]);
    said("task,case,algorithm,value\nt,1,A,1\n", &[], &["no column \"alg\"", "\"algorithm\""]);
    said(&format!("{header}t,1,A,1\nt,1,A,2\n"), &[], &["line 3 repeats", "line 2"]);
    said(&format!("{header}t,1,A,good\n"), &[], &["line 2", "\"good\"", "no number"]);
    said(&format!("{header}t,1,A,inf\n"), &[], &["line 2", "inf", "finite"]);
    said(&format!("{header}t,1,A,1\nt,1,B,NaN\n"), &[], &["\"B\"", "no value", "--missing"]);
    said(&format!("{header}t,1,A,1\nt,2,B,1\n"), &[], &["2 such cells"]);
    said(&format!("{header}t,1,A,1\nt,2,B,1\n"), &["--missing", "drop-case"], &["leaves none"]);
    said(&format!("{header}significance,1,A,1\n"), &[], &["key of the result"]);
    let path = table(folder.path(), TABLE);
    refused(&run(rank(&path, &["--method", "best"])), &["\"best\"", "mean-then-rank"]);
    refused(&run(rank(&path, &["--method", "quantile-then-rank:2"])), &["2", "from 0 to 1"]);
    refused(&run(rank(&path, &["--alpha", "1.5"])), &["1.5"]);
    refused(&run(rank("nowhere.csv", &[])), &["nowhere.csv"]);
    // Stated rules.
    let ranks = |text: &str, more: &[&str]| json(rank(&table(folder.path(), text), more));
    let filled = ranks(&format!("{header}t,1,A,1\nt,1,B,\n"), &["--missing", "0"]);
    assert_eq!(filled["t"]["B"]["aggregate"], 0.0);
    let marked = ranks(&format!("\u{feff}{}", TABLE.replace('\n', "\r\n")), &[]);
    assert_eq!(marked["t"]["A"]["rank"], 1.0);
    let alone = ranks(&format!("{header}t,1,A,1\nt,2,A,2\n"), &["--bootstrap", "5", "--jackknife"]);
    assert_eq!((&alone["t"]["A"]["rank"], &alone["kendall_tau"]["t"]["undefined"]), (&json!(1.0), &json!(5)));
    let once = ranks(&format!("{header}t,1,A,1\nt,1,B,2\n"), &["--bootstrap", "5", "--method", "test-then-rank"]);
    assert_eq!(once["significance"]["t"]["p_value"][1][0], 0.5);
    let equal = ranks(&format!("{header}t,1,A,1\nt,1,B,1\nt,2,A,1\nt,2,B,1\n"), &["--method", "test-then-rank"]);
    assert_eq!((&equal["t"]["A"]["rank"], &equal["t"]["B"]["rank"]), (&json!(1.0), &json!(1.0)));
    assert_eq!(equal["significance"]["t"]["p_value"][0][1], 1.0);
}

#[test]
fn raters_are_compared_and_their_labels_aggregated() {
    let folder = tempfile::tempdir().unwrap();
    let wide = "image,p,q,r\n1,a,a,a\n2,b,b,a\n3,a,a,b\n4,b,b,b\n";
    let path = table(folder.path(), wide);
    let agree = json(["challenge", "agree", "--data", &path, "--item", "image", "--bootstrap", "20"]);
    assert_eq!(agree["cohen_kappa"][0]["plain"]["kappa"], 1.0);
    assert!(agree["krippendorff_alpha"]["nominal"]["interval"].is_array());
    assert!(agree["fleiss_kappa"].is_number());
    for method in ["majority", "dawid-skene", "one-coin", "glad"] {
        let found = json(["challenge", "aggregate", "--data", &path, "--item", "image", "--method", method]);
        assert_eq!(found["items"]["2"]["label"], "b", "{method}");
        assert_eq!(found["method"], method);
    }
    let schema = write(folder.path(), "s.toml", "[x]\nkind = \"nominal\"\nlevels = [\"a\", \"c\"]\n");
    let schema = schema.display().to_string();
    let asked = ["challenge", "agree", "--data", &path, "--item", "image", "--schema", &schema, "--characteristic"];
    refused(&run([&asked[..], &["x"]].concat()), &["t.csv", "line 3", "\"b\" is no label", "a, c"]);
    refused(&run([&asked[..], &["y"]].concat()), &["s.toml", "\"y\"", "there are x"]);
    let broken = write(folder.path(), "s.toml", "[x]\nkind = \"colour\"\n").display().to_string();
    let asked = ["challenge", "agree", "--data", &path, "--schema", &broken, "--characteristic", "x"];
    refused(&run(asked), &["s.toml", "colour"]);
}

#[test]
fn masks_are_compared_under_a_named_convention() {
    let folder = tempfile::tempdir().unwrap();
    let affine = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    let labels = |low: i16| -> Vec<i16> {
        (0..8 * 8 * 8)
            .map(|i| {
                i16::from(
                    (low..low + 4).contains(&(i % 8)) && (2..6).contains(&(i / 8 % 8)) && (2..6).contains(&(i / 64)),
                )
            })
            .collect()
    };
    let file = |name: &str, data: &[i16]| {
        write(folder.path(), name, nifti([8, 8, 8], affine, 1.0, 0.0, data)).display().to_string()
    };
    let (a, b, none) = (file("a.nii", &labels(1)), file("b.nii", &labels(3)), file("none.nii", &[0; 512]));
    let compared = |b: &str, more: &[&str]| {
        let pair = ["challenge", "metrics", "--reference", &a, "--prediction", b];
        json([&pair[..], more].concat())
    };
    let value = compared(&b, &["--metrics", "dsc,hd,hd95,nsd,boundary_iou,pq,mi-dsc", "--tolerance", "2"]);
    assert_eq!((&value["dsc"], &value["hd"], &value["nsd"]), (&json!(0.5), &json!(2.0), &json!(1.0)));
    assert_eq!((&value["pq"], &value["convention"]), (&json!(0.0), &json!("metrics-reloaded")));
    assert_eq!(value["mi-dsc"], 0.5);
    let empty = compared(&none, &["--metrics", "dsc,hd", "--convention", "deepmind-surface-distance"]);
    assert_eq!((&empty["dsc"], &empty["hd"]), (&json!(0.0), &Value::Null));
    assert!(empty["rules"]["hd"].as_str().unwrap().contains("infinite"));
    let each = compared(&b, &["--metrics", "dsc", "--label", "1,2"]);
    assert_eq!((&each["labels"]["1"]["dsc"], &each["labels"]["2"]["dsc"]), (&json!(0.5), &json!(1.0)));
    let small = write(folder.path(), "small.nii", nifti([2, 2, 2], affine, 1.0, 0.0, &[0; 8])).display().to_string();
    let pair = ["challenge", "metrics", "--reference", &a, "--prediction"];
    refused(&run([&pair[..], &[&small]].concat()), &["small.nii", "[8, 8, 8]", "[2, 2, 2]"]);
    refused(&run([&pair[..], &[&b, "--metrics", "iuo"]].concat()), &["\"iuo\"", "dsc, iou"]);
    refused(&run([&pair[..], &[&b, "--tolerance", "-1"]].concat()), &["--tolerance is -1"]);
}

/// A table of 60 cases and 3 algorithms: dark cases fail more often.
fn failing(folder: &Path) -> String {
    let mut text = String::from("image,operation,alg,dice,joules,dark,light\n");
    for image in 0..60 {
        let dark = u32::from(image % 3 == 0);
        for alg in 0..3 {
            let fails = (image * 7 + alg * 5) % 11 < if dark == 1 { 6 } else { 2 + alg };
            let dice = if fails { 0.1 * f64::from(image % 5) } else { 0.6 + 0.05 * f64::from((image + alg) % 6) };
            let light = ["dim", "plain"][(image / 2 % 2) as usize];
            text += &format!("{image},{},A{alg},{dice},{}.5,{dark},{light}\n", image / 6, alg + 1);
        }
    }
    write(folder, "f.csv", &text).display().to_string()
}

fn failures<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let columns =
        ["--case", "image", "--algorithm", "alg", "--value", "dice", "--simulations", "10", "--bootstrap", "10"];
    [&["challenge", "failures", "--data", path][..], &columns, more].concat()
}

#[test]
fn failures_have_odds_ratios_ranks_and_a_front() {
    let folder = tempfile::tempdir().unwrap();
    let path = failing(folder.path());
    let new = write(folder.path(), "new.csv", "image,dark,light\nn1,1,dim\nn2,0,plain\n").display().to_string();
    let out = folder.path().join("o.json").display().to_string();
    let more = [
        "--threshold",
        "0.5",
        "--characteristics",
        "dark,light",
        "--group",
        "operation",
        "--slopes",
        "none",
        "--energy",
        "joules",
        "--mix",
        "dark=0.5",
        "--new-cases",
        &new,
        "--adjust",
        "single-step",
        "--json",
        &out,
    ];
    let output = run(failures(&path, &more));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = stdout(&output);
    assert!(text.contains("odds ratio") && text.contains("dark in 50 %") && text.contains("risk of n2"), "{text}");
    let value: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(value["effects"][0]["name"], "dark");
    assert_eq!(value["effects"][1]["name"], "light: plain");
    assert!(value["effects"][0]["odds_ratio"].as_f64().unwrap() > 1.5);
    assert_eq!(value["rankings"][1]["conditions"][0]["share"], 0.5);
    assert_eq!(value["pareto"].as_array().unwrap().len(), 3);
    let risk = |case: usize| value["new_cases"][case]["risks"][0]["estimate"].as_f64().unwrap();
    assert!(risk(0) > risk(1));
}

#[test]
fn failures_that_cannot_be_analysed_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = failing(folder.path());
    let refuse = |path: &str, more: &[&str], word: &str| refused(&run(failures(path, more)), &[word]);
    let said = |more: &[&str], word: &str| refuse(&path, more, word);
    said(&["--threshold", "0.5", "--characteristics", "fog"], "no column \"fog\"");
    said(&["--threshold", "2", "--characteristics", "dark"], "180 of 180 results are failures");
    said(&["--threshold", "0", "--characteristics", "dark"], "0 of 180 results are failures");
    said(&["--threshold", "0.5", "--characteristics", "dark", "--slopes", "fog"], "a slope names");
    let mix = failures(&path, &["--threshold", "0.5", "--characteristics", "dark", "--mix", "dark=2"]);
    misused(&run(mix), &["dark=2", "between 0 and 1"]);
    said(&["--failure", "dice", "--characteristics", "dark"], "is no outcome");
    misused(&run(failures(&path, &["--characteristics", "dark"])), &["--threshold", "--failure"]);
    let twice = write(folder.path(), "t.csv", "image,alg,dice,dark\n1,A,0.4,1\n1,A,0.9,1\n").display().to_string();
    refuse(&twice, &["--threshold", "0.5", "--characteristics", "dark"], "second result");
    let nothing = write(folder.path(), "n.csv", "").display().to_string();
    refuse(&nothing, &["--threshold", "0.5", "--characteristics", "dark"], "empty");
}

#[test]
fn a_generated_study_is_analysed_from_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("study").display().to_string();
    let study = json(["data", "generate", "--out", &out, "--images", "120", "--procedures", "6", "--algorithms", "3"]);
    assert_eq!((&study["images"], &study["characteristics"]), (&json!(120), &json!(19)));
    let file = |name: &str| format!("{out}/{name}");
    let (data, labels, schema) = (file("study.csv"), file("annotations.csv"), file("annotations.toml"));
    let value = json([
        "challenge",
        "failures",
        "--data",
        &data,
        "--case",
        "image",
        "--algorithm",
        "algorithm",
        "--failure",
        "failure",
        "--characteristics",
        "underexposed_instrument,motion_blur",
        "--annotations",
        &labels,
        "--schema",
        &schema,
        "--imputations",
        "2",
        "--slopes",
        "none",
        "--simulations",
        "10",
    ]);
    assert_eq!(value["imputation"]["effects"].as_array().unwrap().len(), 2);
    refused(&run(["data", "generate", "--out", &out, "--images", "3"]), &["accepted are 30 to 100000"]);
}
