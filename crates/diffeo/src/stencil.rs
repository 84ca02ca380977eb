//! First derivatives by periodic central differences.
//!
//! They serve where no Fourier transform is worth its cost: determinants of smooth maps, normalised gradients of
//! images, blocks of preconditioners. The operator is antisymmetric: its transpose is its negative.

use crate::real::Real;
use rayon::prelude::*;

/// Weights of the samples at distance 1, 2, … (those on the other side with the opposite sign).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Error of order 2.
    Second,
    /// Error of order 8: below 1e-3 relative for waves of more than four samples.
    Eighth,
}

impl Difference {
    fn weights(self) -> &'static [f64] {
        match self {
            Self::Second => &[0.5],
            Self::Eighth => &[4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0],
        }
    }
}

/// Adds factor · (derivative of `field` along `axis`, per sample) to `out`.
pub fn add_derivative<R: Real>(
    field: &[R],
    shape: [usize; 3],
    axis: usize,
    difference: Difference,
    factor: f64,
    out: &mut [R],
) {
    out.par_chunks_mut(shape[0] * shape[1]).enumerate().for_each(|(z, out)| {
        add_plane_derivative(field, shape, axis, difference, factor, z, out);
    });
}

/// [`add_derivative`] for plane `z` alone.
pub fn add_plane_derivative<R: Real>(
    field: &[R],
    shape: [usize; 3],
    axis: usize,
    difference: Difference,
    factor: f64,
    z: usize,
    out: &mut [R],
) {
    let [nx, ny, nz] = shape;
    let row = |y: usize, z: usize| &field[(z * ny + y) * nx..][..nx];
    for (y, out) in out.chunks_exact_mut(nx).enumerate() {
        for (k, weight) in difference.weights().iter().enumerate() {
            let weight = R::of(factor * weight);
            let distance = k + 1;
            let around = |i: usize, n: usize| [(i + distance) % n, (i + n - distance % n) % n];
            match axis {
                0 => along_row(row(y, z), distance, weight, out),
                1 => {
                    let [after, before] = around(y, ny);
                    add_difference(row(after, z), row(before, z), weight, out);
                }
                _ => {
                    let [after, before] = around(z, nz);
                    add_difference(row(y, after), row(y, before), weight, out);
                }
            }
        }
    }
}

fn add_difference<R: Real>(after: &[R], before: &[R], weight: R, out: &mut [R]) {
    for ((out, &after), &before) in out.iter_mut().zip(after).zip(before) {
        *out += weight * (after - before);
    }
}

fn along_row<R: Real>(row: &[R], distance: usize, weight: R, out: &mut [R]) {
    let n = row.len();
    if n > 2 * distance {
        add_difference(&row[2 * distance..], &row[..n - 2 * distance], weight, &mut out[distance..n - distance]);
        for x in (0..distance).chain(n - distance..n) {
            out[x] += weight * (row[(x + distance) % n] - row[(x + n - distance) % n]);
        }
    } else {
        for (x, out) in out.iter_mut().enumerate() {
            *out += weight * (row[(x + distance) % n] - row[(x + n - distance % n) % n]);
        }
    }
}

/// The derivatives of a field along all axes, each times its factor.
pub fn gradient<R: Real>(field: &[R], shape: [usize; 3], difference: Difference, factor: [f64; 3]) -> [Vec<R>; 3] {
    std::array::from_fn(|axis| {
        let mut out = vec![R::zero(); field.len()];
        add_derivative(field, shape, axis, difference, factor[axis], &mut out);
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn differences_converge_with_their_order_along_every_axis() {
        for (difference, order, coarse, fine) in [(Difference::Second, 2.0, 16, 32), (Difference::Eighth, 8.0, 16, 32)]
        {
            for axis in 0..3 {
                let error = |n: usize| {
                    let mut shape = [5, 3, 4];
                    shape[axis] = n;
                    let index = |i: usize| [i % shape[0], i / shape[0] % shape[1], i / shape[0] / shape[1]];
                    let angle = |i: usize| TAU * index(i)[axis] as f64 / n as f64;
                    let field: Vec<f64> = (0..shape.iter().product()).map(|i| (2.0 * angle(i)).sin()).collect();
                    let slope = &gradient(&field, shape, difference, [n as f64 / TAU; 3])[axis];
                    (0..field.len()).map(|i| (slope[i] - 2.0 * (2.0 * angle(i)).cos()).abs()).fold(0.0, f64::max)
                };
                let observed = (error(coarse) / error(fine)).log2();
                assert!((observed - order).abs() < 0.3, "{difference:?} axis {axis}: {observed}");
            }
        }
    }

    #[test]
    fn the_transpose_is_the_negative() {
        let shape = [7, 3, 5];
        let a: Vec<f64> = (0..105).map(|i| f64::from(i * i % 31)).collect();
        let b: Vec<f64> = (0..105).map(|i| f64::from(i * 7 % 29)).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for difference in [Difference::Second, Difference::Eighth] {
            let (da, db) = (gradient(&a, shape, difference, [1.0; 3]), gradient(&b, shape, difference, [1.0; 3]));
            for axis in 0..3 {
                assert!((dot(&da[axis], &b) + dot(&a, &db[axis])).abs() < 1e-9);
            }
        }
    }
}
