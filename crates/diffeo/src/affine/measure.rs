//! The measures: cost, gradient and a positive model of the curvature, from the values at the level's points.
//!
//! With m(p) the moving image's values at the points, J its rows of derivatives, f the fixed values:
//!
//! - SSD: r = (m − f)/σ_f; cost mean r², curvature of Gauss and Newton.
//! - NCC: r = â − b̂ with a, b the centred values and ^ the normed ones; ‖r‖² = 2 − 2 NCC, curvature of Gauss and
//!   Newton with J projected off the mean and off â.
//! - MI: cost −Σ p ln(p/(p_f p_m)) over a joint histogram with cubic B-splines along m. Its derivative with respect to
//!   one value is the slope of ln(p/p_m) at its bin over the number of points (Thévenaz and Unser 2000); the squares
//!   of these slopes stand for the curvature (Fisher's information, estimated by the outer product of scores).

use super::pyramid::Level;
use super::{Images, Measure};
use rayon::prelude::*;
use regiscope_geometry::nalgebra::{DMatrix, DVector};
use regiscope_geometry::{AffineMap, Vector};
use regiscope_image::resample;
use regiscope_image::window::quantile;

/// Points of a piece of work; sums are joined in the order of the pieces, so that the number of threads changes
/// nothing.
const PIECE: usize = 2048;
/// Numbers of an affine map.
pub const NUMBERS: usize = 12;

/// How values fall into bins; also says which measure is computed.
pub struct Bins {
    measure: Measure,
    /// Value at the lower end and width of a bin, for fixed and moving.
    scale: [(f64, f64); 2],
}

/// Bins beside those with values, which the spline's support reaches into.
const BESIDE: usize = 2;

impl Bins {
    /// Bins over the range of both images, 0.1 % of the values at either end cut off.
    pub fn new(images: Images, measure: Measure) -> Self {
        let scale = match measure {
            Measure::MutualInformation { bins } => [images.fixed, images.moving].map(|image| {
                // A part of the voxels tells quantiles well enough.
                let stride = image.data().len().div_ceil(1 << 18);
                let some: Vec<f32> = image.data().iter().step_by(stride).copied().collect();
                let low = f64::from(quantile(&some, 0.001).unwrap_or(0.0));
                let high = f64::from(quantile(&some, 0.999).unwrap_or(1.0));
                (low, ((high - low) / (bins - 2 * BESIDE) as f64).max(f64::MIN_POSITIVE))
            }),
            _ => [(0.0, 1.0); 2],
        };
        Self { measure, scale }
    }
}

/// Cost and curvature at a map.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The cost.
    pub cost: f64,
    /// Its derivative with respect to (t, L by rows), mm at the level's radius.
    pub gradient: DVector<f64>,
    /// A positive semidefinite model of its second derivative.
    pub curvature: DMatrix<f64>,
    /// Part of the points that fall into the moving image.
    pub overlap: f64,
}

/// A point that falls into the moving image.
struct Met {
    f: f64,
    m: f64,
    /// Derivative of m with respect to (t, L by rows).
    row: [f64; NUMBERS],
}

/// Evaluates the cost at a map; `None` where too few points fall into the moving image or it is constant there.
pub fn evaluate(level: &Level, bins: &Bins, map: &AffineMap) -> Option<Evaluation> {
    let met = meet(level, map);
    let overlap = met.len() as f64 / level.points.len().max(1) as f64;
    if met.len() < 2 * NUMBERS || overlap < 0.5 * level.least_overlap {
        return None;
    }
    let weights = match bins.measure {
        Measure::Ssd => ssd(&met)?,
        Measure::Ncc => ncc(&met)?,
        Measure::MutualInformation { bins: count } => mutual_information(&met, bins, count)?,
    };
    let Sums { gradient, curvature, mean, along } = sums(&met, &weights);
    let n = met.len() as f64;
    let mut curvature = DMatrix::from_fn(NUMBERS, NUMBERS, |r, c| curvature[r.max(c)][r.min(c)]);
    if let Some(Projected { norm }) = weights.projected {
        let mean = DVector::from_row_slice(&mean) / n;
        let along = DVector::from_row_slice(&along);
        curvature -= (&mean * mean.transpose()) * (2.0 * n / (norm * norm));
        curvature -= (&along * along.transpose()) * (2.0 / (norm * norm));
    }
    Some(Evaluation { cost: weights.cost, gradient: DVector::from_row_slice(&gradient), curvature, overlap })
}

/// The points that fall into the moving image, in their order.
fn meet(level: &Level, map: &AffineMap) -> Vec<Met> {
    let grid = level.moving.grid();
    let world_gradient = grid.axes_inverse().transpose();
    let one = |(point, f): &(regiscope_geometry::Point, f64)| {
        let y = map.apply(point);
        let (m, slope) = level.moving.value_and_gradient(&grid.index_from_world(&y))?;
        if let Some(mask) = &level.moving_mask
            && resample::nearest(mask, &mask.grid().index_from_world(&y)) != Some(true)
        {
            return None;
        }
        let g: Vector = world_gradient * slope;
        let from = (y - level.centre) / level.radius;
        let mut row = [0.0; NUMBERS];
        for a in 0..3 {
            row[a] = g[a];
            for b in 0..3 {
                row[3 + 3 * a + b] = g[a] * from[b];
            }
        }
        Some(Met { f: *f, m, row })
    };
    let pieces: Vec<Vec<Met>> = level.points.par_chunks(PIECE).map(|p| p.iter().filter_map(one).collect()).collect();
    pieces.into_iter().flatten().collect()
}

/// What each point contributes.
struct Weights {
    cost: f64,
    /// Derivative of the cost with respect to each value.
    slope: Vec<f64>,
    /// Curvature of the cost with respect to each value.
    curvature: Vec<f64>,
    /// For the NCC, whose rows are projected.
    projected: Option<Projected>,
    /// The direction â, for the projection; empty otherwise.
    along: Vec<f64>,
}

struct Projected {
    /// ‖a‖.
    norm: f64,
}

fn mean_of(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    values.sum::<f64>() / n as f64
}

fn ssd(met: &[Met]) -> Option<Weights> {
    let n = met.len();
    let mean = mean_of(met.iter().map(|p| p.f), n);
    let variance = mean_of(met.iter().map(|p| (p.f - mean).powi(2)), n);
    if variance <= 0.0 {
        return None;
    }
    let scale = 1.0 / (variance * n as f64);
    Some(Weights {
        cost: met.iter().map(|p| (p.m - p.f).powi(2)).sum::<f64>() * scale,
        slope: met.iter().map(|p| 2.0 * scale * (p.m - p.f)).collect(),
        curvature: vec![2.0 * scale; n],
        projected: None,
        along: Vec::new(),
    })
}

fn ncc(met: &[Met]) -> Option<Weights> {
    let n = met.len();
    let (mean_f, mean_m) = (mean_of(met.iter().map(|p| p.f), n), mean_of(met.iter().map(|p| p.m), n));
    let norm_f = met.iter().map(|p| (p.f - mean_f).powi(2)).sum::<f64>().sqrt();
    let norm = met.iter().map(|p| (p.m - mean_m).powi(2)).sum::<f64>().sqrt();
    if norm_f <= 0.0 || norm <= 1e-9 * mean_m.abs() * (n as f64).sqrt() {
        return None;
    }
    let along: Vec<f64> = met.iter().map(|p| (p.m - mean_m) / norm).collect();
    let target = |p: &Met| (p.f - mean_f) / norm_f;
    let correlation: f64 = met.iter().zip(&along).map(|(p, a)| a * target(p)).sum();
    Some(Weights {
        cost: 2.0 - 2.0 * correlation,
        slope: met.iter().zip(&along).map(|(p, a)| 2.0 * (correlation * a - target(p)) / norm).collect(),
        curvature: vec![2.0 / (norm * norm); n],
        projected: Some(Projected { norm }),
        along,
    })
}

/// The cubic B-spline and its derivative at the four bins around `x`, whose lowest is returned.
fn window(x: f64) -> (usize, [f64; 4], [f64; 4]) {
    let low = x.floor();
    let t = x - low;
    let s = 1.0 - t;
    let w =
        [s * s * s / 6.0, 2.0 / 3.0 - t * t * (2.0 - t) / 2.0, 2.0 / 3.0 - s * s * (2.0 - s) / 2.0, t * t * t / 6.0];
    let d = [-0.5 * s * s, t * (1.5 * t - 2.0), -s * (1.5 * s - 2.0), 0.5 * t * t];
    (low as usize - 1, w, d)
}

fn mutual_information(met: &[Met], bins: &Bins, count: usize) -> Option<Weights> {
    let [(f_low, f_width), (m_low, m_width)] = bins.scale;
    let least = BESIDE as f64;
    let most = (count - BESIDE) as f64 - 1e-9;
    let f_bin = |f: f64| (((f - f_low) / f_width + least).clamp(least, most)) as usize;
    // Values beyond the range hold still, so that their slope is 0.
    let m_place = |m: f64| {
        let x = (m - m_low) / m_width + least - 0.5;
        let clamped = x.clamp(least - 0.5, most - 0.5);
        (clamped, clamped == x)
    };
    let mut joint = vec![0.0; count * count];
    for p in met {
        let (low, w, _) = window(m_place(p.m).0);
        let row = &mut joint[f_bin(p.f) * count..][..count];
        (0..4).for_each(|k| row[low + k] += w[k]);
    }
    let n = met.len() as f64;
    joint.iter_mut().for_each(|v| *v /= n);
    let p_f: Vec<f64> = joint.chunks(count).map(|row| row.iter().sum()).collect();
    let p_m: Vec<f64> = (0..count).map(|c| joint.iter().skip(c).step_by(count).sum()).collect();
    let mut cost = 0.0;
    // ln(p/p_m), 0 where nothing falls.
    let mut ratio = vec![0.0; count * count];
    for (r, row) in joint.chunks(count).enumerate() {
        for (c, &p) in row.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            ratio[r * count + c] = (p / p_m[c]).ln();
            cost -= p * (p / (p_f[r] * p_m[c])).ln();
        }
    }
    if p_m.iter().filter(|p| **p > 0.0).count() <= 4 {
        // All values in one place: constant.
        return None;
    }
    let score = |p: &Met| {
        let (x, inside) = m_place(p.m);
        let (low, _, d) = window(x);
        let row = &ratio[f_bin(p.f) * count..][..count];
        if inside { (0..4).map(|k| row[low + k] * d[k]).sum::<f64>() / m_width } else { 0.0 }
    };
    let scores: Vec<f64> = met.iter().map(score).collect();
    Some(Weights {
        cost,
        slope: scores.iter().map(|s| -s / n).collect(),
        curvature: scores.iter().map(|s| s * s / n).collect(),
        projected: None,
        along: Vec::new(),
    })
}

/// Sums over points.
struct Sums {
    gradient: [f64; NUMBERS],
    curvature: [[f64; NUMBERS]; NUMBERS],
    mean: [f64; NUMBERS],
    along: [f64; NUMBERS],
}

fn sums(met: &[Met], weights: &Weights) -> Sums {
    let zero = || Sums {
        gradient: [0.0; NUMBERS],
        curvature: [[0.0; NUMBERS]; NUMBERS],
        mean: [0.0; NUMBERS],
        along: [0.0; NUMBERS],
    };
    let pieces: Vec<Sums> = met
        .par_chunks(PIECE)
        .enumerate()
        .map(|(piece, points)| {
            let mut sums = zero();
            for (n, p) in points.iter().enumerate() {
                let at = piece * PIECE + n;
                let (slope, curvature) = (weights.slope[at], weights.curvature[at]);
                let along = weights.along.get(at).copied().unwrap_or(0.0);
                for r in 0..NUMBERS {
                    let v = p.row[r];
                    sums.gradient[r] += slope * v;
                    sums.mean[r] += v;
                    sums.along[r] += along * v;
                    let cv = curvature * v;
                    for c in 0..=r {
                        sums.curvature[r][c] += cv * p.row[c];
                    }
                }
            }
            sums
        })
        .collect();
    pieces.into_iter().fold(zero(), |mut total, piece| {
        for r in 0..NUMBERS {
            total.gradient[r] += piece.gradient[r];
            total.mean[r] += piece.mean[r];
            total.along[r] += piece.along[r];
            for c in 0..=r {
                total.curvature[r][c] += piece.curvature[r][c];
            }
        }
        total
    })
}
