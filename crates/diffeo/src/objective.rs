//! The data part of the objective on one grid: value, gradient, Gauss-Newton product.
//!
//! The objective is discretised first and differentiated after that: m(1) is the moving image, interpolated once
//! through the map of [`Flow`], and all derivatives are those of the discrete map. With the derivative J of m(1) by v,
//! the slope s and the curvature C of the distance, the gradient is Jᵀs and the Gauss-Newton product JᵀCJ δv. Neither
//! takes a Fourier transform. Both are densities: the change of the value is Σ g(x)·δv(x) times the volume of a cell.
//!
//! With nt = 2ᴷ steps a product takes K + 1 gathers and K + 1 scatters of a vector field: at nt = 4 that is 18
//! interpolations of a scalar field, linear ones unless asked otherwise, and no transform, where CLAIRE takes 24 cubic
//! ones and 74 transforms (the regularisation adds its own). A linearisation keeps, per voxel, four numbers for each
//! level of the flow, three for each channel's image gradient and one for its warped image.
//!
//! The flow may live on a coarser grid of the same box than the images ([`Discretisation::coarsening`]), which divides its
//! share of both by the cube of the factor; [`Between`] leads from its last displacement to the images' voxels and back.
//! Velocities and gradients are then those of the flow's grid.

use crate::distance::{Curvature, Distance, Pair};
use crate::field::VectorField;
use crate::grid::Grid;
use crate::interpolate::image::Image;
use crate::interpolate::kernel::Kernel;
use crate::interpolate::padded::Padded;
use crate::interpolate::{Buffer, Quad};
use crate::real::Real;
use crate::spectral::resample::{coarser_shape, grid_of_shape};
use crate::stencil::{Difference, gradient};
use crate::transport::flow::{pack, unpack};
use crate::transport::map::determinant;
use crate::transport::{Between, Flow, MapKernel, Vectors};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// One channel of the images.
#[derive(Clone, Debug)]
pub struct Component<R> {
    /// The fixed image, x-fastest.
    pub fixed: Vec<R>,
    /// The moving image, x-fastest, on the same grid.
    pub moving: Vec<R>,
    /// Factor of this channel's distance, positive.
    pub weight: f64,
}

/// Choices of the discretisation.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Discretisation {
    /// The number of time steps is 2 to this power.
    pub squarings: u32,
    /// Interpolation of the moving image.
    pub image: Kernel,
    /// Interpolation of displacements in the objective and its gradient.
    pub map: MapKernel,
    /// Interpolation of displacements in Gauss-Newton products. Where it is not that of the map, products are those of
    /// a nearby positive semi-definite operator.
    pub product: MapKernel,
    /// How many times coarser than the images' grid the grid of velocities and their flow is along each axis; 1 for the
    /// same.
    pub coarsening: f64,
}

impl Default for Discretisation {
    /// Four steps, the image by B-splines, displacements linearly and on the images' grid.
    fn default() -> Self {
        Self {
            squarings: 2,
            image: Kernel::CubicSpline,
            map: MapKernel::Linear,
            product: MapKernel::Linear,
            coarsening: 1.0,
        }
    }
}

/// Images that cannot be registered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProblemError {
    /// No channel.
    #[error("there are no images; at least one channel is needed")]
    NoComponent,
    /// The grid is too small or too large.
    #[error("the grid has {0:?} samples; each axis needs at least 4, and all together at most 2³⁰")]
    Shape([usize; 3]),
    /// An array does not have the grid's length.
    #[error("the {image} of channel {channel} has {found} samples, the grid {expected}")]
    Length {
        /// Which array.
        image: &'static str,
        /// Which channel, counted from 0.
        channel: usize,
        /// Number of samples found.
        found: usize,
        /// Number of samples of the grid.
        expected: usize,
    },
    /// A sample is NaN or infinite.
    #[error("sample {index} of the {image} of channel {channel} is {value}; samples must be finite")]
    NotFinite {
        /// Which array.
        image: &'static str,
        /// Which channel, counted from 0.
        channel: usize,
        /// Where, counted x-fastest.
        index: usize,
        /// What was found.
        value: f64,
    },
    /// A channel's weight is not a positive number.
    #[error("the weight of channel {channel} is {weight}; it must be positive and finite")]
    Weight {
        /// Which channel, counted from 0.
        channel: usize,
        /// What was found.
        weight: f64,
    },
    /// A mask has another length, a weight that is negative or not finite, or no positive one.
    #[error("the mask must have {expected} weights, none negative or infinite, not all zero; {found}")]
    Mask {
        /// Number of samples of the grid.
        expected: usize,
        /// What is wrong.
        found: String,
    },
}

/// Images on one grid, and how they are compared.
#[derive(Debug)]
pub struct Problem<R: Real> {
    grid: Grid,
    flow_grid: Grid,
    /// The way from the flow's grid to that of the images, where they differ.
    between: Option<Between<R>>,
    fixed: Vec<Vec<R>>,
    moving: Vec<Image<R>>,
    weights: Vec<R>,
    mask: Option<Vec<R>>,
    distance: Distance,
    discretisation: Discretisation,
    /// Samples interpolated so far.
    interpolated: AtomicU64,
}

/// The objective at one velocity.
#[derive(Clone, Debug)]
pub struct Evaluation<R: Real> {
    /// The data part of the objective.
    pub value: f64,
    /// The warped moving image of every channel.
    pub warped: Vec<Vec<R>>,
    slopes: Vec<Vec<R>>,
    curvatures: Vec<Curvature<R>>,
    /// Derivatives of each channel's moving image, per voxel, at the displaced points.
    image_gradients: Vec<Buffer<[R; 3]>>,
    flow: Flow<R>,
}

/// The objective at one velocity with its gradient.
#[derive(Clone, Debug)]
pub struct Linearisation<R: Real> {
    /// What it was made of.
    pub evaluation: Evaluation<R>,
    /// Gradient of the data part.
    pub gradient: VectorField<R>,
}

impl<R: Real> Problem<R> {
    /// A problem on `grid`, with an optional weight for every sample of the fixed images.
    ///
    /// # Errors
    /// If the images do not fit the grid or hold numbers that are not finite.
    pub fn new(
        grid: Grid,
        components: Vec<Component<R>>,
        mask: Option<Vec<R>>,
        distance: Distance,
        discretisation: Discretisation,
    ) -> Result<Self, ProblemError> {
        check(&grid, &components, mask.as_deref())?;
        let moving = components.iter().map(|c| Image::new(grid.shape, &c.moving, discretisation.image)).collect();
        let weights = components.iter().map(|c| R::of(c.weight)).collect();
        let fixed = components.into_iter().map(|c| c.fixed).collect();
        let interpolated = AtomicU64::new(0);
        let flow_grid = grid_of_shape(&grid, coarser_shape(grid.shape, discretisation.coarsening));
        let between = (flow_grid.shape != grid.shape).then(|| Between::new(flow_grid.shape, grid.shape));
        Ok(Self { grid, flow_grid, between, fixed, moving, weights, mask, distance, discretisation, interpolated })
    }

    /// The grid of the images.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The grid of velocities and their flow.
    pub fn flow_grid(&self) -> &Grid {
        &self.flow_grid
    }

    /// The fixed image of a channel.
    pub fn fixed(&self, channel: usize) -> &[R] {
        &self.fixed[channel]
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.fixed.len()
    }

    /// Number of interpolations and scatters of a scalar field on the images' whole grid so far; those on a coarser grid
    /// count by its size, and the way between two grids as one of each component.
    pub fn interpolations(&self) -> u64 {
        self.interpolated.load(Ordering::Relaxed).div_ceil(self.grid.len() as u64)
    }

    /// Counts vector fields interpolated on the flow's grid, ways between the grids, and scalar fields interpolated on the
    /// images' grid.
    fn count(&self, vectors: usize, ways: usize, scalars: usize) {
        let ways = if self.between.is_some() { ways } else { 0 };
        let samples = 3 * vectors * self.flow_grid.len() + (3 * ways + scalars) * self.grid.len();
        self.interpolated.fetch_add(samples as u64, Ordering::Relaxed);
    }

    fn pair<'a>(&'a self, warped: &'a [R], channel: usize) -> Pair<'a, R> {
        Pair { grid: &self.grid, warped, fixed: &self.fixed[channel], mask: self.mask.as_deref() }
    }

    /// The data part of the objective at a velocity on the flow's grid.
    pub fn evaluate(&self, velocity: &VectorField<R>) -> Evaluation<R> {
        let Discretisation { squarings, map, .. } = self.discretisation;
        let (flow, displacement) = Flow::new(&self.flow_grid, velocity, squarings, map);
        self.count(flow.interpolations(), 1, self.channels());
        let displacement = match &self.between {
            Some(between) => {
                let here = between.prolong(&displacement);
                drop(displacement);
                here
            }
            None => displacement,
        };
        let mut evaluation = Evaluation {
            value: 0.0,
            warped: Vec::new(),
            slopes: Vec::new(),
            curvatures: Vec::new(),
            image_gradients: Vec::new(),
            flow,
        };
        let values: Vec<_> = self.moving.iter().map(|moving| moving.values_and_gradients(&displacement)).collect();
        drop(displacement);
        for (channel, (warped, gradients)) in values.into_iter().enumerate() {
            let comparison = self.distance.compare(self.pair(&warped, channel));
            evaluation.value += self.weights[channel].wide() * comparison.value;
            evaluation.warped.push(warped);
            evaluation.slopes.push(comparison.slope);
            evaluation.curvatures.push(comparison.curvature);
            evaluation.image_gradients.push(gradients);
        }
        evaluation
    }

    /// Adds the gradient, on the flow's grid, to an evaluation.
    pub fn linearise(&self, mut evaluation: Evaluation<R>) -> Linearisation<R> {
        // Products have no use for the slopes.
        let slopes = std::mem::take(&mut evaluation.slopes);
        let weight = self.pull(&evaluation, &slopes);
        drop(slopes);
        self.count(evaluation.flow.interpolations(), 1, 0);
        let gradient = evaluation.flow.transpose(weight, self.discretisation.map);
        Linearisation { evaluation, gradient }
    }

    /// The Gauss-Newton Hessian of the data part times a direction.
    pub fn gauss_newton_product(&self, at: &Linearisation<R>, direction: &VectorField<R>) -> VectorField<R> {
        let evaluation = &at.evaluation;
        self.count(2 * evaluation.flow.interpolations(), 2, 0);
        let change = evaluation.flow.tangent(direction, self.discretisation.product);
        let curved: Vec<Vec<R>> = (0..self.channels())
            .map(|channel| {
                let mut along = self.push(&evaluation.image_gradients[channel], &change);
                evaluation.curvatures[channel].apply(self.pair(&evaluation.warped[channel], channel), &mut along);
                along
            })
            .collect();
        drop(change);
        let weight = self.pull(evaluation, &curved);
        drop(curved);
        evaluation.flow.transpose(weight, self.discretisation.product)
    }

    /// The data part of the objective at the moving images displaced by so many voxels of their grid.
    pub fn value_through(&self, displacement: &VectorField<R>) -> f64 {
        let displacement = pack(self.grid.shape, displacement, [R::one(); 3]);
        self.count(0, 0, self.channels());
        let of = |(channel, moving): (usize, &Image<R>)| {
            let warped = moving.values(&displacement);
            self.weights[channel].wide() * self.distance.value(self.pair(&warped, channel))
        };
        self.moving.iter().enumerate().map(of).sum()
    }

    /// The displacement of an evaluation's map on the flow's grid, in its voxels.
    pub fn displacement(&self, evaluation: &Evaluation<R>) -> VectorField<R> {
        unpack(&evaluation.flow.displacement(self.discretisation.map), [R::one(); 3])
    }

    /// Determinant of the derivative of an evaluation's map, on the flow's grid.
    pub fn determinant(&self, evaluation: &Evaluation<R>) -> Vec<R> {
        determinant(self.flow_grid.shape, &self.displacement(evaluation))
    }

    /// Least and greatest determinant of the derivative of an evaluation's map.
    pub fn determinant_range(&self, evaluation: &Evaluation<R>) -> [f64; 2] {
        let (low, high) = self
            .determinant(evaluation)
            .par_iter()
            .map(|&d| (d.wide(), d.wide()))
            .reduce(|| (f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
        [low, high]
    }

    /// The blocks xx, xy, xz, yy, yz, zz of Σ weight · C ∇m∇mᵀ with the warped images m and the diagonal C of the
    /// curvature, on the images' grid: the data part's Gauss-Newton Hessian for small velocities, for use in
    /// preconditioners.
    pub fn zero_velocity_blocks(&self, evaluation: &Evaluation<R>) -> [Vec<R>; 6] {
        let mut blocks: [Vec<R>; 6] = std::array::from_fn(|_| vec![R::zero(); self.grid.len()]);
        let factor = [0, 1, 2].map(|a| 1.0 / self.grid.step(a));
        for (channel, warped) in evaluation.warped.iter().enumerate() {
            let slopes = gradient(warped, self.grid.shape, Difference::Eighth, factor);
            let mut diagonal = vec![self.weights[channel]; self.grid.len()];
            evaluation.curvatures[channel].scale_by_diagonal(self.pair(warped, channel), &mut diagonal);
            for (block, [a, b]) in blocks.iter_mut().zip([[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]) {
                let entries = slopes[a].par_iter().zip(&slopes[b]).zip(&diagonal);
                block.par_iter_mut().zip(entries).for_each(|(block, ((&a, &b), &c))| *block += c * a * b);
            }
        }
        blocks
    }

    /// ∇m·δd at every sample.
    fn push(&self, gradients: &[[R; 3]], change: &Vectors<R>) -> Vec<R> {
        let [nx, ny, _] = self.grid.shape;
        let mut along = vec![R::zero(); self.grid.len()];
        if let Some(between) = &self.between {
            let mut rows: Vec<(&mut [R], &[[R; 3]])> = along.chunks_mut(nx).zip(gradients.chunks(nx)).collect();
            between.each_row(change, &mut rows, |d, (out, gradients)| dots(gradients, d, out));
            return along;
        }
        along.par_chunks_mut(nx * ny).zip(gradients.par_chunks(nx * ny)).enumerate().for_each(|(z, (out, g))| {
            for y in 0..ny {
                dots(&g[y * nx..][..nx], change.row(y, z), &mut out[y * nx..][..nx]);
            }
        });
        along
    }

    /// Σ over channels of weight · s ∇m at every sample, brought to the flow's grid.
    fn pull(&self, evaluation: &Evaluation<R>, s: &[Vec<R>]) -> Vectors<R> {
        let [nx, ny, _] = self.grid.shape;
        let write = |y: usize, z: usize, row: &mut [Quad<R>]| {
            let start = (z * ny + y) * nx;
            row.fill([R::zero(); 4]);
            for (channel, gradients) in evaluation.image_gradients.iter().enumerate() {
                let (gradients, s) = (&gradients[start..][..nx], &s[channel][start..][..nx]);
                for ((out, g), &s) in row.iter_mut().zip(gradients).zip(s) {
                    let amount = self.weights[channel] * s;
                    for c in 0..3 {
                        out[c] += amount * g[c];
                    }
                }
            }
        };
        match &self.between {
            // Densities: there are fewer voxels to share them.
            Some(between) => between.restrict(R::of(self.flow_grid.len() as f64 / self.grid.len() as f64), write),
            None => Padded::from_rows(self.grid.shape, write),
        }
    }
}

/// g·d of every sample of a row.
fn dots<R: Real>(gradients: &[[R; 3]], d: &[Quad<R>], out: &mut [R]) {
    for ((out, g), d) in out.iter_mut().zip(gradients).zip(d) {
        *out = g[0] * d[0] + g[1] * d[1] + g[2] * d[2];
    }
}

pub(crate) fn check<R: Real>(grid: &Grid, components: &[Component<R>], mask: Option<&[R]>) -> Result<(), ProblemError> {
    if components.is_empty() {
        return Err(ProblemError::NoComponent);
    }
    let all = grid.shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
    if grid.shape.iter().any(|&n| n < 4) || all.is_none_or(|all| all > 1 << 30) {
        return Err(ProblemError::Shape(grid.shape));
    }
    let expected = grid.len();
    for (channel, component) in components.iter().enumerate() {
        for (image, samples) in [("fixed image", &component.fixed), ("moving image", &component.moving)] {
            if samples.len() != expected {
                return Err(ProblemError::Length { image, channel, found: samples.len(), expected });
            }
            if let Some(index) = samples.iter().position(|s| !s.wide().is_finite()) {
                return Err(ProblemError::NotFinite { image, channel, index, value: samples[index].wide() });
            }
        }
        if !(component.weight > 0.0 && component.weight.is_finite()) {
            return Err(ProblemError::Weight { channel, weight: component.weight });
        }
    }
    let Some(mask) = mask else { return Ok(()) };
    let wrong = |found: String| Err(ProblemError::Mask { expected, found });
    if mask.len() != expected {
        return wrong(format!("it has {}", mask.len()));
    }
    if let Some(index) = mask.iter().position(|w| !(w.wide() >= 0.0 && w.wide().is_finite())) {
        return wrong(format!("weight {index} is {}", mask[index]));
    }
    if mask.iter().all(|w| w.wide() == 0.0) {
        return wrong("all of them are zero".into());
    }
    Ok(())
}
