//! Ranking heatmap: on how many cases each algorithm had each rank.

use super::{NAME, rank_numbers, room_for};
use crate::report::canvas::{Canvas, END, MIDDLE};
use regiscope_challenge::ranking::Ranking;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::results::Better;

/// The map: algorithms in the order of ranks, ranks on a case from left to right. Ties share the best rank.
pub fn heatmap(task: &TaskAnalysis, better: Better) -> String {
    let results = &task.results;
    let k = results.algorithms.len();
    let mut counts = vec![0usize; k * k];
    for case in 0..results.cases.len() {
        let ranks = Ranking::of(results.case(case).to_vec(), better, Ties::Min).ranks;
        for (a, rank) in ranks.iter().enumerate() {
            counts[a * k + *rank as usize - 1] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let left = room_for(&results.algorithms);
    let cell_width = ((560.0 - left) / k as f64).clamp(14.0, 64.0);
    let cell_height = 26.0;
    let (right, bottom) = (left + cell_width * k as f64, 8.0 + cell_height * k as f64);
    let mut canvas = Canvas::new([right + 12.0, bottom + 42.0], "ranking heatmap");
    for (row, a) in task.by_rank().into_iter().enumerate() {
        let y = 8.0 + cell_height * row as f64;
        canvas.name([left - 10.0, y + 0.5 * cell_height + 4.0], END, NAME, &results.algorithms[a]);
        for rank in 0..k {
            let count = counts[a * k + rank];
            let part = count as f64 / most;
            let at = [left + cell_width * rank as f64, y, cell_width - 1.5, cell_height - 1.5];
            let told =
                format!("{}: rank {} on {count} of {} cases", results.algorithms[a], rank + 1, results.cases.len());
            canvas.told_rect(at, &format!("fill=\"var(--accent)\" fill-opacity=\"{:.3}\"", 0.04 + 0.96 * part), &told);
            if cell_width >= 26.0 && count > 0 {
                let class = if part > 0.55 { "on-dark" } else { "label" };
                canvas.text([at[0] + 0.5 * at[2], y + 0.5 * cell_height + 4.0], MIDDLE, class, &count.to_string());
            }
        }
    }
    for rank in rank_numbers(k) {
        canvas.text([left + cell_width * (rank as f64 - 0.5), bottom + 15.0], MIDDLE, "", &rank.to_string());
    }
    canvas.text([0.5 * (left + right), bottom + 34.0], MIDDLE, "label", "rank on a case");
    canvas.finish()
}
