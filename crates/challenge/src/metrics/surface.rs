//! Surfaces of masks, and the distances between them.
//!
//! Two kinds of surface are in use. **Border voxels**: voxels inside with a face neighbour outside (erosion by the
//! 1-connected cross); beyond the array all is outside. **Surface elements**: the pieces of surface between voxel centres
//! with their area, see [`surfels`](super::surfels); a distance is measured between the corners of voxels they lie at.

use super::mask::{Mask, common_bounds};
use super::nearest::squared_distances_between;
use super::surfels::{areas, lengths};
use rayon::prelude::*;

/// What a surface consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// Border voxels, each with weight 1.
    BorderVoxels,
    /// Surface elements, weighted by their area (mm²), or length (mm) of two axes.
    Surfels,
}

/// Distances between two surfaces, one for each element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SurfaceDistances {
    /// From the reference's surface to the prediction's.
    pub from_reference: Directed,
    /// From the prediction's surface to the reference's.
    pub from_prediction: Directed,
}

/// Distances from the elements of one surface to the other surface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directed {
    /// (distance mm, weight) of each element, ascending. Distances are infinite where the other surface is empty.
    pub elements: Vec<(f64, f64)>,
}

impl Directed {
    /// The total weight.
    pub fn weight(&self) -> f64 {
        self.elements.iter().map(|e| e.1).sum()
    }

    /// Σ weight · distance.
    pub fn weighted_sum(&self) -> f64 {
        self.elements.iter().map(|(d, w)| d * w).sum()
    }

    /// The weight of elements within a tolerance (mm).
    pub fn weight_within(&self, tolerance_mm: f64) -> f64 {
        self.elements.iter().take_while(|(d, _)| *d <= tolerance_mm).map(|e| e.1).sum()
    }

    /// The largest distance; `None` of an empty surface.
    pub fn largest(&self) -> Option<f64> {
        self.elements.last().map(|e| e.0)
    }
}

/// Distances between the surfaces of two masks on the same voxels.
pub fn surface_distances(reference: &Mask, prediction: &Mask, elements: Elements) -> SurfaceDistances {
    let Some(bounds) = common_bounds(reference, prediction) else { return SurfaceDistances::default() };
    let masks = [reference.cropped(&bounds), prediction.cropped(&bounds)];
    let surfaces = masks.each_ref().map(|mask| match elements {
        Elements::BorderVoxels => border(mask),
        Elements::Surfels => surfels(mask),
    });
    let spacing_mm = reference.spacing_mm();
    let directed = |from: &Surface, to: &Surface| {
        let squared = squared_distances_between(&from.at, &to.at, to.shape, spacing_mm);
        let mut elements: Vec<(f64, f64)> =
            squared.into_iter().map(f64::sqrt).zip(from.weights.iter().copied()).collect();
        elements.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        Directed { elements }
    };
    let [reference, prediction] = &surfaces;
    SurfaceDistances {
        from_reference: directed(reference, prediction),
        from_prediction: directed(prediction, reference),
    }
}

/// Elements of one surface on a grid of their own.
struct Surface {
    shape: [usize; 3],
    /// Places on the grid, ascending.
    at: Vec<usize>,
    weights: Vec<f64>,
}

/// Border voxels of a mask, as a mask.
pub fn border_mask(mask: &Mask) -> Vec<bool> {
    let ([nx, ny, nz], inside) = (mask.shape(), mask.inside());
    let mut is_border = inside.to_vec();
    if nx < 3 || ny < 3 || (!mask.is_flat() && nz < 3) {
        return is_border;
    }
    is_border.par_chunks_exact_mut(nx * ny).enumerate().for_each(|(z, plane)| {
        if !mask.is_flat() && (z == 0 || z + 1 == nz) {
            return;
        }
        for (y, border) in plane.chunks_exact_mut(nx).enumerate().take(ny - 1).skip(1) {
            let row = |y: usize, z: usize| &inside[(z * ny + y) * nx..][..nx];
            let here = row(y, z);
            let (front, back) = if mask.is_flat() { (here, here) } else { (row(y, z - 1), row(y, z + 1)) };
            let (above, below) = (row(y - 1, z), row(y + 1, z));
            // Without branches, so that many voxels are looked at together.
            for x in 1..nx - 1 {
                let surrounded = here[x - 1] & here[x + 1] & above[x] & below[x] & front[x] & back[x];
                border[x] = here[x] & !surrounded;
            }
        }
    });
    is_border
}

fn border(mask: &Mask) -> Surface {
    let is_border = border_mask(mask);
    let mut at = Vec::new();
    for (block, border) in is_border.chunks(64).enumerate() {
        if border.iter().fold(false, |any, &b| any | b) {
            at.extend((0..border.len()).filter(|&i| border[i]).map(|i| 64 * block + i));
        }
    }
    Surface { shape: mask.shape(), weights: vec![1.0; at.len()], at }
}

/// Surface elements lie at the corners of voxels, one more along each axis than there are voxels.
fn surfels(mask: &Mask) -> Surface {
    let [nx, ny, nz] = mask.shape();
    let spacing = mask.spacing_mm();
    let flat = mask.is_flat();
    let table = if flat { lengths([spacing[0], spacing[1]]) } else { areas(spacing) };
    let full = (table.len() - 1) as u8;
    let shape = [nx + 1, ny + 1, if flat { 1 } else { nz + 1 }];
    // Each voxel gives its bit to the corners around it: the corner of greatest indices sees it at the least ones. The
    // bits of a pattern, z fastest, are 1 for the corner of greater index.
    let of_plane = |z: usize| {
        let (mut at, mut weights) = (Vec::new(), Vec::new());
        let (mut column, mut pattern) = (vec![0u8; nx + 2], vec![0u8; nx + 1]);
        for y in 0..shape[1] {
            column.fill(0);
            for dy in 0..2 {
                for dz in 0..if flat { 1 } else { 2 } {
                    let inside = y >= dy && y - dy < ny && z >= dz && z - dz < nz;
                    if inside {
                        let bit = if flat { dy } else { dy << 1 | dz };
                        let row = &mask.inside()[((z - dz) * ny + y - dy) * nx..][..nx];
                        column[1..=nx].iter_mut().zip(row).for_each(|(c, &v)| *c |= u8::from(v) << bit);
                    }
                }
            }
            let shift = if flat { 2 } else { 4 };
            let mut any = false;
            for x in 0..=nx {
                pattern[x] = column[x + 1] | column[x] << shift;
                any |= (pattern[x] != 0) & (pattern[x] != full);
            }
            if any {
                let row = (z * shape[1] + y) * shape[0];
                for (x, &p) in pattern.iter().enumerate().filter(|(_, p)| **p != 0 && **p != full) {
                    at.push(row + x);
                    weights.push(table[usize::from(p)]);
                }
            }
        }
        (at, weights)
    };
    let planes: Vec<(Vec<usize>, Vec<f64>)> = (0..shape[2]).into_par_iter().map(of_plane).collect();
    let (at, weights): (Vec<_>, Vec<_>) = planes.into_iter().unzip();
    Surface { shape, at: at.concat(), weights: weights.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn box_mask(shape: [usize; 3], low: [usize; 3], high: [usize; 3], spacing: [f64; 3]) -> Mask {
        let n: usize = shape.iter().product();
        let inside = (0..n).map(|i| {
            let at = [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])];
            (0..3).all(|a| low[a] <= at[a] && at[a] < high[a])
        });
        Mask::new(shape, spacing, inside.collect()).unwrap()
    }

    #[test]
    fn the_border_of_a_box_is_its_shell() {
        let mask = box_mask([8, 7, 6], [1, 1, 1], [6, 5, 5], [1.0; 3]);
        assert_eq!(border(&mask).at.len(), 5 * 4 * 4 - 3 * 2 * 2);
        // At the edge of the array, too.
        let whole = box_mask([3, 3, 3], [0; 3], [3; 3], [1.0; 3]);
        assert_eq!(border(&whole).at.len(), 26);
        let flat = box_mask([4, 4, 1], [0; 3], [4, 4, 1], [1.0; 3]);
        assert_eq!(border(&flat).at.len(), 12);
    }

    /// The marching cubes surface of a box of n voxels a side, spacing s: faces of (n − 1) s, bevelled edges of s/√2
    /// width, and corners cut off.
    #[test]
    fn surface_elements_of_a_box_add_up_to_its_area() {
        let s = 0.5;
        let mask = box_mask([9, 9, 9], [2; 3], [7; 3], [s; 3]);
        let side = 4.0 * s;
        let corners = 8.0 * 3.0f64.sqrt() / 8.0 * s * s;
        let expected = 6.0 * side * side + 12.0 * side * s / 2.0f64.sqrt() + corners;
        let area: f64 = surfels(&mask).weights.iter().sum();
        assert!((area - expected).abs() < 1e-12, "{area} {expected}");
        let flat = box_mask([9, 9, 1], [2, 2, 0], [7, 7, 1], [s; 3]);
        let length: f64 = surfels(&flat).weights.iter().sum();
        assert!((length - (4.0 * side + 4.0 * s / 2.0f64.sqrt())).abs() < 1e-12);
    }

    #[test]
    fn a_shifted_box_lies_as_far_as_it_was_shifted() {
        let spacing = [1.0, 2.0, 3.0];
        let a = box_mask([12, 12, 12], [2; 3], [6; 3], spacing);
        let b = box_mask([12, 12, 12], [2, 2, 4], [6, 6, 8], spacing);
        for elements in [Elements::BorderVoxels, Elements::Surfels] {
            let there = surface_distances(&a, &b, elements);
            assert_eq!(there.from_reference.largest(), Some(6.0));
            let back = surface_distances(&b, &a, elements);
            assert_eq!(there.from_reference, back.from_prediction);
            let same = surface_distances(&a, &a, elements);
            assert_eq!(same.from_reference.largest(), Some(0.0));
        }
        let empty = box_mask([12, 12, 12], [0; 3], [0; 3], spacing);
        let alone = surface_distances(&a, &empty, Elements::BorderVoxels);
        assert_eq!(alone.from_reference.largest(), Some(f64::INFINITY));
        assert_eq!(alone.from_prediction.largest(), None);
    }
}
