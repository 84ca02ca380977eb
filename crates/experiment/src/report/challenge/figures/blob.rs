//! Blob plot: how often each algorithm had each rank in the resamples.

use super::{NAME, colour, rank_numbers};
use crate::report::canvas::{Canvas, END, width_of};
use regiscope_challenge::ranking::Aggregate;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::ranking::plain::aggregated;
use std::collections::BTreeMap;

/// The plot; `None` without resamples. The area of a blob is the part of the resamples, the line the middle 95 % of
/// them, the cross their median, the ring the rank itself.
pub fn blob(task: &TaskAnalysis) -> Option<String> {
    let bootstrap = task.bootstrap.as_ref().filter(|b| !b.is_empty())?;
    let names = &task.results.algorithms;
    let k = names.len();
    let longest = names.iter().map(|n| width_of(n, NAME)).fold(0.0, f64::max);
    let step = (480.0 / k as f64).clamp(24.0, 64.0);
    // Slanted names take room at the left and below.
    let (left, top) = ((0.82 * longest - 0.5 * step).max(56.0), 12.0);
    let (right, bottom) = (left + step * k as f64, top + step * k as f64);
    let mut canvas = Canvas::new([right + 12.0, bottom + 22.0 + 0.58 * longest], "blob plot of ranks in resamples");
    let y = |rank: f64| top + step * (rank - 0.5);
    for rank in rank_numbers(k) {
        canvas.line([left, y(rank as f64), right, y(rank as f64)], "class=\"grid\"");
        canvas.text([left - 8.0, y(rank as f64) + 4.0], END, "", &rank.to_string());
    }
    canvas.upright([14.0, 0.5 * (top + bottom)], "rank");
    for (place, a) in task.by_rank().into_iter().enumerate() {
        let x = left + step * (place as f64 + 0.5);
        let ranks: Vec<f64> = bootstrap.ranks_of(a).collect();
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        // Ranks are whole or half.
        ranks.iter().for_each(|r| *counts.entry((2.0 * r) as u64).or_default() += 1);
        for (twice, count) in counts {
            let (rank, part) = (twice as f64 / 2.0, count as f64 / ranks.len() as f64);
            let told = format!("{}: rank {rank} in {:.1} % of the resamples", names[a], 100.0 * part);
            let style = format!("fill=\"{}\" fill-opacity=\"0.65\"", colour(a));
            canvas.disc([x, y(rank)], (0.47 * step * part.sqrt()).max(0.8), &style, &told);
        }
        let [low, median, high] = [0.025, 0.5, 0.975].map(|p| aggregated(&ranks, Aggregate::Quantile(p)));
        let ink = "stroke=\"var(--ink)\" stroke-width=\"1.4\" fill=\"none\"";
        canvas.line([x, y(low), x, y(high)], ink);
        canvas.lines([[x - 4.0, y(median) - 4.0], [x + 4.0, y(median) + 4.0]], ink);
        canvas.lines([[x - 4.0, y(median) + 4.0], [x + 4.0, y(median) - 4.0]], ink);
        let told = format!("{}: rank {}", names[a], task.ranking.ranks[a]);
        canvas.disc(
            [x, y(task.ranking.ranks[a])],
            7.0,
            "fill=\"none\" stroke=\"var(--ink)\" stroke-width=\"1\"",
            &told,
        );
        canvas.slanted([x + 4.0, bottom + 16.0], NAME, &names[a]);
    }
    Some(canvas.finish())
}
