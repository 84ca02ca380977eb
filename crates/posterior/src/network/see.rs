//! What a network makes of one X-ray: a compact residual convolutional network.
//!
//! The image is cut into 4 × 4 patches (one convolution of stride 4), then stages of residual blocks follow, each at half
//! the resolution of the one before. A block starts as the identity (its last convolution is zero), so no normalisation
//! layers are needed. The last stage's pixels keep their places: position in the image is position of the patient.

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor, activation};
use rand_chacha::ChaCha8Rng;
use regiscope_inn::tensors::uniform_param;
use serde::{Deserialize, Serialize};

use crate::error::PosteriorError;

/// Side of a patch of the first convolution, pixels.
const PATCH: usize = 4;

/// What the network for one image is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeeSettings {
    /// Side of the square images, pixels: a multiple of 4·2^(stages − 1), 16 to 512.
    pub pixels: usize,
    /// Channels of each stage, 1 to 6 stages of 1 to 1024 channels.
    pub channels: Vec<usize>,
    /// Residual blocks per stage, 0 to 16.
    pub blocks: usize,
    /// Numbers per image that come out, 1 to 4096.
    pub features: usize,
}

impl Default for SeeSettings {
    fn default() -> Self {
        Self { pixels: 64, channels: vec![16, 32, 64], blocks: 1, features: 128 }
    }
}

impl SeeSettings {
    /// Refuses the first setting that is out of range.
    pub fn check(&self) -> Result<(), PosteriorError> {
        if !(1..=6).contains(&self.channels.len()) {
            return PosteriorError::setting("channels", format!("{:?}", self.channels), "1 to 6 stages");
        }
        if let Some(channels) = self.channels.iter().find(|c| !(1..=1024).contains(*c)) {
            return PosteriorError::setting("channels", channels, "1 to 1024 channels a stage");
        }
        let unit = PATCH << (self.channels.len() - 1);
        if !(16..=512).contains(&self.pixels) || !self.pixels.is_multiple_of(unit) {
            return PosteriorError::setting("pixels", self.pixels, &format!("a multiple of {unit} from 16 to 512"));
        }
        if self.blocks > 16 {
            return PosteriorError::setting("blocks", self.blocks, "0 to 16");
        }
        if !(1..=4096).contains(&self.features) {
            return PosteriorError::setting("features", self.features, "1 to 4096");
        }
        Ok(())
    }

    /// Numbers of the last stage: pixels times channels.
    fn last(&self) -> usize {
        let side = self.pixels / (PATCH << (self.channels.len() - 1));
        side * side * self.channels[self.channels.len() - 1]
    }
}

/// `x + conv(silu(conv(silu(x))))`, 3 × 3, the second convolution zero at the start.
#[derive(Module, Debug)]
struct Block {
    first: Conv2d,
    second: Conv2d,
}

/// One resolution: blocks, and before them the convolution that leads to it.
#[derive(Module, Debug)]
struct Stage {
    enter: Conv2d,
    blocks: Vec<Block>,
}

/// The network for one image.
#[derive(Module, Debug)]
pub struct See {
    stages: Vec<Stage>,
    weights: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    pixels: usize,
}

impl See {
    /// The network of checked `settings`, its random start drawn with `rng`.
    pub fn new(settings: &SeeSettings, rng: &mut ChaCha8Rng, device: &Device) -> Result<Self, PosteriorError> {
        settings.check()?;
        let mut before = 1;
        let mut stages = Vec::new();
        for (n, &channels) in settings.channels.iter().enumerate() {
            let side = if n == 0 { PATCH } else { 2 };
            let enter = convolution([before, channels], side, side, 1.0, rng, device);
            let block = |rng: &mut ChaCha8Rng| Block {
                first: convolution([channels; 2], 3, 1, 1.0, rng, device),
                second: convolution([channels; 2], 3, 1, 0.0, rng, device),
            };
            stages.push(Stage { enter, blocks: (0..settings.blocks).map(|_| block(rng)).collect() });
            before = channels;
        }
        let last = settings.last();
        let scale = 1.0 / (last as f64).sqrt();
        let weights = uniform_param([last, settings.features], scale, rng, device);
        let bias = uniform_param([settings.features], scale, rng, device);
        Ok(Self { stages, weights, bias, pixels: settings.pixels })
    }

    /// Side of the images, pixels.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// Features `[n, features]` of images `[n, 1, pixels, pixels]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = images;
        for stage in &self.stages {
            x = stage.enter.forward(x);
            for block in &stage.blocks {
                let change = block.second.forward(activation::silu(block.first.forward(activation::silu(x.clone()))));
                x = x + change;
            }
        }
        let flat: Tensor<2> = activation::silu(x).flatten(1, 3);
        activation::silu(flat.matmul(self.weights.val()) + self.bias.val().unsqueeze::<2>())
    }
}

/// A convolution with weights uniform within ±`gain`·√(3 / inputs): outputs as large as inputs for `gain` 1.
fn convolution(
    [from, to]: [usize; 2],
    side: usize,
    stride: usize,
    gain: f64,
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Conv2d {
    let padding = if stride == 1 { PaddingConfig2d::Explicit(1, 1, 1, 1) } else { PaddingConfig2d::Valid };
    let made = Conv2dConfig::new([from, to], [side; 2]).with_stride([stride; 2]).with_padding(padding).init(device);
    let scale = gain * (3.0 / (from * side * side) as f64).sqrt();
    let weight = uniform_param([to, from, side, side], scale, rng, device);
    Conv2d { weight, bias: Some(uniform_param([to], 0.0, rng, device)), ..made }
}
