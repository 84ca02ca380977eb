//! What a posterior is made of: a prior and a likelihood.

use super::prior::Prior;
use crate::chart::Chart;
use crate::similarity::Quadratic;
use rayon::prelude::*;
use regiscope_geometry::nalgebra::{Matrix6, Vector6};
use regiscope_geometry::{Point, Rigid};
use std::sync::Arc;

/// How well a pose explains what was seen.
pub trait Likelihood: Send + Sync {
    /// Log likelihood of a pose; `−∞` where the pose is impossible, never NaN.
    fn log_likelihood(&self, world_from_volume: &Rigid) -> f64;

    /// Log likelihood, its gradient by the pose twist about the world origin, and a positive semidefinite model of
    /// minus its second derivative.
    fn quadratic(&self, world_from_volume: &Rigid) -> Quadratic;

    /// Rays traced by one evaluation without derivative.
    fn rays(&self) -> usize;
}

/// An unnormalised posterior: prior times likelihood.
#[derive(Clone)]
pub struct Target {
    prior: Prior,
    likelihood: Arc<dyn Likelihood>,
    radius: f64,
}

impl Target {
    /// Joins prior and likelihood. `radius` (mm, positive) is the length at which rotations count like displacements
    /// where both must be compared, best the object's radius of gyration.
    pub fn new(prior: Prior, likelihood: Arc<dyn Likelihood>, radius: f64) -> Self {
        assert!(radius.is_finite() && radius > 0.0, "a radius is a positive length");
        Self { prior, likelihood, radius }
    }

    /// The prior.
    pub fn prior(&self) -> &Prior {
        &self.prior
    }

    /// The likelihood.
    pub fn likelihood(&self) -> &dyn Likelihood {
        self.likelihood.as_ref()
    }

    /// The point of the volume (mm, its own frame) about which rotations are counted: that of the prior.
    pub fn pivot(&self) -> Point {
        self.prior.pivot()
    }

    /// Radius (mm) at which rotations count as arcs.
    pub fn radius(&self) -> f64 {
        self.radius
    }

    /// The chart at a pose, in mm and rad.
    pub fn chart(&self, world_from_volume: &Rigid) -> Chart {
        Chart::new(*world_from_volume, &self.pivot(), 1.0)
    }

    /// Log of the unnormalised posterior density. Images are rendered only where the prior is not 0.
    pub fn log_posterior(&self, world_from_volume: &Rigid) -> f64 {
        match self.prior.log_density(world_from_volume) {
            f64::NEG_INFINITY => f64::NEG_INFINITY,
            prior => prior + self.likelihood.log_likelihood(world_from_volume),
        }
    }

    /// [`Self::log_posterior`] of many poses, in parallel.
    pub fn log_posteriors(&self, poses: &[Rigid]) -> Vec<f64> {
        poses.par_iter().map(|pose| self.log_posterior(pose)).collect()
    }

    /// Log likelihoods of many poses, in parallel.
    pub fn log_likelihoods(&self, poses: &[Rigid]) -> Vec<f64> {
        poses.par_iter().map(|pose| self.likelihood.log_likelihood(pose)).collect()
    }

    /// Log of the unnormalised posterior with gradient and curvature by the pose twist about the world origin.
    pub fn quadratic(&self, world_from_volume: &Rigid) -> Quadratic {
        let prior = self.prior.quadratic(world_from_volume);
        if prior.value == f64::NEG_INFINITY {
            return prior;
        }
        let likelihood = self.likelihood.quadratic(world_from_volume);
        Quadratic {
            value: prior.value + likelihood.value,
            gradient: prior.gradient + likelihood.gradient,
            curvature: prior.curvature + likelihood.curvature,
        }
    }

    /// The curvature of [`Self::quadratic`] in the chart at the same pose (mm⁻², rad⁻²).
    pub fn curvature_in_chart(&self, world_from_volume: &Rigid, by_twist: &Matrix6<f64>) -> Matrix6<f64> {
        let twist = self.chart(world_from_volume).twist_by_coordinates(&Vector6::zeros());
        let curvature = twist.transpose() * by_twist * twist;
        0.5 * (curvature + curvature.transpose())
    }
}

impl crate::optimise::Surface for Target {
    fn value(&self, pose: &Rigid) -> f64 {
        self.log_posterior(pose)
    }

    fn quadratic(&self, pose: &Rigid) -> Quadratic {
        self.quadratic(pose)
    }

    fn chart(&self, pose: Rigid) -> Chart {
        Chart::new(pose, &self.pivot(), self.radius)
    }

    fn radius(&self) -> f64 {
        self.radius
    }
}
