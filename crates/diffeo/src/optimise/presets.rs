//! Settings that were tuned, by the name of what they are good for.

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
    /// A good alignment soon.
    Fast,
    /// The best that a few times the cost buys.
    Default,
    /// Fine detail.
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
    let mut stages = match preset {
        Preset::Fast => vec![stage(4.0, 3.0, 6), stage(2.0, 1.0, 5), Stage { krylov_steps: 2, ..stage(1.0, 1.0, 1) }],
        Preset::Default => vec![stage(4.0, 10.0, 8), stage(4.0, 1.0, 6), stage(2.0, 1.0, 8), stage(1.0, 1.0, 3)],
        Preset::Accurate => vec![stage(4.0, 10.0, 10), stage(4.0, 1.0, 10), stage(2.0, 1.0, 15), stage(1.0, 1.0, 8)],
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
        weight: Weight::Fixed(weight(model)),
        stages,
        decrease_tolerance: 1e-3,
        line_search: LineSearch::default(),
    }
}

/// ω of the nearly incompressible model.
const DIVERGENCE_WEIGHT: f64 = 0.01;

/// The weight β that suits a model for images in [0, 1].
fn weight(model: Model) -> f64 {
    match model {
        Model::H1 | Model::H1Div => 5e-4,
        Model::H1Stokes => 1e-3,
        Model::H2 => 1e-5,
        Model::H3 => 1e-7,
    }
}

fn stage(coarsening: f64, beta_factor: f64, newton_steps: usize) -> Stage {
    Stage {
        coarsening,
        band: if coarsening == 1.0 { 2.0 } else { 1.0 },
        smoothing: 0.0,
        beta_factor,
        discretisation: Discretisation {
            squarings: 2,
            image: Kernel::CubicSpline,
            map: MapKernel::Linear,
            product: MapKernel::Linear,
        },
        newton_steps,
        krylov_steps: 10,
        gradient_tolerance: 0.01,
        preconditioner: Choice::TwoLevel,
        inner_steps: 20,
        seek_weight: coarsening == 2.0,
    }
}
