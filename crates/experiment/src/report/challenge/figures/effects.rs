//! Effect plot: the risk of failure without and with each characteristic.

use super::{NAME, axis_below, between};
use crate::report::canvas::{Canvas, END, START, width_of};
use crate::report::svg::Axis;

/// What a characteristic does to the risk.
#[derive(Clone, Debug)]
pub struct RiskChange {
    /// The characteristic.
    pub name: String,
    /// Mean risk without it.
    pub without: f64,
    /// Mean risk with it.
    pub with: f64,
    /// The difference and the ends of its interval.
    pub change: [f64; 3],
    /// The difference of each algorithm.
    pub of_algorithms: Vec<f64>,
}

/// The plot, in the order given: from ring to disc the mean risk, small dots the algorithms (from the mean risk without).
pub fn effects(rows: &[RiskChange]) -> String {
    let left = rows.iter().map(|r| width_of(&r.name, NAME)).fold(60.0, f64::max) + 16.0;
    let (right, step) = (820.0, 24.0);
    let bottom = 10.0 + step * rows.len() as f64;
    let mut canvas = Canvas::new([1000.0, bottom + 42.0], "risk of failure without and with each characteristic");
    let percent = |v: f64| 100.0 * v;
    let all = rows.iter().flat_map(|r| {
        let of_algorithms = r.of_algorithms.iter().map(|d| r.without + d);
        [r.without, r.with].into_iter().chain(of_algorithms).map(percent).collect::<Vec<_>>()
    });
    let axis = Axis::linear("risk of failure, %", all.filter(|v| v.is_finite()).chain([0.0]));
    let x = |risk: f64| between(&axis, [left, right], percent(risk));
    axis_below(&mut canvas, &axis, [left, 4.0, right, bottom]);
    for (n, row) in rows.iter().enumerate() {
        let y = 10.0 + step * (n as f64 + 0.5);
        let colour = match row.change {
            [_, low, _] if low > 0.0 => "var(--bad)",
            [_, _, high] if high < 0.0 => "var(--good)",
            _ => "var(--ink-soft)",
        };
        let dots = row.of_algorithms.iter().filter(|d| d.is_finite()).map(|d| [x(row.without + d), y]);
        canvas.line([x(row.without), y, x(row.with), y], &format!("stroke=\"{colour}\" stroke-width=\"2.4\""));
        canvas.dots(dots, 4.0, "stroke=\"var(--ink)\" stroke-opacity=\"0.45\"");
        let told = |what: &str, risk: f64| format!("{} {what}: {:.1} %", row.name, percent(risk));
        let ring = format!("fill=\"var(--paper)\" stroke=\"{colour}\" stroke-width=\"1.6\"");
        canvas.disc([x(row.without), y], 4.5, &ring, &told("without", row.without));
        canvas.disc([x(row.with), y], 5.0, &format!("fill=\"{colour}\""), &told("with", row.with));
        canvas.name([left - 10.0, y + 4.0], END, NAME, &row.name);
        let [change, low, high] = row.change.map(percent);
        let note = format!("{change:+.1} ({low:+.1} to {high:+.1})").replace('-', "−");
        canvas.text([right + 10.0, y + 4.0], START, "", &note);
    }
    canvas.finish()
}
