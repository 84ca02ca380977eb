//! Rendering whole views.

use crate::engine::{Engine, Tracer};
use crate::jacobian::{IndexFrame, RaySample};
use crate::reference;
use rayon::prelude::*;
use regiscope_geometry::{Grid, Point, Rigid, Twist, View};
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
///
/// # Memory
/// The volume's own allocation is reused. The exact projector holds running sums along the index axis that a view's
/// rays follow most closely, in the place of the voxels; views along a further axis add the same amount of memory,
/// once, on first use.
///
/// # Precision
/// Line integrals are set up in double and added up in single precision. The exact projector rounds voxels to
/// multiples of `1e-9 · (longest extent + 8)` of the largest magnitude. Results do not depend on the number of
/// threads, on the instruction set, or on what was rendered before.
#[derive(Debug)]
pub struct Renderer {
    grid: Grid,
    engine: Engine,
    settings: Settings,
    /// The box whose chord trilinear marching samples: that of the whole volume, also for a part of it.
    support: [[f64; 3]; 2],
}

/// Which pixels of a view, as row-major positions.
#[derive(Clone, Copy)]
enum Pixels<'a> {
    All(usize),
    Listed(&'a [u32]),
}

impl Pixels<'_> {
    fn len(&self) -> usize {
        match self {
            Self::All(n) => *n,
            Self::Listed(list) => list.len(),
        }
    }

    fn get(&self, n: usize) -> usize {
        match self {
            Self::All(_) => n,
            Self::Listed(list) => list[n] as usize,
        }
    }
}

/// Rays traced by one task: few enough to stay in the nearest cache, many enough to pay for handing them out.
const TASK: usize = 64;

impl Renderer {
    /// Prepares a volume of linear attenuation (1/mm).
    pub fn new(volume: Volume<f32>, settings: Settings) -> Result<Self, DrrError> {
        let support = reference::support(volume.grid().shape());
        Self::with_support(volume, settings, support)
    }

    /// Prepares the voxels of a volume for which `kept` says so (by their position in the array), all of which lie
    /// inside `bounds` (first and one past the last index along each axis); the others count as zero.
    pub(crate) fn of_part(
        volume: &Volume<f32>,
        bounds: [[usize; 2]; 3],
        kept: impl Fn(usize) -> bool,
        settings: Settings,
    ) -> Result<Self, DrrError> {
        let whole = volume.grid();
        let shape = bounds.map(|[from, to]| to - from);
        let corner = bounds.map(|[from, _]| from as f64);
        let origin = whole.world_from_index(&Point::from(corner));
        let grid = Grid::new(shape, origin, *whole.axes()).expect("a part of a valid grid is one");
        let data = (0..grid.len())
            .map(|n| {
                let at = [n % shape[0], n / shape[0] % shape[1], n / shape[0] / shape[1]];
                let n = whole.offset([0, 1, 2].map(|a| at[a] + bounds[a][0]));
                if kept(n) { volume.data()[n] } else { 0.0 }
            })
            .collect();
        let mut support = reference::support(whole.shape());
        for a in 0..3 {
            support[0][a] -= corner[a];
            support[1][a] -= corner[a];
        }
        Self::with_support(Volume::new(grid, data), settings, support)
    }

    fn with_support(volume: Volume<f32>, settings: Settings, support: [[f64; 3]; 2]) -> Result<Self, DrrError> {
        let (grid, data) = volume.into_parts();
        if let Some(at) = data.par_iter().position_first(|v| !v.is_finite()) {
            let [nx, ny, _] = grid.shape();
            let count = data.par_iter().filter(|v| !v.is_finite()).count();
            return Err(DrrError::NotFinite { count, first: [at % nx, at / nx % ny, at / nx / ny] });
        }
        match settings.projector {
            Projector::Trilinear { samples, .. } if samples < 2 => return Err(DrrError::TooFewSamples(samples)),
            Projector::Trilinear { span: Span::Fixed([a0, a1]), .. }
                if !(a0.is_finite() && a1.is_finite() && a0 < a1) =>
            {
                return Err(DrrError::BadSpan([a0, a1]));
            }
            _ => {}
        }
        let engine = Engine::new(grid.shape(), data, settings.projector);
        Ok(Self { grid, engine, settings, support })
    }

    /// Where the voxels lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// What is rendered.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Peak memory (bytes) that rendering views of `pixels` pixels in all needs, the volume included: for `axes`
    /// different main index axes of the views (1 to 3; see the memory note of the type).
    pub fn predicted_bytes(grid: &Grid, settings: Settings, pixels: usize, jacobian: bool, axes: usize) -> usize {
        let volume = grid.len() * size_of::<f32>();
        let copies = if matches!(settings.projector, Projector::Siddon) { axes.clamp(1, 3) } else { 1 };
        let pixel = size_of::<f32>() + if jacobian { 2 * size_of::<(f32, [f32; 6])>() } else { 0 };
        copies * volume + pixels * pixel
    }

    /// Line integrals (dimensionless) of all pixels of a view.
    pub fn render(&self, view: &View, world_from_volume: &Rigid) -> Image<f32> {
        let values = self.values(view, world_from_volume, Pixels::All(view.pixels()));
        Image::new(view.rows(), view.cols(), values)
    }

    /// Line integrals of one view for several poses, in parallel over all rays.
    pub fn render_batch(&self, view: &View, world_from_volume: &[Rigid]) -> Vec<Image<f32>> {
        world_from_volume.par_iter().map(|pose| self.render(view, pose)).collect()
    }

    /// Line integrals of several views, each with its own pose, in parallel over all rays.
    pub fn render_views(&self, views: &[(View, Rigid)]) -> Vec<Image<f32>> {
        views.par_iter().map(|(view, pose)| self.render(view, pose)).collect()
    }

    /// Line integrals and, for each pixel, their derivative `∂I/∂ξ` with respect to the pose twist.
    pub fn render_with_jacobian(&self, view: &View, world_from_volume: &Rigid) -> (Image<f32>, Vec<[f32; 6]>) {
        let (values, jacobian) = self.values_and_jacobian(view, world_from_volume, Pixels::All(view.pixels()));
        (Image::new(view.rows(), view.cols(), values), jacobian)
    }

    /// Line integrals of the listed pixels (row-major positions, each below `view.pixels()`).
    pub fn render_pixels(&self, view: &View, world_from_volume: &Rigid, pixels: &[u32]) -> Vec<f32> {
        self.values(view, world_from_volume, Pixels::Listed(pixels))
    }

    /// As [`Self::render_with_jacobian`], for the listed pixels (row-major positions).
    pub fn render_pixels_with_jacobian(
        &self,
        view: &View,
        world_from_volume: &Rigid,
        pixels: &[u32],
    ) -> (Vec<f32>, Vec<[f32; 6]>) {
        self.values_and_jacobian(view, world_from_volume, Pixels::Listed(pixels))
    }

    /// The image and `Jᵀ w`: the derivative of `Σ w · I` over all pixels with respect to the pose twist; `weights`
    /// is called with the rendered image and returns one weight for each pixel.
    ///
    /// The Jacobian is never stored: a second pass traces the rays whose weight is not zero.
    ///
    /// # Panics
    /// If `weights` does not return one weight for each pixel.
    pub fn pose_gradient(
        &self,
        view: &View,
        world_from_volume: &Rigid,
        weights: impl FnOnce(&Image<f32>) -> Vec<f32>,
    ) -> (Image<f32>, Twist) {
        let image = self.render(view, world_from_volume);
        let weights = weights(&image);
        assert_eq!(weights.len(), view.pixels(), "there is one weight for each pixel");
        let listed: Vec<u32> = (0..).zip(&weights).filter(|(_, w)| **w != 0.0).map(|(p, _)| p).collect();
        let frame = IndexFrame::new(&self.grid, world_from_volume);
        let tracer = self.engine.tracer(self.grid.shape(), self.settings, self.support, view, &frame);
        // Summed task by task in order: the same bits for any number of threads.
        let parts: Vec<Twist> = listed
            .par_chunks(TASK)
            .map(|task| {
                let mut sum = Twist::zeros();
                trace_task(&tracer, view, &frame, task.iter().map(|&p| p as usize), true, |n, start, end, sample| {
                    sum += frame.pose_derivative(start, end, sample) * f64::from(weights[task[n] as usize]);
                });
                sum
            })
            .collect();
        (image, parts.iter().sum())
    }

    fn values(&self, view: &View, pose: &Rigid, pixels: Pixels) -> Vec<f32> {
        self.each_pixel(view, pose, pixels, false, |_, start, end, sample| (sample.mean * (end - start).norm()) as f32)
    }

    fn values_and_jacobian(&self, view: &View, pose: &Rigid, pixels: Pixels) -> (Vec<f32>, Vec<[f32; 6]>) {
        self.each_pixel(view, pose, pixels, true, |frame, start, end, sample| {
            let row = frame.pose_derivative(start, end, sample);
            ((sample.mean * (end - start).norm()) as f32, std::array::from_fn(|n| row[n] as f32))
        })
        .into_iter()
        .unzip()
    }

    fn each_pixel<T: Send + Clone + Default>(
        &self,
        view: &View,
        pose: &Rigid,
        pixels: Pixels,
        derivative: bool,
        result: impl Fn(&IndexFrame, &Point, &Point, &RaySample) -> T + Sync,
    ) -> Vec<T> {
        let frame = IndexFrame::new(&self.grid, pose);
        let tracer = self.engine.tracer(self.grid.shape(), self.settings, self.support, view, &frame);
        let mut results = vec![T::default(); pixels.len()];
        results.par_chunks_mut(TASK).enumerate().for_each(|(task, results)| {
            let first = task * TASK;
            let listed = (first..first + results.len()).map(|n| pixels.get(n));
            trace_task(&tracer, view, &frame, listed, derivative, |n, start, end, sample| {
                results[n] = result(&frame, start, end, sample);
            });
        });
        results
    }
}

/// Traces the rays of at most [`TASK`] pixels and hands each sample on with its number and the ray's ends (mm).
fn trace_task(
    tracer: &Tracer,
    view: &View,
    frame: &IndexFrame,
    pixels: impl Iterator<Item = usize>,
    derivative: bool,
    mut result: impl FnMut(usize, &Point, &Point, &RaySample),
) {
    let origin = (Point::origin(), Point::origin());
    let mut world = [origin; TASK];
    let mut index = [origin; TASK];
    let mut samples = [RaySample::default(); TASK];
    let mut count = 0;
    for p in pixels {
        world[count] = view.ray((p / view.cols()) as f64, (p % view.cols()) as f64);
        index[count] = (frame.index(&world[count].0), frame.index(&world[count].1));
        count += 1;
    }
    tracer.trace(&index[..count], derivative, &mut samples[..count]);
    for n in 0..count {
        result(n, &world[n].0, &world[n].1, &samples[n]);
    }
}
