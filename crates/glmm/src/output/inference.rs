//! Tests, marginal means, shares of variance and residual checks beside the figures of a fit.

use super::document::{FitDocument, Part};
use crate::design::Design;
use crate::fit::Fit;
use crate::formula::Built;
use crate::infer::error::InferenceError;
use crate::infer::marginal::{MarginalError, MarginalSettings, MarginalTable, marginal_table};
use crate::infer::r_squared::{RSquared, r_squared};
use crate::infer::residual_checks::{ResidualChecks, check_residuals};
use crate::infer::simulate::SimulatedEffects;
use crate::infer::wald::{DegreesOfFreedom, FixedEffects, JointTest, TermTest};
use crate::table::Table;
use serde::Serialize;

/// What is asked for beside a fit.
#[derive(Clone, Debug, PartialEq)]
pub struct InferenceSettings {
    /// Degrees of freedom of the tests of fixed effects.
    pub ddf: DegreesOfFreedom,
    /// Marginal means, one table each.
    pub marginal: Vec<MarginalSettings>,
    /// Simulations of the residual checks and their seed.
    pub checks: Option<(usize, u64)>,
}

/// What was found beside a fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Inference {
    /// The degrees of freedom of the tests of fixed effects; not there for z tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ddf: Option<Denominators>,
    /// Wald tests of the terms of the mean, each after all others but those that contain it (type II).
    pub term_tests: Vec<JointTest>,
    /// Marginal and conditional R² and intraclass correlations; not there where they are not defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r_squared: Option<RSquared>,
    /// Estimated marginal means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emmeans: Vec<MarginalTable>,
    /// Checks of simulated residuals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual_checks: Option<ResidualChecks>,
}

/// Denominator degrees of freedom.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Denominators {
    /// How they were found.
    pub method: DegreesOfFreedom,
    /// One for each coefficient of the mean.
    pub df: Vec<f64>,
}

impl FitDocument {
    /// Adds tests, marginal means, shares of variance and checks. With other degrees of freedom than the asymptotic ones
    /// the standard errors, statistics and probabilities of the coefficients become those of t tests (Kenward and Roger's
    /// with their adjusted covariance).
    pub fn infer(
        &mut self,
        fit: &Fit,
        built: &Built,
        table: &Table,
        settings: &InferenceSettings,
    ) -> Result<(), MarginalError> {
        let Built { design, recipe, .. } = built;
        let effects = FixedEffects::new(design, fit, settings.ddf)?;
        let emmeans = settings.marginal.iter().map(|by| marginal_table(table, design, recipe, fit, &effects, by));
        self.inference.emmeans = emmeans.collect::<Result<_, _>>()?;
        if self.linear.is_none() {
            self.inference.term_tests = term_tests(design, &effects);
            self.inference.r_squared = r_squared(design, fit).ok();
            if settings.ddf != DegreesOfFreedom::Asymptotic {
                let tests = effects.coefficient_tests(0.95)?.tests;
                self.mean = Part {
                    coef_names: effects.names.clone(),
                    fixef: effects.values.clone(),
                    se: tests.iter().map(|t| t.se).collect(),
                    z: tests.iter().map(|t| t.statistic).collect(),
                    p: tests.iter().map(|t| t.p).collect(),
                    vcov: effects.covariance.clone(),
                };
                let df = tests.iter().map(|t| t.df).collect();
                self.inference.ddf = Some(Denominators { method: settings.ddf, df });
            }
        }
        if let Some((simulations, seed)) = settings.checks {
            let checks: Result<_, InferenceError> =
                check_residuals(design, fit, SimulatedEffects::New, simulations, seed);
            self.inference.residual_checks = Some(checks?);
        }
        Ok(())
    }
}

/// No tests where the covariance of the fixed effects is not known.
fn term_tests(design: &Design, effects: &FixedEffects) -> Vec<JointTest> {
    effects.term_tests(design, TermTest::TypeTwo).unwrap_or_default()
}
