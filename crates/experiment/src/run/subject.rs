//! The CT: from the phantom or from files, with labels and landmarks.

use super::error::RunError;
use crate::document::tables::Units;
use crate::experiment::VolumeSource;
use regiscope_datasets::phantom;
use regiscope_geometry::Point;
use regiscope_image::{Volume, read_labels, read_volume};
use std::path::Path;

/// The CT and what is known about it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Hounsfield units or attenuation, as `units` says.
    pub values: Volume<f32>,
    /// What the voxels hold.
    pub units: Units,
    /// Label of each voxel.
    pub labels: Option<Volume<u16>>,
    /// Points of interest in the volume's LPS frame, mm, with the label that each belongs to.
    pub landmarks: Vec<(Point, u16)>,
    /// What it is, for the report.
    pub description: String,
}

/// Generates or reads the CT; doubts about files are added to `warnings`.
pub fn load(source: &VolumeSource, warnings: &mut Vec<String>) -> Result<Subject, RunError> {
    match source {
        VolumeSource::Phantom(settings) => {
            let made = phantom::generate(settings)?;
            let [x, y, z] = made.hu.grid().shape();
            Ok(Subject {
                description: format!(
                    "lumbar phantom, patient {}, {x} × {y} × {z} voxels of {} mm",
                    settings.seed, settings.spacing_mm[0]
                ),
                values: made.hu,
                units: Units::Hu,
                labels: Some(made.labels),
                landmarks: made.landmarks.iter().map(|l| (l.position, l.label)).collect(),
            })
        }
        VolumeSource::File { path, labels, units } => {
            let loaded = read_volume(path)?;
            let name = file_name(path);
            warnings.extend(loaded.warnings.iter().map(|w| format!("{name}: {}", w.as_str())));
            let labels = labels.as_ref().map(|l| labels_on(l, &loaded.volume, path)).transpose()?;
            let [x, y, z] = loaded.volume.grid().shape();
            let spacing = loaded.volume.grid().spacing().map(|s| format!("{s:.3}")).join(" × ");
            Ok(Subject {
                description: format!("{name}, {x} × {y} × {z} voxels of {spacing} mm"),
                values: loaded.volume,
                units: *units,
                labels,
                landmarks: Vec::new(),
            })
        }
    }
}

/// Reads labels and makes sure that they lie on the grid of the CT.
fn labels_on(path: &Path, ct: &Volume<f32>, ct_path: &Path) -> Result<Volume<u16>, RunError> {
    let labels = read_labels(path)?;
    let (ours, theirs) = (labels.grid(), ct.grid());
    let unsuitable = |reason: String| RunError::Unsuitable { path: path.to_path_buf(), reason };
    if ours.shape() != theirs.shape() {
        let (found, needed) = (ours.shape(), theirs.shape());
        let ct = ct_path.display();
        return Err(unsuitable(format!("labels of shape {found:?} do not fit {ct} of shape {needed:?}")));
    }
    let apart = ours.corners().iter().zip(theirs.corners()).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
    if apart > 0.1 * theirs.spacing().into_iter().fold(f64::MAX, f64::min) {
        let ct = ct_path.display();
        return Err(unsuitable(format!("the labels lie up to {apart:.3} mm away from the voxels of {ct}")));
    }
    // Nearer than a tenth of a voxel is the same grid.
    Ok(Volume::new(theirs.clone(), labels.into_parts().1))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl Subject {
    /// Refuses labels that no voxel has.
    pub fn require_labels(&self, wanted: &[u16], key: &str) -> Result<(), RunError> {
        let Some(labels) = &self.labels else { return Ok(()) };
        let mut present = vec![false; usize::from(u16::MAX) + 1];
        labels.data().iter().for_each(|&l| present[usize::from(l)] = true);
        match wanted.iter().find(|&&l| !present[usize::from(l)]) {
            None => Ok(()),
            Some(missing) => {
                let there: Vec<String> =
                    (1..present.len()).filter(|&l| present[l]).take(40).map(|l| l.to_string()).collect();
                Err(RunError::Unusable(format!(
                    "`{key}`: no voxel has the label {missing}; the volume has {}",
                    if there.is_empty() { "none".to_owned() } else { there.join(", ") }
                )))
            }
        }
    }

    /// The middle of the volume, mm.
    pub fn centre(&self) -> Point {
        self.values.grid().centre()
    }
}
