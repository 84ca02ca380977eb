//! From solids to voxels: a plain reference that composes every part at every voxel, and the fast form that
//! first asks, brick by brick, which parts can matter.

use super::scene::{Sample, Scene};
use rayon::prelude::*;
use regiscope_geometry::{Grid, Point, Vector};
use regiscope_image::Volume;

/// Edge of a brick in voxels.
const BRICK: usize = 8;
/// Most sub-samples along one axis of a voxel.
const MAX_SUBSAMPLES: usize = 4;

/// How a voxel is sampled. An edge is spread over one (sub-)voxel, which gives each voxel the share that a flat
/// surface through it covers. Voxels longer in one axis are first divided so that the pieces are about cubes.
#[derive(Clone, Debug)]
struct Stencil {
    /// Offsets from the voxel centre, mm.
    offsets: Vec<Vector>,
    /// Width of the spread, mm.
    width: f64,
}

impl Stencil {
    fn new(grid: &Grid) -> Self {
        let spacing = grid.spacing();
        let finest = spacing.iter().copied().fold(f64::INFINITY, f64::min);
        let pieces = spacing.map(|s| ((s / finest - 1e-9).ceil() as usize).clamp(1, MAX_SUBSAMPLES));
        let width = (0..3).map(|a| spacing[a] / pieces[a] as f64).sum::<f64>() / 3.0;
        let place = |n: usize, a: usize| ((n as f64 + 0.5) / pieces[a] as f64) - 0.5;
        let mut offsets = Vec::new();
        for k in 0..pieces[2] {
            for j in 0..pieces[1] {
                for i in 0..pieces[0] {
                    offsets.push(grid.axes() * Vector::new(place(i, 0), place(j, 1), place(k, 2)));
                }
            }
        }
        Self { offsets, width }
    }

    fn voxel(&self, scene: &Scene, candidates: &[usize], centre: &Vector) -> (f32, u16) {
        let at = |p: &Vector| -> Sample { scene.sample(candidates, p, self.width) };
        if let [_] = self.offsets[..] {
            let Sample { hu, label } = at(centre);
            return (hu as f32, label);
        }
        let sum: f64 = self.offsets.iter().map(|o| at(&(centre + o)).hu).sum();
        ((sum / self.offsets.len() as f64) as f32, at(centre).label)
    }
}

fn centre_of(grid: &Grid, index: [f64; 3]) -> Vector {
    grid.world_from_index(&Point::from(Vector::from(index))).coords
}

/// The plain reference: every part at every voxel, one thread.
pub fn reference(scene: &Scene, grid: &Grid) -> (Volume<f32>, Volume<u16>) {
    let stencil = Stencil::new(grid);
    let all: Vec<usize> = (0..scene.parts().len()).collect();
    let [nx, ny, nz] = grid.shape();
    let mut hu = Vec::with_capacity(grid.len());
    let mut labels = Vec::with_capacity(grid.len());
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                let (value, label) = stencil.voxel(scene, &all, &centre_of(grid, [i as f64, j as f64, k as f64]));
                hu.push(value);
                labels.push(label);
            }
        }
    }
    (Volume::new(grid.clone(), hu), Volume::new(grid.clone(), labels))
}

/// The fast form: bricks in parallel, each with the few parts in its reach. Same bits as [`reference()`] on any
/// number of threads.
pub fn voxelise(scene: &Scene, grid: &Grid) -> (Volume<f32>, Volume<u16>) {
    let stencil = Stencil::new(grid);
    let [nx, ny, _] = grid.shape();
    let mut hu = vec![0f32; grid.len()];
    let mut labels = vec![0u16; grid.len()];
    let slab = nx * ny * BRICK;
    hu.par_chunks_mut(slab).zip(labels.par_chunks_mut(slab)).enumerate().for_each(|(n, (hu, labels))| {
        let mut candidates = Vec::new();
        let depth = hu.len() / (nx * ny);
        for j0 in (0..ny).step_by(BRICK) {
            for i0 in (0..nx).step_by(BRICK) {
                let size = [BRICK.min(nx - i0), BRICK.min(ny - j0), depth];
                let first = [i0, j0, n * BRICK];
                let middle = std::array::from_fn(|a| first[a] as f64 + 0.5 * (size[a] as f64 - 1.0));
                let half_diagonal = (grid.axes() * Vector::from(size.map(|s| 0.5 * s as f64))).norm();
                scene.candidates(&centre_of(grid, middle), half_diagonal + stencil.width, &mut candidates);
                for k in 0..size[2] {
                    for j in j0..j0 + size[1] {
                        for i in i0..i0 + size[0] {
                            let centre = centre_of(grid, [i as f64, j as f64, (first[2] + k) as f64]);
                            let at = i + nx * (j + ny * k);
                            (hu[at], labels[at]) = stencil.voxel(scene, &candidates, &centre);
                        }
                    }
                }
            }
        }
    });
    (Volume::new(grid.clone(), hu), Volume::new(grid.clone(), labels))
}

#[cfg(test)]
mod tests {
    use super::super::{PhantomSettings, scene_of};
    use super::*;

    #[test]
    fn bricks_give_the_reference_to_the_bit() {
        for (seed, spacing_mm) in [(1, [9.0, 9.0, 9.0]), (2, [8.0, 8.0, 17.0]), (3, [16.0, 7.0, 10.0])] {
            let settings = PhantomSettings { seed, spacing_mm, ..PhantomSettings::default() };
            let grid = settings.check().unwrap();
            let scene = scene_of(&settings).scene;
            let (plain, fast) = (reference(&scene, &grid), voxelise(&scene, &grid));
            assert!(plain.1.data() == fast.1.data(), "labels of seed {seed}");
            let differing =
                plain.0.data().iter().zip(fast.0.data()).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            assert_eq!(differing, 0, "seed {seed}");
        }
    }

    #[test]
    fn a_small_fine_volume_gives_the_reference_too() {
        let settings = PhantomSettings {
            seed: 4,
            spacing_mm: [0.9; 3],
            extent_mm: [30.0, 64.0, 24.0],
            ..PhantomSettings::default()
        };
        let (grid, scene) = (settings.check().unwrap(), scene_of(&settings).scene);
        let (plain, fast) = (reference(&scene, &grid), voxelise(&scene, &grid));
        assert!(plain.1.data() == fast.1.data() && plain.0.data() == fast.0.data());
    }
}
