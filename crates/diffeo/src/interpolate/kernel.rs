//! Interpolation kernels: weights of the samples around a point, and their derivatives.

use crate::real::Real;

/// How a field is continued between its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Two samples along each axis, error of order 2.
    Linear,
    /// Four samples along each axis, the cubic polynomial through them, error of order 4, continuous.
    CubicLagrange,
    /// Cubic B-spline through the samples, error of order 4, two continuous derivatives. The samples are prefiltered
    /// into coefficients first.
    CubicSpline,
}

/// Weights of `T` neighbouring samples along one axis for a point at `fraction` ∈ [0, 1] of its cell.
pub trait Weights<const T: usize>: 'static {
    /// Number of weighed samples that lie before the cell's first one.
    const BEFORE: i32;

    /// The weights; they sum to one.
    fn weights<R: Real>(fraction: R) -> [R; T];

    /// Derivatives of the weights by the fraction.
    fn slopes<R: Real>(fraction: R) -> [R; T];
}

/// Weights of [`Kernel::Linear`].
pub struct Linear;

/// Weights of [`Kernel::CubicLagrange`].
pub struct Lagrange;

/// Weights of [`Kernel::CubicSpline`], which apply to the coefficients.
pub struct Spline;

impl Weights<2> for Linear {
    const BEFORE: i32 = 0;

    #[inline(always)]
    fn weights<R: Real>(t: R) -> [R; 2] {
        [R::one() - t, t]
    }

    #[inline(always)]
    fn slopes<R: Real>(_: R) -> [R; 2] {
        [-R::one(), R::one()]
    }
}

impl Weights<4> for Lagrange {
    const BEFORE: i32 = 1;

    #[inline(always)]
    fn weights<R: Real>(t: R) -> [R; 4] {
        let (before, after, far) = (t + R::one(), t - R::one(), t - R::of(2.0));
        let (sixth, half) = (R::of(1.0 / 6.0), R::of(0.5));
        let (inner, outer) = (t * after, before * far);
        [-sixth * inner * far, half * outer * after, -half * outer * t, sixth * inner * before]
    }

    #[inline(always)]
    fn slopes<R: Real>(t: R) -> [R; 4] {
        let (sixth, half) = (R::of(1.0 / 6.0), R::of(0.5));
        let (two, three) = (R::of(2.0), R::of(3.0));
        let square = three * t * t;
        [
            -sixth * (square - R::of(6.0) * t + two),
            half * (square - R::of(4.0) * t - R::one()),
            -half * (square - two * t - two),
            sixth * (square - R::one()),
        ]
    }
}

impl Weights<4> for Spline {
    const BEFORE: i32 = 1;

    #[inline(always)]
    fn weights<R: Real>(t: R) -> [R; 4] {
        let s = R::one() - t;
        let (sixth, two_thirds, half) = (R::of(1.0 / 6.0), R::of(2.0 / 3.0), R::of(0.5));
        let (t2, s2) = (t * t, s * s);
        [sixth * s * s2, two_thirds - t2 + half * t2 * t, two_thirds - s2 + half * s2 * s, sixth * t * t2]
    }

    #[inline(always)]
    fn slopes<R: Real>(t: R) -> [R; 4] {
        let s = R::one() - t;
        let (half, three_halves, two) = (R::of(0.5), R::of(1.5), R::of(2.0));
        let (t2, s2) = (t * t, s * s);
        [-half * s2, three_halves * t2 - two * t, two * s - three_halves * s2, half * t2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laws<K: Weights<T>, const T: usize>(moments: &[f64]) {
        for i in 0..=10 {
            let t = f64::from(i) / 10.0;
            let (w, s) = (K::weights(t), K::slopes(t));
            let e = 1e-6;
            let (up, down) = (K::weights(t + e), K::weights(t - e));
            for k in 0..T {
                assert!((s[k] - (up[k] - down[k]) / (2.0 * e)).abs() < 1e-9, "slope {k} at {t}");
            }
            for (power, &extra) in moments.iter().enumerate() {
                let power = power as i32;
                let sum: f64 = (0..T).map(|k| w[k] * f64::from(k as i32 - K::BEFORE).powi(power)).sum();
                assert!((sum - t.powi(power) - extra).abs() < 1e-12, "moment {power} at {t}");
            }
        }
    }

    #[test]
    fn weights_reproduce_polynomials_and_slopes_are_their_derivatives() {
        laws::<Linear, 2>(&[0.0, 0.0]);
        laws::<Lagrange, 4>(&[0.0, 0.0, 0.0, 0.0]);
        // B-splines reproduce squares up to the variance of the kernel, which the prefilter takes away.
        laws::<Spline, 4>(&[0.0, 0.0, 1.0 / 3.0]);
    }
}
