//! The network: images of one or more views → a condition → a density over poses.

mod pool;
mod see;

pub use pool::{Pool, geometry};
pub use see::{See, SeeSettings};

use crate::error::PosteriorError;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_inn::{PoseFlow, PoseFlowSettings, Subnet};
use serde::{Deserialize, Serialize};

/// What a posterior network is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// The network for one image.
    pub see: SeeSettings,
    /// Whether views are weighed by attention.
    pub attention: bool,
    /// Components of the density, 1 to 64: at least as many as modes that one image can have.
    pub components: usize,
    /// Steps of the flow that the components share; 0 leaves a mixture of simple densities (a mixture density network).
    pub steps: usize,
    /// Width of the two hidden layers of every network inside the flow, 1 to 4096.
    pub width: usize,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { see: SeeSettings::default(), attention: false, components: 8, steps: 2, width: 64 }
    }
}

/// A density over poses given X-rays.
#[derive(Module, Debug)]
pub struct PoseNetwork {
    see: See,
    pool: Pool,
    flow: PoseFlow,
}

impl PoseNetwork {
    /// The network of `settings` on `device`. Translations are those of the pivot in the world, about `centre_mm`, and are
    /// scaled by `scale_mm`: the centre and the standard deviations of the prior.
    pub fn new(
        settings: &NetworkSettings,
        centre_mm: [f64; 3],
        scale_mm: [f64; 3],
        seed: u64,
        device: &Device,
    ) -> Result<Self, PosteriorError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let features = settings.see.features;
        let flow = PoseFlowSettings {
            condition: features,
            components: settings.components,
            steps: settings.steps,
            subnet: Subnet::two(settings.width),
            centre_mm,
            scale_mm,
            degrees_of_freedom: 10.0,
        };
        let see = See::new(&settings.see, &mut rng, device)?;
        let pool = Pool::new(features, settings.attention, &mut rng, device);
        Ok(Self { see, pool, flow: PoseFlow::new(&flow, &mut rng, device)? })
    }

    /// The density over poses.
    pub fn flow(&self) -> &PoseFlow {
        &self.flow
    }

    /// Side of the images, pixels.
    pub fn pixels(&self) -> usize {
        self.see.pixels()
    }

    /// Conditions `[n, features]` of images `[n · views, 1, pixels, pixels]` (views of a case one after the other) and the
    /// views' [`geometry`].
    pub fn condition(&self, images: Tensor<4>, geometry: &Tensor<2>) -> Tensor<2> {
        self.pool.forward(self.see.forward(images), geometry)
    }
}

/// Normalised images (row-major, all of the same side) as a tensor `[n, 1, side, side]`.
pub fn images_tensor(pixels: Vec<f32>, side: usize, device: &Device) -> Tensor<4> {
    let count = pixels.len() / (side * side);
    Tensor::from_data(TensorData::new(pixels, [count, 1, side, side]), (device, DType::F32))
}
