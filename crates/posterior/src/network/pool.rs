//! From the features of several views to one condition, whatever the order of the views.
//!
//! Each view's features are joined with numbers that say where the view looked from, pass a network that all views share, and
//! are averaged: with equal weights (deep sets; Zaheer et al. 2017), or with weights that attention gives (Lee et al. 2019,
//! pooling by a learned query).

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData, activation};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Source, View};
use regiscope_inn::tensors::uniform_param;

/// Numbers that say where a view looked from: direction of the central ray, directions of columns and rows (world frame).
pub const GEOMETRY: usize = 9;

/// The network that joins views.
#[derive(Module, Debug)]
pub struct Pool {
    of_features: Param<Tensor<2>>,
    of_geometry: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    query: Option<Param<Tensor<2>>>,
}

impl Pool {
    /// A pool of `features` numbers, with or without attention, its random start drawn with `rng`.
    pub fn new(features: usize, attention: bool, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let scale = 1.0 / ((features + GEOMETRY) as f64).sqrt();
        Self {
            of_features: uniform_param([features, features], scale, rng, device),
            of_geometry: uniform_param([GEOMETRY, features], scale, rng, device),
            bias: uniform_param([features], scale, rng, device),
            query: attention.then(|| uniform_param([features, 1], scale, rng, device)),
        }
    }

    /// Conditions `[n, features]` of features `[n · views, features]` (views of a case one after the other) and the views'
    /// geometry `[views, 9]`.
    pub fn forward(&self, features: Tensor<2>, geometry: &Tensor<2>) -> Tensor<2> {
        let [rows, width] = features.dims();
        let views = geometry.dims()[0];
        let cases = rows / views;
        let of_geometry = geometry.clone().matmul(self.of_geometry.val()) + self.bias.val().unsqueeze::<2>();
        let seen = features.matmul(self.of_features.val()).reshape([cases, views, width]);
        let seen: Tensor<3> = activation::silu(seen + of_geometry.unsqueeze::<3>());
        let Some(query) = &self.query else { return seen.mean_dim(1).reshape([cases, width]) };
        let scores = seen.clone().reshape([rows, width]).matmul(query.val()).reshape([cases, views, 1]);
        (seen * activation::softmax(scores, 1)).sum_dim(1).reshape([cases, width])
    }
}

/// The geometry of views as [`Pool::forward`] takes it, `[views, 9]`.
pub fn geometry(views: &[View], device: &Device) -> Tensor<2> {
    let one = |view: &View| {
        let centre = view.pixel(0.5 * (view.rows() as f64 - 1.0), 0.5 * (view.cols() as f64 - 1.0));
        let ray = match view.source() {
            Source::Point(source) => centre - source,
            Source::Parallel(beam) => beam,
        };
        let columns = view.pixel(0.0, 1.0) - view.pixel(0.0, 0.0);
        let rows = view.pixel(1.0, 0.0) - view.pixel(0.0, 0.0);
        [ray.normalize(), columns.normalize(), rows.normalize()]
            .iter()
            .flat_map(|v| [v.x, v.y, v.z])
            .collect::<Vec<f64>>()
    };
    let numbers: Vec<f64> = views.iter().flat_map(one).collect();
    Tensor::from_data(TensorData::new(numbers, [views.len(), GEOMETRY]), (device, DType::F32))
}
