//! What a registration found, as maps in the world: from a velocity in its box and the affine map after it.
//!
//! The map from fixed to moving points is y = A(x + d(x)), with the displacement d of the flow in the box around the
//! fixed image and the affine map A; the map back is the inverse of that one.

use crate::field::VectorField;
use crate::frame::Frame;
use crate::real::Real;
use crate::transport::map;
use crate::warp::{FlowMap, PointMap, inverse, world_of};
use rayon::prelude::*;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{AffineMap, Grid, Point, Vector};
use regiscope_image::Volume;

/// Maps of a deformation.
#[derive(Clone, Debug)]
pub struct Maps {
    /// Displacements x ↦ A(x + d(x)) − x in LPS mm, at the voxels of the box.
    pub displacement: Volume<[f32; 3]>,
    /// Displacements of the map back, at the voxels of a grid in the moving space, LPS mm.
    pub inverse_displacement: Volume<[f32; 3]>,
    /// det F of the flow alone at the voxels of the fixed image, by sums along the flow; times the affine map's
    /// determinant it is that of the whole map.
    pub determinant: Volume<f32>,
}

/// A deformation: a velocity in a box, and the affine map after it.
#[derive(Clone, Debug)]
pub struct Deformation<T> {
    /// The box of the velocity around the fixed image.
    pub frame: Frame,
    /// The velocity, in units of length per unit of time.
    pub velocity: VectorField<T>,
    /// The affine map from the deformed fixed space to the moving one.
    pub affine: AffineMap,
}

impl<T: Real> Deformation<T> {
    /// The maps there and back, as they are put out; the way back on `target`, a grid in the moving space.
    ///
    /// The way back inverts the displacements that are handed out, continued between voxels linearly as ITK does it, so
    /// that a voxel of `target` comes back to its place to 1/1000 voxel after both. It does not use the flow of v,
    /// whose samples are the inverse of the samples of that of −v only as far as voxels resolve either.
    ///
    /// Displacements are composed of steps on the grid, and where they change by more than 0.7 voxels from one voxel to the next
    /// followed along the flow instead.
    pub fn maps(&self, target: &Grid) -> Maps {
        let map::Output { displacement, log_determinant } =
            map::output(&self.frame.periodic(), &self.velocity, map::SQUARINGS);
        let affine = self.affine;
        let sharp = sharp(self.frame.outer().shape(), &displacement);
        let mut displacement = self.each(&displacement, |x, d| affine.apply(&(x + d)) - x);
        if let Some(flow) = self.flow_map().filter(|_| sharp.contains(&true)) {
            // Where voxels hardly resolve the map, neither do they resolve what it was composed of.
            let outer = self.frame.outer();
            displacement.data_mut().par_iter_mut().zip(&sharp).enumerate().filter(|(_, (_, sharp))| **sharp).for_each(
                |(o, (u, _))| {
                    let x = world_of(outer, o);
                    let there = flow.apply(&x) - x;
                    *u = [there.x as f32, there.y as f32, there.z as f32];
                },
            );
        }
        let determinant: Vec<f32> = log_determinant.par_iter().map(|v| v.wide().exp() as f32).collect();
        Maps {
            inverse_displacement: inverse(&displacement, target).field,
            determinant: self.frame.cropped(&determinant),
            displacement,
        }
    }

    /// The map at points anywhere, by following the flow; `None` if the affine map has no inverse.
    pub fn flow_map(&self) -> Option<FlowMap> {
        FlowMap::new(&self.velocity_mm(), self.affine)
    }

    /// The velocity in LPS mm for the unit of time, at the voxels of the box.
    pub fn velocity_mm(&self) -> Volume<[f32; 3]> {
        let grid = self.frame.periodic();
        let scale = Matrix3::from_diagonal(&Vector::repeat(grid.unit_mm));
        let to_world = self.frame.outer().direction() * scale;
        let at = |o: usize| {
            let v = to_world * Vector::from([0, 1, 2].map(|a| self.velocity[a][o].wide()));
            [v.x as f32, v.y as f32, v.z as f32]
        };
        Volume::new(self.frame.outer().clone(), (0..grid.len()).into_par_iter().map(at).collect())
    }

    /// A world vector for each voxel of the box from its position and a displacement in voxels.
    fn each(&self, voxels: &VectorField<T>, f: impl Fn(&Point, Vector) -> Vector + Sync) -> Volume<[f32; 3]> {
        let grid = self.frame.outer();
        let at = |o: usize| {
            let d = grid.axes() * Vector::from([0, 1, 2].map(|a| voxels[a][o].wide()));
            let u = f(&world_of(grid, o), d);
            [u.x as f32, u.y as f32, u.z as f32]
        };
        Volume::new(grid.clone(), (0..grid.len()).into_par_iter().map(at).collect())
    }
}

/// Displacements that differ by more than this from those of a neighbour, voxels, are followed along the flow.
const SHARP: f64 = 0.7;

/// Where displacements, in voxels, differ much from those of a neighbour around the periodic box.
fn sharp<T: Real>(shape: [usize; 3], displacement: &VectorField<T>) -> Vec<bool> {
    let [nx, ny, nz] = shape;
    let limit = T::of(SHARP);
    let apart = |a: usize, b: usize| {
        displacement.iter().any(|d| {
            let difference = d[a] - d[b];
            difference > limit || -difference > limit
        })
    };
    let at = |o: usize| {
        let [x, y, z] = [o % nx, o / nx % ny, o / (nx * ny)];
        let row = (z * ny + y) * nx;
        let column = z * nx * ny + x;
        let line = y * nx + x;
        [row + (x + 1) % nx, row + (x + nx - 1) % nx]
            .into_iter()
            .chain([column + (y + 1) % ny * nx, column + (y + ny - 1) % ny * nx])
            .chain([line + (z + 1) % nz * nx * ny, line + (z + nz - 1) % nz * nx * ny])
            .any(|other| apart(o, other))
    };
    (0..nx * ny * nz).into_par_iter().map(at).collect()
}

/// The velocity in units of length from one in LPS mm on the grid of the box, as [`Deformation::velocity_mm`] gives it.
pub fn velocity_from_mm<T: Real>(field: &Volume<[f32; 3]>, frame: &Frame) -> VectorField<T> {
    let unit = frame.periodic().unit_mm;
    let from_world = frame.outer().direction().try_inverse().unwrap_or_else(Matrix3::identity) / unit;
    let all: Vec<Vector> = field.data().par_iter().map(|v| from_world * Vector::from(v.map(f64::from))).collect();
    std::array::from_fn(|a| all.iter().map(|v| T::of(v[a])).collect())
}

/// Greatest and mean distance of x from its way there and back, in voxels of the fixed image, over voxels whose way
/// stays inside both fields; `None` where no way does. `stride` voxels are looked at one of.
pub fn inverse_consistency(forward: &Volume<[f32; 3]>, back: &Volume<[f32; 3]>, stride: usize) -> Option<[f64; 2]> {
    let inverse = PointMap::Field(back.clone());
    round_trip(forward, stride, |y| {
        let index = back.grid().index_from_world(y);
        // Where the field back is cut off it holds its outer values.
        let cut_off = (0..3).any(|a| index[a] < 0.0 || index[a] > back.grid().shape()[a] as f64 - 1.0);
        if cut_off { None } else { inverse.apply(y) }
    })
}

/// The same with the way back along the flow: how well the displacements are the flow's at their voxels.
pub fn flow_consistency(forward: &Volume<[f32; 3]>, back: &FlowMap, stride: usize) -> Option<[f64; 2]> {
    round_trip(forward, stride, |y| Some(back.apply(y)))
}

fn round_trip(
    forward: &Volume<[f32; 3]>,
    stride: usize,
    back: impl Fn(&Point) -> Option<Point> + Sync,
) -> Option<[f64; 2]> {
    let grid = forward.grid();
    let voxel = grid.spacing().into_iter().fold(f64::MAX, f64::min);
    let apart = |n: usize| {
        let o = n * stride.max(1);
        let x = world_of(grid, o);
        Some((back(&(x + Vector::from(forward.data()[o].map(f64::from))))? - x).norm() / voxel)
    };
    let all: Vec<f64> = (0..grid.len().div_ceil(stride.max(1))).into_par_iter().filter_map(apart).collect();
    let worst = all.iter().copied().fold(0.0, f64::max);
    (!all.is_empty()).then(|| [worst, all.iter().sum::<f64>() / all.len() as f64])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warp::determinant;
    use regiscope_geometry::nalgebra::Rotation3;

    /// A box of 32³ voxels, turned in the world, with a smooth velocity of up to four voxels.
    fn example() -> Deformation<f64> {
        let turn = Rotation3::from_euler_angles(0.3, -0.2, 0.5).into_inner();
        let grid = Grid::new(
            [32; 3],
            Point::new(-20.0, 10.0, 5.0),
            turn * Matrix3::from_diagonal(&Vector::new(1.5, -1.5, 2.0)),
        )
        .unwrap();
        let frame = Frame::around(&grid, [0; 3]);
        let periodic = frame.periodic();
        let wave = |o: usize, a: usize| {
            let at = [o % 32, o / 32 % 32, o / 1024].map(|i| std::f64::consts::TAU * i as f64 / 32.0);
            3.0 * periodic.step(a) * (at[(a + 1) % 3] + 0.4 * a as f64).sin() * (at[(a + 2) % 3]).cos()
        };
        let velocity = [0, 1, 2].map(|a| (0..32 * 32 * 32).map(|o| wave(o, a)).collect());
        let affine = AffineMap {
            matrix: Rotation3::from_euler_angles(0.1, 0.2, -0.3).into_inner() * 1.1,
            offset: Vector::new(40.0, -7.0, 3.0),
        };
        Deformation { frame, velocity, affine }
    }

    #[test]
    fn there_and_back_and_back_and_there_are_the_identity() {
        let found = example();
        let middle = found.affine.apply(&found.frame.outer().centre());
        let target = Grid::new([50; 3], middle - Vector::repeat(49.0), Matrix3::identity() * 2.0).unwrap();
        let Maps { displacement, inverse_displacement: back, .. } = found.maps(&target);
        // Voxels near the faces leave the box, where no field is known; look inside.
        let inner = regiscope_image::mask::IndexBox { start: [7; 3], end: [25; 3] };
        let [worst, _] = inverse_consistency(&regiscope_image::mask::cropped(&displacement, &inner), &back, 1).unwrap();
        assert!(worst < 0.1, "{worst}");
        let [worst, _] = flow_consistency(&displacement, &found.flow_map().unwrap().inverse(), 1).unwrap();
        assert!(worst < 0.02, "{worst}");
        // Voxels of the target whose way back ends inside the box.
        let [worst, _] = inverse_consistency(&back, &displacement, 1).unwrap();
        assert!(worst < 2e-3, "{worst}");
    }

    #[test]
    fn determinants_agree_with_the_displacements() {
        let found = example();
        let maps = found.maps(found.frame.outer());
        let from_field = determinant(&maps.displacement);
        let scale = found.affine.matrix.determinant();
        let inner = |o: usize| [o % 32, o / 32 % 32, o / 1024].iter().all(|i| (2..30).contains(i));
        for o in (0..from_field.data().len()).filter(|o| inner(*o)) {
            let (a, b) = (f64::from(maps.determinant.data()[o]) * scale, f64::from(from_field.data()[o]));
            assert!((a - b).abs() < 0.06 * b.abs(), "{a} {b}");
        }
    }

    #[test]
    fn velocities_come_back_from_mm() {
        let found = example();
        let back: VectorField<f64> = velocity_from_mm(&found.velocity_mm(), &found.frame);
        for (back, found) in back.iter().zip(&found.velocity) {
            assert!(back.iter().zip(found).all(|(x, y)| (x - y).abs() < 1e-6));
        }
    }
}
