//! Rankings as documents: seeded studies and tables, criteria, report, mistakes.

#[path = "common/checked.rs"]
mod checked;
mod common;

use checked::checked;
use common::options;
use regiscope_experiment::{Experiment, Outcome, Status, run};
use std::path::Path;
use std::sync::atomic::AtomicBool;

const MINIATURE: &str = r#"
title = "Miniature <of> a ranking"
[ranking]
bootstrap = 40
worst = 2
[ranking.study]
seed = 2
images = 90
procedures = 9
algorithms = 4
"#;

fn start(experiment: &Experiment, out: &Path) -> Result<Outcome, String> {
    let cancel = AtomicBool::new(false);
    let options = options(false, &cancel);
    run(experiment, out, options, &mut |_| ()).map_err(|e| e.to_string())
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn a_study_becomes_ranks_tables_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let outcome = start(&checked(MINIATURE, folder.path()).unwrap(), &out).unwrap();
    assert_eq!(outcome.status, Status::Done, "{:?}", outcome.warnings);
    // Three types of surgery as tasks, four algorithms in each, six methods.
    let told: serde_json::Value = serde_json::from_str(&read(&out, "rankings.json")).unwrap();
    let rankings = &told["rankings"];
    let tasks = ["proctocolectomy", "rectal_resection", "sigmoid_resection"];
    for task in tasks {
        let mut ranks: Vec<f64> =
            rankings[task].as_object().unwrap().values().map(|a| a["rank"].as_f64().unwrap()).collect();
        ranks.sort_by(f64::total_cmp);
        assert_eq!(ranks, [1.0, 2.0, 3.0, 4.0], "{task}");
        assert_eq!(rankings["bootstrap_ranks"][task]["A01"].as_array().unwrap().len(), 40);
    }
    assert_eq!(read(&out, "ranking.csv").lines().count(), 1 + 3 * 4);
    assert_eq!(read(&out, "results.csv").lines().count(), 1 + 90 * 4);
    assert!(read(&out, "significance.tex").contains("\\begin{tabular}"));
    let submitted: serde_json::Value = serde_json::from_str(&read(&out, "grand_challenge.json")).unwrap();
    assert_eq!(submitted["results"].as_array().unwrap().len(), 90 * 4);
    let page = read(&out, "report.html");
    for part in ["Miniature &lt;of&gt; a ranking", "Podium", "Which tasks rank alike", "resamples by procedure"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http://") && !page.contains("NaN"), "nothing is loaded, nothing is broken");

    // The table that was written, by its columns: the same aggregates.
    let again = MINIATURE.split("[ranking.study]").next().unwrap().to_owned()
        + "[ranking.table]\ndata = \"a/results.csv\"\ntask = \"surgery\"\ncase = \"image\"\nalgorithm = \"algorithm\"\n\
           value = \"dice\"\ncluster = \"procedure\"\n";
    let b = folder.path().join("b");
    start(&checked(&again, folder.path()).unwrap(), &b).unwrap();
    assert_eq!(read(&out, "ranking.csv"), read(&b, "ranking.csv"));
    // Distances: the other end is first.
    let distances = again.replace("[ranking.table]", "[ranking.table]\nsmaller_is_better = true");
    let c = folder.path().join("c");
    start(&checked(&distances, folder.path()).unwrap(), &c).unwrap();
    let other: serde_json::Value = serde_json::from_str(&read(&c, "rankings.json")).unwrap();
    for (name, of) in rankings[tasks[0]].as_object().unwrap() {
        assert_eq!(other["rankings"][tasks[0]][name]["rank"].as_f64().unwrap(), 5.0 - of["rank"].as_f64().unwrap());
    }
}

#[test]
fn a_missed_criterion_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = MINIATURE.replace("worst = 2", "worst = 2\ncriteria = { mean_tau = 1.0 }");
    let outcome = start(&checked(&text, folder.path()).unwrap(), &folder.path().join("a")).unwrap();
    let Status::CriterionMissed(missed) = outcome.status else { panic!("{:?}", outcome.status) };
    assert!(!missed.is_empty() && missed.iter().all(|m| m.contains("Kendall")), "{missed:?}");
}

#[test]
fn mistakes_are_told_in_sentences() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: &str| checked(text, folder.path()).unwrap_err();
    assert!(refused("[ranking]").contains("needs a [ranking.table] or a [ranking.study]"));
    assert!(refused("[ranking.study]\n[ranking.table]").contains("one of them is accepted"));
    assert!(refused("[ranking.table]\ncase = \"c\"").contains("`ranking.table.data` is missing"));
    assert!(refused("[ranking]\nmethod = \"best\"\n[ranking.study]").contains("best"));
    assert!(refused("[ranking.study]\nimages = 40\nprocedures = 50").contains("procedures is 50"));
    assert!(refused("[ranking]\nbootstrap = 0\ncriteria = { mean_tau = 0.5 }\n[ranking.study]").contains("resamples"));
    assert!(refused("[ranking.study]\n[phantom]").contains("[phantom]"));
    // What only the table itself can show.
    let said = |table: &str| {
        std::fs::write(folder.path().join("t.csv"), table).unwrap();
        let text = "[ranking.table]\ndata = \"t.csv\"\ncase = \"c\"\nalgorithm = \"a\"\nvalue = \"v\"\n";
        start(&checked(text, folder.path()).unwrap(), &folder.path().join(format!("x{}", table.len()))).unwrap_err()
    };
    assert!(said("c,a,v\n1,A,1\n1,A,2\n").contains("line 3 repeats"));
    assert!(said("c,a,v\n1,A,1\n1,B,\n").contains("no value"));
    assert!(said("c,a\n1,A\n").contains("no column \"v\""));
    assert!(said("").contains("empty"));
}
