//! Gaussian smoothing, one axis after another.

use crate::volume::{Image, Volume};
use rayon::prelude::*;

/// Standard deviations after which the kernel is cut; what is cut weighs under 1e-4.
const CUT: f64 = 4.0;

/// Smooths with a Gaussian of standard deviation `sigma_mm` along each index axis (on grids with perpendicular
/// axes: an isotropic Gaussian in the world). Beyond the border the outer values continue. 0 changes nothing.
/// Time grows with `sigma_mm` over the spacing.
///
/// # Panics
/// If `sigma_mm` is negative or not finite.
pub fn smoothed(volume: &Volume<f32>, sigma_mm: f64) -> Volume<f32> {
    let spacing = volume.grid().spacing();
    let shape = volume.grid().shape();
    let data = convolved(volume.data(), shape, spacing.map(|s| sigma_mm / s));
    Volume::new(volume.grid().clone(), data)
}

/// Smooths an image with a Gaussian of standard deviation `sigma` pixels; beyond the border the outer values
/// continue.
///
/// # Panics
/// If `sigma` is negative or not finite.
pub fn smoothed_image(image: &Image<f32>, sigma: f64) -> Image<f32> {
    let shape = [image.cols(), image.rows(), 1];
    Image::new(image.rows(), image.cols(), convolved(image.data(), shape, [sigma, sigma, 0.0]))
}

/// Samples of a Gaussian at −r…r, of sum 1.
fn kernel(sigma: f64) -> Vec<f32> {
    assert!(sigma >= 0.0 && sigma.is_finite(), "a standard deviation is at least 0 and finite");
    if sigma == 0.0 {
        return vec![1.0];
    }
    let radius = (CUT * sigma).ceil() as i64;
    let weights: Vec<f64> = (-radius..=radius).map(|n| (-0.5 * (n as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

/// Convolves an x-fastest array with a Gaussian along each axis, standard deviations in samples.
fn convolved(data: &[f32], shape: [usize; 3], sigma: [f64; 3]) -> Vec<f32> {
    let mut result = data.to_vec();
    let mut before = Vec::new();
    for axis in 0..3 {
        let kernel = kernel(sigma[axis]);
        if kernel.len() == 1 || shape[axis] <= 1 || result.is_empty() {
            continue;
        }
        before.clone_from(&result);
        let inner: usize = shape[..axis].iter().product();
        if axis == 0 {
            let rows = result.par_chunks_mut(shape[0]).zip(before.par_chunks(shape[0]));
            rows.for_each(|(to, from)| convolve_row(from, to, &kernel));
        } else {
            convolve_lines(&before, &mut result, shape[axis], inner, &kernel);
        }
    }
    result
}

/// Convolves one contiguous row.
fn convolve_row(from: &[f32], to: &mut [f32], kernel: &[f32]) {
    let (n, radius) = (from.len(), kernel.len() / 2);
    for (i, value) in to.iter_mut().enumerate() {
        *value = if i >= radius && i + radius < n {
            from[i - radius..=i + radius].iter().zip(kernel).map(|(v, w)| v * w).sum()
        } else {
            kernel.iter().enumerate().map(|(k, w)| w * from[(i + k).saturating_sub(radius).min(n - 1)]).sum()
        };
    }
}

/// Convolves along an axis of extent `n` whose neighbours are `inner` elements apart: sums of whole runs.
fn convolve_lines(from: &[f32], to: &mut [f32], n: usize, inner: usize, kernel: &[f32]) {
    let radius = kernel.len() / 2;
    to.par_chunks_mut(inner).enumerate().for_each(|(line, sums)| {
        let (outer, i) = (line / n * n, line % n);
        sums.fill(0.0);
        for (k, &w) in kernel.iter().enumerate() {
            let neighbour = (i + k).saturating_sub(radius).min(n - 1);
            let run = &from[(outer + neighbour) * inner..][..inner];
            for (sum, v) in sums.iter_mut().zip(run) {
                *sum += w * v;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use regiscope_geometry::Grid;

    fn impulse(shape: [usize; 3], spacing: [f64; 3]) -> Volume<f32> {
        let grid = Grid::centred(shape, spacing).unwrap();
        let mut volume = Volume::new(grid.clone(), vec![0.0; grid.len()]);
        volume.data_mut()[grid.offset(shape.map(|n| n / 2))] = 1.0;
        volume
    }

    #[test]
    fn an_impulse_becomes_a_gaussian_of_that_width_in_mm() {
        let (shape, spacing, sigma) = ([41, 31, 21], [1.0, 1.5, 2.0], 3.0);
        let result = smoothed(&impulse(shape, spacing), sigma);
        let sum: f64 = result.data().iter().map(|&v| f64::from(v)).sum();
        assert!((sum - 1.0).abs() < 1e-5);
        for axis in 0..3 {
            let variance: f64 = result.data().iter().enumerate().fold(0.0, |total, (n, &v)| {
                let index = [n % 41, n / 41 % 31, n / (41 * 31)][axis];
                let mm = (index as f64 - (shape[axis] / 2) as f64) * spacing[axis];
                total + mm * mm * f64::from(v)
            });
            assert!((variance.sqrt() - sigma).abs() < 0.01, "axis {axis}: {}", variance.sqrt());
        }
    }

    #[test]
    fn constants_stay_and_zero_width_changes_nothing() {
        let grid = Grid::centred([5, 1, 7], [1.0; 3]).unwrap();
        let constant = Volume::new(grid.clone(), vec![2.5f32; 35]);
        let wide = smoothed(&constant, 20.0);
        assert!(wide.data().iter().all(|v| (v - 2.5).abs() < 1e-5));
        let volume = Volume::new(grid, (0..35).map(|n| n as f32).collect());
        assert_eq!(smoothed(&volume, 0.0), volume);
    }

    #[test]
    fn rows_and_lines_are_convolved_alike() {
        let data: Vec<f32> = (0..30).map(|n| ((n * 37) % 11) as f32).collect();
        let image = Image::new(5, 6, data.clone());
        let transposed = Image::new(6, 5, (0..30).map(|n| data[n % 5 * 6 + n / 5]).collect());
        let (a, b) = (smoothed_image(&image, 1.3), smoothed_image(&transposed, 1.3));
        for n in 0..30 {
            assert!((a.data()[n] - b.data()[n % 6 * 5 + n / 6]).abs() < 1e-5);
        }
    }

    #[test]
    fn smoothing_twice_adds_variances() {
        let once = smoothed(&smoothed(&impulse([41, 1, 1], [1.0; 3]), 3.0), 4.0);
        let direct = smoothed(&impulse([41, 1, 1], [1.0; 3]), 5.0);
        for n in 0..41 {
            assert!((once.data()[n] - direct.data()[n]).abs() < 1e-3);
        }
    }
}
