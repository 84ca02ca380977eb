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
/// `−half_width` to `half_width` (mm or rad). `None` if the pyramid has no such level.
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
    let objective = &levels.get(level)?.1;
    let samples = samples.max(1);
    let offsets = half_width.map(|half| {
        let at = |n: usize| if samples == 1 { 0.0 } else { half * (2.0 * n as f64 / (samples - 1) as f64 - 1.0) };
        (0..samples).map(at).collect::<Vec<f64>>()
    });
    let chart = objective.chart(*world_from_volume);
    let mm = |axis: Axis| if matches!(axis, Axis::Rotation(_)) { objective.radius() } else { 1.0 };
    let value = |n: usize| {
        let mut x = Vector6::zeros();
        x[axes[0].coordinate()] += offsets[0][n / samples] * mm(axes[0]);
        x[axes[1].coordinate()] += offsets[1][n % samples] * mm(axes[1]);
        objective.value(&chart.pose(&x))
    };
    let similarity = (0..samples * samples).into_par_iter().map(value).collect();
    Some(Landscape { axes, offsets, similarity })
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
}
