//! Log-densities of the families as formulas in jets: of the linear predictors and of the logarithm of the shape.
//!
//! Constants of the responses are included, so that log-likelihoods are complete.

use super::jet::{Jet, Variables};
use super::links::{ln_mean, mean, probability_jets};
use super::special::{gamma_constant, ln_gamma, ln_gamma_derivatives, log_one_minus_exp, rising_ratio, softplus};
use crate::settings::{Family, Link, ZeroPart};

/// The log-density of counts, and log(1 − P(0)) where it is asked for.
pub fn count<const N: usize>(family: Family, link: Link, y: f64, eta: Jet<N>, shape: Option<Jet<N>>) -> (Jet<N>, Jet<N>)
where
    Jet<N>: Variables,
{
    let ln_mu = eta.compose(ln_mean(link, eta.value()));
    let base = -ln_gamma(y + 1.0);
    // −log P(0): what a truncated density divides by is 1 − e^(−that).
    let (density, minus_ln_zero) = match (family, shape) {
        (Family::NegativeBinomial2, Some(phi)) => {
            // size α = e^φ, r = log(μ/α): H_y(α) + y log μ − (y + α) log(1 + e^r).
            let alpha = phi.exp();
            let r = ln_mu - phi;
            let soft = r.compose(softplus(r.value()));
            let h = alpha.compose(rising_ratio(y, alpha.value()));
            (h + ln_mu.scale(y) - soft * alpha.plus(y), soft * alpha)
        }
        (Family::NegativeBinomial1, Some(phi)) => {
            // size s = μ/α: H_y(s) + y log μ − (y + s) log(1 + α).
            let s = (ln_mu - phi).exp();
            let soft = phi.compose(softplus(phi.value()));
            let h = s.compose(rising_ratio(y, s.value()));
            (h + ln_mu.scale(y) - soft * s.plus(y), soft * s)
        }
        _ => {
            let mu = ln_mu.exp();
            (ln_mu.scale(y) - mu, mu)
        }
    };
    (density.plus(base), minus_ln_zero)
}

/// The log-density of a positive number: gamma with mean μ and shape e^φ.
pub fn gamma<const N: usize>(link: Link, y: f64, eta: Jet<N>, phi: Jet<N>) -> Jet<N>
where
    Jet<N>: Variables,
{
    let nu = phi.exp();
    let ln_mu = eta.compose(ln_mean(link, eta.value()));
    // With d = log(y/μ): K(ν) − log y − ν (e^d − 1 − d).
    let d = (-ln_mu).plus(y.ln());
    let at = d.value();
    let e = at.exp();
    let excess = if at.abs() < 1e-2 {
        at * at * (0.5 + at * (1.0 / 6.0 + at * (1.0 / 24.0 + at * (1.0 / 120.0 + at / 720.0))))
    } else {
        at.exp_m1() - at
    };
    let deviance = d.compose([excess, at.exp_m1(), e, e]);
    (nu.compose(gamma_constant(nu.value())) - nu * deviance).plus(-y.ln())
}

/// The log-density of a number between 0 and 1: beta with mean μ and precision e^φ.
pub fn beta<const N: usize>(link: Link, y: f64, eta: Jet<N>, phi: Jet<N>) -> Jet<N>
where
    Jet<N>: Variables,
{
    let (ln_mu, ln_rest) = probability_jets(link, &eta);
    let (a, b, precision) = ((ln_mu + phi).exp(), (ln_rest + phi).exp(), phi.exp());
    let ln_gamma_of = |x: Jet<N>| x.compose(ln_gamma_derivatives(x.value()));
    ln_gamma_of(precision) - ln_gamma_of(a) - ln_gamma_of(b)
        + a.plus(-1.0).scale(y.ln())
        + b.plus(-1.0).scale((-y).ln_1p())
}

/// The log-probability of `y` successes in `trials`.
pub fn binomial<const N: usize>(link: Link, y: f64, trials: f64, eta: Jet<N>) -> Jet<N>
where
    Jet<N>: Variables,
{
    let (ln_mu, ln_rest) = probability_jets(link, &eta);
    weigh(ln_mu, y, ln_rest, trials - y).plus(ln_choose(trials, y))
}

/// The log-probability of `y` successes in `trials` whose probability has a beta distribution with precision e^φ.
pub fn beta_binomial<const N: usize>(link: Link, y: f64, trials: f64, eta: Jet<N>, phi: Jet<N>) -> Jet<N>
where
    Jet<N>: Variables,
{
    let (ln_mu, ln_rest) = probability_jets(link, &eta);
    let (a, b, precision) = ((ln_mu + phi).exp(), (ln_rest + phi).exp(), phi.exp());
    let h = |count: f64, x: Jet<N>| x.compose(rising_ratio(count, x.value()));
    (weigh(ln_mu, y, ln_rest, trials - y) + h(y, a) + h(trials - y, b) - h(trials, precision))
        .plus(ln_choose(trials, y))
}

/// `a x + b y`, where a count of zero leaves its logarithm out even if that is −∞.
fn weigh<const N: usize>(x: Jet<N>, a: f64, y: Jet<N>, b: f64) -> Jet<N>
where
    Jet<N>: Variables,
{
    match (a == 0.0, b == 0.0) {
        (true, true) => Jet::constant(0.0),
        (true, false) => y.scale(b),
        (false, true) => x.scale(a),
        (false, false) => x.scale(a) + y.scale(b),
    }
}

/// The logarithm of a binomial coefficient (zero for proportions of weight one).
pub fn ln_choose(n: f64, k: f64) -> f64 {
    if k == 0.0 || k == n { 0.0 } else { ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0) }
}

/// The log-density of a real number: normal with mean μ, standard deviation e^φ/√w.
pub fn gaussian<const N: usize>(link: Link, y: f64, weight: f64, eta: Jet<N>, phi: Jet<N>) -> Jet<N>
where
    Jet<N>: Variables,
{
    let r = eta.compose(mean(link, eta.value())).plus(-y);
    let precision = phi.scale(-2.0).exp().scale(0.5 * weight);
    (-(r * r * precision) - phi).plus(0.5 * (weight / std::f64::consts::TAU).ln())
}

/// Adds the zero part with predictor ζ (its probability has the logit link) to a density and −log P(0) of the family;
/// continuous families have P(0) = 0.
pub fn with_zero_part<const N: usize>(
    zero: ZeroPart,
    y: f64,
    density: Jet<N>,
    minus_ln_zero: Option<Jet<N>>,
    zeta: Jet<N>,
) -> Jet<N>
where
    Jet<N>: Variables,
{
    let not_lump = -zeta.compose(softplus(zeta.value()));
    match (zero, y == 0.0, minus_ln_zero) {
        // log(π + (1 − π) P0) = log P0 + log(1 + e^(ζ − log P0)) − log(1 + e^ζ).
        (ZeroPart::Inflated, true, Some(m)) => {
            let x = zeta + m;
            x.compose(softplus(x.value())) - m + not_lump
        }
        (ZeroPart::Hurdle, false, Some(m)) => not_lump + density - m.compose(log_one_minus_exp(m.value())),
        (_, true, _) => zeta + not_lump,
        (_, false, _) => not_lump + density,
    }
}

/// The log-probability of a category between the thresholds below (`b`) and above (`a`), both less the linear predictor;
/// the outermost categories have one of them.
pub fn category(link: Link, above: Option<Jet<10>>, below: Option<Jet<10>>) -> Jet<10> {
    match (above, below) {
        (Some(a), None) => probability_jets(link, &a).0,
        (None, Some(b)) => probability_jets(link, &b).1,
        (Some(a), Some(b)) => {
            let ((ln_a, rest_a), (ln_b, rest_b)) = (probability_jets(link, &a), probability_jets(link, &b));
            // log(F(a) − F(b)) on the side where the probabilities are small: no cancellation.
            let (high, low) = if a.value() + b.value() > 0.0 { (rest_b, rest_a) } else { (ln_a, ln_b) };
            let gap = high - low;
            high + gap.compose(log_one_minus_exp(gap.value()))
        }
        (None, None) => Jet::constant(0.0),
    }
}
