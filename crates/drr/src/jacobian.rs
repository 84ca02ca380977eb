//! From derivatives with respect to the ends of a ray to derivatives with respect to the pose.

use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Point, Rigid, Twist, Vector, se3};

/// A line integral and its derivative with respect to both ends of the ray in index coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RaySample {
    /// `∫ μ dα` over the ray's parameter `α ∈ [0, 1]`; times the ray's length (mm) it is the line integral.
    pub mean: f64,
    /// Derivative of `mean` with respect to the start of the ray (per index step).
    pub by_start: [f64; 3],
    /// Derivative of `mean` with respect to the end of the ray (per index step).
    pub by_end: [f64; 3],
}

/// The frame change of a whole view: world points to volume indices under one pose.
#[derive(Clone, Debug)]
pub struct IndexFrame {
    index_from_world: Matrix3<f64>,
    offset: Vector,
}

impl IndexFrame {
    /// Frame of a grid that stands in the world by `world_from_volume`.
    pub fn new(grid: &regiscope_geometry::Grid, world_from_volume: &Rigid) -> Self {
        let rotation = world_from_volume.rotation.to_rotation_matrix().into_inner();
        let index_from_world = grid.axes_inverse() * rotation.transpose();
        let origin = world_from_volume * grid.origin();
        Self { index_from_world, offset: -(index_from_world * origin.coords) }
    }

    /// Continuous voxel index of a world point (mm).
    pub fn index(&self, world: &Point) -> Point {
        Point::from(self.index_from_world * world.coords + self.offset)
    }

    /// Derivative of the line integral with respect to the pose twist, from a ray's `start` and `end` (mm, world)
    /// and its sample.
    ///
    /// With `h` the world gradients `L (A⁻¹Rᵀ)ᵀ ∂mean`, a twist `[ρ; φ]` of the volume moves the ray in the
    /// volume's frame by `−(ρ + φ × p)`, hence `dI = −(hₛ+hₑ)·ρ − (s×hₛ + e×hₑ)·φ`. The length `L` does not
    /// change under a rigid motion.
    pub fn pose_derivative(&self, start: &Point, end: &Point, sample: &RaySample) -> Twist {
        let length = (end - start).norm();
        let back = self.index_from_world.transpose() * length;
        let by_start = back * Vector::from(sample.by_start);
        let by_end = back * Vector::from(sample.by_end);
        -se3::join(&(by_start + by_end), &(start.coords.cross(&by_start) + end.coords.cross(&by_end)))
    }
}
