//! Affine maps of points, and which of them are rigid.

use crate::rotation::{self, NotRotation};
use crate::{Point, Rigid, Vector};
use nalgebra::Matrix3;

/// Largest departure from orthonormality under which the matrix of a map counts as a rotation (float files and
/// files with six digits pass).
pub const RIGID_TOLERANCE: f64 = 1e-5;

/// An affine map `y = matrix · x + offset` (mm).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AffineMap {
    /// Linear part.
    pub matrix: Matrix3<f64>,
    /// Image of the origin, mm.
    pub offset: Vector,
}

impl AffineMap {
    /// The map that leaves every point where it is.
    pub const IDENTITY: Self =
        Self { matrix: Matrix3::new(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), offset: Vector::new(0.0, 0.0, 0.0) };

    /// Maps a point (mm).
    pub fn apply(&self, point: &Point) -> Point {
        Point::from(self.matrix * point.coords + self.offset)
    }

    /// The map that applies `first` and then this one.
    pub fn after(&self, first: &Self) -> Self {
        Self { matrix: self.matrix * first.matrix, offset: self.matrix * first.offset + self.offset }
    }

    /// The map back; `None` where the matrix is singular.
    pub fn inverse(&self) -> Option<Self> {
        let matrix = self.matrix.try_inverse()?;
        Some(Self { matrix, offset: -(matrix * self.offset) })
    }

    /// The map as a rigid motion, if its matrix is a rotation within [`RIGID_TOLERANCE`].
    pub fn rigid(&self) -> Result<Rigid, NotRotation> {
        let rotation = rotation::from_matrix(&self.matrix, RIGID_TOLERANCE)?;
        Ok(Rigid::from_parts(self.offset.into(), rotation))
    }
}

impl From<&Rigid> for AffineMap {
    fn from(motion: &Rigid) -> Self {
        Self { matrix: motion.rotation.to_rotation_matrix().into_inner(), offset: motion.translation.vector }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Twist, se3};

    #[test]
    fn maps_form_chains_and_invert() {
        let a = AffineMap { matrix: Matrix3::new(1.1, 0.2, 0.0, 0.0, 0.9, -0.1, 0.3, 0.0, 1.3), offset: Vector::x() };
        let b = AffineMap::from(&se3::exp(&Twist::new(30.0, -20.0, 10.0, 0.5, -0.7, 0.2)));
        let point = Point::new(3.0, -7.0, 11.0);
        assert!((a.after(&b).apply(&point) - a.apply(&b.apply(&point))).norm() < 1e-12);
        assert!((a.inverse().unwrap().apply(&a.apply(&point)) - point).norm() < 1e-12);
        assert_eq!(AffineMap { matrix: Matrix3::zeros(), ..a }.inverse(), None);
    }

    #[test]
    fn rigid_maps_come_back() {
        let motion = se3::exp(&Twist::new(30.0, -20.0, 10.0, 0.5, -0.7, 0.2));
        let back = AffineMap::from(&motion).rigid().unwrap();
        assert!((back.to_homogeneous() - motion.to_homogeneous()).amax() < 1e-14);
        let stretched = AffineMap { matrix: Matrix3::identity() * 1.001, offset: Vector::zeros() };
        assert!((stretched.rigid().unwrap_err().deviation - 0.002001).abs() < 1e-9);
    }
}
