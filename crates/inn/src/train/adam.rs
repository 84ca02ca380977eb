//! Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019).
//!
//! The moments are kept by the path of their parameter, so a checkpoint fits another process and another device. On the CPU
//! an update is one pass over the numbers, in place; elsewhere it goes through Burn's operations. Burn's own optimiser is
//! the reference, in the tests.

use crate::fused;
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// Moments of one parameter, its numbers in a row.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    /// Running mean of gradients.
    pub(crate) first: Tensor<1>,
    /// Running mean of squared gradients.
    pub(crate) second: Tensor<1>,
}

/// Numbers of an update that all parameters share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    pub(crate) rate: f64,
    pub(crate) decay: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) epsilon: f64,
    /// 1 − β₁ᵗ and 1 − β₂ᵗ.
    pub(crate) bias: (f64, f64),
    /// Factor on gradients, below 1 where their norm was clipped.
    pub(crate) shrink: f64,
}

/// Adam with decoupled weight decay, its moments included.
#[derive(Debug, Clone)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Weight decay per unit of learning rate.
    pub weight_decay: f64,
    pub(crate) time: u64,
    pub(crate) moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// With β = (0.9, 0.999) and ε = 10⁻⁸.
    pub fn new(weight_decay: f64) -> AdamW {
        AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay, time: 0, moments: BTreeMap::new() }
    }

    /// One update of `model` at learning rate `rate`; gradients are multiplied by `shrink` first.
    pub fn update<M: Module>(&mut self, model: M, grads: GradientsParams, rate: f64, shrink: f64) -> M {
        self.time += 1;
        let time = self.time as f64;
        let (beta1, beta2) = (self.beta1, self.beta2);
        let bias = (1.0 - beta1.powf(time), 1.0 - beta2.powf(time));
        let update =
            Update { rate, decay: rate * self.weight_decay, beta1, beta2, epsilon: self.epsilon, bias, shrink };
        model.map(&mut Updater { moments: &mut self.moments, grads, update, path: Vec::new() })
    }
}

struct Updater<'a> {
    moments: &'a mut BTreeMap<String, Moments>,
    grads: GradientsParams,
    update: Update,
    path: Vec<String>,
}

impl ModuleMapper for Updater<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return param };
        let path = self.path.join(".");
        let moments = self.moments.remove(&path);
        let (id, value, mapper) = param.consume();
        let (shape, count) = (value.shape(), value.shape().num_elements());
        let value = value.inner().reshape([count]);
        let grad = grad.inner().reshape([count]);
        let moments = moments.unwrap_or_else(|| {
            let zero = Tensor::zeros([count], (&value.device(), value.dtype()));
            Moments { first: zero.clone(), second: zero }
        });
        let (value, moments) = fused::adam(value, grad, moments, self.update);
        self.moments.insert(path, moments);
        let value = value.reshape::<D, _>(shape).autodiff().require_grad();
        Param::from_mapped_value(id, value, mapper)
    }
}

/// The update by Burn's operations.
pub(crate) fn plain(value: Tensor<1>, grad: Tensor<1>, moments: Moments, by: Update) -> (Tensor<1>, Moments) {
    let grad = grad.mul_scalar(by.shrink);
    let first = moments.first.mul_scalar(by.beta1) + grad.clone().mul_scalar(1.0 - by.beta1);
    let second = moments.second.mul_scalar(by.beta2) + grad.square().mul_scalar(1.0 - by.beta2);
    let root = second.clone().div_scalar(by.bias.1).sqrt().add_scalar(by.epsilon);
    let step = first.clone().div_scalar(by.bias.0) / root;
    (value.mul_scalar(1.0 - by.decay) - step.mul_scalar(by.rate), Moments { first, second })
}
