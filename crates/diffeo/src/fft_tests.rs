use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU;

const SHAPES: [[usize; 3]; 5] = [[8, 10, 12], [15, 7, 9], [1, 4, 6], [20, 21, 18], [2, 1, 3]];

fn noise(shape: [usize; 3], seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn transform(fft: &Fft3<f64>, field: &[f64]) -> Vec<Complex<f64>> {
    let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
    fft.forward(field, &mut spectrum);
    spectrum
}

/// The definition, term by term.
fn reference(shape: [usize; 3], field: &[f64], j: [i64; 3]) -> Complex<f64> {
    let mut sum = Complex::default();
    for z in 0..shape[2] {
        for y in 0..shape[1] {
            for x in 0..shape[0] {
                let turns: f64 =
                    [x, y, z].iter().zip(j).zip(shape).map(|((&i, j), n)| j as f64 * i as f64 / n as f64).sum();
                sum += Complex::from_polar(field[(z * shape[1] + y) * shape[0] + x], -TAU * turns);
            }
        }
    }
    sum / field.len() as f64
}

#[test]
fn coefficients_are_those_of_the_definition() {
    for (shape, band) in
        [([8, 10, 12], [8, 10, 12]), ([15, 7, 9], [15, 7, 9]), ([8, 9, 12], [4, 5, 7]), ([6, 8, 10], [6, 4, 5])]
    {
        let fft = Fft3::banded(shape, band);
        let field = noise(shape, 1);
        let spectrum = transform(&fft, &field);
        let [mx, my, mz] = fft.spectrum_shape();
        for (index, value) in spectrum.iter().enumerate() {
            let entry = [index % mx, index / mx % my, index / (mx * my)];
            let dropped = (0..3).any(|a| band[a] < shape[a] && 2 * entry[a] == band[a]);
            let j = [entry[0] as i64, wavenumber(entry[1], my), wavenumber(entry[2], mz)];
            let expected = if dropped { Complex::default() } else { reference(shape, &field, j) };
            assert!((value - expected).norm() < 1e-14, "{shape:?} {band:?} {j:?}: {value} instead of {expected}");
        }
    }
}

#[test]
fn inverse_after_forward_is_the_identity() {
    for shape in SHAPES {
        let fft = Fft3::new(shape);
        let field = noise(shape, 2);
        let mut back = vec![0.0; field.len()];
        fft.inverse(&transform(&fft, &field), &mut back);
        assert!(field.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-13), "{shape:?}");
        assert_eq!(fft.count(), 2);
    }
}

#[test]
fn forward_after_inverse_keeps_a_band() {
    let (shape, band) = ([12, 15, 10], [6, 7, 8]);
    let narrow = Fft3::banded(shape, band);
    let coefficients = transform(&narrow, &noise(shape, 3));
    let mut field = vec![0.0; shape.iter().product()];
    narrow.inverse(&coefficients, &mut field);
    let again = transform(&narrow, &field);
    assert!(coefficients.iter().zip(&again).all(|(a, b)| (a - b).norm() < 1e-14));
    let energy: f64 = transform(&Fft3::new(shape), &field).iter().map(|c| c.norm_sqr()).sum();
    let kept: f64 = coefficients.iter().map(|c| c.norm_sqr()).sum();
    assert!((energy - kept).abs() < 1e-12, "nothing lies outside the band");
}

#[test]
fn parseval() {
    for shape in SHAPES {
        let fft = Fft3::new(shape);
        let field = noise(shape, 4);
        let mean_square: f64 = field.iter().map(|f| f * f).sum::<f64>() / field.len() as f64;
        let mx = fft.spectrum_shape()[0];
        let energy: f64 = transform(&fft, &field)
            .iter()
            .enumerate()
            .map(|(i, c)| if i % mx == 0 || 2 * (i % mx) == shape[0] { c.norm_sqr() } else { 2.0 * c.norm_sqr() })
            .sum();
        assert!((mean_square - energy).abs() < 1e-12 * mean_square, "{shape:?}");
    }
}

#[test]
fn single_precision_agrees_with_double() {
    let shape = [24, 30, 28];
    let field = noise(shape, 5);
    let wide = transform(&Fft3::new(shape), &field);
    let fft = Fft3::<f32>::new(shape);
    let narrow: Vec<f32> = field.iter().map(|&f| f as f32).collect();
    let mut spectrum = vec![Complex::default(); fft.spectrum_len()];
    fft.forward(&narrow, &mut spectrum);
    let largest = wide.iter().map(|c| c.norm()).fold(0.0, f64::max);
    for (a, b) in wide.iter().zip(&spectrum) {
        assert!((a - Complex::new(f64::from(b.re), f64::from(b.im))).norm() < 1e-6 * largest);
    }
}

#[test]
fn smooth_sizes_have_small_factors() {
    assert_eq!([1, 11, 128, 150, 257, 289, 300, 311].map(smooth_size), [1, 12, 128, 150, 270, 294, 300, 315]);
}
