//! Radiographs of single structures.

use crate::program::args::LabelArgs;
use crate::program::failure::Failure;
use regiscope_image::{Volume, read_labels};
use std::collections::BTreeSet;
use std::path::Path;

/// The volume with nothing but the voxels of the chosen labels; all of it where none is chosen.
pub fn shown_only(mut volume: Volume<f32>, path: &Path, arguments: &LabelArgs) -> Result<Volume<f32>, Failure> {
    let Some(file) = &arguments.labels else { return Ok(volume) };
    if arguments.label.is_empty() {
        return Err(Failure::file(file, "labels are given but none is chosen; say --label N"));
    }
    let labels = read_labels(file).map_err(|e| Failure::file(file, e))?;
    let (ours, theirs) = (labels.grid(), volume.grid());
    let apart = ours.corners().iter().zip(theirs.corners()).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
    if ours.shape() != theirs.shape() || apart > 0.1 * theirs.spacing().into_iter().fold(f64::MAX, f64::min) {
        let (found, needed) = (ours.shape(), theirs.shape());
        let reason = format!(
            "labels of shape {found:?}, corners up to {apart:.3} mm away, do not lie on the grid of {} of shape {needed:?}",
            path.display()
        );
        return Err(Failure::file(file, reason));
    }
    let present: BTreeSet<u16> = labels.data().iter().copied().collect();
    if let Some(missing) = arguments.label.iter().find(|l| !present.contains(l)) {
        let there: Vec<String> = present.iter().filter(|&&l| l != 0).map(ToString::to_string).collect();
        let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        return Err(Failure::file(file, format!("no voxel has the label {missing}; there are {there}")));
    }
    for (value, label) in volume.data_mut().iter_mut().zip(labels.data()) {
        if !arguments.label.contains(label) {
            *value = 0.0;
        }
    }
    Ok(volume)
}
