//! `report.html`: one self-contained page. Figures are inline SVG and PNG, nothing is loaded from elsewhere.

mod canvas;
pub mod challenge;
mod charts;
mod compact;
mod deform;
mod failures;
pub mod picture;
mod planes;
#[cfg(feature = "networks")]
pub mod posterior;
mod svg;
#[cfg(feature = "networks")]
pub mod toys;
mod words;

use crate::experiment::Experiment;
use crate::provenance::Provenance;
use crate::run::registration::Findings;
use crate::run::xray::XRay;
use crate::run::{RunError, Timing};
use minijinja::Environment;
use picture::{Picture, draw_contours, grey, window};
use regiscope_image::Image;
use serde_json::{Value, json};

/// Colour of contours at the start: orange of M. Okabe and K. Ito's palette, made for all kinds of colour vision.
const BEFORE: [u8; 3] = [230, 159, 0];
/// Colour of contours at the answer: sky blue of the same palette.
const AFTER: [u8; 3] = [86, 180, 233];

/// The report of a registration.
pub fn registration(
    experiment: &Experiment,
    findings: &Findings,
    provenance: &Provenance,
    timings: &[Timing],
    warnings: &[String],
) -> Result<String, RunError> {
    let metrics = findings.metrics;
    let views: Vec<Value> = findings
        .xrays
        .iter()
        .zip(findings.before.iter().zip(findings.after))
        .map(|(x, (before, after))| pictures(x, before, after))
        .collect();
    page(json!({
        "kind": "registration",
        "verdict": words::verdict(metrics),
        "answer": words::answer(metrics),
        "tiles": words::tiles(metrics, timings),
        "views": views,
        "shown_start": findings.shown_start,
        "best_start": metrics.best_start,
        "has_reference": metrics.has_reference,
        "criteria": metrics.criteria,
        "success": metrics.success,
        "initial": metrics.initial_mtre_mm,
        "final": metrics.mtre_mm,
        "capture_range_mm": metrics.capture_range_mm,
        "targets": metrics.targets,
        "rows": findings.rows,
        "modes": metrics.modes,
        "pieces": metrics.pieces,
        "reference_similarity": metrics.reference_similarity,
        "before_after_chart": charts::before_after(findings.rows),
        "convergence_chart": charts::convergence(findings),
        "curves": charts::curves(findings.landscape),
        "maps": charts::maps(findings.landscape),
        "around": findings.landscape.map(|l| &l.around),
        "levels": words::levels(findings),
        "similarity": words::similarity(experiment),
        "method": words::method(experiment),
        "seconds_per_start": metrics.seconds_per_start,
        "posterior": findings.posterior,
        "shared": shared(experiment, findings.subject, Shared { provenance, timings, warnings }),
    }))
}

/// The report of a deformation.
pub fn deformation(
    experiment: &Experiment,
    findings: &crate::run::deform::Findings,
    provenance: &Provenance,
    timings: &[Timing],
    warnings: &[String],
) -> Result<String, RunError> {
    deform::deformation(experiment, findings, Shared { provenance, timings, warnings })
}

/// The report of an analysis of failures.
pub fn failures(
    experiment: &Experiment,
    findings: &crate::run::failures::Findings,
    provenance: &Provenance,
    timings: &[Timing],
    warnings: &[String],
) -> Result<String, RunError> {
    failures::failures(experiment, findings, Shared { provenance, timings, warnings })
}

/// The report of a rendering.
pub fn rendering(
    experiment: &Experiment,
    subject: &str,
    xrays: &[XRay],
    provenance: &Provenance,
    timings: &[Timing],
    warnings: &[String],
) -> Result<String, RunError> {
    let picture = |x: &XRay| json!({ "name": x.name, "xray": shown(&x.image).data_url(), "size": size(x) });
    page(json!({
        "kind": "rendering",
        "verdict": { "class": "pass", "word": "Rendered" },
        "answer": format!("{} of {subject}.", words::count(xrays.len(), "view")),
        "views": xrays.iter().map(picture).collect::<Vec<_>>(),
        "shared": shared(experiment, subject, Shared { provenance, timings, warnings }),
    }))
}

fn page(context: Value) -> Result<String, RunError> {
    render("report.html", context)
}

/// A page from its template.
fn render(template: &str, context: Value) -> Result<String, RunError> {
    let mut environment = Environment::new();
    environment.add_filter("mm", words::mm);
    environment.add_filter("fixed", words::fixed);
    environment.add_filter("p_value", words::p_value);
    environment.add_filter("thousands", words::thousands);
    environment.add_template("style.css", include_str!("style.css"))?;
    environment.add_template("start.html", include_str!("start.html"))?;
    environment.add_template("head.html", include_str!("head.html"))?;
    environment.add_template("provenance.html", include_str!("provenance.html"))?;
    environment.add_template("report.html", include_str!("report.html"))?;
    environment.add_template("deform.html", include_str!("deform.html"))?;
    environment.add_template("failures.html", include_str!("failures.html"))?;
    environment.add_template("toys.html", include_str!("toys.html"))?;
    environment.add_template("posterior.html", include_str!("posterior.html"))?;
    environment.add_template("posterior_page.html", include_str!("posterior_page.html"))?;
    Ok(environment.get_template(template)?.render(minijinja::value::Serde(context))?)
}

/// What every report says beside its findings.
pub struct Shared<'a> {
    /// The program and the machine.
    pub provenance: &'a Provenance,
    /// Times of the stages.
    pub timings: &'a [Timing],
    /// What is to be read with care.
    pub warnings: &'a [String],
}

fn shared(experiment: &Experiment, subject: &str, shared: Shared) -> Value {
    let Shared { provenance, timings, warnings } = shared;
    json!({
        "title": experiment.tables.title,
        "question": experiment.tables.question,
        "seed": experiment.tables.seed,
        "subject": subject,
        "provenance": provenance,
        "memory": words::bytes(provenance.hardware.memory_bytes),
        "timings": timings,
        "total_wall_s": timings.iter().map(|t| t.wall_s).sum::<f64>(),
        "total_core_s": timings.iter().map(|t| t.core_s).sum::<Option<f64>>(),
        "warnings": warnings,
        "document": crate::run::document_text(&experiment.tables),
        "document_sha256": crate::run::document_hash(&experiment.tables),
    })
}

/// Pictures are enlarged until their shorter side has about this many pixels, so that contours are fine lines.
const FINE: usize = 480;

fn zoom(image: &Image<f32>) -> usize {
    (FINE / image.rows().min(image.cols()).max(1)).clamp(1, 8)
}

fn shown(image: &Image<f32>) -> Picture {
    let image = compact::compact(image);
    grey(&image, window(&image), 1)
}

fn size(x: &XRay) -> String {
    let pitch = x.view.col_step().norm();
    format!("{} × {} pixels of {pitch:.3} mm", x.image.rows(), x.image.cols())
}

/// The five pictures of one view.
fn pictures(x: &XRay, before: &Image<f32>, after: &Image<f32>) -> Value {
    let fixed = compact::compact(&x.image);
    let (drr_before, drr_after) = (compact::compact(before), compact::compact(after));
    let zoom = zoom(&fixed);
    // Dimmed, so that the contours stand out.
    let [low, high] = window(&fixed);
    let base = grey(&fixed, [low, high + 0.35 * (high - low)], zoom);
    let overlay = |of: &Image<f32>, colour: [u8; 3]| {
        let mut picture = base.clone();
        draw_contours(&mut picture, of, zoom, colour);
        picture.data_url()
    };
    json!({
        "name": x.name,
        "size": size(x),
        "xray": shown(&x.image).data_url(),
        "drr_before": grey(&drr_before, window(&drr_before), 1).data_url(),
        "drr_after": grey(&drr_after, window(&drr_after), 1).data_url(),
        "overlay_before": overlay(&drr_before, BEFORE),
        "overlay_after": overlay(&drr_after, AFTER),
    })
}
