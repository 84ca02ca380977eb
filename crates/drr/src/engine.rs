//! The volume in the form that its projector needs, and the choice of the form for each view.

use crate::fast::prefix::PrefixVolume;
use crate::fast::{self, siddon};
use crate::jacobian::{IndexFrame, RaySample};
use crate::reference::{self, Field, March};
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
            Projector::Siddon if fast::accepts(shape) => Self::Sums(Box::new(PrefixVolume::new(shape, data))),
            _ => Self::Voxels(data),
        }
    }

    /// What traces the rays of one view; `support` as in [`March`]. Prepares running sums on first use of an axis.
    pub(crate) fn tracer(
        &self,
        shape: [usize; 3],
        Settings { projector, clip }: Settings,
        support: [[f64; 3]; 2],
        view: &View,
        frame: &IndexFrame,
    ) -> Tracer<'_> {
        match self {
            Self::Sums(volume) => Tracer::Sums(siddon::Tracer::new(volume, main_axis(view, frame), clip)),
            Self::Voxels(data) => {
                let field = Field { data, shape };
                match projector {
                    Projector::Siddon => Tracer::Plain(field, clip),
                    Projector::Joseph => Tracer::Joseph(field, clip),
                    Projector::Trilinear { samples, span } => {
                        Tracer::Trilinear(field, March { samples, span, clip, support })
                    }
                }
            }
        }
    }
}

/// Traces rays given by their ends in continuous indices.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tracer<'a> {
    Sums(siddon::Tracer<'a>),
    /// Siddon's rays through a volume too large for the fast form.
    Plain(Field<'a>, bool),
    Joseph(Field<'a>, bool),
    Trilinear(Field<'a>, March),
}

impl Tracer<'_> {
    /// One sample for each ray; only `mean` is needed unless `derivative`.
    pub(crate) fn trace(&self, rays: &[(Point, Point)], derivative: bool, samples: &mut [RaySample]) {
        let plain = |samples: &mut [RaySample], trace: &dyn Fn(&Point, &Point) -> RaySample| {
            for (sample, (start, end)) in samples.iter_mut().zip(rays) {
                *sample = trace(start, end);
            }
        };
        match self {
            Self::Sums(tracer) => tracer.trace(rays, derivative, samples),
            Self::Plain(field, clip) => plain(samples, &|s, e| reference::siddon(field, s, e, *clip)),
            Self::Joseph(field, clip) if fast::accepts(field.shape) => {
                fast::joseph::trace(field, *clip, rays, derivative, samples);
            }
            Self::Joseph(field, clip) => plain(samples, &|s, e| reference::joseph(field, s, e, *clip)),
            Self::Trilinear(field, march) if fast::accepts(field.shape) => {
                fast::trilinear::trace(field, march, rays, derivative, samples);
            }
            Self::Trilinear(field, march) => plain(samples, &|s, e| reference::trilinear(field, march, s, e)),
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
