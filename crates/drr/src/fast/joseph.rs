//! Joseph's bilinear slabs, many slabs of one ray at a time. Slabs in which a ray begins or ends are left to the
//! plain form.

use super::{LANES, fetch, floor_lane, int_lane};
use crate::chord::chord;
use crate::jacobian::RaySample;
use crate::reference::{Field, add_slab, dominant_axis, support};
use multiversion::multiversion;
use regiscope_geometry::{Point, Vector};

/// Traces rays given by their ends in continuous indices; without `derivative` only `mean` is computed.
pub fn trace(field: &Field, clip: bool, rays: &[(Point, Point)], derivative: bool, samples: &mut [RaySample]) {
    if derivative { with_derivative(field, clip, rays, samples) } else { values(field, clip, rays, samples) }
}

#[multiversion(targets("x86_64+avx2+bmi2+fma"))]
fn values(field: &Field, clip: bool, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    for (sample, (start, end)) in samples.iter_mut().zip(rays) {
        *sample = trace_ray::<false>(field, clip, start, end);
    }
}

#[multiversion(targets("x86_64+avx2+bmi2+fma"))]
fn with_derivative(field: &Field, clip: bool, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    for (sample, (start, end)) in samples.iter_mut().zip(rays) {
        *sample = trace_ray::<true>(field, clip, start, end);
    }
}

/// Sums over the slabs of one ray, one for each lane.
#[derive(Default)]
struct Sums {
    value: [f32; LANES],
    slope: [[f32; LANES]; 2],
    /// Slopes times the number of the slab, counted from the first.
    moment: [[f32; LANES]; 2],
}

#[inline(always)]
fn trace_ray<const DERIVATIVE: bool>(field: &Field, clip: bool, start: &Point, end: &Point) -> RaySample {
    let mut sample = RaySample::default();
    let d: Vector = end - start;
    let c = dominant_axis(&d);
    let [low, high] = support(field.shape);
    let Some(inside) = chord(low, high, start, &d, clip) else { return sample };
    let inverse = 1.0 / d[c];
    let top = field.shape[c] as i64 - 1;
    let ends = inside.alpha.map(|alpha| start[c] + alpha * d[c]);
    // One slab more at each side: rounding, and slabs whose plane lies beyond an end of the ray.
    let first = (ends[0].min(ends[1]).floor() as i64 - 1).max(0);
    let last = (ends[0].max(ends[1]).ceil() as i64 + 1).min(top);
    let half = 0.5 * d[c].signum();
    let whole = |k: i64| {
        let edge = |offset: f64| (k as f64 + offset - start[c]) * inverse;
        !clip || (edge(-half) >= 0.0 && edge(half) <= 1.0)
    };
    let (mut from, mut to) = (first, last);
    while from <= to && !whole(from) {
        add_slab(field, start, &d, clip, (c, from as usize), &mut sample);
        from += 1;
    }
    while to >= from && !whole(to) {
        add_slab(field, start, &d, clip, (c, to as usize), &mut sample);
        to -= 1;
    }
    if from > to {
        return sample;
    }

    let across = [(c + 1) % 3, (c + 2) % 3];
    let count = (to - from + 1) as usize;
    let alpha0 = (from as f64 - start[c]) * inverse;
    let origin = across.map(|a| start[a] + alpha0 * d[a]);
    let stride = across.map(|a| d[a] * inverse);
    let mut sums = Sums::default();
    for k0 in (0..count).step_by(LANES) {
        let position = [0, 1].map(|n| origin[n] + stride[n] * k0 as f64);
        let lanes = (count - k0).min(LANES);
        batch::<DERIVATIVE>(field, c, (from as usize, k0, lanes), position, stride, &mut sums);
    }
    let total = |lanes: &[f32; LANES]| f64::from(lanes.iter().sum::<f32>());
    let weight = inverse.abs();
    let value = total(&sums.value);
    sample.mean += weight * value;
    if !DERIVATIVE {
        return sample;
    }
    let (mut along, mut along_late) = (0.0, 0.0);
    for n in 0..2 {
        let slope = total(&sums.slope[n]);
        let late = alpha0 * slope + inverse * total(&sums.moment[n]);
        sample.by_end[across[n]] += weight * late;
        sample.by_start[across[n]] += weight * (slope - late);
        along += slope * d[across[n]];
        along_late += late * d[across[n]];
    }
    sample.by_start[c] += weight * (along_late - along + value) * inverse;
    sample.by_end[c] -= weight * (along_late + value) * inverse;
    sample
}

#[inline(always)]
fn batch<const DERIVATIVE: bool>(
    field: &Field,
    c: usize,
    (first, k0, lanes): (usize, usize, usize),
    position: [f64; 2],
    stride: [f64; 2],
    sums: &mut Sums,
) {
    let strides = [1i32, field.shape[0] as i32, (field.shape[0] * field.shape[1]) as i32];
    let across = [(c + 1) % 3, (c + 2) % 3];
    let mut weight = [[[0.0f32; LANES]; 2]; 2];
    let mut exists = [[[0.0f32; LANES]; 2]; 2];
    let mut place = [[[0i32; LANES]; 2]; 2];
    for n in 0..2 {
        let whole = position[n].floor();
        let (offset, per_lane) = ((position[n] - whole) as f32, stride[n] as f32);
        let (whole, extent) = (whole as i32, field.shape[across[n]] as i32);
        for l in 0..LANES {
            let x = offset + l as f32 * per_lane;
            let cell = floor_lane(x);
            let fraction = x - cell;
            for (side, share) in [(0, 1.0 - fraction), (1, fraction)] {
                let index = whole + int_lane(cell) + side as i32;
                let is_in = index >= 0 && index < extent && l < lanes;
                exists[n][side][l] = if is_in { 1.0 } else { 0.0 };
                weight[n][side][l] = if is_in { share } else { 0.0 };
                place[n][side][l] = if is_in { index * strides[across[n]] } else { 0 };
            }
        }
    }
    let mut plane = [0i32; LANES];
    for (l, plane) in plane.iter_mut().enumerate() {
        *plane = if l < lanes { (first + k0 + l) as i32 * strides[c] } else { 0 };
    }
    let corner = |i: usize, j: usize| {
        let mut at = [0i32; LANES];
        for l in 0..LANES {
            at[l] = plane[l] + place[0][i][l] + place[1][j][l];
        }
        fetch::gather(field.data, &at)
    };
    let v = [[corner(0, 0), corner(1, 0)], [corner(0, 1), corner(1, 1)]];
    let ([w0, w1], [e0, e1]) = (&weight, &exists);
    for l in 0..LANES {
        let line = [0, 1].map(|j: usize| v[j][0][l] * w0[0][l] + v[j][1][l] * w0[1][l]);
        sums.value[l] += line[0] * w1[0][l] + line[1] * w1[1][l];
        if DERIVATIVE {
            let rise = [0, 1].map(|j: usize| v[j][1][l] * e0[1][l] - v[j][0][l] * e0[0][l]);
            let slope = [rise[0] * w1[0][l] + rise[1] * w1[1][l], line[1] * e1[1][l] - line[0] * e1[0][l]];
            let number = (k0 + l) as f32;
            for (n, slope) in slope.into_iter().enumerate() {
                sums.slope[n][l] += slope;
                sums.moment[n][l] += number * slope;
            }
        }
    }
}
