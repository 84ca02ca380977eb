//! Settings that were tuned, by the name of what they are good for.
//!
//! They were tuned on a pair of brains of 128×150×128 samples (2 mm) with intensities in [0, 1]; the table `presets` of the
//! bench `diffeo` measures them. Three findings shape them. Most of the way is made on the grids of a quarter and half the
//! resolution, where a step costs 1/64 and 1/8. A velocity must be resolved by its grid, or the map folds between samples:
//! its band is 1.5 to 2 times coarser than the grid. And a penalty on the divergence lowers the mismatch that can be had at
//! a given range of det F.

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
            vec![stage(4.0, 20.0, 4, 4), stage(4.0, 2.0, 4, 6), stage(2.0, 1.0, 5, 8), stage(1.0, 1.0, 1, 4)],
        ),
        Preset::Accurate => {
            // Three steps on the finest grid, with finer waves.
            let finest = Stage { band: 1.5, ..stage(1.0, 1.0, 3, 6) };
            (1.0, 0.1, vec![stage(4.0, 20.0, 4, 4), stage(4.0, 2.0, 4, 6), stage(2.0, 1.0, 5, 8), finest])
        }
    };
    if model == Model::H1Stokes {
        // Keeping volumes takes an accurate map.
        for stage in &mut stages {
            stage.discretisation =
                Discretisation { squarings: 4, map: MapKernel::CubicLagrange, ..stage.discretisation };
        }
    }
    Settings {
        regularisation: model.regularisation(DIVERGENCE_WEIGHT),
        weight: Weight::Guarded { beta: factor * weight(model), bound },
        stages,
        decrease_tolerance: 1e-3,
        line_search: LineSearch::default(),
    }
}

/// ω of the nearly incompressible model.
const DIVERGENCE_WEIGHT: f64 = 0.1;

/// The weight β that suits a model for images in [0, 1].
fn weight(model: Model) -> f64 {
    match model {
        Model::H1 | Model::H1Div => 5e-4,
        Model::H1Stokes => 1e-3,
        Model::H2 => 1e-5,
        Model::H3 => 1e-7,
    }
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
        },
        newton_steps,
        krylov_steps,
        gradient_tolerance: 0.01,
        preconditioner: Choice::Regularisation,
        inner_steps: 10,
        seek_weight: coarsening == 2.0,
    }
}
