//! Distances of images: value, derivative by the warped image, and a positive semi-definite curvature.
//!
//! Values are integrals over the box in units of length; derivatives and curvatures are densities, so that they mean
//! the same on every grid: the change of the value is Σ slope(x) δm(x) times the volume of a cell.

mod ssd;

use crate::grid::Grid;
use crate::real::Real;

/// How unlike two images are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// ½ ∫ w (m − r)², the sum of squared differences.
    SumOfSquares,
}

/// A distance at one warped image.
#[derive(Clone, Debug)]
pub struct Comparison<R> {
    /// The distance.
    pub value: f64,
    /// Its derivative by the warped image, as a density.
    pub slope: Vec<R>,
    /// Its curvature.
    pub curvature: Curvature<R>,
}

/// The Gauss-Newton curvature of a distance: a symmetric positive semi-definite operator on changes of the warped
/// image.
#[derive(Clone, Debug)]
pub enum Curvature<R> {
    /// A number for all samples, times the mask.
    Constant(R),
}

/// The two images that are compared, both x-fastest on one grid, and the weight of every sample.
#[derive(Clone, Copy)]
pub struct Pair<'a, R> {
    /// The grid of all of them.
    pub grid: &'a Grid,
    /// The warped moving image.
    pub warped: &'a [R],
    /// The fixed image.
    pub fixed: &'a [R],
    /// Weights, not negative; without them every sample counts.
    pub mask: Option<&'a [R]>,
}

impl Distance {
    /// The distance of a pair with its derivative and curvature.
    pub fn compare<R: Real>(&self, pair: Pair<R>) -> Comparison<R> {
        match self {
            Self::SumOfSquares => ssd::compare(pair),
        }
    }
}

impl<R: Real> Curvature<R> {
    /// Applies the curvature, in place, to a change of the warped image.
    pub fn apply(&self, pair: Pair<R>, change: &mut [R]) {
        match self {
            Self::Constant(factor) => ssd::curve(*factor, pair, change),
        }
    }

    /// Multiplies `factors` by the curvature's diagonal.
    pub fn scale_by_diagonal(&self, pair: Pair<R>, factors: &mut [R]) {
        match self {
            Self::Constant(factor) => ssd::curve(*factor, pair, factors),
        }
    }
}

/// Volume of a cell of the grid in units of length.
pub(crate) fn cell(grid: &Grid) -> f64 {
    (0..3).map(|a| grid.step(a)).product()
}
