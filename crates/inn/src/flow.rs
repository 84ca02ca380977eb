//! A flow: invertible layers and a base distribution make a density on rows of numbers, given a condition.
//!
//! `log p(x | c) = log p_base(f(x; c)) + log |det ∂f/∂x|`. Samples are `f⁻¹(z; c)`.

use crate::base::{Base, BaseSettings};
use crate::error::InnError;
use crate::layer::{Layer, LayerSettings};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What a flow is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSettings {
    /// Numbers per row, 1 to 4096.
    pub dims: usize,
    /// Numbers per condition, 0 (none) to 65536.
    #[serde(default)]
    pub condition: usize,
    /// The layers, from data to latent space.
    pub layers: Vec<LayerSettings>,
    /// The base distribution.
    pub base: BaseSettings,
}

impl FlowSettings {
    /// Refuses the first setting that is out of range.
    pub fn check(&self) -> Result<(), InnError> {
        if !(1..=4096).contains(&self.dims) {
            return Err(InnError::setting("dims", self.dims, "1 to 4096"));
        }
        if self.condition > 65536 {
            return Err(InnError::setting("condition", self.condition, "0 to 65536"));
        }
        if self.layers.len() > 1024 {
            return Err(InnError::setting("layers", format!("{} layers", self.layers.len()), "at most 1024"));
        }
        self.base.check()?;
        self.layers.iter().enumerate().try_for_each(|(at, layer)| layer.check(self.dims, &format!("layers[{at}]")))
    }
}

/// A density on rows of numbers, given a condition.
#[derive(Module, Debug)]
pub struct Flow {
    layers: Vec<Layer>,
    base: Base,
    dims: usize,
    condition: usize,
}

/// What conditions contribute to every network of a flow: one row per condition, or one row for all samples.
#[derive(Debug, Clone)]
pub struct Projected(pub(crate) Vec<Vec<Tensor<2>>>);

impl Flow {
    /// The flow of `settings` on `device`, its random start drawn with `rng`.
    pub fn new(settings: &FlowSettings, rng: &mut ChaCha8Rng, device: &Device) -> Result<Flow, InnError> {
        settings.check()?;
        let sizes = (settings.dims, settings.condition);
        let layers = settings.layers.iter().map(|layer| Layer::new(layer, sizes, rng, device)).collect();
        let base = Base::new(&settings.base, settings.dims, rng, device);
        Ok(Flow { layers, base, dims: settings.dims, condition: settings.condition })
    }

    /// The base distribution.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// The layers, from data to latent space.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The part of conditions `[n or 1, condition]` in every network, formed once and used for any number of samples.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Result<Projected, InnError> {
        let found = condition.map_or(0, |c| c.dims()[1]);
        if found != self.condition {
            return Err(InnError::Condition { expected: self.condition, found });
        }
        Ok(Projected(self.layers.iter().map(|layer| layer.project(condition)).collect()))
    }

    /// The latent rows of `x`, and log |det ∂z/∂x| per row.
    pub fn forward(&self, x: Tensor<2>, projected: &Projected) -> (Tensor<2>, Tensor<1>) {
        let start = crate::tensors::no_change(&x);
        self.layers.iter().zip(&projected.0).fold((x, start), |(x, log_det), (layer, part)| {
            let (y, change) = layer.forward(x, part);
            (y, log_det + change)
        })
    }

    /// The rows that have latent rows `z`, and log |det ∂x/∂z| per row.
    pub fn inverse(&self, z: Tensor<2>, projected: &Projected) -> (Tensor<2>, Tensor<1>) {
        let start = crate::tensors::no_change(&z);
        self.layers.iter().zip(&projected.0).rev().fold((z, start), |(y, log_det), (layer, part)| {
            let (x, change) = layer.inverse(y, part);
            (x, log_det + change)
        })
    }

    /// Logarithm of the density at each row of `x` `[n, dims]`, given the projected condition (of n rows or one).
    pub fn log_density(&self, x: Tensor<2>, projected: &Projected) -> Result<Tensor<1>, InnError> {
        if x.dims()[1] != self.dims {
            let accepted = format!("[n, {}]", self.dims);
            return Err(InnError::Shape { what: "the rows of data", found: x.dims().to_vec(), accepted });
        }
        let (z, log_det) = self.forward(x, projected);
        Ok(self.base.log_density(z) + log_det)
    }

    /// `count` rows drawn with `rng` given one projected condition (or `count` of them), and their log densities.
    ///
    /// Autodiff is off in what is returned where the network is in its inference form (`Module::valid`).
    pub fn sample(&self, count: usize, projected: &Projected, rng: &mut ChaCha8Rng) -> (Tensor<2>, Tensor<1>) {
        let like = self.any_parameter(projected);
        let z = self.base.sample(count, rng, &like);
        let of_base = self.base.log_density(z.clone());
        let (x, log_det) = self.inverse(z, projected);
        (x, of_base - log_det)
    }

    /// The flow with what depends on data (ActNorm) set from a first batch, layer after layer.
    pub fn fitted(mut self, x: Tensor<2>, projected: &Projected) -> Flow {
        let mut rows = x;
        let mut layers = Vec::with_capacity(self.layers.len());
        for (layer, part) in self.layers.into_iter().zip(&projected.0) {
            let layer = layer.fitted(rows.clone(), part);
            rows = layer.forward(rows, part).0.detach();
            layers.push(layer);
        }
        self.layers = layers;
        self
    }

    /// Some tensor on the flow's device and in its number type.
    fn any_parameter(&self, projected: &Projected) -> Tensor<2> {
        struct First(Option<Tensor<2>>);
        impl ModuleVisitor for First {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.get_or_insert_with(|| Tensor::zeros([1, 1], (&param.device(), param.dtype())));
            }
        }
        let mut first = First(projected.0.iter().flatten().next().cloned());
        self.visit(&mut first);
        first.0.unwrap_or_else(|| Tensor::zeros([1, 1], &Device::default()))
    }
}
