//! The laws of every similarity, on one table of cases.

use super::*;

const SHAPE: [usize; 2] = [21, 17];

const KINDS: [Similarity; 8] = [
    Similarity::Ssd,
    Similarity::Ncc,
    Similarity::LocalNcc { patch: 3 },
    Similarity::LocalNcc { patch: 6 },
    Similarity::GradientNcc { sigma: 0.0 },
    Similarity::GradientNcc { sigma: 1.0 },
    Similarity::MutualInformation { bins: 8 },
    Similarity::MutualInformation { bins: 24 },
];

/// A smooth image with a little structure, different for each seed.
fn image(seed: f64) -> Image<f32> {
    let [rows, cols] = SHAPE;
    let at = |p: usize| {
        let (r, c) = ((p / cols) as f64, (p % cols) as f64);
        let blob = |y: f64, x: f64, w: f64| (-((r - y).powi(2) + (c - x).powi(2)) / w).exp();
        (4.0 * blob(8.0 + seed, 6.0, 20.0) + 3.0 * blob(14.0, 11.0 - seed, 9.0) + 0.3 * (r * 0.7 + c * seed).sin())
            as f32
    };
    Image::new(rows, cols, (0..rows * cols).map(at).collect())
}

fn mask() -> Image<bool> {
    let [rows, cols] = SHAPE;
    Image::new(rows, cols, (0..rows * cols).map(|p| p / cols > 1 && p % cols != 4 && p % 53 != 0).collect())
}

/// Every kind with and without mask, with all and with some of the pixels.
fn cases() -> Vec<(Similarity, Box<dyn Compare>)> {
    let (fixed, mask) = (image(0.0), mask());
    let mut cases = Vec::new();
    for kind in KINDS {
        for mask in [None, Some(&mask)] {
            // A mask with a hole in every 17th column leaves no room for the largest windows.
            for fraction in [1.0, 0.4] {
                if let Some(compare) = compare(kind, &fixed, mask, fraction, 3) {
                    cases.push((kind, compare));
                }
            }
        }
    }
    assert!(cases.len() >= 28, "{}", cases.len());
    cases
}

fn at(compare: &dyn Compare, image: &Image<f32>) -> Vec<f32> {
    compare.pixels().iter().map(|&p| image.data()[p as usize]).collect()
}

/// `moving + t · direction`, in the precision the similarities take.
fn moved(moving: &[f32], direction: &[f32], t: f32) -> Vec<f32> {
    moving.iter().zip(direction).map(|(m, d)| m + t * d).collect()
}

#[test]
fn weights_are_the_derivative() {
    for (kind, compare) in cases() {
        let (moving, direction) = (at(&*compare, &image(0.6)), at(&*compare, &image(-1.3)));
        let (value, weights) = compare.weights(&moving);
        assert!((value - compare.value(&moving)).abs() < 1e-12);
        let slope: f64 = weights.iter().zip(&direction).map(|(w, &d)| w * f64::from(d)).sum();
        let h = 2e-3;
        let ahead = compare.value(&moved(&moving, &direction, h));
        let behind = compare.value(&moved(&moving, &direction, -h));
        let difference = (ahead - behind) / (2.0 * f64::from(h));
        assert!((slope - difference).abs() < 2e-4 * (1.0 + slope.abs()), "{kind:?}: {slope} {difference}");
        assert!(slope.abs() > 1e-3, "{kind:?} does not feel the direction");
    }
}

#[test]
fn quadratic_has_the_exact_gradient_and_no_upward_curvature() {
    for (kind, compare) in cases() {
        let moving = at(&*compare, &image(0.6));
        let columns: Vec<Vec<f32>> = (0..6).map(|n| at(&*compare, &image(f64::from(n) * 0.9 - 2.0))).collect();
        let jacobian: Vec<[f32; 6]> = (0..moving.len()).map(|p| std::array::from_fn(|n| columns[n][p])).collect();
        let model = compare.quadratic(&moving, &jacobian);
        let (value, weights) = compare.weights(&moving);
        assert!((model.value - value).abs() < 1e-12);
        assert!((model.gradient - contract(&jacobian, &weights)).norm() < 1e-12 * (1.0 + model.gradient.norm()));
        let eigen = model.curvature.symmetric_eigenvalues();
        assert!(eigen.min() > -1e-9 * eigen.max() && eigen.max() > 0.0, "{kind:?} {eigen}");
    }
}

/// At the best image the Gauss–Newton curvature is the curvature: `S` falls by `½ xᵀ C x`.
#[test]
fn curvature_is_exact_at_the_match() {
    for (kind, compare) in cases() {
        if matches!(kind, Similarity::MutualInformation { .. }) {
            continue;
        }
        let moving = at(&*compare, &image(0.0));
        let direction = at(&*compare, &image(1.7));
        let jacobian: Vec<[f32; 6]> = direction.iter().map(|&d| [d, 0.0, 0.0, 0.0, 0.0, 0.0]).collect();
        let model = compare.quadratic(&moving, &jacobian);
        let h = 1e-2;
        let fall = [h, -h].map(|t| model.value - compare.value(&moved(&moving, &direction, t)));
        let curvature = (fall[0] + fall[1]) / f64::from(h).powi(2);
        let expected = model.curvature[(0, 0)];
        assert!((curvature - expected).abs() < 0.02 * expected, "{kind:?}: {curvature} {expected}");
    }
}

#[test]
fn the_fixed_image_itself_is_the_best() {
    for (kind, compare) in cases() {
        let same = compare.value(&at(&*compare, &image(0.0)));
        let other = compare.value(&at(&*compare, &image(0.6)));
        assert!(same > other + 1e-3, "{kind:?}: {same} {other}");
        match kind {
            Similarity::Ssd => assert_eq!(same, 0.0),
            Similarity::MutualInformation { .. } => {}
            _ => assert!((same - 1.0).abs() < 0.1, "{kind:?} {same}"),
        }
    }
}

#[test]
fn brightness_and_contrast_do_not_matter_where_they_should_not() {
    for (kind, compare) in cases() {
        let plain = compare.value(&at(&*compare, &image(0.6)));
        // The zeros around the image make gradients at its border of any brightness.
        let offset = if matches!(kind, Similarity::GradientNcc { .. }) { 0.0 } else { 5.0 };
        let bright = compare.value(&at(&*compare, &image(0.6).map(|v| 30.0 * v + offset)));
        let sizes = matches!(kind, Similarity::Ssd);
        // The floor under variances is felt by windows that are nearly flat.
        let tolerance = if matches!(kind, Similarity::LocalNcc { .. }) { 2e-2 } else { 1e-3 };
        assert_eq!((plain - bright).abs() > tolerance, sizes, "{kind:?} {plain} {bright}");
    }
}

#[test]
fn flat_images_have_numbers_too() {
    for (kind, compare) in cases() {
        let flat = vec![2.5f32; compare.pixels().len()];
        let model = compare.quadratic(&flat, &vec![[0.0; 6]; flat.len()]);
        assert!(model.value.is_finite() && model.gradient.iter().all(|v| v.is_finite()), "{kind:?}");
    }
    for kind in KINDS {
        let constant = Image::new(21, 17, vec![1.0; 21 * 17]);
        let interior = Image::new(
            21,
            17,
            (0..21 * 17).map(|p| (4..13).contains(&(p / 17)) && (4..13).contains(&(p % 17))).collect(),
        );
        assert!(compare(kind, &constant, Some(&interior), 1.0, 0).is_none(), "{kind:?}");
        let nothing = Image::new(21, 17, vec![false; 21 * 17]);
        assert!(compare(kind, &image(0.0), Some(&nothing), 1.0, 0).is_none(), "{kind:?}");
    }
}

#[test]
fn sparse_pixels_are_few_spread_and_repeatable() {
    let counts = vec![true; 1000];
    let pixels = spread_pixels(&counts, 0.1, 9);
    assert_eq!(pixels.len(), 100);
    assert!(pixels.windows(2).all(|w| w[0] < w[1]));
    assert!(pixels.iter().enumerate().all(|(n, &p)| p as usize / 10 == n));
    assert_eq!(pixels, spread_pixels(&counts, 0.1, 9));
    assert_ne!(pixels, spread_pixels(&counts, 0.1, 10));
}
