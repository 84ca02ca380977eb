//! Confidence sets of ranks.

use super::{NAME, colour, rank_numbers, room_for};
use crate::report::canvas::{Canvas, END, MIDDLE};
use regiscope_challenge::ranking::analysis::TaskAnalysis;

/// From the best to the worst rank that each algorithm may have, and its rank; `None` without sets.
pub fn sets(task: &TaskAnalysis) -> Option<String> {
    let sets = task.sets.as_ref()?;
    let names = &task.results.algorithms;
    let k = names.len();
    let (left, row) = (room_for(names), 24.0);
    let (right, bottom) = (560.0, 8.0 + row * k as f64);
    let step = (right - left - 12.0) / k as f64;
    let mut canvas = Canvas::new([right, bottom + 42.0], "confidence sets of ranks");
    let x = |rank: f64| left + step * (rank - 0.5);
    for rank in rank_numbers(k) {
        canvas.line([x(rank as f64), 4.0, x(rank as f64), bottom], "class=\"grid\"");
        canvas.text([x(rank as f64), bottom + 15.0], MIDDLE, "", &rank.to_string());
    }
    for (place, a) in task.by_rank().into_iter().enumerate() {
        let (set, y) = (&sets[a], 8.0 + row * (place as f64 + 0.5));
        let (low, high) = (set.best as f64, set.worst as f64);
        let told = format!("{}: ranks {} to {}", names[a], set.best, set.worst);
        let bar = [x(low) - 6.0, y - 6.0, x(high) - x(low) + 12.0, 12.0];
        canvas.told_rect(bar, &format!("rx=\"6\" fill=\"{}\" fill-opacity=\"0.4\"", colour(a)), &told);
        let rank = task.ranking.ranks[a];
        canvas.disc([x(rank), y], 5.0, &format!("fill=\"{}\"", colour(a)), &format!("{}: rank {rank}", names[a]));
        canvas.name([left - 10.0, y + 4.0], END, NAME, &names[a]);
    }
    canvas.text([0.5 * (left + right), bottom + 34.0], MIDDLE, "label", "rank");
    Some(canvas.finish())
}
