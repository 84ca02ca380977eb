//! Methods that climb the similarity of one level.

pub mod cma_es;
mod descend;
pub(crate) mod levenberg_marquardt;

use crate::chart::Chart;
use crate::objective::Objective;
use crate::options::Optimiser;
use crate::similarity::Quadratic;
use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::Matrix6;
use std::ops::ControlFlow;

/// A function of the pose that is climbed; larger is better, and `−∞` marks poses that are not allowed.
pub(crate) trait Surface: Sync {
    /// The value at a pose.
    fn value(&self, pose: &Rigid) -> f64;
    /// Value, gradient and positive semidefinite curvature by the pose twist about the world origin.
    fn quadratic(&self, pose: &Rigid) -> Quadratic;
    /// Chart around a pose whose coordinates are in mm.
    fn chart(&self, pose: Rigid) -> Chart;
    /// Radius (mm) by which rotations become arcs.
    fn radius(&self) -> f64;
}

/// When a climb ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most iterations.
    pub max_iterations: usize,
    /// Steps shorter than this (mm) end the climb.
    pub step_mm: f64,
    /// How far the methods that look around begin (relative to their own size).
    pub spread: f64,
    /// Seed of random methods.
    pub seed: u64,
}

/// What a climb reports after each iteration; iteration 0 is the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub iteration: usize,
    pub pose: Rigid,
    pub similarity: f64,
    pub evaluations: usize,
    pub step_mm: f64,
}

/// Why a climb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Converged,
    IterationLimit,
    Stopped,
}

/// Where a climb ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Climb {
    pub pose: Rigid,
    pub similarity: f64,
    pub iterations: usize,
    pub evaluations: usize,
    /// Curvature by the pose twist at `pose`, where the method has it anyway.
    pub curvature: Option<Matrix6<f64>>,
    pub end: End,
}

/// Hears each iteration and says whether to go on.
pub(crate) type Report<'a> = &'a mut dyn FnMut(&Step) -> ControlFlow<()>;

/// Iterations that the methods without derivatives may do for each one of Levenberg–Marquardt or L-BFGS.
pub(crate) const PATIENCE_WITHOUT_DERIVATIVE: usize = 10;

/// Climbs from `start` by the given method.
pub(crate) fn climb(
    optimiser: Optimiser,
    objective: &Objective,
    start: &Rigid,
    limits: &Limits,
    report: Report,
) -> Climb {
    match optimiser {
        Optimiser::LevenbergMarquardt => levenberg_marquardt::climb(objective, start, limits, report),
        Optimiser::Lbfgs => descend::lbfgs(objective, start, limits, report),
        Optimiser::NelderMead { simplex_mm } => descend::nelder_mead(objective, start, simplex_mm, limits, report),
        Optimiser::CmaEs { sigma_mm } => cma_es::climb(objective, start, sigma_mm, limits, report),
    }
}
