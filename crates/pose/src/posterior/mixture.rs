//! Mixtures of Student's t distributions over poses.
//!
//! Each component has a mean pose and lives in coordinates `[d; u]` there: `d` the displacement of the pivot in the
//! world (mm) and `u = 2 tan(θ/2) n` the doubled Rodrigues vector of `R R̄ᵀ`, a rotation by `θ` about `n`. To third order
//! `u` is the rotation vector, but it takes all of R³ once, so that a t distribution of `[d; u]` is one of poses, exactly
//! normalised without wrapping or cutting. Haar measure of mass 1 is `du / (8π² (1 + u²/4)²)`.

use super::LN_8_PI_SQUARED;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use rayon::prelude::*;
use regiscope_geometry::nalgebra::{Cholesky, Const, Matrix6, Quaternion, UnitQuaternion, Vector6};
use regiscope_geometry::{Point, Rigid, se3};
use std::f64::consts::PI;

/// A distribution over poses that can be sampled and evaluated. Densities are relative to Haar measure of mass 1 times
/// mm³.
pub trait Proposal {
    /// Draws poses.
    fn draw(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<Rigid>;

    /// Log densities of any poses, in their order.
    fn log_density(&self, poses: &[Rigid]) -> Vec<f64>;
}

/// Poses that are worth a thread of their own where nothing is rendered.
const CHEAP: usize = 512;

impl Proposal for super::Prior {
    fn draw(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<Rigid> {
        (0..count).map(|_| self.sample(random)).collect()
    }

    fn log_density(&self, poses: &[Rigid]) -> Vec<f64> {
        poses.par_iter().with_min_len(CHEAP).map(|pose| self.log_density(pose)).collect()
    }
}

/// One component.
#[derive(Clone, Debug)]
pub struct StudentT {
    mean: Rigid,
    pivot: Point,
    degrees_of_freedom: f64,
    scale: Matrix6<f64>,
    root: Cholesky<f64, Const<6>>,
    log_norm: f64,
}

impl StudentT {
    /// A component around `mean` with the scale matrix `scale` (mm, rad; the covariance is `ν/(ν − 2)` times it).
    /// `pivot` in the volume's frame. `None` unless the scale is positive definite.
    pub fn new(mean: Rigid, pivot: &Point, scale: Matrix6<f64>, degrees_of_freedom: f64) -> Option<Self> {
        let root = Cholesky::new(scale)?;
        let half_log = root.l_dirty().diagonal().map(f64::ln).sum();
        let nu = degrees_of_freedom;
        let log_norm =
            ln_gamma(0.5 * (nu + 6.0)) - ln_gamma(0.5 * nu) - 3.0 * (nu * PI).ln() - half_log + LN_8_PI_SQUARED;
        log_norm.is_finite().then_some(Self { mean, pivot: *pivot, degrees_of_freedom, scale, root, log_norm })
    }

    /// The mean pose.
    pub fn mean(&self) -> &Rigid {
        &self.mean
    }

    /// The scale matrix.
    pub fn scale(&self) -> &Matrix6<f64> {
        &self.scale
    }

    /// Coordinates of a pose; infinite at half a turn from the mean.
    pub fn coordinates(&self, pose: &Rigid) -> Vector6<f64> {
        let turn = pose.rotation * self.mean.rotation.inverse();
        se3::join(&(pose * self.pivot - self.mean * self.pivot), &(turn.imag() * (2.0 / turn.scalar())))
    }

    /// The pose at finite coordinates.
    pub fn pose(&self, x: &Vector6<f64>) -> Rigid {
        let (d, u) = se3::split(x);
        let turn = UnitQuaternion::new_normalize(Quaternion::from_parts(1.0, u * 0.5));
        let mut rotation = turn * self.mean.rotation;
        rotation.renormalize();
        let place = (self.mean * self.pivot).coords + d;
        Rigid::from_parts((place - rotation * self.pivot.coords).into(), rotation)
    }

    /// Squared distance of coordinates in the metric of the scale.
    fn squared(&self, x: &Vector6<f64>) -> f64 {
        let mut y = *x;
        self.root.l_dirty().solve_lower_triangular_mut(&mut y);
        y.norm_squared()
    }

    /// Squared distance of a pose from the mean in the metric of the scale.
    pub fn squared_distance(&self, pose: &Rigid) -> f64 {
        self.squared(&self.coordinates(pose))
    }

    /// Log density of a pose.
    pub fn log_density(&self, pose: &Rigid) -> f64 {
        let x = self.coordinates(pose);
        if !x.iter().all(|v| v.is_finite()) {
            return f64::NEG_INFINITY;
        }
        let (_, u) = se3::split(&x);
        let nu = self.degrees_of_freedom;
        self.log_norm - 0.5 * (nu + 6.0) * (self.squared(&x) / nu).ln_1p() + 2.0 * (0.25 * u.norm_squared()).ln_1p()
    }

    /// A pose drawn from the component.
    pub fn sample(&self, random: &mut impl Rng) -> Rigid {
        let z = Vector6::from_fn(|_, _| random.sample::<f64, _>(StandardNormal));
        let chi = ChiSquared::new(self.degrees_of_freedom).expect("degrees of freedom are positive").sample(random);
        let stretch = (self.degrees_of_freedom / chi.max(1e-12)).sqrt();
        self.pose(&(self.root.l() * z * stretch))
    }
}

/// A mixture; its weights add up to 1.
#[derive(Clone, Debug, Default)]
pub struct Mixture {
    /// Weights and components.
    pub components: Vec<(f64, StudentT)>,
}

/// What a component's fit leans on where samples are few: its last scale, worth this many samples.
const PSEUDO_SAMPLES: f64 = 8.0;

impl Mixture {
    /// A mixture with the given weights, which are scaled to add up to 1.
    pub fn new(components: Vec<(f64, StudentT)>) -> Self {
        let total: f64 = components.iter().map(|c| c.0).sum();
        Self { components: components.into_iter().map(|(w, c)| (w / total, c)).collect() }
    }

    /// Log of weight times density of every component at a pose.
    pub(crate) fn terms(&self, pose: &Rigid) -> Vec<f64> {
        self.components.iter().map(|(w, c)| w.ln() + c.log_density(pose)).collect()
    }

    /// The mixture of normal components with the same means and covariances.
    pub(crate) fn normal(&self) -> Self {
        /// Degrees of freedom at which a t distribution is a normal one.
        const NORMAL: f64 = 1e6;
        let normal = |(w, c): &(f64, StudentT)| {
            let spread = c.degrees_of_freedom / (c.degrees_of_freedom - 2.0).max(0.5);
            Some((*w, StudentT::new(c.mean, &c.pivot, c.scale * spread, NORMAL)?))
        };
        Self { components: self.components.iter().filter_map(normal).collect() }
    }

    /// Log density of one pose; `−∞` without components.
    pub fn log_density_at(&self, pose: &Rigid) -> f64 {
        super::weigh::log_sum_exp(&self.terms(pose))
    }

    /// One step of expectation maximisation for weighted samples (D. Peel, G. J. McLachlan, "Robust mixture modelling
    /// using the t distribution", Stat. Comput. 10, 2000; with weights as in the population Monte Carlo of O. Cappé et
    /// al., Stat. Comput. 18, 2008). Scales are drawn towards the last ones where samples are few. Components without
    /// weight keep their shape and get the weight 0.
    pub fn improved(&self, poses: &[Rigid], weights: &[f64]) -> Self {
        let shares: Vec<Vec<f64>> = poses
            .par_iter()
            .with_min_len(CHEAP)
            .zip(weights)
            .map(|(pose, &weight)| {
                let terms = self.terms(pose);
                let total = super::weigh::log_sum_exp(&terms);
                if weight > 0.0 && total.is_finite() {
                    terms.iter().map(|t| weight * (t - total).exp()).collect()
                } else {
                    vec![0.0; terms.len()]
                }
            })
            .collect();
        let refit = |(k, (_, old)): (usize, &(f64, StudentT))| {
            let share: Vec<f64> = shares.iter().map(|s| s[k]).collect();
            (share.iter().sum(), old.refitted(poses, &share).unwrap_or_else(|| old.clone()))
        };
        let components: Vec<(f64, StudentT)> =
            self.components.par_iter().with_min_len(4).enumerate().map(refit).collect();
        if components.iter().map(|c| c.0).sum::<f64>() > 0.0 { Self::new(components) } else { self.clone() }
    }
}

impl StudentT {
    /// The component fitted to samples with weights; `None` where they say nothing.
    fn refitted(&self, poses: &[Rigid], share: &[f64]) -> Option<Self> {
        let total: f64 = share.iter().sum();
        let squares: f64 = share.iter().map(|s| s * s).sum();
        if total.is_nan() || total <= 0.0 || squares <= 0.0 {
            return None;
        }
        let nu = self.degrees_of_freedom;
        let (mut sum, mut mass) = (Vector6::zeros(), 0.0);
        let mut outer = Matrix6::zeros();
        for (pose, &s) in poses.iter().zip(share).filter(|(_, s)| **s > 0.0) {
            let x = self.coordinates(pose);
            // Far samples count little: (ν + 6)/(ν + δ²).
            let s = s * (nu + 6.0) / (nu + self.squared(&x));
            sum += x * s;
            mass += s;
            outer += x * x.transpose() * s;
        }
        let mean = sum / mass;
        let fitted = (outer - mean * mean.transpose() * mass) / total;
        let effective = total * total / squares;
        // A mean of few samples is drawn towards the last one too.
        let trust = effective / (effective + PSEUDO_SAMPLES);
        let scale = fitted * trust + self.scale * (1.0 - trust);
        let scale = 0.5 * (scale + scale.transpose());
        let shift = mean * trust;
        if !shift.iter().chain(scale.iter()).all(|v| v.is_finite()) {
            return None;
        }
        Self::new(self.pose(&shift), &self.pivot, scale, nu)
    }
}

impl Proposal for Mixture {
    /// Draws with the components' shares as even as they can be (systematic).
    fn draw(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<Rigid> {
        let logs: Vec<f64> = self.components.iter().map(|c| c.0.ln()).collect();
        let chosen = super::weigh::resample(&logs, count, random);
        chosen.into_iter().map(|k| self.components[k].1.sample(random)).collect()
    }

    fn log_density(&self, poses: &[Rigid]) -> Vec<f64> {
        poses.par_iter().with_min_len(CHEAP).map(|pose| self.log_density_at(pose)).collect()
    }
}

/// `ln Γ(x)` for `x > 0` by Stirling's series after raising the argument; error below 1e-13 relative.
fn ln_gamma(mut x: f64) -> f64 {
    let mut below = 0.0;
    while x < 12.0 {
        below += x.ln();
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - below
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posterior::prior::uniform_rotation;
    use crate::posterior::toy;
    use rand::SeedableRng;
    use regiscope_geometry::{Twist, Vector};

    fn wide() -> StudentT {
        let bump =
            toy::Bump::new(1.0, se3::exp(&Twist::new(3.0, 2.0, 1.0, 0.5, 0.4, -0.3)), [2.0, 3.0, 4.0, 0.5, 0.9, 0.7]);
        StudentT::new(bump.mean, &Point::new(3.0, -6.0, 9.0), bump.covariance, 5.0).unwrap()
    }

    #[test]
    fn the_density_integrates_to_one_over_all_rotations() {
        let (t, mut random) = (wide(), ChaCha8Rng::seed_from_u64(1));
        let (draws, sd) = (200_000, [4.0, 6.0, 8.0]);
        // Uniform rotations; displacements from heavy-tailed Cauchy distributions.
        let sum: f64 = (0..draws)
            .map(|_| {
                let tan: [f64; 3] = [0; 3].map(|_| (PI * (random.random::<f64>() - 0.5)).tan());
                let log_q: f64 = (0..3).map(|a| -(PI * sd[a] * (1.0 + tan[a] * tan[a])).ln()).sum();
                let rotation = uniform_rotation(&mut random);
                let place = (t.mean * t.pivot).coords + Vector::from_fn(|a, _| sd[a] * tan[a]);
                let pose = Rigid::from_parts((place - rotation * t.pivot.coords).into(), rotation);
                (t.log_density(&pose) - log_q).exp()
            })
            .sum();
        let mass = sum / f64::from(draws);
        assert!((mass - 1.0).abs() < 0.03, "{mass}");
    }

    #[test]
    fn samples_have_the_density() {
        // E_q[p/q] = 1 for a narrower p.
        let (q, mut random) = (wide(), ChaCha8Rng::seed_from_u64(2));
        let p = StudentT::new(*q.mean(), &q.pivot, q.scale() * 0.6, 8.0).unwrap();
        let draws = 20_000;
        let sum: f64 = (0..draws)
            .map(|_| {
                let pose = q.sample(&mut random);
                (p.log_density(&pose) - q.log_density(&pose)).exp()
            })
            .sum();
        assert!((sum / f64::from(draws) - 1.0).abs() < 0.03, "{}", sum / f64::from(draws));
    }

    #[test]
    fn coordinates_and_poses_are_inverse() {
        let t = wide();
        let x = Vector6::new(3.0, -40.0, 2.0, 5.0, -3.0, 0.4);
        assert!((t.coordinates(&t.pose(&x)) - x).norm() < 1e-9);
        let small = Vector6::new(0.1, 0.2, -0.3, 0.01, -0.02, 0.015);
        let chart = crate::chart::Chart::new(t.mean, &t.pivot, 1.0);
        assert!((chart.coordinates(&t.pose(&small)) - small).norm() < 1e-5);
    }

    #[test]
    fn expectation_maximisation_finds_what_samples_came_from() {
        let toy = toy::two_bumps();
        let pivot = toy.prior.pivot();
        let exact: Vec<(f64, StudentT)> = [0.7, 0.3]
            .into_iter()
            .zip(&toy.bumps)
            .map(|(w, b)| (w, StudentT::new(b.mean, &pivot, b.covariance, 8.0).unwrap()))
            .collect();
        let exact = Mixture::new(exact);
        let poses = exact.draw(3000, &mut ChaCha8Rng::seed_from_u64(3));
        // From wrong weights, displaced means and scales four times too large.
        let start = exact.components.iter().map(|(_, t)| {
            let off = t.pose(&Vector6::new(0.5, 0.1, -1.0, 0.01, 0.01, 0.0));
            (0.5, StudentT::new(off, &pivot, t.scale() * 4.0, 8.0).unwrap())
        });
        let mut fitted = Mixture::new(start.collect());
        for _ in 0..30 {
            fitted = fitted.improved(&poses, &vec![1.0 / 3000.0; 3000]);
        }
        for ((w, t), (exact_w, exact_t)) in fitted.components.iter().zip(&exact.components) {
            assert!((w - exact_w).abs() < 0.03);
            assert!(exact_t.squared_distance(t.mean()) < 0.02);
            assert!((t.scale() - exact_t.scale()).norm() < 0.12 * exact_t.scale().norm());
        }
    }

    #[test]
    fn ln_gamma_has_known_values() {
        for (x, expected) in [(0.5, PI.sqrt().ln()), (1.0, 0.0), (5.0, 24f64.ln()), (20.5, 40.831_500_974_530_8)] {
            assert!((ln_gamma(x) - expected).abs() < 1e-10, "{x}: {}", ln_gamma(x));
        }
    }
}
