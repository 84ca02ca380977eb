//! `regiscope challenge report`, also as a browser sees it.

use crate::support::{json, nifti, refused, run, stderr, stdout, write};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Two tasks, four algorithms of falling quality, one with a hostile name, by a rule.
fn table() -> String {
    let mut text = String::from("task,case,patient,alg,value\n");
    for task in ["a", "b"] {
        for case in 0..24 {
            for (n, name) in ["first", "second", "<script>alert(1)</script>", "last & least"].iter().enumerate() {
                let value =
                    0.93 - 0.05 * n as f64 - 0.3 * ((f64::from(case) * 0.618 + n as f64 * 0.37).fract()).powi(3);
                text += &format!("{task},{case},P{},{name},{value:.4}\n", case / 4);
            }
        }
    }
    text
}

fn report<'a>(path: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let columns = ["--task", "task", "--case", "case", "--algorithm", "alg", "--value", "value"];
    [&["challenge", "report", "--data", path, "--out", out][..], &columns, more].concat()
}

fn text(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn a_report_is_one_page_tables_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let path = write(folder.path(), "t.csv", table()).display().to_string();
    let (out, tables, metrics) = (at("new/report.html"), at("tables"), at("metrics.json"));
    let more = ["--bootstrap", "60", "--cluster", "patient", "--tables", &tables, "--grand-challenge", &metrics];
    let value = json(report(&path, &out, &more));
    assert_eq!(value["rankings"]["a"]["first"]["rank"], 1.0);
    assert_eq!(value["resampled_by"], "patient");
    assert_eq!(value["rankings"]["bootstrap_ranks"]["b"]["first"].as_array().unwrap().len(), 60);
    let page = text(folder.path(), "new/report.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("&lt;script&gt;alert(1)"));
    for forbidden in ["<script", "http:", "https:", "<link", "src=\"http"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    // Seven figures of each task, violins and tree.
    assert_eq!(page.matches("<svg").count(), 2 * 7 + 2);
    assert_eq!(text(folder.path(), "tables/ranking.csv").lines().count(), 1 + 2 * 4);
    assert!(text(folder.path(), "tables/ranking.tex").contains("last \\& least"));
    let metrics: Value = serde_json::from_str(&text(folder.path(), "metrics.json")).unwrap();
    assert_eq!(metrics["results"].as_array().unwrap().len(), 2 * 24 * 4);
    assert!(metrics["aggregates"]["value"]["mean"].is_number());
    // The same seed gives the same page; words go to standard output.
    let again = run(report(&path, &out, &more));
    assert!(stdout(&again).contains("2 tasks") && stdout(&again).contains("report.html"), "{}", stdout(&again));
    assert_eq!(text(folder.path(), "new/report.html"), page);
}

#[test]
fn masks_make_a_gallery() {
    let folder = tempfile::tempdir().unwrap();
    let affine = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]];
    let file = |name: &str, low: i16| {
        let inside =
            |i: i16| (low..low + 4).contains(&(i % 8)) && (2..6).contains(&(i / 8 % 8)) && (2..6).contains(&(i / 64));
        let data: Vec<i16> = (0..8 * 8 * 8).map(|i| i16::from(inside(i))).collect();
        write(folder.path(), name, nifti([8, 8, 8], affine, 1.0, 0.0, &data));
    };
    (0..4).for_each(|n| file(&format!("m{n}.nii"), n));
    let manifest = "case,algorithm,reference,prediction,image,cluster\n\
        1,good,m0.nii,m0.nii,m1.nii,P\n1,bad,m0.nii,m3.nii,m1.nii,P\n\
        2,good,m1.nii,m2.nii,,Q\n2,bad,m1.nii,,,Q\n";
    let manifest = write(folder.path(), "m.csv", manifest).display().to_string();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (table, metrics) = (at("metrics.csv"), at("metrics.json"));
    let asked = ["challenge", "metrics", "--manifest", &manifest, "--metrics", "dsc,hd", "--table", &table];
    let value = json([&asked[..], &["--grand-challenge", &metrics]].concat());
    assert_eq!((value["results"][0]["dsc"].as_f64(), value["results"][1]["dsc"].as_f64()), (Some(1.0), Some(0.25)));
    assert_eq!(value["aggregates"]["dsc"]["undefined"], 1);
    let lines = fs::read_to_string(&table).unwrap();
    assert!(lines.starts_with("task,case,algorithm,cluster,dsc,hd,rules\n"), "{lines}");
    assert!(lines.contains("task,2,bad,Q,,,dsc: there is no prediction: undefined"), "{lines}");
    // The table ranks as the manifest does.
    let columns = ["--case", "case", "--algorithm", "algorithm", "--missing", "0", "--task", "task"];
    let ranked = json([&["challenge", "rank", "--data", &table, "--value", "dsc"][..], &columns].concat());
    let direct = json(["challenge", "rank", "--manifest", &manifest, "--metric", "dsc", "--missing", "0"]);
    assert_eq!(ranked["task"]["good"], direct["task"]["good"]);
    assert_eq!(direct["task"]["bad"]["aggregate"], 0.125);
    let far = json(["challenge", "rank", "--manifest", &manifest, "--metric", "hd", "--missing", "worst"]);
    assert_eq!(far["task"]["good"]["rank"], 1.0);
    let out = at("report.html");
    let made =
        run(["challenge", "report", "--manifest", &manifest, "--missing", "0", "--bootstrap", "9", "--out", &out]);
    assert!(made.status.success(), "{}", stderr(&made));
    let page = fs::read_to_string(&out).unwrap();
    assert!(page.contains("contours of reference and prediction") && page.contains("href=\"data:image/png"));
    refused(&run(["challenge", "rank", "--manifest", &manifest]), &["m.csv", "\"bad\"", "no value", "--missing"]);
    refused(&run(["challenge", "rank", "--manifest", &manifest, "--smaller-is-better"]), &["--smaller-is-better"]);
    let broken = write(folder.path(), "n.csv", "case,algorithm,reference,prediction\n1,A,m0.nii,gone.nii\n");
    let broken = broken.display().to_string();
    refused(&run(["challenge", "metrics", "--manifest", &broken]), &["n.csv", "line 2", "gone.nii"]);
}

#[test]
fn a_failure_analysis_is_drawn_where_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.csv", table()).display().to_string();
    let out = folder.path().join("r.html").display().to_string();
    let no = write(folder.path(), "no.json", "{\"effects\": []}").display().to_string();
    refused(&run(report(&path, &out, &["--failures", &no])), &["no.json", "challenge failures --json"]);
    let yes = r#"{"data": {"rows": 9, "failures": 3, "algorithms": ["A"]}, "level": 0.95, "marginal_effects": [],
        "effects": [{"name": "smoke", "odds_ratio": 3, "odds_ratio_lower": 2, "odds_ratio_upper": 4, "p_adjusted": 0.01}]}"#;
    let yes = write(folder.path(), "yes.json", yes).display().to_string();
    let made = run(report(&path, &out, &["--failures", &yes, "--bootstrap", "9"]));
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(fs::read_to_string(&out).unwrap().contains("smoke (odds × 3.00)"));
}

/// Chromium's DOM of a page after loading, and what it said.
fn in_chromium(page: &Path, profile: &Path) -> Option<(String, String)> {
    let out = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"])
        .arg(format!("file://{}", page.display()))
        .output()
        .ok()?;
    Some((stdout(&out), stderr(&out)))
}

/// No console message from the page itself; in a copy without its guard, a script measures every figure.
#[test]
fn a_browser_finds_every_figure_and_nothing_to_complain_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "t.csv", table()).display().to_string();
    let out = folder.path().join("r.html");
    let made = run(report(&path, out.to_str().unwrap(), &["--bootstrap", "40"]));
    assert!(made.status.success(), "{}", stderr(&made));
    let profile = folder.path().join("profile");
    let Some((dom, said)) = in_chromium(&out, &profile) else {
        println!("skipped: chromium is not installed");
        return;
    };
    if dom.is_empty() {
        println!("skipped: chromium does not start here: {said}");
        return;
    }
    assert!(!said.contains("CONSOLE"), "{said}");
    let page = fs::read_to_string(&out).unwrap();
    // The page forbids itself to load anything, so that a request would have been a message.
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    let measure = "<script>document.body.setAttribute('data-figures',[...document.querySelectorAll('svg')].map(s=>{\
        const seen=[...s.querySelectorAll('rect,circle,path,line')].filter(m=>{const b=m.getBBox();return b.width+b.height>0});\
        const b=s.getBoundingClientRect();return seen.length>1&&b.width>100&&b.height>50}).join())</script></body>";
    let guard = page.find("<meta http-equiv").unwrap();
    let end = guard + page[guard..].find('>').unwrap() + 1;
    let copy = format!("{}{}", &page[..guard], &page[end..]).replace("</body>", measure);
    let copy = write(folder.path(), "copy.html", copy);
    let (dom, said) = in_chromium(&copy, &profile).unwrap();
    assert!(!said.contains("CONSOLE"), "{said}");
    let found =
        dom.split("data-figures=\"").nth(1).and_then(|r| r.split('"').next()).unwrap_or_else(|| panic!("{dom}"));
    assert_eq!(found, ["true"; 16].join(","));
}
