//! Score against energy, with the Pareto front.

use super::{NAME, axis_below, axis_left, between, colour};
use crate::report::canvas::{Canvas, START};
use crate::report::svg::Axis;

/// An algorithm.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// Energy, J, and the ends of its interval.
    pub x: [f64; 3],
    /// Score and the ends of its interval.
    pub y: [f64; 3],
    /// Whether no other is better in both.
    pub on_front: bool,
    /// What shows under the pointer.
    pub note: String,
}

/// The plot; algorithms on the front are full and joined by a line.
pub fn pareto(points: &[Point]) -> String {
    let (left, top, right, bottom) = (62.0, 10.0, 700.0, 330.0);
    let mut canvas = Canvas::new([880.0, bottom + 42.0], "score against energy");
    let finite = |of: fn(&Point) -> [f64; 3]| points.iter().flat_map(of).filter(|v| v.is_finite());
    let energies: Vec<f64> = finite(|p| p.x).collect();
    let wide = energies.iter().all(|e| *e > 0.0)
        && energies.iter().copied().fold(0.0, f64::max) > 20.0 * energies.iter().copied().fold(f64::INFINITY, f64::min);
    let label = "energy of a result, J";
    let x_axis = if wide { Axis::log(label, energies.into_iter()) } else { Axis::linear(label, energies.into_iter()) };
    let y_axis = Axis::linear("score", finite(|p| p.y));
    axis_below(&mut canvas, &x_axis, [left, top, right, bottom]);
    axis_left(&mut canvas, &y_axis, [left, top, right, bottom]);
    let (x, y) = (|v| between(&x_axis, [left, right], v), |v| between(&y_axis, [bottom, top], v));
    let mut front: Vec<&Point> = points.iter().filter(|p| p.on_front).collect();
    front.sort_by(|a, b| a.x[0].total_cmp(&b.x[0]));
    canvas.lines(
        front.iter().map(|p| [x(p.x[0]), y(p.y[0])]),
        "fill=\"none\" stroke=\"var(--ink-soft)\" stroke-dasharray=\"5 4\"",
    );
    for (n, point) in points.iter().enumerate() {
        let bar = format!("stroke=\"{}\" stroke-width=\"1.2\" stroke-opacity=\"0.6\"", colour(n));
        canvas.line([x(point.x[1]), y(point.y[0]), x(point.x[2]), y(point.y[0])], &bar);
        canvas.line([x(point.x[0]), y(point.y[1]), x(point.x[0]), y(point.y[2])], &bar);
        let fill = if point.on_front { colour(n) } else { "var(--paper)" };
        let style = format!("fill=\"{fill}\" stroke=\"{}\" stroke-width=\"2\"", colour(n));
        canvas.disc([x(point.x[0]), y(point.y[0])], 5.5, &style, &format!("{}: {}", point.name, point.note));
        canvas.name([x(point.x[0]) + 9.0, y(point.y[0]) - 6.0], START, NAME, &point.name);
    }
    canvas.finish()
}
