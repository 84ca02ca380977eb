//! The networks inside couplings: multilayer perceptrons whose first layer takes the condition separately.
//!
//! The first layer is `a(x·W + c·V + b)`. The part `c·V + b` of the condition depends on no sample, so it is formed once
//! per condition ([`Mlp::project`]) and, where all samples share one condition, has a single row.

use crate::error::InnError;
use crate::fused;
use crate::tensors::{param, uniform_param};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, activation};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// The nonlinearity between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0), as in the networks of FrEIA's examples.
    #[default]
    Relu,
    /// x·sigmoid(x): smooth, so densities have continuous gradients.
    Silu,
}

/// Widths and start of the networks inside a coupling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// Widths of the hidden layers, at least one, each 1 to 4096.
    pub hidden: Vec<usize>,
    /// The nonlinearity.
    #[serde(default)]
    pub activation: Activation,
    /// Scale of the last layer's random start beside the usual one, 0 to 1: at 0 every coupling starts as the identity.
    #[serde(default)]
    pub last_scale: f64,
}

impl Subnet {
    /// Two hidden layers of `width`, ReLU, starting at zero.
    pub fn two(width: usize) -> Subnet {
        Subnet { hidden: vec![width; 2], activation: Activation::Relu, last_scale: 0.0 }
    }

    /// Refuses widths and scales out of range; `field` names the place in messages.
    pub fn check(&self, field: &str) -> Result<(), InnError> {
        if self.hidden.is_empty() || self.hidden.len() > 8 {
            return Err(InnError::setting(format!("{field}.hidden"), format!("{:?}", self.hidden), "1 to 8 widths"));
        }
        if let Some(width) = self.hidden.iter().find(|w| !(1..=4096).contains(*w)) {
            return Err(InnError::setting(format!("{field}.hidden"), width, "widths from 1 to 4096"));
        }
        if !(0.0..=1.0).contains(&self.last_scale) {
            return Err(InnError::setting(format!("{field}.last_scale"), self.last_scale, "0 to 1"));
        }
        Ok(())
    }
}

/// A multilayer perceptron of `inputs` numbers and a condition.
#[derive(Module, Debug)]
pub struct Mlp {
    /// First layer's weights on the input, `[inputs, hidden[0]]`.
    pub(crate) input: Param<Tensor<2>>,
    /// First layer's weights on the condition, `[condition, hidden[0]]`.
    pub(crate) condition: Option<Param<Tensor<2>>>,
    /// First layer's bias, `[hidden[0]]`.
    pub(crate) bias: Param<Tensor<1>>,
    /// Weights of the further layers, `[from, to]`.
    pub(crate) weights: Vec<Param<Tensor<2>>>,
    /// Their biases.
    pub(crate) biases: Vec<Param<Tensor<1>>>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// A network from `inputs` numbers and a condition of `condition` numbers (0: none) to `outputs` numbers.
    ///
    /// Weights and biases start uniformly within ±1/√(inputs of the layer), the last layer's times `last_scale`.
    pub fn new(
        inputs: usize,
        condition: usize,
        outputs: usize,
        settings: &Subnet,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Mlp {
        let first = settings.hidden[0];
        let scale = 1.0 / ((inputs + condition).max(1) as f64).sqrt();
        let input = uniform_param([inputs, first], scale, rng, device);
        let of_condition = (condition > 0).then(|| uniform_param([condition, first], scale, rng, device));
        let bias = uniform_param([first], scale, rng, device);
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for pair in settings.hidden.windows(2) {
            let scale = 1.0 / (pair[0] as f64).sqrt();
            weights.push(uniform_param([pair[0], pair[1]], scale, rng, device));
            biases.push(uniform_param([pair[1]], scale, rng, device));
        }
        let last = *settings.hidden.last().expect("at least one hidden layer was checked");
        let scale = settings.last_scale / (last as f64).sqrt();
        weights.push(uniform_param([last, outputs], scale, rng, device));
        biases.push(param(vec![0.0; outputs], [outputs], device));
        Mlp { input, condition: of_condition, bias, weights, biases, activation: settings.activation }
    }

    /// The condition's part of the first layer, one row per condition; a single row without a condition.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Tensor<2> {
        let bias = self.bias.val().unsqueeze::<2>();
        match (condition, &self.condition) {
            (Some(condition), Some(weights)) => condition.clone().matmul(weights.val()) + bias,
            _ => bias,
        }
    }

    /// The network's output for inputs `[n, inputs]` and the projected condition, of `n` rows or one.
    pub fn forward(&self, x: Tensor<2>, projected: &Tensor<2>) -> Tensor<2> {
        match fused::mlp(self, &x, projected) {
            Some(output) => output,
            None => self.forward_plain(x, projected),
        }
    }

    /// The same by Burn's own operations: the reference of the fused form, and the form for other devices.
    pub fn forward_plain(&self, x: Tensor<2>, projected: &Tensor<2>) -> Tensor<2> {
        let mut hidden = self.activate(x.matmul(self.input.val()) + projected.clone());
        let last = self.weights.len() - 1;
        for (index, (weights, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            hidden = hidden.matmul(weights.val()) + bias.val().unsqueeze::<2>();
            if index < last {
                hidden = self.activate(hidden);
            }
        }
        hidden
    }

    /// The nonlinearity between layers.
    pub(crate) fn activation(&self) -> Activation {
        self.activation
    }

    fn activate(&self, x: Tensor<2>) -> Tensor<2> {
        match self.activation {
            Activation::Relu => activation::relu(x),
            Activation::Silu => activation::silu(x),
        }
    }
}
