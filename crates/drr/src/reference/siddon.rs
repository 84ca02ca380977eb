//! Exact line integrals through a piecewise-constant volume.

use super::Field;
use crate::jacobian::RaySample;
use regiscope_geometry::Point;

/// Exact integral of the piecewise-constant volume along a ray.
///
/// Source: R. L. Siddon, "Fast calculation of the exact radiological path for a three-dimensional CT array",
/// Med. Phys. 12(2), 1985. Voxel `i` covers `[i − ½, i + ½]`. `start` and `end` are continuous indices; the ray is
/// `start + α (end − start)`, with `α ∈ [0, 1]` if `clip`, else the whole line.
///
/// The derivative is exact wherever it exists: each plane crossing `α_k = (p_k − s_a) / d_a` between values `v₋`
/// and `v₊` moves with the ends, so `∂mean/∂s_a = Σ (v₋ − v₊)(α_k − 1)/d_a` and `∂mean/∂e_a = −Σ (v₋ − v₊) α_k/d_a`.
pub fn siddon(field: &Field, start: &Point, end: &Point, clip: bool) -> RaySample {
    siddon_of(field.shape, |index| field.at(index), start, end, clip)
}

/// As [`siddon`], of a volume of the given extents whose voxels are `value` (zero outside).
pub fn siddon_of(
    shape: [usize; 3],
    value_at: impl Fn([i64; 3]) -> f64,
    start: &Point,
    end: &Point,
    clip: bool,
) -> RaySample {
    let d = end - start;
    let mut crossings: Vec<(f64, usize)> = Vec::new();
    for a in (0..3).filter(|&a| d[a] != 0.0) {
        crossings.extend((0..=shape[a]).map(|p| ((p as f64 - 0.5 - start[a]) / d[a], a)));
    }
    crossings.retain(|(alpha, _)| !clip || (0.0..=1.0).contains(alpha));
    crossings.sort_by(|a, b| a.0.total_cmp(&b.0));

    // Values between crossings; the two outermost intervals are open ended and lie outside, unless clipped.
    let value_between = |from: f64, to: f64| {
        let middle = start + d * (0.5 * (from + to));
        value_at([0, 1, 2].map(|a| (middle[a] + 0.5).floor() as i64))
    };
    let first = crossings.first().map_or(0.0, |c| c.0);
    let last = crossings.last().map_or(1.0, |c| c.0);
    let (begin, finish) = if clip { (0.0, 1.0) } else { (first, last) };
    let mut sample = RaySample::default();
    let (mut alpha, mut value) = (begin, if clip { value_between(begin, first.min(1.0)) } else { 0.0 });
    if crossings.is_empty() {
        value = value_between(begin, finish);
    }
    for (n, &(crossing, axis)) in crossings.iter().enumerate() {
        sample.mean += value * (crossing - alpha);
        let next = crossings.get(n + 1).map_or(finish, |c| c.0);
        let open_end = !clip && n + 1 == crossings.len();
        let ahead = if open_end { 0.0 } else { value_between(crossing, next) };
        sample.by_start[axis] += (value - ahead) * (crossing - 1.0) / d[axis];
        sample.by_end[axis] -= (value - ahead) * crossing / d[axis];
        (alpha, value) = (crossing, ahead);
    }
    sample.mean += value * (finish - alpha);
    sample
}
