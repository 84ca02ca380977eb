use super::*;
use regiscope_challenge::ranking::analysis::{Settings, analyse};
use regiscope_challenge::ranking::consensus::{Consensus, consensus};
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::ranking::{Method, Test};
use regiscope_challenge::results::{Better, TaskResults};

/// Values that fall with the number of the algorithm, by a rule.
fn results(task: &str, algorithms: &[&str], cases: usize) -> TaskResults {
    let k = algorithms.len();
    let value = |i: usize| 0.95 - 0.03 * (i % k) as f64 - 0.2 * ((i as f64 * 0.618).fract()).powi(2);
    TaskResults {
        task: task.to_owned(),
        algorithms: algorithms.iter().map(|a| (*a).to_owned()).collect(),
        cases: (0..cases).map(|c| format!("image {c}")).collect(),
        clusters: None,
        values: (0..cases * k).map(value).collect(),
        treated: 0,
    }
}

fn challenge(tables: Vec<TaskResults>, resamples: usize) -> Challenge {
    let method = |name: &str| (name.to_owned(), Method::parse(name, Better::Larger, Test::default()).unwrap());
    let settings = Settings {
        better: Better::Larger,
        ties: Ties::Min,
        test: Test::default(),
        method: method("mean-then-rank"),
        others: vec![method("rank-then-mean"), method("test-then-rank")],
        resamples,
        seed: 1,
        jackknife: false,
    };
    let tasks: Vec<_> = tables.into_iter().map(|t| analyse(t, &settings)).collect();
    let ranks: Vec<Vec<f64>> = tasks.iter().map(|t| t.ranking.ranks.clone()).collect();
    Challenge {
        title: "A challenge".into(),
        question: "Who wins?".into(),
        value_name: "dice".into(),
        settings,
        resampled_by: "case".into(),
        consensus: vec![("borda".into(), consensus(&ranks, Consensus::Borda).unwrap())],
        failures: None,
        remarks: vec!["one remark".into()],
        worst: worst_cases(&tasks, Better::Larger, 2, &[], std::path::Path::new("")),
        tasks,
        version: "0".into(),
    }
}

/// Every `<svg>` of a page.
fn svgs(page: &str) -> Vec<&str> {
    page.split("<svg").skip(1).map(|rest| rest.split("</svg>").next().unwrap()).collect()
}

/// What a browser would load or run.
fn assert_self_contained(page: &str) {
    let lower = page.to_lowercase();
    for forbidden in ["<script", "<link", "<iframe", "@import", "http:", "https:", "src=\"/", "javascript:", "onload="]
    {
        assert!(!lower.contains(forbidden), "{forbidden}");
    }
    for (at, _) in lower.match_indices("url(") {
        assert!(lower[at..].starts_with("url(data:") || lower[at..].starts_with("url(#"), "{}", &lower[at..at + 30]);
    }
    for attribute in ["href=\"", "src=\""] {
        for (at, _) in lower.match_indices(attribute) {
            let target = &lower[at + attribute.len()..];
            assert!(target.starts_with('#') || target.starts_with("data:image/png"), "{}", &target[..30]);
        }
    }
}

#[test]
fn the_page_is_self_contained_and_every_figure_has_marks() {
    let names = ["first", "second", "third"];
    let three = vec![results("t", &names, 40), results("u", &names, 30), results("v", &names, 20)];
    let page = page(&challenge(three, 60)).unwrap();
    assert_self_contained(&page);
    let svgs = svgs(&page);
    // Seven figures of each task, violins and tree.
    assert_eq!(svgs.len(), 3 * 7 + 2);
    for svg in svgs {
        let marks = ["<rect", "<circle", "<path"].map(|m| svg.matches(m).count()).iter().sum::<usize>();
        assert!(marks >= 2, "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("d=\"\""), "{svg}");
    }
    for words in ["first", "Kendall", "Worst cases", "one remark", "consensus"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let hostile =
        ["</style><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "a&b 'c' {{ 7*7 }} \\end{x}"];
    let mut challenge = challenge(vec![results("<b>task</b>", &hostile, 12), results("](http://x)", &hostile, 9)], 20);
    challenge.title = "</title><script>".into();
    challenge.value_name = "<i>dice</i>".into();
    challenge.tasks[0].results.cases[0] = "<svg onload=alert(1)>".into();
    challenge.worst = worst_cases(&challenge.tasks, Better::Larger, 12, &[], std::path::Path::new(""));
    let page = page(&challenge).unwrap();
    for forbidden in ["<script", "<img", "<b>task", "<i>dice", "onload=alert(1)>", "<svg onload"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("{{ 7*7 }}"), "names are no templates");
    let tex = tables::all(&challenge).into_iter().find(|(name, _)| *name == "ranking.tex").unwrap().1;
    assert!(tex.contains("a\\&b") && tex.contains("\\{\\{ 7*7 \\}\\} \\textbackslash{}end\\{x\\}"), "{tex}");
    assert!(!json::value(&challenge).to_string().is_empty());
}

#[test]
fn little_data_make_a_page_too() {
    let alone = challenge(vec![results("t", &["only"], 3)], 10);
    let once = challenge(vec![results("t", &["a", "b"], 1)], 0);
    let mut equal = results("t", &["a", "b"], 4);
    equal.values.fill(0.5);
    let equal = challenge(vec![equal], 10);
    let many: Vec<String> = (0..60).map(|a| format!("a rather long name of algorithm number {a}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let many = challenge(vec![results("t", &many, 5)], 5);
    for (challenge, words) in
        [(alone, "nothing to rank"), (once, "first"), (equal, "All 2 algorithms tie"), (many, "a rather long name")]
    {
        let page = page(&challenge).unwrap();
        assert_self_contained(&page);
        assert!(page.contains(words), "{words}: {}", summary(&challenge));
        assert!(svgs(&page).iter().all(|svg| !svg.contains("NaN") && !svg.contains("inf\"")));
    }
}

#[test]
fn other_forms_say_the_same() {
    let challenge = challenge(vec![results("t", &["a", "b"], 9)], 7);
    let value = json::value(&challenge);
    assert_eq!(value["rankings"]["t"]["a"]["rank"], 1.0);
    assert_eq!(value["ranks_by_method"]["t"]["rank-then-mean"]["b"], 1.0);
    let tables = tables::all(&challenge);
    let text = |name: &str| &tables.iter().find(|(n, _)| *n == name).unwrap().1;
    assert!(text("ranking.csv").lines().nth(1).unwrap().starts_with("t,a,0.8"), "{}", text("ranking.csv"));
    assert_eq!(text("bootstrap_ranks.csv").lines().count(), 1 + 7 * 2);
    assert_eq!(text("significance.csv").lines().count(), 1 + 2);
    assert_eq!(text("methods.csv").lines().count(), 1 + 3 * 2);
    assert!(text("significance.tex").contains("\\begin{tabular}{lrr}"));
    let metrics = grand_challenge::metrics(&grand_challenge::cases(&challenge));
    assert_eq!(metrics["aggregates"]["dice"]["count"], 18);
}
