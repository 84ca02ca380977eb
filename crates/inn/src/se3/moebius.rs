//! A coupling of rotations without seam: a Möbius map of the circle on which one column of the matrix turns about another.
//!
//! Let `c` be one column of the rotation matrix and `u` the next. Given `c`, the rotation is the place of `u` on the unit
//! circle perpendicular to `c`, uniform under Haar measure. A Möbius map of that circle with centre ω (perpendicular to
//! `c`, |ω| < 1) turns `u` about `c` by `2·arg(1 − ω·ū)`, so the rotation is multiplied from the left by the unit
//! quaternion `(1 − ω·u, (c·(ω × u)) c) / |u − ω|`; its density factor is `(1 − |ω|²) / |u − ω|²`, and −ω inverts it.
//! (Rezende et al. 2020, "Normalizing flows on tori and spheres"; Liu et al. 2023, "Delving into discrete normalizing flows
//! on SO(3)".) ω comes from a network of `c`, projected onto the plane perpendicular to `c`, so that no direction in that
//! plane has to be chosen as the zero of an angle, which no continuous choice could do for all `c`.

use super::quaternion::{axis, cross, dot, multiply};
use crate::subnet::{Mlp, Subnet};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

/// Largest |ω|. It bounds the density factor by (1 + |ω|)/(1 − |ω|) = 19, and with it the loss of digits.
const LARGEST: f64 = 0.9;

/// A Möbius coupling about one column of the rotation.
#[derive(Module, Debug)]
pub struct Moebius {
    network: Mlp,
    /// The column that stays, 0 to 2.
    about: usize,
}

impl Moebius {
    /// A coupling about column `about` whose network also sees `extra` numbers and a condition.
    pub(super) fn new(
        about: usize,
        extra: usize,
        condition: usize,
        subnet: &Subnet,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Moebius {
        Moebius { network: Mlp::new(3 + extra, condition, 3, subnet, rng, device), about: about % 3 }
    }

    pub(super) fn project(&self, condition: Option<&Tensor<2>>) -> Tensor<2> {
        self.network.project(condition)
    }

    /// The rotation with its circle mapped, and the log determinant under Haar measure.
    pub(super) fn forward(&self, q: Tensor<2>, extra: &Tensor<2>, projected: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.map(q, extra, projected, 1.0)
    }

    /// The rotation before the map, and the inverse's log determinant.
    pub(super) fn inverse(&self, q: Tensor<2>, extra: &Tensor<2>, projected: &Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        self.map(q, extra, projected, -1.0)
    }

    fn map(&self, q: Tensor<2>, extra: &Tensor<2>, projected: &Tensor<2>, sign: f64) -> (Tensor<2>, Tensor<1>) {
        let stays = axis(&q, self.about);
        let turns = axis(&q, (self.about + 1) % 3);
        let free = self.network.forward(Tensor::cat(vec![stays.clone(), extra.clone()], 1), projected);
        let flat = free.clone() - dot(&free, &stays) * stays.clone();
        let stretch = flat.clone().square().sum_dim(1).add_scalar(1.0).sqrt();
        let centre = flat.div(stretch).mul_scalar(sign * LARGEST);
        let real = dot(&centre, &turns).neg().add_scalar(1.0);
        let imaginary = dot(&stays, &cross(&centre, &turns));
        let distance2 = real.clone().square() + imaginary.clone().square();
        let turn = Tensor::cat(vec![real, imaginary * stays], 1) / distance2.clone().sqrt();
        let room = centre.square().sum_dim(1).neg().add_scalar(1.0);
        let log_det = (room.log() - distance2.log()).squeeze_dim(1);
        (multiply(&turn, &q), log_det)
    }
}
