//! Short rows at scattered places of an array: with `four` the only place of this crate with `unsafe` code.
#![allow(unsafe_code)]

use super::padded::PAD;

/// Whether four samples of each of four rows of four planes, from any of the places, lie inside an array of `len`
/// elements. A kernel of two samples asks for as much; the repeated samples make room for it.
#[inline(always)]
pub(crate) fn fits(places: &[u32], row: usize, plane: usize, len: usize) -> bool {
    let mut highest = 0;
    for &place in places {
        highest = highest.max(place);
    }
    highest as usize + PAD * (plane + row + 1) < len
}

/// The `T` elements from `place` on.
///
/// Callers have asked [`fits`] about the neighbourhood that the row belongs to.
#[inline(always)]
pub(crate) fn row<E, const T: usize>(data: &[E], place: usize) -> &[E; T] {
    debug_assert!(place + T <= data.len());
    // SAFETY: the row ends inside `data`, as `fits` found for its neighbourhood.
    unsafe { &*data.as_ptr().add(place).cast::<[E; T]>() }
}

/// The `T` elements from `place` on, to be changed.
///
/// Callers have asked [`fits`] about the neighbourhood that the row belongs to.
#[inline(always)]
pub(crate) fn row_mut<E, const T: usize>(data: &mut [E], place: usize) -> &mut [E; T] {
    debug_assert!(place + T <= data.len());
    // SAFETY: the row ends inside `data`, as `fits` found for its neighbourhood; the borrow of `data` is exclusive.
    unsafe { &mut *data.as_mut_ptr().add(place).cast::<[E; T]>() }
}
