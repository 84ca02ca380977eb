//! The report's charts.

use super::picture::heat;
use super::svg::{Axis, Backdrop, Chart, Mark, Series};
use crate::run::landscape::{Map, Surroundings};
use crate::run::measure::StartRow;
use crate::run::registration::Findings;

const GOOD: &str = "var(--good)";
const BAD: &str = "var(--bad)";
const INK: &str = "var(--ink-soft)";

/// Starts with a final mTRE under this succeed in charts, mm.
const SUCCESS_MM: f64 = 2.0;

/// Errors are drawn no smaller than this, mm.
const FLOOR_MM: f64 = 1e-3;

/// Initial against final mTRE; `None` without a reference.
pub fn before_after(rows: &[StartRow]) -> Option<String> {
    let points: Vec<(f64, f64)> =
        rows.iter().filter_map(|r| Some((r.initial?.mtre_mm, r.errors?.mtre_mm.max(FLOOR_MM)))).collect();
    if points.is_empty() {
        return None;
    }
    let x = Axis::linear("mTRE at the start, mm", points.iter().map(|p| p.0).chain([0.0]));
    let y = Axis::log("mTRE at the answer, mm", points.iter().map(|p| p.1).chain([SUCCESS_MM]));
    let (good, bad): (Vec<_>, Vec<_>) = points.iter().partition(|p| p.1 < SUCCESS_MM);
    let series = vec![
        line("2 mm", INK, Mark::Dashes, vec![(x.range[0], SUCCESS_MM), (x.range[1], SUCCESS_MM)]),
        line("under 2 mm", GOOD, Mark::Dots, good),
        line("2 mm or more", BAD, Mark::Crosses, bad),
    ];
    Some(Chart { title: String::new(), size: [520.0, 330.0], x, y, backdrop: None, series: non_empty(series) }.svg())
}

/// mTRE (or similarity, without a reference) over rendered images.
pub fn convergence(findings: &Findings) -> Option<String> {
    let has_reference = findings.metrics.has_reference;
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for (n, record) in findings.records.iter().enumerate() {
        let value = |(m, i): (usize, &crate::run::record::IterationRecord)| {
            let y = if has_reference { findings.paths[n][m].max(FLOOR_MM) } else { i.similarity.unwrap_or(f64::NAN) };
            (i.evaluations.max(1) as f64, y)
        };
        let path: Vec<(f64, f64)> = record.iterations.iter().enumerate().map(value).collect();
        let failed = findings.rows[n].errors.is_some_and(|e| e.mtre_mm >= SUCCESS_MM);
        if failed { bad.push(path) } else { good.push(path) }
    }
    let all = || good.iter().chain(&bad).flatten();
    all().next()?;
    let x = Axis::log("images rendered", all().map(|p| p.0));
    let y = if has_reference {
        Axis::log("mTRE, mm", all().map(|p| p.1))
    } else {
        Axis::linear("similarity on the level", all().map(|p| p.1))
    };
    let many = findings.records.len() > 60;
    let (width, opacity) = if many { (0.8, 0.35) } else { (1.3, 0.65) };
    let names = if has_reference { ["under 2 mm", "2 mm or more"] } else { ["one start", ""] };
    let mut series = Vec::new();
    for (paths, colour, name) in [(bad, BAD, names[1]), (good, GOOD, names[0])] {
        for (n, path) in paths.into_iter().enumerate() {
            let name = if n == 0 { name } else { "" };
            series.push(line(name, colour, Mark::Line(width, opacity), path));
        }
    }
    Some(Chart { title: String::new(), size: [520.0, 330.0], x, y, backdrop: None, series }.svg())
}

/// Similarity along each axis.
pub fn curves(surroundings: Option<&Surroundings>) -> Vec<String> {
    let Some(surroundings) = surroundings else { return Vec::new() };
    let values = || surroundings.curves.iter().flat_map(|c| c.similarity.iter().copied().flatten());
    let y = Axis::linear("similarity", values());
    let chart = |curve: &crate::run::landscape::Curve| {
        let points: Vec<(f64, f64)> =
            curve.offsets.iter().zip(&curve.similarity).map(|(&x, s)| (x, s.unwrap_or(f64::NAN))).collect();
        let middle = vec![(0.0, y.range[0]), (0.0, y.range[1])];
        let x = Axis::exact(&curve.axis, ends(&curve.offsets));
        let series = vec![line("", INK, Mark::Dashes, middle), line("", "var(--accent)", Mark::Line(2.0, 1.0), points)];
        Chart { title: String::new(), size: [340.0, 220.0], x, y: y.clone(), backdrop: None, series }.svg()
    };
    surroundings.curves.iter().map(chart).collect()
}

/// Similarity over pairs of axes, each with the marks of the middle and of the greatest value.
pub fn maps(surroundings: Option<&Surroundings>) -> Vec<String> {
    surroundings.into_iter().flat_map(|s| &s.maps).map(map).collect()
}

fn map(map: &Map) -> String {
    let [xs, ys] = &map.offsets;
    let value = |i: usize, j: usize| map.similarity[i * ys.len() + j].unwrap_or(f64::NAN);
    // The picture has x along its columns and y along its rows.
    let transposed: Vec<f64> =
        (0..ys.len()).flat_map(|j| (0..xs.len()).map(move |i| (i, j))).map(|(i, j)| value(i, j)).collect();
    let best = (0..transposed.len())
        .filter(|&n| transposed[n].is_finite())
        .max_by(|&a, &b| transposed[a].total_cmp(&transposed[b]));
    let peak = best.map(|n| (xs[n % xs.len()], ys[n / xs.len()]));
    let finite = || transposed.iter().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let title = if low <= high { format!("{low:.3} (dark) to {high:.3} (bright)") } else { "undefined".to_owned() };
    let series = vec![
        line("", "#D55E00", Mark::Dots, peak.into_iter().collect()),
        line("", "#ffffff", Mark::Crosses, vec![(0.0, 0.0)]),
    ];
    Chart {
        title,
        size: [340.0, 330.0],
        x: Axis::exact(&map.axes[0], widened(xs)),
        y: Axis::exact(&map.axes[1], widened(ys)),
        backdrop: Some(Backdrop { png: heat(ys.len(), xs.len(), &transposed).data_url() }),
        series: non_empty(series),
    }
    .svg()
}

/// First and last offset; a single one gets room.
fn ends(offsets: &[f64]) -> [f64; 2] {
    match offsets {
        [first, .., last] if last > first => [*first, *last],
        _ => [-1.0, 1.0],
    }
}

/// The range that picture cells around the offsets cover.
fn widened(offsets: &[f64]) -> [f64; 2] {
    let [first, last] = ends(offsets);
    let half = 0.5 * (last - first) / (offsets.len().max(2) - 1) as f64;
    [first - half, last + half]
}

fn line(name: &str, colour: &str, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_owned(), colour: colour.to_owned(), mark, points }
}

fn non_empty(series: Vec<Series>) -> Vec<Series> {
    series.into_iter().filter(|s| !s.points.is_empty()).collect()
}
