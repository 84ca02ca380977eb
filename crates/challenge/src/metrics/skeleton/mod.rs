//! Skeletons, and the centreline Dice that is computed from them.
//!
//! The convention is that of scikit-image's `skeletonize`, which Metrics Reloaded uses: Zhang and Suen 1984 for two axes
//! ([`flat`]), Lee, Kashyap and Chu 1994 for three ([`solid`]). Both look at voxels in an order, so that a skeleton
//! depends on the order of the axes; here the first axis runs slowest, as in NumPy arrays that nibabel makes.

pub mod flat;
pub mod solid;

use super::mask::{Mask, common_bounds};

/// The skeleton of a mask.
pub fn skeleton(mask: &Mask) -> Mask {
    let [nx, ny, _] = mask.shape();
    mask.like(if mask.is_flat() {
        flat::thinned(mask.inside(), nx, ny)
    } else {
        solid::thinned(mask.inside(), mask.shape())
    })
}

/// Centreline Dice: the harmonic mean of the parts of each skeleton that lie inside the other mask; `None` where no
/// skeleton meets the other mask. Source: Shit et al. 2021, "clDice: a novel topology-preserving loss function for
/// tubular structure segmentation", CVPR.
pub fn centreline_dice(reference: &Mask, prediction: &Mask) -> Option<f64> {
    let bounds = common_bounds(reference, prediction)?;
    let [reference, prediction] = [reference, prediction].map(|mask| mask.cropped(&bounds));
    let part = |mask: &Mask, other: &Mask| {
        let skeleton = skeleton(mask);
        let inside = skeleton.inside().iter().zip(other.inside()).filter(|(s, o)| **s && **o).count();
        inside as f64 / skeleton.count() as f64
    };
    let (sensitivity, precision) = (part(&reference, &prediction), part(&prediction, &reference));
    (sensitivity + precision > 0.0).then(|| 2.0 * sensitivity * precision / (sensitivity + precision))
}
