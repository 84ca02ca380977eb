//! Layers on a part of the numbers: the split of multi-scale flows (Dinh 2016). The other numbers leave for the latent
//! space as they are; the inverse merges them again.

use super::{Layer, LayerSettings};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

/// Layers on the first numbers of each row.
#[derive(Module, Debug)]
pub struct Part {
    layers: Vec<Layer>,
    dims: usize,
    /// How many numbers go on.
    numbers: usize,
}

impl Part {
    /// Layers of checked `settings` on the first `numbers` of `dims` numbers.
    pub fn new(
        (dims, numbers, condition): (usize, usize, usize),
        settings: &[LayerSettings],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Part {
        let layers = settings.iter().map(|layer| Layer::new(layer, (numbers, condition), rng, device)).collect();
        Part { layers, dims, numbers }
    }

    /// The condition's part of each network.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Vec<Tensor<2>> {
        self.layers.iter().flat_map(|layer| layer.project(condition)).collect()
    }

    pub(super) fn networks(&self) -> usize {
        self.layers.iter().map(Layer::networks).sum()
    }

    /// `y` and the log determinant per row.
    pub fn forward(&self, x: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        let (start, left) = self.split(x);
        let zero = crate::tensors::no_change(&start);
        let (mut on, mut log_det, mut at) = (start, zero, 0);
        for layer in &self.layers {
            let part = &projected[at..at + layer.networks()];
            let (y, change) = layer.forward(on, part);
            (on, log_det, at) = (y, log_det + change, at + layer.networks());
        }
        (Tensor::cat(vec![on, left], 1), log_det)
    }

    /// `x` and the inverse's log determinant per row.
    pub fn inverse(&self, y: Tensor<2>, projected: &[Tensor<2>]) -> (Tensor<2>, Tensor<1>) {
        let (start, left) = self.split(y);
        let zero = crate::tensors::no_change(&start);
        let (mut on, mut log_det, mut end) = (start, zero, projected.len());
        for layer in self.layers.iter().rev() {
            let part = &projected[end - layer.networks()..end];
            let (x, change) = layer.inverse(on, part);
            (on, log_det, end) = (x, log_det + change, end - layer.networks());
        }
        (Tensor::cat(vec![on, left], 1), log_det)
    }

    /// The layers with what depends on data set from `batch`.
    pub(super) fn fitted(mut self, batch: Tensor<2>, projected: &[Tensor<2>]) -> Part {
        let (mut rows, _) = self.split(batch);
        let (mut layers, mut at) = (Vec::with_capacity(self.layers.len()), 0);
        for layer in self.layers {
            let part = &projected[at..at + layer.networks()];
            at += layer.networks();
            let layer = layer.fitted(rows.clone(), part);
            rows = layer.forward(rows, part).0.detach();
            layers.push(layer);
        }
        self.layers = layers;
        self
    }

    fn split(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        (x.clone().narrow(1, 0, self.numbers), x.narrow(1, self.numbers, self.dims - self.numbers))
    }
}
