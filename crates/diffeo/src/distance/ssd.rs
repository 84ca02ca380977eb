//! Sum of squared differences: ½ ∫ w (m − r)².

use super::{Comparison, Curvature, Pair, cell, sums};
use crate::real::Real;
use rayon::prelude::*;

pub fn compare<R: Real>(pair: Pair<R>) -> Comparison<R> {
    let mut slope: Vec<R> = pair.warped.par_iter().zip(pair.fixed).map(|(&m, &r)| m - r).collect();
    curve(R::one(), pair, &mut slope);
    Comparison { value: value(pair), slope, curvature: Curvature::Constant(R::one()) }
}

pub fn value<R: Real>(pair: Pair<R>) -> f64 {
    let [sum] = sums(pair.warped.len(), |i| [pair.weight(i) * (pair.warped[i].wide() - pair.fixed[i].wide()).powi(2)]);
    0.5 * cell(pair.grid) * sum
}

pub fn curve<R: Real>(factor: R, pair: Pair<R>, change: &mut [R]) {
    match pair.mask {
        Some(mask) => change.par_iter_mut().zip(mask).for_each(|(c, &w)| *c *= factor * w),
        None => change.par_iter_mut().for_each(|c| *c *= factor),
    }
}
