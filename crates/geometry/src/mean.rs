//! Intrinsic means of rotations and poses, and their covariance in the tangent space.
//!
//! | mean | solves | invariance |
//! |---|---|---|
//! | [`mean_rotation`] | `Σ wᵢ log(R̄⁻¹ Rᵢ) = 0` on SO(3), Karcher's mean of the geodesic distance | bi-invariant: `mean(A Rᵢ B) = A mean(Rᵢ) B`, and `mean(Rᵢ⁻¹) = mean(Rᵢ)⁻¹` |
//! | [`mean_pose_product`] | the same for rotations, `t̄ = Σ wᵢ tᵢ` (SO(3) × R³) | left-invariant only: a change of the world frame moves it along, a change of the body's origin changes it |
//! | [`mean_pose_group`] | `Σ wᵢ log(M⁻¹ Tᵢ) = 0` on SE(3), the exponential barycentre | bi-invariant, and consistent under inversion |
//!
//! The first is unique if all rotations lie within π/2 of it (their ball is then convex), and so is the last; where
//! they do not, the status says that other means may be as good. Sources: H. Karcher, *Comm. Pure Appl. Math.* 30
//! (1977); B. Afsari, *Proc. AMS* 139 (2011); X. Pennec, V. Arsigny, *Exponential barycenters of the canonical
//! Cartan connection and invariant means on Lie groups* (2012).

use crate::distance::rotation_angle;
use crate::se3::{exp, log, so3_log, split};
use crate::{Rigid, Twist, Vector};
use nalgebra::{Matrix4, Matrix6, Quaternion, SymmetricEigen, UnitQuaternion};
use std::f64::consts::FRAC_PI_2;
use thiserror::Error;

const MAX_ITERATIONS: usize = 200;
/// Length of the last step that counts as converged: rad, and mm relative to the spread of the translations.
const TOLERANCE: f64 = 1e-12;

/// How far a mean can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeanStatus {
    /// Converged, and every sample is within π/2 of the mean: there is no other.
    Unique,
    /// Converged, but a sample is π/2 or more away: other means may be as good (antipodal samples, for example).
    PerhapsNotUnique,
    /// The steps did not become small.
    NotConverged,
}

/// A mean with what is known about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean<T> {
    /// The mean.
    pub mean: T,
    /// How far it can be trusted.
    pub status: MeanStatus,
    /// Iterations taken.
    pub iterations: usize,
    /// Largest angle from the mean to a sample of positive weight, rad.
    pub radius: f64,
}

/// Samples that have no mean.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MeanError {
    /// No samples.
    #[error("no samples were given; a mean needs at least one")]
    Empty,
    /// As many weights as samples are needed.
    #[error("{weights} weights were given for {samples} samples; accepted is one for each")]
    WeightCount {
        /// Number of samples.
        samples: usize,
        /// Number of weights.
        weights: usize,
    },
    /// A negative or non-finite weight.
    #[error("weight {index} is {value}; accepted is a finite number of at least 0")]
    Weight {
        /// Its position.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// All weights are 0, or their sum is not finite.
    #[error("the weights add up to {0}; accepted is a finite sum above 0")]
    WeightSum(f64),
    /// A sample that is NaN or infinite.
    #[error("sample {0} is not finite")]
    NotFinite(usize),
}

/// Karcher mean of rotations; equal weights where none are given.
pub fn mean_rotation(
    samples: &[UnitQuaternion<f64>],
    weights: Option<&[f64]>,
) -> Result<Mean<UnitQuaternion<f64>>, MeanError> {
    let weights = normalised(samples.len(), weights)?;
    check_finite(samples.iter().map(|q| q.coords.iter().all(|v| v.is_finite())))?;
    let mut mean = chordal_mean(samples, &weights);
    let mut iterations = 0;
    let converged = loop {
        let step: Vector = samples.iter().zip(&weights).map(|(q, &w)| so3_log(&(mean.inverse() * q)) * w).sum();
        mean = renormalised(mean * UnitQuaternion::from_scaled_axis(step));
        iterations += 1;
        match step.norm() {
            length if length <= TOLERANCE => break true,
            _ if iterations == MAX_ITERATIONS => break false,
            _ => {}
        }
    };
    let radius = radius(&mean, samples.iter(), &weights);
    Ok(Mean { mean, status: status(converged, radius), iterations, radius })
}

/// Mean of poses on SO(3) × R³: Karcher mean of the rotations and arithmetic mean of the translations. It depends
/// on where the body's origin lies; choose it at the body's middle, or use [`mean_pose_group`].
pub fn mean_pose_product(samples: &[Rigid], weights: Option<&[f64]>) -> Result<Mean<Rigid>, MeanError> {
    let normal = normalised(samples.len(), weights)?;
    check_finite(samples.iter().map(is_finite))?;
    let rotations: Vec<_> = samples.iter().map(|pose| pose.rotation).collect();
    let Mean { mean, status, iterations, radius } = mean_rotation(&rotations, weights)?;
    let translation: Vector = samples.iter().zip(&normal).map(|(pose, &w)| pose.translation.vector * w).sum();
    Ok(Mean { mean: Rigid::from_parts(translation.into(), mean), status, iterations, radius })
}

/// Bi-invariant mean of poses: the exponential barycentre of SE(3). Neither the world frame nor the body's origin
/// matters. It is no minimiser of a distance (SE(3) has no bi-invariant metric); its rotation is that of
/// [`mean_rotation`].
pub fn mean_pose_group(samples: &[Rigid], weights: Option<&[f64]>) -> Result<Mean<Rigid>, MeanError> {
    let Mean { mean: start, .. } = mean_pose_product(samples, weights)?;
    let weights = normalised(samples.len(), weights)?;
    let spread = samples.iter().map(|pose| (pose.translation.vector - start.translation.vector).norm());
    let spread = spread.fold(1.0, f64::max);
    let mut mean = start;
    let mut iterations = 0;
    let converged = loop {
        let step = samples.iter().zip(&weights).map(|(pose, &w)| log(&(mean.inverse() * pose)) * w).sum::<Twist>();
        mean *= exp(&step);
        mean.rotation = renormalised(mean.rotation);
        iterations += 1;
        let (rho, phi) = split(&step);
        if phi.norm() <= TOLERANCE && rho.norm() <= TOLERANCE * spread {
            break true;
        }
        if iterations == MAX_ITERATIONS {
            break false;
        }
    };
    let radius = radius(&mean.rotation, samples.iter().map(|pose| &pose.rotation), &weights);
    Ok(Mean { mean, status: status(converged, radius), iterations, radius })
}

/// Covariance of poses about a mean, `Σ wᵢ ξᵢ ξᵢᵀ / (1 − Σ wᵢ²)` with `ξᵢ = log(mean⁻¹ Tᵢ)` and weights that sum
/// to 1: the unbiased estimate, `1/(n − 1)` for equal weights. Order `[ρ; φ]` (mm, rad), in the body's frame
/// (`T = mean · exp(ξ)`); `Ad(mean) Σ Ad(mean)ᵀ` is the same in the world's. `None` for a single sample (or all
/// weight on one).
pub fn covariance(mean: &Rigid, samples: &[Rigid], weights: Option<&[f64]>) -> Result<Option<Matrix6<f64>>, MeanError> {
    let weights = normalised(samples.len(), weights)?;
    check_finite(samples.iter().map(is_finite))?;
    let freedom = 1.0 - weights.iter().map(|w| w * w).sum::<f64>();
    if freedom <= 1e-12 {
        return Ok(None);
    }
    let outer = samples.iter().zip(&weights).map(|(pose, &w)| {
        let xi = log(&(mean.inverse() * pose));
        xi * xi.transpose() * w
    });
    Ok(Some(outer.sum::<Matrix6<f64>>() / freedom))
}

/// Weights that sum to 1.
fn normalised(samples: usize, weights: Option<&[f64]>) -> Result<Vec<f64>, MeanError> {
    if samples == 0 {
        return Err(MeanError::Empty);
    }
    let Some(weights) = weights else { return Ok(vec![1.0 / samples as f64; samples]) };
    if weights.len() != samples {
        return Err(MeanError::WeightCount { samples, weights: weights.len() });
    }
    if let Some((index, &value)) = weights.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
        return Err(MeanError::Weight { index, value });
    }
    let sum: f64 = weights.iter().sum();
    if !(sum.is_finite() && sum > 0.0) {
        return Err(MeanError::WeightSum(sum));
    }
    Ok(weights.iter().map(|w| w / sum).collect())
}

fn check_finite(finite: impl Iterator<Item = bool>) -> Result<(), MeanError> {
    finite.enumerate().find(|(_, finite)| !finite).map_or(Ok(()), |(index, _)| Err(MeanError::NotFinite(index)))
}

fn is_finite(pose: &Rigid) -> bool {
    pose.rotation.coords.iter().chain(pose.translation.vector.iter()).all(|v| v.is_finite())
}

/// Chordal mean, the start of the iteration: the largest eigenvector of `Σ w q qᵀ` (F. L. Markley et al.,
/// *Averaging quaternions*, J. Guid. Control Dyn. 30(4), 2007).
fn chordal_mean(samples: &[UnitQuaternion<f64>], weights: &[f64]) -> UnitQuaternion<f64> {
    let outer = samples.iter().zip(weights).map(|(q, &w)| q.coords * q.coords.transpose() * w);
    let eigen = SymmetricEigen::new(outer.sum::<Matrix4<f64>>());
    UnitQuaternion::from_quaternion(Quaternion::from(eigen.eigenvectors.column(eigen.eigenvalues.imax()).into_owned()))
}

fn renormalised(q: UnitQuaternion<f64>) -> UnitQuaternion<f64> {
    UnitQuaternion::from_quaternion(q.into_inner())
}

fn radius<'a>(
    mean: &UnitQuaternion<f64>,
    samples: impl Iterator<Item = &'a UnitQuaternion<f64>>,
    weights: &[f64],
) -> f64 {
    samples.zip(weights).filter(|(_, w)| **w > 0.0).map(|(q, _)| rotation_angle(mean, q)).fold(0.0, f64::max)
}

fn status(converged: bool, radius: f64) -> MeanStatus {
    match (converged, radius < FRAC_PI_2 - 1e-9) {
        (false, _) => MeanStatus::NotConverged,
        (true, true) => MeanStatus::Unique,
        (true, false) => MeanStatus::PerhapsNotUnique,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::se3::adjoint;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    type Averager = fn(&[Rigid], Option<&[f64]>) -> Result<Mean<Rigid>, MeanError>;

    /// Poses within `angle` rad and 100 mm of a far-off one.
    fn poses(n: usize, angle: f64) -> Vec<Rigid> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let middle = exp(&Twist::new(300.0, -40.0, 80.0, 1.0, -0.5, 2.0));
        let mut one = || {
            let xi: [f64; 6] = std::array::from_fn(|n| rng.random_range(-1.0..1.0) * if n < 3 { 100.0 } else { angle });
            middle * exp(&Twist::from(xi))
        };
        (0..n).map(|_| one()).collect()
    }

    fn close(a: &Rigid, b: &Rigid) -> bool {
        (a.to_homogeneous() - b.to_homogeneous()).amax() < 1e-9
    }

    #[test]
    fn the_mean_of_two_is_on_the_geodesic_between_them() {
        let (a, b) = (UnitQuaternion::identity(), UnitQuaternion::from_scaled_axis(Vector::new(0.3, 2.0, -1.0)));
        let mean = mean_rotation(&[a, b], Some(&[3.0, 1.0])).unwrap();
        assert_eq!(mean.status, MeanStatus::PerhapsNotUnique, "b is 1.70 rad from the mean");
        let expected = UnitQuaternion::from_scaled_axis(Vector::new(0.3, 2.0, -1.0) / 4.0);
        assert!(mean.mean.angle_to(&expected) < 1e-11);
    }

    #[test]
    fn means_are_stationary() {
        let samples = poses(9, 0.7);
        let weights: Vec<f64> = (1..10).map(f64::from).collect();
        let group = mean_pose_group(&samples, Some(&weights)).unwrap();
        assert_eq!(group.status, MeanStatus::Unique);
        let residual: Twist = samples.iter().zip(&weights).map(|(t, &w)| log(&(group.mean.inverse() * t)) * w).sum();
        assert!(residual.norm() < 1e-8);
        let rotations: Vec<_> = samples.iter().map(|t| t.rotation).collect();
        let rotation = mean_rotation(&rotations, Some(&weights)).unwrap();
        assert!(rotation.mean.angle_to(&group.mean.rotation) < 1e-11);
        // the Karcher mean minimises the sum of squared angles
        let cost = |m: &UnitQuaternion<f64>| -> f64 {
            rotations.iter().zip(&weights).map(|(q, w)| w * rotation_angle(m, q).powi(2)).sum()
        };
        for axis in [Vector::x(), Vector::y(), Vector::z()] {
            for step in [1e-3, -1e-3] {
                assert!(cost(&(rotation.mean * UnitQuaternion::from_scaled_axis(axis * step))) > cost(&rotation.mean));
            }
        }
    }

    #[test]
    fn invariances_are_as_stated() {
        let samples = poses(8, 0.6);
        let moved = exp(&Twist::new(-50.0, 70.0, 20.0, 0.4, 1.1, -0.8));
        let all = |f: &dyn Fn(&Rigid) -> Rigid| samples.iter().map(f).collect::<Vec<_>>();
        let averagers: [(Averager, bool); 2] = [(mean_pose_product, false), (mean_pose_group, true)];
        for (average, bi_invariant) in averagers {
            let mean = average(&samples, None).unwrap().mean;
            assert!(close(&average(&all(&|t| moved * t), None).unwrap().mean, &(moved * mean)));
            assert_eq!(close(&average(&all(&|t| t * moved), None).unwrap().mean, &(mean * moved)), bi_invariant);
            assert_eq!(close(&average(&all(&|t| t.inverse()), None).unwrap().mean, &mean.inverse()), bi_invariant);
        }
    }

    #[test]
    fn equal_samples_are_their_own_mean() {
        let pose = poses(1, 0.5)[0];
        for average in [mean_pose_product as Averager, mean_pose_group] {
            let mean = average(&[pose; 4], None).unwrap();
            assert!(close(&mean.mean, &pose) && mean.status == MeanStatus::Unique && mean.radius < 1e-7);
        }
    }

    #[test]
    fn antipodal_samples_are_said_to_have_no_single_mean() {
        let turn = |angle: f64| UnitQuaternion::from_axis_angle(&Vector::z_axis(), angle);
        let third = std::f64::consts::TAU / 3.0;
        for samples in [vec![turn(0.0), turn(std::f64::consts::PI)], vec![turn(0.0), turn(third), turn(2.0 * third)]] {
            let mean = mean_rotation(&samples, None).unwrap();
            assert_ne!(mean.status, MeanStatus::Unique);
            let poses: Vec<_> = samples.iter().map(|q| Rigid::from_parts(Vector::x().into(), *q)).collect();
            assert_ne!(mean_pose_group(&poses, None).unwrap().status, MeanStatus::Unique);
        }
    }

    #[test]
    fn covariance_of_a_known_cross_is_exact() {
        let mean = exp(&Twist::new(3.0, -40.0, 80.0, 1.0, -0.5, 0.2));
        let sigmas = [1.0, 2.0, 3.0, 0.1, 0.2, 0.3];
        let mut samples = Vec::new();
        for (n, sigma) in sigmas.into_iter().enumerate() {
            for sign in [1.0, -1.0] {
                let mut xi = Twist::zeros();
                xi[n] = sign * sigma;
                samples.push(mean * exp(&xi));
            }
        }
        assert!(close(&mean_pose_group(&samples, None).unwrap().mean, &mean));
        let found = covariance(&mean, &samples, None).unwrap().unwrap();
        let expected = Matrix6::from_diagonal(&Twist::from(sigmas.map(|s| 2.0 * s * s / 11.0)));
        assert!((found - expected).amax() < 1e-12);
        assert!((covariance(&mean, &samples, Some(&[2.0; 12])).unwrap().unwrap() - expected).amax() < 1e-12);
        // moved to the world's frame it is the covariance of left-multiplied noise
        let by_left: Matrix6<f64> = samples.iter().map(|t| log(&(t * mean.inverse()))).map(|x| x * x.transpose()).sum();
        let ad = adjoint(&mean);
        assert!((ad * found * ad.transpose() - by_left / 11.0).amax() < 1e-9);
        assert_eq!(covariance(&mean, &samples[..1], None), Ok(None));
    }

    #[test]
    fn samples_without_a_mean_are_refused() {
        let pose = poses(1, 0.1);
        assert_eq!(mean_pose_group(&[], None), Err(MeanError::Empty));
        assert_eq!(mean_rotation(&[], None), Err(MeanError::Empty));
        let with = |weights: &[f64]| mean_pose_product(&pose, Some(weights)).unwrap_err();
        assert_eq!(with(&[1.0, 2.0]), MeanError::WeightCount { samples: 1, weights: 2 });
        assert_eq!(with(&[-1.0]), MeanError::Weight { index: 0, value: -1.0 });
        assert_eq!(with(&[0.0]), MeanError::WeightSum(0.0));
        let lost = [Rigid::translation(f64::NAN, 0.0, 0.0)];
        assert_eq!(mean_pose_group(&lost, None), Err(MeanError::NotFinite(0)));
        assert_eq!(covariance(&pose[0], &lost, None), Err(MeanError::NotFinite(0)));
    }
}
