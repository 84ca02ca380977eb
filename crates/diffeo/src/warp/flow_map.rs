//! The map of a velocity at points anywhere, there and back, by following the flow.
//!
//! A displacement field holds a map at its voxels; between them it is only as good as they resolve it, and where tissue is
//! pulled out sixfold within a voxel they do not. The flow itself is known everywhere: the point x goes to the end of
//! p′ = −v(p), p(0) = x, and back along +v, by Runge and Kutta's method of fourth order through the cubic B-spline of v. Both
//! ways are each other's inverse to the error of that method.

use crate::interpolate::kernel::{Spline, Weights};
use crate::interpolate::prefilter::prefilter;
use regiscope_geometry::{AffineMap, Grid, Point, Vector};
use regiscope_image::Volume;

/// Steps in which a point follows the flow.
const STEPS: usize = 16;

/// The flow of a velocity in a periodic box with an affine map after it; or the way back, the inverse of both.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowMap {
    /// The box of the velocity.
    grid: Grid,
    /// Coefficients of the velocity's spline, voxels for the unit of time.
    coefficients: Vec<[f32; 3]>,
    /// From deformed fixed to moving points, and its inverse.
    affine: [AffineMap; 2],
    /// Whether points go from the moving to the fixed space.
    back: bool,
}

impl FlowMap {
    /// The map of a velocity (LPS, mm for the unit of time, at the voxels of its box) and an affine map after it. `None` if
    /// the affine map has no inverse.
    pub fn new(velocity: &Volume<[f32; 3]>, affine: AffineMap) -> Option<Self> {
        let grid = velocity.grid().clone();
        let inverse = affine.inverse()?;
        let mut coefficients = vec![[0f32; 3]; grid.len()];
        for a in 0..3 {
            let axis = grid.axes_inverse().row(a).transpose();
            let along = |v: &[f32; 3]| Vector::from(v.map(f64::from)).dot(&axis) as f32;
            let mut component: Vec<f32> = velocity.data().iter().map(along).collect();
            prefilter(&mut component, grid.shape());
            coefficients.iter_mut().zip(component).for_each(|(all, one)| all[a] = one);
        }
        Some(Self { grid, coefficients, affine: [affine, inverse], back: false })
    }

    /// The way back.
    pub fn inverse(mut self) -> Self {
        self.back = !self.back;
        self
    }

    /// Where a point goes; anywhere, since the box is periodic.
    pub fn apply(&self, point: &Point) -> Point {
        let [affine, inverse] = &self.affine;
        if self.back { self.follow(&inverse.apply(point), 1.0) } else { affine.apply(&self.follow(point, -1.0)) }
    }

    /// The end of p′ = direction · v(p) after the unit of time.
    fn follow(&self, point: &Point, direction: f64) -> Point {
        let step = direction / STEPS as f64;
        let mut p = self.grid.index_from_world(point).coords;
        for _ in 0..STEPS {
            let a = self.velocity(&p);
            let b = self.velocity(&(p + 0.5 * step * a));
            let c = self.velocity(&(p + 0.5 * step * b));
            let d = self.velocity(&(p + step * c));
            p += step / 6.0 * (a + 2.0 * b + 2.0 * c + d);
        }
        self.grid.world_from_index(&Point::from(p))
    }

    /// The velocity, voxels for the unit of time, at a continuous index.
    fn velocity(&self, index: &Vector) -> Vector {
        let shape = self.grid.shape();
        let axes: [[(usize, f64); 4]; 3] = std::array::from_fn(|a| {
            let cell = index[a].floor();
            let weights = Spline::weights(index[a] - cell);
            let first = (cell as i64).saturating_sub(1);
            std::array::from_fn(|k| (first.saturating_add(k as i64).rem_euclid(shape[a] as i64) as usize, weights[k]))
        });
        let mut sum = [0.0; 3];
        for (z, wz) in axes[2] {
            for (y, wy) in axes[1] {
                let row = &self.coefficients[(z * shape[1] + y) * shape[0]..][..shape[0]];
                let mut along = [0.0; 3];
                for (x, wx) in axes[0] {
                    (0..3).for_each(|c| along[c] += wx * f64::from(row[x][c]));
                }
                (0..3).for_each(|c| sum[c] += wz * wy * along[c]);
            }
        }
        Vector::from(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warp::world_of;
    use regiscope_geometry::nalgebra::{Matrix3, Rotation3};

    #[test]
    fn there_and_back_is_the_identity_where_voxels_do_not_resolve_the_map() {
        let turn = Rotation3::from_euler_angles(0.3, -0.2, 0.5).into_inner();
        let axes = turn * Matrix3::from_diagonal(&Vector::new(1.5, -1.5, 2.0));
        let grid = Grid::new([24, 20, 16], Point::new(-20.0, 10.0, 5.0), axes).unwrap();
        // Waves of four voxels that stretch by e² and more in the unit of time.
        let wave = |o: usize| {
            let at = [o % 24, o / 24 % 20, o / 480].map(|i| std::f64::consts::FRAC_PI_2 * i as f64);
            let v = axes * Vector::new(at[0].sin(), 0.6 * (at[0] + at[1]).cos(), at[2].cos() * at[1].sin()) * 1.3;
            [v.x as f32, v.y as f32, v.z as f32]
        };
        let velocity = Volume::new(grid.clone(), (0..grid.len()).map(wave).collect());
        let affine = AffineMap {
            matrix: Rotation3::from_euler_angles(0.1, 0.2, -0.3).into_inner() * 1.1,
            offset: Vector::new(40.0, -7.0, 3.0),
        };
        let there = FlowMap::new(&velocity, affine).unwrap();
        let back = there.clone().inverse();
        let mut stretched = 0.0f64;
        for o in (0..grid.len()).step_by(7) {
            let x = world_of(&grid, o) + Vector::new(0.3, -0.4, 0.7);
            let y = there.apply(&x);
            assert!((back.apply(&y) - x).norm() < 0.01, "{}", (back.apply(&y) - x).norm());
            assert!((there.apply(&back.apply(&x)) - x).norm() < 0.01);
            let e = Vector::new(1e-4, 0.0, 0.0);
            stretched = stretched.max((there.apply(&(x + e)) - y).norm() / 1e-4);
        }
        assert!(stretched > 4.0, "{stretched}");
        assert!(FlowMap::new(&velocity, AffineMap { matrix: Matrix3::zeros(), ..affine }).is_none());
    }

    #[test]
    fn a_constant_velocity_shifts() {
        let grid = Grid::centred([8, 8, 8], [2.0; 3]).unwrap();
        let velocity = Volume::new(grid.clone(), vec![[1.0, -2.0, 0.5]; grid.len()]);
        let there = FlowMap::new(&velocity, AffineMap::IDENTITY).unwrap();
        let x = Point::new(3.3, -40.0, 1.0);
        assert!((there.apply(&x) - (x - Vector::new(1.0, -2.0, 0.5))).norm() < 1e-5);
    }
}
