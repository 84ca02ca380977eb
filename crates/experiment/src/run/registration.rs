//! The task `[register]`.

use super::climb::climb;
use super::error::RunError;
use super::folder::RunFolder;
use super::landscape::{Surroundings, similarity_at, surroundings};
use super::measure::{self, Criterion, Errors, Reference, Spread, StartRow, Success};
use super::pieces::PieceRow;
use super::record::{PoseRecord, StartRecord, finite};
use super::xray::{self, XRay};
use super::{Finished, Progress, RunOptions, Status, Stopwatch, files, moving, pieces, posterior, subject};
use crate::experiment::{Experiment, Registration, Scene};
use crate::report;
use regiscope_geometry::{Point, Rigid, View};
use regiscope_image::Image;
use regiscope_pose::{Mode, ModeTolerance, Pieces, Prepared, Settings, Solution, modes, starts};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// Answers that agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeRow {
    /// Pose of the most similar member.
    pub pose: PoseRecord,
    /// Its similarity.
    pub similarity: Option<f64>,
    /// The starts that ended there, the most similar first.
    pub members: Vec<usize>,
    /// Errors of the pose; only with a reference.
    pub errors: Option<Errors>,
}

/// Everything that the registration found: `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Title of the document.
    pub title: String,
    /// `register`.
    pub task: String,
    /// Whether errors against a reference are known.
    pub has_reference: bool,
    /// What the targets are.
    pub targets: String,
    /// How many starts.
    pub starts: usize,
    /// Success rates at 1, 2, 5 and 10 mm; empty without a reference.
    pub success: Vec<Success>,
    /// Initial mTRE, mm.
    pub initial_mtre_mm: Option<Spread>,
    /// Final mTRE, mm.
    pub mtre_mm: Option<Spread>,
    /// Capture range, mm; only with 50 starts or more.
    pub capture_range_mm: Option<f64>,
    /// The start with the most similar answer.
    pub best_start: Option<usize>,
    /// Its errors.
    pub best: Option<Errors>,
    /// Its similarity.
    pub best_similarity: Option<f64>,
    /// Similarity at the reference, on the same level.
    pub reference_similarity: Option<f64>,
    /// The modes, the most similar first.
    pub modes: Vec<ModeRow>,
    /// Each labelled part by itself, if asked for.
    pub pieces: Vec<PieceRow>,
    /// What limits the result, in sentences.
    pub limits: Vec<String>,
    /// The criteria and whether they hold.
    pub criteria: Vec<Criterion>,
    /// Sentences of the criteria that do not hold.
    pub missed: Vec<String>,
    /// Images rendered in all starts.
    pub evaluations: usize,
    /// Rays traced in all starts.
    pub rays: usize,
    /// Mean time of a start on its threads, s.
    pub seconds_per_start: f64,
}

/// Everything that the report shows.
pub struct Findings<'a> {
    /// The metrics.
    pub metrics: &'a Metrics,
    /// What was registered, in words.
    pub subject: &'a str,
    /// The X-rays.
    pub xrays: &'a [XRay],
    /// DRRs of each view at the shown start.
    pub before: &'a [Image<f32>],
    /// DRRs of each view at the most similar answer.
    pub after: &'a [Image<f32>],
    /// The start that `before` shows.
    pub shown_start: usize,
    /// Rows of the table of starts.
    pub rows: &'a [StartRow],
    /// Records with iterations.
    pub records: &'a [StartRecord],
    /// mTRE of every iteration of every start; empty without a reference.
    pub paths: &'a [Vec<f64>],
    /// The landscape.
    pub landscape: Option<&'a Surroundings>,
    /// Levels of the pyramid.
    pub levels: Vec<regiscope_pose::Level>,
    /// The part about the posterior, as HTML.
    pub posterior: Option<&'a str>,
}

/// Registers from all starts; `None` if cancelled.
pub(super) fn run(
    experiment: &Experiment,
    scene: &Scene,
    task: &Registration,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Finished>, RunError> {
    let cancelled = || options.cancel.load(Ordering::Relaxed);
    let mut watch = Stopwatch::new(options.clock);
    let mut warnings = experiment.warnings.clone();

    observer(Progress::begin("loading"));
    let subject = subject::load(&scene.volume, &mut warnings)?;
    subject.require_labels(&task.labels, "register.labels")?;
    subject.require_labels(&task.per_label, "register.per_label")?;
    watch.lap("loading");
    if cancelled() {
        return Ok(None);
    }

    observer(Progress::begin("X-rays"));
    let simulated = scene.views.iter().all(|v| v.image.is_none());
    let gold = if simulated { Some(xray::true_pose(scene, &subject)) } else { task.reference };
    let xrays = match &gold {
        Some(gold) if simulated => xray::simulate(scene, experiment.tables.seed, &subject, gold)?,
        _ => xray::read(scene, &subject.centre(), &mut warnings)?,
    };
    for x in &xrays {
        files::image(folder, &format!("xray-{}", x.name), &x.image, &x.view)?;
        files::camera(folder, &x.name, &x.view)?;
    }
    watch.lap("X-rays");
    if cancelled() {
        return Ok(None);
    }

    observer(Progress::begin("preparing"));
    let shown = moving::volume(&subject, &scene.moving_attenuation, task)?;
    let pivot = moving::pivot(&shown);
    let (targets, target_words) = moving::targets(&subject, &shown, task)?;
    let (problem, pyramid) = moving::problem(shown, &xrays, pivot, &task.method)?;
    let prepared = match task.reach {
        Some(reach) => Prepared::new(problem, &pyramid)?.with_reach(reach)?,
        None => Prepared::new(problem, &pyramid)?,
    };
    let method = moving::options(&task.method, u64::from(experiment.tables.seed));
    let settings = Settings::new(method).map_err(|e| RunError::Unusable(e.to_string()))?;
    let centre = task.starts.centre.or(gold).unwrap_or_default();
    let from = draw_starts(task, &centre, &pivot, u64::from(experiment.tables.seed));
    watch.lap("preparing");

    let Some(records) = climb(folder, &prepared, &method, &from, options, observer)? else { return Ok(None) };
    watch.lap("registering");

    let views: Vec<View> = xrays.iter().map(|x| x.view.clone()).collect();
    let reference = gold.map(|gold| Reference { gold, targets: &targets, views: &views, pivot });
    let tolerance = mode_tolerance(task, &prepared);
    let found = modes(&solutions(&records), &tolerance);
    let mode_of = |start: usize| found.iter().position(|m| m.members.contains(&start));
    let rows: Vec<StartRow> = records.iter().map(|r| StartRow::new(r, reference.as_ref(), mode_of(r.start))).collect();
    let best = found.first().and_then(|m| m.members.first().copied());
    let answer = best.map(|n| records[n].pose.to_rigid());

    let around = match (&gold, &answer) {
        (Some(gold), _) => Some((*gold, "the reference pose")),
        (None, Some(answer)) => Some((*answer, "the most similar answer")),
        (None, None) => None,
    };
    let landscape = match (&task.landscape, around) {
        (Some(scheme), Some((pose, words))) => {
            let Some(found) = surroundings(&prepared, &settings, scheme, &pose, words, options, observer) else {
                return Ok(None);
            };
            watch.lap("landscape");
            Some(found)
        }
        _ => None,
    };

    let reference_similarity = gold.and_then(|gold| similarity_at(&prepared, &settings, &gold));
    drop(prepared);

    let mut parts = Vec::new();
    if let (false, Some(answer), Some(labels)) = (task.per_label.is_empty(), &answer, &subject.labels) {
        observer(Progress::begin("parts"));
        let shown = moving::volume(&subject, &scene.moving_attenuation, task)?;
        let (problem, pyramid) = moving::problem(shown, &xrays, pivot, &task.method)?;
        let divided = Pieces::new(problem, labels, &task.per_label, &pyramid)?;
        match pieces::run(&divided, &settings, answer, &subject, reference.as_ref(), options)? {
            Some(rows) => parts = rows,
            None => return Ok(None),
        }
        watch.lap("parts");
    }

    let learned = match &task.posterior {
        Some(asked) => {
            match posterior::part(experiment, scene, asked, &subject, folder, options, &mut watch, observer)? {
                Some(part) => Some(part),
                None => return Ok(None),
            }
        }
        None => None,
    };

    observer(Progress::begin("writing"));
    let metrics = summarise(Summary {
        experiment,
        task,
        rows: &rows,
        records: &records,
        modes: &found,
        reference: reference.as_ref(),
        targets: target_words,
        best,
        pieces: parts,
        reference_similarity,
    });

    let shown_start = representative(&rows);
    let renderer = regiscope_drr::Renderer::new(
        moving::volume(&subject, &scene.moving_attenuation, task)?,
        regiscope_drr::Settings::default(),
    )?;
    let render = |pose: &Rigid| -> Vec<Image<f32>> { views.iter().map(|v| renderer.render(v, pose)).collect() };
    let before = render(&records[shown_start].from.to_rigid());
    let after = render(&answer.unwrap_or_else(|| records[shown_start].pose.to_rigid()));
    for ((x, before), after) in xrays.iter().zip(&before).zip(&after) {
        files::image(folder, &format!("drr-start-{}", x.name), before, &x.view)?;
        files::image(folder, &format!("drr-{}", x.name), after, &x.view)?;
    }
    folder.make_dir("transforms")?;
    for record in &records {
        files::transform(folder, &format!("start-{:05}", record.start), &record.pose.to_rigid())?;
    }
    for part in &metrics.pieces {
        files::transform(folder, &format!("part-{:05}", part.label), &part.pose.to_rigid())?;
    }
    if let Some(answer) = &answer {
        files::transform(folder, "answer", answer)?;
    }
    if let Some(gold) = &gold {
        files::transform(folder, "reference", gold)?;
    }
    files::starts(folder, &rows)?;
    files::iterations(folder, &records)?;
    if let Some(landscape) = &landscape {
        folder.write_json("landscape.json", landscape)?;
    }
    warnings.extend(metrics.limits.iter().cloned());
    watch.lap("writing");

    let error = |pose: &PoseRecord| reference.as_ref().map_or(f64::NAN, |r| r.errors(&pose.to_rigid()).mtre_mm);
    let paths: Vec<Vec<f64>> = match reference {
        Some(_) => records.iter().map(|r| r.iterations.iter().map(|i| error(&i.pose)).collect()).collect(),
        None => Vec::new(),
    };
    let findings = Findings {
        metrics: &metrics,
        subject: &subject.description,
        xrays: &xrays,
        before: &before,
        after: &after,
        shown_start,
        rows: &rows,
        records: &records,
        paths: &paths,
        landscape: landscape.as_ref(),
        levels: pyramid.levels().to_vec(),
        posterior: learned.as_ref().map(|part| part.page.as_str()),
    };
    let page = report::registration(experiment, &findings, &options.provenance, &watch.timings, &warnings)?;
    folder.write("report.html", page.as_bytes())?;
    watch.lap("report");

    let status = if metrics.missed.is_empty() { Status::Done } else { Status::CriterionMissed(metrics.missed.clone()) };
    let mut metrics = serde_json::to_value(&metrics).expect("metrics have string keys");
    if let Some(part) = learned {
        metrics["posterior"] = part.metrics;
    }
    Ok(Some(Finished { status, metrics, timings: watch.timings, warnings }))
}

fn draw_starts(task: &Registration, centre: &Rigid, pivot: &Point, seed: u64) -> Vec<Rigid> {
    // Another stream than the method's own random numbers.
    let seed = seed ^ 0x5354_4152_5453;
    let scheme = &task.starts;
    starts::uniform(centre, pivot, scheme.rotation, scheme.translation_mm, scheme.count, seed)
}

/// Poses nearer than `mode_within_mm`, rotations as arcs on the object, are one mode.
fn mode_tolerance(task: &Registration, prepared: &Prepared) -> ModeTolerance {
    let rotation = task.mode_within_mm / prepared.radius().max(1.0);
    ModeTolerance { pivot: prepared.pivot(), translation: task.mode_within_mm, rotation }
}

/// The records as the solutions they were made from, as far as modes look at them.
fn solutions(records: &[StartRecord]) -> Vec<Solution> {
    records
        .iter()
        .map(|r| Solution {
            start: r.from.to_rigid(),
            world_from_volume: r.pose.to_rigid(),
            similarity: r.similarity.unwrap_or(f64::NEG_INFINITY),
            status: regiscope_pose::Status::Converged,
            evaluations: r.evaluations,
            rays: r.rays,
            levels: Vec::new(),
            curvature: Default::default(),
        })
        .collect()
}

/// The start whose DRR the report shows: the one with the median initial error (the middle one without a reference).
fn representative(rows: &[StartRow]) -> usize {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let error = |n: &usize| rows[*n].initial.map_or(0.0, |e| e.mtre_mm);
    order.sort_by(|a, b| error(a).total_cmp(&error(b)));
    order[order.len() / 2]
}

/// What a summary is made of.
struct Summary<'a> {
    experiment: &'a Experiment,
    task: &'a Registration,
    rows: &'a [StartRow],
    records: &'a [StartRecord],
    modes: &'a [Mode],
    reference: Option<&'a Reference<'a>>,
    targets: String,
    best: Option<usize>,
    pieces: Vec<PieceRow>,
    reference_similarity: Option<f64>,
}

fn summarise(s: Summary) -> Metrics {
    let errors = measure::final_errors(s.rows);
    let initial: Vec<f64> = s.rows.iter().filter_map(|r| r.initial.map(|e| e.mtre_mm)).collect();
    let best = s.best.and_then(|n| s.rows[n].errors);
    let criteria = match &s.task.criteria {
        Some(criteria) => measure::judge(criteria, s.rows, best.map(|e| e.mtre_mm)),
        None => Vec::new(),
    };
    let missed = criteria.iter().filter(|c| !c.met).map(|c| format!("{}: found {}", c.required, c.found)).collect();
    let modes = s.modes.iter().map(|m| ModeRow {
        pose: (&m.world_from_volume).into(),
        similarity: finite(m.similarity),
        members: m.members.clone(),
        errors: s.reference.map(|r| r.errors(&m.world_from_volume)),
    });
    let best_similarity = s.best.and_then(|n| s.records[n].similarity);
    Metrics {
        title: s.experiment.tables.title.clone(),
        task: "register".to_owned(),
        has_reference: s.reference.is_some(),
        targets: s.targets,
        starts: s.rows.len(),
        success: if s.reference.is_some() { measure::successes(s.rows) } else { Vec::new() },
        initial_mtre_mm: Spread::of(&initial),
        mtre_mm: Spread::of(&errors),
        capture_range_mm: measure::capture_range(s.rows),
        best_start: s.best,
        best,
        best_similarity,
        reference_similarity: s.reference_similarity,
        modes: modes.collect(),
        pieces: s.pieces,
        limits: limits(s.rows, best_similarity, s.reference_similarity),
        criteria,
        missed,
        evaluations: s.rows.iter().map(|r| r.evaluations).sum(),
        rays: s.rows.iter().map(|r| r.rays).sum(),
        seconds_per_start: s.rows.iter().map(|r| r.seconds).sum::<f64>() / s.rows.len() as f64,
    }
}

/// A start has failed if its mTRE is not under this, mm, when it is explained what limits the result.
const FAILED_MM: f64 = 2.0;

/// What limits the result, in sentences: wrong answers that are less similar than the best one are the search's
/// fault; wrong answers at least as similar as the reference are the similarity's.
fn limits(rows: &[StartRow], best: Option<f64>, at_reference: Option<f64>) -> Vec<String> {
    let failed: Vec<&StartRow> =
        rows.iter().filter(|r| r.errors.is_some_and(|e| e.mtre_mm.is_nan() || e.mtre_mm >= FAILED_MM)).collect();
    let mut sentences = Vec::new();
    let lost = rows.iter().filter(|r| matches!(r.status.as_str(), "no-overlap" | "broken-start" | "diverged")).count();
    if lost > 0 {
        sentences.push(format!(
            "{lost} of {} starts had nothing to climb (the volume's shadow missed the detector): start nearer or add a [register.search].",
            rows.len()
        ));
    }
    let (Some(best), Some(at_reference)) = (best, at_reference) else { return sentences };
    // Similarities nearer than this are not told apart.
    let close = 1e-4 * (best.abs() + at_reference.abs());
    let fooled = failed.iter().filter(|r| r.similarity.is_some_and(|s| s > at_reference + close)).count();
    let caught = failed.len() - fooled;
    if fooled > 0 {
        sentences.push(format!(
            "{fooled} of {} starts ended over {FAILED_MM} mm from the reference at a pose that is more similar than the reference itself ({best:.4} against {at_reference:.4}): the images, not the search, limit them. Another similarity, a second view or less noise would help.",
            rows.len()
        ));
    }
    if caught > 0 {
        sentences.push(format!(
            "{caught} of {} starts ended over {FAILED_MM} mm from the reference at a less similar pose: they were caught on their way. A [register.search] or coarser levels widen the capture range.",
            rows.len()
        ));
    }
    sentences
}
