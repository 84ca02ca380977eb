//! `regiscope challenge report`.

use super::rank::join;
use super::{results, tell, written};
use crate::program::args::challenge::{JoinedBy, ReportArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::ranking::analysis::{TaskAnalysis, analyse, remarks};
use regiscope_challenge::ranking::consensus::KEMENY_MOST;
use regiscope_experiment::challenge_report::{
    self, Challenge, Failures, WorstCase, grand_challenge, json, tables, worst_cases,
};
use std::path::Path;

/// Methods that a report compares with where none are named.
const METHODS: [&str; 6] =
    ["mean-then-rank", "median-then-rank", "robust-mis", "rank-then-mean", "rank-then-median", "test-then-rank"];

/// Writes the report.
pub fn run(arguments: &ReportArgs, output: Output) -> Result<Ending, Failure> {
    let challenge = challenge(arguments, output)?;
    challenge.remarks.iter().for_each(|r| output.note(r));
    challenge
        .worst
        .iter()
        .filter_map(|w| w.trouble.as_ref())
        .for_each(|t| output.note(format_args!("no picture: {t}")));
    let page = challenge_report::page(&challenge).map_err(|e| Failure::Input(format!("the page: {e}")))?;
    written(&arguments.out, page.as_bytes())?;
    if let Some(folder) = &arguments.tables {
        for (name, text) in tables::all(&challenge) {
            written(&folder.join(name), text.as_bytes())?;
        }
    }
    if let Some(path) = &arguments.grand_challenge {
        let value = grand_challenge::metrics(&grand_challenge::cases(&challenge));
        written(path, &serde_json::to_vec_pretty(&value).map_err(|e| Failure::file(path, e))?)?;
    }
    let words = || format!("{}\n\n{}\n", challenge_report::summary(&challenge), wrote(&arguments.out));
    tell(&json::value(&challenge), arguments.json.as_ref(), output, words)?;
    Ok(Ending::Done)
}

fn wrote(path: &Path) -> String {
    format!("wrote {}", path.display())
}

fn challenge(arguments: &ReportArgs, output: Output) -> Result<Challenge, Failure> {
    let found = results::read(&arguments.results, output)?;
    let method = &arguments.method;
    let mut others = method.compare.clone();
    if others.is_empty() {
        others = METHODS.iter().filter(|m| **m != method.method).map(|m| (*m).to_owned()).collect();
    }
    let settings = results::settings(method, found.better, method.bootstrap.unwrap_or(1000), &others)?;
    let tasks: Vec<TaskAnalysis> = found.tasks.into_iter().map(|t| analyse(t, &settings)).collect();
    let mut ways = method.consensus.clone();
    if ways.is_empty() && tasks.len() > 1 {
        ways = vec![JoinedBy::MeanRank, JoinedBy::Borda];
        if tasks[0].results.algorithms.len() <= KEMENY_MOST {
            ways.push(JoinedBy::Kemeny);
        }
    }
    let consensus = ways.into_iter().map(|how| join(&tasks, how)).collect::<Result<_, _>>()?;
    let (entries, folder) = found.masks.unwrap_or_default();
    let worst: Vec<WorstCase> = worst_cases(&tasks, found.better, arguments.worst as usize, &entries, &folder);
    let failures = arguments.failures.as_deref().map(failures).transpose()?;
    Ok(Challenge {
        title: arguments.title.clone(),
        question: arguments.question.clone(),
        value_name: found.value_name,
        resampled_by: found.resampled_by,
        remarks: tasks.iter().flat_map(|t| remarks(t, found.missing, method.jackknife)).collect(),
        settings,
        tasks,
        consensus,
        failures,
        worst,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

fn failures(path: &Path) -> Result<Failures, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
    Failures::from_json(&text).map_err(|e| Failure::file(path, e))
}
