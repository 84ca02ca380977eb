//! Where a ray enters and leaves a box of continuous indices.

use crate::jacobian::RaySample;
use regiscope_geometry::{Point, Vector};

/// The part of the ray `start + α d` inside a box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chord {
    /// `α` where the part begins and ends, `alpha[0] < alpha[1]`.
    pub alpha: [f64; 2],
    /// The axis whose face bounds the part at each end; `None` where the ray itself begins or ends.
    pub face: [Option<usize>; 2],
}

/// The chord of the box `[low, high)`, restricted to `α ∈ [0, 1]` if `clip`; `None` if the ray misses the box.
///
/// A ray that runs inside a plane belongs to the box when its coordinate is in the half-open interval.
pub fn chord(low: [f64; 3], high: [f64; 3], start: &Point, d: &Vector, clip: bool) -> Option<Chord> {
    let mut alpha = if clip { [0.0, 1.0] } else { [f64::NEG_INFINITY, f64::INFINITY] };
    let mut face = [None, None];
    for a in 0..3 {
        if d[a] == 0.0 {
            if start[a] < low[a] || start[a] >= high[a] {
                return None;
            }
            continue;
        }
        let (near, far) = if d[a] > 0.0 { (low[a], high[a]) } else { (high[a], low[a]) };
        let (enter, leave) = ((near - start[a]) / d[a], (far - start[a]) / d[a]);
        if enter > alpha[0] {
            (alpha[0], face[0]) = (enter, Some(a));
        }
        if leave < alpha[1] {
            (alpha[1], face[1]) = (leave, Some(a));
        }
    }
    (alpha[0] < alpha[1] && alpha[0].is_finite() && alpha[1].is_finite()).then_some(Chord { alpha, face })
}

impl Chord {
    /// Derivative of `alpha[end]` with respect to the start and to the end of the ray, as the axis it concerns and
    /// the two values; `None` where it does not move.
    ///
    /// A plane is crossed at `α = (p − s)/(e − s)`, so `∂α/∂s = (α − 1)/d` and `∂α/∂e = −α/d`.
    pub fn derivative(&self, end: usize, d: &Vector) -> Option<(usize, f64, f64)> {
        self.face[end].map(|a| (a, (self.alpha[end] - 1.0) / d[a], -self.alpha[end] / d[a]))
    }

    /// Adds to a sample's derivative what the motion of both ends of the chord contributes, from the derivative of
    /// `mean` with respect to their `α`.
    pub fn add_motion(&self, d: &Vector, by_alpha: [f64; 2], sample: &mut RaySample) {
        for (end, by_alpha) in by_alpha.into_iter().enumerate() {
            if let Some((a, by_start, by_end)) = self.derivative(end, d) {
                sample.by_start[a] += by_alpha * by_start;
                sample.by_end[a] += by_alpha * by_end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chord_of_a_box() {
        let d = Vector::new(10.0, 0.0, 0.0);
        let found = |s: f64, y: f64, clip| chord([0.0; 3], [4.0; 3], &Point::new(s, y, 1.0), &d, clip);
        assert_eq!(found(-2.0, 1.0, true), Some(Chord { alpha: [0.2, 0.6], face: [Some(0), Some(0)] }));
        assert_eq!(found(2.0, 1.0, true), Some(Chord { alpha: [0.0, 0.2], face: [None, Some(0)] }));
        assert_eq!(found(5.0, 1.0, true), None);
        assert_eq!(found(5.0, 1.0, false), Some(Chord { alpha: [-0.5, -0.1], face: [Some(0), Some(0)] }));
        assert_eq!(found(-2.0, 0.0, true).map(|c| c.alpha), Some([0.2, 0.6]), "lower face belongs to the box");
        assert_eq!(found(-2.0, 4.0, true), None, "upper face does not");
    }
}
