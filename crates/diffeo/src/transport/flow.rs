//! The map that a stationary velocity makes in unit time, with tangent and transpose.
//!
//! The moving image at time 1 is m₀(x + d(x)), where x + d(x) is the point that the flow of −v carries x to in unit
//! time. With nt = 2ᴷ steps of length h = 1/nt: a step of Heun's method is d₀(x) = −h/2 (v(x) + v(x − h v(x))), half
//! the squaring of −h v, and K squarings compose it with itself nt times (Arsigny, Commowick, Pennec & Ayache 2006,
//! "A log-Euclidean framework for statistics on diffeomorphisms", MICCAI). Composing maps instead of transporting
//! images interpolates the image once, whatever nt is, and needs K + 1 interpolations of three components.

use super::squaring::{MapKernel, Vectors, square, square_tangent, square_transpose};
use crate::field::VectorField;
use crate::grid::Grid;
use crate::interpolate::padded::Padded;
use crate::real::Real;
use rayon::prelude::*;

/// Everything between a velocity and its map that derivatives need.
#[derive(Clone, Debug)]
pub struct Flow<R: Real> {
    /// −h v in voxels, then the displacements of 1, 2, 4 … nt/2 steps.
    levels: Vec<Vectors<R>>,
    /// Voxels per time step that a unit of velocity makes along each axis, negative.
    scale: [R; 3],
}

impl<R: Real> Flow<R> {
    /// The flow of −`velocity` (units of length per time) in 2^`squarings` steps, and its displacement in voxels.
    pub fn new(grid: &Grid, velocity: &VectorField<R>, squarings: u32, kernel: MapKernel) -> (Self, Vectors<R>) {
        let scale = scale(grid, squarings);
        let mut flow = Self { levels: vec![pack(grid.shape, velocity, scale)], scale };
        for level in 0..squarings {
            let next = square(&flow.levels[level as usize], factor(level as usize), kernel);
            flow.levels.push(next);
        }
        let displacement = flow.displacement(kernel);
        (flow, displacement)
    }

    /// The derivative of the displacement (voxels) in the direction of another velocity.
    pub fn tangent(&self, direction: &VectorField<R>, kernel: MapKernel) -> Vectors<R> {
        let mut change = pack(self.shape(), direction, self.scale);
        let mut next = Padded::new(self.shape());
        for (level, d) in self.levels.iter().enumerate() {
            square_tangent(d, &change, factor(level), kernel, &mut next);
            std::mem::swap(&mut change, &mut next);
        }
        change
    }

    /// The transpose of [`Flow::tangent`]: from a weight of the displacement to one of the velocity.
    pub fn transpose(&self, mut weight: Vectors<R>, kernel: MapKernel) -> VectorField<R> {
        for (level, d) in self.levels.iter().enumerate().rev() {
            square_transpose(d, &mut weight, factor(level), kernel);
        }
        unpack(&weight, self.scale)
    }

    /// The displacement (voxels) itself once more.
    pub fn displacement(&self, kernel: MapKernel) -> Vectors<R> {
        let last = self.levels.len() - 1;
        square(&self.levels[last], factor(last), kernel)
    }

    /// Number of interpolations of a vector field that the map, its tangent or its transpose takes.
    pub fn interpolations(&self) -> usize {
        self.levels.len()
    }

    /// Number of samples along x, y and z.
    pub fn shape(&self) -> [usize; 3] {
        self.levels[0].shape()
    }
}

/// Voxels per time step that a unit of velocity makes along each axis, negative.
pub(crate) fn scale<R: Real>(grid: &Grid, squarings: u32) -> [R; 3] {
    let step = 0.5f64.powi(squarings as i32);
    std::array::from_fn(|a| R::of(-step / grid.step(a)))
}

/// The first level is the Euler step of which half the squaring is Heun's step.
pub(crate) fn factor<R: Real>(level: usize) -> R {
    R::of(if level == 0 { 0.5 } else { 1.0 })
}

/// Components side by side, each times its scale.
pub(crate) fn pack<R: Real>(shape: [usize; 3], field: &VectorField<R>, scale: [R; 3]) -> Vectors<R> {
    let [nx, ny, _] = shape;
    Padded::from_rows(shape, |y, z, row| {
        let start = (z * ny + y) * nx;
        let [a, b, c] = [0, 1, 2].map(|a: usize| &field[a][start..start + nx]);
        for (x, out) in row.iter_mut().enumerate() {
            *out = [scale[0] * a[x], scale[1] * b[x], scale[2] * c[x], R::zero()];
        }
    })
}

/// The components apart again, each times its scale.
pub(crate) fn unpack<R: Real>(vectors: &Vectors<R>, scale: [R; 3]) -> VectorField<R> {
    let [nx, ny, nz] = vectors.shape();
    std::array::from_fn(|a| {
        let mut component = vec![R::zero(); nx * ny * nz];
        component.par_chunks_mut(nx * ny).enumerate().for_each(|(z, plane)| {
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                row.iter_mut().zip(vectors.row(y, z)).for_each(|(out, quad)| *out = scale[a] * quad[a]);
            }
        });
        component
    })
}
