//! A trained network given one case: a density over poses that can be sampled and evaluated.

use crate::error::PosteriorError;
use crate::network::{PoseNetwork, images_tensor};
use crate::simulator::normalised;
use crate::train::rows;
use burn::tensor::{Device, Tensor};
use nalgebra::{Quaternion, UnitQuaternion};
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Point, Rigid, Vector};
use regiscope_image::Image;
use regiscope_inn::PoseProjected;
use regiscope_inn::tensors::to_vec;
use regiscope_pose::posterior::Proposal;

/// The density that a network gives for one case (one image of each view).
pub struct Given<'a> {
    network: &'a PoseNetwork,
    projected: PoseProjected,
    features: Vec<f64>,
    pivot: Point,
    device: Device,
}

impl<'a> Given<'a> {
    /// Shows the images of one case, one a view in the order of `from_views`, to the network. Images are line integrals
    /// (or anything linear in them); pixels outside a mask do not count. `pivot` is that of the prior.
    pub fn new(
        network: &'a PoseNetwork,
        from_views: &Tensor<2>,
        images: &[(&Image<f32>, Option<&Image<bool>>)],
        pivot: Point,
    ) -> Result<Self, PosteriorError> {
        let (side, views) = (network.pixels(), from_views.dims()[0]);
        if images.len() != views {
            return PosteriorError::input("images", images.len(), &format!("{views}, one a view"));
        }
        let mut pixels = Vec::with_capacity(views * side * side);
        for (n, (image, mask)) in images.iter().enumerate() {
            if image.rows() != side || image.cols() != side {
                let found = format!("{} × {} pixels", image.rows(), image.cols());
                return PosteriorError::input(format!("image {n}"), found, &format!("{side} × {side} pixels"));
            }
            let open = |k: usize| mask.is_none_or(|m| m.data()[k]);
            if let Some(k) = (0..image.data().len()).find(|&k| open(k) && !image.data()[k].is_finite()) {
                let found = format!("{} in row {}, column {}", image.data()[k], k / side, k % side);
                return PosteriorError::input(
                    format!("image {n}"),
                    found,
                    "finite pixels, or a mask that leaves them out",
                );
            }
            pixels.extend(normalised(image, *mask));
        }
        let device = from_views.device();
        let condition = network.condition(images_tensor(pixels, side, &device), from_views);
        let projected = network.flow().project(Some(&condition))?;
        Ok(Self { network, projected, features: to_vec(condition), pivot, device })
    }

    /// What the network made of the images, for [`crate::familiar::Familiar`].
    pub fn features(&self) -> &[f64] {
        &self.features
    }

    /// Poses drawn with `rng` and their log densities (Haar measure of mass 1 times mm³).
    pub fn sample(&self, count: usize, rng: &mut ChaCha8Rng) -> (Vec<Rigid>, Vec<f64>) {
        let drawn = self.network.flow().sample(count, &self.projected, rng).expect("one condition");
        let (rotations, translations) = (to_vec(drawn.rotation), to_vec(drawn.translation_mm));
        let pose = |(q, t): (&[f64], &[f64])| {
            let rotation = UnitQuaternion::from_quaternion(Quaternion::new(q[0], q[1], q[2], q[3]));
            let shift = Vector::new(t[0], t[1], t[2]) - rotation * self.pivot.coords;
            Rigid::from_parts(shift.into(), rotation)
        };
        let poses = rotations.chunks_exact(4).zip(translations.chunks_exact(3)).map(pose).collect();
        (poses, to_vec(drawn.log_density))
    }

    /// Log densities of poses.
    pub fn log_density(&self, poses: &[Rigid]) -> Vec<f64> {
        if poses.is_empty() {
            return Vec::new();
        }
        let (mut rotations, mut translations) = (Vec::new(), Vec::new());
        for pose in poses {
            let q = pose.rotation.quaternion();
            rotations.extend([q.w, q.i, q.j, q.k].map(|v| v as f32));
            let at = pose * self.pivot;
            translations.extend([at.x, at.y, at.z].map(|v| v as f32));
        }
        let (rotations, translations) = (rows(&rotations, 4, &self.device), rows(&translations, 3, &self.device));
        to_vec(self.network.flow().log_density(&rotations, &translations, &self.projected).expect("rows of poses"))
    }
}

impl Proposal for Given<'_> {
    fn draw(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<Rigid> {
        self.sample(count, random).0
    }

    fn log_density(&self, poses: &[Rigid]) -> Vec<f64> {
        Given::log_density(self, poses)
    }
}
