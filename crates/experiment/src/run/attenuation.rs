//! Linear attenuation of what an image shows.

use super::subject::Subject;
use crate::document::tables::{Mapping, Units};
use crate::experiment::AttenuationModel;
use regiscope_geometry::Point;
use regiscope_image::Volume;

/// Attenuation (1/mm) of the parts with the given labels; everything if `keep` is empty.
pub fn attenuation(subject: &Subject, model: &AttenuationModel, keep: &[u16]) -> Volume<f32> {
    let mut mu = match subject.units {
        Units::Attenuation => subject.values.clone(),
        Units::Hu => from_hu(&subject.values, model),
    };
    if let (Some(labels), false) = (&subject.labels, keep.is_empty()) {
        let mut shown = vec![false; usize::from(u16::MAX) + 1];
        keep.iter().for_each(|&l| shown[usize::from(l)] = true);
        for (value, &label) in mu.data_mut().iter_mut().zip(labels.data()) {
            if !shown[usize::from(label)] {
                *value = 0.0;
            }
        }
    }
    mu
}

/// Empties the slabs of a volume within `inferior` and `superior` mm of its ends along the body's axis.
pub fn truncate(mut volume: Volume<f32>, [inferior, superior]: [f64; 2]) -> Volume<f32> {
    if inferior == 0.0 && superior == 0.0 {
        return volume;
    }
    let grid = volume.grid().clone();
    let z = grid.corners().map(|c| c.z);
    let (low, high) = (z.iter().copied().fold(f64::MAX, f64::min), z.iter().copied().fold(f64::MIN, f64::max));
    let [nx, ny, _] = grid.shape();
    for (n, value) in volume.data_mut().iter_mut().enumerate() {
        let index = Point::new((n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64);
        let z = grid.world_from_index(&index).z;
        if z < low + inferior || z > high - superior {
            *value = 0.0;
        }
    }
    volume
}

fn from_hu(hu: &Volume<f32>, model: &AttenuationModel) -> Volume<f32> {
    let bone = match model.mapping {
        Mapping::AirWaterBone => 1.9,
        Mapping::AirWater => 1.0,
    };
    hu.map(|&v| 0.02 * ((v.min(0.0) / 1000.0 + 1.0).max(0.0) + bone * v.max(0.0) / 1000.0))
}
