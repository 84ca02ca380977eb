//! The report of a challenge: one self-contained page, and the same content as JSON, CSV and LaTeX.
//!
//! [`Challenge`] is what all forms are made from. [`page()`] is the page, [`json::value`] the JSON, [`tables::all`] the
//! tables, [`grand_challenge::metrics`] the file that grand-challenge.org reads.

mod failures;
mod figures;
mod gallery;
pub mod grand_challenge;
pub mod json;
pub mod tables;
mod words;

pub use failures::{Failures, NoFailures};
pub use gallery::{Shown, WorstCase, worst_cases};
pub use words::summary;

use minijinja::Environment;
use regiscope_challenge::ranking::analysis::{Settings, TaskAnalysis};
use regiscope_challenge::ranking::consensus::Joined;
use serde_json::{Value, json};

/// Everything that is reported.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Title of the report.
    pub title: String,
    /// What is asked, in a sentence; may be empty.
    pub question: String,
    /// What the values are, as `dice`.
    pub value_name: String,
    /// How tasks were analysed.
    pub settings: Settings,
    /// What cases were resampled by: `case`, or the name of the column of clusters.
    pub resampled_by: String,
    /// The tasks; at least one.
    pub tasks: Vec<TaskAnalysis>,
    /// Consensus rankings over the tasks by name.
    pub consensus: Vec<(String, Joined)>,
    /// What a reader should know about the data, a sentence each.
    pub remarks: Vec<String>,
    /// What makes algorithms fail, where that was analysed.
    pub failures: Option<Failures>,
    /// The cases on which algorithms did worst, with pictures.
    pub worst: Vec<WorstCase>,
    /// Version of the program that made the report.
    pub version: String,
}

/// Tasks after this many have no figures of their own in the page; the JSON and the tables hold all.
const MOST_TASKS: usize = 40;

/// The page.
///
/// # Errors
/// If the template cannot be filled, which is a fault of this program.
pub fn page(challenge: &Challenge) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.add_filter("fixed", super::words::fixed);
    environment.add_template("style.css", include_str!("../style.css"))?;
    environment.add_template("challenge.html", include_str!("challenge.html"))?;
    let context = minijinja::value::Serde(context(challenge));
    environment.get_template("challenge.html")?.render(context)
}

fn context(challenge: &Challenge) -> Value {
    let Challenge { settings, tasks, .. } = challenge;
    let several = tasks.len() > 1;
    json!({
        "title": challenge.title,
        "question": challenge.question,
        "version": challenge.version,
        "value_name": challenge.value_name,
        "summary": words::summary(challenge),
        "tiles": words::tiles(challenge),
        "remarks": challenge.remarks,
        "method": words::method(challenge),
        "tasks": tasks.iter().take(MOST_TASKS).map(|t| task(t, challenge)).collect::<Vec<_>>(),
        "tasks_left_out": tasks.len().saturating_sub(MOST_TASKS),
        "several": several,
        "violins": figures::violins(tasks),
        "tree": figures::tree(tasks),
        "consensus": consensus(challenge),
        "kemeny": challenge.consensus.iter().find_map(|(_, j)| j.optima.filter(|o| *o > 1.0)).map(|o| o.to_string()),
        "failures": challenge.failures.as_ref().map(failures::value),
        "worst": challenge.worst.iter().map(gallery::value).collect::<Vec<_>>(),
        "resamples": settings.resamples,
        "resampled_by": challenge.resampled_by,
        "level": 100.0 * (1.0 - settings.test.alpha),
        "alpha": settings.test.alpha,
        "most_dots": figures::MOST_DOTS,
        "most_cases": figures::MOST_CASES,
    })
}

fn task(task: &TaskAnalysis, challenge: &Challenge) -> Value {
    let (results, settings) = (&task.results, &challenge.settings);
    let rows: Vec<Value> = task.by_rank().into_iter().map(|a| row(task, a)).collect();
    json!({
        "name": results.task,
        "cases": results.cases.len(),
        "rows": rows,
        "words": words::of_task(task, challenge),
        "dot_and_box": figures::dot_and_box(task, &challenge.value_name),
        "podium": figures::podium(task, settings.better, &challenge.value_name),
        "heatmap": figures::heatmap(task, settings.better),
        "blob": figures::blob(task),
        "sets": figures::sets(task),
        "significance": (results.algorithms.len() > 1).then(|| figures::significance(task, settings.test.alpha)),
        "lines": figures::lines(task, settings),
        "many_values": results.cases.len() > figures::MOST_DOTS,
        "many_cases": results.cases.len() > figures::MOST_CASES,
    })
}

fn row(task: &TaskAnalysis, a: usize) -> Value {
    let tables::Row { aggregate, rank, set, mean_rank, interval, superior_to, .. } = tables::Row::of(task, a);
    json!({
        "rank": rank.to_string(),
        "is_first": rank == 1.0,
        "algorithm": task.results.algorithms[a],
        "aggregate": format!("{aggregate:.4}"),
        "set": set.map(|s| format!("{}–{}", s.best, s.worst)),
        "mean_rank": mean_rank,
        "interval": interval.map(|[low, high]| format!("{}–{}", words::rank(low), words::rank(high))),
        "superior_to": superior_to,
    })
}

/// The consensus rankings side by side: names, and a row for each algorithm.
fn consensus(challenge: &Challenge) -> Value {
    let Some((_, first)) = challenge.consensus.first() else { return Value::Null };
    let algorithms = &challenge.tasks[0].results.algorithms;
    let mut order: Vec<usize> = (0..algorithms.len()).collect();
    order.sort_by(|&a, &b| first.ranks[a].total_cmp(&first.ranks[b]));
    let row = |a: usize| {
        let ranks: Vec<String> = challenge.consensus.iter().map(|(_, joined)| joined.ranks[a].to_string()).collect();
        let of_tasks: Vec<String> = challenge.tasks.iter().take(12).map(|t| t.ranking.ranks[a].to_string()).collect();
        json!({"algorithm": algorithms[a], "ranks": ranks, "of_tasks": of_tasks})
    };
    json!({
        "names": challenge.consensus.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "tasks": challenge.tasks.iter().take(12).map(|t| &t.results.task).collect::<Vec<_>>(),
        "rows": order.into_iter().map(row).collect::<Vec<_>>(),
    })
}

/// A name as it may stand in LaTeX.
fn latex(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\\' => safe.push_str("\\textbackslash{}"),
            '~' => safe.push_str("\\textasciitilde{}"),
            '^' => safe.push_str("\\textasciicircum{}"),
            '<' => safe.push_str("\\textless{}"),
            '>' => safe.push_str("\\textgreater{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
