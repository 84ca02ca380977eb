//! Dot-and-box plot: all values of each algorithm, with quartiles.

use super::{NAME, axis_below, between, colour, room_for, thinned};
use crate::report::canvas::{Canvas, END};
use crate::report::svg::Axis;
use regiscope_challenge::ranking::Aggregate;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::ranking::plain::aggregated;

/// The most dots drawn for one algorithm; of more values, evenly spaced order statistics.
pub const MOST_DOTS: usize = 500;

/// The plot; boxes hold the middle half, whiskers reach the last value within 1.5 box lengths (Tukey 1977).
pub fn dot_and_box(task: &TaskAnalysis, value_name: &str) -> String {
    let results = &task.results;
    let (left, row) = (room_for(&results.algorithms), 34.0);
    let k = results.algorithms.len();
    let (width, bottom) = (1000.0, 12.0 + row * k as f64);
    let mut canvas = Canvas::new([width, bottom + 42.0], &format!("dot-and-box plot of {value_name}"));
    let axis = Axis::linear(value_name, results.values.iter().copied());
    let ends = [left, width - 14.0];
    axis_below(&mut canvas, &axis, [ends[0], 6.0, ends[1], bottom]);
    let x = |value: f64| between(&axis, ends, value);
    for (place, a) in task.by_rank().into_iter().enumerate() {
        let middle = 12.0 + row * (place as f64 + 0.5);
        let mut values: Vec<f64> = results.algorithm(a).collect();
        values.sort_by(f64::total_cmp);
        let [q1, median, q3] = [0.25, 0.5, 0.75].map(|p| aggregated(&values, Aggregate::Quantile(p)));
        let reach = 1.5 * (q3 - q1);
        let low = values.iter().copied().find(|v| *v >= q1 - reach).unwrap_or(q1);
        let high = values.iter().rev().copied().find(|v| *v <= q3 + reach).unwrap_or(q3);
        // A fixed scatter across the row: multiples of the golden ratio are even and do not repeat.
        let dots = thinned(&values, MOST_DOTS).into_iter().enumerate().map(|(n, v)| {
            let scatter = (n as f64 * 0.618_033_988_749_895).fract() - 0.5;
            [x(v), middle + 0.62 * row * scatter]
        });
        let opacity = if values.len() > 100 { 0.35 } else { 0.6 };
        canvas.dots(dots, 3.4, &format!("stroke=\"{}\" stroke-opacity=\"{opacity}\"", colour(a)));
        let line = "stroke=\"var(--ink)\" stroke-width=\"1.1\"";
        canvas.line([x(low), middle, x(q1), middle], line);
        canvas.line([x(q3), middle, x(high), middle], line);
        let half = 0.32 * row;
        canvas.told_rect(
            [x(q1), middle - half, x(q3) - x(q1), 2.0 * half],
            "fill=\"none\" stroke=\"var(--ink)\" stroke-width=\"1.1\" pointer-events=\"all\"",
            &format!("{}: quartiles {q1:.4}, {median:.4}, {q3:.4}", results.algorithms[a]),
        );
        canvas.line([x(median), middle - half, x(median), middle + half], "stroke=\"var(--ink)\" stroke-width=\"2.6\"");
        canvas.name([left - 10.0, middle + 4.0], END, NAME, &results.algorithms[a]);
    }
    canvas.finish()
}
