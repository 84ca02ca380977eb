//! Rankings as JSON, at full precision: what `rank` prints, and the report's content to compute with.

use super::Challenge;
use regiscope_challenge::ranking::Aggregate;
use regiscope_challenge::ranking::analysis::{Settings, TaskAnalysis};
use regiscope_challenge::ranking::consensus::Joined;
use regiscope_challenge::ranking::kendall::tau_b;
use regiscope_challenge::ranking::plain::aggregated;
use regiscope_challenge::ranking::significance::Significance;
use regiscope_challenge::ranking::tree::tree;
use regiscope_challenge::results::TaskResults;
use serde_json::{Map, Value, json};

/// Keys of the result beside the tasks, which no task may be called.
pub const RESERVED: [&str; 6] =
    ["significance", "bootstrap_ranks", "kendall_tau", "consensus", "kendall_tau_methods", "kendall_tau_tasks"];

/// The tasks by name, and the keys of [`RESERVED`] as far as they were asked for.
pub fn rankings(tasks: &[TaskAnalysis], consensus: &[(String, Joined)], settings: &Settings) -> Value {
    let by_task = |of: &dyn Fn(&TaskAnalysis) -> Option<Value>| -> Value {
        let entries = tasks.iter().filter_map(|a| Some((a.results.task.clone(), of(a)?)));
        Value::Object(entries.collect())
    };
    let mut all = Map::new();
    for task in tasks {
        all.insert(task.results.task.clone(), algorithms(task));
    }
    all.insert("significance".into(), by_task(&|a| Some(significance(a, settings))));
    let ranks = |a: &TaskAnalysis| {
        let b = a.bootstrap.as_ref()?;
        Some(by_algorithm(&a.results, |i| json!(b.ranks_of(i).collect::<Vec<f64>>())))
    };
    all.insert("bootstrap_ranks".into(), by_task(&ranks));
    all.insert("kendall_tau".into(), by_task(&|a| Some(json!(a.tau.as_ref()?))));
    if !consensus.is_empty() {
        let first = &tasks[0].results;
        let entry = |(name, joined): &(String, Joined)| {
            let one = |i| json!({"score": joined.scores[i], "rank": joined.ranks[i]});
            let mut of = json!({"algorithms": by_algorithm(first, one)});
            if let Some(optima) = joined.optima {
                of["equally_good_orders"] = json!(optima);
            }
            (name.clone(), of)
        };
        all.insert("consensus".into(), Value::Object(consensus.iter().map(entry).collect()));
        let names: Vec<&str> = tasks.iter().map(|a| &*a.results.task).collect();
        let ranks: Vec<&[f64]> = tasks.iter().map(|a| &a.ranking.ranks[..]).collect();
        all.insert("kendall_tau_tasks".into(), tau_matrix(&names, &ranks));
    }
    if !settings.others.is_empty() {
        let methods = std::iter::once(&settings.method).chain(&settings.others);
        let names: Vec<&str> = methods.map(|(name, _)| &**name).collect();
        let taus = |a: &TaskAnalysis| {
            let ranks: Vec<&[f64]> = std::iter::once(&a.ranking).chain(&a.others).map(|r| &r.ranks[..]).collect();
            Some(tau_matrix(&names, &ranks))
        };
        all.insert("kendall_tau_methods".into(), by_task(&taus));
    }
    Value::Object(all)
}

/// Aggregates and ranks alone.
pub fn summary(tasks: &[TaskAnalysis], consensus: &[(String, Joined)]) -> Value {
    let by_task = |t: &TaskAnalysis| (t.results.task.clone(), algorithms(t));
    let joined =
        |(name, joined): &(String, Joined)| (name.clone(), by_algorithm(&tasks[0].results, |i| json!(joined.ranks[i])));
    json!({
        "tasks": tasks.iter().map(by_task).collect::<Map<_, _>>(),
        "consensus": consensus.iter().map(joined).collect::<Map<_, _>>(),
    })
}

/// The whole report.
pub fn value(challenge: &Challenge) -> Value {
    let Challenge { settings, tasks, .. } = challenge;
    let ranks: Vec<&[f64]> = tasks.iter().map(|t| &t.ranking.ranks[..]).collect();
    let by_method = |task: &TaskAnalysis| {
        let methods = std::iter::once((&settings.method.0, &task.ranking));
        let all = methods.chain(settings.others.iter().map(|(n, _)| n).zip(&task.others));
        let one = |(name, ranking): (&String, &regiscope_challenge::ranking::Ranking)| {
            (name.clone(), by_algorithm(&task.results, |i| json!(ranking.ranks[i])))
        };
        (task.results.task.clone(), Value::Object(all.map(one).collect()))
    };
    json!({
        "title": challenge.title,
        "value": challenge.value_name,
        "better": settings.better,
        "method": settings.method.0,
        "resamples": settings.resamples,
        "resampled_by": challenge.resampled_by,
        "seed": settings.seed,
        "alpha": settings.test.alpha,
        "summary": super::words::summary(challenge),
        "remarks": challenge.remarks,
        "cases": tasks.iter().map(|t| (t.results.task.clone(), json!(t.results.cases.len()))).collect::<Map<_, _>>(),
        "rankings": rankings(tasks, &challenge.consensus, settings),
        "ranks_by_method": tasks.iter().map(by_method).collect::<Map<_, _>>(),
        "tree_of_tasks": tree(&ranks),
        "worst_cases": challenge.worst.iter().map(|w| json!({
            "task": w.task, "case": w.case, "values": w.values.iter().cloned().collect::<Map<_, _>>(),
        })).collect::<Vec<_>>(),
        "version": challenge.version,
    })
}

fn by_algorithm(results: &TaskResults, of: impl Fn(usize) -> Value) -> Value {
    Value::Object(results.algorithms.iter().enumerate().map(|(i, name)| (name.clone(), of(i))).collect())
}

fn algorithms(task: &TaskAnalysis) -> Value {
    by_algorithm(&task.results, |i| {
        let mut of = json!({"aggregate": task.ranking.aggregates[i], "rank": task.ranking.ranks[i]});
        let mut put = |key: &str, value: Value| of[key] = value;
        if let Some(sets) = &task.sets {
            put("confidence_set", json!([sets[i].best, sets[i].worst]));
        }
        if let Some(ranks) = task.bootstrap.as_ref().map(|b| b.ranks_of(i).collect::<Vec<f64>>()) {
            put("bootstrap_mean_rank", json!(aggregated(&ranks, Aggregate::Mean)));
            let ends = [0.025, 0.975].map(|p| aggregated(&ranks, Aggregate::Quantile(p)));
            put("bootstrap_rank_95", json!(ends));
        }
        if let Some(jackknife) = &task.jackknife {
            put("jackknife", json!(jackknife[i]));
        }
        of
    })
}

/// Matrices have a row for each algorithm that may be superior, a column for each that may be inferior.
fn significance(task: &TaskAnalysis, settings: &Settings) -> Value {
    let Significance { k, p, adjusted, superior } = &task.significance;
    let matrix = |of: &dyn Fn(usize) -> Value| -> Value {
        let cell = |a: usize, b: usize| if a == b { Value::Null } else { of(a * k + b) };
        (0..*k).map(|a| (0..*k).map(|b| cell(a, b)).collect::<Value>()).collect()
    };
    json!({
        "algorithms": task.results.algorithms,
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
