//! Invertible layers on images `[n, channels, height, width]`.
//!
//! [`squeeze`] moves 2×2 neighbourhoods into channels, [`haar`] does so in the Haar basis (averages first, then the
//! differences across, down and along the diagonal of each channel); both keep volume. [`Convolution`] mixes channels by
//! an invertible 1×1 convolution, [`ImageCoupling`] transforms half of the channels with parameters that a small
//! convolutional network makes of the other half. Rows for a [`Flow`](crate::Flow), also for the split of a multi-scale
//! flow ([`LayerSettings::Part`](crate::LayerSettings::Part)), come from `flatten`.

use crate::layer::Lu;
use crate::tensors::{constant, param, uniform_param};
use crate::transform::Transform;
use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, activation};
use rand_chacha::ChaCha8Rng;

/// 2×2 neighbourhoods into channels: `[n, c, h, w]` to `[n, 4c, h/2, w/2]`, height and width even.
pub fn squeeze(x: Tensor<4>) -> Tensor<4> {
    let [n, c, h, w] = x.dims();
    let blocks: Tensor<6> = x.reshape([n, c, h / 2, 2, w / 2, 2]);
    blocks.permute([0, 1, 3, 5, 2, 4]).reshape([n, 4 * c, h / 2, w / 2])
}

/// The inverse of [`squeeze`].
pub fn unsqueeze(y: Tensor<4>) -> Tensor<4> {
    let [n, c4, h, w] = y.dims();
    let blocks: Tensor<6> = y.reshape([n, c4 / 4, 2, 2, h, w]);
    blocks.permute([0, 1, 4, 2, 5, 3]).reshape([n, c4 / 4, 2 * h, 2 * w])
}

/// The orthonormal Haar transform of 2×2 neighbourhoods, in channels.
pub fn haar(x: Tensor<4>) -> Tensor<4> {
    in_haar_basis(squeeze(x))
}

/// The inverse of [`haar`].
pub fn inverse_haar(y: Tensor<4>) -> Tensor<4> {
    unsqueeze(in_haar_basis(y))
}

/// Groups of four channels in the Haar basis; the matrix is symmetric and its own inverse.
fn in_haar_basis(x: Tensor<4>) -> Tensor<4> {
    const BASIS: [f64; 16] = [0.5, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5, -0.5, -0.5, 0.5];
    let [n, c, h, w] = x.dims();
    let basis: Tensor<3> = constant(BASIS.to_vec(), [1, 4, 4], &x);
    let groups: Tensor<3> = x.reshape([n * c / 4, 4, h * w]);
    basis.expand([n * c / 4, 4, 4]).matmul(groups).reshape([n, c, h, w])
}

/// An invertible 1×1 convolution (Kingma 2018), its matrix kept as triangular factors.
#[derive(Module, Debug)]
pub struct Convolution {
    matrix: Lu,
}

impl Convolution {
    /// A mixing of `channels`.
    pub fn new(channels: usize, rng: &mut ChaCha8Rng, device: &Device) -> Convolution {
        Convolution { matrix: Lu::new(channels, rng, device) }
    }

    /// The mixed image and the log determinant per image.
    pub fn forward(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        self.apply(x, self.matrix.matrix(), 1.0)
    }

    /// The image before mixing, and the inverse's log determinant per image.
    pub fn inverse(&self, y: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        self.apply(y, self.matrix.inverse_matrix(), -1.0)
    }

    fn apply(&self, x: Tensor<4>, matrix: Tensor<2>, sign: f64) -> (Tensor<4>, Tensor<1>) {
        let [n, c, h, w] = x.dims();
        let pixels: Tensor<3> = x.reshape([n, c, h * w]);
        let mixed = matrix.transpose().unsqueeze::<3>().expand([n, c, c]).matmul(pixels);
        let log_det = self.matrix.log_det().mul_scalar(sign * (h * w) as f64).expand([n]);
        (mixed.reshape([n, c, h, w]), log_det)
    }
}

/// An affine coupling of channels: a network of two 3×3 convolutions sees the first half and changes the second.
#[derive(Module, Debug)]
pub struct ImageCoupling {
    first: Param<Tensor<4>>,
    first_bias: Param<Tensor<1>>,
    last: Param<Tensor<4>>,
    last_bias: Param<Tensor<1>>,
    /// Channels that stay.
    split: usize,
    channels: usize,
    #[module(skip)]
    transform: Transform,
}

impl ImageCoupling {
    /// A coupling of `channels` ≥ 2 with `width` hidden channels; starts as the identity. Log scales are clamped to ±2.
    pub fn new(channels: usize, width: usize, rng: &mut ChaCha8Rng, device: &Device) -> ImageCoupling {
        let split = channels / 2;
        let outputs = 2 * (channels - split);
        let scale = 1.0 / (9.0 * split.max(1) as f64).sqrt();
        ImageCoupling {
            first: uniform_param([width, split, 3, 3], scale, rng, device),
            first_bias: param(vec![0.0; width], [width], device),
            last: param(vec![0.0; outputs * width * 9], [outputs, width, 3, 3], device),
            last_bias: param(vec![0.0; outputs], [outputs], device),
            split,
            channels,
            transform: Transform::Affine { clamp: 2.0 },
        }
    }

    /// The image and the log determinant per image.
    pub fn forward(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        self.apply(x, |changed, parameters| self.transform.forward(changed, parameters))
    }

    /// The image before, and the inverse's log determinant per image.
    pub fn inverse(&self, y: Tensor<4>) -> (Tensor<4>, Tensor<1>) {
        self.apply(y, |changed, parameters| self.transform.inverse(changed, parameters))
    }

    fn apply(
        &self,
        x: Tensor<4>,
        map: impl Fn(Tensor<2>, Tensor<2>) -> (Tensor<2>, Tensor<1>),
    ) -> (Tensor<4>, Tensor<1>) {
        let [n, _, h, w] = x.dims();
        let changed = self.channels - self.split;
        let (seen, moved) = (x.clone().narrow(1, 0, self.split), x.narrow(1, self.split, changed));
        let convolve = |image, weights: &Param<Tensor<4>>, bias: &Param<Tensor<1>>| {
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            conv2d(image, weights.val(), Some(bias.val()), options)
        };
        let hidden = activation::relu(convolve(seen.clone(), &self.first, &self.first_bias));
        let parameters: Tensor<2> = convolve(hidden, &self.last, &self.last_bias).flatten(1, 3);
        let (moved, log_det) = map(moved.flatten(1, 3), parameters);
        (Tensor::cat(vec![seen, moved.reshape([n, changed, h, w])], 1), log_det)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{cast, normal, to_vec};
    use burn::module::ModuleMapper;
    use burn::tensor::DType;
    use rand::SeedableRng;

    fn image(dtype: DType) -> (Tensor<4>, ChaCha8Rng) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (normal([2, 4, 4, 6], &mut rng, &Device::flex(), dtype), rng)
    }

    fn largest<const D: usize>(x: Tensor<D>) -> f64 {
        to_vec(x).into_iter().map(f64::abs).fold(0.0, f64::max)
    }

    #[test]
    fn squeeze_and_haar_keep_every_number_and_the_length() {
        let (x, _) = image(DType::F64);
        assert_eq!(squeeze(x.clone()).dims(), [2, 16, 2, 3]);
        assert_eq!(largest(unsqueeze(squeeze(x.clone())) - x.clone()), 0.0);
        let y = haar(x.clone());
        assert!(largest(inverse_haar(y.clone()) - x.clone()) < 1e-12);
        let energy = |x: Tensor<4>| to_vec(x.square().sum())[0];
        assert!((energy(y.clone()) - energy(x.clone())).abs() < 1e-9);
        // The first channel of a group is twice the mean of its neighbourhood.
        let corner = x.narrow(2, 0, 2).narrow(3, 0, 2).narrow(0, 0, 1).narrow(1, 0, 1);
        let first = to_vec(y.narrow(0, 0, 1).narrow(1, 0, 1).narrow(2, 0, 1).narrow(3, 0, 1))[0];
        assert!((first - 2.0 * to_vec(corner.mean())[0]).abs() < 1e-12);
    }

    #[test]
    fn image_layers_invert_and_have_the_determinant_they_say() {
        struct Shake(ChaCha8Rng);
        impl ModuleMapper for Shake {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let noise = normal(param.dims(), &mut self.0, &param.device(), param.dtype()).mul_scalar(0.1);
                if param.dims()[0] == 4 && D == 2 && to_vec(param.val()).iter().all(|v| *v == 0.0 || *v == 1.0) {
                    return param; // the fixed permutation
                }
                param.map(|value| value + noise)
            }
        }
        for (dtype, bound) in [(DType::F64, 1e-11), (DType::F32, 1e-5)] {
            let (x, mut rng) = image(dtype);
            let device = Device::flex();
            let mix = cast(Convolution::new(4, &mut rng, &device).map(&mut Shake(rng.clone())), dtype);
            let couple = cast(ImageCoupling::new(4, 8, &mut rng, &device).map(&mut Shake(rng.clone())), dtype);
            type Map<'a> = Box<dyn Fn(Tensor<4>, bool) -> (Tensor<4>, Tensor<1>) + 'a>;
            let maps: [Map; 2] = [
                Box::new(|x, back| if back { mix.inverse(x) } else { mix.forward(x) }),
                Box::new(|x, back| if back { couple.inverse(x) } else { couple.forward(x) }),
            ];
            for map in maps {
                let (y, there) = map(x.clone(), false);
                let (back, home) = map(y.clone(), true);
                assert!(largest(back - x.clone()) <= bound, "inverse in {dtype:?}");
                assert!(largest(there.clone() + home) <= 100.0 * bound);
                if dtype == DType::F64 {
                    let expected = by_differences(&map, &x);
                    assert!((to_vec(there)[0] - expected).abs() < 1e-6, "determinant");
                }
            }
        }
    }

    /// log |det| of the first image's map by central differences.
    fn by_differences(map: &dyn Fn(Tensor<4>, bool) -> (Tensor<4>, Tensor<1>), x: &Tensor<4>) -> f64 {
        let one = x.clone().narrow(0, 0, 1);
        let start = to_vec(one.clone());
        let step = 1e-6;
        let at = |k: usize, sign: f64| {
            let mut values = start.clone();
            values[k] += sign * step;
            to_vec(map(constant(values, one.dims(), &one), false).0)
        };
        let columns: Vec<f64> = (0..start.len())
            .flat_map(|k| {
                let (up, down) = (at(k, 1.0), at(k, -1.0));
                up.into_iter().zip(down).map(|(a, b)| (a - b) / (2.0 * step)).collect::<Vec<_>>()
            })
            .collect();
        nalgebra::DMatrix::from_vec(start.len(), start.len(), columns).determinant().abs().ln()
    }
}
