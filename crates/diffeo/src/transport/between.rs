//! Displacements from a coarser grid of the box to a finer one, and the transpose of that.
//!
//! A velocity of low wavenumbers makes a smooth map. Its flow may then be followed on a coarser grid than that of the
//! images: a vector field there costs a third (1.5 times coarser) or an eighth (twice) of one here, in time and in memory.
//! What is left to do on the images' grid is to look up the last displacement between the samples of the coarser grid,
//! which lie regularly: by cubic Lagrange weights along one axis after the other, without a gather.

use super::squaring::Vectors;
use crate::interpolate::block::Quad;
use crate::interpolate::four::Four;
use crate::interpolate::kernel::{Lagrange, Weights};
use crate::interpolate::padded::Padded;
use crate::real::Real;
use rayon::prelude::*;

/// Samples weighed along an axis.
const TAPS: usize = 4;

/// Fine planes brought to the coarse grid's rows at a time.
pub(crate) const TOGETHER: usize = 64;

/// The way between two grids of one box whose first samples lie at the same place.
#[derive(Clone, Debug)]
pub struct Between<R> {
    coarse: [usize; 3],
    fine: [usize; 3],
    /// For every fine sample along each axis: the coarse samples around it and their weights.
    taps: [Vec<[(usize, R); TAPS]>; 3],
    /// For every coarse plane: the fine planes that it has a weight in.
    planes: Vec<Vec<(usize, R)>>,
    /// Fine voxels of a coarse voxel along each axis.
    ratio: [R; 4],
}

impl<R: Real> Between<R> {
    /// From a grid of shape `coarse` to one of shape `fine`.
    pub fn new(coarse: [usize; 3], fine: [usize; 3]) -> Self {
        let taps = [0, 1, 2].map(|a: usize| {
            let (from, to) = (coarse[a], fine[a]);
            let tap = |i: usize| {
                // The place of fine sample i is i · from / to.
                let (low, rest) = (i * from / to, i * from % to);
                let weights = Lagrange::weights(R::of(rest as f64 / to as f64));
                std::array::from_fn(|k| ((low + from + k - 1) % from, weights[k]))
            };
            (0..to).map(tap).collect::<Vec<[(usize, R); TAPS]>>()
        });
        let mut planes = vec![Vec::new(); coarse[2]];
        for (z, taps) in taps[2].iter().enumerate() {
            for &(plane, weight) in taps {
                planes[plane].push((z, weight));
            }
        }
        let ratio = [0, 1, 2, 3].map(|a| if a < 3 { R::of(fine[a] as f64 / coarse[a] as f64) } else { R::zero() });
        Self { coarse, fine, taps, planes, ratio }
    }

    /// Displacements, in voxels of the coarse grid there, in those of the fine grid here: `see(row, item)` is shown every fine
    /// row with the one of `items` that belongs to it, of which there are as many as rows.
    pub fn each_row<E: Send>(&self, coarse: &Vectors<R>, items: &mut [E], see: impl Fn(&[Quad<R>], &mut E) + Sync) {
        items.par_chunks_mut(self.fine[1]).enumerate().for_each_init(
            || self.scratch(),
            |scratch, (z, items)| self.plane(coarse, z, scratch, |y, row| see(row, &mut items[y])),
        );
    }

    /// The same displacements as a field.
    pub fn prolong(&self, coarse: &Vectors<R>) -> Vectors<R> {
        let mut out = Padded::new(self.fine);
        let [nx, _, nz] = self.fine;
        let (row, plane) = (out.row_stride(), out.plane_stride());
        out.data_mut()[..nz * plane].par_chunks_mut(plane).enumerate().for_each_init(
            || self.scratch(),
            |scratch, (z, out)| {
                self.plane(coarse, z, scratch, |y, from| out[y * row..][..nx].copy_from_slice(from));
            },
        );
        out.repeat();
        out
    }

    /// The transpose of [`Self::prolong`] times `factor`, of the fine field whose rows `fill(y, z, row)` writes.
    pub fn restrict(&self, factor: R, fill: impl Fn(usize, usize, &mut [Quad<R>]) + Sync) -> Vectors<R> {
        let [nx, ny, nz] = self.fine;
        let [mx, my, _] = self.coarse;
        let scale = self.ratio.map(|ratio| factor * ratio);
        let mut out = Padded::new(self.coarse);
        let (row, plane) = (out.row_stride(), out.plane_stride());
        // Some planes at a time, so that what lies between the grids stays small: rows and columns first, plane by plane.
        let mut flat = crate::interpolate::Buffer::new(mx * my * TOGETHER.min(nz));
        for first in (0..nz).step_by(TOGETHER) {
            let last = (first + TOGETHER).min(nz);
            let flat = &mut flat[..mx * my * (last - first)];
            flat.par_chunks_mut(mx * my).zip(first..last).for_each_init(
                || (vec![[R::zero(); 4]; nx], vec![[R::zero(); 4]; mx]),
                |(row, narrow), (out, z): (&mut [Quad<R>], usize)| {
                    out.fill([R::zero(); 4]);
                    for y in 0..ny {
                        fill(y, z, row);
                        narrow.fill([R::zero(); 4]);
                        for (from, taps) in row.iter().zip(&self.taps[0]) {
                            let from = R::Four::load(&scale).mul(R::Four::load(from));
                            for &(x, weight) in taps {
                                add(&mut narrow[x], from, weight);
                            }
                        }
                        for &(to, weight) in &self.taps[1][y] {
                            for (out, from) in out[to * mx..][..mx].iter_mut().zip(&*narrow) {
                                add(out, R::Four::load(from), weight);
                            }
                        }
                    }
                },
            );
            out.data_mut()[..self.planes.len() * plane].par_chunks_mut(plane).zip(&self.planes).for_each(
                |(out, sources)| {
                    for &(z, weight) in sources.iter().filter(|(z, _)| (first..last).contains(z)) {
                        for (y, from) in flat[(z - first) * mx * my..][..mx * my].chunks_exact(mx).enumerate() {
                            for (out, from) in out[y * row..][..mx].iter_mut().zip(from) {
                                add(out, R::Four::load(from), weight);
                            }
                        }
                    }
                },
            );
        }
        out
    }

    /// Rows of fine plane `z`.
    fn plane(
        &self,
        coarse: &Vectors<R>,
        z: usize,
        (flat, narrow, wide): &mut Scratch<R>,
        mut see: impl FnMut(usize, &[Quad<R>]),
    ) {
        let [mx, my, _] = self.coarse;
        for (y, out) in flat.chunks_exact_mut(mx).enumerate().take(my) {
            weigh(&self.taps[2][z], |z| coarse.row(y, z), out);
        }
        let ratio = R::Four::load(&self.ratio);
        for (y, taps) in self.taps[1].iter().enumerate() {
            weigh(taps, |y| &flat[y * mx..][..mx], narrow);
            for (out, taps) in wide.iter_mut().zip(&self.taps[0]) {
                let term = |k: usize| R::Four::splat(taps[k].1).mul(R::Four::load(&narrow[taps[k].0]));
                let sum = term(0).add(term(1)).add(term(2)).add(term(3));
                *out = ratio.mul(sum).array();
            }
            see(y, wide);
        }
    }

    fn scratch(&self) -> Scratch<R> {
        let zero = [R::zero(); 4];
        (vec![zero; self.coarse[0] * self.coarse[1]], vec![zero; self.coarse[0]], vec![zero; self.fine[0]])
    }
}

/// A plane of coarse rows, one of its rows, and a fine row.
type Scratch<R> = (Vec<Quad<R>>, Vec<Quad<R>>, Vec<Quad<R>>);

#[inline(always)]
fn add<R: Real>(out: &mut Quad<R>, from: R::Four, weight: R) {
    *out = R::Four::load(out).add(R::Four::splat(weight).mul(from)).array();
}

/// The sum of four rows by their weights.
#[inline(always)]
fn weigh<'a, R: Real>(taps: &[(usize, R); TAPS], row: impl Fn(usize) -> &'a [Quad<R>], out: &mut [Quad<R>]) {
    let weights = taps.map(|(_, weight)| R::Four::splat(weight));
    let rows = taps.map(|(at, _)| &row(at)[..out.len()]);
    for (x, out) in out.iter_mut().enumerate() {
        let term = |k: usize| weights[k].mul(R::Four::load(&rows[k][x]));
        *out = term(0).add(term(1)).add(term(2)).add(term(3)).array();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn field(shape: [usize; 3], f: impl Fn([f64; 3]) -> [f64; 3] + Sync) -> Vectors<f64> {
        Padded::from_rows(shape, |y, z, row: &mut [Quad<f64>]| {
            for (x, out) in row.iter_mut().enumerate() {
                let at = [x, y, z];
                let [a, b, c] = f([0, 1, 2].map(|a| TAU * at[a] as f64 / shape[a] as f64));
                *out = [a, b, c, 0.0];
            }
        })
    }

    fn samples(field: &Vectors<f64>) -> Vec<Quad<f64>> {
        let [_, ny, nz] = field.shape();
        (0..nz).flat_map(|z| (0..ny).flat_map(move |y| field.row(y, z).to_vec())).collect()
    }

    fn waves([x, y, z]: [f64; 3]) -> [f64; 3] {
        [(x + 0.3).sin() * z.cos(), (2.0 * y).cos() + x.sin(), (z - y).sin()]
    }

    #[test]
    fn displacements_between_samples_converge_with_order_four() {
        let error = |n: usize| {
            let (coarse, fine) = ([n, n + 2, n], [n * 3 / 2, 2 * n + 4, n * 5 / 4]);
            let found = samples(&Between::new(coarse, fine).prolong(&field(coarse, waves)));
            let expected = samples(&field(fine, waves));
            let ratio = [0, 1, 2].map(|a| fine[a] as f64 / coarse[a] as f64);
            let wrong =
                |(f, e): (&Quad<f64>, &Quad<f64>)| (0..3).map(|a| (f[a] / ratio[a] - e[a]).abs()).fold(0.0, f64::max);
            found.iter().zip(&expected).map(wrong).fold(0.0, f64::max)
        };
        let order = (error(24) / error(48)).log2();
        assert!((order - 4.0).abs() < 0.3, "{order}");
        let same = field([8, 7, 6], waves);
        assert_eq!(samples(&Between::new([8, 7, 6], [8, 7, 6]).prolong(&same)), samples(&same));
    }

    #[test]
    fn restriction_is_the_transpose() {
        let (coarse, fine) = ([6, 5, 100], [9, 8, 150]);
        let between = Between::new(coarse, fine);
        let a = field(coarse, |[x, y, z]| [(7.0 * x * y).sin(), (5.0 * z + x * x).cos(), (9.0 * y * z).sin()]);
        let b = field(fine, |[x, y, z]| [(8.0 * x * z).cos(), (6.0 * y + z * z).sin(), (5.0 * x * y).cos()]);
        let inner = |a: &Vectors<f64>, b: &Vectors<f64>| -> f64 {
            samples(a).iter().zip(&samples(b)).map(|(a, b)| (0..3).map(|c| a[c] * b[c]).sum::<f64>()).sum()
        };
        let down = between.restrict(0.5, |y, z, row| row.copy_from_slice(b.row(y, z)));
        let (left, right) = (0.5 * inner(&between.prolong(&a), &b), inner(&a, &down));
        assert!((left - right).abs() < 1e-12 * right.abs(), "{left} {right}");
        let mut all = vec![[0.0; 4]; 9 * 8 * 150];
        let mut rows: Vec<&mut [Quad<f64>]> = all.chunks_mut(9).collect();
        between.each_row(&a, &mut rows, |row, out| out.copy_from_slice(row));
        assert_eq!(all, samples(&between.prolong(&a)));
    }
}
