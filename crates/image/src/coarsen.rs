//! Block averages: the anti-aliased steps of a resolution pyramid.

use crate::volume::{Image, Volume};
use rayon::prelude::*;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point, Vector};

/// The grid whose voxels are blocks of `factor` voxels along each axis; the last partial block of an axis is
/// dropped and a factor above the extent counts as the extent (as [`regiscope_geometry::View::coarsened`]).
pub fn coarsened_grid(grid: &Grid, factor: [usize; 3]) -> Grid {
    let factor = clamped(factor, grid.shape());
    let middle = Point::from(Vector::from(factor.map(|f| 0.5 * (f as f64 - 1.0))));
    let axes = grid.axes() * Matrix3::from_diagonal(&Vector::from(factor.map(|f| f as f64)));
    let shape = [0, 1, 2].map(|a| grid.shape()[a] / factor[a]);
    Grid::new(shape, grid.world_from_index(&middle), axes).expect("longer steps of a sound grid are sound")
}

/// Averages blocks of `factor` voxels; sums in f64. See [`coarsened_grid`] for the grid.
pub fn coarsened(volume: &Volume<f32>, factor: [usize; 3]) -> Volume<f32> {
    let factor = clamped(factor, volume.grid().shape());
    if factor == [1; 3] {
        return volume.clone();
    }
    let grid = coarsened_grid(volume.grid(), factor);
    let data = block_means(volume.data(), volume.grid().shape(), grid.shape(), factor);
    Volume::new(grid, data)
}

/// Averages blocks of `factor × factor` pixels, giving an image of
/// [`View::coarsened`](regiscope_geometry::View::coarsened) from one of the view itself.
pub fn coarsened_image(image: &Image<f32>, factor: usize) -> Image<f32> {
    let factor = factor.clamp(1, image.rows().min(image.cols()).max(1));
    let (rows, cols) = (image.rows() / factor, image.cols() / factor);
    let data = block_means(image.data(), [image.cols(), image.rows(), 1], [cols, rows, 1], [factor, factor, 1]);
    Image::new(rows, cols, data)
}

fn clamped(factor: [usize; 3], shape: [usize; 3]) -> [usize; 3] {
    [0, 1, 2].map(|a| factor[a].clamp(1, shape[a]))
}

/// Means of blocks of an x-fastest array, rows of the result in parallel.
fn block_means(data: &[f32], shape: [usize; 3], coarse: [usize; 3], factor: [usize; 3]) -> Vec<f32> {
    let [nx, ny, _] = shape;
    let weight = 1.0 / factor.iter().product::<usize>() as f64;
    let mut means = vec![0.0; coarse.iter().product()];
    if means.is_empty() {
        return means;
    }
    means.par_chunks_mut(coarse[0]).enumerate().for_each_init(
        || vec![0.0f64; coarse[0]],
        |sums, (row, means)| {
            sums.fill(0.0);
            let (j0, k0) = (row % coarse[1] * factor[1], row / coarse[1] * factor[2]);
            for k in k0..k0 + factor[2] {
                for j in j0..j0 + factor[1] {
                    let source = &data[nx * (j + ny * k)..][..nx];
                    for (sum, block) in sums.iter_mut().zip(source.chunks_exact(factor[0])) {
                        *sum += block.iter().map(|&v| f64::from(v)).sum::<f64>();
                    }
                }
            }
            for (mean, sum) in means.iter_mut().zip(sums) {
                *mean = (*sum * weight) as f32;
            }
        },
    );
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::nalgebra::Rotation3;
    use regiscope_geometry::{Source, View};

    fn grid(shape: [usize; 3]) -> Grid {
        let axes = *Rotation3::from_euler_angles(0.3, -0.2, 0.9).matrix()
            * Matrix3::from_diagonal(&Vector::new(0.7, 1.1, 2.5));
        Grid::new(shape, Point::new(10.0, -20.0, 30.0), axes).unwrap()
    }

    fn values(n: usize) -> Vec<f32> {
        (0..n).map(|n| ((n * 7919) % 1013) as f32 - 300.0).collect()
    }

    /// Mean and value-weighted centroid in the world.
    fn moments(volume: &Volume<f32>) -> (f64, Vector) {
        let [nx, ny, _] = volume.grid().shape();
        let mut sum = 0.0;
        let mut first = Vector::zeros();
        for (n, &v) in volume.data().iter().enumerate() {
            let index = Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64);
            sum += f64::from(v);
            first += volume.grid().world_from_index(&index).coords * f64::from(v);
        }
        (sum / volume.data().len() as f64, first / sum)
    }

    #[test]
    fn the_mean_is_kept() {
        let volume = Volume::new(grid([12, 6, 4]), values(288));
        for factor in [[2, 2, 2], [3, 1, 4], [12, 6, 4], [100, 1, 1]] {
            let coarse = coarsened(&volume, factor);
            assert!((moments(&coarse).0 - moments(&volume).0).abs() < 1e-4);
        }
    }

    #[test]
    fn centroid_and_box_of_the_world_are_kept() {
        // Constant inside each block, so that averaging loses nothing.
        let block = |n: usize| [n % 12 / 2, n / 12 % 6 / 3, n / 72 / 2];
        let data = (0..288).map(|n| 1.0 + block(n).iter().sum::<usize>() as f32).collect();
        let volume = Volume::new(grid([12, 6, 4]), data);
        let coarse = coarsened(&volume, [2, 3, 2]);
        assert!((moments(&coarse).1 - moments(&volume).1).norm() < 1e-5);
        let corners = volume.grid().corners().into_iter().zip(coarse.grid().corners());
        assert!(corners.map(|(a, b)| (a - b).norm()).all(|d| d < 1e-9));
    }

    #[test]
    fn partial_blocks_are_dropped() {
        let volume = Volume::new(grid([5, 4, 3]), values(60));
        let coarse = coarsened(&volume, [2, 2, 2]);
        assert_eq!(coarse.grid().shape(), [2, 2, 1]);
        let v = |i, j, k| volume.get([i, j, k]).unwrap();
        let block = [v(2, 2, 0), v(3, 2, 0), v(2, 3, 0), v(3, 3, 0), v(2, 2, 1), v(3, 2, 1), v(2, 3, 1), v(3, 3, 1)];
        assert_eq!(coarse.get([1, 1, 0]), Some(block.iter().sum::<f32>() / 8.0));
    }

    #[test]
    fn images_follow_their_views() {
        let source = Source::Point(Point::new(0.0, 0.0, -500.0));
        let view = View::new(source, Point::origin(), Vector::x(), Vector::y(), 7, 10).unwrap();
        for factor in [1, 2, 3, 50] {
            let coarse = view.coarsened(factor);
            // The image of the pixels' own x and y: block averages are the coarse pixels' own.
            for axis in [0, 1] {
                let of = |view: &View| {
                    let at = |n: usize| view.pixel((n / view.cols()) as f64, (n % view.cols()) as f64)[axis] as f32;
                    Image::new(view.rows(), view.cols(), (0..view.pixels()).map(at).collect())
                };
                assert_eq!(coarsened_image(&of(&view), factor), of(&coarse));
            }
        }
    }
}
