//! Normalised gradient field: ½ ∫ w (|n|² − (∇m·n)²/(|∇m|² + η²)) with n = ∇r/√(|∇r|² + η²) (Haber & Modersitzki 2006,
//! "Intensity gradient based registration and fusion of multi-modal images", MICCAI, up to a constant: there the first
//! term is 1, here it is the most that the second can reach, so that places without edges count as matched).
//!
//! Gradients are central differences per mm. The curvature is ∇ᵀ (w/(|∇m|² + η²) · MNM) ∇ with M = I − n_m n_mᵀ and
//! N = I − n nᵀ at every sample.

use super::{Comparison, Curvature, Pair, cell, sums};
use crate::real::Real;
use crate::stencil::{Difference, add_derivative, gradient};
use rayon::prelude::*;

type Field<R> = [Vec<R>; 3];

fn slopes<R: Real>(pair: &Pair<R>, image: &[R]) -> Field<R> {
    gradient(image, pair.grid.shape, Difference::Second, pair.grid.spacing_mm.map(|h| 1.0 / h))
}

/// The transpose of taking the gradient, into `out`.
fn gather<R: Real>(pair: &Pair<R>, field: &Field<R>, out: &mut [R]) {
    out.fill(R::zero());
    for (axis, component) in field.iter().enumerate() {
        let factor = -1.0 / pair.grid.spacing_mm[axis];
        add_derivative(component, pair.grid.shape, axis, Difference::Second, factor, out);
    }
}

fn at<R: Real>(field: &Field<R>, i: usize) -> [f64; 3] {
    [field[0][i].wide(), field[1][i].wide(), field[2][i].wide()]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// A gradient over its length with the edge added, and the square of that length.
fn normalised(g: [f64; 3], edge: f64) -> ([f64; 3], f64) {
    let square = dot(g, g) + edge * edge;
    (g.map(|g| g / square.sqrt()), square)
}

/// Replaces the vectors of `field` by `f(sample, vector)`.
fn replace<R: Real>(field: &mut Field<R>, f: impl Fn(usize, [f64; 3]) -> [f64; 3] + Sync) {
    let [a, b, c] = field;
    a.par_iter_mut().zip(b).zip(c).enumerate().for_each(|(i, ((a, b), c))| {
        [*a, *b, *c] = f(i, [a.wide(), b.wide(), c.wide()]).map(R::of);
    });
}

pub fn compare<R: Real>(pair: Pair<R>, edge: f64) -> Comparison<R> {
    let (mut moving, fixed) = (slopes(&pair, pair.warped), slopes(&pair, pair.fixed));
    let value = of(&pair, edge, &moving, &fixed);
    replace(&mut moving, |i, g| {
        let (n, _) = normalised(at(&fixed, i), edge);
        let square = dot(g, g) + edge * edge;
        let along = dot(g, n) / square;
        std::array::from_fn(|a| pair.weight(i) * along * (along * g[a] - n[a]))
    });
    let mut slope = vec![R::zero(); pair.warped.len()];
    gather(&pair, &moving, &mut slope);
    Comparison { value, slope, curvature: Curvature::Gradient { edge } }
}

pub fn value<R: Real>(pair: Pair<R>, edge: f64) -> f64 {
    of(&pair, edge, &slopes(&pair, pair.warped), &slopes(&pair, pair.fixed))
}

fn of<R: Real>(pair: &Pair<R>, edge: f64, moving: &Field<R>, fixed: &Field<R>) -> f64 {
    let [sum] = sums(pair.warped.len(), |i| {
        let (n, _) = normalised(at(fixed, i), edge);
        let along = dot(normalised(at(moving, i), edge).0, n);
        [pair.weight(i) * (dot(n, n) - along * along)]
    });
    0.5 * cell(pair.grid) * sum
}

pub fn curve<R: Real>(edge: f64, pair: Pair<R>, change: &mut [R]) {
    let (moving, fixed) = (slopes(&pair, pair.warped), slopes(&pair, pair.fixed));
    let mut changes = slopes(&pair, change);
    replace(&mut changes, |i, change| {
        let (n, square) = normalised(at(&moving, i), edge);
        let (r, _) = normalised(at(&fixed, i), edge);
        let without = |v: [f64; 3], n: [f64; 3]| {
            let along = dot(v, n);
            std::array::from_fn(|a| v[a] - along * n[a])
        };
        without(without(without(change, n), r), n).map(|v| pair.weight(i) / square * v)
    });
    gather(&pair, &changes, change);
}

/// The diagonal as if the curvature varied slowly, without what the projections take away.
pub fn scale_by_diagonal<R: Real>(edge: f64, pair: Pair<R>, factors: &mut [R]) {
    let moving = slopes(&pair, pair.warped);
    let stencil: f64 = pair.grid.spacing_mm.iter().map(|h| 0.5 / (h * h)).sum();
    factors.par_iter_mut().enumerate().for_each(|(i, f)| {
        *f *= R::of(stencil * pair.weight(i) / normalised(at(&moving, i), edge).1);
    });
}
