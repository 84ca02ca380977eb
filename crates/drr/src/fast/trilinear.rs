//! Trilinear marching, many samples of one ray at a time.
//!
//! Positions are split into a whole cell, kept in double precision for each batch, and a small offset for each
//! lane. Batches whose cells all lie between voxel centres read eight voxels; others weigh voxels outside by zero.

use super::{LANES, fetch, floor_lane, int_lane};
use crate::chord::chord;
use crate::jacobian::RaySample;
use crate::reference::{Field, March, support};
use multiversion::multiversion;
use regiscope_geometry::{Point, Vector};

/// Traces rays given by their ends in continuous indices; without `derivative` only `mean` is computed.
pub fn trace(field: &Field, march: &March, rays: &[(Point, Point)], derivative: bool, samples: &mut [RaySample]) {
    if derivative { with_derivative(field, march, rays, samples) } else { values(field, march, rays, samples) }
}

#[multiversion(targets("x86_64+avx2+bmi2+fma"))]
fn values(field: &Field, march: &March, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    for (sample, (start, end)) in samples.iter_mut().zip(rays) {
        *sample = trace_ray::<false>(field, march, start, end);
    }
}

#[multiversion(targets("x86_64+avx2+bmi2+fma"))]
fn with_derivative(field: &Field, march: &March, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    for (sample, (start, end)) in samples.iter_mut().zip(rays) {
        *sample = trace_ray::<true>(field, march, start, end);
    }
}

/// Sums over the samples of one ray, one for each lane.
struct Sums {
    value: [f32; LANES],
    slope: [[f32; LANES]; 3],
    /// Slopes times the number of the sample, counted from the first.
    moment: [[f32; LANES]; 3],
}

#[inline(always)]
fn trace_ray<const DERIVATIVE: bool>(field: &Field, march: &March, start: &Point, end: &Point) -> RaySample {
    let mut sample = RaySample::default();
    let d: Vector = end - start;
    let Some(range) = march.range(start, &d) else { return sample };
    let [low, high] = support(field.shape);
    let Some(inside) = chord(low, high, start, &d, false) else { return sample };
    let intervals = (march.samples - 1) as f64;
    let [a0, a1] = range.alpha;
    let step = (a1 - a0) / intervals;
    let number = |alpha: f64| ((alpha - a0) / step).clamp(0.0, intervals);
    let first = number(inside.alpha[0]).floor();
    let last = number(inside.alpha[1]).ceil();
    let origin = start + d * (a0 + first * step);
    let stride = d * step;
    let count = (last - first) as usize + 1;

    let mut sums = Sums { value: [0.0; LANES], slope: [[0.0; LANES]; 3], moment: [[0.0; LANES]; 3] };
    for k0 in (0..count).step_by(LANES) {
        let lanes = (count - k0).min(LANES);
        let from = origin + stride * k0 as f64;
        let to = from + stride * (LANES - 1) as f64;
        let between = (0..3).all(|a| {
            let (low, high) = (from[a].min(to[a]), from[a].max(to[a]));
            low > 0.001 && high < field.shape[a] as f64 - 1.001
        });
        if between && lanes == LANES {
            batch::<DERIVATIVE, true>(field, &from, &stride, k0, lanes, &mut sums);
        } else {
            batch::<DERIVATIVE, false>(field, &from, &stride, k0, lanes, &mut sums);
        }
    }
    let total = |lanes: &[f32; LANES]| f64::from(lanes.iter().sum::<f32>());
    let value = total(&sums.value);
    sample.mean = value * step;
    if !DERIVATIVE {
        return sample;
    }
    let slope = sums.slope.each_ref().map(total);
    let moment: [f64; 3] = std::array::from_fn(|a| total(&sums.moment[a]) + first * slope[a]);
    for a in 0..3 {
        sample.by_end[a] = step * (a0 * slope[a] + step * moment[a]);
        sample.by_start[a] = step * slope[a] - sample.by_end[a];
    }
    let along = Vector::from(slope).dot(&d) * step;
    let along_late = Vector::from(moment).dot(&d) * step / intervals;
    let by_range = [along - along_late - value / intervals, along_late + value / intervals];
    range.add_motion(&d, by_range, &mut sample);
    sample
}

#[inline(always)]
fn batch<const DERIVATIVE: bool, const BETWEEN: bool>(
    field: &Field,
    from: &Point,
    stride: &Vector,
    k0: usize,
    lanes: usize,
    sums: &mut Sums,
) {
    let strides = [1i32, field.shape[0] as i32, (field.shape[0] * field.shape[1]) as i32];
    // Weight of the lower and upper voxel along each axis, whether they exist, and where they are.
    let mut weight = [[[0.0f32; LANES]; 2]; 3];
    let mut exists = [[[1.0f32; LANES]; 2]; 3];
    let mut place = [[[0i32; LANES]; 2]; 3];
    for a in 0..3 {
        let whole = from[a].floor();
        let (offset, per_lane) = ((from[a] - whole) as f32, stride[a] as f32);
        let (whole, extent) = (whole as i32, field.shape[a] as i32);
        for l in 0..LANES {
            let x = offset + l as f32 * per_lane;
            let cell = floor_lane(x);
            let fraction = x - cell;
            let lower = whole + int_lane(cell);
            if BETWEEN {
                weight[a][0][l] = 1.0 - fraction;
                weight[a][1][l] = fraction;
                place[a][0][l] = lower * strides[a];
                place[a][1][l] = lower * strides[a] + strides[a];
            } else {
                for (side, share) in [(0, 1.0 - fraction), (1, fraction)] {
                    let index = lower + side as i32;
                    let is_in = index >= 0 && index < extent && l < lanes;
                    exists[a][side][l] = if is_in { 1.0 } else { 0.0 };
                    weight[a][side][l] = if is_in { share } else { 0.0 };
                    place[a][side][l] = if is_in { index * strides[a] } else { 0 };
                }
            }
        }
    }
    let corner = |x: usize, y: usize, z: usize| {
        let mut at = [0i32; LANES];
        for l in 0..LANES {
            at[l] = place[0][x][l] + place[1][y][l] + place[2][z][l];
        }
        fetch::gather(field.data, &at)
    };
    let v = [
        [[corner(0, 0, 0), corner(1, 0, 0)], [corner(0, 1, 0), corner(1, 1, 0)]],
        [[corner(0, 0, 1), corner(1, 0, 1)], [corner(0, 1, 1), corner(1, 1, 1)]],
    ];
    let [wx, wy, wz] = &weight;
    let [ex, ey, ez] = &exists;
    for l in 0..LANES {
        let mix = |pair: &[[f32; LANES]; 2]| pair[0][l] * wx[0][l] + pair[1][l] * wx[1][l];
        let line = [[mix(&v[0][0]), mix(&v[0][1])], [mix(&v[1][0]), mix(&v[1][1])]];
        let plane = [0, 1].map(|z| line[z][0] * wy[0][l] + line[z][1] * wy[1][l]);
        sums.value[l] += plane[0] * wz[0][l] + plane[1] * wz[1][l];
        if DERIVATIVE {
            let rise = |pair: &[[f32; LANES]; 2]| {
                if BETWEEN { pair[1][l] - pair[0][l] } else { pair[1][l] * ex[1][l] - pair[0][l] * ex[0][l] }
            };
            let difference = |low: f32, high: f32, e: &[[f32; LANES]; 2]| {
                if BETWEEN { high - low } else { high * e[1][l] - low * e[0][l] }
            };
            let x = [0, 1].map(|z| rise(&v[z][0]) * wy[0][l] + rise(&v[z][1]) * wy[1][l]);
            let y = [0, 1].map(|z| difference(line[z][0], line[z][1], ey));
            let slope = [
                x[0] * wz[0][l] + x[1] * wz[1][l],
                y[0] * wz[0][l] + y[1] * wz[1][l],
                difference(plane[0], plane[1], ez),
            ];
            let number = (k0 + l) as f32;
            for (a, slope) in slope.into_iter().enumerate() {
                sums.slope[a][l] += slope;
                sums.moment[a][l] += number * slope;
            }
        }
    }
}
