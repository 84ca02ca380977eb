//! Cubic B-spline interpolation: smooth (twice differentiable) and exact at the voxels.
//!
//! The coefficients `c` solve `Σ c[k] β³(i − k) = f[i]` with mirrored borders, by one causal and one anticausal
//! recursion along each axis. Source: M. Unser, A. Aldroubi, M. Eden, *B-spline signal processing II*, IEEE
//! Trans. Signal Processing 41 (1993); P. Thévenaz, T. Blu, M. Unser, *Interpolation revisited*, IEEE Trans.
//! Medical Imaging 19 (2000).

use crate::resample::resampled;
use crate::volume::Volume;
use rayon::prelude::*;
use regiscope_geometry::nalgebra::Affine3;
use regiscope_geometry::{Grid, Point, Vector};

/// Pole of the cubic recursion, √3 − 2.
const POLE: f32 = -0.267_949_2;
/// Terms of the causal start; what is left out is below f32's precision (0.268¹⁶ < 1e-9).
const HORIZON: usize = 16;
/// Neighbouring lines from which on their steps are divided among threads.
const WIDE: usize = 1 << 14;

/// A volume as cubic B-spline.
#[derive(Clone, Debug, PartialEq)]
pub struct CubicSpline {
    coefficients: Volume<f32>,
}

impl CubicSpline {
    /// Finds the coefficients; takes the volume's memory over.
    pub fn new(volume: Volume<f32>) -> Self {
        let mut coefficients = volume;
        let shape = coefficients.grid().shape();
        for axis in 0..3 {
            let inner: usize = shape[..axis].iter().product();
            let block = shape[axis] * inner;
            if shape[axis] > 1 {
                coefficients.data_mut().par_chunks_mut(block).for_each(|lines| filter(lines, inner));
            }
        }
        Self { coefficients }
    }

    /// Where the voxels lie.
    pub fn grid(&self) -> &Grid {
        self.coefficients.grid()
    }

    /// Value at a continuous index; `None` outside the box of the voxels. Beyond the outer centres the outer
    /// value holds.
    pub fn value(&self, index: &Point) -> Option<f32> {
        let shape = self.grid().shape();
        let mut taps = [([0usize; 4], [0.0f64; 4]); 3];
        for a in 0..3 {
            let last = (shape[a] - 1) as f64;
            // Written so that NaN is outside.
            if !(index[a] >= -0.5 && index[a] <= last + 0.5) {
                return None;
            }
            taps[a] = axis_taps(index[a].clamp(0.0, last), shape[a]);
        }
        let [(xs, wx), (ys, wy), (zs, wz)] = taps;
        let data = self.coefficients.data();
        let mut sum = 0.0;
        for (z, wz) in zs.into_iter().zip(wz) {
            for (y, wy) in ys.into_iter().zip(wy) {
                let row = shape[0] * (y + shape[1] * z);
                let along: f64 = xs.iter().zip(wx).map(|(x, w)| w * f64::from(data[row + x])).sum();
                sum += wz * wy * along;
            }
        }
        Some(sum as f32)
    }

    /// Value at a continuous index and its derivative along the index axes, in f64; `None` outside the box of the
    /// voxels. Beyond the outer centres the outer value holds, so the derivative along that axis is 0 there.
    pub fn value_and_gradient(&self, index: &Point) -> Option<(f64, Vector)> {
        let shape = self.grid().shape();
        let mut taps = [([0usize; 4], [0.0f64; 4]); 3];
        let mut slopes = [[0.0f64; 4]; 3];
        for a in 0..3 {
            let last = (shape[a] - 1) as f64;
            // Written so that NaN is outside.
            if !(index[a] >= -0.5 && index[a] <= last + 0.5) {
                return None;
            }
            taps[a] = axis_taps(index[a].clamp(0.0, last), shape[a]);
            if index[a] >= 0.0 && index[a] <= last {
                slopes[a] = axis_slopes(index[a], shape[a]);
            }
        }
        let [(xs, wx), (ys, wy), (zs, wz)] = taps;
        let data = self.coefficients.data();
        let mut value = 0.0;
        let mut gradient = Vector::zeros();
        for ((z, wz), sz) in zs.into_iter().zip(wz).zip(slopes[2]) {
            for ((y, wy), sy) in ys.into_iter().zip(wy).zip(slopes[1]) {
                let row = shape[0] * (y + shape[1] * z);
                let (mut along, mut slope) = (0.0, 0.0);
                for n in 0..4 {
                    let c = f64::from(data[row + xs[n]]);
                    along += wx[n] * c;
                    slope += slopes[0][n] * c;
                }
                value += wz * wy * along;
                gradient += Vector::new(wz * wy * slope, wz * sy * along, sz * wy * along);
            }
        }
        Some((value, gradient))
    }

    /// Samples the spline at the voxels of `target`, as [`crate::resample::resampled_linear`] does for linear
    /// weights.
    pub fn resampled(&self, target: &Grid, source_from_target: &Affine3<f64>, outside: f32) -> Volume<f32> {
        resampled(self.grid(), target, source_from_target, outside, |index| self.value(index))
    }
}

/// The four coefficients around `x` (0 to n − 1) and their weights.
fn axis_taps(x: f64, n: usize) -> ([usize; 4], [f64; 4]) {
    if n == 1 {
        return ([0; 4], [1.0, 0.0, 0.0, 0.0]);
    }
    let low = (x as usize).min(n - 2);
    let t = x - low as f64;
    let s = 1.0 - t;
    let weights =
        [s * s * s / 6.0, 2.0 / 3.0 - t * t * (2.0 - t) / 2.0, 2.0 / 3.0 - s * s * (2.0 - s) / 2.0, t * t * t / 6.0];
    let before = if low == 0 { 1 } else { low - 1 };
    let after = if low + 2 < n { low + 2 } else { n - 2 };
    ([before, low, low + 1, after], weights)
}

/// Derivatives of the weights of [`axis_taps`].
fn axis_slopes(x: f64, n: usize) -> [f64; 4] {
    if n == 1 {
        return [0.0; 4];
    }
    let low = (x as usize).min(n - 2);
    let t = x - low as f64;
    let s = 1.0 - t;
    [-0.5 * s * s, t * (1.5 * t - 2.0), -s * (1.5 * s - 2.0), 0.5 * t * t]
}

/// Turns samples into coefficients along lines of one block: sample `i` of line `l` is element `i · inner + l`.
fn filter(block: &mut [f32], inner: usize) {
    let n = block.len() / inner;
    // Causal start: Σ z^k f[k], mirrored at the border.
    let mut start = vec![0.0; inner];
    let mut power = 1.0;
    for k in 0..HORIZON {
        let period = 2 * (n - 1);
        let at = (k % period).min(period - k % period);
        combine(&mut start, &block[at * inner..][..inner], |c, f| c + power * f);
        power *= POLE;
    }
    block[..inner].copy_from_slice(&start);
    for i in 1..n {
        let (before, now) = block.split_at_mut(i * inner);
        combine(&mut now[..inner], &before[(i - 1) * inner..], |f, c| f + POLE * c);
    }
    let (before, last) = block.split_at_mut((n - 1) * inner);
    let end = POLE / (POLE * POLE - 1.0);
    combine(last, &before[(n - 2) * inner..], |c, previous| end * (c + POLE * previous));
    for i in (0..n - 1).rev() {
        let (now, after) = block.split_at_mut((i + 1) * inner);
        combine(&mut now[i * inner..], &after[..inner], |c, next| POLE * (next - c));
    }
    // The gain of the two recursions.
    for c in block {
        *c *= 6.0;
    }
}

/// `to = f(to, from)` for each element.
fn combine(to: &mut [f32], from: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    let each = |(to, from): (&mut [f32], &[f32])| {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = f(*to, from);
        }
    };
    if to.len() < WIDE {
        each((to, from));
    } else {
        to.par_chunks_mut(WIDE / 4).zip(from.par_chunks(WIDE / 4)).for_each(each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(shape: [usize; 3], f: impl Fn([f64; 3]) -> f64) -> Volume<f32> {
        let grid = Grid::centred(shape, [1.0, 1.5, 2.0]).unwrap();
        let at = |n: usize| [n % shape[0], n / shape[0] % shape[1], n / (shape[0] * shape[1])].map(|i| i as f64);
        let data = (0..grid.len()).map(|n| f(at(n)) as f32).collect();
        Volume::new(grid, data)
    }

    #[test]
    fn voxels_are_met() {
        for shape in [[7, 6, 5], [2, 3, 2], [1, 1, 9], [130, 129, 3]] {
            let volume = volume(shape, |[x, y, z]| ((x * 7.0 + y * 13.0 + z * 29.0) % 11.0) * 100.0 - 300.0);
            let spline = CubicSpline::new(volume.clone());
            let same = spline.resampled(volume.grid(), &Affine3::identity(), f32::NAN);
            for (a, b) in same.data().iter().zip(volume.data()) {
                assert!((a - b).abs() < 2e-3, "{shape:?}: {a} {b}");
            }
        }
    }

    #[test]
    fn cubics_are_reproduced_away_from_the_border() {
        let cubic = |[x, y, z]: [f64; 3]| (0.01 * x - 0.2) * x * x + 0.5 * x * y * z - 0.03 * y * y + z;
        let spline = CubicSpline::new(volume([40, 40, 40], cubic));
        for p in [[18.25, 20.5, 21.75], [19.0, 19.5, 20.125]] {
            let found = f64::from(spline.value(&p.into()).unwrap());
            assert!((found - cubic(p)).abs() < 1e-6 * 5000.0, "{found} {}", cubic(p));
        }
    }

    #[test]
    fn the_error_falls_with_the_fourth_power_of_the_step() {
        let error = |n: usize| {
            let step = 8.0 / n as f64;
            let wave = |x: f64| (x * step).sin();
            let spline = CubicSpline::new(volume([4 * n + 1, 1, 1], |[x, _, _]| wave(x)));
            (n..3 * n).map(|i| i as f64 + 0.5).fold(0.0f64, |worst, x| {
                worst.max((f64::from(spline.value(&Point::new(x, 0.0, 0.0)).unwrap()) - wave(x)).abs())
            })
        };
        let order = (error(8) / error(16)).log2();
        assert!(order > 3.5, "{order}");
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        for shape in [[9, 8, 7], [2, 5, 3], [1, 6, 2]] {
            let spline = CubicSpline::new(volume(shape, |[x, y, z]| ((x * 7.0 + y * 13.0 + z * 29.0) % 11.0) - 3.0));
            for p in [[0.3f64, 0.6, 0.2], [0.9, 1.45, 0.55]] {
                let index = Point::new(p[0].min(shape[0] as f64 - 1.0), p[1], p[2]);
                let (value, gradient) = spline.value_and_gradient(&index).unwrap();
                assert!((value - f64::from(spline.value(&index).unwrap())).abs() < 1e-5);
                for a in 0..3 {
                    let step = Vector::ith(a, 1e-5);
                    if shape[a] == 1 {
                        assert_eq!(gradient[a], 0.0);
                        continue;
                    }
                    let at = |p: Point| spline.value_and_gradient(&p).unwrap().0;
                    let slope = (at(index + step) - at(index - step)) / 2e-5;
                    assert!((slope - gradient[a]).abs() < 1e-6 * (1.0 + slope.abs()), "{shape:?} {slope} {gradient}");
                }
            }
        }
        let spline = CubicSpline::new(volume([4, 4, 4], |[x, y, z]| x + y * z));
        assert_eq!(spline.value_and_gradient(&Point::new(-0.4, 1.0, 1.0)).unwrap().1.x, 0.0);
        assert_eq!(spline.value_and_gradient(&Point::new(-0.6, 1.0, 1.0)), None);
    }

    #[test]
    fn nothing_lies_outside() {
        let spline = CubicSpline::new(volume([4, 4, 4], |[x, _, _]| x));
        assert_eq!(spline.value(&Point::new(-0.6, 0.0, 0.0)), None);
        assert_eq!(spline.value(&Point::new(f64::NAN, 0.0, 0.0)), None);
        assert!(spline.value(&Point::new(-0.4, 3.4, 0.0)).unwrap().abs() < 1e-5);
    }
}
