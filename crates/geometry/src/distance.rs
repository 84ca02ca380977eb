//! Distances between poses, and the screw of a motion.
//!
//! Poses are compared by their relative motion `a⁻¹ b`. No distance that sees both rotation (rad) and translation
//! (mm) is free of a choice of length that weighs one against the other; here it is always an argument.

use crate::se3::so3_log;
use crate::{Point, Rigid, Vector};
use nalgebra::{Unit, UnitQuaternion};

/// Geodesic angle between two rotations, rad in `[0, π]`: the length of `log(a⁻¹ b)`. A bi-invariant metric on
/// SO(3).
pub fn rotation_angle(a: &UnitQuaternion<f64>, b: &UnitQuaternion<f64>) -> f64 {
    let relative = a.inverse() * b;
    2.0 * relative.imag().norm().atan2(relative.scalar().abs())
}

/// Distance between the translations of two poses, mm: how far apart they carry the origin of their source
/// frame. It depends on where that origin lies.
pub fn translation_distance(a: &Rigid, b: &Rigid) -> f64 {
    (a.translation.vector - b.translation.vector).norm()
}

/// `√(|Δt|² + (ℓ θ)²)`, mm: the product metric of SO(3) × R³, in which an angle counts as the arc at radius
/// `length_mm`. A left-invariant metric. With half the source–detector distance as the length it is DiffPose's
/// "double geodesic" distance (Gopalakrishnan et al., CVPR 2024).
pub fn combined_distance(a: &Rigid, b: &Rigid, length_mm: f64) -> f64 {
    translation_distance(a, b).hypot(length_mm * rotation_angle(&a.rotation, &b.rotation))
}

/// A rigid motion as a turn about an axis in space together with a shift along it (Chasles' theorem).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screw {
    /// Direction of the axis; for a pure translation the direction of the shift (x for the identity).
    pub axis: Unit<Vector>,
    /// The point of the axis nearest to the frame's origin, mm; the origin itself for a pure translation.
    pub point: Point,
    /// Turn about the axis by the right-hand rule, rad in `[0, π]`.
    pub angle: f64,
    /// Shift along the axis, mm; negative against its direction.
    pub translation: f64,
}

impl Screw {
    /// Shift per turned angle, mm/rad; `None` for a pure translation, whose pitch is infinite.
    pub fn pitch(&self) -> Option<f64> {
        (self.angle > 0.0).then(|| self.translation / self.angle)
    }

    /// The motion itself.
    pub fn motion(&self) -> Rigid {
        let rotation = UnitQuaternion::from_axis_angle(&self.axis, self.angle);
        let shift = self.axis.into_inner() * self.translation;
        Rigid::from_parts((self.point - rotation * self.point + shift).into(), rotation)
    }

    /// Length of the helix (mm) that a point at distance `radius_mm` from the axis runs along.
    pub fn path_length(&self, radius_mm: f64) -> f64 {
        self.translation.hypot(radius_mm * self.angle)
    }
}

/// The screw of a motion. The axis runs away as the angle goes to 0; below 1e-12 rad a motion counts as a pure
/// translation.
pub fn screw(motion: &Rigid) -> Screw {
    let (phi, t) = (so3_log(&motion.rotation), motion.translation.vector);
    match Unit::try_new_and_get(phi, 1e-12) {
        Some((axis, angle)) => {
            let across = t - axis.into_inner() * axis.dot(&t);
            let point = Point::from(0.5 * (across + axis.cross(&across) / (0.5 * angle).tan()));
            Screw { axis, point, angle, translation: axis.dot(&t) }
        }
        None => {
            let (axis, translation) = Unit::try_new_and_get(t, 0.0).unwrap_or((Vector::x_axis(), 0.0));
            Screw { axis, point: Point::origin(), angle: 0.0, translation }
        }
    }
}

/// Screw distance between two poses, mm: the length of the helix of the relative motion `a⁻¹ b` at distance
/// `length_mm` from its own axis. It is bi-invariant (the choice of both frames' origins is irrelevant) and 0 only
/// for equal poses, but no metric: the triangle inequality can fail, since SE(3) has no bi-invariant metric.
pub fn screw_distance(a: &Rigid, b: &Rigid, length_mm: f64) -> f64 {
    screw(&(a.inverse() * b)).path_length(length_mm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Twist;
    use crate::se3::exp;
    use std::f64::consts::PI;

    fn poses() -> Vec<Rigid> {
        [
            [0.0; 6],
            [1.0, -2.0, 3.0, 0.0, 0.0, 0.0],
            [30.0, -20.0, 10.0, 1e-7, -2e-7, 1e-7],
            [30.0, -20.0, 10.0, 0.5, -0.7, 0.2],
            [-3.0, 8.0, 100.0, 1.7, 1.7, 1.9],
            [5.0, 8.0, -9.0, 0.0, PI, 0.0],
        ]
        .map(|v| exp(&Twist::from(v)))
        .to_vec()
    }

    #[test]
    fn motions_come_back_from_their_screw() {
        for motion in poses() {
            let screw = screw(&motion);
            let back = screw.motion();
            assert!((back.to_homogeneous() - motion.to_homogeneous()).amax() < 1e-8, "{screw:?}");
            assert!(screw.axis.dot(&screw.point.coords).abs() < 1e-6 * (1.0 + screw.point.coords.norm()));
            let along = motion * screw.point - screw.point - screw.axis.into_inner() * screw.translation;
            assert!(along.norm() < 1e-8, "points of the axis only slide along it");
        }
    }

    #[test]
    fn a_known_screw_is_found() {
        let quarter = UnitQuaternion::from_axis_angle(&Vector::z_axis(), 0.5 * PI);
        let point = Point::new(10.0, 4.0, 0.0);
        let motion = Rigid::from_parts((point - quarter * point + Vector::z() * 7.0).into(), quarter);
        let screw = screw(&motion);
        assert!((screw.axis.into_inner() - Vector::z()).norm() < 1e-14 && (screw.point - point).norm() < 1e-12);
        assert!((screw.angle - 0.5 * PI).abs() < 1e-14 && (screw.translation - 7.0).abs() < 1e-12);
        assert!((screw.pitch().unwrap() - 14.0 / PI).abs() < 1e-12);
        let shift = super::screw(&Rigid::translation(0.0, -3.0, 4.0));
        assert_eq!((shift.pitch(), shift.angle, shift.translation), (None, 0.0, 5.0));
    }

    #[test]
    fn distances_are_symmetric_and_vanish_only_at_equality() {
        let all = poses();
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                for distance in [combined_distance, screw_distance] {
                    let d = distance(a, b, 100.0);
                    assert!((d - distance(b, a, 100.0)).abs() < 1e-7);
                    assert_eq!(d < 1e-6, i == j, "{i} {j} {d}");
                }
            }
        }
    }

    #[test]
    fn invariances_are_as_stated() {
        let all = poses();
        let moved = exp(&Twist::new(40.0, 3.0, -17.0, 0.3, 0.9, -0.5));
        for a in &all {
            for b in &all {
                let combined = combined_distance(a, b, 60.0);
                assert!((combined_distance(&(moved * a), &(moved * b), 60.0) - combined).abs() < 1e-9);
                let screw = screw_distance(a, b, 60.0);
                assert!((screw_distance(&(moved * a), &(moved * b), 60.0) - screw).abs() < 1e-6);
                assert!((screw_distance(&(a * moved), &(b * moved), 60.0) - screw).abs() < 1e-6);
                let angle = rotation_angle(&a.rotation, &b.rotation);
                let by_right = rotation_angle(&(a.rotation * moved.rotation), &(b.rotation * moved.rotation));
                assert!((angle - by_right).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn combined_distance_obeys_the_triangle_inequality_and_screw_distance_need_not() {
        let all = poses();
        for a in &all {
            for b in &all {
                for c in &all {
                    let d = |x, y| combined_distance(x, y, 80.0);
                    assert!(d(a, c) <= d(a, b) + d(b, c) + 1e-9);
                }
            }
        }
        // Opposite turns about parallel axes far apart make a long shift out of two short screws.
        let (turn, far) = (exp(&Twist::new(0.0, 0.0, 0.0, 0.0, 0.0, 0.1)), Rigid::translation(1e4, 0.0, 0.0));
        let (a, b) = (turn, turn * far * turn.inverse() * far.inverse());
        let identity = Rigid::identity();
        let d = |x, y| screw_distance(x, y, 80.0);
        assert!(d(&identity, &b) > 10.0 * (d(&identity, &a) + d(&a, &b)));
    }

    #[test]
    fn angles_are_accurate_at_both_ends() {
        let one = UnitQuaternion::identity();
        for angle in [1e-12, 1e-8, 0.1, 3.0, PI - 1e-9, PI] {
            let turned = UnitQuaternion::from_axis_angle(&Vector::y_axis(), angle);
            assert!((rotation_angle(&one, &turned) - angle).abs() < 1e-15 * (1.0 + angle) + 1e-4 * f64::EPSILON);
        }
    }
}
