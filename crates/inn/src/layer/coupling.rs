//! Couplings: each half of the numbers is transformed, with parameters that a network makes of the other half.
//!
//! `y₂ = g(x₂; θ(x₁, c))`, then `y₁ = g(x₁; θ'(y₂, c))`. The inverse runs the two steps backwards.

use crate::subnet::{Mlp, Subnet};
use crate::transform::Transform;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How parameters of a half share networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Networks {
    /// One network for all parameters (Glow).
    #[default]
    Joint,
    /// One network per kind of parameter, so scale and shift have their own (RealNVP).
    Separate,
}

/// A coupling of both halves.
#[derive(Module, Debug)]
pub struct Coupling {
    /// Networks that see the first part, for the second.
    second: Vec<Mlp>,
    /// Networks that see the transformed second part, for the first.
    first: Vec<Mlp>,
    /// Numbers of the first part.
    split: usize,
    dims: usize,
    #[module(skip)]
    transform: Transform,
}

impl Coupling {
    /// A coupling on `dims` ≥ 2 numbers.
    pub fn new(
        (dims, condition): (usize, usize),
        transform: Transform,
        networks: Networks,
        subnet: &Subnet,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Coupling {
        let split = dims / 2;
        let mut half = |seen: usize, changed: usize| {
            let inputs = if transform.is_circular() { 2 * seen } else { seen };
            let outputs = changed * transform.parameters();
            let count = match networks {
                Networks::Joint => 1,
                Networks::Separate => transform.parameters().min(2),
            };
            (0..count).map(|_| Mlp::new(inputs, condition, outputs / count, subnet, rng, device)).collect()
        };
        let second = half(split, dims - split);
        let first = half(dims - split, split);
        Coupling { second, first, split, dims, transform }
    }

    pub(super) fn networks(&self) -> usize {
        self.second.len() + self.first.len()
    }

    /// The condition's part of each network.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Vec<Tensor<2>> {
        self.second.iter().chain(&self.first).map(|net| net.project(condition)).collect()
    }

    /// `y` and the log determinant per row.
    pub fn forward(&self, x: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        let (of_second, of_first) = projected.split_at(self.second.len());
        let (x1, x2) = self.parts(x);
        let (y2, log_det2) = self.transform.forward(x2, self.parameters(&self.second, &x1, of_second));
        let (y1, log_det1) = self.transform.forward(x1, self.parameters(&self.first, &y2, of_first));
        (Tensor::cat(vec![y1, y2], 1), log_det1 + log_det2)
    }

    /// `x` and the inverse's log determinant per row.
    pub fn inverse(&self, y: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        let (of_second, of_first) = projected.split_at(self.second.len());
        let (y1, y2) = self.parts(y);
        let (x1, log_det1) = self.transform.inverse(y1, self.parameters(&self.first, &y2, of_first));
        let (x2, log_det2) = self.transform.inverse(y2, self.parameters(&self.second, &x1, of_second));
        (Tensor::cat(vec![x1, x2], 1), log_det1 + log_det2)
    }

    fn parts(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (x.clone().narrow(1, 0, self.split), x.narrow(1, self.split, self.dims - self.split))
    }

    fn parameters(&self, networks: &[Mlp], seen: &Tensor<2>, projected: &[Tensor<2>]) -> Tensor<2> {
        // Angles are seen through cosine and sine, so that a full turn changes nothing.
        let input = if self.transform.is_circular() {
            Tensor::cat(vec![seen.clone().cos(), seen.clone().sin()], 1)
        } else {
            seen.clone()
        };
        let mut outputs: Vec<Tensor<2>> =
            networks.iter().zip(projected).map(|(net, part)| net.forward(input.clone(), part)).collect();
        if outputs.len() == 1 { outputs.remove(0) } else { Tensor::cat(outputs, 1) }
    }
}
