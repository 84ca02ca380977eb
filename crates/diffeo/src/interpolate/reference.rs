//! Interpolation written plainly: one point at a time, indices taken modulo the shape.
//!
//! The fast forms are compared with these; points anywhere (landmarks, other grids) use them as they are.

use super::kernel::{Kernel, Lagrange, Linear, Spline, Weights};
use crate::real::Real;

/// One axis of a neighbourhood: indices of the samples, their weights and the weights' slopes.
struct Axis {
    count: usize,
    index: [usize; 4],
    weight: [f64; 4],
    slope: [f64; 4],
}

fn axis(kernel: Kernel, position: f64, n: usize) -> Axis {
    fn fill<K: Weights<T>, const T: usize>(position: f64, n: usize) -> Axis {
        let cell = position.floor();
        let (w, s) = (K::weights(position - cell), K::slopes(position - cell));
        let first = (cell as i64).saturating_sub(i64::from(K::BEFORE));
        let mut axis = Axis { count: T, index: [0; 4], weight: [0.0; 4], slope: [0.0; 4] };
        for k in 0..T {
            axis.index[k] = first.saturating_add(k as i64).rem_euclid(n as i64) as usize;
            axis.weight[k] = w[k];
            axis.slope[k] = s[k];
        }
        axis
    }
    match kernel {
        Kernel::Linear => fill::<Linear, 2>(position, n),
        Kernel::CubicLagrange => fill::<Lagrange, 4>(position, n),
        Kernel::CubicSpline => fill::<Spline, 4>(position, n),
    }
}

/// Value and derivatives along x, y and z, per voxel, at `point` (continuous indices) of a periodic field of `shape`,
/// x-fastest. For [`Kernel::CubicSpline`] the field is its coefficients ([`super::prefilter::prefilter`]).
pub fn value_and_gradient<R: Real>(field: &[R], shape: [usize; 3], kernel: Kernel, point: [f64; 3]) -> (f64, [f64; 3]) {
    let axes: [Axis; 3] = std::array::from_fn(|a| axis(kernel, point[a], shape[a]));
    let (mut value, mut gradient) = (0.0, [0.0; 3]);
    for kz in 0..axes[2].count {
        for ky in 0..axes[1].count {
            for kx in 0..axes[0].count {
                let [ix, iy, iz] = [axes[0].index[kx], axes[1].index[ky], axes[2].index[kz]];
                let sample = field[(iz * shape[1] + iy) * shape[0] + ix].wide();
                let w = [axes[0].weight[kx], axes[1].weight[ky], axes[2].weight[kz]];
                value += sample * w[0] * w[1] * w[2];
                gradient[0] += sample * axes[0].slope[kx] * w[1] * w[2];
                gradient[1] += sample * w[0] * axes[1].slope[ky] * w[2];
                gradient[2] += sample * w[0] * w[1] * axes[2].slope[kz];
            }
        }
    }
    (value, gradient)
}

/// The transpose of taking the value at `point`: adds `amount` to the field's samples by their weights.
pub fn scatter<R: Real>(field: &mut [R], shape: [usize; 3], kernel: Kernel, point: [f64; 3], amount: f64) {
    let axes: [Axis; 3] = std::array::from_fn(|a| axis(kernel, point[a], shape[a]));
    for kz in 0..axes[2].count {
        for ky in 0..axes[1].count {
            for kx in 0..axes[0].count {
                let [ix, iy, iz] = [axes[0].index[kx], axes[1].index[ky], axes[2].index[kz]];
                let weight = axes[0].weight[kx] * axes[1].weight[ky] * axes[2].weight[kz];
                field[(iz * shape[1] + iy) * shape[0] + ix] += R::of(amount * weight);
            }
        }
    }
}
