//! Local normalised cross-correlation: ½ ∫ w (v_r/(v_r + ε) − c²/((v_m + ε)(v_r + ε))) with the covariance c and the
//! variances v in the window around each sample (Avants, Epstein, Grossman & Gee 2008, Med. Image Anal. 12).
//!
//! The first term, which no warp changes, is the most that the second can reach; windows in which nothing is to be seen
//! then count as matched.
//!
//! The mask weighs windows by their middle. The curvature is the window-wise form of that of the global correlation:
//! Σ over windows of w/(v_m + ε) · MNM, applied exactly with six window means.

use super::window::Window;
use super::{Comparison, Curvature, Pair, cell, sums};
use crate::real::Real;
use rayon::prelude::*;

/// Local means and (co)variances of a pair.
#[derive(Clone, Debug)]
pub struct Moments<R> {
    window: Window,
    floor: f64,
    means: [Vec<R>; 2],
    variances: [Vec<R>; 2],
    covariance: Vec<R>,
}

/// What the window around one sample says.
struct Local {
    weight: f64,
    means: [f64; 2],
    /// With the floor added.
    variances: [f64; 2],
    covariance: f64,
}

impl<R: Real> Moments<R> {
    fn new(pair: Pair<R>, window: Window, floor: f64) -> Self {
        let shape = pair.grid.shape;
        let (m, r) = (pair.warped, pair.fixed);
        let mean = |a: &[R]| window.mean(a, shape);
        let means = [mean(m), mean(r)];
        let centred = |a: &[R], b: &[R], ma: &[R], mb: &[R]| -> Vec<R> {
            let product = window.mean(&product(a, b), shape);
            product.par_iter().zip(ma).zip(mb).map(|((&p, &a), &b)| p - a * b).collect()
        };
        let positive = |v: Vec<R>| v.into_par_iter().map(|v| if v > R::zero() { v } else { R::zero() }).collect();
        let variances = [positive(centred(m, m, &means[0], &means[0])), positive(centred(r, r, &means[1], &means[1]))];
        let covariance = centred(m, r, &means[0], &means[1]);
        Self { window, floor, means, variances, covariance }
    }

    fn at(&self, pair: &Pair<R>, i: usize) -> Local {
        Local {
            weight: pair.weight(i),
            means: [self.means[0][i].wide(), self.means[1][i].wide()],
            variances: [0, 1].map(|k| self.variances[k][i].wide() + self.floor),
            covariance: self.covariance[i].wide(),
        }
    }

    /// Window means of three fields that are made of the local statistics.
    fn spread(&self, pair: &Pair<R>, f: impl Fn(usize, Local) -> [f64; 3] + Sync) -> [Vec<R>; 3] {
        let len = pair.warped.len();
        let mut fields = [0; 3].map(|_| vec![R::zero(); len]);
        let [a, b, c] = &mut fields;
        a.par_iter_mut().zip(b).zip(c).enumerate().for_each(|(i, ((a, b), c))| {
            [*a, *b, *c] = f(i, self.at(pair, i)).map(R::of);
        });
        fields.map(|field| self.window.mean(&field, pair.grid.shape))
    }
}

fn product<R: Real>(a: &[R], b: &[R]) -> Vec<R> {
    a.par_iter().zip(b).map(|(&a, &b)| a * b).collect()
}

pub fn compare<R: Real>(pair: Pair<R>, window: Window, floor: f64) -> Comparison<R> {
    let moments = Moments::new(pair, window, floor);
    let [by_fixed, by_warped, rest] = moments.spread(&pair, |_, local| {
        let alpha = local.weight * local.covariance / (local.variances[0] * local.variances[1]);
        let gamma = alpha * local.covariance / local.variances[0];
        [alpha, gamma, alpha * local.means[1] - gamma * local.means[0]]
    });
    let slope = (0..pair.warped.len())
        .into_par_iter()
        .map(|i| rest[i] + by_warped[i] * pair.warped[i] - by_fixed[i] * pair.fixed[i])
        .collect();
    Comparison { value: of(&moments, pair), slope, curvature: Curvature::LocalCorrelation(moments) }
}

pub fn value<R: Real>(pair: Pair<R>, window: Window, floor: f64) -> f64 {
    of(&Moments::new(pair, window, floor), pair)
}

fn of<R: Real>(moments: &Moments<R>, pair: Pair<R>) -> f64 {
    let [sum] = sums(pair.warped.len(), |i| {
        let Local { weight, variances, covariance, .. } = moments.at(&pair, i);
        let most = variances[1] - moments.floor;
        [weight * (most - covariance * covariance / variances[0]) / variances[1]]
    });
    0.5 * cell(pair.grid) * sum
}

pub fn curve<R: Real>(moments: &Moments<R>, pair: Pair<R>, change: &mut [R]) {
    let shape = pair.grid.shape;
    let mean = moments.window.mean(change, shape);
    let with_warped = moments.window.mean(&product(change, pair.warped), shape);
    let with_fixed = moments.window.mean(&product(change, pair.fixed), shape);
    // In each window the result is a − ā − c_m (m − m̄) − c_r (r − r̄), times q = w/(v_m + ε).
    let own: Vec<R> = (0..change.len())
        .into_par_iter()
        .map(|i| R::of(pair.weight(i) / (moments.variances[0][i].wide() + moments.floor)))
        .collect();
    let [rest, by_warped, by_fixed] = moments.spread(&pair, |i, local| {
        let [sm, sr] = local.variances.map(f64::sqrt);
        let [mean_m, mean_r] = local.means;
        let a = mean[i].wide();
        let along_m = (with_warped[i].wide() - mean_m * a) / sm;
        let along_r = (with_fixed[i].wide() - mean_r * a) / sr;
        let correlation = local.covariance / (sm * sr);
        let share = moments.variances[0][i].wide() / local.variances[0];
        let t = along_r - along_m * correlation;
        let (cm, cr) = (((2.0 - share) * along_m - t * correlation) / sm, t / sr);
        let q = local.weight / local.variances[0];
        [q * (cm * mean_m + cr * mean_r - a), q * cm, q * cr]
    });
    let own = moments.window.mean(&own, shape);
    change.par_iter_mut().enumerate().for_each(|(i, a)| {
        *a = *a * own[i] + rest[i] - by_warped[i] * pair.warped[i] - by_fixed[i] * pair.fixed[i];
    });
}

/// The diagonal without what the projections take away.
pub fn scale_by_diagonal<R: Real>(moments: &Moments<R>, pair: Pair<R>, factors: &mut [R]) {
    factors.par_iter_mut().enumerate().for_each(|(i, f)| {
        *f *= R::of(pair.weight(i) / (moments.variances[0][i].wide() + moments.floor));
    });
}
