//! What a registration returns.

use regiscope_geometry::Rigid;
use regiscope_geometry::nalgebra::Matrix6;

/// One step of an optimiser, as observers see it.
#[derive(Clone, Copy, Debug)]
pub struct Iteration {
    /// Level of the pyramid, 0 is the coarsest.
    pub level: usize,
    /// Iterations done on this level; 0 reports the level's start.
    pub iteration: usize,
    /// The best pose of this level so far.
    pub world_from_volume: Rigid,
    /// Its similarity on this level (larger is better).
    pub similarity: f64,
    /// Images rendered in this registration so far, with or without derivative.
    pub evaluations: usize,
    /// Length of the last step (mm; rotations as arcs on the object), or the size of simplex or generation.
    pub step_mm: f64,
}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The step fell below the finest level's tolerance.
    Converged,
    /// The finest level ran out of iterations; the answer is the best pose so far.
    IterationLimit,
    /// The observer asked to stop; the answer is the best pose so far.
    Stopped,
    /// At the start the volume casts no shadow on the pixels that count, or no level leaves room for the similarity's
    /// neighbourhoods inside the mask: there is nothing to climb.
    NoOverlap,
    /// The start is not finite, or so far away that no number describes its image.
    BrokenStart,
    /// The answer is no better than the start, and the volume casts no shadow there or the similarity is undefined.
    Diverged,
}

impl Status {
    /// What to try when a registration did not converge.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Converged | Self::Stopped => None,
            Self::IterationLimit => Some("raise max_iterations of the finest level or begin nearer to the answer"),
            Self::NoOverlap => Some(
                "choose a start at which the volume projects onto the detector, add a search, or use a larger mask",
            ),
            Self::BrokenStart => Some("give a start made of finite numbers"),
            Self::Diverged => Some("begin nearer to the answer, use coarser levels, a search or several starts"),
        }
    }
}

/// What happened on one level of the pyramid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelRecord {
    /// Level of the pyramid, 0 is the coarsest.
    pub level: usize,
    /// Iterations done.
    pub iterations: usize,
    /// Similarity at the level's start, on this level.
    pub similarity_start: f64,
    /// Similarity at the level's end, on this level.
    pub similarity_end: f64,
    /// Images rendered.
    pub evaluations: usize,
    /// Rays traced.
    pub rays: usize,
    /// Whether this level converged.
    pub status: Status,
}

/// The answer of a registration.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The start.
    pub start: Rigid,
    /// The pose found.
    pub world_from_volume: Rigid,
    /// Similarity at the answer on the finest level (larger is better).
    pub similarity: f64,
    /// How it ended.
    pub status: Status,
    /// Images rendered, with or without derivative.
    pub evaluations: usize,
    /// Rays traced.
    pub rays: usize,
    /// One record for each level that was begun.
    pub levels: Vec<LevelRecord>,
    /// Gauss–Newton approximation of `−∂²S/∂ξ²` at the answer on the finest level, for the twist `ξ = [ρ; φ]`
    /// (mm, rad) of `exp(ξ) · world_from_volume` about the world origin. Its small eigenvalues belong to motions
    /// that the images hardly tell. Zero where the volume casts no shadow.
    pub curvature: Matrix6<f64>,
}
