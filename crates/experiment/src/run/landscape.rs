//! The similarity around a pose: curves along the six axes and maps over two of them.

use super::record::finite;
use super::{Progress, RunOptions};
use crate::experiment::LandscapeScheme;
use regiscope_geometry::Rigid;
use regiscope_pose::{Axis, Prepared, Settings, landscape, profile};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// Similarity along one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Name of the axis with its unit, as `translation x (left), mm`.
    pub axis: String,
    /// Offsets, mm or degrees.
    pub offsets: Vec<f64>,
    /// Similarity; null where it is undefined.
    pub similarity: Vec<Option<f64>>,
}

/// Similarity over two axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// Names of the axes with their units.
    pub axes: [String; 2],
    /// Offsets along each, mm or degrees.
    pub offsets: [Vec<f64>; 2],
    /// Similarity; element `i · offsets[1].len() + j`.
    pub similarity: Vec<Option<f64>>,
}

/// Curves and maps around one pose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Surroundings {
    /// What the middle is: `the reference pose` or `the most similar answer`.
    pub around: String,
    /// Six curves.
    pub curves: Vec<Curve>,
    /// The maps.
    pub maps: Vec<Map>,
}

const AXES: [Axis; 6] = [
    Axis::Translation(0),
    Axis::Translation(1),
    Axis::Translation(2),
    Axis::Rotation(0),
    Axis::Rotation(1),
    Axis::Rotation(2),
];

/// Pairs of axes (positions in [`AXES`]) that are mapped: translations along and across the beam of an AP view, and the
/// rotation and translation that such a view tells apart worst.
const MAPS: [[usize; 2]; 3] = [[0, 2], [0, 1], [3, 2]];

fn name(axis: Axis) -> String {
    let direction = |n: usize| ["x (left)", "y (posterior)", "z (superior)"][n.min(2)];
    match axis {
        Axis::Translation(n) => format!("translation {}, mm", direction(n)),
        Axis::Rotation(n) => format!("rotation about {}, °", direction(n)),
    }
}

/// Samples the finest level around a pose; `None` if it was cancelled.
pub fn surroundings(
    prepared: &Prepared,
    settings: &Settings,
    scheme: &LandscapeScheme,
    pose: &Rigid,
    around: &str,
    run: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Option<Surroundings> {
    let level = prepared.levels().len() - 1;
    let half = |axis: Axis| if matches!(axis, Axis::Rotation(_)) { scheme.rotation } else { scheme.translation_mm };
    let shown = |axis: Axis, offsets: &[f64]| -> Vec<f64> {
        let unit = if matches!(axis, Axis::Rotation(_)) { 1f64.to_degrees() } else { 1.0 };
        offsets.iter().map(|v| v * unit).collect()
    };
    let maps = if scheme.map_points == 0 { &MAPS[..0] } else { &MAPS[..] };
    let total = AXES.len() + maps.len();
    let mut found = Surroundings { around: around.to_owned(), ..Surroundings::default() };
    for step in 0..total {
        if run.cancel.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(&axis) = AXES.get(step) {
            let curve = profile(prepared, settings, level, pose, axis, half(axis), scheme.points)?;
            found.curves.push(Curve {
                axis: name(axis),
                offsets: shown(axis, &curve.offsets),
                similarity: curve.similarity.iter().map(|&s| finite(s)).collect(),
            });
        } else {
            let axes = maps[step - AXES.len()].map(|n| AXES[n]);
            let map = landscape(prepared, settings, level, pose, axes, axes.map(half), scheme.map_points)?;
            found.maps.push(Map {
                axes: axes.map(name),
                offsets: [shown(axes[0], &map.offsets[0]), shown(axes[1], &map.offsets[1])],
                similarity: map.similarity.iter().map(|&s| finite(s)).collect(),
            });
        }
        observer(Progress { stage: "landscape", done: step + 1, total, note: String::new() });
    }
    Some(found)
}

/// Similarity at a pose on the finest level; `None` where it is undefined.
pub fn similarity_at(prepared: &Prepared, settings: &Settings, pose: &Rigid) -> Option<f64> {
    let level = prepared.levels().len() - 1;
    let point = profile(prepared, settings, level, pose, Axis::Translation(0), 0.0, 1)?;
    point.similarity.first().copied().and_then(finite)
}
