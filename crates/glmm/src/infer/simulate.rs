//! Responses drawn from a fitted model.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Beta, Binomial, Distribution, Gamma, Poisson, StandardNormal};
use serde::{Deserialize, Serialize};

use super::error::InferenceError;
use super::inverse_link::inverse_link;
use super::linear_state::belongs;
use crate::design::{Covariance, Design, Response};
use crate::fit::Fit;
use crate::matrix::Matrix;
use crate::random::{Layout, factor, parameters_of};
use crate::settings::{Family, Link, ZeroPart};

/// Where the random effects of a simulation come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SimulatedEffects {
    /// Drawn anew from their distribution: a new study with the same design.
    New,
    /// The conditional modes of the fit: the same groups, observed again.
    Conditional,
}

/// A fitted model, ready to draw from.
#[derive(Clone, Debug)]
pub struct Simulator<'a> {
    design: &'a Design,
    family: Family,
    link: Link,
    zero_part: ZeroPart,
    /// Linear predictors of the fixed effects and offsets, and of the zero part.
    fixed: Vec<Vec<f64>>,
    layout: Layout<'a>,
    /// Lower factors of the covariance of each term's effects.
    factors: Vec<Matrix>,
    /// Conditional modes in the order of the layout.
    modes: Vec<f64>,
    dispersion: f64,
    thresholds: Vec<f64>,
}

impl<'a> Simulator<'a> {
    /// Prepares the model that was fitted to a design.
    pub fn new(design: &'a Design, fit: &Fit) -> Result<Self, InferenceError> {
        belongs(design, fit)?;
        let layout = Layout::new(design);
        let estimates = std::iter::once(&fit.fixed).chain(&fit.zero);
        let predictors = std::iter::once(&design.mean).chain(&design.zero);
        let fixed = predictors.zip(estimates).map(|(predictor, estimates)| {
            let mut eta = predictor.offset.clone();
            for (j, &beta) in estimates.values.iter().enumerate() {
                crate::matrix::add_scaled(&mut eta, beta, predictor.fixed.column(j));
            }
            eta
        });
        let factor_of = |covariance: &Matrix| {
            let form = Covariance::Unstructured;
            factor(form, covariance.rows, &parameters_of(form, covariance))
        };
        let modes = fit.random.iter().flat_map(|term| {
            (0..term.modes.rows).flat_map(move |level| (0..term.modes.columns).map(move |c| term.modes[(level, c)]))
        });
        Ok(Self {
            design,
            family: fit.settings.family,
            link: fit.settings.link,
            zero_part: fit.settings.zero,
            fixed: fixed.collect(),
            layout,
            factors: fit.random.iter().map(|term| factor_of(&term.covariance)).collect(),
            modes: modes.collect(),
            dispersion: fit.dispersion.unwrap_or(1.0),
            thresholds: fit.thresholds.iter().flat_map(|t| t.values.iter().copied()).collect(),
        })
    }

    /// One set of responses. Equal seeds and replicate numbers give equal responses, in any order and on any number of
    /// threads. Prior weights scale the variance of Gaussian responses only.
    pub fn draw(&self, effects: SimulatedEffects, seed: u64, replicate: u64) -> Response {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(replicate);
        let b = match effects {
            SimulatedEffects::Conditional => self.modes.clone(),
            SimulatedEffects::New => {
                let u: Vec<f64> = (0..self.layout.effects()).map(|_| StandardNormal.sample(&mut random)).collect();
                self.layout.apply(&self.factors, &u, false)
            }
        };
        let mut eta = self.fixed.clone();
        for (p, eta) in eta.iter_mut().enumerate() {
            self.layout.add_product(p, &b, eta);
        }
        let n = eta[0].len();
        let predictors = |i: usize| (eta[0][i], eta.get(1).map(|zero| zero[i]));
        match &self.design.response {
            Response::Real(_) => {
                let mut one = |i: usize| {
                    let (eta, zero) = predictors(i);
                    self.number(eta, zero, 1.0, self.design.weights[i], &mut random)
                };
                Response::Real((0..n).map(&mut one).collect())
            }
            Response::Counts { trials, .. } => {
                let mut one = |i: usize| {
                    let (eta, zero) = predictors(i);
                    self.number(eta, zero, trials[i], self.design.weights[i], &mut random)
                };
                Response::Counts { successes: (0..n).map(&mut one).collect(), trials: trials.clone() }
            }
            Response::Ordinal { levels, .. } => {
                let codes = eta[0].iter().map(|&eta| self.category(eta, &mut random)).collect();
                Response::Ordinal { codes, levels: levels.clone() }
            }
        }
    }

    /// A response with this linear predictor (and that of the zero part, where there is one).
    pub(crate) fn number(&self, eta: f64, zero: Option<f64>, trials: f64, weight: f64, random: &mut ChaCha8Rng) -> f64 {
        let mean = inverse_link(self.link, eta).0;
        let lump = zero.map(|zeta| inverse_link(Link::Logit, zeta).0);
        if let Some(lump) = lump
            && random.random::<f64>() < lump
        {
            return 0.0;
        }
        let positive = lump.is_some() && self.zero_part == ZeroPart::Hurdle;
        match self.family {
            Family::Gaussian => {
                let z: f64 = StandardNormal.sample(random);
                mean + self.dispersion / weight.sqrt() * z
            }
            Family::Binomial => binomial(trials, mean, random),
            Family::BetaBinomial => {
                let p = beta(mean * self.dispersion, (1.0 - mean) * self.dispersion, random);
                binomial(trials, p, random)
            }
            Family::Poisson if positive => {
                // The first event falls in [0, μ], given that there is one; the rest is Poisson after it.
                let first = -(random.random::<f64>() * (-mean).exp_m1()).ln_1p();
                1.0 + poisson(mean - first, random)
            }
            Family::Poisson => poisson(mean, random),
            Family::NegativeBinomial1 => negative_binomial(mean / self.dispersion, mean, positive, random),
            Family::NegativeBinomial2 => negative_binomial(self.dispersion, mean, positive, random),
            Family::Gamma => {
                let shape = self.dispersion.powi(-2);
                gamma(shape, mean / shape, random)
            }
            Family::Beta => beta(mean * self.dispersion, (1.0 - mean) * self.dispersion, random),
            Family::Ordinal => f64::from(self.category(eta, random)),
        }
    }

    /// A category: P(Y ≤ j) = F(τ_j − η).
    fn category(&self, eta: f64, random: &mut ChaCha8Rng) -> u32 {
        let u: f64 = random.random();
        let above = |&&tau: &&f64| inverse_link(self.link, tau - eta).0 < u;
        self.thresholds.iter().take_while(above).count() as u32
    }
}

fn poisson(mean: f64, random: &mut ChaCha8Rng) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    Poisson::new(mean).map_or(f64::NAN, |d| d.sample(random))
}

fn gamma(shape: f64, scale: f64, random: &mut ChaCha8Rng) -> f64 {
    Gamma::new(shape, scale).map_or(f64::NAN, |d| d.sample(random))
}

/// A number strictly between 0 and 1, as the beta family requires.
fn beta(a: f64, b: f64, random: &mut ChaCha8Rng) -> f64 {
    let drawn = Beta::new(a, b).map_or(f64::NAN, |d| d.sample(random));
    drawn.clamp(1e-12, 1.0 - 1e-12)
}

fn binomial(trials: f64, p: f64, random: &mut ChaCha8Rng) -> f64 {
    Binomial::new(trials.round() as u64, p.clamp(0.0, 1.0)).map_or(f64::NAN, |d| d.sample(random) as f64)
}

/// A negative binomial count of this size and mean; without zeros where it is behind a hurdle.
fn negative_binomial(size: f64, mean: f64, positive: bool, random: &mut ChaCha8Rng) -> f64 {
    let zero = (-size * (mean / size).ln_1p()).exp();
    if !positive || zero < 0.9 {
        loop {
            let drawn = poisson(gamma(size, mean / size, random), random);
            if !positive || drawn != 0.0 {
                return drawn;
            }
        }
    }
    // Mostly zeros, so a small mean: search the probabilities of 1, 2, … for the drawn one.
    let share = mean / (mean + size);
    let rest = -(-size * (mean / size).ln_1p()).exp_m1();
    let mut left = random.random::<f64>() * rest;
    let (mut count, mut p) = (1.0, zero * size * share);
    while left > p && p > 0.0 {
        left -= p;
        p *= share * (count + size) / (count + 1.0);
        count += 1.0;
    }
    count
}

/// Responses drawn from a fit: `replicates` sets, each with its own random stream of the seed.
pub fn simulate(
    design: &Design,
    fit: &Fit,
    effects: SimulatedEffects,
    replicates: usize,
    seed: u64,
) -> Result<Vec<Response>, InferenceError> {
    let simulator = Simulator::new(design, fit)?;
    Ok((0..replicates as u64).map(|replicate| simulator.draw(effects, seed, replicate)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_behind_a_hurdle_have_the_mean_of_the_cut_off_distribution() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for (size, mean) in [(1.5, 2.0), (0.05, 0.02), (4.0, 0.1)] {
            let draws: Vec<f64> = (0..40_000).map(|_| negative_binomial(size, mean, true, &mut random)).collect();
            let zero: f64 = (1.0_f64 + mean / size).powf(-size);
            let expected = mean / (1.0 - zero);
            let square = (mean + mean * mean / size + mean * mean) / (1.0 - zero);
            let error = ((square - expected * expected) / 40_000.0).sqrt();
            let found = draws.iter().sum::<f64>() / 40_000.0;
            assert!((found - expected).abs() < 4.0 * error, "{size} {mean}: {found} {expected}");
            assert!(draws.iter().all(|&y| y >= 1.0));
        }
    }
}
