//! Point maps and what they carry: images, labels, points.
//!
//! A map takes points of the fixed space to points of the moving space (LPS, mm), as ITK's transforms do; an image
//! is carried the other way, `warped(x) = moving(map(x))`. Displacement fields are given at the voxels of a grid,
//! `map(x) = x + u(x)`, and continued between voxels linearly, as ITK's `DisplacementFieldTransform` does. The flow of a
//! velocity is followed at points anywhere.

mod carry;
mod determinant;
mod flow_map;
mod inverse;
mod labels;
mod map;

pub use carry::{Interpolation, carry_image, carry_labels_nearest, carry_mask};
pub use determinant::{DeterminantError, Determinants, determinant, log_determinant};
pub use flow_map::FlowMap;
pub use inverse::{Inverse, inverse, inverse_of_map};
pub use labels::carry_labels;
pub use map::{Chain, PointMap, field_of};

use regiscope_geometry::{Grid, Point};

/// Position in the world of the voxel at a place of the x-fastest array.
pub(crate) fn world_of(grid: &Grid, offset: usize) -> Point {
    let [nx, ny, _] = grid.shape();
    grid.world_from_index(&Point::new((offset % nx) as f64, (offset / nx % ny) as f64, (offset / (nx * ny)) as f64))
}
