//! What the registration renders, and how it is set up.

use super::attenuation::{attenuation, truncate};
use super::error::RunError;
use super::subject::Subject;
use super::xray::XRay;
use crate::document::register as typed;
use crate::experiment::{AttenuationModel, Registration};
use regiscope_geometry::Point;
use regiscope_image::Volume;
use regiscope_pose::{FixedImage, Level, Optimiser, Options, Problem, Pyramid, Search, Similarity};

/// The volume whose DRRs are compared: its labels, its mapping, cut off at its ends.
pub fn volume(
    subject: &Subject,
    model: &AttenuationModel,
    registration: &Registration,
) -> Result<Volume<f32>, RunError> {
    Ok(truncate(attenuation(subject, model, &registration.labels)?, registration.truncate_mm))
}

/// The problem and its pyramid.
pub fn problem(
    volume: Volume<f32>,
    xrays: &[XRay],
    pivot: Point,
    method: &typed::Register,
) -> Result<(Problem, Pyramid), RunError> {
    let fixed = |x: &XRay| FixedImage { view: x.view.clone(), image: x.image.clone(), mask: x.mask.clone() };
    let problem = Problem::new(xrays.iter().map(fixed).collect(), volume)?.with_pivot(pivot)?;
    let pyramid = if method.levels.is_empty() {
        Pyramid::automatic(&problem)
    } else {
        Pyramid::new(method.levels.iter().map(level).collect())?
    };
    Ok((problem, pyramid))
}

fn level(typed: &typed::Level) -> Level {
    Level {
        voxel_mm: typed.voxel_mm,
        detector_factor: typed.detector_factor as usize,
        ray_fraction: typed.ray_fraction,
        max_iterations: typed.max_iterations as usize,
        step_mm: typed.step_mm,
    }
}

/// The method in the engine's form.
pub fn options(method: &typed::Register, seed: u64) -> Options {
    Options {
        similarity: match method.similarity {
            typed::Similarity::Ssd => Similarity::Ssd,
            typed::Similarity::Ncc => Similarity::Ncc,
            typed::Similarity::LocalNcc => Similarity::LocalNcc { patch: method.patch as usize },
            typed::Similarity::GradientNcc => Similarity::GradientNcc { sigma: method.sigma },
            typed::Similarity::MutualInformation => Similarity::MutualInformation { bins: method.bins as usize },
        },
        optimiser: match method.optimiser {
            typed::Optimiser::LevenbergMarquardt => Optimiser::LevenbergMarquardt,
            typed::Optimiser::Lbfgs => Optimiser::Lbfgs,
            typed::Optimiser::NelderMead => Optimiser::NelderMead { simplex_mm: method.spread_mm },
            typed::Optimiser::CmaEs => Optimiser::CmaEs { sigma_mm: method.spread_mm },
        },
        search: method.search.as_ref().map(|search| Search {
            samples: search.samples as usize,
            rotation: search.rotation_deg.to_radians(),
            translation: search.translation_mm,
            keep: search.keep as usize,
        }),
        seed,
    }
}

/// The points whose errors are reported, in the volume's frame (mm), and what they are.
pub fn targets(
    subject: &Subject,
    shown: &Volume<f32>,
    registration: &Registration,
) -> Result<(Vec<Point>, String), RunError> {
    use typed::TargetPoints;
    let labels = &registration.labels;
    let landmarks: Vec<Point> = subject
        .landmarks
        .iter()
        .filter(|(_, label)| labels.is_empty() || labels.contains(label))
        .map(|(point, _)| *point)
        .collect();
    let chosen = match registration.targets {
        TargetPoints::Auto if !landmarks.is_empty() => TargetPoints::Landmarks,
        TargetPoints::Auto if subject.labels.is_some() && !labels.is_empty() => TargetPoints::Labels,
        TargetPoints::Auto => TargetPoints::Box,
        other => other,
    };
    let (points, words) = match chosen {
        TargetPoints::Landmarks => {
            let words = format!("{} landmarks of the registered bones", landmarks.len());
            (landmarks, words)
        }
        TargetPoints::Labels => {
            let points = labelled_voxels(subject, labels);
            let words = format!("{} voxels spread over the registered labels", points.len());
            (points, words)
        }
        TargetPoints::Box | TargetPoints::Auto => {
            let points = box_points(shown);
            let words = format!("{} points of a regular grid in the middle half of the volume", points.len());
            (points, words)
        }
    };
    if points.is_empty() {
        return Err(RunError::Unusable(
            "`targets.points`: no such point lies in the registered part of the volume".into(),
        ));
    }
    Ok((points, words))
}

/// At most about 2000 voxels with the given labels (any label if none is given), evenly through the volume.
fn labelled_voxels(subject: &Subject, wanted: &[u16]) -> Vec<Point> {
    const MOST: usize = 2000;
    let Some(labels) = &subject.labels else { return Vec::new() };
    let chosen = |l: u16| if wanted.is_empty() { l != 0 } else { wanted.contains(&l) };
    let inside: Vec<usize> = (0..labels.data().len()).filter(|&n| chosen(labels.data()[n])).collect();
    let [nx, ny, _] = labels.grid().shape();
    let place = |&n: &usize| {
        let index = Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64);
        labels.grid().world_from_index(&index)
    };
    inside.iter().step_by(inside.len().div_ceil(MOST).max(1)).map(place).collect()
}

/// 5 × 5 × 5 points from a quarter to three quarters of each axis.
fn box_points(volume: &Volume<f32>) -> Vec<Point> {
    let grid = volume.grid();
    let at = |axis: usize, n: usize| (grid.shape()[axis] as f64 - 1.0) * (0.25 + 0.125 * n as f64);
    (0..125).map(|n| grid.world_from_index(&Point::new(at(0, n % 5), at(1, n / 5 % 5), at(2, n / 25)))).collect()
}

/// Middle of the attenuating part of the volume, about which rotations are counted, mm: rotations about the middle
/// of what is seen move it least.
pub fn pivot(shown: &Volume<f32>) -> Point {
    let [nx, ny, _] = shown.grid().shape();
    let (mut weight, mut sum) = (0.0f64, nalgebra::Vector3::zeros());
    for (n, &value) in shown.data().iter().enumerate().filter(|(_, v)| **v > 0.0) {
        let value = f64::from(value);
        sum += nalgebra::Vector3::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64) * value;
        weight += value;
    }
    if weight > 0.0 && weight.is_finite() {
        shown.grid().world_from_index(&Point::from(sum / weight))
    } else {
        shown.grid().centre()
    }
}
