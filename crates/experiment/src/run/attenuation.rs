//! Linear attenuation of what an image shows.

use super::error::RunError;
use super::subject::Subject;
use crate::document::tables::Units;
use crate::experiment::AttenuationModel;
use regiscope_drr::attenuation;
use regiscope_geometry::Point;
use regiscope_image::Volume;

/// Attenuation (1/mm) of the parts with the given labels; everything if `keep` is empty.
pub fn attenuation(subject: &Subject, model: &AttenuationModel, keep: &[u16]) -> Result<Volume<f32>, RunError> {
    let mut mu = match subject.units {
        Units::Attenuation => subject.values.clone(),
        Units::Hu => attenuation::attenuation(subject.values.clone(), model)?,
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
    Ok(mu)
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

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    fn subject() -> Subject {
        let grid = Grid::centred([2, 1, 4], [1.0, 1.0, 10.0]).expect("a valid grid");
        Subject {
            values: Volume::new(grid.clone(), vec![0.0; 8]),
            units: Units::Hu,
            labels: Some(Volume::new(grid, vec![1, 2, 1, 2, 1, 2, 0, 3])),
            landmarks: Vec::new(),
            description: String::new(),
        }
    }

    #[test]
    fn labels_choose_what_is_shown() {
        let all = attenuation(&subject(), &AttenuationModel::default(), &[]).unwrap();
        assert!(all.data().iter().all(|&v| v > 0.015));
        let some = attenuation(&subject(), &AttenuationModel::default(), &[2, 3]).unwrap();
        assert_eq!(
            some.data().iter().map(|&v| v > 0.0).collect::<Vec<_>>(),
            [false, true, false, true, false, true, false, true]
        );
    }

    #[test]
    fn truncation_counts_from_the_ends() {
        let cut = |mm| truncate(attenuation(&subject(), &AttenuationModel::default(), &[]).unwrap(), mm);
        let layers = |v: Volume<f32>| v.data().chunks(2).map(|c| c[0] > 0.0).collect::<Vec<_>>();
        assert_eq!(layers(cut([0.0, 0.0])), [true; 4]);
        assert_eq!(layers(cut([12.0, 0.0])), [false, true, true, true]);
        assert_eq!(layers(cut([4.0, 18.0])), [true, true, false, false]);
    }
}
