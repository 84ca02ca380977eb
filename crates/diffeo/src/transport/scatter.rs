//! Where threads collect what their points scatter, and the sum of it all in a fixed order.
//!
//! Slabs of planes are scattered each into planes of their own, from the lowest that their points reach to the highest.
//! Slabs do not depend on the number of threads, and so neither do the sums, to the bit.

use super::squaring::Vectors;
use crate::interpolate::block::{Planes, Quad};
use crate::interpolate::buffer::Buffer;
use crate::interpolate::padded::PAD;
use crate::real::Real;
use rayon::prelude::*;
use std::ops::Range;

/// Slabs at most: as many threads find work.
const SLABS: usize = 16;
/// Planes of a slab at least: thinner ones would collect mostly outside of themselves.
const THINNEST: usize = 16;

/// Number of planes in a slab of a grid of `nz`.
pub(crate) fn slab_thickness(nz: usize) -> usize {
    nz.div_ceil(SLABS).max(THINNEST)
}

/// Planes that receive what the points of some planes scatter. Rows and planes are padded like those of `Padded`.
pub(crate) struct Slab<R: Real> {
    /// How planes are counted here.
    pub planes: Planes,
    pub data: Buffer<Quad<R>>,
}

impl<R: Real> Slab<R> {
    /// Room for the points of planes `z`, displaced by `d`, and kernels of up to four samples, `before` of them in
    /// front.
    pub fn around(d: &Vectors<R>, z: Range<usize>, before: i32) -> Self {
        let [_, ny, nz] = d.shape();
        let (mut low, mut high) = (R::zero(), R::zero());
        for z in z.clone() {
            for y in 0..ny {
                for quad in d.row(y, z) {
                    low = if quad[2] < low { quad[2] } else { low };
                    high = if quad[2] > high { quad[2] } else { high };
                }
            }
        }
        let first = (z.start as i32 - before).saturating_add(low.floor().integer());
        let last = (z.end as i32 - 1 - before + PAD as i32).saturating_add(high.floor().integer());
        let count = last.saturating_sub(first).saturating_add(1);
        // Points that go around the box are counted periodically.
        let (planes, count) = if count as usize > nz + PAD {
            (Planes::Periodic, nz + PAD)
        } else {
            (Planes::From(first), count as usize)
        };
        Self { planes, data: Buffer::new(count * d.plane_stride()) }
    }
}

/// Adds all that was collected to `p`, slab after slab and plane after plane.
pub(crate) fn reduce<R: Real>(slabs: &[Slab<R>], p: &mut Vectors<R>) {
    let [nx, ny, nz] = p.shape();
    let (row, plane) = (p.row_stride(), p.plane_stride());
    p.data_mut()[..nz * plane].par_chunks_mut(plane).enumerate().for_each(|(z, out)| {
        for slab in slabs {
            let first = match slab.planes {
                Planes::Periodic => 0,
                Planes::From(first) => first.rem_euclid(nz as i32) as usize,
            };
            let collected = slab.data.chunks_exact(plane).skip((z + nz - first) % nz).step_by(nz);
            for collected in collected {
                for (y, from) in collected.chunks_exact(row).enumerate() {
                    let to = &mut out[(y % ny) * row..][..nx];
                    // The row's own samples first, then those that repeat its beginning.
                    for part in from.chunks(nx) {
                        for (to, from) in to.iter_mut().zip(part) {
                            for c in 0..4 {
                                to[c] += from[c];
                            }
                        }
                    }
                }
            }
        }
    });
}
