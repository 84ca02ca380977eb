//! Violin plot of Kendall's τ between the ranking of each task and those of its resamples.

use super::{NAME, axis_left, between};
use crate::report::canvas::{Canvas, width_of};
use crate::report::svg::Axis;
use regiscope_challenge::ranking::analysis::TaskAnalysis;

/// The plot; `None` where no task has a defined τ.
pub fn violins(tasks: &[TaskAnalysis]) -> Option<String> {
    let taus: Vec<(&str, Vec<f64>)> = tasks
        .iter()
        .map(|t| (&*t.results.task, t.tau.iter().flat_map(|tau| tau.values.iter().copied().flatten()).collect()))
        .filter(|(_, values): &(&str, Vec<f64>)| !values.is_empty())
        .collect();
    if taus.is_empty() {
        return None;
    }
    let step = (900.0 / taus.len() as f64).clamp(18.0, 150.0);
    let longest = taus.iter().map(|(n, _)| width_of(n, NAME)).fold(0.0, f64::max);
    let (left, top, bottom) = ((0.82 * longest - 0.5 * step).max(62.0), 10.0, 230.0);
    let right = left + step * taus.len() as f64;
    let mut canvas = Canvas::new([right + 10.0, bottom + 20.0 + 0.58 * longest], "Kendall's tau of resamples");
    let lowest = taus.iter().flat_map(|(_, v)| v).copied().fold(1.0, f64::min);
    let floor = ((lowest - 0.02) * 5.0).floor() / 5.0;
    let axis = Axis::exact("Kendall's τ-b", [floor.max(-1.0), 1.0]);
    axis_left(&mut canvas, &axis, [left, top, right, bottom]);
    for (n, (name, values)) in taus.iter().enumerate() {
        let x = left + step * (n as f64 + 0.5);
        let y = |tau: f64| between(&axis, [bottom, top], tau);
        let outline = density(values, axis.range);
        let most = outline.iter().map(|(_, d)| *d).fold(0.0, f64::max);
        let half = 0.42 * step;
        let side = |sign: f64| outline.iter().map(move |(tau, d)| (*tau, sign * half * d / most));
        let shape: Vec<[f64; 2]> = side(-1.0)
            .chain(side(1.0).collect::<Vec<_>>().into_iter().rev())
            .map(|(tau, dx)| [x + dx, y(tau)])
            .collect();
        canvas.shape(shape, "fill=\"var(--accent)\" fill-opacity=\"0.3\" stroke=\"var(--accent)\"");
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |p: f64| sorted[(p * (sorted.len() - 1) as f64).round() as usize];
        canvas.line([x, y(at(0.25)), x, y(at(0.75))], "stroke=\"var(--ink)\" stroke-width=\"5\"");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let told = format!("{name}: mean τ {mean:.3}, median {:.3}, {} resamples", at(0.5), values.len());
        canvas.disc([x, y(at(0.5))], 4.0, "fill=\"var(--paper)\" stroke=\"var(--ink)\" stroke-width=\"1.3\"", &told);
        canvas.slanted([x + 4.0, bottom + 16.0], NAME, name);
    }
    Some(canvas.finish())
}

/// Gaussian kernel density over the range, bandwidth by Silverman's rule but at least a hundredth of the range.
fn density(values: &[f64], [low, high]: [f64; 2]) -> Vec<(f64, f64)> {
    const POINTS: usize = 80;
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let bandwidth = (1.06 * sd * n.powf(-0.2)).max(0.01 * (high - low));
    // τ takes few values, so each is weighed once.
    let mut counts: std::collections::BTreeMap<u64, (f64, f64)> = Default::default();
    values.iter().for_each(|v| counts.entry(v.to_bits()).or_insert((*v, 0.0)).1 += 1.0);
    let ends = values.iter().fold([high, low], |[l, h], v| [l.min(*v), h.max(*v)]);
    let from = (ends[0] - 2.0 * bandwidth).max(low);
    let to = (ends[1] + 2.0 * bandwidth).min(high).max(from + 1e-9);
    (0..POINTS)
        .map(|i| {
            let at = from + (to - from) * i as f64 / (POINTS - 1) as f64;
            (at, counts.values().map(|(v, c)| c * (-0.5 * ((at - v) / bandwidth).powi(2)).exp()).sum())
        })
        .collect()
}
