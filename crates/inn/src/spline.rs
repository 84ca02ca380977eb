//! Monotone rational-quadratic splines (Durkan, Bekasov, Murray and Papamakarios 2019), on tensors.
//!
//! With knots (xₖ, yₖ), widths wₖ, heights hₖ, slopes sₖ = hₖ/wₖ, derivatives δₖ and ξ = (x − xₖ)/wₖ,
//! `y = yₖ + hₖ (sₖ ξ² + δₖ ξ(1−ξ)) / (sₖ + (δₖ₊₁ + δₖ − 2sₖ) ξ(1−ξ))`.

use burn::tensor::{Tensor, activation};

/// Smallest width and height of a bin, as a part of the whole interval divided by the number of bins.
const MIN_BIN: f64 = 1e-2;
/// Smallest derivative at a knot.
const MIN_DERIVATIVE: f64 = 1e-2;

/// Knots of splines, one per row and dimension: tensors `[n, d, bins]`.
pub(crate) struct Knots {
    /// Left ends of bins.
    left: Tensor<3>,
    width: Tensor<3>,
    bottom: Tensor<3>,
    height: Tensor<3>,
    /// Derivatives at left and right ends.
    slope_left: Tensor<3>,
    slope_right: Tensor<3>,
}

/// Bins of positive size that fill `[-bound, bound]`: left ends and sizes.
fn bins(raw: Tensor<3>, bound: f64) -> (Tensor<3>, Tensor<3>) {
    let count = raw.dims()[2] as f64;
    let part = activation::softmax(raw, 2).mul_scalar(1.0 - MIN_BIN).add_scalar(MIN_BIN / count);
    let size = part.mul_scalar(2.0 * bound);
    let left = (size.clone().cumsum(2) - size.clone()).sub_scalar(bound);
    (left, size)
}

/// Positive derivatives, 1 where `raw` is 0.
fn derivatives(raw: Tensor<3>) -> Tensor<3> {
    let unit = ((1.0 - MIN_DERIVATIVE).exp() - 1.0).ln();
    activation::softplus(raw.add_scalar(unit), 1.0).add_scalar(MIN_DERIVATIVE)
}

impl Knots {
    /// From free parameters `[n, d, 3·bins − 1]`: the ends have derivative 1, to meet linear tails.
    pub(crate) fn with_linear_tails(raw: Tensor<3>, bound: f64) -> Knots {
        let [n, d, parameters] = raw.dims();
        let count = (parameters + 1) / 3;
        let (left, width) = bins(raw.clone().narrow(2, 0, count), bound);
        let (bottom, height) = bins(raw.clone().narrow(2, count, count), bound);
        let one = Tensor::ones([n, d, 1], (&raw.device(), raw.dtype()));
        let inner = derivatives(raw.narrow(2, 2 * count, count - 1));
        let slope_left = Tensor::cat(vec![one.clone(), inner.clone()], 2);
        let slope_right = Tensor::cat(vec![inner, one], 2);
        Knots { left, width, bottom, height, slope_left, slope_right }
    }

    /// From free parameters `[n, d, 3·bins]`: both ends share a derivative, as on a circle.
    pub(crate) fn periodic(raw: Tensor<3>, bound: f64) -> Knots {
        let count = raw.dims()[2] / 3;
        let (left, width) = bins(raw.clone().narrow(2, 0, count), bound);
        let (bottom, height) = bins(raw.clone().narrow(2, count, count), bound);
        let slope_left = derivatives(raw.narrow(2, 2 * count, count));
        let first = slope_left.clone().narrow(2, 0, 1);
        let slope_right = Tensor::cat(vec![slope_left.clone().narrow(2, 1, count - 1), first], 2);
        Knots { left, width, bottom, height, slope_left, slope_right }
    }

    /// The spline at `x` (`[n, d]`, inside the interval): values and logarithms of derivatives.
    pub(crate) fn forward(&self, x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let bin = self.bin(&self.left, &x);
        let xi = (x - bin.left) / bin.width.clone();
        let value = bin.bottom.clone() + bin.height.clone() * numerator(&bin.parts, &xi) / denominator(&bin.parts, &xi);
        let log_derivative = log_derivative(&bin.parts, &xi);
        (value, log_derivative)
    }

    /// The inverse at `y`: values, and logarithms of the inverse's derivatives.
    pub(crate) fn inverse(&self, y: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let bin = self.bin(&self.bottom, &y);
        let rise = y - bin.bottom;
        let Parts { slope, left, right } = bin.parts.clone();
        let bend = right + left.clone() - slope.clone().mul_scalar(2.0);
        let a = bin.height.clone() * (slope.clone() - left.clone()) + rise.clone() * bend.clone();
        let b = bin.height * left - rise.clone() * bend;
        let c = -(slope * rise);
        let root = (b.clone().square() - a * c.clone().mul_scalar(4.0)).clamp_min(0.0).sqrt();
        let xi = (c.mul_scalar(2.0) / (-b - root)).clamp(0.0, 1.0);
        let log_derivative = -log_derivative(&bin.parts, &xi);
        (bin.left + xi * bin.width, log_derivative)
    }

    /// The bin whose interval, starting at `starts`, holds each point.
    fn bin(&self, starts: &Tensor<3>, point: &Tensor<2>) -> Bin {
        let [n, d, count] = starts.dims();
        let options = (&point.device(), point.dtype());
        // 1 for each bin whose start was reached; the first one always is.
        let inner = starts.clone().narrow(2, 1, count - 1).lower_equal(point.clone().unsqueeze_dim::<3>(2));
        let one = Tensor::ones([n, d, 1], options);
        let zero = Tensor::zeros([n, d, 1], options);
        let inner = inner.float().cast(point.dtype());
        let reached = Tensor::cat(vec![one, inner.clone()], 2);
        let passed = Tensor::cat(vec![inner, zero], 2);
        let is_it = (reached - passed).detach();
        let pick = |values: &Tensor<3>| (values.clone() * is_it.clone()).sum_dim(2).squeeze_dim::<2>(2);
        let (width, height) = (pick(&self.width), pick(&self.height));
        let slope = height.clone() / width.clone();
        let parts = Parts { slope, left: pick(&self.slope_left), right: pick(&self.slope_right) };
        Bin { left: pick(&self.left), width, bottom: pick(&self.bottom), height, parts }
    }
}

/// What the formulas need of one bin: the chord's slope and the derivatives at its ends.
#[derive(Clone)]
struct Parts {
    slope: Tensor<2>,
    left: Tensor<2>,
    right: Tensor<2>,
}

struct Bin {
    left: Tensor<2>,
    width: Tensor<2>,
    bottom: Tensor<2>,
    height: Tensor<2>,
    parts: Parts,
}

fn rest(xi: &Tensor<2>) -> Tensor<2> {
    xi.clone().neg().add_scalar(1.0)
}

fn numerator(parts: &Parts, xi: &Tensor<2>) -> Tensor<2> {
    parts.slope.clone() * xi.clone().square() + parts.left.clone() * xi.clone() * rest(xi)
}

fn denominator(parts: &Parts, xi: &Tensor<2>) -> Tensor<2> {
    let bend = parts.right.clone() + parts.left.clone() - parts.slope.clone().mul_scalar(2.0);
    parts.slope.clone() + bend * xi.clone() * rest(xi)
}

fn log_derivative(parts: &Parts, xi: &Tensor<2>) -> Tensor<2> {
    let inner = parts.right.clone() * xi.clone().square()
        + parts.slope.clone().mul_scalar(2.0) * xi.clone() * rest(xi)
        + parts.left.clone() * rest(xi).square();
    parts.slope.clone().log().mul_scalar(2.0) + inner.log() - denominator(parts, xi).log().mul_scalar(2.0)
}
