//! Composition of a displacement with itself: s(x) = d(x) + d(x + d(x)), its tangent and its transpose.
//!
//! With weights w_c(x) of the samples around x + d(x):
//!
//! - s(x) = d(x) + Σ w_c d_c,
//! - tangent: δs(x) = δd(x) + Σ (w_c δd_c + (∇w_c·δd(x)) d_c),
//! - transpose: p ↦ p(x) + G(x)ᵀp(x) + Aᵀp with the derivative G of the interpolant and the scatter Aᵀ of the weights.
//!
//! All of them are exact for the discrete map. Every pass takes a factor, since half a squaring of −h·u is Heun's
//! second-order step.

use super::scatter::{Slab, reduce, slab_thickness};
use crate::interpolate::block::{Block, LANES, Planes, Quad, locate, slopes, weights};
use crate::interpolate::fetch;
use crate::interpolate::four::Four;
use crate::interpolate::kernel::{Kernel, Lagrange, Linear, Weights};
use crate::interpolate::padded::Padded;
use crate::real::Real;
use multiversion::multiversion;
use rayon::prelude::*;

/// Displacements or other vectors on the grid, in voxels.
pub type Vectors<R> = Padded<Quad<R>>;

/// How displacements are continued between their samples: the kernels that need no prefilter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapKernel {
    /// See [`Kernel::Linear`].
    Linear,
    /// See [`Kernel::CubicLagrange`].
    CubicLagrange,
}

impl From<MapKernel> for Kernel {
    fn from(kernel: MapKernel) -> Self {
        match kernel {
            MapKernel::Linear => Self::Linear,
            MapKernel::CubicLagrange => Self::CubicLagrange,
        }
    }
}

/// factor · (d(x) + d(x + d(x))).
pub fn square<R: Real>(d: &Vectors<R>, factor: R, kernel: MapKernel) -> Vectors<R> {
    match kernel {
        MapKernel::Linear => Padded::from_rows(d.shape(), |y, z, out| square_row::<R, Linear, 2>(d, factor, y, z, out)),
        MapKernel::CubicLagrange => {
            Padded::from_rows(d.shape(), |y, z, out| square_row::<R, Lagrange, 4>(d, factor, y, z, out))
        }
    }
}

/// The derivative of [`square`] in the direction `change`, written to `out`.
pub fn square_tangent<R: Real>(
    d: &Vectors<R>,
    change: &Vectors<R>,
    factor: R,
    kernel: MapKernel,
    out: &mut Vectors<R>,
) {
    match kernel {
        MapKernel::Linear => out.write_rows(|y, z, out| tangent_row::<R, Linear, 2>(d, change, factor, y, z, out)),
        MapKernel::CubicLagrange => {
            out.write_rows(|y, z, out| tangent_row::<R, Lagrange, 4>(d, change, factor, y, z, out));
        }
    }
}

/// The transpose of [`square_tangent`], applied in place. Repeated samples of `p` are neither read nor written.
pub fn square_transpose<R: Real>(d: &Vectors<R>, p: &mut Vectors<R>, factor: R, kernel: MapKernel) {
    match kernel {
        MapKernel::Linear => transpose::<R, Linear, 2>(d, p, factor),
        MapKernel::CubicLagrange => transpose::<R, Lagrange, 4>(d, p, factor),
    }
}

/// Σ over the row's samples, weight times sample.
#[inline(always)]
fn across<R: Real, const T: usize>(weights: &[R::Four; T], samples: &[Quad<R>; T]) -> R::Four {
    let mut total = weights[0].mul(R::Four::load(&samples[0]));
    for k in 1..T {
        total = total.add(weights[k].mul(R::Four::load(&samples[k])));
    }
    total
}

/// The weights of one point, each four times.
#[inline(always)]
fn spread<R: Real, const T: usize>(weights: &[[R; LANES]; T], l: usize) -> [R::Four; T] {
    std::array::from_fn(|k| R::Four::splat(weights[k][l]))
}

#[inline(always)]
fn block_of<R: Real, K: Weights<T>, const T: usize>(
    d: &Vectors<R>,
    displacement: &[Quad<R>],
    at: [usize; 3],
) -> Block<R> {
    let block = locate(displacement, at, d.shape(), K::BEFORE, Planes::Periodic);
    let inside = fetch::fits(&block.place, d.row_stride(), d.plane_stride(), d.data().len());
    assert!(inside, "places are inside the padded array");
    block
}

#[multiversion(targets("x86_64+avx2"))]
fn square_row<R: Real, K: Weights<T>, const T: usize>(
    d: &Vectors<R>,
    factor: R,
    y: usize,
    z: usize,
    out: &mut [Quad<R>],
) {
    let (data, here) = (d.data(), d.row(y, z));
    let (row, plane) = (d.row_stride(), d.plane_stride());
    for x in (0..out.len()).step_by(LANES) {
        let lanes = LANES.min(out.len() - x);
        let block = block_of::<R, K, T>(d, &here[x..x + lanes], [x, y, z]);
        let w = weights::<R, K, T>(&block.fraction);
        for l in 0..lanes {
            let wx = spread::<R, T>(&w[0], l);
            let mut sum = R::Four::load(&here[x + l]);
            for kz in 0..T {
                for ky in 0..T {
                    let place = block.place[l] as usize + kz * plane + ky * row;
                    let along = across::<R, T>(&wx, fetch::row(data, place));
                    sum = sum.add(R::Four::splat(w[2][kz][l] * w[1][ky][l]).mul(along));
                }
            }
            out[x + l] = R::Four::splat(factor).mul(sum).array();
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn tangent_row<R: Real, K: Weights<T>, const T: usize>(
    d: &Vectors<R>,
    change: &Vectors<R>,
    factor: R,
    y: usize,
    z: usize,
    out: &mut [Quad<R>],
) {
    let (data, changed) = (d.data(), change.data());
    let (here, moved) = (d.row(y, z), change.row(y, z));
    let (row, plane) = (d.row_stride(), d.plane_stride());
    assert_eq!(data.len(), changed.len(), "both fields are on one grid");
    for x in (0..out.len()).step_by(LANES) {
        let lanes = LANES.min(out.len() - x);
        let block = block_of::<R, K, T>(d, &here[x..x + lanes], [x, y, z]);
        let w = weights::<R, K, T>(&block.fraction);
        let s = slopes::<R, K, T>(&block.fraction);
        for l in 0..lanes {
            let delta = moved[x + l];
            let (wx, sx) = (spread::<R, T>(&w[0], l), spread::<R, T>(&s[0], l));
            let mut sum = R::Four::load(&delta);
            for kz in 0..T {
                for ky in 0..T {
                    let place = block.place[l] as usize + kz * plane + ky * row;
                    let samples = fetch::row(data, place);
                    let changes = across::<R, T>(&wx, fetch::row(changed, place));
                    let weight = w[2][kz][l] * w[1][ky][l];
                    let turned = w[2][kz][l] * s[1][ky][l] * delta[1] + s[2][kz][l] * w[1][ky][l] * delta[2];
                    sum = sum.add(R::Four::splat(weight).mul(changes));
                    sum = sum.add(R::Four::splat(turned).mul(across::<R, T>(&wx, samples)));
                    sum = sum.add(R::Four::splat(weight * delta[0]).mul(across::<R, T>(&sx, samples)));
                }
            }
            out[x + l] = R::Four::splat(factor).mul(sum).array();
        }
    }
}

fn transpose<R: Real, K: Weights<T>, const T: usize>(d: &Vectors<R>, p: &mut Vectors<R>, factor: R) {
    let [_, _, nz] = d.shape();
    let plane = p.plane_stride();
    let thickness = slab_thickness(nz);
    let slabs: Vec<Slab<R>> = p.data_mut()[..nz * plane]
        .par_chunks_mut(thickness * plane)
        .enumerate()
        .map(|(i, p)| {
            let first = i * thickness;
            let last = (first + thickness).min(nz);
            let mut slab = Slab::around(d, first..last, K::BEFORE);
            for z in first..last {
                transpose_plane::<R, K, T>(d, &mut p[(z - first) * plane..][..plane], factor, z, &mut slab);
            }
            slab
        })
        .collect();
    reduce(&slabs, p);
}

#[multiversion(targets("x86_64+avx2"))]
fn transpose_plane<R: Real, K: Weights<T>, const T: usize>(
    d: &Vectors<R>,
    p: &mut [Quad<R>],
    factor: R,
    z: usize,
    slab: &mut Slab<R>,
) {
    let [nx, ny, _] = d.shape();
    let (row, plane) = (d.row_stride(), d.plane_stride());
    let (data, planes, target_data) = (d.data(), slab.planes, &mut slab.data[..]);
    for y in 0..ny {
        let here = d.row(y, z);
        let p = &mut p[y * row..][..nx];
        for x in (0..nx).step_by(LANES) {
            let lanes = LANES.min(nx - x);
            let block = block_of::<R, K, T>(d, &here[x..x + lanes], [x, y, z]);
            let target = locate(&here[x..x + lanes], [x, y, z], d.shape(), K::BEFORE, planes);
            let inside = fetch::fits(&target.place, row, plane, target_data.len());
            assert!(inside, "the slab holds all that its points reach");
            let w = weights::<R, K, T>(&block.fraction);
            let s = slopes::<R, K, T>(&block.fraction);
            for l in 0..lanes {
                let q = R::Four::splat(factor).mul(R::Four::load(&p[x + l]));
                let (wx, sx) = (spread::<R, T>(&w[0], l), spread::<R, T>(&s[0], l));
                let amounts = wx.map(|weight| weight.mul(q));
                let zero = R::Four::splat(R::zero());
                let mut derivative = [zero; 3];
                for kz in 0..T {
                    for ky in 0..T {
                        let offset = kz * plane + ky * row;
                        let samples = fetch::row(data, block.place[l] as usize + offset);
                        let out = fetch::row_mut::<_, T>(target_data, target.place[l] as usize + offset);
                        let weight = R::Four::splat(w[2][kz][l] * w[1][ky][l]);
                        for (out, amount) in out.iter_mut().zip(amounts) {
                            *out = R::Four::load(out).add(weight.mul(amount)).array();
                        }
                        let along = across::<R, T>(&wx, samples);
                        let terms = [
                            weight.mul(across::<R, T>(&sx, samples)),
                            R::Four::splat(w[2][kz][l] * s[1][ky][l]).mul(along),
                            R::Four::splat(s[2][kz][l] * w[1][ky][l]).mul(along),
                        ];
                        derivative.iter_mut().zip(terms).for_each(|(sum, term)| *sum = sum.add(term));
                    }
                }
                let [gx, gy, gz] = derivative.map(|g| g.mul(q).array()).map(|g| g[0] + g[1] + g[2]);
                p[x + l] = R::Four::load(&[gx, gy, gz, R::zero()]).add(q).array();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpolate::reference;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const SHAPE: [usize; 3] = [19, 8, 35];

    fn random(seed: u64, size: f64) -> Vectors<f64> {
        Padded::from_rows(SHAPE, |y, z, row: &mut [Quad<f64>]| {
            let mut random = ChaCha8Rng::seed_from_u64(seed + (100 * y + z) as u64);
            row.fill_with(|| [0, 1, 2, 3].map(|c| if c < 3 { random.random_range(-size..size) } else { 0.0 }));
        })
    }

    fn samples(field: &Vectors<f64>) -> Vec<Quad<f64>> {
        (0..SHAPE[2]).flat_map(|z| (0..SHAPE[1]).flat_map(move |y| field.row(y, z).to_vec())).collect()
    }

    fn inner(a: &Vectors<f64>, b: &Vectors<f64>) -> f64 {
        samples(a).iter().zip(&samples(b)).map(|(a, b)| (0..3).map(|c| a[c] * b[c]).sum::<f64>()).sum()
    }

    #[test]
    fn squaring_agrees_with_plain_interpolation() {
        let d = random(1, 3.0);
        let all = samples(&d);
        for kernel in [MapKernel::Linear, MapKernel::CubicLagrange] {
            let squared = samples(&square(&d, 0.5, kernel));
            for c in 0..3 {
                let component: Vec<f64> = all.iter().map(|quad| quad[c]).collect();
                for (i, here) in all.iter().enumerate() {
                    let at = [i % 19, i / 19 % 8, i / 19 / 8];
                    let point = std::array::from_fn(|a| at[a] as f64 + here[a]);
                    let (there, _) = reference::value_and_gradient(&component, SHAPE, kernel.into(), point);
                    assert!((squared[i][c] - 0.5 * (here[c] + there)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn the_tangent_is_the_derivative() {
        let (d, change) = (random(2, 2.0), random(3, 1.0));
        let mut tangent = Padded::new(SHAPE);
        for kernel in [MapKernel::Linear, MapKernel::CubicLagrange] {
            square_tangent(&d, &change, 0.7, kernel, &mut tangent);
            let moved = |e: f64| {
                let moved = Padded::from_rows(SHAPE, |y, z, row: &mut [Quad<f64>]| {
                    for ((out, d), c) in row.iter_mut().zip(d.row(y, z)).zip(change.row(y, z)) {
                        *out = std::array::from_fn(|a| d[a] + e * c[a]);
                    }
                });
                samples(&square(&moved, 0.7, kernel))
            };
            let (up, down) = (moved(1e-6), moved(-1e-6));
            for (i, t) in samples(&tangent).iter().enumerate() {
                for c in 0..3 {
                    let difference = (up[i][c] - down[i][c]) / 2e-6;
                    assert!((t[c] - difference).abs() < 1e-6, "{kernel:?} sample {i}: {} {difference}", t[c]);
                }
            }
        }
    }

    #[test]
    fn tangent_and_transpose_are_adjoint() {
        // Small moves, moves around the whole box, and more threads than planes.
        for (size, threads) in [(0.4, 1), (2.5, 2), (2.5, 3), (40.0, 2), (2.0, 16)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let (d, change, p) = (random(4, size), random(5, 1.0), random(6, 1.0));
            for kernel in [MapKernel::Linear, MapKernel::CubicLagrange] {
                pool.install(|| {
                    let mut tangent = Padded::new(SHAPE);
                    square_tangent(&d, &change, 0.5, kernel, &mut tangent);
                    let mut q = p.clone();
                    square_transpose(&d, &mut q, 0.5, kernel);
                    let (left, right) = (inner(&tangent, &p), inner(&change, &q));
                    let scale = inner(&p, &p).sqrt() * inner(&tangent, &tangent).sqrt();
                    assert!((left - right).abs() < 1e-13 * scale, "{kernel:?} {size} {threads}: {left} {right}");
                });
            }
        }
    }

    #[test]
    fn the_transpose_is_the_same_to_the_bit_for_every_number_of_threads() {
        let (d, p) = (random(4, 2.5), random(6, 1.0));
        let transposed = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let mut q = p.clone();
            pool.install(|| square_transpose(&d, &mut q, 0.5, MapKernel::Linear));
            samples(&q)
        };
        let one = transposed(1);
        assert!([2, 3, 7].into_iter().all(|threads| transposed(threads) == one));
    }

    #[test]
    fn displacements_that_are_not_numbers_do_no_harm() {
        let mut d = random(7, 1.0);
        d.write_rows(|_, _, row| row[3] = [f64::NAN, 1e300, f64::NEG_INFINITY, 0.0]);
        let mut p = random(8, 1.0);
        square_transpose(&d, &mut p, 1.0, MapKernel::CubicLagrange);
        assert!(samples(&square(&d, 1.0, MapKernel::Linear)).iter().any(|quad| quad[0].is_finite()));
    }
}
