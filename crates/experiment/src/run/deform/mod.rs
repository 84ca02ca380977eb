//! The task `[deform]`: one volume onto another by an affine map and a flow.

pub mod figures;
pub mod images;
mod solve;

use super::error::RunError;
use super::folder::RunFolder;
use super::{Finished, Progress, RunOptions, Status, Stopwatch};
use crate::document::deform as typed;
use crate::experiment::{Deformation as Task, Experiment, PairSource};
use crate::report;
use figures::{AffineFigures, Metrics, Stages};
use images::Case;
use regiscope_diffeo::affine::{self, Measure, Model, Start};
use regiscope_diffeo::compare::{Lengths, magnitude, relative_mismatch};
use regiscope_diffeo::deformation::{Deformation, flow_consistency, inverse_consistency};
use regiscope_diffeo::intensity::{Scale, scaled};
use regiscope_diffeo::optimise::Solution;
use regiscope_diffeo::prepare::{Channel, Options};
use regiscope_diffeo::volumes::{Maps, maps, prepare_volumes};
use regiscope_diffeo::warp::{
    Determinants, FlowMap, Interpolation, PointMap, carry_image, carry_labels, carry_labels_nearest,
};
use regiscope_geometry::itk_transform::Transform;
use regiscope_geometry::itk_transform_file::{self, TransformFile};
use regiscope_geometry::{AffineMap, Grid, Point};
use regiscope_image::{Volume, write_nifti, write_nifti_displacements};
use serde_json::Value;
use solve::Solved;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// Everything that the report shows.
pub struct Findings<'a> {
    /// The metrics.
    pub metrics: &'a Metrics,
    /// The task.
    pub task: &'a Task,
    /// What the images are.
    pub case: &'a Case,
    /// The first channel's fixed image in [0, 1].
    pub fixed: &'a Volume<f32>,
    /// The first channel's moving image in [0, 1] on the fixed grid.
    pub moving: &'a Stages<Volume<f32>>,
    /// Displacements of the flow alone on the fixed grid, mm.
    pub flow: &'a Volume<[f32; 3]>,
    /// det F of the flow.
    pub determinant: &'a Volume<f32>,
    /// Every Newton step.
    pub steps: &'a [Value],
}

/// Deforms; `None` if cancelled.
pub(super) fn run(
    experiment: &Experiment,
    task: &Task,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Finished>, RunError> {
    let cancelled = || options.cancel.load(Ordering::Relaxed);
    let mut watch = Stopwatch::new(options.clock);
    let mut warnings = experiment.warnings.clone();

    observer(Progress::begin("loading"));
    let case = images::load(&task.source, &mut warnings)?;
    if matches!(task.source, PairSource::Brains(_)) {
        images::write(&case, folder)?;
    }
    watch.lap("loading");

    observer(Progress::begin("affine stage"));
    let mut limits = Vec::new();
    let (moving_from_fixed, affine_figures) = affine_stage(task, &case, options, &mut limits)?;
    watch.lap("affine stage");
    if cancelled() {
        return Ok(None);
    }

    observer(Progress::begin("preparing"));
    let preparation = Options {
        percentiles: task.method.percentiles,
        match_histograms: task.method.match_histograms,
        gap: task.method.gap_voxels as usize,
    };
    let masks = [case.mask_fixed.as_ref(), case.mask_moving.as_ref()];
    let prepared = prepare_volumes(&channels(&case), masks, &moving_from_fixed, &preparation);
    let prepared = prepared.map_err(|e| RunError::Unusable(e.to_string()))?;
    let [fixed_scale, moving_scale] = prepared.scales[0];
    watch.lap("preparing");

    let settings = solve::settings(&task.method, prepared.frame.outer().shape());
    let likeness = solve::likeness(&task.method);
    let solved = solve::solve(prepared, likeness, &settings, folder, options, observer)?;
    let Some(Solved { frame, solution, steps }) = solved else { return Ok(None) };
    watch.lap("deforming");
    let solver_core_s = watch.timings.last().and_then(|t| t.core_s);

    observer(Progress::begin("maps"));
    let Solution { velocity, outcome: ending, beta, work, relative_mismatch: relative_distance, .. } = solution;
    let deformation = Deformation { frame, velocity, affine: moving_from_fixed };
    let Maps { displacement, inverse_displacement: inverse, velocity, determinant } =
        maps(&deformation, case.moving[0].grid());
    let back_along_flow = deformation.flow_map().map(FlowMap::inverse);
    drop(deformation);
    let total = determinant.map(|d| d * moving_from_fixed.matrix.determinant() as f32);
    watch.lap("maps");

    observer(Progress::begin("writing"));
    let shape = velocity.grid().shape();
    let grid = displacement.grid().clone();
    let carry = at_voxels(&displacement);
    // Outside the moving image stands its least value, as in most scanners' background.
    let outside = regiscope_image::window::finite_range(case.moving[0].data()).map_or(0.0, |r| r.0);
    let warped = carry_image(&case.moving[0], &grid, &carry, Interpolation::Cubic, outside);
    write_nifti(&folder.file("warped.nii.gz"), &warped)?;
    write_nifti_displacements(&folder.file("displacement.nii.gz"), &displacement)?;
    write_nifti_displacements(&folder.file("inverse_displacement.nii.gz"), &inverse)?;
    write_nifti_displacements(&folder.file("velocity.nii.gz"), &velocity)?;
    write_nifti(&folder.file("jacobian.nii.gz"), &total)?;
    let transform = Transform::affine(&moving_from_fixed, &grid.centre());
    let file = TransformFile { transforms: vec![transform], composite: None };
    itk_transform_file::write(&folder.file("affine.tfm"), &file)?;
    let mut lines = Vec::new();
    for step in &steps {
        serde_json::to_writer(&mut lines, step).expect("steps have string keys and a Vec takes all bytes");
        lines.push(b'\n');
    }
    folder.write("iterations.jsonl", &lines)?;

    let fixed = scaled(&case.fixed[0], &fixed_scale);
    let after = scaled(&warped, &moving_scale);
    drop(warped);
    let residual = Volume::new(grid.clone(), fixed.data().iter().zip(after.data()).map(|(f, m)| m - f).collect());
    write_nifti(&folder.file("residual.nii.gz"), &residual)?;
    drop(residual);
    let moving = Stages {
        before: resampled(&case.moving[0], &grid, &AffineMap::IDENTITY, &moving_scale, outside),
        affine: resampled(&case.moving[0], &grid, &moving_from_fixed, &moving_scale, outside),
        after,
    };
    let overlaps = case.labels_moving.as_ref().map(|labels| {
        let through = |map: &(dyn Fn(&Point) -> Option<Point> + Sync)| match task.method.labels {
            typed::LabelInterpolation::Soft => carry_labels(labels, &grid, map),
            typed::LabelInterpolation::Nearest => carry_labels_nearest(labels, &grid, map),
        };
        Stages {
            before: through(&|x| Some(*x)),
            affine: through(&|x| Some(moving_from_fixed.apply(x))),
            after: through(&carry),
        }
    });
    if let Some(labels) = &overlaps {
        write_nifti(&folder.file("warped_labels.nii.gz"), &labels.after)?;
    }
    watch.lap("writing");

    observer(Progress::begin("measuring"));
    limits.extend(figures::unshared(&case));
    let overlaps = overlaps.as_ref().and_then(|labels| figures::overlaps(&case, labels));
    let mask = case.mask_fixed.as_ref();
    let field = PointMap::Field(displacement.clone());
    let (landmarks_mm, lost) = figures::landmark_errors(&case, &moving_from_fixed, |x| field.apply(x));
    if lost > 0 {
        limits.push(format!("{lost} landmarks lie outside the fixed image and are left out"));
    }
    let stride = (grid.len() / 200_000).max(1);
    let det_f = Determinants::of(&determinant, mask).expect("a mask holds voxels");
    let advice = ending.advice().to_owned();
    if det_f.folded > 0.0 {
        limits.push(
            "the map folds: its determinant is not positive everywhere; raise beta or set a bound on det F".into(),
        );
    }
    let mut metrics = Metrics {
        title: experiment.tables.title.clone(),
        task: "deform".to_owned(),
        relative_mismatch: relative_mismatch(&moving.after, &moving.before, &fixed, mask),
        relative_distance,
        relative_mismatch_affine: relative_mismatch(&moving.affine, &moving.before, &fixed, mask),
        difference: figures::differences(&fixed, &moving, mask),
        dice_mean: overlaps.as_ref().map(|(d, _)| d.map(|d| d.mean)),
        dice_union: overlaps.as_ref().map(|(d, _)| d.map(|d| d.union)),
        labels: overlaps.map(|(_, rows)| rows).unwrap_or_default(),
        det_f,
        det_total: Determinants::of(&total, mask).expect("a mask holds voxels"),
        displacement_mm: magnitude(&displacement).unwrap_or(Lengths { mean: 0.0, median: 0.0, p95: 0.0, max: 0.0 }),
        inverse_voxels: back_along_flow.and_then(|back| flow_consistency(&displacement, &back, 4 * stride)),
        inverse_file_voxels: inverse_consistency(&displacement, &inverse, stride),
        landmarks_mm,
        truth_mm: figures::truth_errors(&case, &moving_from_fixed, &displacement),
        affine: affine_figures,
        outcome: serde_json::to_value(ending).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
        advice,
        beta,
        shape,
        work: serde_json::to_value(work).expect("counts have string keys"),
        solver_core_s,
        core_s: None,
        limits,
        criteria: Vec::new(),
        missed: Vec::new(),
    };
    if let Some(criteria) = &task.method.criteria {
        metrics.criteria = figures::judge(criteria, &metrics);
        let missed = metrics.criteria.iter().filter(|c| !c.met);
        metrics.missed = missed.map(|c| format!("{}: found {}", c.required, c.found)).collect();
    }
    warnings.extend(metrics.limits.iter().cloned());
    let flow = flow_alone(&displacement, &moving_from_fixed);
    watch.lap("measuring");

    let findings = Findings {
        metrics: &metrics,
        task,
        case: &case,
        fixed: &fixed,
        moving: &moving,
        flow: &flow,
        determinant: &determinant,
        steps: &steps,
    };
    let page = report::deformation(experiment, &findings, &options.provenance, &watch.timings, &warnings)?;
    folder.write("report.html", page.as_bytes())?;
    watch.lap("report");
    metrics.core_s = watch.timings.iter().map(|t| t.core_s).sum();
    let status = if metrics.missed.is_empty() { Status::Done } else { Status::CriterionMissed(metrics.missed.clone()) };
    let metrics = serde_json::to_value(&metrics).expect("metrics have string keys");
    Ok(Some(Finished { status, metrics, timings: watch.timings, warnings }))
}

/// The affine map from fixed to moving points, and what there is to say about it.
fn affine_stage(
    task: &Task,
    case: &Case,
    options: &RunOptions,
    limits: &mut Vec<String>,
) -> Result<(AffineMap, AffineFigures), RunError> {
    let model = match task.method.affine {
        typed::Affine::None => {
            let map = task.affine_start.unwrap_or(AffineMap::IDENTITY);
            let word = if task.affine_start.is_some() { "given" } else { "none" };
            return Ok((map, AffineFigures::new(word, &map, None)));
        }
        typed::Affine::Translation => Model::Translation,
        typed::Affine::Rigid => Model::Rigid,
        typed::Affine::Similarity => Model::Similarity,
        typed::Affine::Affine => Model::Affine,
    };
    let settings = affine::Settings {
        model,
        measure: match task.method.affine_measure {
            typed::AffineMeasure::Ssd => Measure::Ssd,
            typed::AffineMeasure::Ncc => Measure::Ncc,
            typed::AffineMeasure::MutualInformation => Measure::MutualInformation { bins: 32 },
        },
        start: task.affine_start.map_or(Start::Search, Start::At),
        ..affine::Settings::default()
    };
    let images = affine::Images {
        fixed: &case.fixed[0],
        moving: &case.moving[0],
        fixed_mask: case.mask_fixed.as_ref(),
        moving_mask: case.mask_moving.as_ref(),
    };
    let found = affine::register(images, &settings, &mut |_| match options.cancel.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    let found = found.map_err(|e| RunError::Unusable(e.to_string()))?;
    limits.extend(found.status.advice().filter(|_| found.cost > 0.02).map(str::to_owned));
    Ok((found.moving_from_fixed, AffineFigures::new(model.name(), &found.moving_from_fixed, Some(&found))))
}

fn channels(case: &Case) -> Vec<Channel<'_>> {
    let pairs = case.fixed.iter().zip(&case.moving).zip(&case.weights);
    pairs.map(|((fixed, moving), &weight)| Channel { fixed, moving, weight }).collect()
}

/// The map of a field at the voxels of its own grid, where nothing is interpolated.
fn at_voxels(field: &Volume<[f32; 3]>) -> impl Fn(&Point) -> Option<Point> + Sync {
    let grid = field.grid();
    let data = field.data();
    move |x| {
        let index = grid.index_from_world(x);
        let o = grid.offset([0, 1, 2].map(|a| index[a].round() as usize));
        let u = data[o];
        Some(Point::new(x.x + f64::from(u[0]), x.y + f64::from(u[1]), x.z + f64::from(u[2])))
    }
}

/// An image on the fixed grid in [0, 1] through an affine map.
fn resampled(image: &Volume<f32>, grid: &Grid, map: &AffineMap, scale: &Scale, outside: f32) -> Volume<f32> {
    if *map == AffineMap::IDENTITY && image.grid() == grid {
        return scaled(image, scale);
    }
    scaled(&carry_image(image, grid, |x| Some(map.apply(x)), Interpolation::Cubic, outside), scale)
}

/// The displacements of the flow without the affine map after it, mm.
fn flow_alone(displacement: &Volume<[f32; 3]>, affine: &AffineMap) -> Volume<[f32; 3]> {
    let Some(back) = affine.inverse().filter(|_| *affine != AffineMap::IDENTITY) else { return displacement.clone() };
    let carry = at_voxels(displacement);
    regiscope_diffeo::warp::field_of(displacement.grid(), |x| back.apply(&carry(x).unwrap_or(*x)))
}
