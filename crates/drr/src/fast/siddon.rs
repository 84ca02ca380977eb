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
use super::{LANES, fetch, floor_lane, int_lane, limit};
use crate::chord::{Chord, chord};
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

#[multiversion(targets("x86_64+avx2+bmi2+fma"))]
fn values(tracer: &Tracer, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    pipeline::<false>(tracer, rays, samples);
}

#[multiversion(targets("x86_64+avx2+bmi2+fma"))]
fn with_derivative(tracer: &Tracer, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    pipeline::<true>(tracer, rays, samples);
}

/// Rays planned ahead of the one that is summed: while sums are fetched from memory, positions are computed.
const AHEAD: usize = 2;

#[inline(always)]
fn pipeline<const DERIVATIVE: bool>(tracer: &Tracer, rays: &[(Point, Point)], samples: &mut [RaySample]) {
    let mut plans: [Plan; AHEAD + 1] = Default::default();
    for n in 0..rays.len() + AHEAD {
        if let Some((start, end)) = rays.get(n) {
            plan(tracer, start, end, &mut plans[n % (AHEAD + 1)]);
        }
        if let Some(done) = n.checked_sub(AHEAD) {
            let plan = &plans[done % (AHEAD + 1)];
            let (start, end) = &rays[done];
            samples[done] = match &plan.course {
                Course::Missed => RaySample::default(),
                Course::Slanted => tracer.plain(start, end),
                Course::Through(way) if tracer.prefix.axis == 2 => {
                    finish::<DERIVATIVE, false>(tracer, way, &plan.batches)
                }
                Course::Through(way) => finish::<DERIVATIVE, true>(tracer, way, &plan.batches),
            };
        }
    }
}

/// Where a ray changes columns.
#[derive(Default)]
struct Plan {
    course: Course,
    /// Those of the first slow axis, then those of the second.
    batches: Vec<Batch>,
}

#[derive(Default)]
enum Course {
    /// Past everything occupied.
    #[default]
    Missed,
    /// Too far from the axis of summation.
    Slanted,
    /// Through the occupied box.
    Through(Way),
}

/// The way of one ray through the occupied box.
struct Way {
    chord: Chord,
    /// Start of the ray in voxel coordinates, and its direction.
    u: Point,
    d: Vector,
    /// Positions in the sums of the feet of the first and the last column.
    ends: [usize; 2],
    crossings: [Crossings; 2],
}

/// The planes of one of the two slow axes that a ray crosses.
struct Crossings {
    /// How many.
    count: usize,
    /// `α` of the first, and from one to the next.
    alpha: f64,
    step_alpha: f64,
    /// Change of the position in the sums with each crossing.
    stride: i32,
}

/// Some crossings: positions in the sums of the lower sum of the voxel that is left and of the one that is entered,
/// and where in its voxel the ray is.
struct Batch {
    from: [i32; LANES],
    to: [i32; LANES],
    fraction: [f32; LANES],
}

#[inline(always)]
fn plan(tracer: &Tracer, start: &Point, end: &Point, plan: &mut Plan) {
    plan.batches.clear();
    plan.course = Course::Missed;
    let Some(occupied) = tracer.occupied else { return };
    let c = tracer.prefix.axis;
    let slow = [(c + 1) % 3, (c + 2) % 3];
    let d: Vector = end - start;
    let u = start + Vector::repeat(0.5);
    let low = occupied.map(|o| o[0] as f64);
    let high = occupied.map(|o| o[1] as f64);
    let Some(chord) = chord(low, high, &u, &d, tracer.clip) else { return };
    if d[slow[0]].abs().max(d[slow[1]].abs()) > MAX_SLANT * d[c].abs() {
        plan.course = Course::Slanted;
        return;
    }
    let strides = tracer.prefix.strides;
    let mut ends = [0usize; 2];
    let crossings = slow.map(|a| {
        let cell = |alpha: f64| limit64((u[a] + alpha * d[a]).floor(), low[a], high[a] - 1.0);
        let (enter, leave) = (cell(chord.alpha[0]), cell(chord.alpha[1]));
        ends[0] += enter as usize * strides[a];
        ends[1] += leave as usize * strides[a];
        let inverse = 1.0 / d[a];
        let plane = if d[a] > 0.0 { enter + 1.0 } else { enter };
        Crossings {
            count: (leave - enter).abs() as usize,
            alpha: (plane - u[a]) * inverse,
            step_alpha: inverse.abs(),
            stride: if d[a] > 0.0 { strides[a] as i32 } else { -(strides[a] as i32) },
        }
    });
    let way = Way { chord, u, d, ends, crossings };
    let heights = [low[c] as f32, high[c] as f32];
    visit::<true>(tracer.prefix, heights, &way, &way.crossings[0], &way.crossings[1], &mut plan.batches);
    visit::<false>(tracer.prefix, heights, &way, &way.crossings[1], &way.crossings[0], &mut plan.batches);
    plan.course = Course::Through(way);
}

/// Adds the crossings `own`, whose columns depend on how many crossings `other` come before each.
///
/// Both orders of calling compare the same rounded numbers, and of two crossings at the same `α` the one counts as
/// earlier that `OTHER_FIRST` says: the two sums always speak of one and the same staircase of columns.
#[inline(always)]
fn visit<const OTHER_FIRST: bool>(
    prefix: &Prefix,
    [low, high]: [f32; 2],
    way: &Way,
    own: &Crossings,
    other: &Crossings,
    batches: &mut Vec<Batch>,
) {
    let origin = way.chord.alpha[0];
    let (tau, step_tau) = ((own.alpha - origin) as f32, own.step_alpha as f32);
    let (others, rate, other_tau, other_step) = if other.count > 0 {
        let step = other.step_alpha;
        (other.count as f32, (1.0 / step) as f32, (other.alpha - origin) as f32, step as f32)
    } else {
        (0.0, 0.0, 0.0, 0.0)
    };
    let (start, slope) = (way.u[prefix.axis], way.d[prefix.axis]);
    let height = (start + own.alpha * slope) as f32;
    let climb = (slope * own.step_alpha) as f32;
    let steep = climb.abs() > 2.0;
    let (base, step) = (way.ends[0] as i32, prefix.step() as i32);
    let last = own.count as i32 - 1;
    for k0 in (0..own.count as i32).step_by(LANES) {
        let mut batch = Batch { from: [0; LANES], to: [0; LANES], fraction: [0.0; LANES] };
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
            let fewer = if too_many { guess - 1.0 } else { guess };
            let count = limit(if too_few { guess + 1.0 } else { fewer }, 0.0, others);
            let h = limit(kf * climb + height, low, high);
            let voxel = floor_lane(h);
            let voxel = if voxel < high - 1.0 { voxel } else { high - 1.0 };
            let from = base + k * own.stride + int_lane(count) * other.stride + int_lane(voxel) * step;
            batch.fraction[l] = h - voxel;
            batch.from[l] = from;
            batch.to[l] = from + stride;
        }
        // On a gentle climb a column is left close to where it was entered.
        if steep {
            fetch::prefetch(&prefix.sums, &batch.from);
        }
        fetch::prefetch(&prefix.sums, &batch.to);
        batches.push(batch);
    }
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
fn add_up<const DERIVATIVE: bool, const ADJACENT: bool>(prefix: &Prefix, batches: &[Batch]) -> Sums {
    let mut whole = [0i32; LANES];
    let mut part = [0f32; LANES];
    let mut jump = [0f32; LANES];
    let mut moment = [0f32; LANES];
    let mut number: [f32; LANES] = std::array::from_fn(|l| l as f32);
    for batch in batches {
        let [lower, upper] = fetch::differences::<ADJACENT>(&prefix.sums, &batch.from, &batch.to, prefix.step());
        for l in 0..LANES {
            let difference = upper[l].wrapping_sub(lower[l]) as f32;
            whole[l] = whole[l].wrapping_add(lower[l]);
            part[l] += batch.fraction[l] * difference;
            if DERIVATIVE {
                jump[l] += difference;
                moment[l] += number[l] * difference;
                number[l] += LANES as f32;
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

#[inline(always)]
fn finish<const DERIVATIVE: bool, const ADJACENT: bool>(tracer: &Tracer, way: &Way, batches: &[Batch]) -> RaySample {
    let Way { chord, u, d, ends, crossings } = way;
    let (prefix, c) = (tracer.prefix, tracer.prefix.axis);
    let (sums, step) = (&prefix.sums[..], prefix.step());
    let (first_axis, second_axis) = batches.split_at(crossings[0].count.div_ceil(LANES));
    let by_axis =
        [add_up::<DERIVATIVE, ADJACENT>(prefix, first_axis), add_up::<DERIVATIVE, ADJACENT>(prefix, second_axis)];

    // The running sum where the ray enters its first and leaves its last column.
    let [low, high] = tracer.occupied.map_or([0.0; 2], |o| o[c].map(|v| v as f64));
    let end_of = |end: usize| {
        let height = limit64(u[c] + chord.alpha[end] * d[c], low, high);
        let voxel = height.floor().min(high - 1.0);
        let n = ends[end] + voxel as usize * step;
        let value = f64::from(sums[n + step].wrapping_sub(sums[n]));
        (sums[n], value, (height - voxel) * value)
    };
    let (whole0, value0, part0) = end_of(0);
    let (whole1, value1, part1) = end_of(1);
    let whole = whole1.wrapping_sub(whole0).wrapping_add(by_axis[0].whole).wrapping_add(by_axis[1].whole);
    let inverse = 1.0 / d[c];
    let mean = (f64::from(whole) + (part1 - part0) + by_axis[0].part + by_axis[1].part) * inverse;
    let mut sample = RaySample { mean: mean * tracer.resolution, ..RaySample::default() };
    if !DERIVATIVE {
        return sample;
    }

    let (mut by_start, mut by_end) = ([0.0; 3], [0.0; 3]);
    let [a, b] = [(c + 1) % 3, (c + 2) % 3];
    for ((axis, crossing), sum) in [a, b].into_iter().zip(crossings).zip(&by_axis) {
        if crossing.count > 0 {
            let weighted = crossing.alpha * sum.jump + crossing.step_alpha * sum.moment;
            by_start[axis] = (weighted - sum.jump) / d[axis];
            by_end[axis] = -weighted / d[axis];
        }
    }
    for (end, jump) in [(0, -value0), (1, value1)] {
        if let Some((axis, by_s, by_e)) = chord.derivative(end, d)
            && axis != c
        {
            by_start[axis] += jump * by_s;
            by_end[axis] += jump * by_e;
        }
    }
    let at_start = if chord.face[0].is_none() { value0 } else { 0.0 };
    let at_end = if chord.face[1].is_none() { value1 } else { 0.0 };
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
