//! The part of a report about the posterior over poses.

use super::picture::{draw_contours, grey, window};
use super::svg::{Axis, Chart, Mark, Series};
use super::{AFTER, Shared, render, shared, shown, zoom};
use crate::experiment::Experiment;
use crate::run::RunError;
use crate::run::posterior::record::{Calibrated, CalibrationRecord, CaseRecord, NextViewRecord, PosteriorMetrics};
use crate::run::posterior::reference::PLAUSIBLE;
use crate::run::posterior::train::PER_POINT;
use regiscope_image::Image;
use regiscope_posterior::calibration::{Coverage, Uniformity};
use serde_json::{Value, json};

const ACCENT: &str = "var(--accent)";
const INK: &str = "var(--ink-soft)";
const BAD: &str = "var(--bad)";
/// Size of a chart beside another one.
const WIDE: [f64; 2] = [520.0, 330.0];
/// Size of one of three charts.
const SMALL: [f64; 2] = [340.0, 220.0];

/// What the report shows of a case beside its record.
pub struct CasePictures {
    /// The X-ray of the first view.
    pub xray: Image<f32>,
    /// Renderings at the best poses of the first modes.
    pub modes: Vec<Image<f32>>,
    /// Turn (degrees) and displacement to the left (mm) of the network's own samples.
    pub network: Vec<(f64, f64)>,
    /// The same of weighted poses, resampled to equal weights.
    pub weighted: Vec<(f64, f64)>,
    /// The same of the truth.
    pub truth: (f64, f64),
}

/// Everything that the report shows of a posterior.
pub struct PosteriorFindings {
    /// The metrics.
    pub metrics: PosteriorMetrics,
    /// Pictures of each case.
    pub pictures: Vec<CasePictures>,
    /// Mean loss of every ten steps.
    pub losses: Vec<f64>,
}

/// The report of a posterior alone.
pub fn posterior(
    experiment: &Experiment,
    subject: &str,
    findings: &PosteriorFindings,
    told: Shared,
) -> Result<String, RunError> {
    let metrics = &findings.metrics;
    let total: f64 = told.timings.iter().map(|t| t.wall_s).sum();
    let tile = |value: String, unit: &str, label: &str| json!({ "value": value, "unit": unit, "label": label });
    let tiles = vec![
        tile(metrics.cases.len().to_string(), "", "X-rays looked at"),
        tile(metrics.training.steps.to_string(), "", "training steps"),
        tile(format!("{:.0}", total), "s", "in all"),
    ];
    let context = json!({
        "verdict": { "class": "plain", "word": "Posterior" },
        "answer": answer(metrics),
        "tiles": tiles,
        "part": part(findings)?,
        "shared": shared(experiment, subject, told),
    });
    render("posterior_page.html", context)
}

/// What came out, in a sentence or two.
pub fn answer(metrics: &PosteriorMetrics) -> String {
    let several = metrics.cases.iter().filter(|c| plausible(c) > 1).count();
    let cases = metrics.cases.len();
    let mut text = match (cases, several) {
        (0, _) => "A network was trained; no case was looked at.".to_owned(),
        (1, 0) => "One pose explains the X-ray.".to_owned(),
        (1, _) => format!("{} poses explain the X-ray.", plausible(&metrics.cases[0])),
        (_, 0) => format!("Each of {cases} X-rays has one pose that explains it."),
        _ => format!("Of {cases} X-rays, {several} have more than one pose that explains them."),
    };
    if let Some(all) = &metrics.against_reference {
        text += &format!(
            " Beside brute force the modes' F1 is {:.2}, and masses are off by {:.3} in the mean.",
            all.f1, all.mass_error
        );
    }
    text
}

/// The part as HTML.
pub fn part(findings: &PosteriorFindings) -> Result<String, RunError> {
    let metrics = &findings.metrics;
    let cases: Vec<Value> = metrics.cases.iter().zip(&findings.pictures).map(|(c, p)| case(c, p)).collect();
    let calibrated = metrics.calibration.as_ref().map(|c| c.weighted.as_ref().unwrap_or(&c.network));
    let context = json!({
        "training": metrics.training,
        "rendering_share": metrics.rendering_share,
        "waiting_share": metrics.waiting_share,
        "cases": cases,
        "calibration": metrics.calibration,
        "calibration_words": metrics.calibration.as_ref().map(calibration_words),
        "histograms": calibrated.map(|c| c.ranks.iter().map(histogram).collect::<Vec<_>>()),
        "coverage": calibrated.map(coverage_charts),
        "curve": training_curve(metrics, &findings.losses),
    });
    render("posterior.html", context)
}

fn case(record: &CaseRecord, pictures: &CasePictures) -> Value {
    let zoom = zoom(&pictures.xray);
    let [low, high] = window(&pictures.xray);
    let base = grey(&pictures.xray, [low, high + 0.35 * (high - low)], zoom);
    let overlays: Vec<Value> = pictures
        .modes
        .iter()
        .zip(&record.modes)
        .enumerate()
        .map(|(n, (of, mode))| {
            let mut picture = base.clone();
            draw_contours(&mut picture, of, zoom, AFTER);
            let words = format!("Mode {}: {:.1} %, turned by {:.1}°", n + 1, 100.0 * mode.mass, mode.turn_deg)
                .replace('-', "−");
            json!({ "picture": picture.data_url(), "words": words })
        })
        .collect();
    let nearest = record.modes.iter().min_by(|a, b| (a.error_mm + a.error_deg).total_cmp(&(b.error_mm + b.error_deg)));
    json!({
        "record": record,
        "sentence": sentence(record),
        "plausible": plausible(record),
        "nearest": nearest.map_or("–".to_owned(), |m| format!("{:.2}, {:.2}", m.error_mm, m.error_deg)),
        "xray": shown(&pictures.xray).data_url(),
        "overlays": overlays,
        "scatter": scatter(pictures),
        "next_view": if plausible(record) > 1 { next_view(&record.next_view) } else { None },
    })
}

/// Modes that are worth a word.
fn plausible(record: &CaseRecord) -> usize {
    record.modes.iter().filter(|m| m.mass >= PLAUSIBLE).count()
}

fn sentence(record: &CaseRecord) -> String {
    let count = plausible(record);
    let mut text = match count {
        0 => "No pose explains this image.".to_owned(),
        1 => "One pose explains this image.".to_owned(),
        n => {
            let second = 100.0 * record.modes[1].mass;
            format!("{n} poses explain this image; the second has {second:.1} % of the probability.")
        }
    };
    if record.modes.len() > count {
        text += " Modes of less than 5 % are left to the table.";
    }
    format!("{text} {}", record.verdict)
}

/// Poses by turn and displacement.
fn scatter(pictures: &CasePictures) -> String {
    let all = || pictures.network.iter().chain(&pictures.weighted).chain([&pictures.truth]);
    let series = |name: &str, colour: &str, mark: Mark, points: Vec<(f64, f64)>| Series {
        name: name.to_owned(),
        colour: colour.to_owned(),
        mark,
        points,
    };
    let mut drawn = vec![
        series("network", INK, Mark::Points, pictures.network.clone()),
        series("weighted", ACCENT, Mark::Dots, pictures.weighted.clone()),
    ];
    drawn.push(series("truth", BAD, Mark::Crosses, vec![pictures.truth]));
    Chart {
        title: String::new(),
        size: WIDE,
        x: Axis::linear("turn about the patient's long axis, °", all().map(|p| p.0)),
        y: Axis::linear("displacement to the left, mm", all().map(|p| p.1)),
        backdrop: None,
        series: drawn,
    }
    .svg()
}

/// Expected gain against the angle of the next view.
fn next_view(views: &[NextViewRecord]) -> Option<String> {
    if views.is_empty() {
        return None;
    }
    let points: Vec<(f64, f64)> = views.iter().map(|v| (v.primary_angle_deg, v.gain_nats)).collect();
    let band = |sign: f64| views.iter().map(|v| (v.primary_angle_deg, v.gain_nats + sign * 2.0 * v.se)).collect();
    let line = |name: &str, mark: Mark, points: Vec<(f64, f64)>| Series {
        name: name.to_owned(),
        colour: ACCENT.to_owned(),
        mark,
        points,
    };
    let chart = Chart {
        title: "Which view next".to_owned(),
        size: WIDE,
        x: Axis::linear("positioner primary angle, °", points.iter().map(|p| p.0)),
        y: Axis::linear("expected gain about the mode, nats", points.iter().map(|p| p.1).chain([0.0])),
        backdrop: None,
        series: vec![
            line("", Mark::Dashes, band(-1.0)),
            line("", Mark::Dashes, band(1.0)),
            line("", Mark::Line(1.8, 1.0), points),
        ],
    };
    Some(chart.svg())
}

/// What a calibration came to, in sentences.
pub fn calibration_words(found: &CalibrationRecord) -> String {
    let one = |name: &str, c: &Calibrated| {
        let word = if c.least_p > 0.05 { "inside" } else { "outside" };
        format!(
            "{name}: ranks of {} pose functions are {word} their 95 % band (least p {:.3}, Holm), TARP p {:.3}, \
             highest-density regions p {:.3}.",
            c.ranks.len(),
            c.least_p,
            c.tarp.p,
            c.highest_density.p
        )
    };
    let mut text = format!("{} simulated X-rays with known truth. {}", found.cases, one("Network", &found.network));
    if let Some(weighted) = &found.weighted {
        text += &format!(" {}", one("After weighting", weighted));
        if let Some(masses) = &weighted.masses {
            text +=
                &format!(" Masses of modes are off by {:.3} in the mean (expected calibration error).", masses.error);
        }
    }
    if let Some(untrusted) = found.untrusted {
        text += &format!(" The diagnostic says not to trust {:.0} % of the weighted posteriors.", 100.0 * untrusted);
    }
    text
}

/// The histogram of ranks, with the range that 95 % of counts have if ranks are uniform.
fn histogram(of: &Uniformity) -> String {
    let bins = of.histogram.len() as f64;
    let n = of.ranks.len() as f64;
    let (mean, sd) = (n / bins, (n / bins * (1.0 - 1.0 / bins)).sqrt());
    let steps = of.histogram.iter().enumerate().flat_map(|(k, c)| {
        let (left, right) = (k as f64 / bins, (k + 1) as f64 / bins);
        [(left, *c as f64), (right, *c as f64)]
    });
    let flat = |at: f64| vec![(0.0, at), (1.0, at)];
    let line = |colour: &str, mark: Mark, points: Vec<(f64, f64)>| Series {
        name: String::new(),
        colour: colour.to_owned(),
        mark,
        points,
    };
    let highest = of.histogram.iter().map(|c| *c as f64).fold(mean + 3.0 * sd, f64::max);
    Chart {
        title: format!("{} (p {:.2})", of.name, of.p_distance),
        size: SMALL,
        x: Axis::exact("rank of the truth", [0.0, 1.0]),
        y: Axis::exact("X-rays", [0.0, 1.05 * highest]),
        backdrop: None,
        series: vec![
            line(INK, Mark::Dashes, flat(mean - 1.96 * sd)),
            line(INK, Mark::Dashes, flat(mean + 1.96 * sd)),
            line(ACCENT, Mark::Line(1.8, 1.0), steps.collect()),
        ],
    }
    .svg()
}

fn coverage_charts(of: &Calibrated) -> Vec<String> {
    let chart = |title: &str, coverage: &Coverage| {
        let points = coverage.level.iter().copied().zip(coverage.covered.iter().copied()).collect();
        let line = |colour: &str, mark: Mark, points: Vec<(f64, f64)>| Series {
            name: String::new(),
            colour: colour.to_owned(),
            mark,
            points,
        };
        Chart {
            title: format!("{title} (p {:.2})", coverage.p),
            size: WIDE,
            x: Axis::exact("credibility of the region", [0.0, 1.0]),
            y: Axis::exact("part of truths inside", [0.0, 1.0]),
            backdrop: None,
            series: vec![
                line(INK, Mark::Dashes, vec![(0.0, 0.0), (1.0, 1.0)]),
                line(ACCENT, Mark::Line(1.8, 1.0), points),
            ],
        }
        .svg()
    };
    vec![chart("Coverage, TARP", &of.tarp), chart("Coverage of highest-density regions", &of.highest_density)]
}

fn training_curve(metrics: &PosteriorMetrics, losses: &[f64]) -> String {
    let points: Vec<(f64, f64)> =
        losses.iter().enumerate().map(|(k, l)| (((k as u64 + 1) * PER_POINT) as f64, *l)).collect();
    let last = points.last().map_or(1.0, |p| p.0);
    let flat = |at: f64| vec![(0.0, at), (last, at)];
    let line = |name: &str, colour: &str, mark: Mark, points: Vec<(f64, f64)>| Series {
        name: name.to_owned(),
        colour: colour.to_owned(),
        mark,
        points,
    };
    let training = &metrics.training;
    let ends = [training.prior_loss, training.validation_loss];
    Chart {
        title: String::new(),
        size: WIDE,
        x: Axis::exact("step", [0.0, last]),
        y: Axis::linear("loss, nats", points.iter().map(|p| p.1.min(training.prior_loss + 5.0)).chain(ends)),
        backdrop: None,
        series: vec![
            line("the prior alone", INK, Mark::Dashes, flat(training.prior_loss)),
            line("training", ACCENT, Mark::Line(1.4, 1.0), points),
            line("validation", BAD, Mark::Dashes, flat(training.validation_loss)),
        ],
    }
    .svg()
}
