//! The projectors as matrices: how much each voxel weighs in a ray.

use super::joseph::{dominant_axis, slab_weight};
use super::trilinear::March;
use crate::chord::chord;
use crate::renderer::Projector;
use regiscope_geometry::{Point, Vector};
use std::ops::Range;

/// Calls `visit(index, weight)` for the voxels of the planes `planes` of axis z that a ray meets, so that `∫ μ dα` is
/// the sum of `weight · μ[index]` over all planes; a voxel may be visited several times.
///
/// `start` and `end` are continuous indices, `march` is needed for [`Projector::Trilinear`] and holds its range.
pub fn visit_weights(
    shape: [usize; 3],
    projector: Projector,
    clip: bool,
    planes: Range<usize>,
    (start, end): (&Point, &Point),
    visit: &mut impl FnMut([usize; 3], f64),
) {
    let d = end - start;
    match projector {
        Projector::Siddon => siddon(shape, clip, planes, start, &d, visit),
        Projector::Joseph => joseph(shape, clip, planes, start, &d, visit),
        Projector::Trilinear { samples, span } => {
            trilinear(shape, &March::new(shape, samples, span, clip), planes, start, &d, visit);
        }
    }
}

/// Walks from voxel to voxel (J. Amanatides and A. Woo, "A fast voxel traversal algorithm for ray tracing", 1987).
fn siddon(
    shape: [usize; 3],
    clip: bool,
    planes: Range<usize>,
    start: &Point,
    d: &Vector,
    visit: &mut impl FnMut([usize; 3], f64),
) {
    let low = [0, 0, planes.start];
    let high = [shape[0], shape[1], planes.end];
    let u = start + Vector::repeat(0.5);
    let Some(inside) = chord(low.map(|v| v as f64), high.map(|v| v as f64), &u, d, clip) else { return };
    let [mut alpha, finish] = inside.alpha;
    let mut cell: [i64; 3] =
        std::array::from_fn(|a| ((u[a] + alpha * d[a]).floor() as i64).clamp(low[a] as i64, high[a] as i64 - 1));
    // The plane ahead on each axis is computed from its number each time: no error piles up.
    let ahead = |a: usize, cell: i64| match d[a] {
        d if d > 0.0 => ((cell + 1) as f64 - u[a]) / d,
        d if d < 0.0 => (cell as f64 - u[a]) / d,
        _ => f64::INFINITY,
    };
    loop {
        let next = [0, 1, 2].map(|a| ahead(a, cell[a]));
        let axis = (1..3).fold(0, |best, a| if next[a] < next[best] { a } else { best });
        let to = next[axis].min(finish);
        if to > alpha {
            visit(cell.map(|c| c as usize), to - alpha);
            alpha = to;
        }
        cell[axis] += if d[axis] > 0.0 { 1 } else { -1 };
        let left = cell[axis] < low[axis] as i64 || cell[axis] >= high[axis] as i64;
        if next[axis] >= finish || left {
            return;
        }
    }
}

/// The part of a ray (as `α`) where interpolation can reach voxels of the planes.
fn reach(shape: [usize; 3], planes: &Range<usize>, start: &Point, d: &Vector) -> Option<[f64; 2]> {
    let low = [-1.0, -1.0, planes.start as f64 - 1.0];
    let high = [shape[0] as f64, shape[1] as f64, planes.end as f64];
    chord(low, high, start, d, false).map(|c| c.alpha)
}

fn joseph(
    shape: [usize; 3],
    clip: bool,
    planes: Range<usize>,
    start: &Point,
    d: &Vector,
    visit: &mut impl FnMut([usize; 3], f64),
) {
    let c = dominant_axis(d);
    let Some(alpha) = reach(shape, &planes, start, d) else { return };
    let ends = alpha.map(|alpha| start[c] + alpha * d[c]);
    let first = (ends[0].min(ends[1]).floor() as i64 - 1).max(0);
    let last = (ends[0].max(ends[1]).ceil() as i64 + 1).min(shape[c] as i64 - 1);
    for k in first..=last {
        let weight = slab_weight(start[c], d[c], k as usize, clip);
        if weight > 0.0 {
            let mut position = start + d * ((k as f64 - start[c]) / d[c]);
            position[c] = k as f64;
            spread(shape, &planes, &position, weight, visit);
        }
    }
}

fn trilinear(
    shape: [usize; 3],
    march: &March,
    planes: Range<usize>,
    start: &Point,
    d: &Vector,
    visit: &mut impl FnMut([usize; 3], f64),
) {
    let (Some(range), Some(alpha)) = (march.range(start, d), reach(shape, &planes, start, d)) else { return };
    let [a0, a1] = range.alpha;
    let intervals = (march.samples - 1) as f64;
    let step = (a1 - a0) / intervals;
    let number = |alpha: f64| ((alpha - a0) / step).clamp(0.0, intervals);
    for k in number(alpha[0]).floor() as usize..=number(alpha[1]).ceil() as usize {
        let t = k as f64 / intervals;
        spread(shape, &planes, &(start + d * (a0 + t * (a1 - a0))), step, visit);
    }
}

/// Shares a weight among the voxels around a position as trilinear interpolation does.
fn spread(
    shape: [usize; 3],
    planes: &Range<usize>,
    position: &Point,
    weight: f64,
    visit: &mut impl FnMut([usize; 3], f64),
) {
    let floor = position.map(f64::floor);
    let w = position - floor;
    for corner in 0..8usize {
        let bits = [0, 1, 2].map(|a| corner >> a & 1);
        let share: f64 = (0..3).map(|a| if bits[a] == 1 { w[a] } else { 1.0 - w[a] }).product();
        let index = [0, 1, 2].map(|a| floor[a] as i64 + bits[a] as i64);
        let inside = (0..3).all(|a| index[a] >= 0 && index[a] < shape[a] as i64);
        let index = index.map(|i| i.max(0) as usize);
        if inside && share != 0.0 && planes.contains(&index[2]) {
            visit(index, weight * share);
        }
    }
}
