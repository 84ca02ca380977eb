//! The task `[ranking]`: results of algorithms, their ranks, and how sure these are.

use super::error::RunError;
use super::folder::RunFolder;
use super::{Finished, Progress, RunOptions, Status, Stopwatch};
use crate::document::ranking::MissingCells;
use crate::experiment::{Experiment, RankingSource, RankingTask};
use crate::report::challenge::{self, Challenge, grand_challenge, json, tables};
use regiscope_challenge::ranking::analysis::{TaskAnalysis, analyse, remarks};
use regiscope_challenge::ranking::consensus::{Consensus, Joined, consensus};
use regiscope_challenge::results::{LongTable, Missing, TaskResults, from_long};
use regiscope_challenge::table::{LongColumns, Table, TableError, long_table};
use regiscope_datasets::study::generate;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Ranks; `None` if cancelled.
pub(super) fn run(
    experiment: &Experiment,
    task: &RankingTask,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Finished>, RunError> {
    let mut watch = Stopwatch::new(options.clock);
    observer(Progress::begin("loading"));
    let (results, value_name, resampled_by) = load(task, folder)?;
    watch.lap("loading");
    let total = results.len();
    let mut tasks: Vec<TaskAnalysis> = Vec::with_capacity(total);
    for (done, results) in results.into_iter().enumerate() {
        if options.cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        observer(Progress { stage: "ranking", done, total, note: results.task.clone() });
        tasks.push(analyse(results, &task.settings));
    }
    watch.lap("ranking");

    observer(Progress::begin("writing"));
    let said = tasks.iter().flat_map(|t| remarks(t, missing(task), false));
    let warnings: Vec<String> = experiment.warnings.iter().cloned().chain(said).collect();
    let challenge = Challenge {
        title: experiment.tables.title.clone(),
        question: experiment.tables.question.clone(),
        value_name,
        settings: task.settings.clone(),
        resampled_by,
        consensus: joined(&tasks)?,
        remarks: warnings.clone(),
        failures: None,
        worst: challenge::worst_cases(&tasks, task.settings.better, task.asked.worst as usize, &[], Path::new("")),
        tasks,
        version: options.provenance.version.clone(),
    };
    for (name, text) in tables::all(&challenge) {
        folder.write(name, text.as_bytes())?;
    }
    folder.write_json("rankings.json", &json::value(&challenge))?;
    let submitted = grand_challenge::metrics(&grand_challenge::cases(&challenge));
    folder.write_json("grand_challenge.json", &submitted)?;
    folder.write("report.html", challenge::page(&challenge)?.as_bytes())?;
    let missed = missed(task, &challenge);
    let metrics = json!({
        "title": experiment.tables.title,
        "task": "ranking",
        "rankings": json::summary(&challenge.tasks, &challenge.consensus),
        "missed": missed,
    });
    watch.lap("writing");
    let status = if missed.is_empty() { Status::Done } else { Status::CriterionMissed(missed) };
    Ok(Some(Finished { status, metrics, timings: watch.timings, warnings }))
}

fn missing(task: &RankingTask) -> Missing {
    match task.asked.missing {
        MissingCells::Refuse => Missing::Refuse,
        MissingCells::Worst => Missing::Worst,
        MissingCells::DropCase => Missing::DropCase,
    }
}

/// The results with what their values are and what is resampled.
fn load(task: &RankingTask, folder: &RunFolder) -> Result<(Vec<TaskResults>, String, String), RunError> {
    let (long, subject, value, by): (LongTable, String, String, Option<String>) = match &task.source {
        RankingSource::File(path, columns) => {
            let bytes = std::fs::read(path).map_err(|e| RunError::io(path, e))?;
            let refused = |e: TableError| RunError::Unsuitable { path: path.clone(), reason: e.to_string() };
            let columns = columns.clone();
            let names = LongColumns {
                task: columns.task,
                case: columns.case,
                algorithm: columns.algorithm,
                value: columns.value.clone(),
                cluster: columns.cluster.clone(),
            };
            let long = Table::from_csv(&bytes).and_then(|t| long_table(&t, &names)).map_err(refused)?;
            (long, path.display().to_string(), columns.value, columns.cluster)
        }
        RankingSource::Study(settings) => {
            let study = generate(settings).map_err(|e| RunError::Unusable(format!("[ranking.study]: {e}")))?;
            let text = study.results_csv();
            folder.write("results.csv", text.as_bytes())?;
            let names = LongColumns {
                task: Some("surgery".to_owned()),
                case: "image".to_owned(),
                algorithm: "algorithm".to_owned(),
                value: "dice".to_owned(),
                cluster: Some("procedure".to_owned()),
            };
            let long = Table::from_csv(text.as_bytes()).and_then(|t| long_table(&t, &names));
            let long = long.expect("a study writes its own columns");
            (long, "the study".to_owned(), "dice".to_owned(), Some("procedure".to_owned()))
        }
    };
    let results = from_long(&long, task.settings.better, missing(task));
    let results = results.map_err(|e| RunError::Unusable(format!("{subject}: {e}")))?;
    if let Some(results) = results.iter().find(|t| json::RESERVED.contains(&&*t.task)) {
        let name = &results.task;
        return Err(RunError::Unusable(format!("{subject}: a task is called {name:?}, which is a key of the result")));
    }
    Ok((results, value, by.unwrap_or("case".to_owned())))
}

/// Consensus rankings of several tasks.
fn joined(tasks: &[TaskAnalysis]) -> Result<Vec<(String, Joined)>, RunError> {
    if tasks.len() < 2 {
        return Ok(Vec::new());
    }
    let ranks: Vec<Vec<f64>> = tasks.iter().map(|t| t.ranking.ranks.clone()).collect();
    let ways = [("mean-rank", Consensus::MeanRank), ("borda", Consensus::Borda), ("kemeny", Consensus::Kemeny)];
    let ways = ways.into_iter().filter(|(_, how)| *how != Consensus::Kemeny || ranks[0].len() <= 12);
    ways.map(|(name, how)| {
        let joined = consensus(&ranks, how).map_err(|e| RunError::Unusable(e.to_string()))?;
        Ok((name.to_owned(), joined))
    })
    .collect()
}

fn missed(task: &RankingTask, challenge: &Challenge) -> Vec<String> {
    let Some(least) = task.asked.criteria.as_ref().and_then(|c| c.mean_tau) else { return Vec::new() };
    let found = |t: &TaskAnalysis| (t.results.task.clone(), t.tau.as_ref().and_then(|tau| tau.mean));
    let below = challenge.tasks.iter().map(found).filter(|(_, tau)| tau.is_none_or(|tau| tau < least));
    below
        .map(|(name, tau)| {
            let tau = tau.map_or("undefined".to_owned(), |tau| format!("{tau:.3}"));
            format!("task {name}: mean Kendall's tau of at least {least}; found: {tau}")
        })
        .collect()
}
