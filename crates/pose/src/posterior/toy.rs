//! Targets for tests: posteriors that are known in closed form, and the blobs of [`crate::scene`].

use super::*;
use crate::problem::FixedImage;
use crate::scene;
use crate::similarity::Quadratic;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_drr::Renderer;
use regiscope_geometry::nalgebra::{Matrix6, Vector6};
use regiscope_geometry::{Grid, Point, Rigid, Twist, Vector, se3};
use regiscope_image::Volume;
use std::f64::consts::{PI, TAU};
use std::sync::Arc;

/// A normal density in the chart at its mean, times a height.
#[derive(Clone, Debug)]
pub struct Bump {
    pub height: f64,
    pub mean: Rigid,
    pub covariance: Matrix6<f64>,
}

impl Bump {
    pub fn new(height: f64, mean: Rigid, sd: [f64; 6]) -> Self {
        // Correlations of the pairs (x, rotation about z) and so on.
        let mut covariance = Matrix6::from_diagonal(&Vector6::from(sd).map(|s| s * s));
        for (a, b) in [(0, 5), (1, 3), (2, 4)] {
            covariance[(a, b)] = 0.6 * sd[a] * sd[b];
            covariance[(b, a)] = covariance[(a, b)];
        }
        Self { height, mean, covariance }
    }

    pub fn sd(&self) -> Vector6<f64> {
        self.covariance.diagonal().map(f64::sqrt)
    }
}

/// A likelihood that is a sum of bumps, under a wide prior.
#[derive(Clone, Debug)]
pub struct Bumps {
    pub bumps: Vec<Bump>,
    pub prior: Prior,
}

impl Bumps {
    pub fn target(&self) -> Target {
        Target::new(self.prior.clone(), Arc::new(self.clone()), 50.0)
    }

    /// Integral of one bump times the prior, for bumps much narrower than the prior and than a radian.
    pub fn log_evidence(&self, bump: &Bump) -> f64 {
        bump.height.ln()
            + self.prior.log_density(&bump.mean)
            + 3.0 * TAU.ln()
            + 0.5 * bump.covariance.determinant().ln()
            - LN_8_PI_SQUARED
    }

    fn terms(&self, pose: &Rigid) -> Vec<(f64, Vector6<f64>, crate::chart::Chart)> {
        let term = |b: &Bump| {
            let chart = crate::chart::Chart::new(b.mean, &self.prior.pivot(), 1.0);
            let x = chart.coordinates(pose);
            let solved = b.covariance.cholesky().unwrap().solve(&x);
            (b.height.ln() - 0.5 * x.dot(&solved), solved, chart)
        };
        self.bumps.iter().map(term).collect()
    }
}

impl Likelihood for Bumps {
    fn log_likelihood(&self, pose: &Rigid) -> f64 {
        let terms = self.terms(pose);
        let top = terms.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
        top + terms.iter().map(|t| (t.0 - top).exp()).sum::<f64>().ln()
    }

    fn quadratic(&self, pose: &Rigid) -> Quadratic {
        let value = self.log_likelihood(pose);
        let mut quadratic = Quadratic { value, gradient: Twist::zeros(), curvature: Matrix6::zeros() };
        for ((log, solved, chart), bump) in self.terms(pose).into_iter().zip(&self.bumps) {
            let share = (log - value).exp();
            let x = chart.coordinates(pose);
            let back = chart.twist_by_coordinates(&x).try_inverse().unwrap();
            quadratic.gradient -= back.transpose() * solved * share;
            quadratic.curvature += back.transpose() * bump.covariance.try_inverse().unwrap() * back * share;
        }
        quadratic
    }

    fn rays(&self) -> usize {
        1
    }
}

pub fn wide_prior() -> Prior {
    let rotation = RotationPrior::Turn { axis: Vector::z(), turn: PI, swing_sd: 0.5 };
    Prior::new(Rigid::identity(), Point::new(3.0, -6.0, 9.0), rotation, [30.0; 3]).unwrap()
}

/// Two narrow bumps half a turn apart; the first has 0.7 of the mass.
pub fn two_bumps() -> Bumps {
    let far = se3::exp(&Twist::new(0.0, 0.0, 0.0, 0.1, 0.1, 2.9)) * Rigid::translation(1.0, 2.0, -3.0);
    let sd = |s: f64| [0.5 * s, 0.1 * s, 2.0 * s, 0.02 * s, 0.01 * s, 0.005 * s];
    let near = Rigid::translation(-2.0, 4.0, 1.0);
    let mut toy =
        Bumps { bumps: vec![Bump::new(1.0, near, sd(1.0)), Bump::new(1.0, far, sd(0.7))], prior: wide_prior() };
    let gap = toy.log_evidence(&toy.bumps[0]) - toy.log_evidence(&toy.bumps[1]);
    toy.bumps[1].height = (gap + (0.3f64 / 0.7).ln()).exp();
    toy
}

/// The blobs of the scene seen with white noise at the true pose, under a prior of a few degrees and millimetres.
pub fn blobs(angles: &[f64], noise_sd: f64, model: ImageModel, seed: u64) -> Target {
    let rotation = RotationPrior::Turn { axis: Vector::z(), turn: 0.6, swing_sd: 0.15 };
    let prior = Prior::new(Rigid::identity(), Point::origin(), rotation, [8.0; 3]).unwrap();
    observed(scene::blobs(), prior, &scene::truth(), angles, noise_sd, model, seed)
}

/// A volume seen at a pose with white noise by coarse detectors (20 × 20 pixels).
pub fn observed(
    volume: Volume<f32>,
    prior: Prior,
    truth: &Rigid,
    angles: &[f64],
    noise_sd: f64,
    model: ImageModel,
    seed: u64,
) -> Target {
    let renderer = Arc::new(Renderer::new(volume, Default::default()).unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let observe = |&angle: &f64| {
        let view = scene::view(angle).coarsened(2);
        let image = simulate(&renderer, &view, truth, &model, noise_sd, &mut random);
        Observation { fixed: FixedImage { view, image, mask: None }, noise: Noise::White(noise_sd) }
    };
    let observations = angles.iter().map(observe).collect();
    let likelihood = ImageLikelihood::new(renderer, observations, model).unwrap();
    Target::new(prior, Arc::new(likelihood), 40.0)
}

/// Two blobs that look alike after half a turn about z, but for a part `asymmetry` of the second's attenuation.
pub fn twins(asymmetry: f64) -> Volume<f32> {
    let grid = Grid::centred([24; 3], [3.0; 3]).unwrap();
    let value = |n: usize| {
        let at = grid.world_from_index(&Point::new((n % 24) as f64, (n / 24 % 24) as f64, (n / 576) as f64));
        let blob = |c: Vector, a: f64| a * (-(at.coords - c).norm_squared() / (2.0 * 36.0)).exp();
        // A third one on the axis shows which way is up.
        (blob(Vector::new(18.0, 0.0, 6.0), 0.05)
            + blob(Vector::new(-18.0, 0.0, 6.0), 0.05 * (1.0 - asymmetry))
            + blob(Vector::new(0.0, 0.0, -15.0), 0.04)) as f32
    };
    let data = (0..grid.len()).map(value).collect();
    Volume::new(grid, data)
}
