//! Fast forms of the projectors: many crossings or samples of one ray at a time in lanes of fixed width, compiled
//! for several instruction sets of which the best is chosen at run time.
//!
//! Lane arithmetic is single precision, set up for each ray in double precision. No operation is contracted or
//! reordered, so that every instruction set gives the same bits.

mod fetch;
pub mod joseph;
pub mod prefix;
pub mod siddon;
pub mod trilinear;

/// Number of lanes.
pub(crate) const LANES: usize = 16;

/// Whether positions in a volume of this shape can be held in lanes.
pub(crate) fn accepts(shape: [usize; 3]) -> bool {
    shape.iter().all(|&n| n <= MAX_EXTENT)
        && shape[0] * shape[1] <= MAX_PLANE
        && shape.iter().product::<usize>() <= MAX_VOXELS
}

/// Largest extent along an axis, voxels in a plane and in all, that positions in lanes can address.
const MAX_EXTENT: usize = 1 << 20;
const MAX_PLANE: usize = 1 << 24;
const MAX_VOXELS: usize = (1 << 31) - 2 * MAX_PLANE;

/// Adding this to a number of magnitude below 2²² rounds it to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Integer part of `x ∈ [0, 2²¹)`. An exact integer may give one less, which leaves a fraction of 1.
#[inline(always)]
pub(crate) fn floor_lane(x: f32) -> f32 {
    ((x - 0.5) + ROUND) - ROUND
}

/// An integer-valued float of magnitude below 2²¹ as integer.
#[inline(always)]
pub(crate) fn int_lane(x: f32) -> i32 {
    ((x + ROUND).to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32)
}

/// `x` limited to `[low, high]`, in the form that compiles to two instructions.
#[inline(always)]
pub(crate) fn limit(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > low { x } else { low };
    if x < high { x } else { high }
}
