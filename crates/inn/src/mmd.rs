//! Maximum mean discrepancy between two samples (Gretton 2012), with the kernels of Ardizzone et al. 2018.
//!
//! `MMD² = ⟨k(x, x')⟩ + ⟨k(y, y')⟩ − 2⟨k(x, y)⟩` with `k(a, b) = Σ_h h² / (h² + |a − b|²)` over three widths: inverse
//! multiquadratic kernels, whose heavy tails keep a gradient between samples that are far apart.

use burn::tensor::Tensor;

/// Widths of the kernels.
pub const WIDTHS: [f64; 3] = [0.05, 0.2, 0.9];

/// MMD² between the rows of `x` and of `y`, all pairs counted, also a row with itself: never negative, differentiable.
pub fn mmd2(x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let same = mean_kernel(&x, &x) + mean_kernel(&y, &y);
    same - mean_kernel(&x, &y).mul_scalar(2.0)
}

fn mean_kernel(a: &Tensor<2>, b: &Tensor<2>) -> Tensor<1> {
    let length2 = |t: &Tensor<2>| t.clone().square().sum_dim(1);
    let products = a.clone().matmul(b.clone().transpose());
    let distance2 = (length2(a) + length2(b).transpose() - products.mul_scalar(2.0)).clamp_min(0.0);
    let kernels = WIDTHS.map(|h| (distance2.clone().div_scalar(h * h).add_scalar(1.0)).recip().mean());
    kernels.into_iter().reduce(|a, b| a + b).expect("three kernels")
}

/// The same between plain rows of `width` numbers, in double precision: the reference, and the form for scores.
pub fn mmd2_of_rows(x: &[f64], y: &[f64], width: usize) -> f64 {
    let mean = |a: &[f64], b: &[f64]| {
        let mut sum = 0.0;
        for p in a.chunks_exact(width) {
            for q in b.chunks_exact(width) {
                let distance2: f64 = p.iter().zip(q).map(|(p, q)| (p - q) * (p - q)).sum();
                sum += WIDTHS.iter().map(|h| h * h / (h * h + distance2)).sum::<f64>();
            }
        }
        sum / ((a.len() / width) * (b.len() / width)) as f64
    };
    mean(x, x) + mean(y, y) - 2.0 * mean(x, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{normal, to_vec};
    use burn::tensor::{DType, Device};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn tensors_and_rows_agree_and_equal_samples_have_none() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let x = normal([40, 3], &mut rng, &Device::flex(), DType::F64);
        let y = normal([30, 3], &mut rng, &Device::flex(), DType::F64).add_scalar(0.5);
        let by_rows = mmd2_of_rows(&to_vec(x.clone()), &to_vec(y.clone()), 3);
        let by_tensors = to_vec(mmd2(x.clone(), y))[0];
        assert!((by_rows - by_tensors).abs() < 1e-12 && by_rows > 0.05, "{by_rows} {by_tensors}");
        assert!(to_vec(mmd2(x.clone(), x))[0].abs() < 1e-12);
    }
}
