//! Dendrogram of tasks: which of them rank the algorithms alike.

use super::{NAME, between};
use crate::report::canvas::{Canvas, START, width_of};
use crate::report::svg::Axis;
use regiscope_challenge::ranking::analysis::TaskAnalysis;
use regiscope_challenge::ranking::tree::tree as joined;

/// The most tasks that are drawn.
const MOST_TASKS: usize = 200;

/// The dendrogram; `None` of fewer than two tasks, or of more than 200.
pub fn tree(tasks: &[TaskAnalysis]) -> Option<String> {
    if !(2..=MOST_TASKS).contains(&tasks.len()) {
        return None;
    }
    let rankings: Vec<&[f64]> = tasks.iter().map(|t| &t.ranking.ranks[..]).collect();
    let joins = joined(&rankings);
    let n = tasks.len();
    let highest = joins.iter().map(|j| j.height).fold(0.0, f64::max).max(1.0);
    let longest = tasks.iter().map(|t| width_of(&t.results.task, NAME)).fold(0.0, f64::max);
    let (width, row) = (560.0, 24.0);
    let (left, right, bottom) = (16.0, width - longest - 18.0, 8.0 + row * n as f64);
    let mut canvas = Canvas::new([width, bottom + 42.0], "dendrogram of tasks");
    // Alike at the right, where the names are.
    let axis = Axis::exact("mean distance of rankings (Spearman's footrule)", [-1.02 * highest, 0.0]);
    let shown = Axis { label: axis.label.clone(), range: [0.0, 1.02 * highest], log: false };
    for (value, label) in shown.ticks() {
        let x = between(&axis, [left, right], -value);
        canvas.line([x, 4.0, x, bottom], "class=\"grid\"");
        canvas.text([x, bottom + 16.0], "middle", "", &label);
    }
    canvas.line([left, bottom, right, bottom], "class=\"axis\"");
    canvas.text([0.5 * (left + right), bottom + 34.0], "middle", "label", &axis.label);
    // Leaves in the order of the tree, so that no branches cross.
    let mut order = Vec::new();
    let mut open = vec![2 * n - 2];
    while let Some(branch) = open.pop() {
        if branch < n {
            order.push(branch);
        } else {
            let [first, second] = joins[branch - n].branches;
            open.extend([second, first]);
        }
    }
    let x = |height: f64| between(&axis, [left, right], -height);
    // Place of every branch: height and row.
    let mut places = vec![(0.0, 0.0); 2 * n - 1];
    for (at, &leaf) in order.iter().enumerate() {
        let y = 8.0 + row * (at as f64 + 0.5);
        places[leaf] = (0.0, y);
        canvas.name([right + 10.0, y + 4.0], START, NAME, &tasks[leaf].results.task);
    }
    for (number, join) in joins.iter().enumerate() {
        let [(h1, y1), (h2, y2)] = join.branches.map(|b| places[b]);
        let bracket = [[x(h1), y1], [x(join.height), y1], [x(join.height), y2], [x(h2), y2]];
        canvas.lines(bracket, "fill=\"none\" stroke=\"var(--accent)\" stroke-width=\"2\"");
        places[n + number] = (join.height, 0.5 * (y1 + y2));
    }
    Some(canvas.finish())
}
