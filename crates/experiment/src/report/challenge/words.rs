//! What was found, in sentences and key figures.

use super::Challenge;
use crate::report::words::{count, thousands};
use regiscope_challenge::ranking::Method;
use regiscope_challenge::ranking::adjust::Adjustment;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::results::Better;
use serde_json::{Value, json};

/// The head of the report: who leads, and how sure that is.
pub fn summary(challenge: &Challenge) -> String {
    let tasks = &challenge.tasks;
    if let [task] = &tasks[..] {
        return of_task(task, challenge);
    }
    let first = &tasks[0].results;
    let mut text =
        format!("{} were compared on {}.", count(first.algorithms.len(), "algorithm"), count(tasks.len(), "task"));
    if let Some((name, joined)) = challenge.consensus.first() {
        let leaders = named(&first.algorithms, &joined.ranks);
        text += &format!(" Over all tasks (consensus by {name}) {} first.", is_or_share(&leaders));
    }
    let sure = tasks.iter().filter(|t| certain_leader(t).is_some()).count();
    if tasks.iter().any(|t| t.sets.is_some()) {
        let level = 100.0 * (1.0 - challenge.settings.test.alpha);
        text += &format!(
            " In {sure} of {} tasks one algorithm alone may be the best at {level:.0} % confidence.",
            tasks.len()
        );
    }
    text
}

/// One task in sentences.
pub fn of_task(task: &TaskAnalysis, challenge: &Challenge) -> String {
    let (names, ranks) = (&task.results.algorithms, &task.ranking.ranks);
    let k = names.len();
    if k == 1 {
        return format!("{} is the only algorithm, so there is nothing to rank.", names[0]);
    }
    let leaders = named(names, ranks);
    let cases = count(task.results.cases.len(), "case");
    if leaders.len() == k {
        return format!("All {k} algorithms tie on {cases}.");
    }
    let mut text = format!("On {cases} {} first", is_or_share(&leaders));
    let order = task.by_rank();
    let (first, next) = (order[0], order[leaders.len()]);
    text += &format!(
        " ({:.4}), before {} ({:.4}).",
        task.ranking.aggregates[first], names[next], task.ranking.aggregates[next]
    );
    if let Some(bootstrap) = task.bootstrap.as_ref().filter(|b| !b.is_empty()) {
        let wins = bootstrap.ranks_of(first).filter(|&r| r == 1.0).count();
        let part = 100.0 * wins as f64 / bootstrap.len() as f64;
        text +=
            &format!(" {} is first in {part:.1} % of {} resamples.", names[first], thousands(bootstrap.len() as u64));
    }
    if let Some(sets) = &task.sets {
        let level = 100.0 * (1.0 - challenge.settings.test.alpha);
        let may_lead: Vec<&str> = order.iter().filter(|&&a| sets[a].best == 1).map(|&a| &*names[a]).collect();
        text += &match &may_lead[..] {
            [one] => format!(" At {level:.0} % confidence no other algorithm than {one} is truly the best."),
            many if many.len() == k => {
                format!(" At {level:.0} % confidence any of the algorithms may truly be the best.")
            }
            many => format!(" At {level:.0} % confidence {} may truly be the best: {}.", many.len(), listed(many)),
        };
    }
    let superior = task.significance.row(first).iter().filter(|&&s| s).count();
    text += &format!(" The pairwise tests show {} superior to {superior} of {} others.", names[first], k - 1);
    if let Some(mean) = task.tau.as_ref().and_then(|t| t.mean) {
        let verdict = match mean {
            m if m >= 0.9 => "stable",
            m if m >= 0.7 => "fairly stable",
            _ => "unstable",
        };
        text += &format!(" The whole ranking is {verdict}: Kendall's τ with its resamples is {mean:.2} on average.");
    }
    text
}

/// The algorithm whose confidence set alone reaches rank 1.
fn certain_leader(task: &TaskAnalysis) -> Option<usize> {
    let sets = task.sets.as_ref()?;
    let mut leaders = (0..sets.len()).filter(|&a| sets[a].best == 1);
    leaders.next().filter(|_| leaders.next().is_none())
}

/// Those with the best rank.
fn named<'a>(names: &'a [String], ranks: &[f64]) -> Vec<&'a str> {
    let best = ranks.iter().copied().fold(f64::INFINITY, f64::min);
    names.iter().zip(ranks).filter(|(_, r)| **r == best).map(|(n, _)| &**n).collect()
}

fn is_or_share(leaders: &[&str]) -> String {
    if leaders.len() == 1 { format!("{} is", leaders[0]) } else { format!("{} are", listed(leaders)) }
}

/// A rank; quantiles of ranks may lie between two.
pub fn rank(rank: f64) -> String {
    if (rank - rank.round()).abs() < 0.05 { format!("{rank:.0}") } else { format!("{rank:.1}") }
}

/// Names with commas and an and; many are cut off.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 6;
    if names.len() > MOST {
        let others = names.len() - MOST;
        return format!("{} and {others} other{}", names[..MOST].join(", "), if others == 1 { "" } else { "s" });
    }
    match names {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

/// Key figures at the head.
pub fn tiles(challenge: &Challenge) -> Vec<Value> {
    let tile = |value: String, label: &str| json!({"value": value, "label": label});
    let tasks = &challenge.tasks;
    let cases: usize = tasks.iter().map(|t| t.results.cases.len()).sum();
    let mut all =
        vec![tile(tasks[0].results.algorithms.len().to_string(), "algorithms"), tile(thousands(cases as u64), "cases")];
    if tasks.len() > 1 {
        all.push(tile(tasks.len().to_string(), "tasks"));
    }
    if challenge.settings.resamples > 0 {
        let label = format!("resamples by {}", challenge.resampled_by);
        all.push(tile(thousands(challenge.settings.resamples as u64), &label));
        let taus: Vec<f64> = tasks.iter().filter_map(|t| t.tau.as_ref()?.mean).collect();
        if !taus.is_empty() {
            all.push(tile(format!("{:.2}", taus.iter().sum::<f64>() / taus.len() as f64), "mean Kendall's τ"));
        }
    }
    all
}

/// How it was done, in sentences.
pub fn method(challenge: &Challenge) -> Vec<String> {
    let settings = &challenge.settings;
    let (name, method) = &settings.method;
    let better = match settings.better {
        Better::Larger => "larger",
        Better::Smaller => "smaller",
    };
    let mut all = vec![format!("Ranking by {name}; {better} values of {} are better.", challenge.value_name)];
    all.push(
        match method {
            Method::AggregateThenRank(_) => {
                "The values of an algorithm are aggregated over the cases, and aggregates are ranked."
            }
            Method::RankThenAggregate(_) => "Algorithms are ranked on each case, and ranks are aggregated and ranked.",
            Method::TestThenRank(_) => {
                "Algorithms are ranked by the proportion of others to which they are significantly superior."
            }
        }
        .to_owned(),
    );
    let adjust = match settings.test.adjust {
        Adjustment::Holm => "adjusted by Holm's method",
        Adjustment::Bh => "adjusted by Benjamini and Hochberg's method",
        Adjustment::None => "not adjusted",
    };
    all.push(format!(
        "Pairwise one-sided Wilcoxon signed-rank tests at level {}, p-values {adjust}.",
        settings.test.alpha
    ));
    if settings.resamples > 0 {
        all.push(format!(
            "{} bootstrap resamples by {} (seed {}); a case drawn twice counts twice in every method.",
            thousands(settings.resamples as u64),
            challenge.resampled_by,
            settings.seed
        ));
        all.push(
            "Confidence sets of ranks hold for all algorithms at once (Mogstad, Romano, Shaikh and Wilhelm 2024)."
                .to_owned(),
        );
    }
    all
}
