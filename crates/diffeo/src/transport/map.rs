//! Maps for use outside the optimiser: displacements there and back, compositions, determinants.
//!
//! The forward map x ↦ x + d(x) leads from a point of the fixed image to the point of the moving image that belongs
//! to it (the flow of −v); the inverse map leads back (the flow of v). Displacements are in voxels of their grid.

use super::flow::{factor, pack, scale, unpack};
use super::squaring::{MapKernel, Vectors, square};
use crate::field::VectorField;
use crate::grid::Grid;
use crate::interpolate::image::Image;
use crate::interpolate::kernel::Kernel;
use crate::real::Real;
use crate::stencil::{Difference, add_derivative, add_plane_derivative};
use rayon::prelude::*;

/// Squarings with which maps for output are composed: the error of 2⁵ steps is below that of any image.
pub const SQUARINGS: u32 = 5;

/// A map as it is put out.
#[derive(Clone, Debug)]
pub struct Output<R> {
    /// Displacement of the forward map, in voxels.
    pub displacement: VectorField<R>,
    /// Logarithm of det F by sums along the flow, see [`log_determinant`].
    pub log_determinant: Vec<R>,
}

/// The forward map of a velocity (units of length per time) with the logarithm of its determinant, by cubic
/// interpolation in 2^`squarings` steps.
pub fn output<R: Real>(grid: &Grid, velocity: &VectorField<R>, squarings: u32) -> Output<R> {
    // Along the flow of −v the logarithm changes at the rate −div v; the first level's step is the trapezoidal rule.
    let step = 0.5f64.powi(squarings as i32);
    let mut sum = vec![R::zero(); grid.len()];
    for (axis, component) in velocity.iter().enumerate() {
        add_derivative(component, grid.shape, axis, Difference::Eighth, -step / grid.step(axis), &mut sum);
    }
    let vectors = compose_steps(grid, velocity, squarings, |d, factor| {
        let there = Image::new(grid.shape, &sum, Kernel::CubicLagrange).values(d);
        sum.par_iter_mut().zip(&there).for_each(|(sum, &there)| *sum = factor * (*sum + there));
    });
    Output { displacement: unpack(&vectors, [R::one(); 3]), log_determinant: sum }
}

/// Displacement, in voxels, of the forward map of a velocity (units of length per time), by cubic interpolation.
pub fn displacement<R: Real>(grid: &Grid, velocity: &VectorField<R>, squarings: u32) -> VectorField<R> {
    unpack(&compose_steps(grid, velocity, squarings, |_, _| {}), [R::one(); 3])
}

/// Displacement, in voxels, of the inverse map of a velocity.
pub fn inverse_displacement<R: Real>(grid: &Grid, velocity: &VectorField<R>, squarings: u32) -> VectorField<R> {
    let back = velocity.each_ref().map(|component| component.par_iter().map(|&v| -v).collect());
    displacement(grid, &back, squarings)
}

/// The squarings of [`Flow`] without keeping their levels; `see` is shown each level and its factor.
fn compose_steps<R: Real>(
    grid: &Grid,
    velocity: &VectorField<R>,
    squarings: u32,
    mut see: impl FnMut(&Vectors<R>, R),
) -> Vectors<R> {
    let mut d = pack(grid.shape, velocity, scale(grid, squarings));
    for level in 0..=squarings as usize {
        let factor = factor(level);
        see(&d, factor);
        d = square(&d, factor, MapKernel::CubicLagrange);
    }
    d
}

/// Least and largest det F of a map as it is put out, of both forms in which it is told: by differences of the
/// displacement and by sums along the flow. A number that is NaN makes the least −∞.
pub fn determinant_range<R: Real>(shape: [usize; 3], map: &Output<R>) -> [f64; 2] {
    let differences = range(&determinant(shape, &map.displacement));
    let along = range(&map.log_determinant).map(f64::exp);
    [differences[0].min(along[0]), differences[1].max(along[1])]
}

fn range<R: Real>(values: &[R]) -> [f64; 2] {
    let narrow = |[least, largest]: [f64; 2], v: f64| {
        if v.is_nan() { [f64::NEG_INFINITY, largest] } else { [least.min(v), largest.max(v)] }
    };
    let pieces = values
        .par_chunks(1 << 14)
        .map(|piece| piece.iter().map(|v| v.wide()).fold([f64::INFINITY, f64::NEG_INFINITY], narrow));
    pieces.reduce(|| [f64::INFINITY, f64::NEG_INFINITY], |a, b| [a[0].min(b[0]), a[1].max(b[1])])
}

/// Displacement of x ↦ (x + first(x)) + second(x + first(x)), in voxels: `first` is applied first.
pub fn compose<R: Real>(
    shape: [usize; 3],
    first: &VectorField<R>,
    second: &VectorField<R>,
    kernel: Kernel,
) -> VectorField<R> {
    let places = pack(shape, first, [R::one(); 3]);
    std::array::from_fn(|a| {
        let mut there = Image::new(shape, &second[a], kernel).values(&places);
        there.par_iter_mut().zip(&first[a]).for_each(|(there, &here)| *there += here);
        there
    })
}

/// A field of `shape` at the grid's points displaced by so many voxels.
pub fn warp<R: Real>(shape: [usize; 3], field: &[R], displacement: &VectorField<R>, kernel: Kernel) -> Vec<R> {
    Image::new(shape, field, kernel).values(&pack(shape, displacement, [R::one(); 3]))
}

/// Determinant of the derivative of x ↦ x + d(x) at every sample, by differences of order 8.
pub fn determinant<R: Real>(shape: [usize; 3], displacement: &VectorField<R>) -> Vec<R> {
    let plane = shape[0] * shape[1];
    let mut determinant = vec![R::zero(); plane * shape[2]];
    determinant.par_chunks_mut(plane).enumerate().for_each_init(
        || vec![R::zero(); 9 * plane],
        |jacobian, (z, out)| {
            for (i, entry) in jacobian.chunks_exact_mut(plane).enumerate() {
                entry.fill(if i % 4 == 0 { R::one() } else { R::zero() });
                add_plane_derivative(&displacement[i / 3], shape, i % 3, Difference::Eighth, 1.0, z, entry);
            }
            for (x, out) in out.iter_mut().enumerate() {
                let [a, b, c, d, e, f, g, h, k]: [R; 9] = std::array::from_fn(|i| jacobian[i * plane + x]);
                *out = a * (e * k - f * h) - b * (d * k - f * g) + c * (d * h - e * g);
            }
        },
    );
    determinant
}

/// Logarithm of the determinant of the forward map of a velocity, by sums along the flow: the logarithm of a
/// composition is the sum of the logarithms where each is taken. The determinant is positive whatever the map.
pub fn log_determinant<R: Real>(grid: &Grid, velocity: &VectorField<R>, squarings: u32) -> Vec<R> {
    output(grid, velocity, squarings).log_determinant
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// A velocity of a few waves of size `size` on a box of 2π in n³ samples.
    fn waves(n: usize, size: f64) -> (Grid, VectorField<f64>) {
        let grid = Grid::new([n; 3], [1.0; 3]);
        let at = |i: usize| [i % n, i / n % n, i / n / n].map(|i| TAU * i as f64 / n as f64);
        let field = |f: fn([f64; 3]) -> f64| (0..n * n * n).map(|i| size * f(at(i))).collect();
        let velocity = [
            field(|[x, y, z]| (y + 0.3).sin() * z.cos() + 0.5 * x.sin()),
            field(|[x, y, z]| (z - x).cos() + 0.3 * (2.0 * y).sin()),
            field(|[x, y, _]| (x + 1.0).sin() * (2.0 * y).cos()),
        ];
        (grid, velocity)
    }

    fn difference(a: &VectorField<f64>, b: &VectorField<f64>) -> f64 {
        (0..3).flat_map(|c| a[c].iter().zip(&b[c]).map(|(a, b)| (a - b).abs())).fold(0.0, f64::max)
    }

    #[test]
    fn steps_converge_with_order_two() {
        let (grid, velocity) = waves(32, 0.6);
        let exact = displacement(&grid, &velocity, 9);
        let error = |squarings: u32| difference(&displacement(&grid, &velocity, squarings), &exact);
        let order = (error(1) / error(3)).log2() / 2.0;
        assert!((order - 2.0).abs() < 0.3, "{order}");
        assert!(error(SQUARINGS) < 0.01, "{}", error(SQUARINGS));
    }

    #[test]
    fn a_solid_rotation_turns_the_middle_of_the_box() {
        // Rotation inside radius 1.2 that fades out to radius 2.6, with a smooth step of the radius.
        let n = 64;
        let grid = Grid::new([n, n, 4], [1.0; 3]);
        let h = grid.step(0);
        let angle = 0.7;
        let centre = n as f64 / 2.0;
        let reach = [12.0, 28.0];
        let fade = |r: f64| {
            let t = ((r - reach[0]) / (reach[1] - reach[0])).clamp(0.0, 1.0);
            1.0 - t * t * t * (t * (6.0 * t - 15.0) + 10.0)
        };
        let place = |i: usize| [(i % n) as f64 - centre, (i / n % n) as f64 - centre];
        let turn = |i: usize, swap: bool| {
            let [x, y] = place(i);
            angle * h * fade(x.hypot(y)) * if swap { x } else { -y }
        };
        let velocity: VectorField<f64> = [
            (0..grid.len()).map(|i| turn(i, false)).collect(),
            (0..grid.len()).map(|i| turn(i, true)).collect(),
            vec![0.0; grid.len()],
        ];
        let d = displacement(&grid, &velocity, SQUARINGS);
        let det = determinant(grid.shape, &d);
        for i in 0..grid.len() {
            let [x, y] = place(i);
            // Every circle turns by its own angle, against the velocity.
            let (sin, cos) = (-angle * fade(x.hypot(y))).sin_cos();
            let expected = [x * cos - y * sin - x, x * sin + y * cos - y];
            assert!((d[0][i] - expected[0]).abs() < 0.01 && (d[1][i] - expected[1]).abs() < 0.01, "at {x} {y}");
            assert!((det[i] - 1.0).abs() < 0.01, "at {x} {y}: {}", det[i]);
        }
    }

    #[test]
    fn there_and_back_is_the_identity() {
        let (grid, velocity) = waves(32, 0.8);
        let forward = displacement(&grid, &velocity, SQUARINGS);
        let back = inverse_displacement(&grid, &velocity, SQUARINGS);
        assert!(difference(&forward, &[vec![0.0; 1 << 15], vec![0.0; 1 << 15], vec![0.0; 1 << 15]]) > 4.0);
        for (first, second) in [(&forward, &back), (&back, &forward)] {
            let both = compose(grid.shape, first, second, Kernel::CubicSpline);
            let far = both.iter().flatten().fold(0.0, |far: f64, d| far.max(d.abs()));
            assert!(far < 0.1, "{far} voxels");
        }
    }

    #[test]
    fn determinants_are_positive_and_agree_with_those_along_the_flow() {
        let (grid, velocity) = waves(48, 0.5);
        let map = determinant(grid.shape, &displacement(&grid, &velocity, SQUARINGS));
        let flow = log_determinant(&grid, &velocity, SQUARINGS);
        let (low, high) = map.iter().fold((f64::MAX, 0.0f64), |(low, high), &d| (low.min(d), high.max(d)));
        assert!(low > 0.0 && low < 0.7 && high > 1.4, "{low} {high}");
        for (map, flow) in map.iter().zip(&flow) {
            assert!((map.ln() - flow).abs() < 0.02, "{map} {}", flow.exp());
        }
    }

    #[test]
    fn warping_moves_the_field() {
        let shape = [8, 4, 4];
        let field: Vec<f64> = (0..128).map(|i| f64::from(i % 8)).collect();
        let shift = [vec![2.0; 128], vec![1.0; 128], vec![0.0; 128]];
        let moved = warp(shape, &field, &shift, Kernel::Linear);
        assert_eq!(moved[..8], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 0.0, 1.0]);
    }
}
