//! Equidistant samples of the trilinear interpolant.

use super::Field;
use crate::chord::{Chord, chord};
use crate::jacobian::RaySample;
use crate::renderer::Span;
use regiscope_geometry::{Point, Vector};

/// How rays are marched through a volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct March {
    /// Number of sample points, at least 2.
    pub samples: usize,
    /// The part of each ray that is sampled.
    pub span: Span,
    /// Whether only `α ∈ [0, 1]` counts.
    pub clip: bool,
    /// The box (low and high corner, continuous indices) whose chord is sampled by [`Span::Ray`].
    pub support: [[f64; 3]; 2],
}

/// Where the interpolant of voxels `0..n` with zeros outside can differ from zero: `(−1, n)`.
pub fn support(shape: [usize; 3]) -> [[f64; 3]; 2] {
    [[-1.0; 3], shape.map(|n| n as f64)]
}

impl March {
    /// Marching through a whole volume.
    pub fn new(shape: [usize; 3], samples: usize, span: Span, clip: bool) -> Self {
        Self { samples, span, clip, support: support(shape) }
    }

    /// The part of a ray that is sampled; `None` if nothing is.
    pub fn range(&self, start: &Point, d: &Vector) -> Option<Chord> {
        match self.span {
            Span::Ray => chord(self.support[0], self.support[1], start, d, self.clip),
            Span::Fixed(range) => {
                let alpha = range.map(|a| if self.clip { a.clamp(0.0, 1.0) } else { a });
                (alpha[0] < alpha[1]).then_some(Chord { alpha, face: [None, None] })
            }
        }
    }
}

/// Line integral as `Σₖ v(αₖ) Δα` over `samples` points `αₖ = a₀ + k Δα`, `Δα = (a₁ − a₀)/(samples − 1)`, of the
/// trilinear interpolant, which is zero outside the volume.
///
/// `start` and `end` are continuous indices. The derivative contains the motion of `a₀` and `a₁` with the ray
/// where the span follows the ray.
pub fn trilinear(field: &Field, march: &March, start: &Point, end: &Point) -> RaySample {
    let d = end - start;
    let mut sample = RaySample::default();
    let Some(range) = march.range(start, &d) else { return sample };
    let [a0, a1] = range.alpha;
    let intervals = (march.samples - 1) as f64;
    let step = (a1 - a0) / intervals;
    let mut by_range = [0.0; 2];
    for k in 0..march.samples {
        let t = k as f64 / intervals;
        let alpha = a0 + t * (a1 - a0);
        let (value, slope) = interpolate(field, &(start + d * alpha));
        sample.mean += value * step;
        for a in 0..3 {
            sample.by_start[a] += slope[a] * (1.0 - alpha) * step;
            sample.by_end[a] += slope[a] * alpha * step;
        }
        let along = slope.dot(&d) * step;
        by_range[0] += along * (1.0 - t) - value / intervals;
        by_range[1] += along * t + value / intervals;
    }
    range.add_motion(&d, by_range, &mut sample);
    sample
}

/// Value and slope of the trilinear interpolant at a continuous index.
fn interpolate(field: &Field, p: &Point) -> (f64, Vector) {
    let floor = p.map(f64::floor);
    let w = p - floor;
    let (mut value, mut slope) = (0.0, Vector::zeros());
    for corner in 0..8usize {
        let bit = |a: usize| (corner >> a & 1) as i64;
        let v = field.at([0, 1, 2].map(|a| floor[a] as i64 + bit(a)));
        let weight = |a: usize| if bit(a) == 1 { w[a] } else { 1.0 - w[a] };
        let sign = |a: usize| if bit(a) == 1 { 1.0 } else { -1.0 };
        value += v * weight(0) * weight(1) * weight(2);
        for a in 0..3 {
            slope[a] += v * sign(a) * weight((a + 1) % 3) * weight((a + 2) % 3);
        }
    }
    (value, slope)
}
