//! The volume in the form that its projector needs, and the choice of the form for each view.

use crate::fast::prefix::PrefixVolume;
use crate::fast::siddon;
use crate::jacobian::{IndexFrame, RaySample};
use crate::reference::{self, Field};
use crate::renderer::{Projector, Settings};
use regiscope_geometry::{Point, View};

/// A prepared volume.
#[derive(Debug)]
pub(crate) enum Engine {
    /// Running sums, for the exact projector.
    Sums(Box<PrefixVolume>),
    /// The voxels as they are.
    Voxels(Vec<f32>),
}

impl Engine {
    pub(crate) fn new(shape: [usize; 3], data: Vec<f32>, projector: Projector) -> Self {
        match projector {
            Projector::Siddon if PrefixVolume::accepts(shape) => Self::Sums(Box::new(PrefixVolume::new(shape, data))),
            _ => Self::Voxels(data),
        }
    }

    /// What traces the rays of one view. Prepares running sums on first use of an axis.
    pub(crate) fn tracer(&self, shape: [usize; 3], settings: Settings, view: &View, frame: &IndexFrame) -> Tracer<'_> {
        match self {
            Self::Sums(volume) => Tracer::Sums(siddon::Tracer::new(volume, main_axis(view, frame), settings.clip)),
            Self::Voxels(data) => Tracer::Plain(Field { data, shape }, settings),
        }
    }
}

/// Traces rays given by their ends in continuous indices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tracer<'a> {
    Sums(siddon::Tracer<'a>),
    Plain(Field<'a>, Settings),
}

impl Tracer<'_> {
    /// One sample for each ray; only `mean` is computed unless `derivative`.
    pub(crate) fn trace(&self, rays: &[(Point, Point)], derivative: bool, samples: &mut [RaySample]) {
        match self {
            Self::Sums(tracer) => tracer.trace(rays, derivative, samples),
            Self::Plain(field, Settings { projector, clip }) => {
                for (sample, (s, e)) in samples.iter_mut().zip(rays) {
                    *sample = match *projector {
                        Projector::Siddon => reference::siddon(field, s, e, *clip),
                        Projector::Joseph => reference::joseph(field, s, e, *clip),
                        Projector::Trilinear { samples, span } => {
                            reference::trilinear(field, s, e, samples, span, *clip)
                        }
                    };
                }
            }
        }
    }
}

/// The index axis along which the rays of a view go fastest, judged by the middle and the corners of the detector.
fn main_axis(view: &View, frame: &IndexFrame) -> usize {
    let (bottom, right) = ((view.rows() - 1) as f64, (view.cols() - 1) as f64);
    let places = [(0.5 * bottom, 0.5 * right), (0.0, 0.0), (0.0, right), (bottom, 0.0), (bottom, right)];
    let mut speed = [0.0f64; 3];
    for (row, col) in places {
        let (start, end) = view.ray(row, col);
        let d = frame.index(&end) - frame.index(&start);
        for (total, d) in speed.iter_mut().zip(d.iter()) {
            *total += d.abs();
        }
    }
    (1..3).fold(0, |best, a| if speed[a] > speed[best] { a } else { best })
}
