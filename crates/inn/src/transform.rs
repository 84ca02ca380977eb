//! What a coupling does to a number, given parameters from a network: `y = g(x; θ)`, monotone in `x`.

use crate::error::InnError;
use crate::spline::Knots;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_2_PI, PI};

/// The elementwise map of a coupling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Transform {
    /// `x + t` (NICE, Dinh 2014): keeps volume.
    Additive,
    /// `x·exp(s) + t` (RealNVP, Dinh 2016; Glow, Kingma 2018), with `s` softly clamped to ±`clamp` by
    /// `clamp·(2/π)·atan(s/clamp)`.
    Affine {
        /// Bound on |log scale|, 0.1 to 10.
        clamp: f64,
    },
    /// Affine with log scales that sum to zero (GIN, Sorrenson 2020): keeps volume and changes proportions.
    VolumePreserving {
        /// Bound on |log scale| before the mean is taken off, 0.1 to 10.
        clamp: f64,
    },
    /// Rational-quadratic spline on `[-bound, bound]`, the identity outside.
    Spline {
        /// Number of bins, 2 to 64.
        bins: usize,
        /// Half the interval, 0.1 to 1000.
        bound: f64,
    },
    /// Rational-quadratic spline on the circle [-π, π), after a turn (Rezende 2020).
    Circular {
        /// Number of bins, 2 to 64.
        bins: usize,
    },
}

impl Transform {
    /// Refuses settings out of range; `field` names the place in messages.
    pub fn check(&self, field: &str) -> Result<(), InnError> {
        let refuse =
            |name: &str, found: f64, accepted: &str| Err(InnError::setting(format!("{field}.{name}"), found, accepted));
        match *self {
            Transform::Affine { clamp } | Transform::VolumePreserving { clamp } if !(0.1..=10.0).contains(&clamp) => {
                refuse("clamp", clamp, "0.1 to 10")
            }
            Transform::Spline { bins, .. } | Transform::Circular { bins } if !(2..=64).contains(&bins) => {
                refuse("bins", bins as f64, "2 to 64")
            }
            Transform::Spline { bound, .. } if !(0.1..=1000.0).contains(&bound) => {
                refuse("bound", bound, "0.1 to 1000")
            }
            _ => Ok(()),
        }
    }

    /// Parameters per number.
    pub fn parameters(&self) -> usize {
        match *self {
            Transform::Additive => 1,
            Transform::Affine { .. } | Transform::VolumePreserving { .. } => 2,
            Transform::Spline { bins, .. } => 3 * bins - 1,
            Transform::Circular { bins } => 3 * bins + 1,
        }
    }

    /// Is it a map between circles, whose numbers are angles?
    pub fn is_circular(&self) -> bool {
        matches!(self, Transform::Circular { .. })
    }

    /// `y` and the sum of log derivatives per row, for `x` `[n, d]` and parameters `[n, d·parameters]`.
    pub fn forward(&self, x: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        match *self {
            Transform::Additive => {
                let zero = crate::tensors::no_change(&x);
                (x + raw, zero)
            }
            Transform::Affine { .. } | Transform::VolumePreserving { .. } => {
                let (log_scale, shift) = self.affine(&x, raw);
                (x * log_scale.clone().exp() + shift, sum(log_scale))
            }
            Transform::Spline { bound, .. } => {
                let knots = Knots::with_linear_tails(per_number(&x, raw), bound);
                inside(x, bound, |inner| knots.forward(inner))
            }
            Transform::Circular { .. } => {
                let (knots, turn) = circular(&x, raw);
                let (y, log_derivative) = knots.forward(wrap(x + turn));
                (wrap(y), sum(log_derivative))
            }
        }
    }

    /// `x` and the sum of log derivatives of the inverse per row.
    pub fn inverse(&self, y: Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        match *self {
            Transform::Additive => {
                let zero = crate::tensors::no_change(&y);
                (y - raw, zero)
            }
            Transform::Affine { .. } | Transform::VolumePreserving { .. } => {
                let (log_scale, shift) = self.affine(&y, raw);
                ((y - shift) * log_scale.clone().neg().exp(), sum(log_scale.neg()))
            }
            Transform::Spline { bound, .. } => {
                let knots = Knots::with_linear_tails(per_number(&y, raw), bound);
                inside(y, bound, |inner| knots.inverse(inner))
            }
            Transform::Circular { .. } => {
                let (knots, turn) = circular(&y, raw);
                let (x, log_derivative) = knots.inverse(wrap(y));
                (wrap(x - turn), sum(log_derivative))
            }
        }
    }

    /// Log scales and shifts of the affine maps: the first half of the parameters, and the second.
    fn affine(&self, x: &Tensor<2>, raw: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let d = x.dims()[1];
        let (scale, shift) = (raw.clone().narrow(1, 0, d), raw.narrow(1, d, d));
        match *self {
            Transform::VolumePreserving { clamp } => {
                let log_scale = soft_clamp(scale, clamp);
                let mean = log_scale.clone().mean_dim(1);
                (log_scale - mean, shift)
            }
            Transform::Affine { clamp } => (soft_clamp(scale, clamp), shift),
            _ => unreachable!("only affine maps ask for scales"),
        }
    }
}

/// `clamp·(2/π)·atan(x/clamp)`: the identity's slope at 0 times 2/π, bounded by ±clamp.
pub(crate) fn soft_clamp(x: Tensor<2>, clamp: f64) -> Tensor<2> {
    x.div_scalar(clamp).atan().mul_scalar(clamp * FRAC_2_PI)
}

/// Angles brought into [-π, π).
pub(crate) fn wrap(angle: Tensor<2>) -> Tensor<2> {
    let turns = angle.clone().add_scalar(PI).div_scalar(2.0 * PI).floor().detach();
    // The remainder of a number just below a border may round up to the border itself.
    let inside = angle - turns.mul_scalar(2.0 * PI);
    let over = inside.clone().greater_equal_elem(PI).float().cast(inside.dtype());
    inside - over.mul_scalar(2.0 * PI)
}

fn sum(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).squeeze_dim(1)
}

fn per_number(x: &Tensor<2>, raw: Tensor<2>) -> Tensor<3> {
    let [n, d] = x.dims();
    let parameters = raw.dims()[1] / d;
    raw.reshape([n, d, parameters])
}

fn circular(x: &Tensor<2>, raw: Tensor<2>) -> (Knots, Tensor<2>) {
    let raw = per_number(x, raw);
    let bins3 = raw.dims()[2] - 1;
    let turn = raw.clone().narrow(2, bins3, 1).squeeze_dim(2);
    (Knots::periodic(raw.narrow(2, 0, bins3), PI), turn)
}

/// The map on `[-bound, bound]`, the identity outside.
fn inside(x: Tensor<2>, bound: f64, map: impl Fn(Tensor<2>) -> (Tensor<2>, Tensor<2>)) -> (Tensor<2>, Tensor<1>) {
    let outside = x.clone().abs().greater_equal_elem(bound);
    let (y, log_derivative) = map(x.clone().clamp(-bound, bound));
    (y.mask_where(outside.clone(), x), sum(log_derivative.mask_fill(outside, 0.0)))
}
