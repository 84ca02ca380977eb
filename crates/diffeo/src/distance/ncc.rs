//! Normalised cross-correlation: ½ V (1 − ρ²) with the volume V under the mask and the correlation ρ.
//!
//! It is the sum of squared differences to the fixed image, scaled to unit variance, after the best linear change of
//! the moving image's intensities, of either sign. With m̂ and r̂ centred and of norm 1, it is ½V‖(I − r̂r̂ᵀ)m̂‖², and
//! the Gauss-Newton curvature is V/‖m − m̄‖² · MNM with the projections M = I − m̂m̂ᵀ and N = I − r̂r̂ᵀ.

use super::{Comparison, Curvature, Pair, cell, sums};
use crate::real::Real;
use rayon::prelude::*;

/// Means, norms and correlation of a pair of images.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// Sum of the weights.
    weight: f64,
    means: [f64; 2],
    /// Norms of the warped and the fixed image, centred; infinite for images that are constant.
    norms: [f64; 2],
    correlation: f64,
}

fn moments<R: Real>(pair: Pair<R>) -> Moments {
    let at = |i: usize| (pair.weight(i), pair.warped[i].wide(), pair.fixed[i].wide());
    let [weight, first_m, first_r] = sums(pair.warped.len(), |i| {
        let (w, m, r) = at(i);
        [w, w * m, w * r]
    });
    let means = [first_m / weight, first_r / weight];
    let [mm, rr, mr] = sums(pair.warped.len(), |i| {
        let (w, m, r) = at(i);
        let (m, r) = (m - means[0], r - means[1]);
        [w * m * m, w * r * r, w * m * r]
    });
    // What round-off leaves of a constant image is not a variance.
    let norm = |square: f64, mean: f64| {
        if square > 1e-12 * weight * mean * mean && square > 0.0 { square.sqrt() } else { f64::INFINITY }
    };
    let norms = [norm(mm, means[0]), norm(rr, means[1])];
    Moments { weight, means, norms, correlation: mr / (norms[0] * norms[1]) }
}

pub fn compare<R: Real>(pair: Pair<R>) -> Comparison<R> {
    let moments = moments(pair);
    let Moments { weight, means, norms, correlation } = moments;
    let by_fixed = -weight * correlation / (norms[0] * norms[1]);
    let by_warped = weight * correlation * correlation / (norms[0] * norms[0]);
    let slope = combine(pair, |m, r| by_warped * (m - means[0]) + by_fixed * (r - means[1]));
    Comparison { value: of(&moments, pair), slope, curvature: Curvature::Correlation(moments) }
}

pub fn value<R: Real>(pair: Pair<R>) -> f64 {
    of(&moments(pair), pair)
}

fn of<R: Real>(moments: &Moments, pair: Pair<R>) -> f64 {
    0.5 * cell(pair.grid) * moments.weight * (1.0 - moments.correlation * moments.correlation)
}

/// w · f(m, r) at every sample.
fn combine<R: Real>(pair: Pair<R>, f: impl Fn(f64, f64) -> f64 + Sync) -> Vec<R> {
    let at = |i: usize| R::of(pair.weight(i) * f(pair.warped[i].wide(), pair.fixed[i].wide()));
    (0..pair.warped.len()).into_par_iter().map(at).collect()
}

pub fn curve<R: Real>(moments: &Moments, pair: Pair<R>, change: &mut [R]) {
    let Moments { weight, means, norms, correlation } = *moments;
    let [mean, by_warped, by_fixed] = sums(change.len(), |i| {
        let (w, a) = (pair.weight(i), change[i].wide());
        let (m, r) = (pair.warped[i].wide() - means[0], pair.fixed[i].wide() - means[1]);
        [w * a / weight, w * a * m / norms[0], w * a * r / norms[1]]
    });
    let along_fixed = by_fixed - by_warped * correlation;
    let along_warped = by_warped - along_fixed * correlation;
    let factor = weight / (norms[0] * norms[0]);
    change.par_iter_mut().enumerate().for_each(|(i, a)| {
        let (m, r) = (pair.warped[i].wide() - means[0], pair.fixed[i].wide() - means[1]);
        let rest = a.wide() - mean - along_warped * m / norms[0] - along_fixed * r / norms[1];
        *a = R::of(factor * pair.weight(i) * rest);
    });
}

/// The diagonal without what the projections take away.
pub fn scale_by_diagonal<R: Real>(moments: &Moments, pair: Pair<R>, factors: &mut [R]) {
    let factor = moments.weight / (moments.norms[0] * moments.norms[0]);
    factors.par_iter_mut().enumerate().for_each(|(i, f)| *f *= R::of(factor * pair.weight(i)));
}
