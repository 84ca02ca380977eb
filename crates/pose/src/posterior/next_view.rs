//! Which further view would tell the modes apart.
//!
//! The expected information gain of an image `y` of a candidate view about the mode `K` is the mutual information
//! `I(K; y) = H(K) + E[ln p(K | y)]` (D. V. Lindley 1956). Images are drawn from the image model at poses of the posterior;
//! `p(K | y)` needs each mode's mean over its poses, which a nested average over samples gives badly, since noise makes
//! every pose but the true one impossible. Here it is integrated in closed form with the image linear in the pose
//! around the mode's mean and the pose normal there: `y ~ N(m_k, σ² I + U_k U_kᵀ)` with `U_k = [s_g m_k, s_o 1, J_k L_k]` and
//! the mode's covariance `L_k L_kᵀ`. **Bias**: for any stand-in for `p(K | y)` the estimate is a lower bound in expectation (D.
//! Barber, F. Agakov, NIPS 2003); it is low where a mode is wide and bent, and may then be negative. The gain about the
//! pose inside modes uses the same linear form, and is `½ ln det` of information gained, without sampling.
//!
//! A temper below 1 (see [`super::ImageModel`]) counts as noise of variance `σ²/temper`.

use super::image_model::{ImageModel, blurred, blurred_with_jacobian, simulate};
use super::pose_modes::PoseMode;
use super::weigh::{log_sum_exp, resample};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use regiscope_drr::Renderer;
use regiscope_geometry::nalgebra::{SMatrix, SVector, Vector6};
use regiscope_geometry::{Point, Rigid, View};

/// What a further image is worth, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// Expected gain about which mode is true: at most the modes' entropy, a lower bound (see the module's header).
    pub modes: f64,
    /// Its Monte Carlo standard error.
    pub modes_se: f64,
    /// Expected gain about the pose inside its mode, averaged over modes; linear approximation.
    pub pose: f64,
}

/// What is known of the pose, and how images come about.
#[derive(Clone, Copy, Debug)]
pub struct NextView<'a> {
    /// The volume.
    pub renderer: &'a Renderer,
    /// The image model.
    pub model: ImageModel,
    /// Standard deviation of white noise, > 0.
    pub noise_sd: f64,
    /// The point of the volume (mm, its own frame) of the modes' charts.
    pub pivot: Point,
    /// Poses of the posterior.
    pub poses: &'a [Rigid],
    /// Their log weights.
    pub log_weights: &'a [f64],
    /// Their modes.
    pub modes: &'a [PoseMode],
}

/// The gain of each candidate view from `draws` simulated images; candidates are independent of each other and of the
/// number of threads. Zero for a posterior without modes.
pub fn next_view(known: &NextView, candidates: &[View], draws: usize, random: &mut ChaCha8Rng) -> Vec<Gain> {
    let seed = random.random();
    let one = |(n, view): (usize, &View)| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(n as u64);
        gain(known, view, draws.max(2), &mut random)
    };
    candidates.par_iter().enumerate().map(one).collect()
}

/// Entropy (nats) of which mode is true: the most that a view can tell about it.
pub fn mode_entropy(modes: &[PoseMode]) -> f64 {
    modes.iter().filter(|m| m.mass > 0.0).map(|m| -m.mass * m.mass.ln()).sum()
}

/// Gain, offset and six coordinates of the pose.
const RANK: usize = 8;

/// Images of one mode as a normal distribution.
struct Images {
    mean: Vec<f64>,
    /// A row for each pixel.
    factor: Vec<SVector<f64, RANK>>,
    /// `(I + UᵀU/σ²)⁻¹`.
    inner: SMatrix<f64, RANK, RANK>,
    log_det: f64,
    variance: f64,
    /// Information about the pose.
    pose_gain: f64,
}

impl Images {
    fn new(known: &NextView, view: &View, mode: &PoseMode) -> Self {
        let ImageModel { gain_sd, offset_sd, blur_px, temper } = known.model;
        let variance = known.noise_sd.powi(2) / temper;
        let (mean, jacobian) = blurred_with_jacobian(known.renderer, view, &mode.mean, blur_px);
        let chart = crate::chart::Chart::new(mode.mean, &known.pivot, 1.0);
        // A mode of one sample has no width.
        let root = mode.covariance.cholesky().map(|c| c.l()).unwrap_or_default();
        let by_root = chart.twist_by_coordinates(&Vector6::zeros()) * root;
        let row = |(m, j): (&f64, &[f32; 6])| {
            let by_pose = by_root.transpose() * Vector6::from_fn(|n, _| f64::from(j[n]));
            let mut row = SVector::<f64, RANK>::zeros();
            (row[0], row[1]) = (gain_sd * m, offset_sd);
            row.fixed_rows_mut::<6>(2).copy_from(&by_pose);
            row
        };
        let factor: Vec<SVector<f64, RANK>> = mean.iter().zip(&jacobian).map(row).collect();
        let mut a = SMatrix::<f64, RANK, RANK>::identity();
        factor.iter().for_each(|u| a.ger(1.0 / variance, u, u, 1.0));
        let root = a.cholesky().expect("the identity and more is positive definite");
        let log_det = 2.0 * root.l_dirty().diagonal().map(f64::ln).sum();
        let nuisance = a.fixed_view::<2, 2>(0, 0).determinant().ln();
        Self { mean, factor, inner: root.inverse(), log_det, variance, pose_gain: 0.5 * (log_det - nuisance) }
    }

    /// Log density of an image, without the part that all modes share.
    fn log_density(&self, image: &[f32]) -> f64 {
        let (mut squares, mut pull) = (0.0, SVector::<f64, RANK>::zeros());
        for ((&y, &m), u) in image.iter().zip(&self.mean).zip(&self.factor) {
            let r = f64::from(y) - m;
            squares += r * r;
            pull += u * r;
        }
        pull /= self.variance;
        -0.5 * (squares / self.variance - pull.dot(&(self.inner * pull)) + self.log_det)
    }
}

fn gain(known: &NextView, view: &View, draws: usize, random: &mut ChaCha8Rng) -> Gain {
    let modes: Vec<&PoseMode> = known.modes.iter().filter(|m| m.mass > 0.0).collect();
    if modes.is_empty() {
        return Gain { modes: 0.0, modes_se: 0.0, pose: 0.0 };
    }
    let images: Vec<Images> = modes.iter().map(|mode| Images::new(known, view, mode)).collect();
    let pose = modes.iter().zip(&images).map(|(m, i)| m.mass * i.pose_gain).sum();
    if modes.len() == 1 {
        return Gain { modes: 0.0, modes_se: 0.0, pose };
    }
    let masses: Vec<f64> = modes.iter().map(|m| m.mass.ln()).collect();
    let noise_sd = known.noise_sd / known.model.temper.sqrt();
    // As many images of each mode as its mass asks for, at least two, so that no mode's part is left to chance.
    let (mut mean, mut variance) = (0.0, 0.0);
    for (k, mode) in modes.iter().enumerate() {
        let count = ((mode.mass * draws as f64).round() as usize).max(2);
        let logs: Vec<f64> = mode.members.iter().map(|&n| known.log_weights[n]).collect();
        let told: Vec<f64> = resample(&logs, count, random)
            .into_iter()
            .map(|n| {
                let pose = &known.poses[mode.members[n]];
                let image = simulate(known.renderer, view, pose, &known.model, noise_sd, random);
                let terms: Vec<f64> =
                    images.iter().zip(&masses).map(|(i, m)| m + i.log_density(image.data())).collect();
                terms[k] - log_sum_exp(&terms)
            })
            .collect();
        let average = told.iter().sum::<f64>() / count as f64;
        let spread = told.iter().map(|t| (t - average).powi(2)).sum::<f64>() / (count - 1) as f64;
        mean += mode.mass * average;
        variance += mode.mass.powi(2) * spread / count as f64;
    }
    Gain { modes: mode_entropy(known.modes) + mean, modes_se: variance.sqrt(), pose }
}

/// What one mode's mean pose shows on a view, blurred as by the image model: for overlays of candidates.
pub fn expected_image(known: &NextView, view: &View, world_from_volume: &Rigid) -> Vec<f64> {
    blurred(known.renderer, view, world_from_volume, known.model.blur_px)
}

#[cfg(test)]
mod tests;
