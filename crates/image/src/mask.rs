//! Masks and labels: which voxels, how many, where.

use crate::volume::Volume;
use regiscope_geometry::nalgebra::Matrix3;
use regiscope_geometry::{Grid, Point, Vector};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Voxels with values in a closed range; NaN is in none.
pub fn threshold(volume: &Volume<f32>, range: RangeInclusive<f32>) -> Volume<bool> {
    volume.map(|v| range.contains(v))
}

/// Voxels that carry one of `labels`.
pub fn label_mask(volume: &Volume<u16>, labels: &[u16]) -> Volume<bool> {
    volume.map(|label| labels.contains(label))
}

/// The values inside the mask; `outside` elsewhere.
///
/// # Panics
/// If the shapes differ.
pub fn masked<T: Copy>(volume: &Volume<T>, mask: &Volume<bool>, outside: T) -> Volume<T> {
    assert_eq!(volume.grid().shape(), mask.grid().shape(), "a mask has the shape of its volume");
    let data = volume.data().iter().zip(mask.data()).map(|(&v, &inside)| if inside { v } else { outside });
    Volume::new(volume.grid().clone(), data.collect())
}

/// A box of voxels: `start` inside, `end` just outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexBox {
    /// First index along each axis.
    pub start: [usize; 3],
    /// One past the last index along each axis.
    pub end: [usize; 3],
}

impl IndexBox {
    /// Extents in voxels.
    pub fn shape(&self) -> [usize; 3] {
        [0, 1, 2].map(|a| self.end[a].saturating_sub(self.start[a]))
    }

    /// The box grown by `margin` voxels on all sides, inside an array of `shape`.
    pub fn grown(&self, margin: [usize; 3], shape: [usize; 3]) -> Self {
        Self {
            start: [0, 1, 2].map(|a| self.start[a].saturating_sub(margin[a])),
            end: [0, 1, 2].map(|a| self.end[a].saturating_add(margin[a]).min(shape[a])),
        }
    }

    /// The smallest box with this one and a voxel.
    fn with(self, index: [usize; 3]) -> Self {
        Self {
            start: [0, 1, 2].map(|a| self.start[a].min(index[a])),
            end: [0, 1, 2].map(|a| self.end[a].max(index[a] + 1)),
        }
    }

    /// The box of a single voxel.
    fn of(index: [usize; 3]) -> Self {
        Self { start: index, end: index.map(|i| i + 1) }
    }
}

/// The smallest box with all voxels of a mask; `None` if there are none.
pub fn bounding_box(mask: &Volume<bool>) -> Option<IndexBox> {
    let inside = mask.data().iter().enumerate().filter(|(_, inside)| **inside);
    inside
        .map(|(offset, _)| index_of(mask.grid(), offset))
        .fold(None, |found, index| Some(found.map_or(IndexBox::of(index), |b: IndexBox| b.with(index))))
}

/// The part of a volume in a box, in the same place of the world.
///
/// # Panics
/// If the box is empty or not inside the volume.
pub fn cropped<T: Copy>(volume: &Volume<T>, part: &IndexBox) -> Volume<T> {
    let (grid, shape) = (volume.grid(), part.shape());
    let inside = (0..3).all(|a| part.start[a] < part.end[a] && part.end[a] <= grid.shape()[a]);
    assert!(inside, "the box {part:?} is not a part of shape {:?}", grid.shape());
    let start = Point::from(Vector::from(part.start.map(|s| s as f64)));
    let place = Grid::new(shape, grid.world_from_index(&start), *grid.axes()).expect("a part of a sound grid is sound");
    let mut data = Vec::with_capacity(place.len());
    for k in part.start[2]..part.end[2] {
        for j in part.start[1]..part.end[1] {
            let row = grid.offset([part.start[0], j, k]);
            data.extend_from_slice(&volume.data()[row..row + shape[0]]);
        }
    }
    Volume::new(place, data)
}

/// What one label covers.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelRegion {
    /// Number of voxels.
    pub voxels: usize,
    /// Their volume, mm³.
    pub volume_mm3: f64,
    /// Mean of their centres in the world, mm.
    pub centroid: Point,
    /// The smallest box around them.
    pub bounds: IndexBox,
}

/// Every label of a volume but 0 (background) with its size and place, in one pass.
pub fn label_regions(labels: &Volume<u16>) -> BTreeMap<u16, LabelRegion> {
    struct Sums {
        voxels: usize,
        index: [u64; 3],
        bounds: IndexBox,
    }
    let grid = labels.grid();
    // Dense, since labels have 16 bits; most entries stay empty.
    let mut sums: Vec<Option<Sums>> = (0..=usize::from(u16::MAX)).map(|_| None).collect();
    for (offset, &label) in labels.data().iter().enumerate().filter(|(_, label)| **label != 0) {
        let index = index_of(grid, offset);
        let region = sums[usize::from(label)].get_or_insert_with(|| Sums {
            voxels: 0,
            index: [0; 3],
            bounds: IndexBox::of(index),
        });
        region.voxels += 1;
        region.bounds = region.bounds.with(index);
        for (sum, i) in region.index.iter_mut().zip(index) {
            *sum += i as u64;
        }
    }
    let voxel_mm3 = voxel_volume(grid.axes());
    let regions = sums.into_iter().enumerate().filter_map(|(label, sums)| Some((label as u16, sums?)));
    regions
        .map(|(label, Sums { voxels, index, bounds })| {
            let mean = Point::from(Vector::from(index.map(|sum| sum as f64 / voxels as f64)));
            let centroid = grid.world_from_index(&mean);
            (label, LabelRegion { voxels, volume_mm3: voxels as f64 * voxel_mm3, centroid, bounds })
        })
        .collect()
}

fn voxel_volume(axes: &Matrix3<f64>) -> f64 {
    axes.determinant().abs()
}

/// Index of the voxel at a position of the x-fastest array.
fn index_of(grid: &Grid, offset: usize) -> [usize; 3] {
    let [nx, ny, _] = grid.shape();
    [offset % nx, offset / nx % ny, offset / (nx * ny)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::nalgebra::Rotation3;

    fn grid() -> Grid {
        let axes = *Rotation3::from_euler_angles(0.3, -0.2, 0.9).matrix()
            * Matrix3::from_diagonal(&Vector::new(0.5, 1.0, 2.0));
        Grid::new([5, 6, 7], Point::new(10.0, -20.0, 30.0), axes).unwrap()
    }

    /// Label 7 in the box [1,4) × [2,4) × [3,5), label 300 in the last voxel.
    fn labels() -> Volume<u16> {
        let grid = grid();
        let data = (0..grid.len()).map(|offset| match index_of(&grid, offset) {
            [4, 5, 6] => 300,
            [1..=3, 2..=3, 3..=4] => 7,
            _ => 0,
        });
        Volume::new(grid.clone(), data.collect())
    }

    #[test]
    fn labels_are_counted_and_placed() {
        let regions = label_regions(&labels());
        assert_eq!(regions.keys().copied().collect::<Vec<_>>(), [7, 300]);
        let seven = &regions[&7];
        assert_eq!((seven.voxels, seven.bounds), (12, IndexBox { start: [1, 2, 3], end: [4, 4, 5] }));
        assert!((seven.volume_mm3 - 12.0).abs() < 1e-12);
        assert!((seven.centroid - grid().world_from_index(&Point::new(2.0, 2.5, 3.5))).norm() < 1e-12);
        assert_eq!(regions[&300].bounds, IndexBox::of([4, 5, 6]));
    }

    #[test]
    fn masks_have_their_boxes() {
        let labels = labels();
        assert_eq!(bounding_box(&label_mask(&labels, &[7])), Some(IndexBox { start: [1, 2, 3], end: [4, 4, 5] }));
        assert_eq!(bounding_box(&label_mask(&labels, &[7, 300])), Some(IndexBox { start: [1, 2, 3], end: [5, 6, 7] }));
        assert_eq!(bounding_box(&label_mask(&labels, &[8])), None);
    }

    #[test]
    fn crops_stay_where_they_were() {
        let labels = labels();
        let part = IndexBox { start: [1, 2, 3], end: [4, 4, 5] }.grown([1, 9, 0], grid().shape());
        assert_eq!(part, IndexBox { start: [0, 0, 3], end: [5, 6, 5] });
        let crop = cropped(&labels, &part);
        assert_eq!(label_regions(&crop)[&7].voxels, 12);
        assert!((label_regions(&crop)[&7].centroid - label_regions(&labels)[&7].centroid).norm() < 1e-12);
    }

    #[test]
    fn thresholds_and_masks_select_voxels() {
        let volume = Volume::new(Grid::centred([4, 1, 1], [1.0; 3]).unwrap(), vec![-1.0, 0.0, 2.0, f32::NAN]);
        let mask = threshold(&volume, 0.0..=2.0);
        assert_eq!(mask.data(), [false, true, true, false]);
        assert_eq!(masked(&volume, &mask, -9.0).data(), [-9.0, 0.0, 2.0, -9.0]);
    }
}
