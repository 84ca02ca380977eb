//! Zeroed memory for large arrays that come and go.
//!
//! Arrays of a few megabytes and more are mapped on their own and, where the system can, backed by huge pages: to
//! touch fresh memory page by page costs more than a linear interpolation of what is written there.

use bytemuck::Pod;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Arrays of fewer bytes are allocated as usual.
const LARGE: usize = 1 << 22;

/// A fixed number of elements, zero at first.
pub struct Buffer<E> {
    storage: Storage<E>,
    len: usize,
}

enum Storage<E> {
    Heap(Vec<E>),
    Pages(MmapMut),
}

impl<E: Pod> Buffer<E> {
    /// `len` elements of zero.
    pub fn new(len: usize) -> Self {
        let bytes = len.saturating_mul(size_of::<E>());
        let pages = if bytes < LARGE { None } else { MmapMut::map_anon(bytes).ok() };
        let storage = match pages {
            Some(pages) => {
                // Without huge pages the memory serves as well, more slowly.
                #[cfg(target_os = "linux")]
                let _ = pages.advise(memmap2::Advice::HugePage);
                Storage::Pages(pages)
            }
            None => Storage::Heap(vec![E::zeroed(); len]),
        };
        Self { storage, len }
    }
}

impl<E: Pod> Deref for Buffer<E> {
    type Target = [E];

    #[inline]
    fn deref(&self) -> &[E] {
        match &self.storage {
            Storage::Heap(elements) => elements,
            Storage::Pages(pages) => &bytemuck::cast_slice(pages)[..self.len],
        }
    }
}

impl<E: Pod> DerefMut for Buffer<E> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [E] {
        match &mut self.storage {
            Storage::Heap(elements) => elements,
            Storage::Pages(pages) => &mut bytemuck::cast_slice_mut(pages)[..self.len],
        }
    }
}

impl<E: Pod> Clone for Buffer<E> {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl<E> std::fmt::Debug for Buffer<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Buffer of {}", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_buffers_start_with_zeros_and_keep_what_is_written() {
        for len in [0, 5, LARGE / 4 + 3] {
            let mut buffer = Buffer::<f32>::new(len);
            assert!(buffer.len() == len && buffer.iter().all(|&x| x == 0.0));
            if let Some(last) = buffer.last_mut() {
                *last = 2.0;
                assert_eq!(buffer.clone()[len - 1], 2.0);
            }
        }
    }
}
