//! Means of a linear predictor, with their slopes.

use super::distributions::{normal_cdf, normal_density};
use crate::settings::Link;

/// The inverse link μ(η) and dμ/dη.
pub fn inverse_link(link: Link, eta: f64) -> (f64, f64) {
    match link {
        Link::Identity => (eta, 1.0),
        Link::Log => (eta.exp(), eta.exp()),
        Link::Logit => {
            let small = (-eta.abs()).exp();
            let p = if eta < 0.0 { small / (1.0 + small) } else { 1.0 / (1.0 + small) };
            (p, small / (1.0 + small).powi(2))
        }
        Link::Probit => (normal_cdf(eta), normal_density(eta)),
        Link::Cloglog => (-(-eta.exp()).exp_m1(), (eta - eta.exp()).exp()),
        Link::Cauchit => {
            let angle = if eta < 0.0 { (-1.0 / eta).atan() } else { std::f64::consts::FRAC_PI_2 + eta.atan() };
            (angle / std::f64::consts::PI, 1.0 / (std::f64::consts::PI * (1.0 + eta * eta)))
        }
        Link::Inverse => (1.0 / eta, -1.0 / (eta * eta)),
        Link::Sqrt => (eta * eta, 2.0 * eta),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_known_values_and_slopes_those_of_differences() {
        let e = std::f64::consts::E;
        for (l, eta, mean) in [
            (Link::Identity, 0.3, 0.3),
            (Link::Log, 1.0, e),
            (Link::Logit, -1.0, 1.0 / (1.0 + e)),
            (Link::Logit, -800.0, 0.0),
            (Link::Probit, 1.959963984540054, 0.975),
            (Link::Cloglog, 0.0, 1.0 - 1.0 / e),
            (Link::Cauchit, 1.0, 0.75),
            (Link::Cauchit, -1.0, 0.25),
            (Link::Inverse, 4.0, 0.25),
            (Link::Sqrt, 1.5, 2.25),
        ] {
            assert!((inverse_link(l, eta).0 - mean).abs() < 1e-15, "{l:?}");
        }
        let all = [
            Link::Identity,
            Link::Log,
            Link::Logit,
            Link::Probit,
            Link::Cloglog,
            Link::Cauchit,
            Link::Inverse,
            Link::Sqrt,
        ];
        for l in all {
            for eta in [-2.3, -0.4, 0.1, 1.9] {
                if matches!(l, Link::Sqrt) && eta < 0.0 {
                    continue;
                }
                let (_, slope) = inverse_link(l, eta);
                let difference = (inverse_link(l, eta + 1e-6).0 - inverse_link(l, eta - 1e-6).0) / 2e-6;
                assert!((difference - slope).abs() < 1e-6 * (1.0 + slope.abs()), "{l:?} {eta}");
            }
        }
    }
}
