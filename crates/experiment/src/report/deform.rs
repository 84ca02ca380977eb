//! The report of a deformation.

use super::picture::Picture;
use super::planes::{Plane, checkerboard, deformed_grid, determinants, overlay, planes, residual};
use super::svg::{Axis, Chart, Mark, Series};
use super::{Shared, render, words};
use crate::document::deform as typed;
use crate::experiment::Experiment;
use crate::run::deform::Findings;
use crate::run::deform::figures::Metrics;
use crate::run::{RunError, Timing};
use regiscope_geometry::Point;
use regiscope_image::Volume;
use serde_json::{Value, json};

/// Where a Newton step stands in a chart, from its number and its record.
type Place<'a> = dyn Fn(usize, &Value) -> Option<(f64, f64)> + 'a;

const ACCENT: &str = "var(--accent)";
const INK: &str = "var(--ink-soft)";
/// Differences of images in [0, 1] at which colours end.
const RESIDUAL: f64 = 0.5;
/// Determinants are shown up to a factor and its reciprocal: this one, or its root where hardly any goes beyond that.
const DETERMINANT: f64 = 4.0;
/// Squares of the checkerboard and lines of the grid, mm, about.
const SQUARE_MM: f64 = 18.0;
const LINES_MM: f64 = 8.0;

/// The report of a deformation.
pub fn deformation(experiment: &Experiment, findings: &Findings, shared: Shared) -> Result<String, RunError> {
    let metrics = findings.metrics;
    let [fixed, moving] = &findings.case.descriptions;
    let (low, high) = (metrics.det_f.p01, metrics.det_f.p99);
    let root = DETERMINANT.sqrt();
    let greatest = if low * root > 1.0 && high < root { root } else { DETERMINANT };
    let distance = findings.task.method.distance;
    let other_distance = (distance != typed::Distance::Ssd).then(|| name_of(distance));
    let context = json!({
        "verdict": super::words::judged(metrics.criteria.is_empty(), metrics.missed.is_empty()),
        "answer": answer(distance, metrics),
        "criteria": metrics.criteria,
        "other_distance": other_distance,
        "tiles": tiles(metrics, shared.timings),
        "planes": pictures(findings, greatest),
        "square_mm": SQUARE_MM,
        "residual": RESIDUAL,
        "colour_bar": colour_bar(greatest),
        "histogram": histogram(findings, greatest),
        "convergence": convergence(findings.steps),
        "metrics": metrics,
        "labels": metrics.labels,
        "method": method(findings.task.method.clone(), metrics),
        "fixed": fixed,
        "moving": moving,
        "shared": super::shared(experiment, &format!("{moving} onto {fixed}"), shared),
    });
    render("deform.html", context)
}

/// A distance in words.
fn name_of(distance: typed::Distance) -> &'static str {
    match distance {
        typed::Distance::Ssd => "sum of squared differences",
        typed::Distance::Ncc => "normalised cross-correlation",
        typed::Distance::Lncc => "local normalised cross-correlation",
        typed::Distance::Ngf => "normalised gradient field",
    }
}

/// What came out, in a sentence or two.
fn answer(distance: typed::Distance, metrics: &Metrics) -> String {
    let mut text = match metrics.relative_mismatch {
        _ if distance != typed::Distance::Ssd => {
            let left = 100.0 * metrics.relative_distance.powi(2);
            format!("{left:.1} % of the images' distance after the affine stage is left ({}).", name_of(distance))
        }
        Some(left) => format!("{:.1} % of the difference between the images is left.", 100.0 * left),
        None => "The images do not differ.".to_owned(),
    };
    if let Some(dice) = &metrics.dice_mean {
        text += &format!(" The labels overlap by {:.3} (Dice, mean), before by {:.3}.", dice.after, dice.before);
    }
    text += &format!(
        " Volumes change by factors of {:.2} to {:.2}{}.",
        metrics.det_f.min,
        metrics.det_f.max,
        if metrics.det_f.folded > 0.0 { ", and the map folds" } else { ", and nothing folds" }
    );
    text
}

fn tiles(metrics: &Metrics, timings: &[Timing]) -> Vec<Value> {
    let tile = |value: String, unit: &str, label: &str| json!({ "value": value, "unit": unit, "label": label });
    let mut tiles = vec![tile(words::fixed(metrics.relative_mismatch, 3), "", "relative mismatch")];
    if let Some(dice) = &metrics.dice_mean {
        tiles.push(tile(format!("{:.3}", dice.after), "", "mean Dice"));
    }
    if let Some(lengths) = &metrics.landmarks_mm {
        tiles.push(tile(words::mm(Some(lengths.after.mean)), "mm", "landmarks apart, mean"));
    }
    if let Some(lengths) = &metrics.truth_mm {
        tiles.push(tile(words::mm(Some(lengths.after.mean)), "mm", "from the true map, mean"));
    }
    tiles.push(tile(format!("{:.2} – {:.2}", metrics.det_f.min, metrics.det_f.max), "", "det F"));
    if let Some(seconds) = metrics.solver_core_s {
        tiles.push(tile(format!("{seconds:.1}"), "s", "processor time of the solver"));
    }
    tiles.push(tile(format!("{:.1}", timings.iter().map(|t| t.wall_s).sum::<f64>()), "s", "whole run"));
    tiles
}

/// The middle of what stands out of the background.
fn middle(image: &Volume<f32>) -> Point {
    regiscope_diffeo::affine::moments(image, None).map_or(image.grid().centre(), |m| m.centre)
}

fn pictures(findings: &Findings, greatest: f64) -> Vec<Value> {
    let all = planes(findings.fixed.grid(), &middle(findings.fixed));
    let one = |plane: &Plane| {
        let fixed = plane.of(findings.fixed);
        let (before, after) = (plane.of(&findings.moving.affine), plane.of(&findings.moving.after));
        let window = [0.0, super::picture::window(&fixed)[1].max(0.05)];
        let square = ((SQUARE_MM / plane.pixel_mm).round() as usize).max(2);
        let every = (LINES_MM / plane.pixel_mm).max(4.0) as f32;
        let url = |picture: Picture| picture.data_url();
        json!({
            "name": plane.name,
            "checker_before": url(checkerboard(&fixed, &before, window, square)),
            "checker_after": url(checkerboard(&fixed, &after, window, square)),
            "overlay_before": url(overlay(&fixed, &before, window)),
            "overlay_after": url(overlay(&fixed, &after, window)),
            "residual_before": url(residual(&fixed, &before, RESIDUAL)),
            "residual_after": url(residual(&fixed, &after, RESIDUAL)),
            "grid": url(deformed_grid(&after, &plane.displacements(findings.flow), window, every)),
            "jacobian": url(determinants(&plane.of(findings.determinant), greatest)),
        })
    };
    all.iter().map(one).collect()
}

/// The scale of the determinants' colours.
fn colour_bar(greatest: f64) -> String {
    let cols = 256;
    let value = |c: usize| super::planes::diverging(2.0 * (c as f64 + 0.5) / cols as f64 - 1.0);
    let strip = Picture { rows: 1, cols, rgb: (0..cols).map(value).collect() }.data_url();
    let tick = |(factor, words): (f64, &str)| {
        let x = 20.0 + 380.0 * (0.5 + 0.5 * factor.ln() / greatest.ln());
        format!(
            "<line class=\"axis\" x1=\"{x:.1}\" y1=\"22\" x2=\"{x:.1}\" y2=\"26\"/><text x=\"{x:.1}\" y=\"39\" text-anchor=\"middle\">{words}</text>"
        )
    };
    let [least, low, high, most] =
        if greatest < DETERMINANT { ["≤ ½", "0.71", "1.41", "≥ 2"] } else { ["≤ ¼", "½", "2", "≥ 4"] };
    let root = greatest.sqrt();
    let marks = [(1.0 / greatest, least), (1.0 / root, low), (1.0, "det F = 1"), (root, high), (greatest, most)];
    let ticks: String = marks.map(tick).concat();
    format!(
        "<svg class=\"chart\" viewBox=\"0 0 420 44\" width=\"420\" height=\"44\" role=\"img\" aria-label=\"colours of det F\"><image href=\"{strip}\" x=\"20\" y=\"6\" width=\"380\" height=\"16\" preserveAspectRatio=\"none\"/><rect class=\"axis\" x=\"20\" y=\"6\" width=\"380\" height=\"16\" fill=\"none\"/>{ticks}</svg>"
    )
}

/// How many voxels have which determinant.
fn histogram(findings: &Findings, greatest: f64) -> String {
    const BINS: usize = 80;
    let mask = findings.case.mask_fixed.as_ref();
    // The background hardly deforms and would hide the rest.
    let stands_out = |o: usize| mask.map_or(findings.fixed.data()[o] > 0.02, |m| m.data()[o]);
    let (mut counts, mut total) = ([0usize; BINS], 0usize);
    for (o, d) in findings.determinant.data().iter().enumerate() {
        if !stands_out(o) || d.is_nan() || *d <= 0.0 {
            continue;
        }
        let place = 0.5 + 0.5 * f64::from(*d).ln() / greatest.ln();
        counts[((place * BINS as f64).max(0.0) as usize).min(BINS - 1)] += 1;
        total += 1;
    }
    let edge = |n: usize| greatest.powf(2.0 * n as f64 / BINS as f64 - 1.0);
    let percent = |n: usize| 100.0 * counts[n] as f64 / total.max(1) as f64;
    let steps: Vec<(f64, f64)> = (0..BINS).flat_map(|n| [(edge(n), percent(n)), (edge(n + 1), percent(n))]).collect();
    let most = (0..BINS).map(percent).fold(1.0, f64::max);
    let y = Axis::exact("voxels, %", [0.0, 1.08 * most]);
    let series = vec![
        line("", INK, Mark::Dashes, vec![(1.0, 0.0), (1.0, 1.08 * most)]),
        line("", ACCENT, Mark::Line(1.8, 1.0), steps),
    ];
    let x = Axis { label: "det F".into(), range: [1.0 / greatest, greatest], log: true };
    Chart { title: String::new(), size: [520.0, 300.0], x, y, backdrop: None, series }.svg()
}

/// Okabe and Ito's colours, for the stages.
const STAGES: [&str; 6] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"];

/// Mismatch and gradient over steps, and mismatch over processor time where it is known.
fn convergence(steps: &[Value]) -> Vec<Value> {
    if steps.is_empty() {
        return Vec::new();
    }
    let number = |step: &Value, key: &str| step[key].as_f64();
    let stages: Vec<u64> = {
        let mut all: Vec<u64> = steps.iter().filter_map(|s| s["stage"].as_u64()).collect();
        all.dedup();
        all
    };
    let chart = |title: &str, x: Axis, y: Axis, place: &Place| {
        let mut series = Vec::new();
        for (n, stage) in stages.iter().enumerate() {
            let colour = STAGES[n % STAGES.len()];
            let of_stage = || steps.iter().enumerate().filter(|(_, s)| s["stage"].as_u64() == Some(*stage));
            let points: Vec<(f64, f64)> = of_stage().filter_map(|(i, s)| place(i, s)).collect();
            let shape: Vec<String> = of_stage().next().map_or(Vec::new(), |(_, s)| words_of(&s["shape"]));
            series.push(line(
                &format!("{}. {}", stage + 1, shape.join("×")),
                colour,
                Mark::Line(1.6, 1.0),
                points.clone(),
            ));
            series.push(line("", colour, Mark::Dots, points));
        }
        let svg = Chart { title: String::new(), size: [520.0, 320.0], x, y, backdrop: None, series }.svg();
        json!({ "title": title, "svg": svg })
    };
    let mismatch = || Axis::log("relative mismatch", steps.iter().filter_map(|s| number(s, "relative_mismatch")));
    let count = || Axis::linear("Newton step", [1.0, steps.len() as f64].into_iter());
    let at_step = |i: usize| (i + 1) as f64;
    let mut charts = vec![
        chart("Mismatch over steps", count(), mismatch(), &|i, s| Some((at_step(i), number(s, "relative_mismatch")?))),
        chart(
            "Gradient over steps",
            count(),
            Axis::log("relative gradient", steps.iter().filter_map(|s| number(s, "relative_gradient"))),
            &|i, s| Some((at_step(i), number(s, "relative_gradient")?)),
        ),
    ];
    if steps.iter().any(|s| number(s, "core_s").is_some_and(|c| c > 0.0)) {
        let x = Axis::linear("processor time, s", steps.iter().filter_map(|s| number(s, "core_s")).chain([0.0]));
        charts.push(chart("Mismatch over cost", x, mismatch(), &|_, s| {
            Some((number(s, "core_s")?, number(s, "relative_mismatch")?))
        }));
    }
    let jacobian = |s: &Value, n: usize| s["jacobian"][n].as_f64();
    let y =
        Axis::log("least and greatest det F", steps.iter().flat_map(|s| [jacobian(s, 0), jacobian(s, 1)]).flatten());
    let ends = |n: usize| steps.iter().enumerate().filter_map(|(i, s)| Some((at_step(i), jacobian(s, n)?))).collect();
    let series = vec![
        line("least", STAGES[0], Mark::Line(1.6, 1.0), ends(0)),
        line("greatest", STAGES[5], Mark::Line(1.6, 1.0), ends(1)),
    ];
    let svg = Chart { title: String::new(), size: [520.0, 320.0], x: count(), y, backdrop: None, series }.svg();
    charts.push(json!({ "title": "det F over steps", "svg": svg }));
    charts
}

fn words_of(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(ToString::to_string).collect()
}

fn line(name: &str, colour: &str, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_owned(), colour: colour.to_owned(), mark, points }
}

/// The method in a sentence.
fn method(method: typed::Deform, metrics: &Metrics) -> String {
    let model = match method.model {
        typed::Model::H1 => "H1 seminorm",
        typed::Model::H1Div => "H1 seminorm with a penalty on the divergence",
        typed::Model::H1Stokes => "H1 seminorm without divergence",
        typed::Model::H2 => "H2 seminorm",
        typed::Model::H3 => "H3 seminorm",
    };
    let [x, y, z] = metrics.shape;
    format!(
        "The distance of the images ({}) was made small with the {model} of a stationary velocity weighted by β = {:.2e}, on a periodic box of {x} × {y} × {z} voxels, by an inexact Gauss-Newton-Krylov method: {} Newton steps, {} products with the Hessian and {} with that of preconditioners. It ended as {}: {}.",
        name_of(method.distance),
        metrics.beta,
        metrics.work["newton_steps"],
        metrics.work["products"],
        metrics.work["inner_products"],
        metrics.outcome,
        metrics.advice
    )
}
