//! Line plot: ranks by several methods.

use super::{NAME, colour, rank_numbers, room_for};
use crate::report::canvas::{Canvas, END, MIDDLE, START};
use regiscope_challenge::ranking::analysis::{Settings, TaskAnalysis};

/// The plot; `None` where there is one method only.
pub fn lines(task: &TaskAnalysis, settings: &Settings) -> Option<String> {
    if task.others.is_empty() {
        return None;
    }
    let names = &task.results.algorithms;
    let k = names.len();
    let methods: Vec<&str> =
        std::iter::once(&settings.method).chain(&settings.others).map(|(name, _)| &**name).collect();
    let ranks: Vec<&[f64]> = std::iter::once(&task.ranking).chain(&task.others).map(|r| &r.ranks[..]).collect();
    let room = room_for(names);
    let (left, right, top, step) = (room + 24.0, 1000.0 - room, 30.0, 26.0);
    let bottom = top + step * k as f64;
    let mut canvas = Canvas::new([1000.0, bottom + 10.0], "ranks by several methods");
    let gap = (right - left - 40.0) / (methods.len() - 1) as f64;
    let x = |method: usize| left + 20.0 + gap * method as f64;
    let y = |rank: f64| top + step * (rank - 0.5);
    for rank in rank_numbers(k) {
        canvas.line([left, y(rank as f64), right, y(rank as f64)], "class=\"grid\"");
        canvas.text([left - 8.0, y(rank as f64) + 4.0], END, "", &rank.to_string());
    }
    for (m, method) in methods.iter().enumerate() {
        // Names stand on two lines in turn where they would touch.
        let lift = if m % 2 == 1 && gap < 170.0 { 13.0 } else { 0.0 };
        canvas.text([x(m), top - 3.0 - lift], MIDDLE, if m == 0 { "label" } else { "" }, method);
        canvas.line([x(m), top, x(m), bottom], "class=\"grid\"");
    }
    // Algorithms with the same rank lie a little apart.
    let apart = |m: usize, a: usize| {
        let same: Vec<usize> = (0..k).filter(|&b| ranks[m][b] == ranks[m][a]).collect();
        let at = same.iter().position(|&b| b == a).unwrap_or(0) as f64;
        (at - 0.5 * (same.len() - 1) as f64) * (12.0 / same.len() as f64).min(4.5)
    };
    for a in 0..k {
        let points = (0..methods.len()).map(|m| [x(m), y(ranks[m][a]) + apart(m, a)]);
        let style = format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2.2\" stroke-opacity=\"0.85\"", colour(a));
        canvas.lines(points, &style);
        for m in 0..methods.len() {
            let told = format!("{}: rank {} by {}", names[a], ranks[m][a], methods[m]);
            let style = format!("fill=\"{}\" stroke=\"var(--paper)\" stroke-width=\"1\"", colour(a));
            canvas.disc([x(m), y(ranks[m][a]) + apart(m, a)], 4.6, &style, &told);
        }
    }
    // Names at both ends, in the order of ranks there, so that ties do not overprint each other.
    for (m, at, anchor) in [(0, left - 30.0, END), (methods.len() - 1, right + 8.0, START)] {
        let mut order: Vec<usize> = (0..k).collect();
        order.sort_by(|&a, &b| ranks[m][a].total_cmp(&ranks[m][b]));
        for (place, a) in order.into_iter().enumerate() {
            canvas.name([at, y(place as f64 + 1.0) + 4.0], anchor, NAME, &names[a]);
        }
    }
    Some(canvas.finish())
}
