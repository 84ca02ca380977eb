//! What a fit is asked to do.

use serde::{Deserialize, Serialize};

pub use crate::profile::Criterion;

/// The distribution of the responses given the linear predictor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Normal, variance σ²/w.
    Gaussian,
    /// Binomial counts or proportions.
    Binomial,
    /// Poisson counts.
    Poisson,
    /// Negative binomial with variance μ (1 + α).
    #[serde(rename = "nbinom1")]
    NegativeBinomial1,
    /// Negative binomial with variance μ + μ²/α.
    #[serde(rename = "nbinom2")]
    NegativeBinomial2,
    /// Gamma with variance σ² μ².
    Gamma,
    /// Beta with mean μ and precision φ: shapes μφ and (1 − μ)φ.
    Beta,
    /// Binomial whose probability has a beta distribution with mean μ and precision φ.
    #[serde(rename = "betabinomial")]
    BetaBinomial,
    /// Ordered categories: P(Y ≤ j) = F(τ_j − η).
    Ordinal,
}

/// The function of the mean that is linear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// μ = η.
    Identity,
    /// log μ = η.
    Log,
    /// log(μ/(1 − μ)) = η.
    Logit,
    /// Φ⁻¹(μ) = η.
    Probit,
    /// log(−log(1 − μ)) = η.
    Cloglog,
    /// tan(π (μ − ½)) = η.
    Cauchit,
    /// 1/μ = η.
    Inverse,
    /// √μ = η.
    Sqrt,
}

/// What the second predictor, where there is one, says about zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroPart {
    /// There is none.
    #[default]
    None,
    /// A zero comes from a lump with probability π, or from the family.
    Inflated,
    /// A zero comes from the lump alone; other values follow the family without its zero.
    Hurdle,
}

/// How the integral over the random effects is approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Laplace's approximation; the fixed effects are those of the joint mode (lme4's `nAGQ = 0`).
    Joint,
    /// Laplace's approximation (`nAGQ = 1`).
    Laplace,
    /// Adaptive Gauss–Hermite quadrature with this many points for each level of the factor with most levels.
    Quadrature(usize),
}

/// Which curvature of the log-density Laplace's approximation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curvature {
    /// The second derivative at the responses: the exact Laplace approximation.
    #[default]
    Observed,
    /// Its expectation, as lme4 does. The same for canonical links.
    Expected,
}

/// Settings of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// The distribution.
    pub family: Family,
    /// The link.
    pub link: Link,
    /// What the second predictor means.
    pub zero: ZeroPart,
    /// The approximation of the integral (linear mixed models need none).
    pub method: Method,
    /// The curvature of Laplace's approximation.
    pub curvature: Curvature,
    /// Restricted or full likelihood (linear mixed models only).
    pub criterion: Criterion,
    /// The outer loop ends when the Newton decrement, an estimate of what the log-likelihood can still gain, is below
    /// this.
    pub tolerance: f64,
    /// Steps of the outer loop at most.
    pub max_iterations: usize,
    /// Starting values of θ, instead of those that the data give.
    pub start: Option<Vec<f64>>,
}

impl Settings {
    /// The settings for a family: its usual link, Laplace's approximation, REML.
    pub fn new(family: Family) -> Self {
        Settings {
            family,
            link: family.usual_link(),
            zero: ZeroPart::None,
            method: Method::Laplace,
            curvature: Curvature::Observed,
            criterion: Criterion::Reml,
            tolerance: 1e-9,
            max_iterations: 200,
            start: None,
        }
    }

    /// Whether the model is a linear mixed model, whose likelihood has a closed form.
    pub fn is_linear(&self) -> bool {
        self.family == Family::Gaussian && self.link == Link::Identity && self.zero == ZeroPart::None
    }
}

impl Family {
    /// The link that is used where none is named.
    pub fn usual_link(self) -> Link {
        match self {
            Family::Gaussian => Link::Identity,
            Family::Binomial | Family::Beta | Family::BetaBinomial | Family::Ordinal => Link::Logit,
            Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2 => Link::Log,
            Family::Gamma => Link::Log,
        }
    }

    /// The links that it takes.
    pub fn links(self) -> &'static [Link] {
        match self {
            Family::Gaussian => &[Link::Identity, Link::Log, Link::Inverse],
            Family::Binomial | Family::Beta | Family::BetaBinomial => {
                &[Link::Logit, Link::Probit, Link::Cloglog, Link::Cauchit, Link::Log]
            }
            Family::Ordinal => &[Link::Logit, Link::Probit, Link::Cloglog],
            Family::Poisson => &[Link::Log, Link::Identity, Link::Sqrt],
            Family::NegativeBinomial1 | Family::NegativeBinomial2 => &[Link::Log, Link::Sqrt, Link::Identity],
            Family::Gamma => &[Link::Log, Link::Inverse, Link::Identity],
        }
    }

    /// Its name, as R users write it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Gaussian => "gaussian",
            Family::Binomial => "binomial",
            Family::Poisson => "poisson",
            Family::NegativeBinomial1 => "nbinom1",
            Family::NegativeBinomial2 => "nbinom2",
            Family::Gamma => "Gamma",
            Family::Beta => "beta",
            Family::BetaBinomial => "betabinomial",
            Family::Ordinal => "ordinal",
        }
    }
}

impl Link {
    /// Its name, as R users write it.
    pub fn name(self) -> &'static str {
        match self {
            Link::Identity => "identity",
            Link::Log => "log",
            Link::Logit => "logit",
            Link::Probit => "probit",
            Link::Cloglog => "cloglog",
            Link::Cauchit => "cauchit",
            Link::Inverse => "inverse",
            Link::Sqrt => "sqrt",
        }
    }
}
