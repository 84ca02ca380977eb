//! Significance map: who is significantly superior to whom.

use super::{NAME, room_for};
use crate::report::canvas::{Canvas, END, width_of};
use regiscope_challenge::ranking::analysis::TaskAnalysis;

/// The map, algorithms in the order of ranks: a full cell says that the row is superior to the column; numbers are
/// adjusted p-values.
pub fn significance(task: &TaskAnalysis, alpha: f64) -> String {
    let (names, tests) = (&task.results.algorithms, &task.significance);
    let (k, order) = (names.len(), task.by_rank());
    let longest = names.iter().map(|n| width_of(n, NAME)).fold(0.0, f64::max);
    let cell = (470.0 / k as f64).clamp(16.0, 54.0);
    let height = cell.min(34.0);
    let left = room_for(names).max(0.82 * longest - 0.5 * cell);
    let (right, bottom) = (left + cell * k as f64, 8.0 + height * k as f64);
    let mut canvas = Canvas::new([right + 12.0, bottom + 18.0 + 0.58 * longest], "significance map");
    for (row, &a) in order.iter().enumerate() {
        let y = 8.0 + height * row as f64;
        canvas.name([left - 10.0, y + 0.5 * height + 4.0], END, NAME, &names[a]);
        for (column, &b) in order.iter().enumerate() {
            let at = [left + cell * column as f64, y, cell - 1.5, height - 1.5];
            if a == b {
                canvas.rect(at, "fill=\"var(--rule)\"");
                continue;
            }
            let (p, is_superior) = (tests.adjusted[a * k + b], tests.superior[a * k + b]);
            let verb = if is_superior { "is superior to" } else { "is not shown to be superior to" };
            let told = format!("{} {verb} {}: adjusted p = {p:.3e} at level {alpha}", names[a], names[b]);
            let style = if is_superior {
                "fill=\"#E69F00\" fill-opacity=\"0.85\""
            } else {
                "fill=\"var(--accent)\" fill-opacity=\"0.13\""
            };
            canvas.told_rect(at, style, &told);
            if cell >= 36.0 {
                let words = if p < 0.001 { "<.001".to_owned() } else { format!("{p:.3}").replacen("0.", ".", 1) };
                let class = if is_superior { "on-light" } else { "" };
                canvas.text([at[0] + 0.5 * at[2], y + 0.5 * height + 3.5], "middle", class, &words);
            }
        }
        canvas.slanted([left + cell * (row as f64 + 0.5) + 4.0, bottom + 14.0], NAME, &names[a]);
    }
    canvas.finish()
}
