//! Expected curvatures of the log-densities: lme4's weights.

use super::likelihood::Likelihood;
use super::links;
use crate::settings::Family;

impl Likelihood<'_> {
    /// −E ∂²ℓ/∂η², lme4's weights, where the family has them in closed form; else nothing.
    pub fn expected_weight(&self, i: usize, eta: f64, shape: &[f64]) -> Option<f64> {
        if self.predictors() == 2 {
            return None;
        }
        let slope = || links::ln_mean(self.link, eta);
        let weight = self.weights[i];
        match self.family {
            Family::Binomial => {
                let (p, q) = (links::ln_probability(self.link, eta), links::ln_complement(self.link, eta));
                Some(-weight * self.trials[i] * p[1] * q[1])
            }
            Family::Poisson => {
                let m = slope();
                Some(weight * m[0].exp() * m[1] * m[1])
            }
            Family::NegativeBinomial2 => {
                let m = slope();
                Some(weight * m[0].exp() * m[1] * m[1] / (1.0 + (m[0] - shape[0]).exp()))
            }
            Family::Gamma => Some(weight * shape[0].exp() * slope()[1].powi(2)),
            Family::Gaussian => Some(weight * (-2.0 * shape[0]).exp() * links::mean(self.link, eta)[1].powi(2)),
            _ => None,
        }
    }
}
