//! Local coordinates of poses: six numbers in mm.
//!
//! A chart has a base pose `T₀`, a pivot `p` in the world and a radius `r`. Its coordinates are
//! `x = [ρ; r φ]`: the pose at `x` moves the volume from where `T₀` puts it by the rotation `exp([φ]×)` about `p`,
//! then by `ρ`. With `r` the object's radius of gyration, a unit of each coordinate moves the object by about
//! 1 mm, so that steps, simplices and damping have one scale.

use regiscope_geometry::nalgebra::{Matrix6, Translation3, UnitQuaternion, Vector6};
use regiscope_geometry::{Grid, Point, Rigid, Twist, Vector, se3};

/// Local coordinates around a pose.
#[derive(Clone, Copy, Debug)]
pub struct Chart {
    base: Rigid,
    pivot: Point,
    radius: f64,
}

impl Chart {
    /// Chart around `world_from_volume`; `pivot` in the volume's frame (mm), `radius` in mm, positive.
    pub fn new(world_from_volume: Rigid, pivot: &Point, radius: f64) -> Self {
        Self { base: world_from_volume, pivot: world_from_volume * pivot, radius }
    }

    /// The pose `world_from_volume` at coordinates `x`.
    pub fn pose(&self, x: &Vector6<f64>) -> Rigid {
        let (rho, phi) = self.split(x);
        let rotation = UnitQuaternion::from_scaled_axis(phi);
        let move_pivot = Translation3::from(self.pivot.coords + rho);
        let mut pose = move_pivot * rotation * Translation3::from(-self.pivot.coords) * self.base;
        pose.rotation.renormalize();
        pose
    }

    /// The coordinates of a pose, the inverse of [`Self::pose`] where rotations are by less than half a circle.
    pub fn coordinates(&self, world_from_volume: &Rigid) -> Vector6<f64> {
        // The pivot is a point of the volume, which the base carries to `self.pivot`.
        let in_volume = self.base.inverse() * self.pivot;
        let shift = world_from_volume * in_volume - self.pivot;
        let turn = se3::so3_log(&(world_from_volume.rotation * self.base.rotation.inverse()));
        se3::join(&shift, &(turn * self.radius))
    }

    /// The matrix `∂ξ/∂x` at `x`: from changes of the coordinates to the twist, about the world origin, that
    /// multiplies the pose at `x` from the left.
    ///
    /// A change `[dρ; dφ]` turns the volume by `ω = V(φ) dφ` (`V` the left Jacobian of SO(3)) about the moved
    /// pivot `q = p + ρ` and shifts it by `dρ`, which is the twist `[dρ + q × ω; ω]`.
    pub fn twist_by_coordinates(&self, x: &Vector6<f64>) -> Matrix6<f64> {
        let (rho, phi) = self.split(x);
        let turn = se3::so3_left_jacobian(&phi) / self.radius;
        let mut matrix = Matrix6::identity();
        matrix.fixed_view_mut::<3, 3>(0, 3).copy_from(&((self.pivot.coords + rho).cross_matrix() * turn));
        matrix.fixed_view_mut::<3, 3>(3, 3).copy_from(&turn);
        matrix
    }

    /// Gradient with respect to the coordinates at `x`, from the gradient with respect to the twist there.
    pub fn gradient(&self, x: &Vector6<f64>, by_twist: &Twist) -> Vector6<f64> {
        self.twist_by_coordinates(x).transpose() * by_twist
    }

    fn split(&self, x: &Vector6<f64>) -> (Vector, Vector) {
        let (rho, arc) = se3::split(x);
        (rho, arc / self.radius)
    }
}

/// Radius of gyration (mm) of a grid's box about its middle.
pub fn radius_of_gyration(grid: &Grid) -> f64 {
    let shape = grid.shape();
    let sides = [0, 1, 2].map(|a| shape[a] as f64 * grid.spacing()[a]);
    (sides.iter().map(|s| s * s).sum::<f64>() / 12.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let base = se3::exp(&Twist::new(10.0, -20.0, 30.0, 0.4, -0.3, 0.8));
        Chart::new(base, &Point::new(40.0, 5.0, -60.0), 80.0)
    }

    #[test]
    fn rotations_leave_the_pivot_in_place() {
        let (chart, pivot) = (chart(), Point::new(40.0, 5.0, -60.0));
        let turned = chart.pose(&Vector6::new(0.0, 0.0, 0.0, 30.0, 50.0, -10.0));
        assert!((turned * pivot - chart.base * pivot).norm() < 1e-12);
        assert!((chart.pose(&Vector6::zeros()).to_homogeneous() - chart.base.to_homogeneous()).norm() < 1e-12);
    }

    #[test]
    fn coordinates_and_poses_are_inverse() {
        let chart = chart();
        for x in [Vector6::zeros(), Vector6::new(3.0, -4.0, 70.0, 30.0, -160.0, 90.0)] {
            assert!((chart.coordinates(&chart.pose(&x)) - x).norm() < 1e-10);
        }
    }

    #[test]
    fn the_twist_matrix_is_the_derivative_of_the_pose() {
        let chart = chart();
        for x in [Vector6::zeros(), Vector6::new(3.0, -4.0, 7.0, 30.0, -60.0, 90.0)] {
            let matrix = chart.twist_by_coordinates(&x);
            for n in 0..6 {
                let h = Vector6::ith(n, 1e-4);
                let difference = se3::log(&(chart.pose(&(x + h)) * chart.pose(&(x - h)).inverse())) / 2e-4;
                assert!((difference - matrix.column(n)).norm() < 1e-6, "coordinate {n}");
            }
        }
    }
}
