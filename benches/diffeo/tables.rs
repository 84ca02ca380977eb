//! Tables over a pair of volumes.

use crate::pair::Pair;
use crate::report::{Row, digits};
use crate::trial::{settings_of, timed};
use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::{Choice, Settings, Stage, Weight};
use regiscope_diffeo::regularisation::Model;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

type Named<'a> = BTreeMap<&'a str, &'a str>;

/// Accuracy and cost of settings.
fn row(pair: &Pair, name: String, settings: &Settings) -> Row {
    let (solution, seconds, times) = timed(pair, settings, Distance::SumOfSquares, false);
    let figures = pair.figures(&solution.velocity);
    let steps = times.iter().zip(&solution.history);
    let curve: Vec<_> = steps.map(|(t, p)| json!([digits(*t, 2), digits(p.step.relative_mismatch, 4)])).collect();
    vec![
        ("run", json!(name)),
        ("core_s", digits(seconds, 2)),
        ("mismatch", digits(figures.mismatch, 4)),
        ("dice_mean", digits(figures.dice_mean, 4)),
        ("dice_union", digits(figures.dice_union, 4)),
        ("det_least", digits(figures.jacobian[0], 3)),
        ("det_largest", digits(figures.jacobian[1], 3)),
        ("beta", json!(solution.beta)),
        ("newton_steps", json!(solution.work.newton_steps)),
        ("products", json!(solution.work.products)),
        ("transforms", json!(solution.work.transforms)),
        ("interpolations", json!(solution.work.interpolations)),
        ("outcome", json!(solution.outcome)),
        ("curve", json!(curve)),
    ]
}

/// Every preset with the nearly incompressible model.
pub fn presets(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let run = |p: Preset| row(&pair, p.name().into(), &presets::settings(p, Model::H1Div));
    Preset::ALL.map(run).into()
}

/// Every model at the default preset.
pub fn models(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    Model::ALL.map(|m| row(&pair, m.name().into(), &presets::settings(Preset::Default, m))).into()
}

/// Products until the gradient has fallen to 1/20, from rest, at half resolution.
pub fn krylov(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let mut rows = Vec::new();
    for beta in [1e-2, 1e-3, 1e-4] {
        for preconditioner in [Choice::Regularisation, Choice::ZeroVelocity, Choice::TwoLevel] {
            let mut settings = presets::settings(Preset::Default, Model::H1Div);
            let stage = *settings.stages.iter().find(|s| s.coarsening == 2.0).expect("presets have a half grid");
            let limits = Stage { newton_steps: 30, krylov_steps: 100, gradient_tolerance: 0.05, ..stage };
            settings.stages = vec![Stage { preconditioner, inner_steps: 50, ..limits }];
            settings.weight = Weight::Fixed(beta);
            settings.decrease_tolerance = 0.0;
            let (solution, seconds, _) = timed(&pair, &settings, Distance::SumOfSquares, false);
            rows.push(vec![
                ("beta", json!(beta)),
                ("preconditioner", json!(preconditioner)),
                ("newton_steps", json!(solution.work.newton_steps)),
                ("products", json!(solution.work.products)),
                ("inner_products", json!(solution.work.inner_products)),
                ("core_s", digits(seconds, 2)),
                ("mismatch", digits(solution.relative_mismatch, 4)),
                ("outcome", json!(solution.outcome)),
            ]);
        }
    }
    rows
}

/// The default preset on cubes of 64³ to 256³ samples.
pub fn cost(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let settings = presets::settings(Preset::Default, Model::H1Div);
    [64, 96, 128, 192, 256]
        .map(|n| {
            let cube = pair.resampled([n; 3]);
            let (solution, seconds, _) = timed(&cube, &settings, Distance::SumOfSquares, false);
            let voxels = cube.grid.len();
            vec![
                ("shape", json!(cube.grid.shape)),
                ("voxels", json!(voxels)),
                ("core_s", digits(seconds, 2)),
                ("core_us_per_voxel", digits(1e6 * seconds / voxels as f64, 3)),
                ("mismatch", digits(solution.relative_mismatch, 4)),
            ]
        })
        .into()
}

/// One preset on one thread and on two.
pub fn threads(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let settings = settings_of(named);
    let mut first: Option<(f64, Vec<f32>)> = None;
    let mut run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        let begin = Instant::now();
        let (solution, seconds, _) = pool.install(|| timed(&pair, &settings, Distance::SumOfSquares, false));
        let wall = begin.elapsed().as_secs_f64();
        let velocity = solution.velocity.concat();
        let (alone, reference) = first.get_or_insert_with(|| (wall, velocity.clone()));
        let size = reference.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let difference = reference.iter().zip(&velocity).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        vec![
            ("threads", json!(threads)),
            ("wall_s", digits(wall, 2)),
            ("core_s", digits(seconds, 2)),
            ("speedup", digits(*alone / wall, 2)),
            ("largest_relative_difference", json!(difference / size)),
        ]
    };
    vec![run(1), run(2)]
}

/// Peak memory of the process beyond the pair itself, in fields of single precision; of one preset, since peaks stay.
pub fn memory(named: &Named) -> Vec<Row> {
    let mut pair = Pair::read(named);
    let factor: f64 = named.get("factor").map_or(1.0, |f| f.parse().expect("factor= is a number"));
    if factor != 1.0 {
        pair = pair.resampled(pair.grid.shape.map(|n| (n as f64 * factor).round() as usize));
    }
    let settings = settings_of(named);
    let before = resident("VmRSS");
    timed(&pair, &settings, Distance::SumOfSquares, false);
    let field = 4.0 * pair.grid.len() as f64;
    let preset = named.get("preset").copied().unwrap_or("default");
    vec![vec![
        ("preset", json!(preset)),
        ("shape", json!(pair.grid.shape)),
        ("peak_gib", digits(resident("VmHWM") / 1024f64.powi(3), 2)),
        ("fields_beyond_the_pair", digits((resident("VmHWM") - before) / field, 1)),
    ]]
}

/// A line of the process's status, bytes.
fn resident(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib * 1024.0)
}
