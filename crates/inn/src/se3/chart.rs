//! The components of a pose posterior: each sees a pose from its own anchor, at its own scale.
//!
//! Component k has an anchor rotation `a`, a triangular map `A`, a centre `m`, a triangular map `L` and a matrix `B`, all
//! made by a network of the condition:
//! `q₁ = S·(ā q) / |S·(ā q)|` with `S = diag(1, A)`, `t₁ = L·(t − m) − B·ξ(q₁)`, `ξ = 2 w (x, y, z)`.
//! The first is a linear map of quaternions, so it respects q ~ −q and is a smooth, invertible map of SO(3) onto itself,
//! whatever `A` is: near the anchor it magnifies small rotations by `A`, and nowhere does it cut the space open. Under Haar
//! measure its determinant is `det A / |S·(ā q)|⁴` (that of the angular central Gaussian distribution, Tyler 1987), under
//! Lebesgue measure that of the second is `det L`.

use super::quaternion::{column, conjugate, multiply, normalised};
use super::shift::{TRIANGULAR, solve_triangular, triangular};
use crate::transform::soft_clamp;
use burn::tensor::Tensor;

/// Numbers per component: log weight, anchor, `A`, `m`, `L`, `B`.
pub(super) const PARAMETERS: usize = 1 + 4 + TRIANGULAR + 3 + TRIANGULAR + 9;

/// Bound on the log magnifications: from e⁻⁸ to e⁸, deviations down to some 0.0003 of the prior's.
const CLAMP: f64 = 8.0;

/// The chart of one component, one row per condition (or one for all).
pub(super) struct Chart {
    anchor: Tensor<2>,
    rotation: (Tensor<2>, Tensor<2>),
    centre: Tensor<2>,
    translation: (Tensor<2>, Tensor<2>),
    along: Tensor<2>,
}

impl Chart {
    /// From the network's raw numbers, `[n or 1, PARAMETERS]`; the first of them, the log weight, is not used here.
    pub(super) fn new(raw: &Tensor<2>) -> Chart {
        let mut at = 1;
        let mut take = |count: usize| {
            at += count;
            raw.clone().narrow(1, at - count, count)
        };
        let anchor = normalised(take(4));
        let rotation = (soft_clamp(take(3), CLAMP), take(3));
        let centre = take(3);
        let translation = (soft_clamp(take(3), CLAMP), take(3));
        Chart { anchor, rotation, centre, translation, along: take(9) }
    }

    /// The pose as the component sees it, and the log determinant.
    pub(super) fn forward(&self, q: &Tensor<2>, t: &Tensor<2>) -> (Tensor<2>, Tensor<2>, Tensor<1>) {
        let relative = multiply(&conjugate(&self.anchor), q);
        let vector = triangular(&relative.clone().narrow(1, 1, 3), &self.rotation.0, &self.rotation.1);
        let stretched = Tensor::cat(vec![column(&relative, 0), vector], 1);
        let length2 = stretched.clone().square().sum_dim(1);
        let q1 = stretched / length2.clone().sqrt();
        let t1 =
            triangular(&(t.clone() - self.centre.clone()), &self.translation.0, &self.translation.1) - self.pull(&q1);
        let constant = self.rotation.0.clone().sum_dim(1) + self.translation.0.clone().sum_dim(1);
        (q1, t1, (constant - length2.log().mul_scalar(2.0)).squeeze_dim(1))
    }

    /// The pose that the component sees as `q1`, `t1`.
    pub(super) fn inverse(&self, q1: &Tensor<2>, t1: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let vector = solve_triangular(&q1.clone().narrow(1, 1, 3), &self.rotation.0, &self.rotation.1);
        let relative = normalised(Tensor::cat(vec![column(q1, 0), vector], 1));
        let offset = solve_triangular(&(t1.clone() + self.pull(q1)), &self.translation.0, &self.translation.1);
        (multiply(&self.anchor, &relative), offset + self.centre.clone())
    }

    /// `B·ξ(q₁)`.
    fn pull(&self, q1: &Tensor<2>) -> Tensor<2> {
        let turn = q1.clone().narrow(1, 1, 3) * column(q1, 0).mul_scalar(2.0);
        let rows = (0..3).map(|row| (self.along.clone().narrow(1, 3 * row, 3) * turn.clone()).sum_dim(1));
        Tensor::cat(rows.collect(), 1)
    }
}
