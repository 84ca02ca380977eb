//! From poses to the tops of the posterior, each with its Laplace approximation.
//!
//! At a top `T̂` of the posterior with the curvature `H` in the chart there, Laplace's method takes the density for a
//! normal one: covariance `H⁻¹` and evidence `p(T̂) (2π)³ √det H⁻¹ / 8π²` (the last factor turns rad³ into Haar measure
//! of mass 1).

use super::LN_8_PI_SQUARED;
use super::target::Target;
use crate::modes::ModeTolerance;
use crate::optimise::{End, Limits, levenberg_marquardt};
use rayon::prelude::*;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::{Cholesky, Matrix6};
use std::f64::consts::TAU;
use std::ops::ControlFlow;

/// How poses are refined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefineSettings {
    /// Most iterations of Levenberg–Marquardt, each one image with its derivative.
    pub max_iterations: usize,
    /// A climb ends when a step is shorter than this (mm; rotations as arcs on the object).
    pub step_mm: f64,
    /// Tops nearer than this (pivot's displacement, mm) and [`Self::merge_rad`] are one.
    pub merge_mm: f64,
    /// See [`Self::merge_mm`].
    pub merge_rad: f64,
    /// Tops nearer than this many standard deviations of the better one's Laplace approximation are one too.
    pub merge_sd: f64,
}

impl Default for RefineSettings {
    fn default() -> Self {
        Self { max_iterations: 40, step_mm: 0.01, merge_mm: 0.5, merge_rad: 0.01, merge_sd: 1.0 }
    }
}

/// A top of the posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Peak {
    /// The pose.
    pub world_from_volume: Rigid,
    /// Log of the unnormalised posterior density there.
    pub log_posterior: f64,
    /// Laplace covariance in the chart at the pose (mm, rad).
    pub covariance: Matrix6<f64>,
    /// Laplace approximation of the log of the unnormalised posterior's integral around the pose.
    pub log_evidence: f64,
    /// Whether the climb converged.
    pub converged: bool,
    /// Positions of the starts that came here, the one that came highest first.
    pub starts: Vec<usize>,
}

/// Tops and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// Different tops, by Laplace evidence, the greatest first.
    pub peaks: Vec<Peak>,
    /// Images rendered with their derivative.
    pub derivatives: usize,
}

/// Climbs from every start, in parallel, and gathers the tops: taken in order of their height, each joins the highest
/// one that is near enough by the rule of [`RefineSettings`], or stands for itself. Starts outside the prior's support
/// are left out.
pub fn refine(target: &Target, starts: &[Rigid], settings: &RefineSettings) -> Refined {
    let climbed: Vec<(Peak, usize)> =
        starts.par_iter().enumerate().map(|(n, start)| refine_one(target, n, start, settings)).collect();
    let derivatives = climbed.iter().map(|c| c.1).sum();
    let mut order: Vec<Peak> = climbed.into_iter().map(|c| c.0).filter(|p| p.log_posterior.is_finite()).collect();
    order.sort_by(|a, b| b.log_posterior.total_cmp(&a.log_posterior));
    let mut peaks: Vec<Peak> = Vec::new();
    for peak in order {
        match peaks.iter_mut().find(|better| same(target, better, &peak.world_from_volume, settings)) {
            Some(better) => better.starts.extend(peak.starts),
            None => peaks.push(peak),
        }
    }
    peaks.sort_by(|a, b| b.log_evidence.total_cmp(&a.log_evidence));
    Refined { peaks, derivatives }
}

/// Whether a pose belongs to a top.
pub(crate) fn same(target: &Target, peak: &Peak, pose: &Rigid, settings: &RefineSettings) -> bool {
    let tolerance =
        ModeTolerance { pivot: target.pivot(), translation: settings.merge_mm, rotation: settings.merge_rad };
    tolerance.joins(&peak.world_from_volume, pose) || deviations(target, peak, pose) <= settings.merge_sd
}

/// Distance of a pose from a top in standard deviations of its Laplace approximation.
pub(crate) fn deviations(target: &Target, peak: &Peak, pose: &Rigid) -> f64 {
    let x = target.chart(&peak.world_from_volume).coordinates(pose);
    Cholesky::new(peak.covariance).map_or(f64::INFINITY, |c| x.dot(&c.solve(&x)).max(0.0).sqrt())
}

/// Climbs from one start; with the number of derivatives.
pub(crate) fn refine_one(target: &Target, n: usize, start: &Rigid, settings: &RefineSettings) -> (Peak, usize) {
    let limits = Limits { max_iterations: settings.max_iterations, step_mm: settings.step_mm, spread: 1.0, seed: 0 };
    let climb = levenberg_marquardt::climb(target, start, &limits, &mut |_| ControlFlow::Continue(()));
    let by_twist = climb.curvature.unwrap_or_else(Matrix6::zeros);
    let covariance = laplace_covariance(target, &climb.pose, &by_twist);
    let half_log = 0.5 * covariance.determinant().max(f64::MIN_POSITIVE).ln();
    let peak = Peak {
        world_from_volume: climb.pose,
        log_posterior: climb.similarity,
        log_evidence: climb.similarity + 3.0 * TAU.ln() + half_log - LN_8_PI_SQUARED,
        covariance,
        converged: climb.end == End::Converged,
        starts: vec![n],
    };
    (peak, climb.evaluations)
}

/// The inverse curvature in the chart at a pose. Directions that neither images nor a curved prior hold get the
/// variance of the prior's uniform part.
fn laplace_covariance(target: &Target, pose: &Rigid, by_twist: &Matrix6<f64>) -> Matrix6<f64> {
    let curvature = target.curvature_in_chart(pose, by_twist);
    let prior = target.prior().precision();
    // A thousandth of the prior's precision changes no covariance that is narrower than the prior.
    let held = Cholesky::new(curvature + prior * 1e-3).map(|c| c.inverse());
    let wide = || Cholesky::new(prior).expect("a prior's precision is positive definite").inverse();
    let covariance = held.filter(|c| c.iter().all(|v| v.is_finite())).unwrap_or_else(wide);
    0.5 * (covariance + covariance.transpose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::toy;
    use crate::{posterior, scene};
    use regiscope_geometry::Twist;
    use regiscope_geometry::se3;

    #[test]
    fn normal_bumps_are_found_with_their_covariance_and_evidence() {
        let toy = toy::two_bumps();
        let target = toy.target();
        let starts: Vec<Rigid> = (0..12)
            .map(|n| {
                let bump = &toy.bumps[n % 2];
                let x = Twist::from_fn(|a, _| ((n * 7 + a * 3) % 5) as f64 - 2.0).component_mul(&bump.sd());
                target.chart(&bump.mean).pose(&x)
            })
            .collect();
        let refined = refine(&target, &starts, &RefineSettings::default());
        assert_eq!(refined.peaks.len(), 2);
        for (peak, bump) in refined.peaks.iter().zip([&toy.bumps[0], &toy.bumps[1]]) {
            assert_eq!(peak.starts.len(), 6);
            let off = target.chart(&bump.mean).coordinates(&peak.world_from_volume);
            assert!(off.component_div(&bump.sd()).amax() < 0.05, "{off}");
            assert!((peak.covariance - bump.covariance).norm() < 0.02 * bump.covariance.norm());
            let exact = toy.log_evidence(bump);
            assert!((peak.log_evidence - exact).abs() < 0.02, "{} {exact}", peak.log_evidence);
        }
    }

    #[test]
    fn the_true_pose_is_the_top_of_a_clean_image() {
        let target = posterior::toy::blobs(&[0.0, 1.2], 0.02, posterior::ImageModel::default(), 3);
        let nudge = |a: f64| se3::exp(&Twist::new(2.0 * a, -2.0, a, 0.03, 0.02 * a, -0.04)) * scene::truth();
        let refined = refine(&target, &[nudge(1.0), nudge(-1.0)], &RefineSettings::default());
        assert_eq!(refined.peaks.len(), 1, "{:#?}", refined.peaks);
        let peak = &refined.peaks[0];
        assert!(deviations(&target, peak, &scene::truth()) < 4.5);
        let sd = peak.covariance.diagonal().map(f64::sqrt);
        assert!(sd.fixed_rows::<3>(0).amax() < 1.0 && sd.fixed_rows::<3>(3).amax() < 0.02, "{sd}");
    }
}
