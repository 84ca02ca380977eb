//! A scalar field at displaced grid points: values and exact derivatives of the interpolant in one pass.

use super::block::{LANES, Planes, Quad, locate, slopes, weights};
use super::buffer::Buffer;
use super::four::Four;
use super::kernel::{Kernel, Lagrange, Linear, Spline, Weights};
use super::padded::Padded;
use super::{fetch, prefilter};
use crate::real::Real;
use multiversion::multiversion;
use rayon::prelude::*;

/// A periodic scalar field, ready to be interpolated.
#[derive(Clone, Debug)]
pub struct Image<R: Real> {
    samples: Padded<R>,
    kernel: Kernel,
}

impl<R: Real> Image<R> {
    /// Samples of a field, x-fastest; prefiltered here where the kernel asks for it.
    pub fn new(shape: [usize; 3], samples: &[R], kernel: Kernel) -> Self {
        let copy = |samples: &[R]| {
            Padded::from_rows(shape, |y, z, row: &mut [R]| {
                row.copy_from_slice(&samples[(z * shape[1] + y) * shape[0]..][..shape[0]]);
            })
        };
        let samples = match kernel {
            Kernel::CubicSpline => {
                let mut coefficients = samples.to_vec();
                prefilter::prefilter(&mut coefficients, shape);
                copy(&coefficients)
            }
            Kernel::Linear | Kernel::CubicLagrange => copy(samples),
        };
        Self { samples, kernel }
    }

    /// Values at the grid's points displaced by so many voxels, x-fastest.
    pub fn values(&self, displacement: &Padded<Quad<R>>) -> Vec<R> {
        let mut values = vec![R::zero(); self.samples.shape().iter().product()];
        match self.kernel {
            Kernel::Linear => self.run::<Linear, 2, false>(displacement, &mut values, &mut []),
            Kernel::CubicLagrange => self.run::<Lagrange, 4, false>(displacement, &mut values, &mut []),
            Kernel::CubicSpline => self.run::<Spline, 4, false>(displacement, &mut values, &mut []),
        }
        values
    }

    /// Values at the grid's points displaced by so many voxels, and the derivatives along x, y and z per voxel.
    pub fn values_and_gradients(&self, displacement: &Padded<Quad<R>>) -> (Vec<R>, Buffer<[R; 3]>) {
        let len: usize = self.samples.shape().iter().product();
        let (mut values, mut gradients) = (vec![R::zero(); len], Buffer::new(len));
        match self.kernel {
            Kernel::Linear => self.run::<Linear, 2, true>(displacement, &mut values, &mut gradients),
            Kernel::CubicLagrange => self.run::<Lagrange, 4, true>(displacement, &mut values, &mut gradients),
            Kernel::CubicSpline => self.run::<Spline, 4, true>(displacement, &mut values, &mut gradients),
        }
        (values, gradients)
    }

    fn run<K: Weights<T>, const T: usize, const GRADIENT: bool>(
        &self,
        displacement: &Padded<Quad<R>>,
        values: &mut [R],
        gradients: &mut [[R; 3]],
    ) {
        let [nx, ny, nz] = self.samples.shape();
        let plane = nx * ny;
        let mut gradients: Vec<&mut [[R; 3]]> = if GRADIENT {
            gradients.chunks_mut(plane).collect()
        } else {
            (0..nz).map(|_| <&mut [[R; 3]]>::default()).collect()
        };
        values.par_chunks_mut(plane).zip(&mut gradients).enumerate().for_each(|(z, (values, gradients))| {
            gather_plane::<R, K, T, GRADIENT>(&self.samples, displacement, z, values, gradients);
        });
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn gather_plane<R: Real, K: Weights<T>, const T: usize, const GRADIENT: bool>(
    source: &Padded<R>,
    displacement: &Padded<Quad<R>>,
    z: usize,
    values: &mut [R],
    gradients: &mut [[R; 3]],
) {
    let nx = source.shape()[0];
    for (y, values) in values.chunks_mut(nx).enumerate() {
        let gradients = if GRADIENT { &mut gradients[y * nx..][..nx] } else { &mut [] };
        gather_row::<R, K, T, GRADIENT>(source, displacement.row(y, z), [y, z], values, gradients);
    }
}

#[inline(always)]
fn gather_row<R: Real, K: Weights<T>, const T: usize, const GRADIENT: bool>(
    source: &Padded<R>,
    displacement: &[Quad<R>],
    [y, z]: [usize; 2],
    values: &mut [R],
    gradients: &mut [[R; 3]],
) {
    let data = source.data();
    let (row, plane) = (source.row_stride(), source.plane_stride());
    for x in (0..values.len()).step_by(LANES) {
        let lanes = LANES.min(values.len() - x);
        let block = locate(&displacement[x..x + lanes], [x, y, z], source.shape(), K::BEFORE, Planes::Periodic);
        assert!(fetch::fits(&block.place, row, plane, data.len()), "places are inside the padded array");
        let w = weights::<R, K, T>(&block.fraction);
        let s = if GRADIENT { slopes::<R, K, T>(&block.fraction) } else { w };
        for l in 0..lanes {
            let place = block.place[l] as usize;
            let splat = |weights: &[R; LANES]| R::Four::splat(weights[l]);
            let zero = R::Four::splat(R::zero());
            // Sums over y and z for each of the row's samples: weighed, and with slopes along y or z instead.
            let (mut sum, mut sum_y, mut sum_z) = (zero, zero, zero);
            for kz in 0..T {
                let (mut flat, mut flat_y) = (zero, zero);
                for ky in 0..T {
                    let samples = R::Four::load(fetch::row(data, place + kz * plane + ky * row));
                    flat = flat.add(splat(&w[1][ky]).mul(samples));
                    if GRADIENT {
                        flat_y = flat_y.add(splat(&s[1][ky]).mul(samples));
                    }
                }
                sum = sum.add(splat(&w[2][kz]).mul(flat));
                if GRADIENT {
                    sum_y = sum_y.add(splat(&w[2][kz]).mul(flat_y));
                    sum_z = sum_z.add(splat(&s[2][kz]).mul(flat));
                }
            }
            let across = |weights: &[[R; LANES]; T], sums: [R; 4]| {
                let mut total = weights[0][l] * sums[0];
                for kx in 1..T {
                    total += weights[kx][l] * sums[kx];
                }
                total
            };
            values[x + l] = across(&w[0], sum.array());
            if GRADIENT {
                let [sum, sum_y, sum_z] = [sum.array(), sum_y.array(), sum_z.array()];
                gradients[x + l] = [across(&s[0], sum), across(&w[0], sum_y), across(&w[0], sum_z)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_fast_form_agrees_with_the_plain_one() {
        let shape = [21, 9, 6];
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let samples: Vec<f64> = (0..21 * 9 * 6).map(|_| random.random_range(-1.0..1.0)).collect();
        let displacement = Padded::from_rows(shape, |y, z, row: &mut [Quad<f64>]| {
            let mut random = ChaCha8Rng::seed_from_u64((100 * y + z) as u64);
            row.fill_with(|| [0, 1, 2, 3].map(|a| if a < 3 { random.random_range(-30.0..30.0) } else { 0.0 }));
        });
        for kernel in [Kernel::Linear, Kernel::CubicLagrange, Kernel::CubicSpline] {
            let image = Image::new(shape, &samples, kernel);
            let (values, gradients) = image.values_and_gradients(&displacement);
            assert_eq!(values, image.values(&displacement));
            let single: Vec<f32> = samples.iter().map(|&s| s as f32).collect();
            let moved = Padded::from_rows(shape, |y, z, row: &mut [Quad<f32>]| {
                row.iter_mut().zip(displacement.row(y, z)).for_each(|(out, d)| *out = d.map(|d| d as f32));
            });
            let (values_single, gradients_single) = Image::new(shape, &single, kernel).values_and_gradients(&moved);
            let mut coefficients = samples.clone();
            if kernel == Kernel::CubicSpline {
                prefilter::prefilter(&mut coefficients, shape);
            }
            for (i, (&value, gradient)) in values.iter().zip(gradients.iter()).enumerate() {
                let at = [i % 21, i / 21 % 9, i / 21 / 9];
                let d = displacement.row(at[1], at[2])[at[0]];
                let point = std::array::from_fn(|a| at[a] as f64 + d[a]);
                let (expected, slope) = reference::value_and_gradient(&coefficients, shape, kernel, point);
                assert!((value - expected).abs() < 1e-12, "{kernel:?} {at:?}: {value} {expected}");
                assert!((f64::from(values_single[i]) - expected).abs() < 2e-5, "{kernel:?} {at:?} in f32");
                for a in 0..3 {
                    assert!((gradient[a] - slope[a]).abs() < 1e-11, "{kernel:?} {at:?} axis {a}");
                    assert!((f64::from(gradients_single[i][a]) - slope[a]).abs() < 5e-5, "{kernel:?} {at:?} in f32");
                }
            }
        }
    }

    #[test]
    fn interpolation_converges_with_its_order() {
        let field = |x: f64, y: f64, z: f64| (x + 0.3).sin() * (2.0 * y).cos() + (z - x).sin();
        let error = |kernel: Kernel, n: usize| {
            let h = std::f64::consts::TAU / n as f64;
            let at = |i: usize| [i % n, i / n % n, i / n / n].map(|i| i as f64 * h);
            let samples: Vec<f64> = (0..n * n * n).map(at).map(|[x, y, z]| field(x, y, z)).collect();
            let d = [0.4, -0.3, 0.77];
            let displacement =
                Padded::from_rows([n; 3], |_, _, row: &mut [Quad<f64>]| row.fill([d[0], d[1], d[2], 0.0]));
            let values = Image::new([n; 3], &samples, kernel).values(&displacement);
            let wrong = |i: usize| {
                let [x, y, z] = at(i);
                (values[i] - field(x + d[0] * h, y + d[1] * h, z + d[2] * h)).abs()
            };
            (0..values.len()).map(wrong).fold(0.0, f64::max)
        };
        for (kernel, order) in [(Kernel::Linear, 2.0), (Kernel::CubicLagrange, 4.0), (Kernel::CubicSpline, 4.0)] {
            let observed = (error(kernel, 16) / error(kernel, 32)).log2();
            assert!((observed - order).abs() < 0.25, "{kernel:?}: {observed}");
        }
        assert!(error(Kernel::CubicSpline, 32) < error(Kernel::CubicLagrange, 32));
    }
}
