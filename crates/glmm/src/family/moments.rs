//! Means and variances of the responses given the linear predictors.

use super::likelihood::Likelihood;
use super::links;
use super::special::{log_one_minus_exp, softplus};
use crate::settings::{Family, ZeroPart};

/// Mean and variance of one response (for binomial families of the proportion; for ordered categories the probability of
/// the category that was seen, and no variance).
pub fn moments(likelihood: &Likelihood, i: usize, eta: [f64; 2], shape: &[f64]) -> (f64, f64) {
    let (mean, variance) = of_family(likelihood, i, eta[0], shape);
    match likelihood.zero {
        ZeroPart::None => (mean, variance),
        zero => {
            let lump = (-softplus(-eta[1])[0]).exp();
            // Behind a hurdle the family is cut off at zero: E[y | y > 0] = μ/(1 − P0), E[y² | y > 0] likewise.
            let kept = match (zero, minus_ln_zero(likelihood, eta[0], shape)) {
                (ZeroPart::Hurdle, Some(m)) => log_one_minus_exp(m)[0].exp(),
                _ => 1.0,
            };
            let (first, second) = (mean / kept, (variance + mean * mean) / kept);
            let total = (1.0 - lump) * first;
            (total, (1.0 - lump) * second - total * total)
        }
    }
}

/// Mean of the family itself, without its zero part.
pub fn family_mean(likelihood: &Likelihood, eta: f64) -> f64 {
    match likelihood.family {
        Family::Gaussian => links::mean(likelihood.link, eta)[0],
        Family::Binomial | Family::BetaBinomial | Family::Beta => links::ln_probability(likelihood.link, eta)[0].exp(),
        Family::Ordinal => f64::NAN,
        _ => links::ln_mean(likelihood.link, eta)[0].exp(),
    }
}

fn of_family(likelihood: &Likelihood, i: usize, eta: f64, shape: &[f64]) -> (f64, f64) {
    let mu = family_mean(likelihood, eta);
    let scale = shape.first().map_or(1.0, |s| s.exp());
    let weight = likelihood.weights[i];
    match likelihood.family {
        Family::Gaussian => (mu, scale * scale / weight),
        Family::Binomial => (mu, mu * (1.0 - mu) / (likelihood.trials[i] * weight)),
        Family::BetaBinomial => {
            let n = likelihood.trials[i];
            (mu, mu * (1.0 - mu) * (1.0 + (n - 1.0) / (scale + 1.0)) / (n * weight))
        }
        Family::Poisson => (mu, mu / weight),
        Family::NegativeBinomial1 => (mu, mu * (1.0 + scale) / weight),
        Family::NegativeBinomial2 => (mu, mu * (1.0 + mu / scale) / weight),
        Family::Gamma => (mu, mu * mu / (scale * weight)),
        Family::Beta => (mu, mu * (1.0 - mu) / ((1.0 + scale) * weight)),
        Family::Ordinal => (likelihood.log_density(i, [eta, 0.0], shape).exp(), f64::NAN),
    }
}

/// −log P(0) of a count family.
fn minus_ln_zero(likelihood: &Likelihood, eta: f64, shape: &[f64]) -> Option<f64> {
    let ln_mu = links::ln_mean(likelihood.link, eta)[0];
    match likelihood.family {
        Family::Poisson => Some(ln_mu.exp()),
        Family::NegativeBinomial1 => Some((ln_mu - shape[0]).exp() * softplus(shape[0])[0]),
        Family::NegativeBinomial2 => Some(shape[0].exp() * softplus(ln_mu - shape[0])[0]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn moments_of_counts_are_sums_over_the_distribution() {
        for (mut design, settings) in testing::generalised_designs() {
            if !matches!(settings.family, Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2) {
                continue;
            }
            design.weights = vec![1.0; design.weights.len()];
            let mut likelihood = Likelihood::new(&design, &settings);
            let (eta, shape) = ([0.7, -0.4], [0.3]);
            let (mean, variance) = moments(&likelihood, 0, eta, &shape);
            let (mut first, mut second) = (0.0, 0.0);
            for y in 0..600 {
                likelihood.y[0] = f64::from(y);
                let p = likelihood.log_density(0, eta, &shape).exp();
                first += p * f64::from(y);
                second += p * f64::from(y) * f64::from(y);
            }
            assert!((first - mean).abs() < 1e-8, "{:?} {:?}", settings.family, settings.zero);
            assert!((second - first * first - variance).abs() < 1e-6, "{:?} {:?}", settings.family, settings.zero);
        }
    }
}
