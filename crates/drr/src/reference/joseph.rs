//! One bilinear sample per slab.

use super::Field;
use crate::jacobian::RaySample;
use regiscope_geometry::{Point, Vector};

/// Line integral by bilinear interpolation in the planes of voxel centres that the ray's dominant index axis
/// crosses, zero outside the volume.
///
/// Source: P. M. Joseph, "An improved algorithm for reprojecting rays through pixel images", IEEE Trans. Med.
/// Imaging 1(3), 1982. Plane `k` of axis `c` stands for the slab `[k − ½, k + ½]`: its weight is the length in `α`
/// that the ray has in the slab, `1/|d_c|`, or less where the ray begins or ends inside the slab if `clip`; so the
/// integral is continuous in both ends. `start` and `end` are continuous indices.
pub fn joseph(field: &Field, start: &Point, end: &Point, clip: bool) -> RaySample {
    let d = end - start;
    let mut sample = RaySample::default();
    let c = dominant_axis(&d);
    if d[c] != 0.0 {
        for k in 0..field.shape[c] {
            add_slab(field, start, &d, clip, (c, k), &mut sample);
        }
    }
    sample
}

/// Where the ray enters and leaves slab `k`, as it is and as it counts (`α`).
fn slab_edges(start: f64, d: f64, k: usize, clip: bool) -> ([f64; 2], [f64; 2]) {
    let half = 0.5 * d.signum();
    let edges = [-half, half].map(|offset| (k as f64 + offset - start) / d);
    (edges, edges.map(|e| if clip { e.clamp(0.0, 1.0) } else { e }))
}

/// The length in `α` that a ray has in slab `k` of its dominant axis, given its start and direction on that axis.
pub(crate) fn slab_weight(start: f64, d: f64, k: usize, clip: bool) -> f64 {
    let (_, inside) = slab_edges(start, d, k, clip);
    inside[1] - inside[0]
}

/// Adds slab `k` of axis `c` of the ray `start + α d` to a sample.
pub(crate) fn add_slab(
    field: &Field,
    start: &Point,
    d: &Vector,
    clip: bool,
    (c, k): (usize, usize),
    sample: &mut RaySample,
) {
    let (edges, inside) = slab_edges(start[c], d[c], k, clip);
    let weight = inside[1] - inside[0];
    if weight <= 0.0 {
        return;
    }
    let across = [(c + 1) % 3, (c + 2) % 3];
    let alpha = (k as f64 - start[c]) / d[c];
    let position = across.map(|a| start[a] + alpha * d[a]);
    let (value, slope) = bilinear(field, c, k, position);
    sample.mean += weight * value;
    let along = slope[0] * d[across[0]] + slope[1] * d[across[1]];
    for n in 0..2 {
        sample.by_start[across[n]] += weight * slope[n] * (1.0 - alpha);
        sample.by_end[across[n]] += weight * slope[n] * alpha;
    }
    sample.by_start[c] += weight * along * (alpha - 1.0) / d[c];
    sample.by_end[c] -= weight * along * alpha / d[c];
    for (edge, sign) in [(0, -1.0), (1, 1.0)] {
        if inside[edge] == edges[edge] {
            sample.by_start[c] += sign * value * (edges[edge] - 1.0) / d[c];
            sample.by_end[c] -= sign * value * edges[edge] / d[c];
        }
    }
}

/// The index axis along which a direction goes fastest; the first of equals.
pub(crate) fn dominant_axis(d: &Vector) -> usize {
    (1..3).fold(0, |best, a| if d[a].abs() > d[best].abs() { a } else { best })
}

/// Value and slope at `position` on the two other axes in plane `k` of axis `c`.
fn bilinear(field: &Field, c: usize, k: usize, position: [f64; 2]) -> (f64, [f64; 2]) {
    let floor = position.map(f64::floor);
    let w = [position[0] - floor[0], position[1] - floor[1]];
    let corner = |i: i64, j: i64| {
        let mut index = [0i64; 3];
        index[c] = k as i64;
        index[(c + 1) % 3] = floor[0] as i64 + i;
        index[(c + 2) % 3] = floor[1] as i64 + j;
        field.at(index)
    };
    let (v00, v10, v01, v11) = (corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1));
    let slope = [(v10 - v00) * (1.0 - w[1]) + (v11 - v01) * w[1], (v01 - v00) * (1.0 - w[0]) + (v11 - v10) * w[0]];
    let value = v00 * (1.0 - w[1]) + v01 * w[1] + w[0] * slope[0];
    (value, slope)
}
