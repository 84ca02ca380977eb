//! Settings that were tuned, by the name of what they are good for.
//!
//! They were tuned on a pair of brains of 128×150×128 samples (2 mm) with intensities in [0, 1]; the table `presets` of the
//! bench `diffeo` measures them, there and on the same brains at twice the resolution. Five findings shape them. Most of the
//! way is made on coarser grids, each of half the resolution of the next, down to some 32 samples a side: a step there costs
//! 1/8 of one on the next grid. A velocity must be resolved by its grid, or the map folds between samples: its band is 1.5
//! to 2 times coarser than the grid. A velocity of that band makes a map that can be followed on a grid between the two. A
//! penalty on the divergence lowers the mismatch that can be had at a given range of det F. And a map folds at a few places
//! first: where the velocity is made smoother there alone, the rest can go on at a low weight.

use super::line_search::LineSearch;
use super::precondition::Choice;
use super::settings::{Settings, Stage, Weight};
use crate::interpolate::Kernel;
use crate::objective::Discretisation;
use crate::regularisation::Model;
use crate::transport::MapKernel;
use serde::{Deserialize, Serialize};

/// How much time is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// A good alignment soon: nothing is done on the images' own grid.
    Fast,
    /// Closer, with det F in [0.2, 5].
    Default,
    /// Fine detail, with det F in [0.1, 10].
    Accurate,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Default, Self::Accurate];

    /// The name that commands use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Default => "default",
            Self::Accurate => "accurate",
        }
    }
}

/// The settings of a preset for a model and images of a shape.
pub fn settings(preset: Preset, model: Model, shape: [usize; 3]) -> Settings {
    let coarsest = coarsest(shape);
    let (factor, bound) = match preset {
        Preset::Fast => (2.0, 0.2),
        Preset::Default => (1.0, 0.2),
        Preset::Accurate => (1.0, 0.1),
    };
    let fast = preset == Preset::Fast;
    let mut stages = vec![
        stage(coarsest, if fast { 10.0 } else { 20.0 }, 4, 4),
        stage(coarsest, if fast { 1.0 } else { 2.0 }, if fast { 3 } else { 4 }, 6),
    ];
    let mut coarsening = coarsest / 2.0;
    while coarsening >= 2.0 {
        stages.push(if fast { stage(coarsening, 1.0, 3, 5) } else { stage(coarsening, 1.0, 5, 8) });
        coarsening /= 2.0;
    }
    match preset {
        Preset::Fast => {}
        Preset::Default => stages.push(stage(1.0, 1.0, 2, 8)),
        Preset::Accurate => {
            // Finer waves and more steps, followed on a grid that is only a little coarser than the images'.
            let usual = stage(1.0, 1.0, 8, 8);
            let discretisation = Discretisation { coarsening: FINE_FLOW_COARSENING, ..usual.discretisation };
            stages.push(Stage { band: 1.5, discretisation, ..usual });
        }
    }
    let Tuned { weight, two_level } = tuned(model);
    if let Some(inner_steps) = two_level {
        for stage in &mut stages {
            stage.preconditioner = Choice::TwoLevel;
            stage.inner_steps = inner_steps;
            stage.krylov_steps = stage.krylov_steps.min(6);
        }
    }
    Settings {
        regularisation: model.regularisation(DIVERGENCE_WEIGHT),
        weight: Weight::Guarded { beta: factor * weight, bound },
        stages,
        decrease_tolerance: 1e-3,
        line_search: LineSearch::default(),
    }
}

/// How many times coarser the first grid is: a power of two that leaves some 32 samples along the shortest axis, 4 at least.
fn coarsest(shape: [usize; 3]) -> f64 {
    let halvings = (shape.into_iter().min().unwrap_or(1) / 32).max(1).ilog2();
    2f64.powi(halvings.max(2) as i32)
}

/// How many times coarser than the images' own grid that of the flow is, where the velocity's band is twice coarser. What
/// that costs and saves is in the bench's table `choices`.
const FLOW_COARSENING: f64 = 1.5;

/// The same where the band is 1.5 times coarser.
const FINE_FLOW_COARSENING: f64 = 1.25;

/// ω of the nearly incompressible model.
const DIVERGENCE_WEIGHT: f64 = 0.1;

/// What suits a model for images in [0, 1].
struct Tuned {
    /// The weight β of the default preset.
    weight: f64,
    /// Inner products at most of the two-level preconditioner, where that is worth its cost.
    two_level: Option<usize>,
}

fn tuned(model: Model) -> Tuned {
    // The steeper a norm, the longer a Krylov iteration without help stays with the longest waves, whatever the weight.
    let (weight, two_level) = match model {
        Model::H1 => (2e-3, None),
        Model::H1Div => (2e-4, None),
        Model::H1Stokes => (2e-4, None),
        Model::H2 => (1e-5, Some(15)),
        Model::H3 => (1e-7, Some(20)),
    };
    Tuned { weight, two_level }
}

fn stage(coarsening: f64, beta_factor: f64, newton_steps: usize, krylov_steps: usize) -> Stage {
    Stage {
        coarsening,
        band: match coarsening {
            1.0 => 2.0,
            2.0 => 1.5,
            _ => 1.0,
        },
        smoothing: 0.0,
        beta_factor,
        discretisation: Discretisation {
            squarings: 2,
            image: Kernel::CubicSpline,
            map: MapKernel::Linear,
            product: MapKernel::Linear,
            coarsening: if coarsening == 1.0 { FLOW_COARSENING } else { 1.0 },
        },
        newton_steps,
        krylov_steps,
        gradient_tolerance: 0.01,
        preconditioner: Choice::Regularisation,
        inner_coarsening: 2.0,
        inner_steps: 10,
        seek_weight: coarsening == 2.0,
    }
}
