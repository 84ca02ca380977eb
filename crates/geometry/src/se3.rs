//! The Lie group SE(3) of rigid motions.
//!
//! A twist `ξ = [ρ; φ]` (mm; rad) is mapped to a motion by `exp`, with `R = exp([φ]×)` and `t = V(φ) ρ`.
//! Source: T. D. Barfoot, *State Estimation for Robotics* (2017), ch. 7; J. Solà et al., *A micro Lie theory
//! for state estimation in robotics* (arXiv 1812.01537), whose order `[ρ; φ]` is used.

use crate::{Point, Rigid, Twist, Vector};
use nalgebra::{Matrix3, Matrix6, Translation3, UnitQuaternion};

/// Below this angle (rad) series replace closed forms, which lose digits to cancellation.
const SERIES_ANGLE: f64 = 1.0;

/// `Σ_k (−1)^k θ^{2k} / (2k + n)!`: the tails of sine and cosine divided by the power that starts them. Ten terms
/// leave an error under 1e-20 for `θ ≤ 1`.
fn tail(n: u32, t2: f64) -> f64 {
    let mut term = 1.0 / (1..=n).map(f64::from).product::<f64>();
    let mut sum = term;
    for k in 1..10 {
        let m = f64::from(2 * k + n);
        term *= -t2 / (m * (m - 1.0));
        sum += term;
    }
    sum
}

/// The matrix `[v]×` with `[v]× w = v × w`.
pub fn cross_matrix(v: &Vector) -> Matrix3<f64> {
    v.cross_matrix()
}

/// Coefficients `(1 − cos θ)/θ²` and `(θ − sin θ)/θ³`.
fn coefficients(theta: f64) -> (f64, f64) {
    let t2 = theta * theta;
    if theta < SERIES_ANGLE {
        (tail(2, t2), tail(3, t2))
    } else {
        ((1.0 - theta.cos()) / t2, (theta - theta.sin()) / (t2 * theta))
    }
}

/// Coefficients `(θ²/2 + cos θ − 1)/θ⁴` and `(θ³/6 + sin θ − θ)/θ⁵`.
fn higher_coefficients(theta: f64) -> (f64, f64) {
    let t2 = theta * theta;
    if theta < SERIES_ANGLE {
        (tail(4, t2), tail(5, t2))
    } else {
        let t4 = t2 * t2;
        ((0.5 * t2 + theta.cos() - 1.0) / t4, (t2 * theta / 6.0 + theta.sin() - theta) / (t4 * theta))
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
    // (1 − (θ/2) cot(θ/2))/θ² = (2B − A)/(2Bθ²) with A = sin θ/θ = 1 − θ² tail₃ and B = (1 − cos θ)/θ² =
    // tail₂ = 1/2 − θ² tail₄, so that 2B − A = θ² (tail₃ − 2 tail₄) without cancellation.
    let c = if theta < SERIES_ANGLE {
        (tail(3, t2) - 2.0 * tail(4, t2)) / (2.0 * tail(2, t2))
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

/// The shortest rotation vector of a rotation (rad), length in `[0, π]`. Accurate at every angle, since half
/// angles are used throughout; at exactly π, where `φ` and `−φ` are the same rotation, the sign is that of the
/// quaternion's imaginary part.
pub fn so3_log(rotation: &UnitQuaternion<f64>) -> Vector {
    let (w, v) = (rotation.scalar(), rotation.imag());
    let (w, v) = if w < 0.0 { (-w, -v) } else { (w, v) };
    let sine = v.norm();
    // For a unit quaternion w is near 1 here, and φ = 2 asin(s)/s · v = 2v (1 + s²/6 + …).
    if sine < 1e-8 { v * 2.0 } else { v * (2.0 * sine.atan2(w) / sine) }
}

/// The shortest twist of a motion: `exp(log(T)) = T`, rotation part in `[0, π]` (see [`so3_log`]).
pub fn log(motion: &Rigid) -> Twist {
    let phi = so3_log(&motion.rotation);
    join(&(so3_left_jacobian_inverse(&phi) * motion.translation.vector), &phi)
}

/// The block `Q(ξ)` of the left Jacobian of SE(3) (Barfoot, eq. 7.86b).
fn coupling(rho: &Vector, phi: &Vector) -> Matrix3<f64> {
    let (p, r) = (cross_matrix(phi), cross_matrix(rho));
    let theta = phi.norm();
    let (_, c3) = coefficients(theta);
    let (c4, c5) = higher_coefficients(theta);
    let (pr, rp) = (p * r, r * p);
    let prp = pr * p;
    0.5 * r + c3 * (pr + rp + prp) + c4 * (p * pr + rp * p - 3.0 * prp) + 0.5 * (c4 - 3.0 * c5) * (prp * p + p * prp)
}

/// Left Jacobian of SE(3): `exp(ξ + δ) ≈ exp(J_l(ξ) δ) exp(ξ)` to first order in `δ`.
pub fn left_jacobian(xi: &Twist) -> Matrix6<f64> {
    let (rho, phi) = split(xi);
    let j = so3_left_jacobian(&phi);
    blocks(&j, &coupling(&rho, &phi))
}

/// Inverse of [`left_jacobian`]; `|φ| < 2π`.
pub fn left_jacobian_inverse(xi: &Twist) -> Matrix6<f64> {
    let (rho, phi) = split(xi);
    let inverse = so3_left_jacobian_inverse(&phi);
    blocks(&inverse, &(-inverse * coupling(&rho, &phi) * inverse))
}

/// Right Jacobian of SE(3): `exp(ξ + δ) ≈ exp(ξ) exp(J_r(ξ) δ)` to first order in `δ`; `J_r(ξ) = J_l(−ξ)`.
pub fn right_jacobian(xi: &Twist) -> Matrix6<f64> {
    left_jacobian(&-xi)
}

/// Inverse of [`right_jacobian`]; `|φ| < 2π`.
pub fn right_jacobian_inverse(xi: &Twist) -> Matrix6<f64> {
    left_jacobian_inverse(&-xi)
}

/// The block matrix `[[diagonal, upper], [0, diagonal]]`.
fn blocks(diagonal: &Matrix3<f64>, upper: &Matrix3<f64>) -> Matrix6<f64> {
    let mut m = Matrix6::zeros();
    m.fixed_view_mut::<3, 3>(0, 0).copy_from(diagonal);
    m.fixed_view_mut::<3, 3>(3, 3).copy_from(diagonal);
    m.fixed_view_mut::<3, 3>(0, 3).copy_from(upper);
    m
}

/// Adjoint `Ad(T)` with `T exp(ξ) T⁻¹ = exp(Ad(T) ξ)`.
pub fn adjoint(motion: &Rigid) -> Matrix6<f64> {
    let r = motion.rotation.to_rotation_matrix().into_inner();
    blocks(&r, &(cross_matrix(&motion.translation.vector) * r))
}

/// The small adjoint `ad(ξ)`, the Lie bracket as a matrix: `ad(ξ) η = [ξ, η]` and `Ad(exp ξ) = exp(ad(ξ))`.
pub fn small_adjoint(xi: &Twist) -> Matrix6<f64> {
    let (rho, phi) = split(xi);
    blocks(&cross_matrix(&phi), &cross_matrix(&rho))
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

    /// The plain form: `J_l(ξ) = Σ ad(ξ)^n / (n + 1)!`.
    fn left_jacobian_by_series(xi: &Twist) -> Matrix6<f64> {
        let (ad, mut term, mut sum) = (small_adjoint(xi), Matrix6::identity(), Matrix6::identity());
        for n in 1..60 {
            term = term * ad / f64::from(n + 1);
            sum += term;
        }
        sum
    }

    /// Rotation parts across the series, the closed forms and up to π.
    fn twists_of_all_sizes() -> Vec<Twist> {
        let axis = Vector::new(0.6, -0.48, 0.64);
        [0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.9999, 1.0001, 2.0, 3.0, std::f64::consts::PI - 1e-7]
            .into_iter()
            .map(|angle| join(&Vector::new(30.0, -20.0, 10.0), &(axis * angle)))
            .chain(twists())
            .collect()
    }

    #[test]
    fn jacobians_equal_their_series() {
        for xi in twists_of_all_sizes() {
            let series = left_jacobian_by_series(&xi);
            assert!((left_jacobian(&xi) - series).amax() < 1e-12 * (1.0 + xi.norm()), "{xi}");
            let identity = Matrix6::identity();
            assert!((left_jacobian(&xi) * left_jacobian_inverse(&xi) - identity).amax() < 1e-11);
            assert!((right_jacobian(&xi) * right_jacobian_inverse(&xi) - identity).amax() < 1e-11);
        }
    }

    #[test]
    fn jacobians_are_the_derivatives_of_exp_and_log() {
        let h = 1e-5;
        for xi in twists_of_all_sizes() {
            let (here, left, right) = (exp(&xi), left_jacobian(&xi), right_jacobian(&xi));
            for n in 0..6 {
                let mut delta = Twist::zeros();
                delta[n] = h;
                let (forward, backward) = (exp(&(xi + delta)), exp(&(xi - delta)));
                let by_left = (log(&(forward * here.inverse())) - log(&(backward * here.inverse()))) / (2.0 * h);
                let by_right = (log(&(here.inverse() * forward)) - log(&(here.inverse() * backward))) / (2.0 * h);
                assert!((by_left - left.column(n)).norm() < 1e-6, "{xi}");
                assert!((by_right - right.column(n)).norm() < 1e-6, "{xi}");
            }
            // log, away from its edge at π
            if split(&xi).1.norm() < 3.1 {
                let inverse = left_jacobian_inverse(&xi);
                for n in 0..6 {
                    let mut delta = Twist::zeros();
                    delta[n] = h;
                    let by_log = (log(&(exp(&delta) * here)) - log(&(exp(&-delta) * here))) / (2.0 * h);
                    assert!((by_log - inverse.column(n)).norm() < 1e-6, "{xi}");
                }
            }
        }
    }

    #[test]
    fn left_jacobian_is_adjoint_of_right() {
        for xi in twists_of_all_sizes() {
            let difference = left_jacobian(&xi) - adjoint(&exp(&xi)) * right_jacobian(&xi);
            assert!(difference.amax() < 1e-12 * (1.0 + xi.norm()));
        }
    }

    #[test]
    fn adjoint_is_the_exponential_of_the_small_adjoint() {
        for xi in twists_of_all_sizes() {
            let (ad, mut term, mut sum) = (small_adjoint(&xi), Matrix6::identity(), Matrix6::identity());
            for n in 1..60 {
                term = term * ad / f64::from(n);
                sum += term;
            }
            assert!((adjoint(&exp(&xi)) - sum).amax() < 1e-11 * (1.0 + xi.norm()), "{xi}");
        }
    }

    #[test]
    fn log_holds_up_to_half_a_turn() {
        let axis = Vector::new(-0.6, 0.48, 0.64);
        let rho = Vector::new(30.0, -20.0, 10.0);
        for below in [1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 0.0] {
            let xi = join(&rho, &(axis * (std::f64::consts::PI - below)));
            let back = log(&exp(&xi));
            assert!(split(&back).1.norm() <= std::f64::consts::PI + 1e-15);
            assert!((exp(&back).to_homogeneous() - exp(&xi).to_homogeneous()).amax() < 1e-13);
            if below > 1e-14 {
                assert!((back - xi).norm() < 1e-12);
            }
        }
        // beyond half a turn the shortest way is the other one
        let beyond = log(&exp(&join(&rho, &(axis * 4.0))));
        assert!((split(&beyond).1 + axis * (2.0 * std::f64::consts::PI - 4.0)).norm() < 1e-14);
    }

    #[test]
    fn both_quaternions_of_a_rotation_have_one_log() {
        let q = UnitQuaternion::from_scaled_axis(Vector::new(0.3, 1.2, -0.4));
        let twin = UnitQuaternion::new_unchecked(-q.into_inner());
        assert!((so3_log(&q) - so3_log(&twin)).norm() < 1e-15);
    }
}
