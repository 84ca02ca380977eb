//! Point maps: affine ones, displacement fields, and chains of both.

use rayon::prelude::*;
use regiscope_geometry::{AffineMap, Grid, Point, Vector};
use regiscope_image::Volume;

use super::{FlowMap, world_of};

/// One map of points.
#[derive(Clone, Debug, PartialEq)]
pub enum PointMap {
    /// An affine map.
    Affine(AffineMap),
    /// A displacement field, LPS, mm. It is defined in the box of its voxels; between the outer centres and the
    /// border the outer displacements hold.
    Field(Volume<[f32; 3]>),
    /// The flow of a velocity and an affine map, or their inverse.
    Flow(FlowMap),
}

impl PointMap {
    /// Where a point goes; `None` outside a field.
    pub fn apply(&self, point: &Point) -> Option<Point> {
        match self {
            Self::Affine(map) => Some(map.apply(point)),
            Self::Field(field) => Some(point + displacement(field, &field.grid().index_from_world(point))?),
            Self::Flow(flow) => Some(flow.apply(point)),
        }
    }
}

/// Maps applied one after another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// The maps; the first is applied first.
    pub maps: Vec<PointMap>,
}

impl Chain {
    /// A chain of one map.
    pub fn of(map: PointMap) -> Self {
        Self { maps: vec![map] }
    }

    /// Where a point goes; `None` if it leaves a field on its way.
    pub fn apply(&self, point: &Point) -> Option<Point> {
        self.maps.iter().try_fold(*point, |p, map| map.apply(&p))
    }

    /// The grid of the field that is applied first, if there is one.
    pub fn grid(&self) -> Option<&Grid> {
        self.maps.iter().find_map(|m| match m {
            PointMap::Field(field) => Some(field.grid()),
            PointMap::Affine(_) | PointMap::Flow(_) => None,
        })
    }

    /// Displacements of the whole chain at the voxels of `grid`, and how many voxels leave a field on their way (their
    /// displacement is that of the maps before, the rest of the chain counting as far as it is affine).
    pub fn field_on(&self, grid: &Grid) -> (Volume<[f32; 3]>, usize) {
        let lost = std::sync::atomic::AtomicUsize::new(0);
        let field = field_of(grid, |x| {
            let mut left = false;
            let y = self.maps.iter().fold(*x, |p, map| {
                map.apply(&p).unwrap_or_else(|| {
                    left = true;
                    p
                })
            });
            if left {
                lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            y
        });
        (field, lost.into_inner())
    }
}

/// The displacements `map(x) − x` at the voxels of a grid.
pub fn field_of(grid: &Grid, map: impl Fn(&Point) -> Point + Sync) -> Volume<[f32; 3]> {
    let mut data = vec![[0f32; 3]; grid.len()];
    let row = grid.shape()[0];
    data.par_chunks_mut(row).enumerate().for_each(|(n, values)| {
        for (i, value) in values.iter_mut().enumerate() {
            let x = world_of(grid, n * row + i);
            let u = map(&x) - x;
            *value = [u.x as f32, u.y as f32, u.z as f32];
        }
    });
    Volume::new(grid.clone(), data)
}

/// Trilinear displacement at a continuous index; `None` outside the box of the voxels.
pub(super) fn displacement(field: &Volume<[f32; 3]>, index: &Point) -> Option<Vector> {
    let cell = Cell::at(field.grid().shape(), index)?;
    Some(cell.corners(field.data()).iter().zip(cell.weights()).fold(Vector::zeros(), |sum, (u, w)| sum + u * w))
}

/// The eight voxels around a continuous index and its place among them.
pub(super) struct Cell {
    base: usize,
    step: [usize; 3],
    /// Place between the lower and the upper voxel along each axis, 0 to 1.
    pub at: [f64; 3],
}

impl Cell {
    /// The cell at an index; `None` outside the box of the voxels. Beyond the outer centres the outer voxels count.
    pub fn at(shape: [usize; 3], index: &Point) -> Option<Self> {
        let steps = [1, shape[0], shape[0] * shape[1]];
        let (mut base, mut step, mut at) = (0, [0; 3], [0.0; 3]);
        for a in 0..3 {
            let last = (shape[a] - 1) as f64;
            // Written so that NaN is outside.
            if !(index[a] >= -0.5 && index[a] <= last + 0.5) {
                return None;
            }
            let inside = index[a].clamp(0.0, last);
            let low = (inside as usize).min(shape[a].saturating_sub(2));
            base += low * steps[a];
            step[a] = if shape[a] > 1 { steps[a] } else { 0 };
            at[a] = inside - low as f64;
        }
        Some(Self { base, step, at })
    }

    /// Offsets of the eight voxels, x fastest.
    pub fn offsets(&self) -> [usize; 8] {
        std::array::from_fn(|n| self.base + (0..3).map(|a| (n >> a & 1) * self.step[a]).sum::<usize>())
    }

    /// Displacements of the eight voxels.
    pub fn corners(&self, data: &[[f32; 3]]) -> [Vector; 8] {
        self.offsets().map(|o| Vector::from(data[o].map(f64::from)))
    }

    /// Trilinear weights of the eight voxels.
    pub fn weights(&self) -> [f64; 8] {
        std::array::from_fn(|n| (0..3).map(|a| if n >> a & 1 == 1 { self.at[a] } else { 1.0 - self.at[a] }).product())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::nalgebra::{Matrix3, Rotation3};

    fn grid() -> Grid {
        let axes = *Rotation3::from_euler_angles(0.3, -0.2, 0.9).matrix()
            * Matrix3::from_diagonal(&Vector::new(1.5, 2.0, 2.5));
        Grid::new([9, 8, 7], Point::new(-6.0, -7.0, -8.0), axes).unwrap()
    }

    #[test]
    fn a_field_of_an_affine_map_is_that_map() {
        let map = AffineMap { matrix: Matrix3::new(1.1, 0.2, 0.0, 0.0, 0.9, -0.1, 0.3, 0.0, 1.3), offset: Vector::x() };
        let field = PointMap::Field(field_of(&grid(), |x| map.apply(x)));
        for index in [[0.0, 0.0, 0.0], [3.25, 6.5, 2.75], [8.0, 7.0, 6.0]] {
            let x = grid().world_from_index(&Point::from(index));
            assert!((field.apply(&x).unwrap() - map.apply(&x)).norm() < 1e-5);
        }
        assert_eq!(field.apply(&grid().world_from_index(&Point::new(-0.6, 1.0, 1.0))), None);
        assert_eq!(field.apply(&Point::new(f64::NAN, 0.0, 0.0)), None);
    }

    #[test]
    fn chains_apply_their_first_map_first() {
        let turn =
            AffineMap { matrix: Rotation3::from_euler_angles(0.0, 0.0, 0.5).into_inner(), offset: Vector::zeros() };
        let shift = PointMap::Field(field_of(&grid(), |x| x + Vector::new(0.5, -0.25, 0.0)));
        let chain = Chain { maps: vec![shift.clone(), PointMap::Affine(turn)] };
        let x = grid().centre();
        assert!((chain.apply(&x).unwrap() - turn.apply(&(x + Vector::new(0.5, -0.25, 0.0)))).norm() < 1e-6);
        let (field, lost) = chain.field_on(&grid());
        assert_eq!(lost, 0);
        assert!((PointMap::Field(field).apply(&x).unwrap() - chain.apply(&x).unwrap()).norm() < 1e-5);
        let (_, lost) = Chain { maps: vec![PointMap::Affine(turn), shift] }.field_on(&grid());
        assert!(lost > 0 && lost < grid().len());
        assert_eq!(chain.grid(), Some(&grid()));
    }
}
