//! Label maps carried softly: every label by itself with trilinear weights, then the heaviest one.

use super::carry::each;
use super::map::Cell;
use regiscope_geometry::{Grid, Point};
use regiscope_image::Volume;

/// Carries labels: at each voxel of `grid` the label whose indicator, trilinearly interpolated at the mapped point, is
/// greatest; the nearest voxel's label breaks ties. 0 stands where the map or the labels end. Borders come out
/// smoother than with the nearest voxel alone, and no label is invented.
pub fn carry_labels(source: &Volume<u16>, grid: &Grid, map: impl Fn(&Point) -> Option<Point> + Sync) -> Volume<u16> {
    each(grid, 0, |x| {
        let cell = Cell::at(source.grid().shape(), &source.grid().index_from_world(&map(x)?))?;
        let labels = cell.offsets().map(|o| source.data()[o]);
        if labels.iter().all(|l| *l == labels[0]) {
            return Some(labels[0]);
        }
        Some(heaviest(&labels, &cell.weights()))
    })
}

/// The label with the greatest sum of weights; among equal ones that of the greatest single weight.
fn heaviest(labels: &[u16; 8], weights: &[f64; 8]) -> u16 {
    let total = |label: u16| -> f64 { labels.iter().zip(weights).filter(|(l, _)| **l == label).map(|(_, w)| w).sum() };
    let mut best = (0, f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (&label, &weight) in labels.iter().zip(weights) {
        let sum = total(label);
        if sum > best.1 + 1e-12 || (sum > best.1 - 1e-12 && weight > best.2) {
            best = (label, sum, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::super::world_of;
    use super::*;
    use regiscope_geometry::Vector;
    use regiscope_image::resample::linear;

    /// The plain form: one volume for each label.
    fn reference(source: &Volume<u16>, grid: &Grid, map: impl Fn(&Point) -> Point) -> Volume<u16> {
        let mut all: Vec<u16> = source.data().to_vec();
        all.sort_unstable();
        all.dedup();
        let single: Vec<(u16, Volume<f32>)> =
            all.iter().map(|&l| (l, source.map(|&v| f32::from(u8::from(v == l))))).collect();
        let at = |n: usize| {
            let index = source.grid().index_from_world(&map(&world_of(grid, n)));
            let weight = |v: &Volume<f32>| linear(v, &index);
            single
                .iter()
                .filter_map(|(l, v)| Some((*l, weight(v)?)))
                .fold((0, 0.0f32), |best, (l, w)| if w > best.1 { (l, w) } else { best })
                .0
        };
        Volume::new(grid.clone(), (0..grid.len()).map(at).collect())
    }

    #[test]
    fn soft_labels_are_those_of_one_volume_each() {
        let grid = Grid::centred([9, 8, 7], [1.0, 1.2, 1.4]).unwrap();
        let labels = Volume::new(grid.clone(), (0..grid.len()).map(|n| ((n * 7919) % 5) as u16 * 100).collect());
        let map = |x: &Point| x + Vector::new(0.31, 0.17, -0.23);
        let (soft, plain) = (carry_labels(&labels, &grid, |x| Some(map(x))), reference(&labels, &grid, map));
        assert_eq!(soft, plain);
        assert_eq!(carry_labels(&labels, &grid, |x| Some(*x)), labels);
        assert!(carry_labels(&labels, &grid, |_| None).data().iter().all(|l| *l == 0));
    }

    #[test]
    fn ties_go_to_the_nearest() {
        let half = [0.3, 0.2, 0.2, 0.3, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(heaviest(&[4, 9, 4, 9, 0, 0, 0, 0], &half), 4);
        assert_eq!(heaviest(&[1, 2, 3, 4, 5, 6, 7, 8], &[0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.1]), 2);
    }
}
