//! Sum of squared differences: ½ ∫ w (m − r)².

use super::{Comparison, Curvature, Pair, cell};
use crate::field::dot;
use crate::real::Real;
use rayon::prelude::*;

pub fn compare<R: Real>(pair: Pair<R>) -> Comparison<R> {
    let difference: Vec<R> = pair.warped.par_iter().zip(pair.fixed).map(|(&m, &r)| m - r).collect();
    let mut slope = difference.clone();
    curve(R::one(), pair, &mut slope);
    let value = 0.5 * cell(pair.grid) * dot(&difference, &slope);
    Comparison { value, slope, curvature: Curvature::Constant(R::one()) }
}

pub fn curve<R: Real>(factor: R, pair: Pair<R>, change: &mut [R]) {
    match pair.mask {
        Some(mask) => change.par_iter_mut().zip(mask).for_each(|(c, &w)| *c *= factor * w),
        None => change.par_iter_mut().for_each(|c| *c *= factor),
    }
}
