//! A rival: a network that names one pose, and an ensemble of such networks whose answers are gathered.
//!
//! The same condition network as that of the flow, and one linear layer to a rotation (six numbers, made orthonormal;
//! Zhou et al. 2019) and a place of the pivot. Where several poses explain an image, it learns their mean, which may be none
//! of them.

use crate::error::PosteriorError;
use crate::network::{NetworkSettings, Pool, See, geometry, images_tensor};
use crate::simulator::{Example, Simulator, normalised};
use crate::train::{Fitted, Learner, Shown, TrainingSettings, fit};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Point, Rigid, Vector};
use regiscope_inn::tensors::{to_vec, uniform_param};
use std::ops::ControlFlow;

/// A network that names one pose.
#[derive(Module, Debug)]
pub struct Regressor {
    see: See,
    pool: Pool,
    weights: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    centre_mm: [f64; 3],
    #[module(skip)]
    scale_mm: [f64; 3],
}

impl Regressor {
    /// The network of `settings` for X-rays of `simulator`, its random start drawn with `seed`.
    pub fn new(
        simulator: &Simulator,
        settings: &NetworkSettings,
        seed: u64,
        device: &Device,
    ) -> Result<Self, PosteriorError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let features = settings.see.features;
        let prior = simulator.prior();
        let scale = 1.0 / (features as f64).sqrt();
        Ok(Self {
            see: See::new(&settings.see, &mut rng, device)?,
            pool: Pool::new(features, settings.attention, &mut rng, device),
            weights: uniform_param([features, 9], scale, &mut rng, device),
            bias: uniform_param([9], scale, &mut rng, device),
            centre_mm: (prior.nominal() * prior.pivot()).coords.into(),
            scale_mm: prior.displacement_sd().into(),
        })
    }

    /// Two columns of a rotation, not yet orthonormal, and the pivot's displacement in standard deviations of the prior.
    fn raw(&self, images: Tensor<4>, from_views: &Tensor<2>) -> Tensor<2> {
        let condition = self.pool.forward(self.see.forward(images), from_views);
        condition.matmul(self.weights.val()) + self.bias.val().unsqueeze::<2>()
    }

    /// The pose of an example's images.
    pub fn pose(&self, from_views: &Tensor<2>, example: &Example, pivot: &Point) -> Rigid {
        let pixels = example.images.iter().zip(&example.masks).flat_map(|(i, m)| normalised(i, m.as_ref())).collect();
        let raw = to_vec(self.raw(images_tensor(pixels, self.see.pixels(), &from_views.device()), from_views));
        let (a, b) = (Vector3::new(raw[0], raw[1], raw[2]), Vector3::new(raw[3], raw[4], raw[5]));
        let first = a.try_normalize(1e-12).unwrap_or_else(Vector3::x);
        let off = b - first * first.dot(&b);
        let second = off.try_normalize(1e-12).unwrap_or_else(|| first.cross(&least(&first)).normalize());
        let matrix = Matrix3::from_columns(&[first, second, first.cross(&second)]);
        let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(matrix));
        let place = Vector::from_fn(|k, _| self.centre_mm[k] + self.scale_mm[k] * raw[6 + k]);
        Rigid::from_parts((place - rotation * pivot.coords).into(), rotation)
    }
}

/// The unit vector least along another.
fn least(v: &Vector3<f64>) -> Vector3<f64> {
    let mut unit = Vector3::zeros();
    unit[v.iamin()] = 1.0;
    unit
}

impl Learner for Regressor {
    /// Mean squared error of the first two columns of the rotation and of the displacement in units of the prior.
    fn loss(&self, shown: Shown, from_views: &Tensor<2>) -> Tensor<1> {
        let raw = self.raw(shown.images, from_views);
        let q: Vec<Tensor<2>> = (0..4).map(|k| shown.rotations.clone().narrow(1, k, 1)).collect();
        let twice = |a: usize, b: usize| q[a].clone() * q[b].clone() * 2.0;
        let columns = vec![
            twice(2, 2).neg() - twice(3, 3) + 1.0,
            twice(1, 2) + twice(0, 3),
            twice(1, 3) - twice(0, 2),
            twice(1, 2) - twice(0, 3),
            twice(1, 1).neg() - twice(3, 3) + 1.0,
            twice(2, 3) + twice(0, 1),
        ];
        let row = |values: [f64; 3]| Tensor::<1>::from_data(values, (&raw.device(), raw.dtype())).unsqueeze::<2>();
        let place = (shown.translations_mm - row(self.centre_mm)) / row(self.scale_mm);
        let wanted = Tensor::cat([columns, vec![place]].concat(), 1);
        (raw - wanted).square().sum_dim(1).mean()
    }
}

/// Trains `members` networks alike, each with its own start and X-rays. `observe` hears the member and its steps.
pub fn train_ensemble(
    members: u64,
    simulator: &Simulator,
    settings: &TrainingSettings,
    seed: u64,
    device: &Device,
    clock: &(dyn Fn() -> f64 + Sync),
    observe: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Option<Vec<Regressor>>, PosteriorError> {
    let mut ensemble = Vec::new();
    for member in 0..members {
        let seed = seed.wrapping_add(member);
        let start = Regressor::new(simulator, &settings.network, seed, &device.clone().autodiff())?;
        let mut hear = |report: &regiscope_inn::train::StepReport| observe(member, report.step);
        match fit(start, simulator, settings, seed, device, None, clock, &mut hear)? {
            Some(Fitted { model, .. }) => ensemble.push(model),
            None => return Ok(None),
        }
    }
    Ok(Some(ensemble))
}

/// The answers of an ensemble for one example.
pub fn answers(ensemble: &[Regressor], simulator: &Simulator, example: &Example, device: &Device) -> Vec<Rigid> {
    let from_views = geometry(simulator.views(), device);
    ensemble.iter().map(|member| member.pose(&from_views, example, &simulator.prior().pivot())).collect()
}
