//! The inverse of a displacement field.

use super::map::Cell;
use super::world_of;
use rayon::prelude::*;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{AffineMap, Grid, Point, Vector};
use regiscope_image::Volume;

/// An inverse field and how good it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Inverse {
    /// The displacements back, at the voxels of the target grid, LPS, mm.
    pub field: Volume<[f32; 3]>,
    /// Part of the target's voxels that the field does not reach; there stands the field's affine part, inverted.
    pub unreached: f64,
    /// Greatest distance of a reached voxel from the image of its preimage, mm.
    pub residual_mm: f64,
}

/// Newton steps at most at one point.
const STEPS: usize = 30;
/// A point is met if it is nearer than this part of a voxel.
const NEAR: f64 = 1e-3;

/// Inverts the map x ↦ x + u(x) at the voxels of `target`: for each y the x with x + u(x) = y, by Newton's method on
/// the trilinear field with its exact derivative in the cell, started at the neighbour's answer and at the inverse of
/// the field's affine part (least squares over its voxels).
pub fn inverse(field: &Volume<[f32; 3]>, target: &Grid) -> Inverse {
    let back = affine_part(field).inverse().unwrap_or(AffineMap::IDENTITY);
    let voxel = field.grid().spacing().into_iter().fold(f64::MAX, f64::min);
    let row = target.shape()[0];
    let mut data = vec![[0f32; 3]; target.len()];
    let rows: Vec<(usize, f64)> = data
        .par_chunks_mut(row)
        .enumerate()
        .map(|(n, values)| {
            let (mut lost, mut worst) = (0, 0f64);
            let mut neighbour: Option<Vector> = None;
            for (i, value) in values.iter_mut().enumerate() {
                let y = world_of(target, n * row + i);
                let found = neighbour
                    .and_then(|u| newton(field, &y, y + u, NEAR * voxel))
                    .or_else(|| newton(field, &y, back.apply(&y), NEAR * voxel));
                let x = match found {
                    Some((x, distance)) => {
                        worst = worst.max(distance);
                        x
                    }
                    None => {
                        lost += 1;
                        back.apply(&y)
                    }
                };
                neighbour = found.map(|(x, _)| x - y);
                let u = x - y;
                *value = [u.x as f32, u.y as f32, u.z as f32];
            }
            (lost, worst)
        })
        .collect();
    let lost: usize = rows.iter().map(|r| r.0).sum();
    Inverse {
        field: Volume::new(target.clone(), data),
        unreached: lost as f64 / target.len() as f64,
        residual_mm: rows.iter().map(|r| r.1).fold(0.0, f64::max),
    }
}

/// The point x near `start` with x + u(x) = y, and what is left; `None` if it lies outside the field or is not found.
fn newton(field: &Volume<[f32; 3]>, y: &Point, start: Point, near: f64) -> Option<(Point, f64)> {
    let mut x = start;
    let (mut left, mut slope) = look(field, &x, y)?;
    for _ in 0..STEPS {
        if left.norm() <= near {
            return Some((x, left.norm()));
        }
        let step = slope.try_inverse()? * left;
        // Half steps until the point is nearer; a step out of the field is shortened too.
        let mut part = 1.0;
        (x, left, slope) = loop {
            let ahead = x - part * step;
            match look(field, &ahead, y) {
                Some((l, s)) if l.norm() < left.norm() => break (ahead, l, s),
                _ if part < 1e-3 => return None,
                _ => part *= 0.5,
            }
        };
    }
    None
}

/// x + u(x) − y and its derivative; `None` outside the field.
fn look(field: &Volume<[f32; 3]>, x: &Point, y: &Point) -> Option<(Vector, Matrix3<f64>)> {
    let grid = field.grid();
    let cell = Cell::at(grid.shape(), &grid.index_from_world(x))?;
    let corners = cell.corners(field.data());
    let u = corners.iter().zip(cell.weights()).fold(Vector::zeros(), |sum, (u, w)| sum + u * w);
    // Derivative along axis a: the same sum with that axis' weights replaced by −1 and 1.
    let along = |a: usize| {
        (0..8).fold(Vector::zeros(), |sum, n| {
            let weight: f64 = (0..3)
                .map(|b| match (n >> b & 1 == 1, a == b) {
                    (high, true) => {
                        if high {
                            1.0
                        } else {
                            -1.0
                        }
                    }
                    (true, false) => cell.at[b],
                    (false, false) => 1.0 - cell.at[b],
                })
                .product();
            sum + corners[n] * weight
        })
    };
    let gradient = Matrix3::from_columns(&[along(0), along(1), along(2)]) * grid.axes_inverse();
    Some((x + u - y, Matrix3::identity() + gradient))
}

/// The affine map nearest to x + u(x), in the least squares over a part of the voxels.
fn affine_part(field: &Volume<[f32; 3]>) -> AffineMap {
    let grid = field.grid();
    let centre = grid.centre();
    let stride = grid.len().div_ceil(20_000) | 1;
    // Sums of u and u xᵀ against those of x xᵀ about the middle.
    let (mut count, mut sum_x, mut sum_y) = (0.0, Vector::zeros(), Vector::zeros());
    let (mut xx, mut yx) = (Matrix3::zeros(), Matrix3::zeros());
    for o in (0..grid.len()).step_by(stride) {
        let x = world_of(grid, o) - centre;
        let y = x + Vector::from(field.data()[o].map(f64::from));
        count += 1.0;
        sum_x += x;
        sum_y += y;
        xx += x * x.transpose();
        yx += y * x.transpose();
    }
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    xx -= mean_x * mean_x.transpose() * count;
    yx -= mean_y * mean_x.transpose() * count;
    let matrix = xx.try_inverse().map_or(Matrix3::identity(), |inverse| yx * inverse);
    let matrix = if matrix.determinant() > 1e-6 { matrix } else { Matrix3::identity() };
    AffineMap { matrix, offset: centre.coords + mean_y - matrix * (centre.coords + mean_x) }
}

/// The inverse of an affine map as displacements on a grid.
pub fn inverse_of_map(map: &AffineMap, target: &Grid) -> Option<Volume<[f32; 3]>> {
    let back = map.inverse()?;
    Some(super::field_of(target, |y| back.apply(y)))
}

#[cfg(test)]
mod tests {
    use super::super::{PointMap, field_of};
    use super::*;
    use regiscope_geometry::nalgebra::Rotation3;

    /// A rotation by 40°, a stretch, and waves with a derivative of up to 0.6.
    fn wavy(x: &Point) -> Point {
        let turn = Rotation3::from_euler_angles(0.2, -0.1, 0.7).into_inner() * 1.1;
        let wave = Vector::new((x.y / 7.0).sin(), (x.z / 6.0).cos(), (x.x / 8.0).sin()) * 3.5;
        Point::from(turn * (x.coords + wave)) + Vector::new(5.0, -20.0, 3.0)
    }

    #[test]
    fn back_and_forth_is_the_identity() {
        let grid = Grid::centred([40, 36, 32], [1.5, 1.6, 1.8]).unwrap();
        let field = field_of(&grid, wavy);
        // A grid inside the image of the field.
        let middle = wavy(&Point::origin());
        let target = Grid::new([20, 20, 20], middle - Vector::repeat(12.0), Matrix3::identity() * 1.2).unwrap();
        let back = inverse(&field, &target);
        assert_eq!(back.unreached, 0.0);
        assert!(back.residual_mm < 2e-3);
        let forward = PointMap::Field(field);
        for o in (0..target.len()).step_by(37) {
            let y = world_of(&target, o);
            let x = y + Vector::from(back.field.data()[o].map(f64::from));
            assert!((forward.apply(&x).unwrap() - y).norm() < 2e-3);
        }
    }

    #[test]
    fn what_is_not_reached_is_told() {
        let grid = Grid::centred([20, 20, 20], [1.0; 3]).unwrap();
        let shift = field_of(&grid, |x| x + Vector::x() * 10.0);
        let back = inverse(&shift, &grid);
        assert!((back.unreached - 0.5).abs() < 0.03, "{}", back.unreached);
        assert!(back.field.data().iter().all(|u| (u[0] + 10.0).abs() < 1e-4));
    }

    #[test]
    fn affine_maps_are_inverted_as_they_are() {
        let map = AffineMap { matrix: Matrix3::new(1.1, 0.2, 0.0, 0.0, 0.9, -0.1, 0.3, 0.0, 1.3), offset: Vector::x() };
        let grid = Grid::centred([9, 9, 9], [2.0; 3]).unwrap();
        let exact = inverse_of_map(&map, &grid).unwrap();
        let found = inverse(&field_of(&Grid::centred([40, 40, 40], [2.0; 3]).unwrap(), |x| map.apply(x)), &grid);
        for (a, b) in exact.data().iter().zip(found.field.data()) {
            assert!((0..3).all(|c| (a[c] - b[c]).abs() < 3e-3), "{a:?} {b:?}");
        }
        assert!(inverse_of_map(&AffineMap { matrix: Matrix3::zeros(), ..map }, &grid).is_none());
    }
}
