//! What each choice of the default preset buys: the preset with one choice undone at a time.

use crate::pair::Pair;
use crate::report::Row;
use crate::tables::{Named, row};
use regiscope_diffeo::interpolate::Kernel;
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::{Choice, Settings, Stage, Weight};
use regiscope_diffeo::regularisation::Model;
use regiscope_diffeo::transport::MapKernel;

/// Accuracy and cost of the variants.
pub fn choices(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    variants(pair.grid.shape).into_iter().map(|(name, settings)| row(&pair, name.into(), &settings, false)).collect()
}

fn variants(shape: [usize; 3]) -> Vec<(&'static str, Settings)> {
    let usual = presets::settings(Preset::Default, Model::H1Div, shape);
    let each = |change: fn(&mut Stage)| {
        let mut settings = usual.clone();
        settings.stages.iter_mut().for_each(change);
        settings
    };
    let unguarded = Settings { weight: Weight::Fixed(usual.first_weight()), ..usual.clone() };
    let of_stages = |keep: fn(&Stage) -> bool| Settings {
        stages: usual.stages.iter().copied().filter(keep).collect(),
        ..usual.clone()
    };
    vec![
        ("as it is", usual.clone()),
        ("no guard of det F", unguarded),
        ("no penalty on the divergence", presets::settings(Preset::Default, Model::H1, shape)),
        ("velocities of all waves of a grid", each(|s| s.band = 1.0)),
        ("no grid coarser than half", of_stages(|s| s.coarsening < 4.0)),
        ("no full grid", of_stages(|s| s.coarsening > 1.0)),
        ("flow on the images' own grid", each(|s| s.discretisation.coarsening = 1.0)),
        ("two time steps", each(|s| s.discretisation.squarings = 1)),
        ("eight time steps", each(|s| s.discretisation.squarings = 3)),
        ("cubic maps, linear products", each(|s| s.discretisation.map = MapKernel::CubicLagrange)),
        (
            "cubic maps and products",
            each(|s| {
                s.discretisation.map = MapKernel::CubicLagrange;
                s.discretisation.product = MapKernel::CubicLagrange;
            }),
        ),
        ("image by Lagrange's cubic", each(|s| s.discretisation.image = Kernel::CubicLagrange)),
        ("image linear", each(|s| s.discretisation.image = Kernel::Linear)),
        ("zero-velocity preconditioner", each(|s| s.preconditioner = Choice::ZeroVelocity)),
        ("two-level preconditioner", each(|s| s.preconditioner = Choice::TwoLevel)),
    ]
}
