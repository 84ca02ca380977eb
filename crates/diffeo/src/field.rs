//! Vector fields on a grid and their inner product.
//!
//! A scalar field is a slice of `Grid::len()` numbers, x-fastest; a vector field is three of them. Sums are taken over
//! pieces of a fixed length, so that they are the same to the bit for every number of threads.

use crate::real::Real;
use rayon::prelude::*;

/// The x, y and z components of a vector field, each `Grid::len()` numbers, x-fastest.
pub type VectorField<R> = [Vec<R>; 3];

/// The vector field that is zero at each of `len` samples.
pub fn zeros<R: Real>(len: usize) -> VectorField<R> {
    std::array::from_fn(|_| vec![R::zero(); len])
}

/// Length of the pieces in which sums are taken.
const PIECE: usize = 1 << 14;

/// Σ aᵢ bᵢ, accumulated in double precision.
pub fn dot<R: Real>(a: &[R], b: &[R]) -> f64 {
    let sums: Vec<f64> = a
        .par_chunks(PIECE)
        .zip(b.par_chunks(PIECE))
        .map(|(a, b)| {
            // Eight running sums, which the compiler keeps in vector registers.
            let mut sums = [0.0; 8];
            let (a_lanes, b_lanes) = (a.chunks_exact(8), b.chunks_exact(8));
            let rest: f64 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a.wide() * b.wide()).sum();
            for (a, b) in a_lanes.zip(b_lanes) {
                for l in 0..8 {
                    sums[l] += a[l].wide() * b[l].wide();
                }
            }
            rest + sums.iter().sum::<f64>()
        })
        .collect();
    sums.iter().sum()
}

/// Σ a(x)·b(x) over the samples, without the volume of a cell.
pub fn inner<R: Real>(a: &VectorField<R>, b: &VectorField<R>) -> f64 {
    (0..3).map(|c| dot(&a[c], &b[c])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let a: Vec<f32> = (0..100_003).map(|i| (i as f32 * 0.37).sin()).collect();
        let sum = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            pool.install(|| dot(&a, &a))
        };
        assert_eq!(sum(1).to_bits(), sum(3).to_bits());
        let plain: f64 = a.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum(2) - plain).abs() < 1e-9 * plain);
    }

    #[test]
    fn the_inner_product_adds_the_components() {
        let field: VectorField<f64> = [vec![1.0, 2.0], vec![3.0, 0.0], vec![-1.0, 1.0]];
        assert_eq!(inner(&field, &field), 16.0);
        assert_eq!(inner(&field, &zeros(2)), 0.0);
    }
}
