//! Distances of images: value, derivative by the warped image, and a positive semi-definite curvature.
//!
//! Values are integrals over the box in units of length; derivatives and curvatures are densities, so that they mean
//! the same on every grid: the change of the value is Σ slope(x) δm(x) times the volume of a cell.

mod balance;
mod lncc;
mod ncc;
mod ngf;
mod ssd;
pub mod window;

pub use balance::{balance, usual_edge};

use crate::grid::Grid;
use crate::real::Real;
use rayon::prelude::*;
use window::Window;

/// How unlike two images are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distance {
    /// ½ ∫ w (m − r)², the sum of squared differences.
    SumOfSquares,
    /// ½ V (1 − ρ²) with the volume V under the mask and the correlation ρ, of either sign: for images whose
    /// intensities differ by a linear change.
    CrossCorrelation,
    /// ½ ∫ w (v_r/(v_r + ε) − c²/((v_m + ε)(v_r + ε))) with the covariance c and the variances v in windows: for images
    /// whose intensities differ by a linear change that varies in space.
    LocalCrossCorrelation {
        /// The windows.
        window: Window,
        /// ε, squared intensities: variances well below it count as noise. 1e-4 suits images in [0, 1].
        floor: f64,
    },
    /// ½ ∫ w (|n_r|² − (n_m·n_r)²) with n = ∇/√(|∇|² + η²): for images with edges at the same places.
    NormalisedGradient {
        /// η, intensity per mm: gradients well below it count as noise.
        edge: f64,
    },
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
    /// That of [`Distance::CrossCorrelation`].
    Correlation(ncc::Moments),
    /// That of [`Distance::LocalCrossCorrelation`].
    LocalCorrelation(lncc::Moments<R>),
    /// That of [`Distance::NormalisedGradient`].
    Gradient {
        /// Gradients well below it count as noise.
        edge: f64,
    },
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

impl<R: Real> Pair<'_, R> {
    fn weight(&self, i: usize) -> f64 {
        self.mask.map_or(1.0, |mask| mask[i].wide())
    }
}

impl Distance {
    /// The distance of a pair with its derivative and curvature.
    pub fn compare<R: Real>(&self, pair: Pair<R>) -> Comparison<R> {
        match *self {
            Self::SumOfSquares => ssd::compare(pair),
            Self::CrossCorrelation => ncc::compare(pair),
            Self::LocalCrossCorrelation { window, floor } => lncc::compare(pair, window, floor),
            Self::NormalisedGradient { edge } => ngf::compare(pair, edge),
        }
    }
}

impl Distance {
    /// The distance of a pair alone.
    pub fn value<R: Real>(&self, pair: Pair<R>) -> f64 {
        match *self {
            Self::SumOfSquares => ssd::value(pair),
            Self::CrossCorrelation => ncc::value(pair),
            Self::LocalCrossCorrelation { window, floor } => lncc::value(pair, window, floor),
            Self::NormalisedGradient { edge } => ngf::value(pair, edge),
        }
    }
}

impl<R: Real> Curvature<R> {
    /// Applies the curvature, in place, to a change of the warped image.
    pub fn apply(&self, pair: Pair<R>, change: &mut [R]) {
        match self {
            Self::Constant(factor) => ssd::curve(*factor, pair, change),
            Self::Correlation(moments) => ncc::curve(moments, pair, change),
            Self::LocalCorrelation(moments) => lncc::curve(moments, pair, change),
            Self::Gradient { edge } => ngf::curve(*edge, pair, change),
        }
    }

    /// Multiplies `factors` by the curvature's diagonal, or one that is close to it and not below.
    pub fn scale_by_diagonal(&self, pair: Pair<R>, factors: &mut [R]) {
        match self {
            Self::Constant(factor) => ssd::curve(*factor, pair, factors),
            Self::Correlation(moments) => ncc::scale_by_diagonal(moments, pair, factors),
            Self::LocalCorrelation(moments) => lncc::scale_by_diagonal(moments, pair, factors),
            Self::Gradient { edge } => ngf::scale_by_diagonal(*edge, pair, factors),
        }
    }
}

/// Volume of a cell of the grid in units of length.
pub(crate) fn cell(grid: &Grid) -> f64 {
    (0..3).map(|a| grid.step(a)).product()
}

/// Σ f(i) for i below `len`, in pieces of a fixed length, so that it does not depend on the number of threads.
fn sums<const N: usize>(len: usize, f: impl Fn(usize) -> [f64; N] + Sync) -> [f64; N] {
    const PIECE: usize = 1 << 14;
    let add = |mut a: [f64; N], b: [f64; N]| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        a
    };
    let piece = |p: usize| (p * PIECE..((p + 1) * PIECE).min(len)).map(&f).fold([0.0; N], add);
    let pieces: Vec<[f64; N]> = (0..len.div_ceil(PIECE)).into_par_iter().map(piece).collect();
    pieces.into_iter().fold([0.0; N], add)
}
