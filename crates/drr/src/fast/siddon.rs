//! Exact line integrals through a piecewise-constant volume by running sums.
//!
//! Let `c` be the axis of summation, `a` and `b` the others, `u = x + ½` continuous voxel coordinates and
//! `F(u_c)` the running sum of a column, linear inside a voxel. A ray that stays in one column from `α` to `β`
//! collects `(F(u_c(β)) − F(u_c(α)))/d_c`. Summed over columns, each change of column from `A` to `B` at height `h`
//! contributes `F_A(h) − F_B(h)`: only crossings of the planes of `a` and `b` need be visited, and since those of
//! one axis are equidistant in `α` they are independent of each other.
//!
//! The derivative needs the jump `v_A − v_B` at the same crossings. The component along `c` follows from moving an
//! end of the ray along the ray itself, which changes `mean` by a known amount: `∂mean/∂s · d = mean − v(s)` and
//! `∂mean/∂e · d = −mean + v(e)`, where `v` counts only at an end that lies inside the volume.

use super::prefix::{Prefix, PrefixVolume};
use super::{LANES, floor_lane, int_lane, limit};
use crate::chord::chord;
use crate::jacobian::RaySample;
use crate::reference::siddon_of;
use multiversion::multiversion;
use regiscope_geometry::{Point, Vector};

/// Beyond this ratio of the fastest component of a direction to that along the axis of summation, a ray is traced
/// by the plain form: its changes of column are as many as its voxels, and the division by `d_c` costs digits.
const MAX_SLANT: f64 = 32.0;

/// A volume seen along one axis of summation.
#[derive(Clone, Copy, Debug)]
pub struct Tracer<'a> {
    prefix: &'a Prefix,
    shape: [usize; 3],
    resolution: f64,
    occupied: Option<[[usize; 2]; 3]>,
    clip: bool,
}

impl<'a> Tracer<'a> {
    /// Prepares tracing along `axis`; `clip` as in [`crate::reference::siddon`].
    pub fn new(volume: &'a PrefixVolume, axis: usize, clip: bool) -> Self {
        Self {
            prefix: volume.along(axis),
            shape: volume.shape(),
            resolution: volume.resolution(),
            occupied: volume.occupied(),
            clip,
        }
    }

    /// Traces rays given by their ends in continuous indices. Without `derivative` only `mean` is computed.
    pub fn trace(&self, rays: &[(Point, Point)], derivative: bool, samples: &mut [RaySample]) {
        if derivative {
            with_derivative(self, rays, samples);
        } else {
            values(self, rays, samples);
        }
    }

    fn plain(&self, start: &Point, end: &Point) -> RaySample {
        let value = |index: [i64; 3]| {
            let inside = (0..3).all(|a| index[a] >= 0 && (index[a] as usize) < self.shape[a]);
            if inside { f64::from(self.prefix.voxel(index.map(|i| i as usize))) * self.resolution } else { 0.0 }
        };
        siddon_of(self.shape, value, start, end, self.clip)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512cd+bmi2+fma", "x86_64+avx2+bmi2+fma"))]
fn values(tracer: &Tracer, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    for (sample, (start, end)) in samples.iter_mut().zip(rays) {
        *sample = trace::<false>(tracer, start, end);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512cd+bmi2+fma", "x86_64+avx2+bmi2+fma"))]
fn with_derivative(tracer: &Tracer, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    for (sample, (start, end)) in samples.iter_mut().zip(rays) {
        *sample = trace::<true>(tracer, start, end);
    }
}

#[inline(always)]
fn trace<const DERIVATIVE: bool>(tracer: &Tracer, start: &Point, end: &Point) -> RaySample {
    if tracer.prefix.axis == 2 {
        trace_along::<DERIVATIVE, false>(tracer, start, end)
    } else {
        trace_along::<DERIVATIVE, true>(tracer, start, end)
    }
}

/// The planes of one of the two slow axes that a ray crosses, and the way it takes through them.
struct Crossings {
    /// How many.
    count: usize,
    /// `α` of the first, and from one to the next.
    alpha: f64,
    step_alpha: f64,
    /// Change of the position in the sums with each crossing.
    stride: i32,
}

/// What the crossings of one axis add up to.
#[derive(Default)]
struct Sums {
    /// `Σ P_A − P_B`, wrapping.
    whole: i32,
    /// `Σ fraction · (v_A − v_B)`.
    part: f64,
    /// `Σ v_A − v_B`.
    jump: f64,
    /// `Σ k (v_A − v_B)` over the number `k` of the crossing.
    moment: f64,
}

#[inline(always)]
fn trace_along<const DERIVATIVE: bool, const ADJACENT: bool>(tracer: &Tracer, start: &Point, end: &Point) -> RaySample {
    let Some(occupied) = tracer.occupied else { return RaySample::default() };
    let c = tracer.prefix.axis;
    let slow = [(c + 1) % 3, (c + 2) % 3];
    let d: Vector = end - start;
    let u = start + Vector::repeat(0.5);
    let low = occupied.map(|o| o[0] as f64);
    let high = occupied.map(|o| o[1] as f64);
    let Some(chord) = chord(low, high, &u, &d, tracer.clip) else { return RaySample::default() };
    if d[slow[0]].abs().max(d[slow[1]].abs()) > MAX_SLANT * d[c].abs() {
        return tracer.plain(start, end);
    }
    let [alpha0, alpha1] = chord.alpha;
    let (sums, strides, step) = (&tracer.prefix.sums[..], tracer.prefix.strides, tracer.prefix.step());

    let mut first = 0usize;
    let mut last = 0usize;
    let crossings = slow.map(|a| {
        let cell = |alpha: f64| limit64((u[a] + alpha * d[a]).floor(), low[a], high[a] - 1.0);
        let (enter, leave) = (cell(alpha0), cell(alpha1));
        first += enter as usize * strides[a];
        last += leave as usize * strides[a];
        let inverse = 1.0 / d[a];
        let plane = if d[a] > 0.0 { enter + 1.0 } else { enter };
        Crossings {
            count: (leave - enter).abs() as usize,
            alpha: (plane - u[a]) * inverse,
            step_alpha: inverse.abs(),
            stride: if d[a] > 0.0 { strides[a] as i32 } else { -(strides[a] as i32) },
        }
    });
    let along = Along { base: first as i32, start: u[c], slope: d[c], low: low[c], high: high[c], alpha0 };
    let by_axis = [
        visit::<DERIVATIVE, ADJACENT, true>(sums, step, &along, &crossings[0], &crossings[1]),
        visit::<DERIVATIVE, ADJACENT, false>(sums, step, &along, &crossings[1], &crossings[0]),
    ];

    // The running sum where the ray enters its first and leaves its last column.
    let end_of = |column: usize, alpha: f64| {
        let height = limit64(u[c] + alpha * d[c], low[c], high[c]);
        let voxel = height.floor().min(high[c] - 1.0);
        let n = column + voxel as usize * step;
        let value = f64::from(sums[n + step].wrapping_sub(sums[n]));
        (sums[n], value, (height - voxel) * value)
    };
    let (whole0, value0, part0) = end_of(first, alpha0);
    let (whole1, value1, part1) = end_of(last, alpha1);
    let whole = whole1.wrapping_sub(whole0).wrapping_add(by_axis[0].whole).wrapping_add(by_axis[1].whole);
    let inverse = 1.0 / d[c];
    let mean = (f64::from(whole) + (part1 - part0) + by_axis[0].part + by_axis[1].part) * inverse;
    let mut sample = RaySample { mean: mean * tracer.resolution, ..RaySample::default() };
    if !DERIVATIVE {
        return sample;
    }

    let (mut by_start, mut by_end) = ([0.0; 3], [0.0; 3]);
    for n in 0..2 {
        let (a, crossing, sum) = (slow[n], &crossings[n], &by_axis[n]);
        if crossing.count > 0 {
            let weighted = crossing.alpha * sum.jump + crossing.step_alpha * sum.moment;
            by_start[a] = (weighted - sum.jump) / d[a];
            by_end[a] = -weighted / d[a];
        }
    }
    for (end, jump) in [(0, -value0), (1, value1)] {
        if let Some((a, by_s, by_e)) = chord.derivative(end, &d)
            && a != c
        {
            by_start[a] += jump * by_s;
            by_end[a] += jump * by_e;
        }
    }
    let at_start = if chord.face[0].is_none() { value0 } else { 0.0 };
    let at_end = if chord.face[1].is_none() { value1 } else { 0.0 };
    let [a, b] = slow;
    by_start[c] = (mean - at_start - by_start[a] * d[a] - by_start[b] * d[b]) * inverse;
    by_end[c] = (at_end - mean - by_end[a] * d[a] - by_end[b] * d[b]) * inverse;
    sample.by_start = by_start.map(|v| v * tracer.resolution);
    sample.by_end = by_end.map(|v| v * tracer.resolution);
    sample
}

#[inline(always)]
fn limit64(x: f64, low: f64, high: f64) -> f64 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}

/// The ray along the axis of summation.
struct Along {
    /// Position in the sums of the first column's foot.
    base: i32,
    /// Height of the ray's start and its change over the ray.
    start: f64,
    slope: f64,
    /// Occupied heights.
    low: f64,
    high: f64,
    /// `α` where the occupied box is entered.
    alpha0: f64,
}

/// Sums over the crossings `own`, whose columns depend on how many crossings `other` come before each.
///
/// Both orders of calling compare the same rounded numbers, and of two crossings at the same `α` the one counts as
/// earlier that `OTHER_FIRST` says: the two sums always speak of one and the same staircase of columns.
#[inline(always)]
fn visit<const DERIVATIVE: bool, const ADJACENT: bool, const OTHER_FIRST: bool>(
    sums: &[i32],
    step: usize,
    along: &Along,
    own: &Crossings,
    other: &Crossings,
) -> Sums {
    if own.count == 0 {
        return Sums::default();
    }
    let (tau, step_tau) = ((own.alpha - along.alpha0) as f32, own.step_alpha as f32);
    let (others, rate) = (other.count as f32, if other.count > 0 { (1.0 / other.step_alpha) as f32 } else { 0.0 });
    let (other_tau, other_step) =
        if other.count > 0 { ((other.alpha - along.alpha0) as f32, other.step_alpha as f32) } else { (0.0, 0.0) };
    let height = (along.start + own.alpha * along.slope) as f32;
    let climb = (along.slope * own.step_alpha) as f32;
    let (low, high) = (along.low as f32, along.high as f32);
    let (adjacent, step32) = (if ADJACENT { 1 } else { step }, if ADJACENT { 1 } else { step as i32 });

    let mut whole = [0i32; LANES];
    let mut part = [0f32; LANES];
    let mut jump = [0f32; LANES];
    let mut moment = [0f32; LANES];
    let mut at = [0i32; LANES];
    let mut to = [0i32; LANES];
    let mut fraction = [0f32; LANES];
    let mut number = [0f32; LANES];
    let mut lower = [0i32; LANES];
    let mut upper = [0i32; LANES];
    let last = own.count as i32 - 1;
    for k0 in (0..own.count as i32).step_by(LANES) {
        for l in 0..LANES {
            let lane = k0 + l as i32;
            // Lanes beyond the last crossing repeat it without changing column: they add nothing.
            let k = if lane < last { lane } else { last };
            let stride = if lane <= last { own.stride } else { 0 };
            let kf = k as f32;
            let t = kf * step_tau + tau;
            let guess = floor_lane(limit((t - other_tau) * rate + 1.0, 0.0, others));
            let before = (guess - 1.0) * other_step + other_tau;
            let after = guess * other_step + other_tau;
            let (too_many, too_few) = if OTHER_FIRST { (before > t, after <= t) } else { (before >= t, after < t) };
            let count = limit(guess + f32::from(u8::from(too_few)) - f32::from(u8::from(too_many)), 0.0, others);
            let h = limit(kf * climb + height, low, high);
            let voxel = floor_lane(h);
            let voxel = if voxel < high - 1.0 { voxel } else { high - 1.0 };
            number[l] = kf;
            fraction[l] = h - voxel;
            let column = along.base + k * own.stride + int_lane(count) * other.stride;
            at[l] = column + int_lane(voxel) * step32;
            to[l] = at[l] + stride;
        }
        for l in 0..LANES {
            let (n, m) = (at[l] as u32 as usize, to[l] as u32 as usize);
            lower[l] = sums[n].wrapping_sub(sums[m]);
            upper[l] = sums[n + adjacent].wrapping_sub(sums[m + adjacent]);
        }
        for l in 0..LANES {
            let difference = upper[l].wrapping_sub(lower[l]) as f32;
            whole[l] = whole[l].wrapping_add(lower[l]);
            part[l] += fraction[l] * difference;
            if DERIVATIVE {
                jump[l] += difference;
                moment[l] += number[l] * difference;
            }
        }
    }
    Sums {
        whole: whole.iter().fold(0, |sum, &v| sum.wrapping_add(v)),
        part: f64::from(part.iter().sum::<f32>()),
        jump: f64::from(jump.iter().sum::<f32>()),
        moment: f64::from(moment.iter().sum::<f32>()),
    }
}
