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
    /// Part of the target's voxels that the field does not reach; there stands the inverse of the field continued beyond
    /// its border, or of its affine part where that has none.
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
/// the field's affine part (least squares over its voxels). Beyond its border the field goes on as its affine part does.
pub fn inverse(field: &Volume<[f32; 3]>, target: &Grid) -> Inverse {
    let affine = affine_part(field);
    let back = affine.inverse().unwrap_or(AffineMap::IDENTITY);
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
                    .and_then(|u| newton(field, &affine, &y, y + u, NEAR * voxel))
                    .or_else(|| newton(field, &affine, &y, back.apply(&y), NEAR * voxel));
                let x = match &found {
                    Some(Found { x, left, inside: true }) => {
                        worst = worst.max(*left);
                        *x
                    }
                    Some(Found { x, .. }) => {
                        lost += 1;
                        *x
                    }
                    None => {
                        lost += 1;
                        back.apply(&y)
                    }
                };
                neighbour = found.map(|found| found.x - y);
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

/// A preimage.
struct Found {
    x: Point,
    /// Distance of its image from the point asked for.
    left: f64,
    /// Whether it lies in the box of the field's voxels.
    inside: bool,
}

/// The point x near `start` with x + u(x) = y; `None` if it is not found.
fn newton(field: &Volume<[f32; 3]>, affine: &AffineMap, y: &Point, start: Point, near: f64) -> Option<Found> {
    let mut x = start;
    let mut here = look(field, affine, &x, y)?;
    for _ in 0..STEPS {
        if here.left.norm() <= near {
            return Some(Found { x, left: here.left.norm(), inside: here.inside });
        }
        let step = here.slope.try_inverse()? * here.left;
        // Half steps until the point is nearer.
        let mut part = 1.0;
        (x, here) = loop {
            let ahead = x - part * step;
            match look(field, affine, &ahead, y) {
                Some(there) if there.left.norm() < here.left.norm() => break (ahead, there),
                _ if part < 1e-3 => return None,
                _ => part *= 0.5,
            }
        };
    }
    None
}

/// What a map does at a point.
struct Look {
    /// x + u(x) − y.
    left: Vector,
    /// Derivative of the map.
    slope: Matrix3<f64>,
    /// Whether the point lies in the box of the field's voxels.
    inside: bool,
}

/// The map at x; `None` where there are no numbers. Beyond the outer voxels, the displacement at the nearest point between
/// them counts with what the affine part adds on the way there.
fn look(field: &Volume<[f32; 3]>, affine: &AffineMap, x: &Point, y: &Point) -> Option<Look> {
    let grid = field.grid();
    let shape = grid.shape();
    let index = grid.index_from_world(x);
    let nearest = Point::from(Vector::from_fn(|a, _| index[a].clamp(0.0, (shape[a] - 1) as f64)));
    let cell = Cell::at(shape, &nearest)?;
    let corners = cell.corners(field.data());
    let u = corners.iter().zip(cell.weights()).fold(Vector::zeros(), |sum, (u, w)| sum + u * w);
    let beyond = (affine.matrix - Matrix3::identity()) * grid.axes();
    // Derivative along axis a: the same sum with that axis' weights replaced by −1 and 1.
    let along = |a: usize| {
        if index[a] != nearest[a] {
            return beyond.column(a).into_owned();
        }
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
    let inside = Cell::at(shape, &index).is_some();
    let left = x + u + beyond * (index - nearest) - y;
    Some(Look { left, slope: Matrix3::identity() + gradient, inside })
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

    /// Beyond the border of a field there is no jump to what its affine part alone would say.
    #[test]
    fn the_inverse_goes_on_beyond_the_border() {
        let grid = Grid::centred([24, 24, 24], [1.0; 3]).unwrap();
        let map = AffineMap { matrix: Matrix3::identity() * 1.2, offset: Vector::zeros() };
        let bent = |x: &Point| map.apply(x) + Vector::new(0.0, 1.5 + 0.5 * (x.y / 4.0).sin(), 0.0);
        let target = Grid::centred([40, 40, 40], [1.0; 3]).unwrap();
        let back = inverse(&field_of(&grid, bent), &target);
        assert!(back.unreached > 0.2);
        let data = back.field.data();
        let steps = [1, 40, 1600];
        for o in 0..target.len() {
            let index = [o % 40, o / 40 % 40, o / 1600];
            for a in (0..3).filter(|a| index[*a] < 39) {
                let jump = (0..3).map(|c| (data[o + steps[a]][c] - data[o][c]).abs()).fold(0.0, f32::max);
                assert!(jump < 0.4, "{jump} at {index:?}");
            }
        }
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
