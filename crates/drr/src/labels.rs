//! Label channels: one DRR for each labelled part of a volume.

use crate::renderer::{DrrError, Renderer, Settings};
use rayon::prelude::*;
use regiscope_geometry::{Rigid, View};
use regiscope_image::{Image, Volume};
use std::collections::BTreeMap;
use thiserror::Error;

/// A volume divided into parts by labels. Each part is held in its own bounding box only; the DRRs of all parts add
/// up to the DRR of the whole.
#[derive(Debug)]
pub struct LabelRenderer {
    channels: Vec<(u16, Renderer)>,
}

/// Why a volume cannot be divided.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LabelError {
    /// Volume and labels on different grids.
    #[error("the volume has shape {volume:?} and its labels {labels:?}; both must be on one grid")]
    Shape {
        /// Shape of the volume.
        volume: [usize; 3],
        /// Shape of the labels.
        labels: [usize; 3],
    },
    /// A label that no voxel has.
    #[error("no voxel has the label {label}; present are {present:?}")]
    Missing {
        /// The label.
        label: u16,
        /// What there is.
        present: Vec<u16>,
    },
    /// The volume cannot be rendered.
    #[error(transparent)]
    Drr(#[from] DrrError),
}

/// First and one past the last index along each axis.
type Box3 = [[usize; 2]; 3];

impl LabelRenderer {
    /// Divides a volume of linear attenuation (1/mm) by its labels, of which `chosen` are kept, all if `None` (label
    /// 0, usually the background, is one of them).
    pub fn new(
        volume: &Volume<f32>,
        labels: &Volume<u16>,
        chosen: Option<&[u16]>,
        settings: Settings,
    ) -> Result<Self, LabelError> {
        let shape = volume.grid().shape();
        if shape != labels.grid().shape() {
            return Err(LabelError::Shape { volume: shape, labels: labels.grid().shape() });
        }
        let boxes = bounding_boxes(labels);
        let present: Vec<u16> = boxes.keys().copied().collect();
        let chosen = chosen.map_or_else(|| present.clone(), <[u16]>::to_vec);
        let channels = chosen
            .into_iter()
            .map(|label| {
                let Some(bounds) = boxes.get(&label) else {
                    return Err(LabelError::Missing { label, present: present.clone() });
                };
                Ok((label, Renderer::of_part(volume, *bounds, |n| labels.data()[n] == label, settings)?))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { channels })
    }

    /// The labels and their renderers.
    pub fn channels(&self) -> &[(u16, Renderer)] {
        &self.channels
    }

    /// The line integrals of each part in one view under one pose, in parallel.
    pub fn render(&self, view: &View, world_from_volume: &Rigid) -> Vec<(u16, Image<f32>)> {
        self.channels.par_iter().map(|(label, part)| (*label, part.render(view, world_from_volume))).collect()
    }

    /// The line integrals of each part in one view, each part under its own pose, in the order of the channels.
    ///
    /// # Panics
    /// If there is not one pose for each channel.
    pub fn render_each(&self, view: &View, world_from_part: &[Rigid]) -> Vec<(u16, Image<f32>)> {
        assert_eq!(world_from_part.len(), self.channels.len(), "there is one pose for each channel");
        let parts = self.channels.par_iter().zip(world_from_part);
        parts.map(|((label, part), pose)| (*label, part.render(view, pose))).collect()
    }
}

/// Bounding box of the voxels of each label.
fn bounding_boxes(labels: &Volume<u16>) -> BTreeMap<u16, Box3> {
    let [nx, ny, _] = labels.grid().shape();
    let mut boxes: BTreeMap<u16, Box3> = BTreeMap::new();
    for (row, line) in labels.data().chunks_exact(nx).enumerate() {
        let mut from = 0;
        for run in line.chunk_by(|a, b| a == b) {
            let found = [[from, from + run.len()], [row % ny, row % ny + 1], [row / ny, row / ny + 1]];
            let bounds = boxes.entry(run[0]).or_insert(found);
            for (b, f) in bounds.iter_mut().zip(found) {
                *b = [b[0].min(f[0]), b[1].max(f[1])];
            }
            from += run.len();
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::renderer::{Projector, Span};
    use regiscope_geometry::{Grid, Point, Source, Twist, Vector, se3};

    fn scene() -> (Volume<f32>, Volume<u16>, View) {
        let grid = Grid::centred([14, 12, 10], [1.0, 1.2, 1.5]).unwrap();
        let data = (0..grid.len()).map(|n| (n * 31 % 17) as f32 * 0.01).collect();
        let labels = (0..grid.len()).map(|n| ((n % 14) / 5 + 3 * (n / 168 / 4)) as u16).collect();
        let source = Source::Point(Point::new(4.0, -90.0, 6.0));
        let view =
            View::new(source, Point::new(-14.0, 30.0, 14.0), Vector::x() * 1.5, Vector::z() * -1.5, 20, 20).unwrap();
        (Volume::new(grid.clone(), data), Volume::new(grid, labels), view)
    }

    #[test]
    fn channels_add_up_to_the_whole() {
        let (volume, labels, view) = scene();
        let pose = se3::exp(&Twist::new(1.0, 2.0, -1.0, 0.1, 0.4, 0.2));
        for projector in [
            Projector::Siddon,
            Projector::Joseph,
            Projector::Trilinear { samples: 70, span: Span::Ray },
            Projector::Trilinear { samples: 70, span: Span::Fixed([0.3, 1.0]) },
        ] {
            let settings = Settings { projector, clip: true };
            let whole = Renderer::new(volume.clone(), settings).unwrap().render(&view, &pose);
            let parts = LabelRenderer::new(&volume, &labels, None, settings).unwrap().render(&view, &pose);
            assert_eq!(parts.len(), 9);
            for p in 0..view.pixels() {
                let sum: f32 = parts.iter().map(|(_, image)| image.data()[p]).sum();
                assert!((sum - whole.data()[p]).abs() < 2e-5, "{projector:?} {p}: {sum} {}", whole.data()[p]);
            }
            assert!(whole.data().iter().sum::<f32>() > 10.0);
        }
    }

    #[test]
    fn each_part_moves_by_itself() {
        let (volume, labels, view) = scene();
        let settings = Settings::default();
        let parts = LabelRenderer::new(&volume, &labels, Some(&[4, 1]), settings).unwrap();
        let poses = [Rigid::translation(3.0, 0.0, 0.0), Rigid::translation(0.0, 0.0, -2.0)];
        let images = parts.render_each(&view, &poses);
        assert_eq!(images.iter().map(|(label, _)| *label).collect::<Vec<_>>(), [4, 1]);
        assert_eq!(images[1].1, parts.channels()[1].1.render(&view, &poses[1]));
    }

    #[test]
    fn broken_labels_are_refused() {
        let (volume, labels, _) = scene();
        let missing = LabelRenderer::new(&volume, &labels, Some(&[99]), Settings::default());
        assert!(matches!(missing, Err(LabelError::Missing { label: 99, .. })));
        let other = Volume::new(Grid::centred([2, 2, 2], [1.0; 3]).unwrap(), vec![0u16; 8]);
        let refused = LabelRenderer::new(&volume, &other, None, Settings::default());
        assert!(matches!(refused, Err(LabelError::Shape { .. })));
    }
}
