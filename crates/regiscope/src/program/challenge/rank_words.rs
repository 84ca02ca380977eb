//! A ranking in words.

use regiscope_challenge::ranking::analysis::{Settings, TaskAnalysis};
use regiscope_challenge::ranking::consensus::Joined;

/// A table for each task, best algorithm first.
pub fn words(answers: &[TaskAnalysis], joined: &[(String, Joined)], settings: &Settings) -> String {
    let mut text = String::new();
    for answer in answers {
        let results = &answer.results;
        text += &format!(
            "{}: {} algorithms, {} cases, {}\n",
            results.task,
            results.algorithms.len(),
            results.cases.len(),
            settings.method.0
        );
        let level = 100.0 * (1.0 - settings.test.alpha);
        let mut lines = vec![[
            "rank".to_owned(),
            "algorithm".to_owned(),
            "aggregate".to_owned(),
            answer.sets.as_ref().map_or(String::new(), |_| format!("{level:.0} % set")),
            "superior to".to_owned(),
        ]];
        for i in answer.by_rank() {
            let superior = answer.significance.row(i).iter().filter(|&&s| s).count();
            lines.push([
                answer.ranking.ranks[i].to_string(),
                results.algorithms[i].clone(),
                format!("{:.6}", answer.ranking.aggregates[i]),
                answer.sets.as_ref().map_or(String::new(), |s| format!("{}-{}", s[i].best, s[i].worst)),
                superior.to_string(),
            ]);
        }
        text += &aligned(&lines);
        if let Some(tau) = answer.tau.as_ref().and_then(|t| t.mean) {
            text += &format!("  mean Kendall tau-b with {} resamples: {tau:.4}\n", settings.resamples);
        }
    }
    for (name, joined) in joined {
        let algorithms = &answers[0].results.algorithms;
        let order: Vec<String> =
            by_rank(&joined.ranks).into_iter().map(|i| format!("{} {}", joined.ranks[i], algorithms[i])).collect();
        text += &format!("consensus ({name}): {}\n", order.join(", "));
    }
    text
}

fn by_rank(ranks: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by(|&a, &b| ranks[a].total_cmp(&ranks[b]));
    order
}

/// Columns two blanks apart; empty ones are left out.
fn aligned<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |at: usize| lines.iter().map(|l| l[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let shown = line.iter().zip(&widths).filter(|(_, w)| **w > 0);
        let cells: Vec<String> = shown.map(|(cell, &w)| format!("{cell:<w$}")).collect();
        text += &format!("  {}\n", cells.join("  ").trim_end());
    }
    text
}
