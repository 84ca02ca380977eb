//! `regiscope challenge rank`.

use super::{rank_words, results, tell};
use crate::program::args::challenge::{JoinedBy, RankArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::ranking::analysis::{TaskAnalysis, analyse, remarks};
use regiscope_challenge::ranking::consensus::{Consensus, Joined, consensus};
use regiscope_experiment::challenge_report::json;

/// Ranks algorithms.
pub fn run(arguments: &RankArgs, output: Output) -> Result<Ending, Failure> {
    if arguments.results.data.is_some() && arguments.results.manifest.is_some() {
        let reason = "--data and --manifest are both given; accepted is one of them";
        return Err(Failure::Input(reason.to_owned()));
    }
    let found = results::read(&arguments.results, output)?;
    let method = &arguments.method;
    let settings = results::settings(method, found.better, method.bootstrap.unwrap_or(0), &method.compare)?;
    let answers: Vec<TaskAnalysis> = found.tasks.into_iter().map(|t| analyse(t, &settings)).collect();
    for answer in &answers {
        remarks(answer, found.missing, method.jackknife).iter().for_each(|r| output.note(r));
    }
    let joined = method.consensus.iter().map(|&how| join(&answers, how)).collect::<Result<Vec<_>, _>>()?;
    let value = json::rankings(&answers, &joined, &settings);
    tell(&value, arguments.json.as_ref(), output, || rank_words::words(&answers, &joined, &settings))?;
    Ok(Ending::Done)
}

/// One ranking from those of all tasks.
pub fn join(answers: &[TaskAnalysis], how: JoinedBy) -> Result<(String, Joined), Failure> {
    let rankings: Vec<Vec<f64>> = answers.iter().map(|a| a.ranking.ranks.clone()).collect();
    let (name, how) = match how {
        JoinedBy::Kemeny => ("kemeny", Consensus::Kemeny),
        JoinedBy::Borda => ("borda", Consensus::Borda),
        JoinedBy::MeanRank => ("mean-rank", Consensus::MeanRank),
    };
    consensus(&rankings, how).map(|joined| (name.to_owned(), joined)).map_err(|e| Failure::Input(e.to_string()))
}
