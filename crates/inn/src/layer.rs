//! Invertible layers on rows of numbers, and their settings.
//!
//! Every layer maps data towards the latent space (`forward`) and back (`inverse`), and returns log |det J| of the
//! direction it went, one number per row. What a condition contributes is formed once by `project`.

mod actnorm;
mod block;
mod coupling;
mod mixing;
mod part;

pub use actnorm::ActNorm;
pub use block::AllInOne;
pub use coupling::{Coupling, Networks};
pub use mixing::{Householder, Lu, Mixing, MixingKind, Orthogonal};
pub use part::Part;

use crate::error::InnError;
use crate::subnet::Subnet;
use crate::transform::Transform;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What stands at one place of a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LayerSettings {
    /// Scale and shift per number, from the first batch.
    ActNorm,
    /// A coupling of both halves.
    Coupling {
        /// The elementwise map.
        transform: Transform,
        /// How parameters share networks.
        #[serde(default)]
        networks: Networks,
        /// The networks.
        subnet: Subnet,
    },
    /// Affine coupling of one part, global scale and shift, mixing.
    AllInOne {
        /// Bound on |log scale| of the coupling, 0.1 to 10.
        clamp: f64,
        /// The mixing at its end.
        mixing: MixingKind,
        /// The network.
        subnet: Subnet,
    },
    /// A linear mixing.
    Mixing(MixingKind),
    /// Layers on the first numbers alone; the others have left for the latent space (multi-scale split).
    Part {
        /// How many numbers go on, 1 to all but one.
        numbers: usize,
        /// The layers on them.
        layers: Vec<LayerSettings>,
    },
}

impl LayerSettings {
    /// Refuses settings out of range for `dims` numbers; `field` names the place in messages.
    pub fn check(&self, dims: usize, field: &str) -> Result<(), InnError> {
        match self {
            LayerSettings::ActNorm => Ok(()),
            LayerSettings::Coupling { transform, subnet, .. } => {
                at_least_two(dims, field)?;
                transform.check(&format!("{field}.transform"))?;
                subnet.check(&format!("{field}.subnet"))
            }
            LayerSettings::AllInOne { clamp, mixing, subnet } => {
                at_least_two(dims, field)?;
                Transform::Affine { clamp: *clamp }.check(field)?;
                check_mixing(*mixing, &format!("{field}.mixing"))?;
                subnet.check(&format!("{field}.subnet"))
            }
            LayerSettings::Mixing(kind) => check_mixing(*kind, field),
            LayerSettings::Part { numbers, layers } => {
                if *numbers == 0 || *numbers >= dims {
                    let accepted = "1 to all but one of the numbers";
                    return Err(InnError::setting(format!("{field}.numbers"), numbers, accepted));
                }
                let check =
                    |(at, layer): (usize, &LayerSettings)| layer.check(*numbers, &format!("{field}.layers[{at}]"));
                layers.iter().enumerate().try_for_each(check)
            }
        }
    }
}

fn at_least_two(dims: usize, field: &str) -> Result<(), InnError> {
    if dims >= 2 { Ok(()) } else { Err(InnError::setting(field, format!("on {dims} number"), "2 numbers or more")) }
}

fn check_mixing(kind: MixingKind, field: &str) -> Result<(), InnError> {
    match kind {
        MixingKind::Householder { reflections } if !(1..=64).contains(&reflections) => {
            Err(InnError::setting(format!("{field}.reflections"), reflections, "1 to 64"))
        }
        _ => Ok(()),
    }
}

/// An invertible layer.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a network holds a few dozen of them")]
pub enum Layer {
    /// Scale and shift per number.
    ActNorm(ActNorm),
    /// A coupling of both halves.
    Coupling(Coupling),
    /// Affine coupling, global scale and shift, mixing.
    AllInOne(AllInOne),
    /// A linear mixing.
    Mixing(Mixing),
    /// Layers on the first numbers alone.
    Part(Part),
}

impl Layer {
    /// The layer of checked `settings` on `dims` numbers and a condition of `condition` numbers.
    pub fn new(
        settings: &LayerSettings,
        (dims, condition): (usize, usize),
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Layer {
        match settings {
            LayerSettings::ActNorm => Layer::ActNorm(ActNorm::new(dims, device)),
            LayerSettings::Coupling { transform, networks, subnet } => {
                Layer::Coupling(Coupling::new((dims, condition), *transform, *networks, subnet, rng, device))
            }
            LayerSettings::AllInOne { clamp, mixing, subnet } => {
                Layer::AllInOne(AllInOne::new((dims, condition), *clamp, *mixing, subnet, rng, device))
            }
            LayerSettings::Mixing(kind) => Layer::Mixing(Mixing::new(*kind, dims, rng, device)),
            LayerSettings::Part { numbers, layers } => {
                Layer::Part(Part::new((dims, *numbers, condition), layers, rng, device))
            }
        }
    }

    /// What the condition contributes to each network, one row per condition.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Vec<Tensor<2>> {
        match self {
            Layer::ActNorm(_) | Layer::Mixing(_) => Vec::new(),
            Layer::Coupling(layer) => layer.project(condition),
            Layer::AllInOne(layer) => layer.project(condition),
            Layer::Part(layer) => layer.project(condition),
        }
    }

    /// How many tensors [`Layer::project`] gives.
    pub(crate) fn networks(&self) -> usize {
        match self {
            Layer::ActNorm(_) | Layer::Mixing(_) => 0,
            Layer::Coupling(layer) => layer.networks(),
            Layer::AllInOne(_) => 1,
            Layer::Part(layer) => layer.networks(),
        }
    }

    /// From data towards the latent space: `y` and log |det ∂y/∂x| per row.
    pub fn forward(&self, x: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        match self {
            Layer::ActNorm(layer) => layer.forward(x),
            Layer::Coupling(layer) => layer.forward(x, projected),
            Layer::AllInOne(layer) => layer.forward(x, projected),
            Layer::Mixing(layer) => layer.forward(x),
            Layer::Part(layer) => layer.forward(x, projected),
        }
    }

    /// From the latent space towards data: `x` and log |det ∂x/∂y| per row.
    pub fn inverse(&self, y: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        match self {
            Layer::ActNorm(layer) => layer.inverse(y),
            Layer::Coupling(layer) => layer.inverse(y, projected),
            Layer::AllInOne(layer) => layer.inverse(y, projected),
            Layer::Mixing(layer) => layer.inverse(y),
            Layer::Part(layer) => layer.inverse(y, projected),
        }
    }

    /// The layer with what depends on data set from `batch`, its input.
    #[must_use]
    pub fn fitted(self, batch: Tensor<2>, projected: &[Tensor<2>]) -> Layer {
        match self {
            Layer::Part(layer) => Layer::Part(layer.fitted(batch, projected)),
            Layer::ActNorm(layer) => Layer::ActNorm(layer.fitted(batch)),
            other => other,
        }
    }
}
