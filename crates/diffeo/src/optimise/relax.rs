//! Smoothing a velocity where its map leaves a range of det F, and nowhere else.
//!
//! A map tends to fold at a few places only, long before the rest has got as far as it can. A larger weight β would hold
//! back all of it. Here v becomes v + μ (G∗v − v) with a Gaussian G of the width of the finest wave that v can hold, and a
//! window μ that is one around samples with such a det F and fades out at four such widths.

use super::reduction::Reduction;
use crate::coefficients::Coefficients;
use crate::field::VectorField;
use crate::real::Real;
use rayon::prelude::*;

/// How often a velocity is smoothed before one gives up.
pub const ROUNDS: usize = 4;

/// Samples this close to the bound, as a factor, are smoothed with those beyond it.
const MARGIN: f64 = 1.25;
/// Where the window ends, in samples of a grid that could just carry the velocity.
const REACH: usize = 4;

/// Whether det F is within a range.
pub fn within([least, largest]: [f64; 2], range: [f64; 2]) -> bool {
    least >= range[0] && largest <= range[1]
}

/// One where det F is outside `range` or close to its ends, zero elsewhere.
pub fn outside<T: Real>(determinant: &[T], range: [f64; 2]) -> Vec<T> {
    let [least, largest] = [T::of(range[0] * MARGIN), T::of(range[1] / MARGIN)];
    let mark = |d: &T| if *d >= least && *d <= largest { T::zero() } else { T::one() };
    determinant.par_iter().map(mark).collect()
}

/// Smooths the velocity of `unknown` around the samples marked in `marks` on the grid of `reduction`.
///
/// `velocity` is work space of the grid's size.
pub fn relax<T: Real>(
    reduction: &Reduction<T>,
    marks: Vec<T>,
    unknown: &mut Coefficients<T>,
    velocity: &mut VectorField<T>,
) {
    let (shape, band) = (reduction.shape(), reduction.band());
    let ratio = [0, 1, 2].map(|a| shape[a] as f64 / band[a] as f64);
    let window = spread(shape, marks, ratio.map(|r| (REACH as f64 * r).ceil() as usize));
    let mut scratch = unknown.clone();
    reduction.velocity(unknown, &mut scratch, velocity);
    let mut smooth = crate::field::zeros(window.len());
    reduction.smooth_velocity(unknown, &mut scratch, &mut smooth);
    for (v, smooth) in velocity.iter_mut().zip(&smooth) {
        v.par_iter_mut().zip(smooth).zip(&window).for_each(|((v, &smooth), &w)| *v += w * (smooth - *v));
    }
    *unknown = reduction.unknown_of(velocity);
}

/// The largest of the marks' windows at every sample of a periodic grid: products of profiles along the axes, so that the
/// largest can be taken axis by axis.
fn spread<T: Real>(shape: [usize; 3], marks: Vec<T>, reach: [usize; 3]) -> Vec<T> {
    let [nx, ny, nz] = shape;
    let mut field = marks;
    for axis in 0..3 {
        let n = shape[axis];
        let profile: Vec<T> = (0..=reach[axis].min(n / 2)).map(|d| T::of(profile(d, reach[axis]))).collect();
        let source = field;
        field = vec![T::zero(); nx * ny * nz];
        field.par_chunks_mut(nx * ny).enumerate().for_each(|(z, plane)| {
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                for (d, &weight) in profile.iter().enumerate() {
                    for shift in [d, n - d] {
                        let at = |i: usize, along: usize| if axis == along { (i + shift) % n } else { i };
                        let from = &source[(at(z, 2) * ny + at(y, 1)) * nx..][..nx];
                        // A row is turned around its end where it is the one that is shifted.
                        let (before, after) = from.split_at(at(0, 0));
                        for (out, &mark) in row.iter_mut().zip(after.iter().chain(before)) {
                            let value = weight * mark;
                            if value > *out {
                                *out = value;
                            }
                        }
                    }
                }
            }
        });
    }
    field
}

/// One up to half the reach, from there smoothly to zero beyond it.
fn profile(distance: usize, reach: usize) -> f64 {
    let t = (2.0 * distance as f64 / (reach + 1) as f64 - 1.0).clamp(0.0, 1.0);
    1.0 - t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::zeros;
    use crate::grid::Grid;
    use crate::regularisation::Model;
    use crate::transport::map::{SQUARINGS, determinant, displacement};

    #[test]
    fn windows_are_whole_at_marks_and_end_at_their_reach_around_the_box() {
        let shape = [12, 10, 9];
        let mut marks = vec![0.0; 12 * 10 * 9];
        marks[(8 * 10 + 1) * 12 + 11] = 1.0;
        let window = spread(shape, marks, [4, 2, 3]);
        let at = |x: usize, y: usize, z: usize| window[(z * 10 + y) * 12 + x];
        assert_eq!([at(11, 1, 8), at(1, 1, 8), at(9, 1, 8)], [1.0; 3], "up to half the reach");
        assert!(at(3, 1, 8) > 0.0 && at(3, 1, 8) == at(7, 1, 8), "the same on both sides, across the border");
        assert_eq!([at(4, 1, 8), at(11, 4, 8), at(11, 1, 3)], [0.0; 3]);
        let expected = profile(3, 4) * profile(2, 2) * profile(2, 3);
        assert!((at(2, 3, 1) - expected).abs() < 1e-15);
    }

    #[test]
    fn a_folding_velocity_is_mended_there_and_kept_elsewhere() {
        let grid = Grid::new([48, 40, 44], [1.0; 3]);
        // A gentle wave everywhere and a sharp bump that folds its map.
        let place = |i: usize| [i % 48, i / 48 % 40, i / 48 / 40].map(|i| i as f64);
        let bump = |i: usize| {
            let [x, y, z] = place(i);
            let r = (x - 24.0).powi(2) + (y - 20.0).powi(2) + (z - 22.0).powi(2);
            -(x - 24.0) * (-r / 12.0).exp() * 0.6
        };
        let h = grid.step(0);
        let gentle: Vec<f64> =
            (0..grid.len()).map(|i| 2.0 * h * (std::f64::consts::TAU * place(i)[1] / 40.0).sin()).collect();
        let sharp: Vec<f64> = (0..grid.len()).map(|i| h * bump(i) * 3.0).collect();
        let velocity: VectorField<f64> =
            [gentle.iter().zip(&sharp).map(|(g, s)| g + s).collect(), gentle.clone(), vec![0.0; grid.len()]];
        let reduction = Reduction::new(&grid, [32, 28, 30], Model::H1Div.regularisation(0.1));
        let mut unknown = reduction.unknown_of(&velocity);
        let mut work = zeros(grid.len());
        let range = [0.3, 1.0 / 0.3];
        let ends = |det: &[f64]| det.iter().fold([f64::MAX, 0.0f64], |[a, b], &d| [a.min(d), b.max(d)]);
        let mut rounds = 0;
        loop {
            reduction.velocity(&unknown, &mut unknown.clone(), &mut work);
            let det = determinant(grid.shape, &displacement(&grid, &work, SQUARINGS));
            if within(ends(&det), range) {
                break;
            }
            rounds += 1;
            assert!(rounds <= 2 * ROUNDS, "{:?}", ends(&det));
            relax(&reduction, outside(&det, range), &mut unknown, &mut work);
        }
        assert!(rounds > 0, "the velocity folded");
        for i in (0..grid.len()).filter(|&i| place(i)[0] < 6.0) {
            assert!((work[1][i] - gentle[i]).abs() < 0.02 * h, "far away nothing changed");
        }
    }
}
