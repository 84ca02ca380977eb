//! Small helpers on tensors: constants in the number type of another tensor, seeded random starts, change of precision.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A tensor of `values` on the device and in the number type of `like`, outside every graph.
pub(crate) fn constant<const D: usize, const K: usize>(
    values: Vec<f64>,
    shape: [usize; D],
    like: &Tensor<K>,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (&like.device(), like.dtype()))
}

/// Independent standard normal numbers from `rng`: the same for the same state, whatever the device.
pub fn normal<const D: usize>(shape: [usize; D], rng: &mut ChaCha8Rng, device: &Device, dtype: DType) -> Tensor<D> {
    let count = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|_| rng.sample(StandardNormal)).collect();
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}

/// A trainable parameter of `f32` numbers, `scale` times uniform numbers in [-1, 1).
pub fn uniform_param<const D: usize>(
    shape: [usize; D],
    scale: f64,
    rng: &mut ChaCha8Rng,
    device: &Device,
) -> Param<Tensor<D>> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| (scale * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect();
    param(values, shape, device)
}

/// A trainable parameter of the given `f32` numbers.
pub(crate) fn param<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), (device, DType::F32)))
}

/// A parameter that training leaves alone, stored with the others.
pub(crate) fn fixed_param<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    param(values, shape, device).set_require_grad(false)
}

/// The same network in another precision, `f64` for checks and references.
#[must_use]
pub fn cast<M: Module>(module: M, dtype: DType) -> M {
    struct Cast(DType);
    impl ModuleMapper for Cast {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let wanted = self.0;
            param.map(|tensor| {
                let grad = tensor.is_require_grad();
                tensor.detach().cast(wanted).detach().set_require_grad(grad)
            })
        }
    }
    module.map(&mut Cast(dtype))
}

/// The numbers of a tensor, in row-major order.
pub fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().expect("converted to f64 above")
}

/// log det of one row for `rows` rows.
pub(crate) fn repeat(value: Tensor<1>, rows: usize) -> Tensor<1> {
    value.expand([rows])
}

/// Zero log det for the rows of `like`.
pub(crate) fn no_change(like: &Tensor<2>) -> Tensor<1> {
    Tensor::zeros([like.dims()[0]], (&like.device(), like.dtype()))
}
