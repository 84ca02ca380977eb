//! What a registration is asked to do.

use super::line_search::LineSearch;
use super::precondition::Choice;
use crate::objective::Discretisation;
use crate::regularisation::{Divergence, Regularisation};
use serde::{Deserialize, Serialize};

/// Settings of a whole registration: a regularisation, its weight, and the stages in which the problem is solved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// What keeps the velocity smooth.
    pub regularisation: Regularisation,
    /// The weight β, or how to find it.
    pub weight: Weight,
    /// From coarse to fine; the last one decides.
    pub stages: Vec<Stage>,
    /// A step that lowers the objective by less than this fraction ends a stage.
    pub decrease_tolerance: f64,
    /// The search along Newton steps.
    pub line_search: LineSearch,
}

/// The weight β of the regularisation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// This one.
    Fixed(f64),
    /// This one. Where det F leaves [bound, 1/bound] the velocity is made smoother around that place, see [`super::relax`]; if
    /// that does not help in a stage marked for it or in the last one, the stage is repeated with a larger weight.
    Guarded {
        /// The weight to begin with.
        beta: f64,
        /// Least det F, between 0 and 1.
        bound: f64,
    },
    /// The smallest, to a factor of 10^¼, for which det F stays within [bound, 1/bound], sought downward from `first` by
    /// factors of √10 and then by bisection on the stage marked for it, and raised on later stages if they need it.
    JacobianBound {
        /// Least det F, between 0 and 1.
        bound: f64,
        /// Where the search begins.
        first: f64,
        /// Where it ends at the latest.
        least: f64,
    },
}

/// One grid, one scale and one weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// How many times coarser than the images the grid is along each axis; 1 for their own grid.
    pub coarsening: f64,
    /// How many times coarser than this stage's grid the grid is that could carry the velocity; 1 for all wavenumbers that the
    /// flow's grid carries.
    pub band: f64,
    /// Standard deviation of the Gaussian that smooths both images, in samples of this stage's grid.
    pub smoothing: f64,
    /// The weight here as a multiple of the final one.
    pub beta_factor: f64,
    /// Time steps and interpolations.
    pub discretisation: Discretisation,
    /// Newton steps at most.
    pub newton_steps: usize,
    /// Products with the Hessian at most in a Newton step.
    pub krylov_steps: usize,
    /// Gradient norm, relative to the run's first, at which the stage has converged.
    pub gradient_tolerance: f64,
    /// What speeds the Krylov iteration up.
    pub preconditioner: Choice,
    /// How many times coarser than this stage's grid that of a preconditioner that iterates is; 1 for the same.
    pub inner_coarsening: f64,
    /// Products at most in a call of a preconditioner that iterates.
    pub inner_steps: usize,
    /// Whether the weight is sought here when a bound on det F asks for it, or raised where a guard is broken.
    pub seek_weight: bool,
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// There is nothing to do.
    #[error("there are no stages; at least one is needed")]
    NoStage,
    /// A number is out of its range.
    #[error("{name} is {value}; accepted: {accepted}")]
    Range {
        /// Which setting.
        name: String,
        /// What was found.
        value: f64,
        /// What is accepted.
        accepted: &'static str,
    },
    /// A bound on det F is asked for, and no stage seeks the weight.
    #[error("a bound on det F is set but no stage seeks the weight; mark one with seek_weight")]
    NoSearchStage,
}

impl Settings {
    /// Whether the settings can be used.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn check(&self) -> Result<(), SettingsError> {
        let positive = "a positive number";
        if self.stages.is_empty() {
            return Err(SettingsError::NoStage);
        }
        within("regularisation.order", f64::from(self.regularisation.order), 1.0, 3.0, "1, 2 or 3")?;
        if let Divergence::Penalised(weight) = self.regularisation.divergence {
            within("regularisation.divergence", weight, 0.0, f64::MAX, "zero or a positive number")?;
        }
        match self.weight {
            Weight::Fixed(beta) => within("weight", beta, f64::MIN_POSITIVE, f64::MAX, positive)?,
            Weight::Guarded { beta, bound } => {
                within("weight.beta", beta, f64::MIN_POSITIVE, f64::MAX, positive)?;
                within("weight.bound", bound, f64::MIN_POSITIVE, 1.0 - f64::EPSILON, "between 0 and 1")?;
            }
            Weight::JacobianBound { bound, first, least } => {
                within("weight.bound", bound, f64::MIN_POSITIVE, 1.0 - f64::EPSILON, "between 0 and 1")?;
                within("weight.first", first, f64::MIN_POSITIVE, f64::MAX, positive)?;
                within("weight.least", least, f64::MIN_POSITIVE, first, "positive and not above weight.first")?;
                if !self.stages.iter().any(|s| s.seek_weight) {
                    return Err(SettingsError::NoSearchStage);
                }
            }
        }
        within("decrease_tolerance", self.decrease_tolerance, 0.0, 1.0, "between 0 and 1")?;
        let LineSearch { sufficient_decrease, halvings } = self.line_search;
        within("line_search.sufficient_decrease", sufficient_decrease, 0.0, 0.5, "between 0 and 0.5")?;
        within("line_search.halvings", halvings as f64, 0.0, 50.0, "0 to 50")?;
        for (i, stage) in self.stages.iter().enumerate() {
            stage.check(|name| format!("stages[{i}].{name}"))?;
        }
        Ok(())
    }

    /// The weight that stages multiply before any search.
    pub fn first_weight(&self) -> f64 {
        match self.weight {
            Weight::Fixed(beta) | Weight::Guarded { beta, .. } => beta,
            Weight::JacobianBound { first, .. } => first,
        }
    }
}

impl Stage {
    fn check(&self, name: impl Fn(&str) -> String) -> Result<(), SettingsError> {
        let positive = "a positive number";
        within(&name("coarsening"), self.coarsening, 1.0, 1e3, "at least 1")?;
        within(&name("band"), self.band, 1.0, 1e3, "at least 1")?;
        within(&name("smoothing"), self.smoothing, 0.0, 1e3, "zero or a positive number of samples")?;
        within(&name("beta_factor"), self.beta_factor, f64::MIN_POSITIVE, f64::MAX, positive)?;
        within(&name("discretisation.squarings"), f64::from(self.discretisation.squarings), 0.0, 10.0, "0 to 10")?;
        within(&name("discretisation.coarsening"), self.discretisation.coarsening, 1.0, 1e3, "at least 1")?;
        within(&name("newton_steps"), self.newton_steps as f64, 1.0, 1e6, "at least 1")?;
        within(&name("krylov_steps"), self.krylov_steps as f64, 1.0, 1e6, "at least 1")?;
        within(&name("inner_coarsening"), self.inner_coarsening, 1.0, 1e3, "at least 1")?;
        within(&name("inner_steps"), self.inner_steps as f64, 1.0, 1e6, "at least 1")?;
        within(&name("gradient_tolerance"), self.gradient_tolerance, 0.0, 1.0, "between 0 and 1")
    }
}

fn within(name: &str, value: f64, least: f64, most: f64, accepted: &'static str) -> Result<(), SettingsError> {
    if value.is_finite() && least <= value && value <= most {
        Ok(())
    } else {
        Err(SettingsError::Range { name: name.to_owned(), value, accepted })
    }
}
