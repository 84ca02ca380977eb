//! ActNorm (Kingma 2018): a learned scale and shift per number, set from the first batch so that it is standardised.

use crate::tensors::{param, repeat};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// `y = (x + shift)·exp(log_scale)`.
#[derive(Module, Debug)]
pub struct ActNorm {
    /// Shift before scaling, `[dims]`.
    shift: Param<Tensor<1>>,
    /// Logarithm of the scale, `[dims]`.
    log_scale: Param<Tensor<1>>,
}

/// Standard deviations below this are taken for constants, whose scale stays 1.
const LEAST_DEVIATION: f64 = 1e-6;

impl ActNorm {
    /// The identity on `dims` numbers.
    pub fn new(dims: usize, device: &Device) -> ActNorm {
        ActNorm { shift: param(vec![0.0; dims], [dims], device), log_scale: param(vec![0.0; dims], [dims], device) }
    }

    /// The map after which the rows of `batch` have mean 0 and deviation 1.
    #[must_use]
    pub fn fitted(self, batch: Tensor<2>) -> ActNorm {
        let batch = batch.inner();
        let mean = batch.clone().mean_dim(0);
        let deviation = (batch - mean.clone()).square().mean_dim(0).sqrt();
        let constant = deviation.clone().lower_elem(LEAST_DEVIATION);
        let log_scale: Tensor<1> = deviation.mask_fill(constant, 1.0).log().neg().squeeze_dim(0);
        let shift: Tensor<1> = mean.neg().squeeze_dim(0);
        let set = |param: Param<Tensor<1>>, value: Tensor<1>| {
            param.map(|old| {
                let value = value.to_device(&old.device());
                let value = if old.is_autodiff() { value.autodiff() } else { value };
                value.set_require_grad(old.is_require_grad())
            })
        };
        ActNorm { shift: set(self.shift, shift), log_scale: set(self.log_scale, log_scale) }
    }

    /// `y` and the log determinant per row.
    pub fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let log_scale = self.log_scale.val();
        let log_det = repeat(log_scale.clone().sum(), x.dims()[0]);
        ((x + self.shift.val().unsqueeze::<2>()) * log_scale.exp().unsqueeze::<2>(), log_det)
    }

    /// `x` and the inverse's log determinant per row.
    pub fn inverse(&self, y: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let log_scale = self.log_scale.val();
        let log_det = repeat(log_scale.clone().sum().neg(), y.dims()[0]);
        (y * log_scale.neg().exp().unsqueeze::<2>() - self.shift.val().unsqueeze::<2>(), log_det)
    }
}
