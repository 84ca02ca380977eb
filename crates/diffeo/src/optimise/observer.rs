//! What a run tells while it works and what it hands back.

use super::checkpoint::Snapshot;
use super::newton::Step;
use crate::field::VectorField;
use serde::Serialize;
use std::ops::ControlFlow;

/// One Newton step in its place in the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// Which stage, counted from 0, of how many.
    pub stage: usize,
    /// Number of stages.
    pub stages: usize,
    /// Shape of the stage's grid.
    pub shape: [usize; 3],
    /// Weight of the regularisation.
    pub beta: f64,
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// Work of the run so far.
    pub work: Work,
}

/// Counts of the costly operations, on every grid: what they cost falls with the grid's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Newton steps.
    pub newton_steps: u64,
    /// Products with the Hessian of a stage's grid.
    pub products: u64,
    /// Products on preconditioners' grids.
    pub inner_products: u64,
    /// Fourier transforms of a scalar field.
    pub transforms: u64,
    /// Interpolations and scatters of a scalar field, see [`crate::objective::Problem::interpolations`].
    pub interpolations: u64,
}

/// Who watches a run. Every method has a default that does nothing.
pub trait Observer<T> {
    /// After every Newton step; `Break` ends the run, which then hands back what it has.
    ///
    /// The bytes of `snapshot` resume the run at this place, to the bit; they are made only when asked for.
    fn step(&mut self, progress: &Progress, snapshot: Snapshot<T>) -> ControlFlow<()> {
        let _ = (progress, snapshot);
        ControlFlow::Continue(())
    }
}

/// Watches nothing.
impl<T> Observer<T> for () {}

/// What came of a registration.
#[derive(Clone, Debug)]
pub struct Solution<T> {
    /// The velocity on the images' grid, in units of length per unit of time.
    pub velocity: VectorField<T>,
    /// How the last stage ended.
    pub outcome: Outcome,
    /// Weight of the regularisation in the last stage.
    pub beta: f64,
    /// √(D(1)/D(0)) over all channels, on the images' grid without smoothing, through the map as it is put out: for the
    /// sum of squared differences ‖m(1) − r‖/‖m(0) − r‖.
    pub relative_mismatch: f64,
    /// Least and largest det F of the map as it is put out, see [`crate::transport::map::determinant_range`].
    pub jacobian: [f64; 2],
    /// Every Newton step.
    pub history: Vec<Progress>,
    /// Work of the whole run.
    pub work: Work,
}

/// How a registration ended. None of these is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The gradient fell below the tolerance.
    Converged,
    /// Steps no longer lower the objective.
    Stalled,
    /// The last stage used up its Newton steps.
    StepLimit,
    /// No weight in the range kept det F within its bound.
    BoundNotMet,
    /// The observer ended the run.
    Interrupted,
}

impl Outcome {
    /// What to make of it, in a sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Converged => "the optimum of the objective was reached to the tolerance asked for",
            Self::Stalled => {
                "the objective no longer falls; the result is usable, and a coarser tolerance or double precision would end \
                 the run earlier or get further"
            }
            Self::StepLimit => {
                "the last stage used all its Newton steps, as presets mean it to; more steps lower the mismatch further"
            }
            Self::BoundNotMet => {
                "det F left its bound at every weight tried; raise the first weight, loosen the bound, or check that the images \
                 are aligned and show the same anatomy"
            }
            Self::Interrupted => "the run was ended early; a checkpoint resumes it",
        }
    }
}
