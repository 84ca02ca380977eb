//! Figures of a challenge as inline SVG, one in each file.
//!
//! After Wiesenfarth et al. 2021, "Methods and open-source toolkit for analyzing and visualizing challenge results",
//! Scientific Reports 11:2369, whose names they keep. Algorithms have the same colour in all figures of a report, and
//! stand in the order of their ranks.

mod blob;
mod dot_and_box;
mod effects;
mod forest;
mod heatmap;
mod lines;
mod pareto;
mod podium;
mod sets;
mod significance;
mod tree;
mod violins;

pub use blob::blob;
pub use dot_and_box::{MOST_DOTS, dot_and_box};
pub use effects::{RiskChange, effects};
pub use forest::{Interval, forest};
pub use heatmap::heatmap;
pub use lines::lines;
pub use pareto::{Point, pareto};
pub use podium::{MOST_CASES, podium};
pub use sets::sets;
pub use significance::significance;
pub use tree::tree;
pub use violins::violins;

use crate::report::canvas::{Canvas, END, width_of};
use crate::report::svg::Axis;

/// Longest name in a figure, characters.
const NAME: usize = 26;

/// M. Okabe and K. Ito's palette, made for all kinds of colour vision, and three shades between.
const COLOURS: [&str; 10] =
    ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#8A7F00", "#5C8AA8", "#A05A2C"];

/// The colour of an algorithm by its place in the table; they come again after ten.
fn colour(algorithm: usize) -> &'static str {
    COLOURS[algorithm % COLOURS.len()]
}

/// Room for names at the left, px.
fn room_for(names: &[String]) -> f64 {
    names.iter().map(|n| width_of(n, NAME)).fold(30.0, f64::max) + 16.0
}

/// The place of a value between two ends, px.
fn between(axis: &Axis, [from, to]: [f64; 2], value: f64) -> f64 {
    from + (to - from) * axis.at(value).clamp(0.0, 1.0)
}

/// Rules and numbers of a horizontal axis below a plot, px left, top, right, bottom.
fn axis_below(canvas: &mut Canvas, axis: &Axis, [left, top, right, bottom]: [f64; 4]) {
    for (value, label) in axis.ticks() {
        let x = between(axis, [left, right], value);
        canvas.line([x, top, x, bottom], "class=\"grid\"");
        canvas.text([x, bottom + 16.0], "middle", "", &label);
    }
    canvas.line([left, bottom, right, bottom], "class=\"axis\"");
    canvas.text([0.5 * (left + right), bottom + 34.0], "middle", "label", &axis.label);
}

/// Rules and numbers of a vertical axis at the left of a plot, px left, top, right, bottom.
fn axis_left(canvas: &mut Canvas, axis: &Axis, [left, top, right, bottom]: [f64; 4]) {
    for (value, label) in axis.ticks() {
        let y = between(axis, [bottom, top], value);
        canvas.line([left, y, right, y], "class=\"grid\"");
        canvas.text([left - 7.0, y + 4.0], END, "", &label);
    }
    canvas.line([left, top, left, bottom], "class=\"axis\"");
    canvas.upright([14.0, 0.5 * (top + bottom)], &axis.label);
}

/// At most `most` of the items, evenly spaced, first and last among them.
fn thinned<T: Copy>(items: &[T], most: usize) -> Vec<T> {
    if items.len() <= most || most < 2 {
        return items.to_vec();
    }
    (0..most).map(|i| items[i * (items.len() - 1) / (most - 1)]).collect()
}

/// Where a rank axis from 1 to K gets a number: all of a few, every fifth of many.
fn rank_numbers(k: usize) -> impl Iterator<Item = usize> {
    (1..=k).filter(move |r| k <= 25 || *r == 1 || r % 5 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_ends() {
        let all: Vec<usize> = (0..1000).collect();
        let few = thinned(&all, 10);
        assert_eq!((few.len(), few[0], few[9]), (10, 0, 999));
        assert_eq!(thinned(&all[..3], 10), [0, 1, 2]);
    }
}
