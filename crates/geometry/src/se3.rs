//! The Lie group SE(3) of rigid motions.
//!
//! A twist `ξ = [ρ; φ]` (mm; rad) is mapped to a motion by `exp`, with `R = exp([φ]×)` and `t = V(φ) ρ`.
//! Source: T. D. Barfoot, *State Estimation for Robotics* (2017), ch. 7; J. Solà et al., *A micro Lie theory
//! for state estimation in robotics* (arXiv 1812.01537), whose order `[ρ; φ]` is used.

use crate::{Point, Rigid, Twist, Vector};
use nalgebra::{Matrix3, Matrix6, Translation3, UnitQuaternion};

/// Below this angle (rad) series replace closed forms; their truncation error is under 1e-16 relative.
const SMALL_ANGLE: f64 = 1e-3;

/// The matrix `[v]×` with `[v]× w = v × w`.
pub fn cross_matrix(v: &Vector) -> Matrix3<f64> {
    v.cross_matrix()
}

/// Coefficients `(1 − cos θ)/θ²` and `(θ − sin θ)/θ³`.
fn coefficients(theta: f64) -> (f64, f64) {
    let t2 = theta * theta;
    if theta < SMALL_ANGLE {
        (0.5 - t2 / 24.0 + t2 * t2 / 720.0, 1.0 / 6.0 - t2 / 120.0 + t2 * t2 / 5040.0)
    } else {
        let half = (0.5 * theta).sin();
        (2.0 * half * half / t2, (theta - theta.sin()) / (t2 * theta))
    }
}

/// Left Jacobian of SO(3), also written `V(φ)`: `∫₀¹ exp(s [φ]×) ds`.
pub fn so3_left_jacobian(phi: &Vector) -> Matrix3<f64> {
    let (b, c) = coefficients(phi.norm());
    let k = cross_matrix(phi);
    Matrix3::identity() + b * k + c * k * k
}

/// Inverse of [`so3_left_jacobian`]; `|φ| < 2π`.
pub fn so3_left_jacobian_inverse(phi: &Vector) -> Matrix3<f64> {
    let theta = phi.norm();
    let k = cross_matrix(phi);
    let t2 = theta * theta;
    let c = if theta < SMALL_ANGLE {
        1.0 / 12.0 + t2 / 720.0 + t2 * t2 / 30240.0
    } else {
        (1.0 - 0.5 * theta / (0.5 * theta).tan()) / t2
    };
    Matrix3::identity() - 0.5 * k + c * k * k
}

/// The motion reached by following the twist for unit time.
pub fn exp(xi: &Twist) -> Rigid {
    let (rho, phi) = split(xi);
    Rigid::from_parts(Translation3::from(so3_left_jacobian(&phi) * rho), UnitQuaternion::from_scaled_axis(phi))
}

/// The shortest twist of a motion: `exp(log(T)) = T`, rotation part in `[0, π]`.
pub fn log(motion: &Rigid) -> Twist {
    let phi = motion.rotation.scaled_axis();
    join(&(so3_left_jacobian_inverse(&phi) * motion.translation.vector), &phi)
}

/// Adjoint `Ad(T)` with `T exp(ξ) T⁻¹ = exp(Ad(T) ξ)`.
pub fn adjoint(motion: &Rigid) -> Matrix6<f64> {
    let r = motion.rotation.to_rotation_matrix().into_inner();
    let mut ad = Matrix6::zeros();
    ad.fixed_view_mut::<3, 3>(0, 0).copy_from(&r);
    ad.fixed_view_mut::<3, 3>(3, 3).copy_from(&r);
    ad.fixed_view_mut::<3, 3>(0, 3).copy_from(&(cross_matrix(&motion.translation.vector) * r));
    ad
}

/// The motion `exp(ξ)` carried out about `pivot` instead of the origin: the rotation leaves `pivot` where it
/// is, up to the translation part.
pub fn exp_about(pivot: &Point, xi: &Twist) -> Rigid {
    let shift = Translation3::from(pivot.coords);
    shift * exp(xi) * shift.inverse()
}

/// Splits a twist into translation part `ρ` (mm) and rotation part `φ` (rad).
pub fn split(xi: &Twist) -> (Vector, Vector) {
    (xi.fixed_rows::<3>(0).into_owned(), xi.fixed_rows::<3>(3).into_owned())
}

/// Joins translation part `ρ` (mm) and rotation part `φ` (rad) to a twist.
pub fn join(rho: &Vector, phi: &Vector) -> Twist {
    Twist::new(rho.x, rho.y, rho.z, phi.x, phi.y, phi.z)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twists() -> Vec<Twist> {
        vec![
            Twist::zeros(),
            Twist::new(1.0, -2.0, 3.0, 1e-9, -2e-9, 5e-10),
            Twist::new(30.0, -20.0, 10.0, 9e-4, 3e-4, -1e-4),
            Twist::new(30.0, -20.0, 10.0, 0.5, -0.7, 0.2),
            Twist::new(-3.0, 8.0, 100.0, 1.7, 1.7, 1.9),
        ]
    }

    #[test]
    fn log_inverts_exp() {
        for xi in twists() {
            assert!((log(&exp(&xi)) - xi).norm() < 1e-10 * (1.0 + xi.norm()), "{xi}");
        }
    }

    #[test]
    fn adjoint_moves_twists_between_frames() {
        for a in twists() {
            for b in twists() {
                let motion = exp(&a);
                let direct = motion * exp(&b) * motion.inverse();
                let moved = exp(&(adjoint(&motion) * b));
                assert!((direct.to_homogeneous() - moved.to_homogeneous()).norm() < 1e-9);
            }
        }
    }

    #[test]
    fn left_jacobian_has_its_inverse() {
        for xi in twists() {
            let (_, phi) = split(&xi);
            let product = so3_left_jacobian(&phi) * so3_left_jacobian_inverse(&phi);
            assert!((product - Matrix3::identity()).norm() < 1e-12);
        }
    }
}
