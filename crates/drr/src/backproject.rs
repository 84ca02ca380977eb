//! The adjoint of rendering with respect to the volume.

use crate::jacobian::IndexFrame;
use crate::reference::visit_weights;
use crate::renderer::Settings;
use rayon::prelude::*;
use regiscope_geometry::{Grid, Point, Rigid, View};
use regiscope_image::{Image, Volume};

/// Voxels in which one task adds up its part of the volume, in double precision.
const TASK_VOXELS: usize = 1 << 19;

/// `Aᵀ y`: every pixel's value spread over the voxels that its ray meets, with the weights (mm) that they have in its
/// line integral `A x`. The exact transpose of the projector: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.
///
/// Each task owns a few planes of the volume and follows all rays through them, so that no two write to the same
/// voxel and the result does not depend on the number of threads.
///
/// # Panics
/// If the image does not have the shape of the view.
pub fn backproject(
    grid: &Grid,
    settings: Settings,
    view: &View,
    world_from_volume: &Rigid,
    image: &Image<f32>,
) -> Volume<f32> {
    assert_eq!((image.rows(), image.cols()), (view.rows(), view.cols()), "the image belongs to the view");
    let values: Vec<f64> = image.data().iter().map(|&v| f64::from(v)).collect();
    let data = sums(grid, settings, view, world_from_volume, &values, |sum| sum as f32);
    Volume::new(grid.clone(), data)
}

fn sums<T: Send + Copy + Default>(
    grid: &Grid,
    settings: Settings,
    view: &View,
    pose: &Rigid,
    values: &[f64],
    finish: impl Fn(f64) -> T + Sync,
) -> Vec<T> {
    let shape = grid.shape();
    let plane = shape[0] * shape[1];
    let thickness = (TASK_VOXELS / plane).max(1);
    let frame = IndexFrame::new(grid, pose);
    let rays: Vec<(Point, Point, f64)> = (0..view.pixels())
        .filter(|&p| values[p] != 0.0)
        .map(|p| {
            let (start, end) = view.ray((p / view.cols()) as f64, (p % view.cols()) as f64);
            (frame.index(&start), frame.index(&end), values[p] * (end - start).norm())
        })
        .collect();
    let mut volume = vec![T::default(); grid.len()];
    volume.par_chunks_mut(plane * thickness).enumerate().for_each(|(task, part)| {
        let first = task * thickness;
        let planes = first..first + part.len() / plane;
        let mut sums = vec![0.0f64; part.len()];
        for (start, end, value) in &rays {
            let mut add = |[i, j, k]: [usize; 3], weight: f64| {
                sums[i + shape[0] * j + plane * (k - first)] += weight * value;
            };
            visit_weights(shape, settings.projector, settings.clip, planes.clone(), (start, end), &mut add);
        }
        for (to, sum) in part.iter_mut().zip(sums) {
            *to = finish(sum);
        }
    });
    volume
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Field, March, joseph, siddon, trilinear};
    use crate::renderer::{Projector, Renderer, Span};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use regiscope_geometry::nalgebra::{Matrix3, Rotation3};
    use regiscope_geometry::{Source, Twist, Vector, se3};

    const PROJECTORS: [Projector; 4] = [
        Projector::Siddon,
        Projector::Joseph,
        Projector::Trilinear { samples: 60, span: Span::Ray },
        Projector::Trilinear { samples: 50, span: Span::Fixed([0.85, 0.99]) },
    ];

    fn scene() -> (Grid, View, Rigid) {
        let axes = *Rotation3::from_euler_angles(0.2, 0.4, -0.3).matrix()
            * Matrix3::from_diagonal(&Vector::new(1.0, 1.4, 0.8));
        let grid = Grid::new([9, 8, 11], Point::new(-4.0, -5.0, -4.0), axes).unwrap();
        let source = Source::Point(Point::new(5.0, -80.0, 3.0));
        let view =
            View::new(source, Point::new(-14.0, 2.0, 14.0), Vector::x() * 1.7, Vector::z() * -1.9, 16, 17).unwrap();
        (grid, view, se3::exp(&Twist::new(1.0, 2.0, -1.0, 0.3, 0.1, -0.2)))
    }

    /// In double precision, with the plain projectors.
    #[test]
    fn backprojection_is_the_adjoint_of_projection() {
        let (grid, view, pose) = scene();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let x: Vec<f32> = (0..grid.len()).map(|_| random.random_range(-1.0..1.0)).collect();
        let y: Vec<f64> = (0..view.pixels()).map(|_| random.random_range(-1.0..1.0)).collect();
        let frame = IndexFrame::new(&grid, &pose);
        let field = Field { data: &x, shape: grid.shape() };
        for projector in PROJECTORS {
            for clip in [true, false] {
                let forward: f64 = (0..view.pixels())
                    .map(|p| {
                        let (start, end) = view.ray((p / view.cols()) as f64, (p % view.cols()) as f64);
                        let (s, e) = (frame.index(&start), frame.index(&end));
                        let sample = match projector {
                            Projector::Siddon => siddon(&field, &s, &e, clip),
                            Projector::Joseph => joseph(&field, &s, &e, clip),
                            Projector::Trilinear { samples, span } => {
                                trilinear(&field, &March::new(field.shape, samples, span, clip), &s, &e)
                            }
                        };
                        y[p] * sample.mean * (end - start).norm()
                    })
                    .sum();
                let settings = Settings { projector, clip };
                let back = sums(&grid, settings, &view, &pose, &y, |sum| sum);
                let adjoint: f64 = back.iter().zip(&x).map(|(b, &x)| b * f64::from(x)).sum();
                assert!(
                    (forward - adjoint).abs() < 1e-10 * forward.abs().max(1.0),
                    "{projector:?} {forward} {adjoint}"
                );
            }
        }
    }

    /// In single precision, with what users call.
    #[test]
    fn backprojection_is_the_adjoint_of_rendering() {
        let (grid, view, pose) = scene();
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let x: Vec<f32> = (0..grid.len()).map(|_| random.random_range(0.0..1.0)).collect();
        let y: Vec<f32> = (0..view.pixels()).map(|_| random.random_range(0.0..1.0)).collect();
        for projector in PROJECTORS {
            let settings = Settings { projector, clip: true };
            let image = Renderer::new(Volume::new(grid.clone(), x.clone()), settings).unwrap().render(&view, &pose);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let back = backproject(&grid, settings, &view, &pose, &Image::new(view.rows(), view.cols(), y.clone()));
            let (forward, adjoint) = (dot(image.data(), &y), dot(back.data(), &x));
            assert!(forward > 1.0 && (forward - adjoint).abs() < 1e-5 * forward, "{projector:?} {forward} {adjoint}");
        }
    }

    /// Tasks by planes put together what one task gives.
    #[test]
    fn parts_of_the_volume_fit_together() {
        let (grid, view, pose) = scene();
        let frame = IndexFrame::new(&grid, &pose);
        let (start, end) = view.ray(7.3, 8.1);
        let (s, e) = (frame.index(&start), frame.index(&end));
        for projector in PROJECTORS {
            let sum = |planes: std::ops::Range<usize>| {
                let mut total = 0.0;
                visit_weights(grid.shape(), projector, true, planes, (&s, &e), &mut |index, weight| {
                    total += weight * (1 + index[0] + 3 * index[1] + 7 * index[2]) as f64;
                });
                total
            };
            let parts: f64 = [0..2, 2..3, 3..10, 10..11].into_iter().map(sum).sum();
            assert!((sum(0..11) - parts).abs() < 1e-12 && parts > 0.0, "{projector:?}");
        }
    }
}
