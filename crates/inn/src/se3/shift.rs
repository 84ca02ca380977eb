//! An affine map of translations, given the rotation and the condition: `t' = L(R, c)·t + b(R, c)`, `L` lower triangular.

use super::quaternion::{column, matrix};
use crate::subnet::{Mlp, Subnet};
use crate::transform::soft_clamp;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

/// Bound on |log| of the diagonal.
const CLAMP: f64 = 2.0;

/// Parameters of a triangular map of three numbers: three log diagonals, three numbers below the diagonal.
pub(super) const TRIANGULAR: usize = 6;

/// A map of translations given the rotation.
#[derive(Module, Debug)]
pub struct Shift {
    network: Mlp,
}

impl Shift {
    pub(super) fn new(condition: usize, subnet: &Subnet, rng: &mut ChaCha8Rng, device: &Device) -> Shift {
        Shift { network: Mlp::new(9, condition, TRIANGULAR + 3, subnet, rng, device) }
    }

    pub(super) fn project(&self, condition: Option<&Tensor<2>>) -> Tensor<2> {
        self.network.project(condition)
    }

    pub(super) fn forward(&self, t: Tensor<2>, q: &Tensor<2>, projected: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (log_diagonal, below, shift) = self.parts(q, projected);
        let log_det = log_diagonal.clone().sum_dim(1).squeeze_dim(1);
        (triangular(&t, &log_diagonal, &below) + shift, log_det)
    }

    pub(super) fn inverse(&self, t: Tensor<2>, q: &Tensor<2>, projected: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (log_diagonal, below, shift) = self.parts(q, projected);
        let log_det = log_diagonal.clone().sum_dim(1).neg().squeeze_dim(1);
        (solve_triangular(&(t - shift), &log_diagonal, &below), log_det)
    }

    fn parts(&self, q: &Tensor<2>, projected: &Tensor<2>) -> (Tensor<2>, Tensor<2>, Tensor<2>) {
        let raw = self.network.forward(matrix(q), projected);
        let log_diagonal = soft_clamp(raw.clone().narrow(1, 0, 3), CLAMP);
        (log_diagonal, raw.clone().narrow(1, 3, 3), raw.narrow(1, TRIANGULAR, 3))
    }
}

/// `L·v` with `L = D·(I + N)`: `exp(log_diagonal)` on the diagonal after the strictly lower `below` (21, 31, 32) was added.
pub(super) fn triangular(v: &Tensor<2>, log_diagonal: &Tensor<2>, below: &Tensor<2>) -> Tensor<2> {
    let [x, y, z] = [0, 1, 2].map(|k| column(v, k));
    let [b21, b31, b32] = [0, 1, 2].map(|k| column(below, k));
    let second = y.clone() + b21 * x.clone();
    let third = z + b31 * x.clone() + b32 * y;
    Tensor::cat(vec![x, second, third], 1) * log_diagonal.clone().exp()
}

/// The inverse of [`triangular`].
pub(super) fn solve_triangular(v: &Tensor<2>, log_diagonal: &Tensor<2>, below: &Tensor<2>) -> Tensor<2> {
    let scaled = v.clone() * log_diagonal.clone().neg().exp();
    let [x, second, third] = [0, 1, 2].map(|k| column(&scaled, k));
    let [b21, b31, b32] = [0, 1, 2].map(|k| column(below, k));
    let y = second - b21 * x.clone();
    let z = third - b31 * x.clone() - b32 * y.clone();
    Tensor::cat(vec![x, y, z], 1)
}
