//! Score against energy, with the Pareto front.

use super::{NAME, axis_below, axis_left, between, colour};
use crate::report::canvas::{Canvas, START, width_of};
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
    }
    let discs: Vec<[f64; 2]> = points.iter().map(|p| [x(p.x[0]), y(p.y[0])]).collect();
    let mut taken: Vec<[f64; 4]> = discs.iter().map(|[x, y]| [x - 6.0, y - 6.0, x + 6.0, y + 6.0]).collect();
    for (point, disc) in points.iter().zip(discs) {
        let at = free_place(disc, width_of(&point.name, NAME), &taken);
        taken.push(at);
        canvas.name([at[0], at[3] - 3.0], START, NAME, &point.name);
    }
    canvas.finish()
}

/// Where a name beside a disc covers nothing that is there (left, top, right, bottom): to the right or to the left, above
/// or below, or else where it is tried first.
fn free_place([x, y]: [f64; 2], width: f64, taken: &[[f64; 4]]) -> [f64; 4] {
    let to = |left: f64, middle: f64| [left, middle - 8.0, left + width, middle + 7.0];
    let (right, left) = (x + 9.0, x - 9.0 - width);
    let tried = [
        to(right, y - 9.0),
        to(right, y + 10.0),
        to(left, y - 9.0),
        to(left, y + 10.0),
        to(x - 0.5 * width, y - 17.0),
        to(x - 0.5 * width, y + 18.0),
        to(right, y - 24.0),
        to(right, y + 25.0),
    ];
    let covers = |a: &[f64; 4], b: &[f64; 4]| a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
    let free = tried.iter().find(|place| taken.iter().all(|there| !covers(place, there)));
    *free.unwrap_or(&tried[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_way_for_each_other() {
        let first = free_place([100.0, 100.0], 30.0, &[]);
        assert_eq!(first, [109.0, 83.0, 139.0, 98.0]);
        let second = free_place([105.0, 101.0], 30.0, &[first]);
        assert!(second[1] > first[3], "{second:?}");
        // With everything taken it stays where it is tried first.
        assert_eq!(free_place([100.0, 100.0], 30.0, &[[0.0, 0.0, 500.0, 500.0]]), first);
    }
}
