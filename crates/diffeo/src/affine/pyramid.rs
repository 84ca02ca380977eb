//! The levels: both images in coarser and coarser voxels, and the points that are looked at.

use super::moments::Moments;
use super::{Images, Settings};
use regiscope_geometry::Grid;
use regiscope_geometry::Point;
use regiscope_image::coarsen::coarsened;
use regiscope_image::smooth::smoothed;
use regiscope_image::spline::CubicSpline;
use regiscope_image::{Volume, resample};

/// One level.
pub struct Level {
    /// Voxel size about, mm.
    pub voxel_mm: f64,
    /// Points of the fixed image in the world, with their values.
    pub points: Vec<(Point, f64)>,
    /// The moving image.
    pub moving: CubicSpline,
    /// Voxels of the moving image that count, on its own grid.
    pub moving_mask: Option<Volume<bool>>,
    /// Steps turn about this point of the moving space.
    pub centre: Point,
    /// Steps are measured at this distance from it, mm.
    pub radius: f64,
    /// Part of the points that must fall into the moving image.
    pub least_overlap: f64,
}

/// Part of the points that must fall into the moving image, where the fields of view are of one size.
const LEAST_OVERLAP: f64 = 0.25;
/// Coarser levels than the finest, each of double voxels.
const COARSER: [f64; 3] = [4.0, 2.0, 1.0];
/// A level coarser than this many voxels along the longest axis says nothing.
const LEAST_VOXELS: f64 = 12.0;
/// Points on the coarsest level, as part of those on the others.
const COARSEST_POINTS: f64 = 0.25;

/// The levels, the coarsest first; at least one.
pub fn levels(images: Images, settings: &Settings, moving: &Moments) -> Vec<Level> {
    let longest = |grid: &Grid| (0..3).map(|a| grid.spacing()[a] * grid.shape()[a] as f64).fold(0.0, f64::max);
    let finest_mm = longest(images.fixed.grid()) / settings.finest.max(8) as f64;
    let native = images.fixed.grid().spacing().into_iter().fold(0.0, f64::max);
    let finest_mm = finest_mm.max(native);
    let volume = |grid: &Grid| grid.axes().determinant().abs() * grid.len() as f64;
    let fraction = (volume(images.moving.grid()) / volume(images.fixed.grid())).min(1.0);
    let mut levels = Vec::new();
    for factor in COARSER {
        let voxel_mm = finest_mm * factor;
        if factor > 1.0 && longest(images.fixed.grid()) / voxel_mm < LEAST_VOXELS {
            continue;
        }
        let part = if levels.is_empty() && factor > 1.0 { COARSEST_POINTS } else { 1.0 };
        let most = ((settings.samples as f64 * part) as usize).max(1000);
        let fixed = at_voxel_size(images.fixed, voxel_mm);
        levels.push(Level {
            voxel_mm,
            points: points(&fixed, images.fixed_mask, most),
            moving: CubicSpline::new(at_voxel_size(images.moving, voxel_mm)),
            moving_mask: images.moving_mask.cloned(),
            centre: moving.centre,
            radius: moving.radius(),
            least_overlap: LEAST_OVERLAP * fraction,
        });
    }
    levels
}

/// Blocks of about `voxel_mm`, smoothed by half of it, so that what finer voxels showed does not fold back.
fn at_voxel_size(image: &Volume<f32>, voxel_mm: f64) -> Volume<f32> {
    let shape = image.grid().shape();
    let spacing = image.grid().spacing();
    // At least four voxels stay along each axis.
    let factor = [0, 1, 2].map(|a| ((voxel_mm / spacing[a]).round() as usize).clamp(1, (shape[a] / 4).max(1)));
    let coarse = coarsened(image, factor);
    if factor == [1; 3] { coarse } else { smoothed(&coarse, 0.5 * voxel_mm) }
}

/// At most `most` voxels inside the mask: one of each run of equal length, its place in the run by a hash, so that no
/// pattern of the grid is followed.
fn points(image: &Volume<f32>, mask: Option<&Volume<bool>>, most: usize) -> Vec<(Point, f64)> {
    let grid = image.grid();
    let [nx, ny, _] = grid.shape();
    let place = |n: usize| Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / (nx * ny)) as f64);
    let inside = |n: usize| {
        let Some(mask) = mask else { return true };
        let index = mask.grid().index_from_world(&grid.world_from_index(&place(n)));
        resample::nearest(mask, &index) == Some(true)
    };
    let all: Vec<usize> = (0..grid.len()).filter(|&n| inside(n)).collect();
    let count = all.len().min(most);
    let chosen = (0..count).map(|i| {
        let jitter = if count < all.len() { hash(i as u64) } else { 0.0 };
        let at = ((i as f64 + jitter) * all.len() as f64 / count as f64) as usize;
        all[at.min(all.len() - 1)]
    });
    chosen.map(|n| (grid.world_from_index(&place(n)), f64::from(image.data()[n]))).collect()
}

/// A number in [0, 1) from the finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn hash(n: u64) -> f64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}
