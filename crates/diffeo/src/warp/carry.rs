//! Images and masks carried by a map.

use super::world_of;
use rayon::prelude::*;
use regiscope_geometry::{Grid, Point};
use regiscope_image::Volume;
use regiscope_image::resample::{linear, nearest};
use regiscope_image::spline::CubicSpline;

/// How values between voxels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Cubic B-spline: smooth, may go beyond the values beside steep edges.
    Cubic,
    /// Trilinear.
    Linear,
    /// The nearest voxel.
    Nearest,
}

/// Samples `source(map(x))` at the voxels of `grid`; `outside` stands where the map or the image ends.
pub fn carry_image(
    source: &Volume<f32>,
    grid: &Grid,
    map: impl Fn(&Point) -> Option<Point> + Sync,
    interpolation: Interpolation,
    outside: f32,
) -> Volume<f32> {
    let index = |y: &Point| source.grid().index_from_world(y);
    match interpolation {
        Interpolation::Nearest => each(grid, outside, |x| nearest(source, &index(&map(x)?))),
        Interpolation::Linear => each(grid, outside, |x| linear(source, &index(&map(x)?))),
        Interpolation::Cubic => {
            let spline = CubicSpline::new(source.clone());
            each(grid, outside, |x| spline.value(&index(&map(x)?)))
        }
    }
}

/// Samples labels at the nearest voxel; 0 stands where the map or the labels end.
pub fn carry_labels_nearest(
    source: &Volume<u16>,
    grid: &Grid,
    map: impl Fn(&Point) -> Option<Point> + Sync,
) -> Volume<u16> {
    each(grid, 0, |x| nearest(source, &source.grid().index_from_world(&map(x)?)))
}

/// Samples a mask at the nearest voxel; what lies outside does not count.
pub fn carry_mask(source: &Volume<bool>, grid: &Grid, map: impl Fn(&Point) -> Option<Point> + Sync) -> Volume<bool> {
    each(grid, false, |x| nearest(source, &source.grid().index_from_world(&map(x)?)))
}

/// Evaluates `sample` at the world position of each voxel, rows in parallel.
pub(super) fn each<T: Copy + Send + Sync>(
    grid: &Grid,
    outside: T,
    sample: impl Fn(&Point) -> Option<T> + Sync,
) -> Volume<T> {
    let row = grid.shape()[0];
    let mut data = vec![outside; grid.len()];
    data.par_chunks_mut(row).enumerate().for_each(|(n, values)| {
        for (i, value) in values.iter_mut().enumerate() {
            *value = sample(&world_of(grid, n * row + i)).unwrap_or(outside);
        }
    });
    Volume::new(grid.clone(), data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warp::PointMap;
    use regiscope_geometry::Vector;
    use regiscope_geometry::nalgebra::Matrix3;

    fn ramp() -> Volume<f32> {
        let grid = Grid::centred([12, 10, 8], [1.0, 1.5, 2.0]).unwrap();
        let data = (0..grid.len()).map(|n| world_of(&grid, n)).map(|p| (2.0 * p.x - p.y + 0.5 * p.z) as f32);
        Volume::new(grid.clone(), data.collect())
    }

    #[test]
    fn a_ramp_is_carried_exactly() {
        let source = ramp();
        let shift = Vector::new(0.7, -0.4, 0.9);
        let inner = Grid::centred([4, 4, 3], [1.0, 1.0, 1.0]).unwrap();
        for interpolation in [Interpolation::Cubic, Interpolation::Linear] {
            let warped = carry_image(&source, &inner, |x| Some(x + shift), interpolation, f32::NAN);
            for (n, v) in warped.data().iter().enumerate() {
                let y = world_of(&inner, n) + shift;
                assert!((f64::from(*v) - (2.0 * y.x - y.y + 0.5 * y.z)).abs() < 0.02, "{interpolation:?}");
            }
        }
        let far = carry_image(&source, &inner, |x| Some(x + Vector::x() * 100.0), Interpolation::Linear, -7.0);
        assert!(far.data().iter().all(|v| *v == -7.0));
        let none = carry_image(&source, &inner, |_| None, Interpolation::Nearest, -7.0);
        assert_eq!(none, far);
    }

    /// `Resample` of SimpleITK 2.5.7 (ITK 5.4) with a `DisplacementFieldTransform`, by `benches/diffeo_itk.py --case`.
    #[test]
    fn fields_act_as_in_itk() {
        let axes = Matrix3::new(0.0, -2.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0, 2.5);
        let grid = Grid::new([9, 8, 7], Point::new(10.0, -20.0, 30.0), axes).unwrap();
        let index = |o: usize| [o % 9, o / 9 % 8, o / 72];
        let value = |[x, y, z]: [usize; 3]| ((x * 7 + y * 13 + z * 29) % 11) as f32 * 10.0;
        let u = |[x, y, z]: [usize; 3]| {
            let [x, y, z] = [x as f64, y as f64, z as f64];
            [0.8 * (0.5 * y).sin(), -0.6 + 0.1 * x, 0.2 * z - 0.3 * y / 7.0].map(|v| v as f32)
        };
        let moving = Volume::new(grid.clone(), (0..grid.len()).map(|o| value(index(o))).collect());
        let field = PointMap::Field(Volume::new(grid.clone(), (0..grid.len()).map(|o| u(index(o))).collect()));
        for (interpolation, expected) in [
            (Interpolation::Linear, [39.09827, 54.401811, 41.517183, 39.567917]),
            (Interpolation::Cubic, [35.430703, 57.24573, 29.324719, 25.805304]),
            (Interpolation::Nearest, [40.0, 60.0, 30.0, 10.0]),
        ] {
            let warped = carry_image(&moving, &grid, |x| field.apply(x), interpolation, 0.0);
            for (at, expected) in [[3, 3, 3], [4, 4, 2], [5, 3, 4], [2, 5, 3]].into_iter().zip(expected) {
                let found = warped.get(at).unwrap();
                assert!((found - expected as f32).abs() < 2e-3, "{interpolation:?} {at:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn labels_and_masks_keep_their_values() {
        let labels = ramp().map(|v| if *v > 3.0 { 7u16 } else { 300 });
        let same = carry_labels_nearest(&labels, labels.grid(), |x| Some(*x));
        assert_eq!(same, labels);
        let mask = labels.map(|l| *l == 7);
        assert_eq!(carry_mask(&mask, mask.grid(), |x| Some(x + Vector::new(0.0, 0.0, 0.2))), mask);
    }
}
