//! The similarity around a pose, along pairs of axes.

use crate::options::Settings;
use crate::pyramid::Prepared;
use crate::register::objectives;
use rayon::prelude::*;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::Vector6;

/// A motion of the volume in the world, about the pivot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Along world axis 0 (x, Left), 1 (y, Posterior) or 2 (z, Superior), in mm.
    Translation(usize),
    /// About world axis 0, 1 or 2 through the pivot, in rad.
    Rotation(usize),
}

impl Axis {
    fn coordinate(self) -> usize {
        match self {
            Self::Translation(n) => n.min(2),
            Self::Rotation(n) => 3 + n.min(2),
        }
    }

    /// An offset as a chart coordinate: rotations become arcs (mm) on a circle of `radius`.
    fn in_mm(self, offset: f64, radius: f64) -> f64 {
        match self {
            Self::Translation(_) => offset,
            Self::Rotation(_) => offset * radius,
        }
    }
}

/// Similarities on a regular grid of offsets along two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Landscape {
    /// The two axes.
    pub axes: [Axis; 2],
    /// Offsets (mm or rad) along each axis, ascending; 0 is the pose itself.
    pub offsets: [Vec<f64>; 2],
    /// Similarity at each pair of offsets; element `i · offsets[1].len() + j`.
    pub similarity: Vec<f64>,
}

/// Evaluates the similarity of one level around a pose, at `samples` (at least 1) offsets per axis from
/// `−half_width` to `half_width` (mm or rad). `None` if the pyramid has no such level, or nothing can be
/// compared on it.
pub fn landscape(
    prepared: &Prepared,
    settings: &Settings,
    level: usize,
    world_from_volume: &Rigid,
    axes: [Axis; 2],
    half_width: [f64; 2],
    samples: usize,
) -> Option<Landscape> {
    let levels = objectives(prepared, settings);
    let objective = &levels.iter().find(|l| l.number == level)?.objective;
    let offsets = half_width.map(|half| symmetric(half, samples));
    let [rows, cols] = [0, 1].map(|a| offsets[a].len());
    let chart = objective.chart(*world_from_volume);
    let value = |n: usize| {
        let mut x = Vector6::zeros();
        x[axes[0].coordinate()] += axes[0].in_mm(offsets[0][n / cols], objective.radius());
        x[axes[1].coordinate()] += axes[1].in_mm(offsets[1][n % cols], objective.radius());
        objective.value(&chart.pose(&x))
    };
    let similarity = (0..rows * cols).into_par_iter().map(value).collect();
    Some(Landscape { axes, offsets, similarity })
}

/// Similarities at regular offsets along one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The axis.
    pub axis: Axis,
    /// Offsets (mm or rad), ascending; 0 is the pose itself.
    pub offsets: Vec<f64>,
    /// Similarity at each offset.
    pub similarity: Vec<f64>,
}

/// Evaluates the similarity of one level along one axis through a pose, at `samples` (at least 1) offsets from
/// `−half_width` to `half_width` (mm or rad). `None` if the pyramid has no such level, or nothing can be
/// compared on it.
pub fn profile(
    prepared: &Prepared,
    settings: &Settings,
    level: usize,
    world_from_volume: &Rigid,
    axis: Axis,
    half_width: f64,
    samples: usize,
) -> Option<Profile> {
    let levels = objectives(prepared, settings);
    let objective = &levels.iter().find(|l| l.number == level)?.objective;
    let offsets = symmetric(half_width, samples);
    let chart = objective.chart(*world_from_volume);
    let value = |&offset: &f64| {
        let mut x = Vector6::zeros();
        x[axis.coordinate()] = axis.in_mm(offset, objective.radius());
        objective.value(&chart.pose(&x))
    };
    let similarity = offsets.par_iter().map(value).collect();
    Some(Profile { axis, offsets, similarity })
}

/// `samples` (at least 1) values from `−half` to `half`; a single one is 0.
fn symmetric(half: f64, samples: usize) -> Vec<f64> {
    let at = |n: usize| if samples < 2 { 0.0 } else { half * (2.0 * n as f64 / (samples - 1) as f64 - 1.0) };
    (0..samples.max(1)).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene;

    #[test]
    fn the_peak_is_at_the_truth() {
        let prepared = scene::prepared(&[0.0]);
        let axes = [Axis::Translation(0), Axis::Rotation(1)];
        let settings = Settings::default();
        let found = landscape(&prepared, &settings, 1, &scene::truth(), axes, [10.0, 0.2], 5).unwrap();
        let best = (0..25).max_by(|&a, &b| found.similarity[a].total_cmp(&found.similarity[b])).unwrap();
        assert_eq!((best, found.offsets[1][2]), (12, 0.0));
        assert!((found.similarity[12] - 1.0).abs() < 1e-3 && found.offsets[0] == [-10.0, -5.0, 0.0, 5.0, 10.0]);
        assert_eq!(landscape(&prepared, &settings, 2, &scene::truth(), axes, [10.0, 0.2], 5), None);
    }

    #[test]
    fn a_profile_is_a_line_of_the_landscape() {
        let (prepared, settings) = (scene::prepared(&[0.0]), Settings::default());
        for axis in [Axis::Translation(2), Axis::Rotation(0)] {
            let line = profile(&prepared, &settings, 0, &scene::start(), axis, 0.3, 3).unwrap();
            let plane =
                landscape(&prepared, &settings, 0, &scene::start(), [axis, Axis::Translation(0)], [0.3, 1.0], 3);
            let plane = plane.unwrap();
            assert_eq!(line.offsets, plane.offsets[0]);
            assert_eq!(line.similarity, [1, 4, 7].map(|n| plane.similarity[n]));
        }
    }
}
