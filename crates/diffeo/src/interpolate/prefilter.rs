//! Coefficients of the cubic B-spline through periodic samples.
//!
//! Along each axis the samples are (c₋₁ + 4c₀ + c₁)/6 of the coefficients. The inverse is a causal and an anti-causal
//! recursion with the pole √3 − 2 (Unser, Aldroubi & Eden 1993, "B-spline signal processing", IEEE Trans. Signal
//! Process. 41). Their starting values are periodic sums, cut where the terms fall below 1e-18. The filter is
//! symmetric: it is its own transpose.

use crate::real::Real;
use rayon::prelude::*;

const POLE: f64 = -0.267_949_192_431_122_7;
const GAIN: f64 = 6.0;
/// |POLE|³² is below 1e-18.
const HORIZON: usize = 32;
/// Columns filtered together.
const COLUMNS: usize = 32;

/// Replaces samples of shape `shape`, x-fastest, by the coefficients of the cubic B-spline through them.
pub fn prefilter<R: Real>(samples: &mut [R], shape: [usize; 3]) {
    let [nx, ny, nz] = shape;
    samples.par_chunks_mut(nx * ny).for_each(|plane| {
        let mut lines = vec![[R::zero(); COLUMNS]; nx.max(ny)];
        // Along x, as many rows as there are columns in a bundle.
        for rows in plane.chunks_mut(nx * COLUMNS) {
            for (l, row) in rows.chunks(nx).enumerate() {
                row.iter().zip(&mut lines).for_each(|(&value, line)| line[l] = value);
            }
            filter(&mut lines[..nx]);
            for (l, row) in rows.chunks_mut(nx).enumerate() {
                row.iter_mut().zip(&lines).for_each(|(value, line)| *value = line[l]);
            }
        }
        for x0 in (0..nx).step_by(COLUMNS) {
            let width = COLUMNS.min(nx - x0);
            for y in 0..ny {
                lines[y][..width].copy_from_slice(&plane[y * nx + x0..][..width]);
            }
            filter(&mut lines[..ny]);
            for y in 0..ny {
                plane[y * nx + x0..][..width].copy_from_slice(&lines[y][..width]);
            }
        }
    });
    // Along z: each bundle of rows through all planes goes to one thread.
    let mut bundles: Vec<Vec<&mut [R]>> = (0..(nx * ny).div_ceil(COLUMNS)).map(|_| Vec::with_capacity(nz)).collect();
    for plane in samples.chunks_mut(nx * ny) {
        for (bundle, piece) in bundles.iter_mut().zip(plane.chunks_mut(COLUMNS)) {
            bundle.push(piece);
        }
    }
    bundles.par_iter_mut().for_each_init(
        || vec![[R::zero(); COLUMNS]; nz],
        |lines, bundle| {
            for (line, piece) in lines.iter_mut().zip(bundle.iter()) {
                line[..piece.len()].copy_from_slice(piece);
            }
            filter(lines);
            for (line, piece) in lines.iter().zip(bundle.iter_mut()) {
                let width = piece.len();
                piece.copy_from_slice(&line[..width]);
            }
        },
    );
}

/// Both recursions along the first index, for all columns at once.
fn filter<R: Real>(line: &mut [[R; COLUMNS]]) {
    let n = line.len();
    let (gain, pole) = (R::of(GAIN), R::of(POLE));
    // The causal value at 0 is Σ poleᵏ s₋ₖ. A period shorter than the horizon is gone through more than once; the sum
    // is the geometric series all the same.
    let start = series((0..HORIZON).map(|k| &line[(n * HORIZON - k) % n]));
    line[0] = start.map(|s| s * gain);
    for i in 1..n {
        let before = line[i - 1];
        line[i].iter_mut().zip(&before).for_each(|(value, &before)| *value = *value * gain + pole * before);
    }
    let end = series((0..HORIZON).map(|k| &line[(n - 1 + k) % n]));
    line[n - 1] = end.map(|e| -pole * e);
    for i in (0..n - 1).rev() {
        let after = line[i + 1];
        line[i].iter_mut().zip(&after).for_each(|(value, &after)| *value = pole * (after - *value));
    }
}

/// Σ poleᵏ termₖ.
fn series<'a, R: Real>(terms: impl DoubleEndedIterator<Item = &'a [R; COLUMNS]>) -> [R; COLUMNS] {
    let mut sum = [R::zero(); COLUMNS];
    for term in terms.rev() {
        sum.iter_mut().zip(term).for_each(|(sum, &term)| *sum = *sum * R::of(POLE) + term);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn the_spline_of_the_coefficients_goes_through_the_samples() {
        for shape in [[33, 40, 70], [4, 5, 7]] {
            let [nx, ny, nz] = shape;
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let samples: Vec<f64> = (0..nx * ny * nz).map(|_| random.random_range(-1.0..1.0)).collect();
            let mut coefficients = samples.clone();
            prefilter(&mut coefficients, shape);
            let at = |x: usize, y: usize, z: usize| coefficients[((z % nz) * ny + y % ny) * nx + x % nx];
            for z in 0..nz {
                for y in 0..ny {
                    for x in 0..nx {
                        let mut sum = 0.0;
                        for (k, wk) in [1.0, 4.0, 1.0].into_iter().enumerate() {
                            for (j, wj) in [1.0, 4.0, 1.0].into_iter().enumerate() {
                                for (i, wi) in [1.0, 4.0, 1.0].into_iter().enumerate() {
                                    sum += wi * wj * wk / 216.0 * at(x + nx + i - 1, y + ny + j - 1, z + nz + k - 1);
                                }
                            }
                        }
                        assert!((sum - samples[(z * ny + y) * nx + x]).abs() < 1e-13);
                    }
                }
            }
        }
    }

    #[test]
    fn the_filter_is_its_own_transpose() {
        let shape = [9, 6, 11];
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let [a, b]: [Vec<f64>; 2] =
            std::array::from_fn(|_| (0..9 * 6 * 11).map(|_| random.random_range(-1.0..1.0)).collect());
        let (mut filtered_a, mut filtered_b) = (a.clone(), b.clone());
        prefilter(&mut filtered_a, shape);
        prefilter(&mut filtered_b, shape);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (dot(&filtered_a, &b), dot(&a, &filtered_b));
        assert!((left - right).abs() < 1e-12 * left.abs().max(1.0));
    }
}
