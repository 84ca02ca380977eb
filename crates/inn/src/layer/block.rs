//! The all-in-one block (Ardizzone 2018-2022, as in FrEIA): an affine coupling of one part, a learned global scale and
//! shift, and a fixed mixing, with one network.

use super::mixing::{Mixing, MixingKind};
use crate::subnet::{Mlp, Subnet};
use crate::tensors::{param, repeat};
use crate::transform::Transform;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

/// `y = ([x₁, x₂·exp(s(x₁, c)) + t(x₁, c)]·exp(g) + b)·W`.
#[derive(Module, Debug)]
pub struct AllInOne {
    network: Mlp,
    /// Global log scales `g`, `[dims]`.
    log_scale: Param<Tensor<1>>,
    /// Global shift `b`, `[dims]`.
    shift: Param<Tensor<1>>,
    mixing: Mixing,
    /// Numbers of the part that stays.
    split: usize,
    dims: usize,
    #[module(skip)]
    transform: Transform,
}

impl AllInOne {
    /// A block on `dims` ≥ 2 numbers, whose log scales are clamped to ±`clamp`.
    pub fn new(
        (dims, condition): (usize, usize),
        clamp: f64,
        mixing: MixingKind,
        subnet: &Subnet,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> AllInOne {
        let split = dims - dims / 2;
        let changed = dims - split;
        AllInOne {
            network: Mlp::new(split, condition, 2 * changed, subnet, rng, device),
            log_scale: param(vec![0.0; dims], [dims], device),
            shift: param(vec![0.0; dims], [dims], device),
            mixing: Mixing::new(mixing, dims, rng, device),
            split,
            dims,
            transform: Transform::Affine { clamp },
        }
    }

    /// The condition's part of the network.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Vec<Tensor<2>> {
        vec![self.network.project(condition)]
    }

    /// `y` and the log determinant per row.
    pub fn forward(&self, x: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        let rows = x.dims()[0];
        let (x1, x2) = self.parts(x);
        let parameters = self.network.forward(x1.clone(), &projected[0]);
        let (y2, log_det) = self.transform.forward(x2, parameters);
        let log_scale = self.log_scale.val();
        let scaled = Tensor::cat(vec![x1, y2], 1) * log_scale.clone().exp().unsqueeze::<2>();
        let (y, of_mixing) = self.mixing.forward(scaled + self.shift.val().unsqueeze::<2>());
        (y, log_det + repeat(log_scale.sum(), rows) + of_mixing)
    }

    /// `x` and the inverse's log determinant per row.
    pub fn inverse(&self, y: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        let rows = y.dims()[0];
        let (scaled, of_mixing) = self.mixing.inverse(y);
        let log_scale = self.log_scale.val();
        let unscaled = (scaled - self.shift.val().unsqueeze::<2>()) * log_scale.clone().neg().exp().unsqueeze::<2>();
        let (x1, y2) = self.parts(unscaled);
        let parameters = self.network.forward(x1.clone(), &projected[0]);
        let (x2, log_det) = self.transform.inverse(y2, parameters);
        (Tensor::cat(vec![x1, x2], 1), log_det - repeat(log_scale.sum(), rows) + of_mixing)
    }

    fn parts(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (x.clone().narrow(1, 0, self.split), x.narrow(1, self.split, self.dims - self.split))
    }
}
