//! Rendering whole views.

use crate::jacobian::{IndexFrame, RaySample};
use crate::reference::{self, Field};
use rayon::prelude::*;
use regiscope_geometry::{Point, Rigid, Twist, View};
use regiscope_image::{Image, Volume};
use thiserror::Error;

/// How the line integral is discretised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Projector {
    /// Exact integral of the piecewise-constant volume (Siddon 1985).
    Siddon,
    /// Bilinear interpolation once per slab of the dominant axis (Joseph 1982).
    Joseph,
    /// Trilinear interpolation at `samples` equidistant points of `span`, zero outside the volume.
    Trilinear {
        /// Number of sample points, at least 2.
        samples: usize,
        /// The part of the ray that is sampled.
        span: Span,
    },
}

/// The part of a ray that trilinear marching samples, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// From where each ray enters the support of the interpolated volume to where it leaves it.
    Ray,
    /// The same range of the ray parameter `α` for all rays; `[0, 1]` is source to detector.
    Fixed([f64; 2]),
}

/// What is rendered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How the line integral is discretised.
    pub projector: Projector,
    /// Whether only the part between source and detector counts (`true`), or the whole line.
    pub clip: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { projector: Projector::Siddon, clip: true }
    }
}

/// Why a volume cannot be rendered.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DrrError {
    /// The volume contains NaN or infinity.
    #[error("the volume contains {count} voxels that are not finite numbers, the first at index {first:?}")]
    NotFinite {
        /// How many.
        count: usize,
        /// Where the first one is.
        first: [usize; 3],
    },
    /// Fewer than two samples per ray.
    #[error("trilinear marching with {0} samples is not accepted: at least 2 are needed")]
    TooFewSamples(usize),
    /// A fixed span that is empty or not finite.
    #[error("a trilinear span of {0:?} is not accepted: two finite numbers are needed, the first the smaller")]
    BadSpan([f64; 2]),
}

/// A volume prepared for rendering: linear attenuation in 1/mm on its grid.
#[derive(Debug)]
pub struct Renderer {
    volume: Volume<f32>,
    settings: Settings,
}

impl Renderer {
    /// Prepares a volume of linear attenuation (1/mm).
    pub fn new(volume: Volume<f32>, settings: Settings) -> Result<Self, DrrError> {
        let bad = volume.data().iter().filter(|v| !v.is_finite()).count();
        if let Some(at) = volume.data().iter().position(|v| !v.is_finite()) {
            let [nx, ny, _] = volume.grid().shape();
            return Err(DrrError::NotFinite { count: bad, first: [at % nx, at / nx % ny, at / nx / ny] });
        }
        if let Projector::Trilinear { samples, .. } = settings.projector
            && samples < 2
        {
            return Err(DrrError::TooFewSamples(samples));
        }
        if let Projector::Trilinear { span: Span::Fixed([a0, a1]), .. } = settings.projector
            && !(a0.is_finite() && a1.is_finite() && a0 < a1)
        {
            return Err(DrrError::BadSpan([a0, a1]));
        }
        Ok(Self { volume, settings })
    }

    /// Line integrals (dimensionless) of all pixels of a view.
    pub fn render(&self, view: &View, world_from_volume: &Rigid) -> Image<f32> {
        let values = self.each_pixel(view, world_from_volume, 0..view.pixels(), |_, s, e, sample| {
            (sample.mean * (e - s).norm()) as f32
        });
        Image::new(view.rows(), view.cols(), values)
    }

    /// Line integrals of one view for several poses.
    pub fn render_batch(&self, view: &View, world_from_volume: &[Rigid]) -> Vec<Image<f32>> {
        world_from_volume.iter().map(|pose| self.render(view, pose)).collect()
    }

    /// Line integrals and, for each pixel, their derivative `∂I/∂ξ` with respect to the pose twist.
    pub fn render_with_jacobian(&self, view: &View, world_from_volume: &Rigid) -> (Image<f32>, Vec<[f32; 6]>) {
        let (values, jacobian) = self.jacobian_of(view, world_from_volume, 0..view.pixels());
        (Image::new(view.rows(), view.cols(), values), jacobian)
    }

    /// Line integrals of the listed pixels (row-major positions, each below `view.pixels()`).
    pub fn render_pixels(&self, view: &View, world_from_volume: &Rigid, pixels: &[u32]) -> Vec<f32> {
        self.each_pixel(view, world_from_volume, pixels.par_iter().map(|&p| p as usize), |_, s, e, sample| {
            (sample.mean * (e - s).norm()) as f32
        })
    }

    /// As [`Self::render_with_jacobian`], for the listed pixels (row-major positions).
    pub fn render_pixels_with_jacobian(
        &self,
        view: &View,
        world_from_volume: &Rigid,
        pixels: &[u32],
    ) -> (Vec<f32>, Vec<[f32; 6]>) {
        self.jacobian_of(view, world_from_volume, pixels.par_iter().map(|&p| p as usize))
    }

    /// The image and `Jᵀ w`: the derivative of `Σ w · I` over all pixels with respect to the pose twist; `weights`
    /// is called with the rendered image and returns one weight for each pixel.
    pub fn pose_gradient(
        &self,
        view: &View,
        world_from_volume: &Rigid,
        weights: impl FnOnce(&Image<f32>) -> Vec<f32>,
    ) -> (Image<f32>, Twist) {
        let (image, jacobian) = self.render_with_jacobian(view, world_from_volume);
        let w = weights(&image);
        let gradient = jacobian.iter().zip(&w).fold(Twist::zeros(), |sum, (row, &w)| {
            sum + Twist::from_iterator(row.iter().map(|&x| f64::from(x) * f64::from(w)))
        });
        (image, gradient)
    }

    fn jacobian_of(
        &self,
        view: &View,
        pose: &Rigid,
        pixels: impl IntoParallelIterator<Iter: IndexedParallelIterator<Item = usize>>,
    ) -> (Vec<f32>, Vec<[f32; 6]>) {
        self.each_pixel(view, pose, pixels, |frame, s, e, sample| {
            let row = frame.pose_derivative(s, e, sample);
            ((sample.mean * (e - s).norm()) as f32, std::array::from_fn(|n| row[n] as f32))
        })
        .into_iter()
        .unzip()
    }

    fn each_pixel<T: Send>(
        &self,
        view: &View,
        pose: &Rigid,
        pixels: impl IntoParallelIterator<Iter: IndexedParallelIterator<Item = usize>>,
        result: impl Fn(&IndexFrame, &Point, &Point, &RaySample) -> T + Sync,
    ) -> Vec<T> {
        let frame = IndexFrame::new(self.volume.grid(), pose);
        let field = Field { data: self.volume.data(), shape: self.volume.grid().shape() };
        pixels
            .into_par_iter()
            .map(|p| {
                let (start, end) = view.ray((p / view.cols()) as f64, (p % view.cols()) as f64);
                let (s, e) = (frame.index(&start), frame.index(&end));
                let clip = self.settings.clip;
                let sample = match self.settings.projector {
                    Projector::Siddon => reference::siddon(&field, &s, &e, clip),
                    Projector::Joseph => reference::joseph(&field, &s, &e, clip),
                    Projector::Trilinear { samples, span } => reference::trilinear(&field, &s, &e, samples, span, clip),
                };
                result(&frame, &start, &end, &sample)
            })
            .collect()
    }
}
