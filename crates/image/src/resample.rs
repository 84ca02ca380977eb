//! Volumes on other grids: `target(x) = source(source_from_target · x)` for x in the world, mm.
//!
//! A position belongs to the source if it lies in the box of its voxels, half a voxel beyond the outer centres;
//! between an outer centre and the border the outer value holds (as ITK's interpolators do).

use crate::volume::Volume;
use rayon::prelude::*;
use regiscope_geometry::nalgebra::{Affine3, Matrix3};
use regiscope_geometry::{Grid, Point, Vector};

/// Samples `source` at the voxels of `target` with trilinear weights, in f64; `outside` stands where the source
/// has nothing. A rigid motion becomes the map by `nalgebra::convert`.
pub fn resampled_linear(
    source: &Volume<f32>,
    target: &Grid,
    source_from_target: &Affine3<f64>,
    outside: f32,
) -> Volume<f32> {
    resampled(source.grid(), target, source_from_target, outside, |index| linear(source, index))
}

/// Samples `source` at the voxels of `target`, taking the nearest voxel: for labels and masks.
pub fn resampled_nearest<T: Copy + Send + Sync>(
    source: &Volume<T>,
    target: &Grid,
    source_from_target: &Affine3<f64>,
    outside: T,
) -> Volume<T> {
    resampled(source.grid(), target, source_from_target, outside, |index| nearest(source, index))
}

/// Value at a continuous index by trilinear interpolation; `None` outside the box of the voxels.
pub fn linear(source: &Volume<f32>, index: &Point) -> Option<f32> {
    let shape = source.grid().shape();
    let (mut low, mut weight) = ([0usize; 3], [0.0f64; 3]);
    for a in 0..3 {
        let last = (shape[a] - 1) as f64;
        // Written so that NaN is outside.
        if !(index[a] >= -0.5 && index[a] <= last + 0.5) {
            return None;
        }
        let inside = index[a].clamp(0.0, last);
        low[a] = (inside as usize).min(shape[a].saturating_sub(2));
        weight[a] = inside - low[a] as f64;
    }
    let steps = [1, shape[0], shape[0] * shape[1]];
    let step = |a: usize| if shape[a] > 1 { steps[a] } else { 0 };
    let (base, [dx, dy, dz]) = (source.grid().offset(low), [step(0), step(1), step(2)]);
    let data = source.data();
    let along_x = |at: usize| {
        let (a, b) = (f64::from(data[at]), f64::from(data[at + dx]));
        a + weight[0] * (b - a)
    };
    let along_y = |at: usize| {
        let (a, b) = (along_x(at), along_x(at + dy));
        a + weight[1] * (b - a)
    };
    let (a, b) = (along_y(base), along_y(base + dz));
    Some((a + weight[2] * (b - a)) as f32)
}

/// Value of the voxel nearest to a continuous index; `None` outside the box of the voxels.
pub fn nearest<T: Copy>(source: &Volume<T>, index: &Point) -> Option<T> {
    let shape = source.grid().shape();
    let mut voxel = [0; 3];
    for a in 0..3 {
        if !(index[a] >= -0.5 && index[a] <= shape[a] as f64 - 0.5) {
            return None;
        }
        voxel[a] = ((index[a] + 0.5) as usize).min(shape[a] - 1);
    }
    source.get(voxel)
}

/// Evaluates `sample` at the source index of every target voxel, rows in parallel.
pub(crate) fn resampled<T: Copy + Send + Sync>(
    source: &Grid,
    target: &Grid,
    source_from_target: &Affine3<f64>,
    outside: T,
    sample: impl Fn(&Point) -> Option<T> + Sync,
) -> Volume<T> {
    let (origin, axes) = index_map(source, target, source_from_target);
    let [nx, ny, _] = target.shape();
    let mut data = vec![outside; target.len()];
    data.par_chunks_mut(nx).enumerate().for_each(|(row, values)| {
        for (i, value) in values.iter_mut().enumerate() {
            let voxel = Vector::new(i as f64, (row % ny) as f64, (row / ny) as f64);
            *value = sample(&(origin + axes * voxel)).unwrap_or(outside);
        }
    });
    Volume::new(target.clone(), data)
}

/// The affine map from target index to source index, as the image of index 0 and the index steps.
fn index_map(source: &Grid, target: &Grid, source_from_target: &Affine3<f64>) -> (Point, Matrix3<f64>) {
    let origin = source.index_from_world(&(source_from_target * target.origin()));
    let linear = source_from_target.matrix().fixed_view::<3, 3>(0, 0);
    (origin, source.axes_inverse() * linear * target.axes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::nalgebra::{self, Matrix4, Rotation3};
    use regiscope_geometry::{Rigid, Twist, se3};

    fn oblique(shape: [usize; 3], angle: f64) -> Grid {
        let axes = *Rotation3::from_euler_angles(angle, -0.2, 0.5).matrix()
            * Matrix3::from_diagonal(&Vector::new(1.5, 2.0, 2.5));
        Grid::new(shape, Point::new(-8.0, -9.0, -10.0), axes).unwrap()
    }

    fn ramp(world: &Point) -> f64 {
        3.0 + 0.5 * world.x - 0.25 * world.y + 0.125 * world.z
    }

    fn ramp_on(grid: Grid) -> Volume<f32> {
        let [nx, ny, _] = grid.shape();
        let at = |n: usize| Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64);
        let data = (0..grid.len()).map(|n| ramp(&grid.world_from_index(&at(n))) as f32).collect();
        Volume::new(grid, data)
    }

    #[test]
    fn linear_functions_are_reproduced() {
        let source = ramp_on(oblique([12, 10, 9], 0.3));
        let target =
            Grid::new([7, 6, 5], source.grid().centre() - Vector::new(3.0, 3.0, 3.0), Matrix3::identity()).unwrap();
        let rigid: Rigid = se3::exp(&Twist::new(0.5, -0.3, 0.2, 0.02, -0.05, 0.03));
        let sheared = Affine3::from_matrix_unchecked(Matrix4::new(
            1.01, 0.02, 0.0, 0.3, 0.0, 0.99, -0.03, -0.2, 0.01, 0.0, 1.02, 0.1, 0.0, 0.0, 0.0, 1.0,
        ));
        for map in [nalgebra::convert(rigid), sheared] {
            let result = resampled_linear(&source, &target, &map, f32::NAN);
            for (n, &value) in result.data().iter().enumerate() {
                let index = Point::new((n % 7) as f64, (n / 7 % 6) as f64, (n / 42) as f64);
                let expected = ramp(&(map * target.world_from_index(&index)));
                assert!((f64::from(value) - expected).abs() < 1e-5, "{value} {expected}");
            }
        }
    }

    #[test]
    fn the_same_grid_changes_nothing() {
        let source = ramp_on(oblique([5, 4, 3], -1.1));
        let identity = Affine3::identity();
        let linear = resampled_linear(&source, source.grid(), &identity, 0.0);
        assert!(linear.data().iter().zip(source.data()).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!(resampled_nearest(&source, source.grid(), &identity, 0.0), source);
    }

    #[test]
    fn whole_voxel_shifts_move_voxels_and_leave_the_outside_value() {
        let grid = Grid::centred([4, 3, 2], [1.0, 2.0, 3.0]).unwrap();
        let source = Volume::new(grid.clone(), (0..24u16).collect());
        let shift = nalgebra::convert(Rigid::translation(1.0, 0.0, 0.0));
        let moved = resampled_nearest(&source, &grid, &shift, 99);
        let floats = resampled_linear(&source.map(|&v| f32::from(v)), &grid, &shift, 99.0);
        for k in 0..2 {
            for j in 0..3 {
                for i in 0..4 {
                    let expected = source.get([i + 1, j, k]).unwrap_or(99);
                    assert_eq!(moved.get([i, j, k]), Some(expected));
                    assert_eq!(floats.get([i, j, k]), Some(f32::from(expected)));
                }
            }
        }
    }

    #[test]
    fn outer_values_hold_up_to_the_border() {
        let grid = Grid::centred([3, 1, 1], [1.0; 3]).unwrap();
        let source = Volume::new(grid, vec![1.0f32, 2.0, 4.0]);
        let at = |x: f64| linear(&source, &Point::new(x, 0.25, -0.25));
        assert_eq!([-0.5, 0.0, 0.5, 1.75, 2.0, 2.5].map(at), [1.0, 1.0, 1.5, 3.5, 4.0, 4.0].map(Some));
        assert_eq!([-0.6, 2.6, f64::NAN].map(at), [None; 3]);
        assert_eq!(nearest(&source, &Point::new(2.5, 0.0, 0.0)), Some(4.0));
        assert_eq!(nearest(&source, &Point::new(0.0, 0.6, 0.0)), None);
    }
}
