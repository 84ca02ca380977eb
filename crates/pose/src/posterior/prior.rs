//! Prior distributions over poses.

use crate::similarity::Quadratic;
use rand::Rng;
use rand_distr::StandardNormal;
use regiscope_geometry::nalgebra::{Matrix3, Matrix6, Unit, UnitQuaternion};
use regiscope_geometry::{Point, Rigid, Twist, Vector, se3};
use std::f64::consts::{PI, TAU};
use thiserror::Error;

/// What is known of the orientation beforehand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RotationPrior {
    /// Nothing: all rotations alike.
    Uniform,
    /// A patient on a table: turned about the long axis by an angle that is uniform in `±turn`, and that axis swung
    /// away from where the nominal pose has it. Relative to the uniform distribution of its direction, the density of
    /// the axis at the angle `θ` is proportional to `exp(−θ²/2s²)`, `s` being `swing_sd`; for small `s` this is an
    /// isotropic normal distribution of the two angles of the swing.
    Turn {
        /// The long axis in the world, at the nominal pose; any length but 0.
        axis: Vector,
        /// Half-width (rad) of the turn, above 0 up to π (the whole circle).
        turn: f64,
        /// Standard deviation (rad) of the swing, above 0 up to π.
        swing_sd: f64,
    },
}

/// A prior over poses: a distribution of rotations relative to a nominal pose, and an independent normal
/// distribution of the pivot's displacement from where the nominal pose puts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    nominal: Rigid,
    pivot: Point,
    rotation: RotationPrior,
    displacement_sd: Vector,
    /// Log density at the top.
    log_peak: f64,
}

/// Why a prior was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PriorError {
    /// A number outside its range.
    #[error("prior: {field} = {found} is not accepted: it must be {accepted}")]
    Range {
        /// Which number.
        field: &'static str,
        /// What was found.
        found: f64,
        /// What is accepted.
        accepted: &'static str,
    },
    /// A nominal pose or pivot with numbers that are not finite.
    #[error("prior: the {0} is not made of finite numbers")]
    NotFinite(&'static str),
}

impl Prior {
    /// A prior around the `nominal` pose. `pivot` is a point of the volume (mm, its own frame); `displacement_sd_mm`
    /// are standard deviations along the axes of the world, each above 0 up to 1e5 mm.
    pub fn new(
        nominal: Rigid,
        pivot: Point,
        rotation: RotationPrior,
        displacement_sd_mm: [f64; 3],
    ) -> Result<Self, PriorError> {
        if !crate::objective::usable(&nominal) {
            return Err(PriorError::NotFinite("nominal pose"));
        }
        if !pivot.iter().all(|v| v.is_finite()) {
            return Err(PriorError::NotFinite("pivot"));
        }
        let check = |ok: bool, field, found, accepted| {
            if ok { Ok(()) } else { Err(PriorError::Range { field, found, accepted }) }
        };
        for found in displacement_sd_mm {
            check(found > 0.0 && found <= 1e5, "displacement_sd_mm", found, "above 0 up to 1e5 mm")?;
        }
        let rotation = match rotation {
            RotationPrior::Uniform => rotation,
            RotationPrior::Turn { axis, turn, swing_sd } => {
                let length = axis.norm();
                check(length.is_finite() && length > 1e-12, "length of the axis", length, "finite and above 0")?;
                check(turn > 0.0 && turn <= PI, "turn", turn, "above 0 up to π rad")?;
                check(swing_sd > 0.0 && swing_sd <= PI, "swing_sd", swing_sd, "above 0 up to π rad")?;
                RotationPrior::Turn { axis: axis / length, turn, swing_sd }
            }
        };
        let log_rotation = match rotation {
            RotationPrior::Uniform => 0.0,
            // dR = sin θ dθ dψ dτ / 8π² for the direction (θ, ψ) of the axis and the turn τ about it.
            RotationPrior::Turn { turn, swing_sd, .. } => (8.0 * PI * PI / (2.0 * turn * cap_integral(swing_sd))).ln(),
        };
        let displacement_sd = Vector::from(displacement_sd_mm);
        let log_peak = log_rotation - displacement_sd.map(f64::ln).sum() - 1.5 * TAU.ln();
        Ok(Self { nominal, pivot, rotation, displacement_sd, log_peak })
    }

    /// The pose in the middle.
    pub fn nominal(&self) -> &Rigid {
        &self.nominal
    }

    /// The point of the volume (mm, its own frame) whose position is counted.
    pub fn pivot(&self) -> Point {
        self.pivot
    }

    /// The distribution of rotations, its axis of length 1.
    pub fn rotation(&self) -> RotationPrior {
        self.rotation
    }

    /// Standard deviations (mm) of the pivot's displacement along the axes of the world.
    pub fn displacement_sd(&self) -> Vector {
        self.displacement_sd
    }

    /// A pose drawn from the prior.
    pub fn sample(&self, random: &mut impl Rng) -> Rigid {
        let turned = match self.rotation {
            RotationPrior::Uniform => uniform_rotation(random),
            RotationPrior::Turn { axis, turn, swing_sd } => {
                let swing = draw_swing(random, &axis, swing_sd);
                let angle = turn * (2.0 * random.random::<f64>() - 1.0);
                UnitQuaternion::from_scaled_axis(swing) * UnitQuaternion::from_scaled_axis(axis * angle)
            }
        };
        let normal = Vector::from_fn(|_, _| random.sample::<f64, _>(StandardNormal));
        self.pose(&turned, &normal.component_mul(&self.displacement_sd))
    }

    /// The pose whose rotation is `turned` after the nominal one and whose pivot is displaced (mm, world) from where
    /// the nominal pose puts it.
    pub fn pose(&self, turned: &UnitQuaternion<f64>, displacement: &Vector) -> Rigid {
        let mut rotation = turned * self.nominal.rotation;
        rotation.renormalize();
        let place = (self.nominal * self.pivot).coords + displacement;
        Rigid::from_parts((place - rotation * self.pivot.coords).into(), rotation)
    }

    /// Log density at a pose, relative to Haar measure of mass 1 times mm³; `−∞` outside the support and at poses
    /// made of numbers that are not finite.
    pub fn log_density(&self, world_from_volume: &Rigid) -> f64 {
        if !crate::objective::usable(world_from_volume) {
            return f64::NEG_INFINITY;
        }
        let z = self.displacement(world_from_volume).component_div(&self.displacement_sd);
        let by_rotation = match self.rotation {
            RotationPrior::Uniform => 0.0,
            RotationPrior::Turn { axis, turn, swing_sd } => {
                let turned = self.turned(world_from_volume);
                if turn_about(&turned, &axis).abs() > turn + 1e-12 {
                    return f64::NEG_INFINITY;
                }
                let swing = axis_angle(&axis, &(turned * axis));
                -0.5 * (swing / swing_sd).powi(2)
            }
        };
        self.log_peak - 0.5 * z.norm_squared() + by_rotation
    }

    /// Log density with its gradient by the pose twist about the world origin and a positive semidefinite curvature
    /// (minus the second derivative, with negative parts left out). The ends of the turn are not seen by either.
    pub fn quadratic(&self, world_from_volume: &Rigid) -> Quadratic {
        let value = self.log_density(world_from_volume);
        let mut quadratic = Quadratic { value, gradient: Twist::zeros(), curvature: Matrix6::zeros() };
        if value == f64::NEG_INFINITY {
            return quadratic;
        }
        // By the pivot's displacement d and the rotation ω: a twist [ρ; φ] makes d = ρ + φ × q, ω = φ.
        let precision = self.displacement_sd.map(|s| 1.0 / (s * s));
        let by_shift = -self.displacement(world_from_volume).component_mul(&precision);
        let (mut by_turn, mut turn_curvature) = (Vector::zeros(), Matrix3::zeros());
        if let RotationPrior::Turn { axis, swing_sd, .. } = self.rotation {
            let swung = self.turned(world_from_volume) * axis;
            let angle = axis_angle(&axis, &swung);
            // About n the angle grows fastest; about m, across it, it has the curvature θ cot θ of circles.
            let n = axis.cross(&swung).try_normalize(1e-9).unwrap_or_else(|| across(&swung));
            let m = swung.cross(&n);
            let bend = if angle < 1e-6 { 1.0 } else { (angle / angle.tan()).max(0.0) };
            by_turn = -n * (angle / (swing_sd * swing_sd));
            turn_curvature = (n * n.transpose() + m * m.transpose() * bend) / (swing_sd * swing_sd);
        }
        let place = (world_from_volume * self.pivot).coords;
        let mut shift_by_twist = regiscope_geometry::nalgebra::Matrix3x6::<f64>::zeros();
        shift_by_twist.fixed_view_mut::<3, 3>(0, 0).copy_from(&Matrix3::identity());
        shift_by_twist.fixed_view_mut::<3, 3>(0, 3).copy_from(&-place.cross_matrix());
        quadratic.gradient = shift_by_twist.transpose() * by_shift + se3::join(&Vector::zeros(), &by_turn);
        quadratic.curvature = shift_by_twist.transpose() * Matrix3::from_diagonal(&precision) * shift_by_twist;
        let mut corner = quadratic.curvature.fixed_view_mut::<3, 3>(3, 3);
        corner += turn_curvature;
        quadratic
    }

    /// Displacement (mm) of the pivot from where the nominal pose puts it.
    pub fn displacement(&self, world_from_volume: &Rigid) -> Vector {
        world_from_volume * self.pivot - self.nominal * self.pivot
    }

    /// Precision (mm⁻², rad⁻²) of the prior in the chart at a pose, with the variance of the uniform distribution
    /// where the density is flat: what keeps a covariance finite where images say nothing.
    pub fn precision(&self) -> Matrix6<f64> {
        let turns = match self.rotation {
            // The variance of each component of the rotation vector under Haar measure is near π²/3.
            RotationPrior::Uniform => Matrix3::identity() * (3.0 / (PI * PI)),
            RotationPrior::Turn { axis, turn, swing_sd } => {
                let along = axis * axis.transpose();
                (Matrix3::identity() - along) / (swing_sd * swing_sd) + along * (3.0 / (turn * turn))
            }
        };
        let mut precision = Matrix6::zeros();
        let shifts = Matrix3::from_diagonal(&self.displacement_sd.map(|s| 1.0 / (s * s)));
        precision.fixed_view_mut::<3, 3>(0, 0).copy_from(&shifts);
        precision.fixed_view_mut::<3, 3>(3, 3).copy_from(&turns);
        precision
    }

    fn turned(&self, world_from_volume: &Rigid) -> UnitQuaternion<f64> {
        world_from_volume.rotation * self.nominal.rotation.inverse()
    }
}

/// A rotation drawn from Haar measure.
pub(crate) fn uniform_rotation(random: &mut impl Rng) -> UnitQuaternion<f64> {
    loop {
        let q = regiscope_geometry::nalgebra::Quaternion::from_vector(regiscope_geometry::nalgebra::Vector4::from_fn(
            |_, _| random.sample::<f64, _>(StandardNormal),
        ));
        if q.norm() > 1e-6 {
            return UnitQuaternion::new_normalize(q);
        }
    }
}

/// A swing across `axis` with density `∝ sin θ exp(−θ²/2s²)` of its angle: normal in two dimensions, thinned by
/// `sin θ / θ`.
fn draw_swing(random: &mut impl Rng, axis: &Vector, swing_sd: f64) -> Vector {
    let first = across(axis);
    let second = axis.cross(&first);
    loop {
        let [x, y]: [f64; 2] = [0, 1].map(|_| random.sample::<f64, _>(StandardNormal) * swing_sd);
        let angle = x.hypot(y);
        let kept = if angle < 1e-9 { 1.0 } else { angle.sin() / angle };
        if angle < PI && random.random::<f64>() < kept {
            return first * x + second * y;
        }
    }
}

/// The turn about `axis` in a rotation that is a turn first and a swing across the axis afterwards, in `(−π, π]`.
fn turn_about(rotation: &UnitQuaternion<f64>, axis: &Vector) -> f64 {
    let angle = 2.0 * rotation.imag().dot(axis).atan2(rotation.scalar());
    if angle > PI {
        angle - TAU
    } else if angle <= -PI {
        angle + TAU
    } else {
        angle
    }
}

fn axis_angle(a: &Vector, b: &Vector) -> f64 {
    a.cross(b).norm().atan2(a.dot(b))
}

/// A unit vector across another.
pub(crate) fn across(v: &Vector) -> Vector {
    let least = Vector::ith(v.iamin(), 1.0);
    Unit::new_normalize(v.cross(&least)).into_inner()
}

/// `2π ∫₀^π sin θ exp(−θ²/2s²) dθ` by Simpson's rule over the part that counts.
fn cap_integral(s: f64) -> f64 {
    const PANELS: usize = 2000;
    let end = (12.0 * s).min(PI);
    let h = end / PANELS as f64;
    let value = |n: usize| {
        let angle = n as f64 * h;
        let weight = if n == 0 || n == PANELS { 1.0 } else { 2.0 * (1.0 + (n % 2) as f64) };
        weight * angle.sin() * (-0.5 * (angle / s).powi(2)).exp()
    };
    TAU * h / 3.0 * (0..=PANELS).map(value).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Chart;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use regiscope_geometry::nalgebra::Vector6;

    fn nominal() -> Rigid {
        se3::exp(&Twist::new(10.0, -20.0, 30.0, 0.4, -0.3, 0.8))
    }

    fn priors() -> Vec<Prior> {
        let make = |rotation| Prior::new(nominal(), Point::new(5.0, -8.0, 20.0), rotation, [4.0, 9.0, 15.0]).unwrap();
        let turn = |turn, swing_sd| make(RotationPrior::Turn { axis: Vector::new(0.2, 0.1, 2.0), turn, swing_sd });
        vec![make(RotationPrior::Uniform), turn(PI, 0.2), turn(0.4, 0.6), turn(2.0, 2.5)]
    }

    #[test]
    fn densities_integrate_to_one() {
        // Rotations from Haar measure, pivots from a wider normal distribution.
        const WIDER: f64 = 1.3;
        for (n, prior) in priors().iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            let sd = prior.displacement_sd() * WIDER;
            let draws = 300_000;
            let sum: f64 = (0..draws)
                .map(|_| {
                    let turned = uniform_rotation(&mut random);
                    let z = Vector::from_fn(|_, _| random.sample::<f64, _>(StandardNormal));
                    let log_proposal = -0.5 * z.norm_squared() - sd.map(f64::ln).sum() - 1.5 * TAU.ln();
                    (prior.log_density(&prior.pose(&turned, &z.component_mul(&sd))) - log_proposal).exp()
                })
                .sum();
            let mass = sum / f64::from(draws);
            assert!((mass - 1.0).abs() < 0.04, "{n}: {mass}");
        }
    }

    #[test]
    fn samples_have_the_density() {
        // E_p[u/p] over samples of p is the integral of u, a density that is narrower than p.
        for (n, prior) in priors().iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(5);
            let inner = match prior.rotation() {
                RotationPrior::Uniform => RotationPrior::Turn { axis: Vector::y(), turn: 2.0, swing_sd: 1.0 },
                RotationPrior::Turn { axis, turn, swing_sd } => {
                    RotationPrior::Turn { axis, turn: 0.6 * turn, swing_sd: 0.7 * swing_sd }
                }
            };
            let sd = prior.displacement_sd() * 0.8;
            let inner = Prior::new(*prior.nominal(), prior.pivot(), inner, sd.into()).unwrap();
            let draws = 40_000;
            let sum: f64 = (0..draws)
                .map(|_| {
                    let pose = prior.sample(&mut random);
                    (inner.log_density(&pose) - prior.log_density(&pose)).exp()
                })
                .sum();
            assert!((sum / f64::from(draws) - 1.0).abs() < 0.03, "{n}: {}", sum / f64::from(draws));
        }
    }

    #[test]
    fn gradients_are_derivatives() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        for prior in priors() {
            for _ in 0..5 {
                let pose = prior.sample(&mut random);
                let quadratic = prior.quadratic(&pose);
                for n in 0..6 {
                    let h = Twist::ith(n, 1e-6);
                    let [up, down] = [h, -h].map(|h| prior.log_density(&(se3::exp(&h) * pose)));
                    let difference = (up - down) / 2e-6;
                    let scale = 1.0 + quadratic.gradient[n].abs();
                    assert!((difference - quadratic.gradient[n]).abs() < 1e-4 * scale, "{n}");
                }
            }
        }
    }

    #[test]
    fn the_curvature_is_that_of_the_top() {
        for prior in priors() {
            let chart = Chart::new(nominal(), &prior.pivot(), 1.0);
            let by_twist = prior.quadratic(&nominal()).curvature;
            let twist = chart.twist_by_coordinates(&Vector6::zeros());
            let curvature = twist.transpose() * by_twist * twist;
            for n in 0..6 {
                let h = Vector6::ith(n, 1e-3);
                let [up, down] = [h, -h].map(|h| prior.log_density(&chart.pose(&h)));
                let second = (2.0 * prior.log_density(&nominal()) - up - down) / 1e-6;
                assert!((second - curvature[(n, n)]).abs() < 1e-3 * (1.0 + second), "{n} {second}");
            }
        }
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        let make = |rotation, sd| Prior::new(Rigid::identity(), Point::origin(), rotation, sd).map(|_| ());
        let turn = |turn, swing_sd| RotationPrior::Turn { axis: Vector::z(), turn, swing_sd };
        let field = |result| match result {
            Err(PriorError::Range { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(make(RotationPrior::Uniform, [1.0, 0.0, 1.0])), "displacement_sd_mm");
        assert_eq!(field(make(turn(4.0, 0.1), [1.0; 3])), "turn");
        assert_eq!(field(make(turn(1.0, f64::NAN), [1.0; 3])), "swing_sd");
        let flat = RotationPrior::Turn { axis: Vector::zeros(), turn: 1.0, swing_sd: 0.1 };
        assert_eq!(field(make(flat, [1.0; 3])), "length of the axis");
        let prior = Prior::new(Rigid::identity(), Point::origin(), turn(0.5, 0.1), [1.0; 3]).unwrap();
        assert_eq!(prior.log_density(&Rigid::rotation(Vector::z() * 0.6)), f64::NEG_INFINITY);
        assert!(prior.log_density(&Rigid::rotation(Vector::z() * -0.4)).is_finite());
    }
}
