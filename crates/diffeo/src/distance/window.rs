//! Windows of local statistics: separable periodic weighted means.

use crate::real::Real;
use rayon::prelude::*;

/// The shape of a window, in voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Window {
    /// Equal weights in a cube of `2 radius + 1` voxels a side.
    Box {
        /// Voxels on either side of the middle.
        radius: usize,
    },
    /// Gaussian weights, cut at three standard deviations.
    Gaussian {
        /// Standard deviation.
        sigma: f64,
    },
}

impl Window {
    /// Weights from the middle outwards; both sides together sum to one.
    fn weights(self) -> Vec<f64> {
        match self {
            Self::Box { radius } => vec![1.0 / (2 * radius + 1) as f64; radius + 1],
            Self::Gaussian { sigma } => {
                let radius = (3.0 * sigma).ceil().clamp(0.0, 1e3) as usize;
                let weight = |k: usize| if k == 0 { 1.0 } else { (-0.5 * (k as f64 / sigma).powi(2)).exp() };
                let total: f64 = 1.0 + 2.0 * (1..=radius).map(weight).sum::<f64>();
                (0..=radius).map(|k| weight(k) / total).collect()
            }
        }
    }

    /// The mean of `field` in the window around every sample. The operator is symmetric.
    pub fn mean<R: Real>(self, field: &[R], shape: [usize; 3]) -> Vec<R> {
        let [nx, ny, nz] = shape;
        let weights: Vec<R> = self.weights().into_iter().map(R::of).collect();
        let pass = |from: &[R], row_of: &(dyn Fn(usize, usize, isize) -> (usize, usize) + Sync)| {
            let mut out = vec![R::zero(); from.len()];
            out.par_chunks_mut(nx * ny).enumerate().for_each(|(z, plane)| {
                for (y, out) in plane.chunks_exact_mut(nx).enumerate() {
                    let row = |distance: isize| {
                        let (y, z) = row_of(y, z, distance);
                        &from[(z * ny + y) * nx..][..nx]
                    };
                    out.iter_mut().zip(row(0)).for_each(|(out, &f)| *out = weights[0] * f);
                    for (k, &weight) in weights.iter().enumerate().skip(1) {
                        let (before, after) = (row(-(k as isize)), row(k as isize));
                        for ((out, &a), &b) in out.iter_mut().zip(before).zip(after) {
                            *out += weight * (a + b);
                        }
                    }
                }
            });
            out
        };
        let shift = |i: usize, distance: isize, n: usize| (i as isize + distance).rem_euclid(n as isize) as usize;
        let along_z = pass(field, &|y, z, distance| (y, shift(z, distance, nz)));
        let mut out = pass(&along_z, &|y, z, distance| (shift(y, distance, ny), z));
        out.par_chunks_mut(nx).for_each_init(Vec::new, |padded, row| {
            let radius = weights.len() - 1;
            padded.clear();
            padded.extend((0..nx + 2 * radius).map(|x| row[shift(x, -(radius as isize), nx)]));
            row.iter_mut().zip(&padded[radius..]).for_each(|(out, &f)| *out = weights[0] * f);
            for (k, &weight) in weights.iter().enumerate().skip(1) {
                let sides = padded[radius - k..].iter().zip(&padded[radius + k..]);
                row.iter_mut().zip(sides).for_each(|(out, (&a, &b))| *out += weight * (a + b));
            }
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_symmetric_means_even_where_they_are_wider_than_the_box() {
        let shape = [7, 4, 6];
        let a: Vec<f64> = (0..168).map(|i| f64::from(i * i % 31)).collect();
        let b: Vec<f64> = (0..168).map(|i| f64::from(i * 7 % 29)).collect();
        for window in [Window::Box { radius: 2 }, Window::Gaussian { sigma: 1.3 }, Window::Box { radius: 5 }] {
            assert!(window.mean(&[2.5f64; 168], shape).iter().all(|m| (m - 2.5).abs() < 1e-12));
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let (left, right) = (dot(&window.mean(&a, shape), &b), dot(&a, &window.mean(&b, shape)));
            assert!((left - right).abs() < 1e-9);
        }
        let mut point = vec![0.0f64; 168];
        point[7 * 4 + 7 + 1] = 125.0;
        let spread = Window::Box { radius: 2 }.mean(&point, [7, 4, 6]);
        // The row of four is wrapped: the sample two behind and two ahead are one and the same.
        assert!((spread[7 * 4 + 7 + 3] - 1.0).abs() < 1e-12 && (spread[7 * 4 + 3 * 7 + 1] - 2.0).abs() < 1e-12);
        assert_eq!(spread[7 * 4 + 7 + 4], 0.0);
    }
}
