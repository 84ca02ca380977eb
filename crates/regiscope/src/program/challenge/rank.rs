//! `regiscope challenge rank`.

use super::{rank_words, table, tell};
use crate::program::args::challenge::{Adjust, JoinedBy, MissingRule, RankArgs, SharedRanks, Wilcoxon};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::ranking::adjust::Adjustment;
use regiscope_challenge::ranking::confidence::{self, RankSet};
use regiscope_challenge::ranking::consensus::{Consensus, Joined, consensus};
use regiscope_challenge::ranking::jackknife::{LeaveOneOut, jackknife};
use regiscope_challenge::ranking::kendall::{Agreement, agreement, tau_b};
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::ranking::plain::aggregated;
use regiscope_challenge::ranking::significance::{Significance, significance};
use regiscope_challenge::ranking::wilcoxon::NullDistribution;
use regiscope_challenge::ranking::{Aggregate, Bootstrap, Method, Prepared, Ranking, Resampling, Test, bootstrap};
use regiscope_challenge::results::{Better, Missing, TaskResults, from_long};
use regiscope_challenge::table::{LongColumns, long_table};
use serde_json::{Map, Value, json};

/// What was asked, checked.
struct Settings {
    better: Better,
    ties: Ties,
    test: Test,
    method: Method,
    /// Names and methods to compare with.
    others: Vec<(String, Method)>,
}

/// What was found out about one task.
pub struct Answer {
    pub results: TaskResults,
    pub ranking: Ranking,
    pub significance: Significance,
    pub bootstrap: Option<Bootstrap>,
    pub tau: Option<Agreement>,
    pub sets: Option<Vec<RankSet>>,
    pub jackknife: Option<Vec<LeaveOneOut>>,
    /// Ranks by the methods to compare with.
    pub others: Vec<Ranking>,
}

/// Ranks algorithms.
pub fn run(arguments: &RankArgs, output: Output) -> Result<Ending, Failure> {
    let settings = settings(arguments)?;
    let tasks = results(arguments, &settings, output)?;
    let answers: Vec<Answer> = tasks.into_iter().map(|t| answer(t, arguments, &settings)).collect();
    notes(&answers, arguments, output);
    let joined = arguments.consensus.iter().map(|&how| join(&answers, how)).collect::<Result<Vec<_>, _>>()?;
    let value = value(&answers, &joined, arguments, &settings);
    tell(&value, arguments.json.as_ref(), output, || rank_words::words(&answers, &joined, arguments))?;
    Ok(Ending::Done)
}

fn settings(arguments: &RankArgs) -> Result<Settings, Failure> {
    let better = if arguments.smaller_is_better { Better::Smaller } else { Better::Larger };
    let adjust = match arguments.adjust {
        Adjust::Holm => Adjustment::Holm,
        Adjust::Bh => Adjustment::Bh,
        Adjust::None => Adjustment::None,
    };
    let null = match arguments.wilcoxon {
        Wilcoxon::Automatic => NullDistribution::Automatic,
        Wilcoxon::Normal => NullDistribution::Normal,
    };
    let ties = match arguments.ties {
        SharedRanks::Min => Ties::Min,
        SharedRanks::Average => Ties::Average,
        SharedRanks::Max => Ties::Max,
    };
    let test = Test { adjust, alpha: arguments.alpha, null };
    let method = |name: &String| Method::parse(name, better, test).map_err(|e| Failure::Input(e.to_string()));
    let others = arguments.compare.iter().map(|name| Ok((name.clone(), method(name)?)));
    let others = others.collect::<Result<_, Failure>>()?;
    Ok(Settings { better, ties, test, method: method(&arguments.method)?, others })
}

fn results(arguments: &RankArgs, settings: &Settings, output: Output) -> Result<Vec<TaskResults>, Failure> {
    let path = &arguments.data;
    let columns = LongColumns {
        task: arguments.task.clone(),
        case: arguments.case.clone(),
        algorithm: arguments.algorithm.clone(),
        value: arguments.value.clone(),
        cluster: arguments.cluster.clone(),
    };
    let long = long_table(&table::read(path)?, &columns).map_err(|e| Failure::file(path, e))?;
    output.detail(format_args!("{}: {} rows", path.display(), long.case.len()));
    let missing = match arguments.missing {
        MissingRule::Refuse => Missing::Refuse,
        MissingRule::Worst => Missing::Worst,
        MissingRule::DropCase => Missing::DropCase,
        MissingRule::Value(value) => Missing::Value(value),
    };
    let results = from_long(&long, settings.better, missing).map_err(|e| match e {
        e @ regiscope_challenge::results::ResultsError::Missing { .. } => {
            Failure::file(path, format_args!("{e} (--missing worst, drop-case or a number)"))
        }
        e => Failure::file(path, e),
    })?;
    if let Some(task) = results.iter().find(|t| RESERVED.contains(&&*t.task)) {
        let reason =
            format!("a task is called {:?}, which is a key of the result; accepted are other names", task.task);
        return Err(Failure::file(path, reason));
    }
    Ok(results)
}

/// Keys of the result beside the tasks.
const RESERVED: [&str; 6] =
    ["significance", "bootstrap_ranks", "kendall_tau", "consensus", "kendall_tau_methods", "kendall_tau_tasks"];

fn answer(results: TaskResults, arguments: &RankArgs, settings: &Settings) -> Answer {
    let Settings { better, ties, test, method, .. } = settings;
    let prepared = Prepared::new(&results, method, *better, *ties);
    let once = vec![1; results.cases.len()];
    let ranking = prepared.rank(&once);
    let resampling = results.clusters.as_deref().map_or(Resampling::Cases, Resampling::Clusters);
    let bootstrap = (arguments.bootstrap > 0)
        .then(|| bootstrap(&prepared, resampling, arguments.bootstrap as usize, arguments.seed));
    let tau = bootstrap.as_ref().map(|b| agreement(&ranking.ranks, (0..b.len()).map(|i| b.resample(i))));
    let sets = match (&settings.method, &bootstrap) {
        (Method::TestThenRank(test), _) => Some(confidence::from_tests(&results, *better, test)),
        (_, Some(b)) if b.len() > 1 => {
            Some(confidence::from_bootstrap(&ranking.aggregates, b, prepared.better(), test.alpha))
        }
        _ => None,
    };
    let other = |(_, m): &(String, Method)| Prepared::new(&results, m, *better, *ties).rank(&once);
    Answer {
        significance: significance(&results, *better, test),
        jackknife: if arguments.jackknife { jackknife(&prepared, resampling) } else { None },
        others: settings.others.iter().map(other).collect(),
        ranking,
        bootstrap,
        tau,
        sets,
        results,
    }
}

/// What a reader should know about the data.
fn notes(answers: &[Answer], arguments: &RankArgs, output: Output) {
    for Answer { results, jackknife, .. } in answers {
        let task = &results.task;
        if results.treated > 0 {
            let rule = match arguments.missing {
                MissingRule::DropCase => "incomplete cases were dropped",
                _ => "cells without a value were filled",
            };
            output.note(format_args!("task {task:?}: {} {rule}", results.treated));
        }
        if results.algorithms.len() == 1 {
            output.note(format_args!("task {task:?} has one algorithm, which is first whatever it does"));
        }
        if results.cases.len() == 1 {
            output.note(format_args!("task {task:?} has one case, so resampling it tells nothing"));
        }
        if results.values.windows(2).all(|w| w[0] == w[1]) && results.values.len() > 1 {
            output.note(format_args!("task {task:?}: all values are equal, so all algorithms tie"));
        }
        if arguments.jackknife && jackknife.is_none() {
            output.note(format_args!("task {task:?}: nothing is left without its only case or cluster; no jackknife"));
        }
    }
}

fn join(answers: &[Answer], how: JoinedBy) -> Result<(&'static str, Joined), Failure> {
    let rankings: Vec<Vec<f64>> = answers.iter().map(|a| a.ranking.ranks.clone()).collect();
    let (name, how) = match how {
        JoinedBy::Kemeny => ("kemeny", Consensus::Kemeny),
        JoinedBy::Borda => ("borda", Consensus::Borda),
        JoinedBy::MeanRank => ("mean-rank", Consensus::MeanRank),
    };
    consensus(&rankings, how).map(|joined| (name, joined)).map_err(|e| Failure::Input(e.to_string()))
}

/// The result as JSON: the tasks by name, and the keys of [`RESERVED`] as far as they were asked for.
fn value(answers: &[Answer], joined: &[(&str, Joined)], arguments: &RankArgs, settings: &Settings) -> Value {
    let by_task = |of: &dyn Fn(&Answer) -> Option<Value>| -> Value {
        let entries = answers.iter().filter_map(|a| Some((a.results.task.clone(), of(a)?)));
        Value::Object(entries.collect())
    };
    let mut all = Map::new();
    for answer in answers {
        all.insert(answer.results.task.clone(), algorithms_value(answer));
    }
    all.insert("significance".into(), by_task(&|a| Some(significance_value(a, settings))));
    let ranks = |a: &Answer| {
        let b = a.bootstrap.as_ref()?;
        Some(by_algorithm(&a.results, |i| json!(b.ranks_of(i).collect::<Vec<f64>>())))
    };
    all.insert("bootstrap_ranks".into(), by_task(&ranks));
    all.insert("kendall_tau".into(), by_task(&|a| Some(json!(a.tau.as_ref()?))));
    if !joined.is_empty() {
        let entry = |(name, joined): &(&str, Joined)| {
            let first = &answers[0].results;
            let mut of = Map::new();
            let one = |i| json!({"score": joined.scores[i], "rank": joined.ranks[i]});
            of.insert("algorithms".into(), by_algorithm(first, one));
            if let Some(optima) = joined.optima {
                of.insert("equally_good_orders".into(), json!(optima));
            }
            ((*name).to_owned(), Value::Object(of))
        };
        all.insert("consensus".into(), Value::Object(joined.iter().map(entry).collect()));
        let names: Vec<&str> = answers.iter().map(|a| &*a.results.task).collect();
        let ranks: Vec<&[f64]> = answers.iter().map(|a| &a.ranking.ranks[..]).collect();
        all.insert("kendall_tau_tasks".into(), tau_matrix(&names, &ranks));
    }
    if !settings.others.is_empty() {
        let names: Vec<&str> =
            std::iter::once(&*arguments.method).chain(settings.others.iter().map(|(n, _)| &**n)).collect();
        let taus = |a: &Answer| {
            let ranks: Vec<&[f64]> = std::iter::once(&a.ranking).chain(&a.others).map(|r| &r.ranks[..]).collect();
            Some(tau_matrix(&names, &ranks))
        };
        all.insert("kendall_tau_methods".into(), by_task(&taus));
    }
    Value::Object(all)
}

fn by_algorithm(results: &TaskResults, of: impl Fn(usize) -> Value) -> Value {
    Value::Object(results.algorithms.iter().enumerate().map(|(i, name)| (name.clone(), of(i))).collect())
}

fn algorithms_value(answer: &Answer) -> Value {
    by_algorithm(&answer.results, |i| {
        let mut of = json!({"aggregate": answer.ranking.aggregates[i], "rank": answer.ranking.ranks[i]});
        let mut put = |key: &str, value: Value| of[key] = value;
        if let Some(sets) = &answer.sets {
            put("confidence_set", json!([sets[i].best, sets[i].worst]));
        }
        if let Some(ranks) = answer.bootstrap.as_ref().map(|b| b.ranks_of(i).collect::<Vec<f64>>()) {
            put("bootstrap_mean_rank", json!(aggregated(&ranks, Aggregate::Mean)));
            let ends = [0.025, 0.975].map(|p| aggregated(&ranks, Aggregate::Quantile(p)));
            put("bootstrap_rank_95", json!(ends));
        }
        if let Some(jackknife) = &answer.jackknife {
            put("jackknife", json!(jackknife[i]));
        }
        of
    })
}

/// Matrices have a row for each algorithm that may be superior, a column for each that may be inferior.
fn significance_value(answer: &Answer, settings: &Settings) -> Value {
    let Significance { k, p, adjusted, superior } = &answer.significance;
    let matrix = |of: &dyn Fn(usize) -> Value| -> Value {
        let cell = |a: usize, b: usize| if a == b { Value::Null } else { of(a * k + b) };
        (0..*k).map(|a| (0..*k).map(|b| cell(a, b)).collect::<Value>()).collect()
    };
    json!({
        "algorithms": answer.results.algorithms,
        "adjust": settings.test.adjust,
        "alpha": settings.test.alpha,
        "p_value": matrix(&|i| json!(p[i])),
        "adjusted_p_value": matrix(&|i| json!(adjusted[i])),
        "superior": matrix(&|i| json!(superior[i])),
    })
}

fn tau_matrix(names: &[&str], ranks: &[&[f64]]) -> Value {
    let rows: Vec<Vec<Option<f64>>> = ranks.iter().map(|a| ranks.iter().map(|b| tau_b(a, b)).collect()).collect();
    json!({"names": names, "tau_b": rows})
}
