//! Boundary IoU: intersection over union of the voxels inside that lie near the border.
//!
//! Source: Cheng et al. 2021, "Boundary IoU: improving object-centric image segmentation evaluation", CVPR. Which voxels
//! lie near the border is a matter of convention, see [`Band`].

use super::distance::squared_distances;
use super::mask::{Mask, common_bounds};
use super::overlap::counts;
use super::surface::border_mask;

/// Which voxels inside count as near the border.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Band {
    /// Those whose Euclidean distance to the nearest border voxel is below this many voxels, as in Metrics Reloaded;
    /// spacing is not looked at.
    Distance(f64),
    /// Those that this many erosions by the 3 × 3 square, or the 3 × 3 × 3 cube, take away, as in the paper's own
    /// program; beyond the array all is outside.
    Erosions(usize),
}

/// Boundary IoU of two masks on the same voxels; `None` where both are empty.
pub fn boundary_iou(reference: &Mask, prediction: &Mask, band: Band) -> Option<f64> {
    let bounds = common_bounds(reference, prediction)?;
    let [reference, prediction] = [reference, prediction].map(|mask| near_border(&mask.cropped(&bounds), band));
    counts(&reference, &prediction).iou()
}

fn near_border(mask: &Mask, band: Band) -> Mask {
    match band {
        Band::Distance(voxels) => {
            let squared = squared_distances(&border_mask(mask), mask.shape(), [1.0; 3]);
            let near = squared.iter().zip(mask.inside()).map(|(d, &inside)| inside && d.sqrt() < voxels);
            mask.like(near.collect())
        }
        Band::Erosions(times) => {
            let mut rest = mask.inside().to_vec();
            for _ in 0..times {
                rest = eroded(rest, mask.shape(), if mask.is_flat() { 2 } else { 3 });
            }
            mask.like(mask.inside().iter().zip(&rest).map(|(&inside, &kept)| inside && !kept).collect())
        }
    }
}

/// Voxels whose neighbours along the first `axes` axes, across corners too, are all inside.
fn eroded(mut inside: Vec<bool>, shape: [usize; 3], axes: usize) -> Vec<bool> {
    let strides = [1, shape[0], shape[0] * shape[1]];
    for axis in 0..axes {
        let (stride, last) = (strides[axis], shape[axis] - 1);
        let keeps = |i: usize| {
            let at = i / stride % shape[axis];
            inside[i] && at > 0 && at < last && inside[i - stride] && inside[i + stride]
        };
        inside = (0..inside.len()).map(keeps).collect();
    }
    inside
}
