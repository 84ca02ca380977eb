//! Pairs of volumes and labels, and the figures of a deformation.

use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::field::VectorField;
use regiscope_diffeo::grid::Grid;
use regiscope_diffeo::interpolate::Kernel;
use regiscope_diffeo::objective::Component;
use regiscope_diffeo::optimise::Images;
use regiscope_diffeo::spectral::resample::{grid_of_shape, resample};
use regiscope_diffeo::transport::map::{SQUARINGS, determinant, displacement, warp};
use std::collections::BTreeMap;
use std::path::Path;

/// Two images in [0, 1] on one grid, and their labels.
pub struct Pair {
    pub grid: Grid,
    pub fixed: Vec<f32>,
    pub moving: Vec<f32>,
    pub labels: Option<[Vec<u16>; 2]>,
}

/// What a deformation achieves, measured with an accurate map.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Figures {
    pub mismatch: f64,
    pub dice_mean: f64,
    pub dice_union: f64,
    pub jacobian: [f64; 2],
}

impl Pair {
    /// The pair in these files; `spacing` in mm where the header is wrong.
    pub fn read(named: &BTreeMap<&str, &str>) -> Self {
        let file = |key: &str| named.get(key).map(Path::new);
        let volume = |path: &Path| regiscope_image::read_volume(path).expect("a volume can be read").volume;
        let fixed = volume(file("fixed").expect("fixed=FILE is given"));
        let moving = volume(file("moving").expect("moving=FILE is given"));
        let labels = |path: &Path| regiscope_image::read_labels(path).expect("labels can be read").data().to_vec();
        let labels = match (file("labels-fixed"), file("labels-moving")) {
            (Some(f), Some(m)) => Some([labels(f), labels(m)]),
            _ => None,
        };
        let spacing = fixed.grid().spacing();
        let grid = Grid::new(fixed.grid().shape(), [spacing[0], spacing[1], spacing[2]]);
        let unit = |data: &[f32]| {
            let (least, most) = data.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            data.iter().map(|v| (v - least) / (most - least)).collect()
        };
        Self { grid, fixed: unit(fixed.data()), moving: unit(moving.data()), labels }
    }

    /// The images on another number of samples of the same box, without labels.
    pub fn resampled(&self, shape: [usize; 3]) -> Self {
        let grid = grid_of_shape(&self.grid, shape);
        let on = |field: &[f32]| resample(&self.grid, &grid, field);
        Self { grid, fixed: on(&self.fixed), moving: on(&self.moving), labels: None }
    }

    /// The images for the engine.
    pub fn images(&self, distance: Distance) -> Images<f32> {
        let component = Component { fixed: self.fixed.clone(), moving: self.moving.clone(), weight: 1.0 };
        Images { grid: self.grid, components: vec![component], mask: None, distance }
    }

    /// The figures of a velocity's map as it is put out: 32 cubic steps.
    pub fn figures(&self, velocity: &VectorField<f32>) -> Figures {
        let shape = self.grid.shape;
        let displacement = displacement(&self.grid, velocity, SQUARINGS);
        let warped = warp(shape, &self.moving, &displacement, Kernel::CubicSpline);
        let jacobian = determinant(shape, &displacement)
            .iter()
            .fold([f64::MAX, f64::MIN], |[a, b], &d| [a.min(f64::from(d)), b.max(f64::from(d))]);
        let mismatch = distance(&warped, &self.fixed) / distance(&self.moving, &self.fixed);
        let (dice_mean, dice_union) = match &self.labels {
            Some([fixed, moving]) => dice(fixed, &warp_labels(moving, shape, &displacement)),
            None => (f64::NAN, f64::NAN),
        };
        Figures { mismatch, dice_mean, dice_union, jacobian }
    }
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

/// Labels of the nearest sample; 0 outside.
fn warp_labels(labels: &[u16], shape: [usize; 3], displacement: &VectorField<f32>) -> Vec<u16> {
    let at = |i: usize| [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])];
    let label = |i: usize| {
        let place = at(i);
        let index = [0, 1, 2].map(|a: usize| (place[a] as f32 + displacement[a][i]).round());
        if (0..3).all(|a| index[a] >= 0.0 && index[a] < shape[a] as f32) {
            labels[(index[2] as usize * shape[1] + index[1] as usize) * shape[0] + index[0] as usize]
        } else {
            0
        }
    };
    (0..labels.len()).map(label).collect()
}

/// Dice overlap: the mean over the labels of either, and that of everything labelled.
fn dice(a: &[u16], b: &[u16]) -> (f64, f64) {
    let mut counts: BTreeMap<u16, [usize; 2]> = BTreeMap::new();
    let mut union = [0usize; 2];
    for (&a, &b) in a.iter().zip(b) {
        for label in [a, b] {
            if label != 0 {
                counts.entry(label).or_default()[1] += 1;
                union[1] += 1;
            }
        }
        if a == b && a != 0 {
            counts.entry(a).or_default()[0] += 1;
        }
        union[0] += usize::from(a != 0 && b != 0);
    }
    let each = counts.values().map(|[both, all]| 2.0 * *both as f64 / *all as f64);
    (each.sum::<f64>() / counts.len() as f64, 2.0 * union[0] as f64 / union[1] as f64)
}
