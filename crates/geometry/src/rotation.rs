//! Rotation matrices that come from files: how far from a rotation they are, and the nearest rotation.

use nalgebra::{Matrix3, Rotation3, UnitQuaternion};
use thiserror::Error;

/// Largest accepted departure from orthonormality (see [`NotRotation`]) of a matrix that claims to be a
/// rotation: files with six significant digits pass, scalings of a thousandth do not.
pub const ORTHONORMAL_TOLERANCE: f64 = 1e-4;

/// A matrix that is no rotation.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error(
    "the matrix is not a rotation: its largest |RᵀR − I| is {deviation:.3e} and its determinant {determinant:.6}, accepted is a deviation of at most {tolerance:.0e} and determinant 1"
)]
pub struct NotRotation {
    /// Largest absolute element of `RᵀR − I` (infinite where the matrix is not finite).
    pub deviation: f64,
    /// Determinant of the matrix.
    pub determinant: f64,
    /// Largest accepted deviation.
    pub tolerance: f64,
}

/// The rotation nearest (in the Frobenius norm) to a matrix that is orthonormal within `tolerance` and not a
/// reflection. Found by Newton's iteration for the polar factor, `R ← ½ (R + R⁻ᵀ)`, which squares the deviation
/// in every step.
pub fn from_matrix(matrix: &Matrix3<f64>, tolerance: f64) -> Result<UnitQuaternion<f64>, NotRotation> {
    let finite = matrix.iter().all(|v| v.is_finite());
    let deviation = if finite { (matrix.tr_mul(matrix) - Matrix3::identity()).amax() } else { f64::INFINITY };
    let refused = NotRotation { deviation, determinant: matrix.determinant(), tolerance };
    if !finite || deviation > tolerance || refused.determinant <= 0.0 {
        return Err(refused);
    }
    let mut nearest = *matrix;
    for _ in 0..6 {
        let inverse = nearest.try_inverse().ok_or(refused)?;
        nearest = 0.5 * (nearest + inverse.transpose());
    }
    Ok(UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(nearest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vector;

    #[test]
    fn rounded_rotations_are_put_right() {
        for angle in [0.0, 1e-9, 0.3, 2.0, 3.1, std::f64::consts::PI] {
            let axis = nalgebra::Unit::new_normalize(Vector::new(0.3, -0.8, 0.5));
            let exact = UnitQuaternion::from_axis_angle(&axis, angle);
            let matrix = exact.to_rotation_matrix().into_inner();
            let back = from_matrix(&matrix, 1e-12).unwrap();
            assert!((back.to_rotation_matrix().into_inner() - matrix).amax() < 1e-14);
            let rounded = matrix.map(|v| (v * 1e6).round() / 1e6);
            let near = from_matrix(&rounded, ORTHONORMAL_TOLERANCE).unwrap();
            assert!(near.angle_to(&exact) < 2e-6);
        }
    }

    #[test]
    fn the_nearest_rotation_is_found() {
        // The polar factor's residual RᵀM is symmetric.
        let matrix = Matrix3::new(1.0, 0.02, 0.0, -0.03, 1.01, 0.0, 0.004, 0.0, 0.99);
        let nearest = from_matrix(&matrix, 0.1).unwrap().to_rotation_matrix().into_inner();
        let stretch = nearest.tr_mul(&matrix);
        assert!((stretch - stretch.transpose()).amax() < 1e-14);
    }

    #[test]
    fn other_matrices_are_refused_with_their_deviation() {
        let scaled = from_matrix(&(Matrix3::identity() * 1.01), ORTHONORMAL_TOLERANCE).unwrap_err();
        assert!((scaled.deviation - 0.0201).abs() < 1e-12);
        assert!(scaled.to_string().contains("2.010e-2"), "{scaled}");
        assert!(from_matrix(&-Matrix3::identity(), ORTHONORMAL_TOLERANCE).is_err());
        assert!(from_matrix(&(Matrix3::identity() * f64::NAN), ORTHONORMAL_TOLERANCE).is_err());
        assert!(from_matrix(&Matrix3::zeros(), 10.0).is_err());
    }
}
