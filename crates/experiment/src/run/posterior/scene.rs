//! From the tables to the simulator of X-rays.

use super::super::attenuation::attenuation;
use super::super::error::RunError;
use super::super::subject::Subject;
use super::super::{moving, views};
use crate::experiment::{AttenuationModel, PosteriorTask, Scene};
use regiscope_drr::{Renderer, Settings};
use regiscope_geometry::{Point, Rigid, Vector, View};
use regiscope_image::Volume;
use regiscope_image::mask::{bounding_box, cropped, threshold};
use regiscope_image::smooth::smoothed;
use regiscope_pose::posterior::{Prior, RotationPrior};
use regiscope_posterior::simulator::{Content, Degradation, Simulator, coarse_factor};
use std::sync::Arc;

/// The simulator of a document: the CT in its own frame is the nominal pose.
pub fn simulator(scene: &Scene, task: &PosteriorTask, subject: &Subject) -> Result<Simulator, RunError> {
    let asked = &task.asked;
    for (n, (_, labels)) in task.contents.iter().enumerate() {
        subject.require_labels(labels, &format!("posterior.contents.{n}.labels"))?;
    }
    let side = asked.pixels as usize;
    let placed: Vec<View> = scene
        .views
        .iter()
        .map(|source| resampled(&views::place(source, &subject.centre())?, side, &source.name))
        .collect::<Result<_, RunError>>()?;
    let footprint = placed.iter().map(|view| footprint_mm(view, &subject.centre())).fold(f64::MAX, f64::min);
    let mappings: &[&AttenuationModel] = match asked.simulate.both_mappings {
        true => &[&scene.moving_attenuation, &scene.fixed_attenuation],
        false => &[&scene.moving_attenuation],
    };
    let mut contents = Vec::new();
    let mut pivot = None;
    for (name, labels) in &task.contents {
        let mut renderers = Vec::new();
        let mut coarse = None;
        for mapping in mappings {
            let mu = attenuation(subject, mapping, labels)?;
            // The middle of the most particular content: rotations about it move what is seen least.
            pivot = Some(moving::pivot(&mu));
            if coarse.is_none() {
                let wide = as_pixels_see(mu.clone(), footprint * coarse_factor(side) as f64);
                coarse = Some(Arc::new(Renderer::new(wide, Settings::default())?));
            }
            let volume = as_pixels_see(mu, footprint);
            renderers.push(Arc::new(Renderer::new(volume, Settings::default())?));
        }
        contents.push(Content { name: name.clone(), renderers, coarse: coarse.expect("at least one mapping") });
    }
    let pivot = pivot.unwrap_or_else(|| subject.centre());
    let prior = prior(task, pivot)?;
    let simulate = &asked.simulate;
    let degradation = Degradation {
        noise: simulate.noise,
        blur_pixels: simulate.blur_pixels,
        gain_sd: simulate.gain_sd,
        collimation: simulate.collimation,
    };
    Simulator::new(placed, contents, prior, degradation).map_err(unusable)
}

/// A content under the first mapping, and the views, for images of `side` × `side` pixels.
pub fn finer(
    scene: &Scene,
    task: &PosteriorTask,
    subject: &Subject,
    content: usize,
    side: usize,
) -> Result<(Arc<Renderer>, Vec<View>), RunError> {
    let views: Vec<View> = scene
        .views
        .iter()
        .map(|source| resampled(&views::place(source, &subject.centre())?, side, &source.name))
        .collect::<Result<_, RunError>>()?;
    let footprint = views.iter().map(|view| footprint_mm(view, &subject.centre())).fold(f64::MAX, f64::min);
    let mu = attenuation(subject, &scene.moving_attenuation, &task.contents[content].1)?;
    Ok((Arc::new(Renderer::new(as_pixels_see(mu, footprint), Settings::default())?), views))
}

/// The prior around the CT as it lies in its own frame.
fn prior(task: &PosteriorTask, pivot: Point) -> Result<Prior, RunError> {
    let asked = &task.asked.prior;
    let rotation = RotationPrior::Turn {
        axis: Vector::z(),
        turn: asked.turn_deg.to_radians(),
        swing_sd: asked.swing_deg.to_radians(),
    };
    Prior::new(Rigid::identity(), pivot, rotation, asked.displacement_mm).map_err(unusable)
}

/// The same field of view on `side` × `side` pixels.
pub fn resampled(view: &View, side: usize, name: &str) -> Result<View, RunError> {
    let (rows, cols) = (view.rows() as f64, view.cols() as f64);
    let corner = view.pixel(-0.5, -0.5);
    let col_step = (view.pixel(-0.5, cols - 0.5) - corner) / side as f64;
    let row_step = (view.pixel(rows - 0.5, -0.5) - corner) / side as f64;
    let first = corner + 0.5 * (col_step + row_step);
    View::new(view.source(), first, col_step, row_step, side, side)
        .map_err(|reason| RunError::Unusable(format!("view \"{name}\" with {side} × {side} pixels: {reason}")))
}

/// Size of a pixel at the distance of a point, mm.
fn footprint_mm(view: &View, at: &Point) -> f64 {
    let pitch = (view.pixel(0.0, 1.0) - view.pixel(0.0, 0.0)).norm();
    match view.source() {
        regiscope_geometry::Source::Parallel(_) => pitch,
        regiscope_geometry::Source::Point(source) => {
            let middle = view.pixel(0.5 * view.rows() as f64, 0.5 * view.cols() as f64);
            pitch * (at - source).norm() / (middle - source).norm()
        }
    }
}

/// What a content looks like to pixels of a certain size: smoothed as their area does (a box of that width has the
/// standard deviation width / √12), and cut to where something is.
fn as_pixels_see(mu: Volume<f32>, footprint_mm: f64) -> Volume<f32> {
    let soft = smoothed(&mu, footprint_mm / 12f64.sqrt());
    let there = threshold(&soft, 1e-6..=f32::MAX);
    match bounding_box(&there) {
        Some(bounds) => cropped(&soft, &bounds.grown([1; 3], soft.grid().shape())),
        None => soft,
    }
}

/// A refusal of the engine, as the run's.
pub fn unusable(reason: impl std::fmt::Display) -> RunError {
    RunError::Unusable(format!("[posterior]: {reason}"))
}
