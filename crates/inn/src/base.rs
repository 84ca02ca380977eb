//! Base distributions: what the latent numbers of a flow follow.

use crate::error::InnError;
use crate::tensors::{constant, normal, param, to_vec};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, StandardNormal};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Which distribution the latent numbers follow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum BaseSettings {
    /// Standard normal.
    Normal,
    /// Multivariate Student's t with unit scale: heavy tails.
    StudentT {
        /// Degrees of freedom, 1 to 1000.
        degrees_of_freedom: f64,
    },
    /// Mixture of normals with learned weights, centres and axis-parallel deviations. A base of one mode leaves bridges of
    /// density between modes of the data; several components need none.
    Mixture {
        /// Number of components, 2 to 256.
        components: usize,
        /// Deviation of the centres' random start, 0.1 to 100.
        spread: f64,
    },
}

impl BaseSettings {
    /// Refuses settings out of range.
    pub fn check(&self) -> Result<(), InnError> {
        match *self {
            BaseSettings::StudentT { degrees_of_freedom: nu } if !(1.0..=1000.0).contains(&nu) => {
                Err(InnError::setting("base.degrees_of_freedom", nu, "1 to 1000"))
            }
            BaseSettings::Mixture { components, .. } if !(2..=256).contains(&components) => {
                Err(InnError::setting("base.components", components, "2 to 256"))
            }
            BaseSettings::Mixture { spread, .. } if !(0.1..=100.0).contains(&spread) => {
                Err(InnError::setting("base.spread", spread, "0.1 to 100"))
            }
            _ => Ok(()),
        }
    }
}

/// A base distribution on rows of `dims` numbers.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network holds a few dozen of them")]
pub enum Base {
    /// Standard normal.
    Normal(Normal),
    /// Multivariate Student's t.
    StudentT(StudentT),
    /// Mixture of normals.
    Mixture(Mixture),
}

impl Base {
    /// The distribution of checked `settings` on `dims` numbers.
    pub fn new(settings: &BaseSettings, dims: usize, rng: &mut ChaCha8Rng, device: &Device) -> Base {
        match *settings {
            BaseSettings::Normal => Base::Normal(Normal { dims }),
            BaseSettings::StudentT { degrees_of_freedom } => Base::StudentT(StudentT { dims, degrees_of_freedom }),
            BaseSettings::Mixture { components, spread } => {
                Base::Mixture(Mixture::new(components, spread, dims, rng, device))
            }
        }
    }

    /// Logarithm of the density at each row of `z`.
    pub fn log_density(&self, z: Tensor<2>) -> Tensor<1> {
        match self {
            Base::Normal(base) => normal_log_density(z, base.dims),
            Base::StudentT(base) => base.log_density(z),
            Base::Mixture(base) => base.log_density(z),
        }
    }

    /// `count` rows drawn with `rng`, on the device and in the number type of `like`.
    pub fn sample<const D: usize>(&self, count: usize, rng: &mut ChaCha8Rng, like: &Tensor<D>) -> Tensor<2> {
        match self {
            Base::Normal(base) => normal([count, base.dims], rng, &like.device(), like.dtype()),
            Base::StudentT(base) => base.sample(count, rng, like),
            Base::Mixture(base) => base.sample(count, rng, like),
        }
    }
}

/// Standard normal.
#[derive(Module, Debug)]
pub struct Normal {
    dims: usize,
}

fn normal_log_density(z: Tensor<2>, dims: usize) -> Tensor<1> {
    let constant = -0.5 * dims as f64 * (2.0 * PI).ln();
    z.square().sum_dim(1).squeeze_dim::<1>(1).mul_scalar(-0.5).add_scalar(constant)
}

/// Multivariate Student's t of location 0 and unit scale.
#[derive(Module, Debug)]
pub struct StudentT {
    dims: usize,
    degrees_of_freedom: f64,
}

impl StudentT {
    fn log_density(&self, z: Tensor<2>) -> Tensor<1> {
        let (nu, d) = (self.degrees_of_freedom, self.dims as f64);
        let constant = libm::lgamma(0.5 * (nu + d)) - libm::lgamma(0.5 * nu) - 0.5 * d * (nu * PI).ln();
        let length2: Tensor<1> = z.square().sum_dim(1).squeeze_dim(1);
        length2.div_scalar(nu).log1p().mul_scalar(-0.5 * (nu + d)).add_scalar(constant)
    }

    fn sample<const D: usize>(&self, count: usize, rng: &mut ChaCha8Rng, like: &Tensor<D>) -> Tensor<2> {
        let chi2 = ChiSquared::new(self.degrees_of_freedom).expect("degrees of freedom were checked");
        let mut values = Vec::with_capacity(count * self.dims);
        for _ in 0..count {
            let stretch = (self.degrees_of_freedom / rng.sample(chi2)).sqrt();
            values.extend((0..self.dims).map(|_| stretch * rng.sample::<f64, _>(StandardNormal)));
        }
        constant(values, [count, self.dims], like)
    }
}

/// Mixture of normals with axis-parallel deviations.
#[derive(Module, Debug)]
pub struct Mixture {
    /// Unnormalised log weights, `[components]`.
    logits: Param<Tensor<1>>,
    /// Centres, `[components, dims]`.
    centres: Param<Tensor<2>>,
    /// Logarithms of deviations, `[components, dims]`.
    log_deviations: Param<Tensor<2>>,
}

impl Mixture {
    fn new(components: usize, spread: f64, dims: usize, rng: &mut ChaCha8Rng, device: &Device) -> Mixture {
        let centres = (0..components * dims).map(|_| (spread * rng.sample::<f64, _>(StandardNormal)) as f32).collect();
        Mixture {
            logits: param(vec![0.0; components], [components], device),
            centres: param(centres, [components, dims], device),
            log_deviations: param(vec![0.0; components * dims], [components, dims], device),
        }
    }

    fn log_density(&self, z: Tensor<2>) -> Tensor<1> {
        let dims = z.dims()[1] as f64;
        let (centres, log_deviations) = (self.centres.val(), self.log_deviations.val());
        let offset = z.unsqueeze_dim::<3>(1) - centres.unsqueeze::<3>();
        let scaled = offset * log_deviations.clone().neg().exp().unsqueeze::<3>();
        let exponent: Tensor<2> = scaled.square().sum_dim(2).squeeze_dim(2);
        let volume: Tensor<1> = log_deviations.sum_dim(1).squeeze_dim(1);
        let weights = log_softmax(self.logits.val());
        let per_component = exponent.mul_scalar(-0.5) + (weights - volume).unsqueeze::<2>();
        log_sum_exp(per_component).add_scalar(-0.5 * dims * (2.0 * PI).ln())
    }

    /// Weights of the components, which sum to 1.
    pub fn weights(&self) -> Vec<f64> {
        to_vec(log_softmax(self.logits.val()).exp())
    }

    fn sample<const D: usize>(&self, count: usize, rng: &mut ChaCha8Rng, like: &Tensor<D>) -> Tensor<2> {
        let weights = self.weights();
        let dims = self.centres.dims()[1];
        let (centres, log_deviations) = (to_vec(self.centres.val()), to_vec(self.log_deviations.val()));
        let mut values = Vec::with_capacity(count * dims);
        for _ in 0..count {
            let component = choose(&weights, rng);
            values.extend((component * dims..(component + 1) * dims).map(|at| {
                let z: f64 = rng.sample(StandardNormal);
                centres[at] + log_deviations[at].exp() * z
            }));
        }
        constant(values, [count, dims], like)
    }
}

/// An index drawn with the given weights, which sum to 1.
pub(crate) fn choose(weights: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let mut left: f64 = rng.random();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    weights.len() - 1
}

/// log Σ exp over each row.
pub(crate) fn log_sum_exp(x: Tensor<2>) -> Tensor<1> {
    let top = x.clone().detach().max_dim(1);
    ((x - top.clone()).exp().sum_dim(1).log() + top).squeeze_dim(1)
}

fn log_softmax(logits: Tensor<1>) -> Tensor<1> {
    burn::tensor::activation::log_softmax(logits, 0)
}
