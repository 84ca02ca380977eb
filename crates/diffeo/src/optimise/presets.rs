//! Settings that were tuned, by the name of what they are good for.
//!
//! They were tuned on a pair of brains of 128×150×128 samples (2 mm) with intensities in [0, 1]; the table `presets` of the
//! bench `diffeo` measures them. Four findings shape them. Most of the way is made on the grids of a quarter and half the
//! resolution, where a step costs 1/64 and 1/8. A velocity must be resolved by its grid, or the map folds between samples:
//! its band is 1.5 to 2 times coarser than the grid. A velocity of that band makes a map that
//! can be followed on a grid between the two. And a penalty on the divergence lowers the mismatch that can be had at a given
//! range of det F.

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

/// The settings of a preset for a model.
pub fn settings(preset: Preset, model: Model) -> Settings {
    let (factor, bound, mut stages) = match preset {
        Preset::Fast => (2.0, 0.2, vec![stage(4.0, 10.0, 4, 4), stage(4.0, 1.0, 3, 6), stage(2.0, 1.0, 3, 5)]),
        Preset::Default => (
            1.0,
            0.2,
            vec![stage(4.0, 20.0, 4, 4), stage(4.0, 2.0, 4, 6), stage(2.0, 1.0, 5, 8), stage(1.0, 1.0, 1, 6)],
        ),
        Preset::Accurate => {
            // Three steps on the finest grid, with finer waves, followed on the images' own grid: on a coarser one the map that
            // is put out left its range of det F while that of the run did not. It takes more memory than the others.
            let usual = stage(1.0, 1.0, 3, 6);
            let discretisation = Discretisation { coarsening: 1.0, ..usual.discretisation };
            let finest = Stage { band: 1.5, discretisation, ..usual };
            (1.0, 0.1, vec![stage(4.0, 20.0, 4, 4), stage(4.0, 2.0, 4, 6), stage(2.0, 1.0, 5, 8), finest])
        }
    };
    let Tuned { weight, two_level } = tuned(model);
    // The weight of this model is where det F wants it, whatever the preset.
    let factor = if model == Model::H1 { 1.0 } else { factor };
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

/// How many times coarser than the images' own grid that of the flow is, where the velocity's band is twice coarser. It
/// costs 0.004 of the relative mismatch and nothing of the overlap of labels, and a step there takes less than half the time.
const FLOW_COARSENING: f64 = 1.5;

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
    // The steeper a norm, the longer a Krylov iteration without help stays with the longest waves, whatever the weight: with
    // ten Newton steps of the fast preset the mismatch stops at 0.46 (H2) and 0.61 (H3), with two levels at 0.29 and 0.36.
    let (weight, two_level) = match model {
        // Without a penalty on the divergence a lower weight leaves the range of det F that presets promise.
        Model::H1 => (2e-2, None),
        Model::H1Div => (5e-4, None),
        Model::H1Stokes => (1e-3, None),
        Model::H2 => (5e-5, Some(15)),
        Model::H3 => (5e-7, Some(20)),
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
        inner_steps: 10,
        seek_weight: coarsening == 2.0,
    }
}
