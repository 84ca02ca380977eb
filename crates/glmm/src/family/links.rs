//! What densities need of the mean, as functions of the linear predictor: log μ and, for probabilities, log(1 − μ).

use super::jet::{Derivatives, Jet, Variables};
use super::special;
use crate::settings::Link;

/// f(−x) from f.
fn mirrored(f: impl Fn(f64) -> Derivatives, x: f64) -> Derivatives {
    let d = f(-x);
    [d[0], -d[1], d[2], -d[3]]
}

/// log μ of a probability.
pub fn ln_probability(link: Link, eta: f64) -> Derivatives {
    match link {
        Link::Logit => mirrored(|x| special::softplus(x).map(|v| -v), eta),
        Link::Probit => special::ln_normal_cdf(eta),
        Link::Cloglog => special::ln_gumbel_cdf(eta),
        Link::Cauchit => special::ln_cauchy_cdf(eta),
        Link::Log if eta < 0.0 => [eta, 1.0, 0.0, 0.0],
        _ => [f64::NAN; 4],
    }
}

/// log(1 − μ) of a probability.
pub fn ln_complement(link: Link, eta: f64) -> Derivatives {
    match link {
        Link::Logit => special::softplus(eta).map(|v| -v),
        Link::Probit => mirrored(special::ln_normal_cdf, eta),
        Link::Cloglog => [-eta.exp(); 4],
        Link::Cauchit => mirrored(special::ln_cauchy_cdf, eta),
        Link::Log if eta < 0.0 => mirrored(special::log_one_minus_exp, eta),
        _ => [f64::NAN; 4],
    }
}

/// log μ of a positive mean.
pub fn ln_mean(link: Link, eta: f64) -> Derivatives {
    match link {
        Link::Log => [eta, 1.0, 0.0, 0.0],
        Link::Identity if eta > 0.0 => special::ln(eta),
        Link::Inverse if eta > 0.0 => special::ln(eta).map(|v| -v),
        // The mean is η² on both sides of zero.
        Link::Sqrt if eta > 0.0 => special::ln(eta).map(|v| 2.0 * v),
        Link::Sqrt if eta < 0.0 => mirrored(special::ln, eta).map(|v| 2.0 * v),
        _ => [f64::NAN; 4],
    }
}

/// μ of a real mean.
pub fn mean(link: Link, eta: f64) -> Derivatives {
    match link {
        Link::Identity => [eta, 1.0, 0.0, 0.0],
        Link::Log => [eta.exp(); 4],
        Link::Inverse => {
            let r = 1.0 / eta;
            [r, -r * r, 2.0 * r * r * r, -6.0 * r * r * r * r]
        }
        _ => [f64::NAN; 4],
    }
}

/// The linear predictor of a mean.
pub fn link(link: Link, mean: f64) -> f64 {
    match link {
        Link::Identity => mean,
        Link::Log => mean.ln(),
        Link::Logit => (mean / (1.0 - mean)).ln(),
        Link::Probit => {
            use statrs::distribution::{ContinuousCDF, Normal};
            Normal::standard().inverse_cdf(mean)
        }
        Link::Cloglog => (-(-mean).ln_1p()).ln(),
        Link::Cauchit => (std::f64::consts::PI * (mean - 0.5)).tan(),
        Link::Inverse => 1.0 / mean,
        Link::Sqrt => mean.sqrt(),
    }
}

/// A jet of log μ and one of log(1 − μ).
pub fn probability_jets<const N: usize>(link: Link, eta: &Jet<N>) -> (Jet<N>, Jet<N>)
where
    Jet<N>: Variables,
{
    let at = eta.value();
    (eta.compose(ln_probability(link, at)), eta.compose(ln_complement(link, at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_undoes_its_inverse_and_probabilities_add_up() {
        for l in [Link::Logit, Link::Probit, Link::Cloglog, Link::Cauchit, Link::Log] {
            for eta in [-3.0, -0.7, -0.01] {
                let p = ln_probability(l, eta)[0].exp();
                assert!((link(l, p) - eta).abs() < 1e-9, "{l:?}");
                assert!((p + ln_complement(l, eta)[0].exp() - 1.0).abs() < 1e-14, "{l:?}");
            }
        }
        for l in [Link::Log, Link::Identity, Link::Inverse, Link::Sqrt] {
            assert!((link(l, ln_mean(l, 0.8)[0].exp()) - 0.8).abs() < 1e-12);
        }
    }
}
