//! Forest plot: estimates with intervals on a logarithmic axis around 1.

use super::{NAME, axis_below, between};
use crate::report::canvas::{Canvas, END, START, width_of};
use crate::report::svg::Axis;

/// One estimate.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Its name.
    pub name: String,
    /// The ratio.
    pub at: f64,
    /// Ends of its interval.
    pub range: [f64; 2],
    /// Whether it is told from chance.
    pub clear: bool,
    /// What stands at the right.
    pub note: String,
}

/// The plot, in the order given. Intervals that leave the axis, as of separated data, end in an arrow at its edge.
pub fn forest(rows: &[Interval], label: &str) -> String {
    let most = NAME + 14;
    let left = rows.iter().map(|r| width_of(&r.name, most)).fold(60.0, f64::max) + 16.0;
    let right = 1000.0 - rows.iter().map(|r| width_of(&r.note, most)).fold(40.0, f64::max) - 16.0;
    let step = 24.0;
    let bottom = 10.0 + step * rows.len() as f64;
    let mut canvas = Canvas::new([1000.0, bottom + 42.0], &format!("forest plot: {label}"));
    // Estimates decide the axis; intervals widen it by a factor of eight at most.
    let estimates = || rows.iter().map(|r| r.at).filter(|v| *v > 0.0 && v.is_finite());
    let (low, high) = (estimates().fold(1.0, f64::min), estimates().fold(1.0, f64::max));
    let ends = rows.iter().flat_map(|r| r.range).map(|v| v.clamp(low / 8.0, high * 8.0));
    let axis = Axis::log(label, estimates().chain(ends.filter(|v| v.is_finite())).chain([0.8, 1.25]));
    let frame = [left, right];
    axis_below(&mut canvas, &axis, [left, 4.0, right, bottom]);
    let one = between(&axis, frame, 1.0);
    canvas.line([one, 4.0, one, bottom], "stroke=\"var(--ink)\" stroke-width=\"1.2\" stroke-dasharray=\"4 3\"");
    for (n, row) in rows.iter().enumerate() {
        let y = 10.0 + step * (n as f64 + 0.5);
        let colour = match (row.clear, row.at > 1.0) {
            (false, _) => "var(--ink-soft)",
            (true, true) => "var(--bad)",
            (true, false) => "var(--good)",
        };
        let x = |v: f64| between(&axis, frame, if v > 0.0 { v } else { axis.range[0] });
        let stroke = format!("stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"");
        canvas.line([x(row.range[0]), y, x(row.range[1]), y], &stroke);
        for (end, side) in [(row.range[0], 1.0), (row.range[1], -1.0)] {
            let beyond = end.is_nan() || end < axis.range[0] || end > axis.range[1];
            let at = x(end);
            if beyond {
                canvas.lines([[at + 5.0 * side, y - 4.0], [at, y], [at + 5.0 * side, y + 4.0]], &stroke);
            } else {
                canvas.line([at, y - 4.0, at, y + 4.0], &stroke);
            }
        }
        canvas.disc([x(row.at), y], 5.0, &format!("fill=\"{colour}\""), &format!("{}: {}", row.name, row.note));
        canvas.name([left - 10.0, y + 4.0], END, most, &row.name);
        canvas.text([right + 10.0, y + 4.0], START, "", &row.note);
    }
    canvas.finish()
}
