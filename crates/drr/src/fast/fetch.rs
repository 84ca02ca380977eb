//! Reading many scattered places of an array: the one place of this crate with `unsafe` code.
#![allow(unsafe_code)]

use super::LANES;

/// Asks for the cache lines of the given positions.
#[inline(always)]
pub(crate) fn prefetch(data: &[i32], positions: &[i32; LANES]) {
    #[cfg(target_arch = "x86_64")]
    for &n in positions {
        let place = data.as_ptr().wrapping_add(n as u32 as usize);
        // SAFETY: a prefetch reads nothing and cannot fault, whatever the address; SSE is part of x86-64.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (data, positions);
}

/// `data[from] − data[to]` and `data[from + step] − data[to + step]` for each lane, wrapping.
///
/// # Panics
/// If a position lies outside the array.
#[inline(always)]
pub(crate) fn differences<const ADJACENT: bool>(
    data: &[i32],
    from: &[i32; LANES],
    to: &[i32; LANES],
    step: usize,
) -> [[i32; LANES]; 2] {
    let mut highest = 0u32;
    for l in 0..LANES {
        let higher = (from[l] as u32).max(to[l] as u32);
        highest = highest.max(higher);
    }
    let step = if ADJACENT { 1 } else { step };
    assert!((highest as usize).saturating_add(step) < data.len(), "columns lie inside the volume");
    let (mut left, mut right) = ([0u64; LANES], [0u64; LANES]);
    // SAFETY: every position is at most `highest`, and `highest + step` is inside `data` by the assertion above.
    let pair = |n: i32| unsafe {
        let place = data.as_ptr().add(n as u32 as usize);
        if ADJACENT && cfg!(target_endian = "little") {
            place.cast::<u64>().read_unaligned()
        } else {
            u64::from(place.read() as u32) | u64::from(place.add(step).read() as u32) << 32
        }
    };
    for l in 0..LANES {
        left[l] = pair(from[l]);
        right[l] = pair(to[l]);
    }
    let (mut lower, mut upper) = ([0i32; LANES], [0i32; LANES]);
    for l in 0..LANES {
        lower[l] = (left[l] as i32).wrapping_sub(right[l] as i32);
        upper[l] = ((left[l] >> 32) as i32).wrapping_sub((right[l] >> 32) as i32);
    }
    [lower, upper]
}

/// `data[n]` for each lane.
///
/// # Panics
/// If a position lies outside the array.
#[inline(always)]
pub(crate) fn gather(data: &[f32], at: &[i32; LANES]) -> [f32; LANES] {
    let mut highest = 0u32;
    for &n in at {
        highest = highest.max(n as u32);
    }
    assert!((highest as usize) < data.len(), "samples lie inside the volume");
    let mut values = [0.0f32; LANES];
    for l in 0..LANES {
        // SAFETY: every position is at most `highest`, which is inside `data` by the assertion above.
        values[l] = unsafe { *data.get_unchecked(at[l] as u32 as usize) };
    }
    values
}
