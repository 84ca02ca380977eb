//! Podium plot (Eugster, Hothorn and Leisch 2008): on every case, who took which place with which value.

use super::{NAME, axis_left, between, colour, thinned};
use crate::report::canvas::{Canvas, MIDDLE, START, width_of};
use crate::report::svg::Axis;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::results::Better;

/// The most cases whose lines and dots are drawn; the bars below count all.
pub const MOST_CASES: usize = 120;

/// The plot. Every place has a slot for each algorithm, in the order of ranks; a line follows a case. Below, how often
/// each algorithm took each place, and which colour is whose. Equal values take places in the order of ranks.
pub fn podium(task: &TaskAnalysis, better: Better, value_name: &str) -> String {
    let results = &task.results;
    let (k, order) = (results.algorithms.len(), task.by_rank());
    let (width, left, top, bottom, bars) = (1000.0, 62.0, 10.0, 300.0, 90.0);
    let place_width = (width - left - 8.0) / k as f64;
    let slot = (place_width - 0.12 * place_width) / k as f64;
    let mut slot_of = vec![0; k];
    order.iter().enumerate().for_each(|(at, &a)| slot_of[a] = at);
    let x = |place: usize, a: usize| {
        left + place_width * place as f64 + 0.06 * place_width + slot * (slot_of[a] as f64 + 0.5)
    };
    let places: Vec<Vec<usize>> = (0..results.cases.len())
        .map(|case| {
            let (values, mut by_value) = (results.case(case), order.clone());
            by_value.sort_by(|&a, &b| match better {
                Better::Larger => values[b].total_cmp(&values[a]),
                Better::Smaller => values[a].total_cmp(&values[b]),
            });
            by_value
        })
        .collect();
    let names: Vec<(usize, &str)> = order.iter().map(|&a| (a, &*results.algorithms[a])).collect();
    let legend = legend_places(&names, left, width - 8.0);
    let rows = legend.last().map_or(0.0, |last| last[1] + 1.0);
    let mut canvas =
        Canvas::new([width, bottom + bars + 62.0 + LEGEND_ROW * rows], &format!("podium plot of {value_name}"));
    let axis = Axis::linear(value_name, results.values.iter().copied());
    axis_left(&mut canvas, &axis, [left, top, width - 8.0, bottom]);
    for place in 0..k {
        let from = left + place_width * place as f64;
        if place % 2 == 1 {
            let style = "fill=\"var(--sheet)\" fill-opacity=\"0.8\"";
            canvas.rect([from, top, place_width, bottom + bars + 16.0 - top], style);
        }
        canvas.text([from + 0.5 * place_width, bottom + bars + 32.0], MIDDLE, "", &(place + 1).to_string());
    }
    let y = |value: f64| between(&axis, [bottom, top], value);
    let shown = thinned(&(0..results.cases.len()).collect::<Vec<_>>(), MOST_CASES);
    let opacity = (12.0 / shown.len() as f64).clamp(0.08, 0.35);
    for &case in &shown {
        let at = |(place, &a): (usize, &usize)| [x(place, a), y(results.case(case)[a])];
        let style =
            format!("fill=\"none\" stroke=\"var(--ink-soft)\" stroke-opacity=\"{opacity:.2}\" stroke-width=\"0.8\"");
        canvas.lines(places[case].iter().enumerate().map(at), &style);
    }
    let most = (0..k).flat_map(|place| {
        let places = &places;
        (0..k).map(move |a| places.iter().filter(|p| p[place] == a).count())
    });
    let most = most.max().unwrap_or(1).max(1) as f64;
    for a in 0..k {
        let dots = shown.iter().map(|&case| {
            let place = places[case].iter().position(|&b| b == a).expect("every algorithm has a place");
            [x(place, a), y(results.case(case)[a])]
        });
        canvas.dots(dots, 5.0, &format!("stroke=\"{}\" stroke-opacity=\"0.75\"", colour(a)));
        for place in 0..k {
            let count = places.iter().filter(|p| p[place] == a).count();
            let height = bars * count as f64 / most;
            let told = format!("{}: place {} on {count} cases", results.algorithms[a], place + 1);
            let at = [x(place, a) - 0.42 * slot, bottom + 16.0 + bars - height, 0.84 * slot, height];
            canvas.told_rect(at, &format!("fill=\"{}\"", colour(a)), &told);
        }
    }
    canvas.line([left, bottom + bars + 16.0, width - 8.0, bottom + bars + 16.0], "class=\"axis\"");
    canvas.text([0.5 * (left + width), bottom + bars + 50.0], MIDDLE, "label", "place on a case");
    canvas.upright([14.0, bottom + 16.0 + 0.5 * bars], "cases");
    for ((a, name), [x, row]) in names.into_iter().zip(legend) {
        let y = bottom + bars + 62.0 + LEGEND_ROW * row;
        canvas.rect([x, y, 11.0, 11.0], &format!("fill=\"{}\"", colour(a)));
        canvas.name([x + 16.0, y + 9.5], START, NAME, name);
    }
    canvas.finish()
}

/// Height of a row of the legend.
const LEGEND_ROW: f64 = 20.0;

/// Where the entries of the legend begin, and in which row.
fn legend_places(names: &[(usize, &str)], left: f64, right: f64) -> Vec<[f64; 2]> {
    let (mut x, mut row) = (left, 0.0);
    names
        .iter()
        .map(|(_, name)| {
            let width = 16.0 + width_of(name, NAME) + 18.0;
            if x > left && x + width > right {
                (x, row) = (left, row + 1.0);
            }
            let at = [x, row];
            x += width;
            at
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legend_takes_rows_as_it_needs() {
        let names: Vec<(usize, &str)> = (0..30).map(|n| (n, "an algorithm")).collect();
        let places = legend_places(&names, 62.0, 992.0);
        assert!(places.iter().all(|[x, _]| (62.0..900.0).contains(x)));
        assert!(places[0][1] == 0.0 && places[29][1] >= 2.0);
        assert!(places.windows(2).all(|w| w[1][1] > w[0][1] || w[1][0] > w[0][0] + 30.0));
    }
}
