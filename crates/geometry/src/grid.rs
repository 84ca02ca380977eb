//! Regular voxel grids in the LPS world.

use crate::{Point, Vector};
use nalgebra::{Matrix3, Matrix4};
use thiserror::Error;

/// A regular grid of voxels. Voxel `(i, j, k)` has its centre at `origin + axes · (i, j, k)` (mm, LPS) and
/// covers `±½` of an index step around it. Invariants: every extent is at least 1, all numbers are finite,
/// and the axes are linearly independent.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    shape: [usize; 3],
    origin: Point,
    axes: Matrix3<f64>,
    axes_inverse: Matrix3<f64>,
}

/// Why a grid was refused.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GridError {
    /// An axis has no voxels.
    #[error("shape {0:?} has an empty axis; every extent must be at least 1")]
    EmptyAxis([usize; 3]),
    /// The number of voxels does not fit in memory addresses.
    #[error("shape {0:?} has more voxels than can be addressed")]
    TooLarge([usize; 3]),
    /// Origin or axes contain NaN or infinity.
    #[error("the grid's affine contains a number that is not finite")]
    NotFinite,
    /// The axes are linearly dependent or a spacing is zero.
    #[error("the grid's affine is singular (voxel spacings {spacing:?} mm)")]
    Singular {
        /// Length of each axis step in mm.
        spacing: [f64; 3],
    },
}

impl Grid {
    /// Builds a grid from its shape, the position of voxel (0,0,0) and the index steps (columns of `axes`, mm).
    pub fn new(shape: [usize; 3], origin: Point, axes: Matrix3<f64>) -> Result<Self, GridError> {
        if shape.contains(&0) {
            return Err(GridError::EmptyAxis(shape));
        }
        let voxels = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        if voxels.is_none_or(|n| n > isize::MAX as usize / 8) {
            return Err(GridError::TooLarge(shape));
        }
        if !origin.iter().chain(axes.iter()).all(|v| v.is_finite()) {
            return Err(GridError::NotFinite);
        }
        let spacing = [0, 1, 2].map(|a| axes.column(a).norm());
        let volume: f64 = spacing.iter().product();
        let singular = GridError::Singular { spacing };
        // The determinant relative to the box of the same spacings is the sine-like measure of skew.
        if volume.is_nan() || volume <= 0.0 || axes.determinant().abs() < 1e-9 * volume {
            return Err(singular);
        }
        let axes_inverse = axes.try_inverse().ok_or(singular)?;
        Ok(Self { shape, origin, axes, axes_inverse })
    }

    /// Axis-aligned grid with the given spacing (mm), centred on the world origin.
    pub fn centred(shape: [usize; 3], spacing: [f64; 3]) -> Result<Self, GridError> {
        let origin = Point::from(Vector::from_fn(|a, _| -0.5 * (shape[a] as f64 - 1.0) * spacing[a]));
        Self::new(shape, origin, Matrix3::from_diagonal(&Vector::from(spacing)))
    }

    /// Builds a grid from a NIfTI-style affine: voxel index to RAS mm, last row `(0, 0, 0, 1)`.
    pub fn from_ras_affine(shape: [usize; 3], affine: &Matrix4<f64>) -> Result<Self, GridError> {
        let lps = Matrix4::from_diagonal(&[-1.0, -1.0, 1.0, 1.0].into()) * affine;
        let origin = Point::new(lps[(0, 3)], lps[(1, 3)], lps[(2, 3)]);
        Self::new(shape, origin, lps.fixed_view::<3, 3>(0, 0).into_owned())
    }

    /// The affine from voxel index to RAS mm, as nibabel reports it.
    pub fn ras_affine(&self) -> Matrix4<f64> {
        let mut lps = Matrix4::identity();
        lps.fixed_view_mut::<3, 3>(0, 0).copy_from(&self.axes);
        lps.fixed_view_mut::<3, 1>(0, 3).copy_from(&self.origin.coords);
        // `+ 0.0` turns the -0.0 that a flip of an exact zero leaves into 0.0.
        (Matrix4::from_diagonal(&[-1.0, -1.0, 1.0, 1.0].into()) * lps).map(|v| v + 0.0)
    }

    /// Extents `[x, y, z]` in voxels.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of voxels.
    #[allow(clippy::len_without_is_empty)] // a grid is never empty
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Centre of voxel (0,0,0), mm.
    pub fn origin(&self) -> Point {
        self.origin
    }

    /// Index steps as columns, mm.
    pub fn axes(&self) -> &Matrix3<f64> {
        &self.axes
    }

    /// Inverse of [`Self::axes`], 1/mm.
    pub fn axes_inverse(&self) -> &Matrix3<f64> {
        &self.axes_inverse
    }

    /// Length of each index step, mm.
    pub fn spacing(&self) -> [f64; 3] {
        [0, 1, 2].map(|a| self.axes.column(a).norm())
    }

    /// Unit direction of each index step, as columns.
    pub fn direction(&self) -> Matrix3<f64> {
        let spacing = self.spacing();
        Matrix3::from_fn(|r, c| self.axes[(r, c)] / spacing[c])
    }

    /// World position (mm) of a continuous index.
    pub fn world_from_index(&self, index: &Point) -> Point {
        self.origin + self.axes * index.coords
    }

    /// Continuous index of a world position (mm).
    pub fn index_from_world(&self, world: &Point) -> Point {
        Point::from(self.axes_inverse * (world - self.origin))
    }

    /// World position of the middle of the grid, mm.
    pub fn centre(&self) -> Point {
        self.world_from_index(&Point::from(Vector::from_fn(|a, _| 0.5 * (self.shape[a] as f64 - 1.0))))
    }

    /// World positions of the eight outer corners (half a voxel beyond the outer centres), mm.
    pub fn corners(&self) -> [Point; 8] {
        std::array::from_fn(|n| {
            self.world_from_index(&Point::from(Vector::from_fn(|a, _| {
                if n >> a & 1 == 0 { -0.5 } else { self.shape[a] as f64 - 0.5 }
            })))
        })
    }

    /// Position in the x-fastest array of voxel `(i, j, k)`; the caller keeps the index inside the shape.
    pub fn offset(&self, [i, j, k]: [usize; 3]) -> usize {
        i + self.shape[0] * (j + self.shape[1] * k)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oblique() -> Grid {
        let axes = *nalgebra::Rotation3::from_euler_angles(0.3, -0.2, 0.9).matrix()
            * Matrix3::from_diagonal(&Vector::new(0.7, 1.1, 2.5));
        Grid::new([5, 6, 7], Point::new(10.0, -20.0, 30.0), axes).unwrap()
    }

    #[test]
    fn index_and_world_are_inverse() {
        let (grid, index) = (oblique(), Point::new(1.25, -3.0, 8.5));
        let back = grid.index_from_world(&grid.world_from_index(&index));
        assert!((back - index).norm() < 1e-12);
    }

    #[test]
    fn ras_affine_round_trips() {
        let grid = oblique();
        let back = Grid::from_ras_affine(grid.shape(), &grid.ras_affine()).unwrap();
        assert!((back.axes() - grid.axes()).norm() < 1e-12 && (back.origin() - grid.origin()).norm() < 1e-12);
    }

    #[test]
    fn broken_grids_are_refused() {
        let unit = Matrix3::identity();
        assert!(matches!(Grid::new([0, 1, 1], Point::origin(), unit), Err(GridError::EmptyAxis(_))));
        assert!(matches!(Grid::new([usize::MAX, 2, 1], Point::origin(), unit), Err(GridError::TooLarge(_))));
        assert!(matches!(Grid::new([1, 1, 1], Point::new(f64::NAN, 0.0, 0.0), unit), Err(GridError::NotFinite)));
        assert!(matches!(Grid::centred([2, 2, 2], [1.0, 0.0, 1.0]), Err(GridError::Singular { .. })));
    }
}
