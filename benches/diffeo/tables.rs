//! Tables over a pair of volumes.

use crate::pair::Pair;
use crate::report::{Row, digits};
use crate::trial::{Timed, Wanted, settings_of, timed};
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::{Choice, Settings, Stage, Weight};
use regiscope_diffeo::regularisation::Model;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Instant;

pub type Named<'a> = BTreeMap<&'a str, &'a str>;

/// Accuracy and cost of settings, with the mismatch against processor time where it is wanted.
pub fn row(pair: &Pair, name: String, settings: &Settings, curve: bool) -> Row {
    let Timed { solution, core_s, curve } = timed(pair, settings, Wanted { curve, ..Wanted::default() });
    let figures = pair.figures(&solution.velocity);
    let curve: Vec<_> = curve.iter().map(|[t, m]| json!([digits(*t, 2), digits(*m, 4)])).collect();
    vec![
        ("run", json!(name)),
        ("shape", json!(pair.grid.shape)),
        ("core_s", digits(core_s, 2)),
        ("affine_core_s", pair.start.as_ref().map_or(json!(0), |start| digits(start.core_s, 2))),
        ("core_us_per_voxel", digits(1e6 * core_s / pair.grid.len() as f64, 2)),
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
    let curve = named.get("curve").is_none_or(|word| *word != "no");
    let run = |p: Preset| row(&pair, p.name().into(), &presets::settings(p, Model::H1Div, pair.grid.shape), curve);
    Preset::ALL.map(run).into()
}

/// Every model at the default preset.
pub fn models(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    Model::ALL
        .map(|m| row(&pair, m.name().into(), &presets::settings(Preset::Default, m, pair.grid.shape), false))
        .into()
}

/// Every distance at the default preset. The mismatch is that of squared differences, whatever was made small.
pub fn distances(named: &Named) -> Vec<Row> {
    let mut pair = Pair::read(named);
    let settings = settings_of(named, pair.grid.shape);
    ["ssd", "ncc", "lncc", "ngf"]
        .map(|name| {
            pair.distance = pair.distance_named(name);
            row(&pair, name.into(), &settings, false)
        })
        .into()
}

/// Products of a Newton system, at half resolution, as the weight falls by √10 from level to level: the first level is
/// solved from rest until the gradient is 1/50 of that there; each further one takes one Newton step from the last one's
/// answer, since from about 1e-3 on further steps end where the map would fold, whatever the preconditioner.
pub fn krylov(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let levels: Vec<f64> = (0..5).map(|i| 10f64.powf(-2.0 - 0.5 * f64::from(i))).collect();
    let mut rows = Vec::new();
    for (preconditioner, inner_coarsening, inner_steps) in [
        (Choice::Regularisation, 2.0, 1),
        (Choice::ZeroVelocity, 2.0, 100),
        (Choice::ZeroVelocity, 1.0, 200),
        (Choice::TwoLevel, 2.0, 100),
        (Choice::TwoLevel, 2.0, 400),
        (Choice::TwoLevel, 1.5, 400),
    ] {
        if named.get("only").is_some_and(|only| *only != format!("{preconditioner:?}-{inner_coarsening}-{inner_steps}"))
        {
            continue;
        }
        let mut settings = presets::settings(Preset::Default, Model::H1Div, pair.grid.shape);
        let stage = *settings.stages.iter().find(|s| s.coarsening == 2.0).expect("presets have a half grid");
        let level = Stage { krylov_steps: 200, preconditioner, inner_coarsening, inner_steps, ..stage };
        settings.stages = levels
            .iter()
            .enumerate()
            .map(|(i, &beta_factor)| match i {
                0 => Stage { beta_factor, newton_steps: 20, gradient_tolerance: 0.02, ..level },
                _ => Stage { beta_factor, newton_steps: 1, gradient_tolerance: 0.0, ..level },
            })
            .collect();
        settings.weight = Weight::Fixed(1.0);
        settings.decrease_tolerance = 0.0;
        let Timed { solution, core_s, .. } = timed(&pair, &settings, Wanted::default());
        let steps = |i: usize| solution.history.iter().filter(move |p| p.stage == i);
        let products = |i: usize| steps(i).map(|p| p.step.products).sum::<usize>();
        for (i, beta) in levels.iter().enumerate() {
            let inner: usize = steps(i).map(|p| p.step.inner_products).sum();
            // Per decade: two levels of the weight. The first level takes many steps.
            let growth = (i >= 3).then(|| products(i) as f64 / products(i - 2).max(1) as f64);
            rows.push(vec![
                ("preconditioner", json!(preconditioner)),
                ("inner_grid_coarser_by", json!(inner_coarsening)),
                ("inner_steps", json!(inner_steps)),
                ("beta", digits(*beta, 6)),
                ("newton_steps", json!(steps(i).count())),
                ("products", json!(products(i))),
                ("inner_products", json!(inner)),
                ("growth_per_decade", growth.map_or(json!(null), |g| digits(g, 2))),
                ("mismatch", steps(i).next_back().map_or(json!(null), |p| digits(p.step.relative_mismatch, 4))),
                ("core_s_of_all_levels", digits(core_s, 2)),
                ("outcome", json!(solution.outcome)),
            ]);
        }
    }
    rows
}

/// The default preset on cubes of 64³ to 256³ samples: the median of three runs each, but one of the largest.
pub fn cost(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    [64, 80, 96, 128, 160, 192, 256]
        .map(|n| {
            let cube = pair.resampled([n; 3]);
            let settings = presets::settings(Preset::Default, Model::H1Div, [n; 3]);
            let runs = if n > 128 { 1 } else { 3 };
            let mut all: Vec<Timed> = (0..runs).map(|_| timed(&cube, &settings, Wanted::default())).collect();
            all.sort_by(|a, b| a.core_s.total_cmp(&b.core_s));
            let Timed { solution, core_s, .. } = &all[runs / 2];
            let voxels = cube.grid.len();
            vec![
                ("shape", json!(cube.grid.shape)),
                ("voxels", json!(voxels)),
                ("core_s", digits(*core_s, 2)),
                ("core_us_per_voxel", digits(1e6 * core_s / voxels as f64, 3)),
                ("mismatch", digits(solution.relative_mismatch, 4)),
                ("products", json!(solution.work.products)),
                ("runs", json!(runs)),
            ]
        })
        .into()
}

/// One preset on one thread and on two, in turn: the medians of `repetitions=5` runs, and the load of the machine.
pub fn threads(named: &Named) -> Vec<Row> {
    let pair = Pair::read(named);
    let settings = settings_of(named, pair.grid.shape);
    let repetitions: usize = named.get("repetitions").map_or(5, |n| n.parse().expect("repetitions= is a number"));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        let begin = Instant::now();
        let timed = pool.install(|| timed(&pair, &settings, Wanted::default()));
        (begin.elapsed().as_secs_f64(), timed.core_s, timed.solution.velocity.concat())
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let runs: Vec<[(f64, f64, Vec<f32>); 2]> = (0..repetitions.max(1)).map(|_| [run(1), run(2)]).collect();
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let reference = &runs[0][0].2;
    let size = reference.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let wall = |n: usize| median(runs.iter().map(|r| r[n].0).collect());
    let least = |n: usize| runs.iter().map(|r| r[n].0).fold(f64::MAX, f64::min);
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / size;
    let machine = [arithmetic as fn(usize), streaming].map(|work| {
        let seconds = |threads: usize| {
            let begin = Instant::now();
            // As much work for all threads together.
            std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(move || work(threads)))));
            begin.elapsed().as_secs_f64()
        };
        let least = |threads: usize| (0..5).map(|_| seconds(threads)).fold(f64::MAX, f64::min);
        [1, 2].map(least)
    });
    let row = |n: usize| {
        vec![
            ("threads", json!(n + 1)),
            ("wall_s", digits(wall(n), 2)),
            ("core_s", digits(median(runs.iter().map(|r| r[n].1).collect()), 2)),
            ("speedup", digits(wall(0) / wall(n), 2)),
            ("speedup_least_wall", digits(least(0) / least(n), 2)),
            ("speedup_of_arithmetic", digits(machine[0][0] / machine[0][n], 2)),
            ("speedup_of_streaming", digits(machine[1][0] / machine[1][n], 2)),
            ("difference_from_one_thread", json!(apart(&runs[0][n].2, reference))),
            ("difference_of_runs", json!(runs.iter().fold(0.0f32, |m, r| m.max(apart(&r[n].2, &runs[0][n].2))))),
            ("runs", json!(runs.len())),
            ("load_before", json!(load.split(' ').next())),
        ]
    };
    vec![row(0), row(1)]
}

/// Arithmetic without memory: what two threads gain on this machine at best.
fn arithmetic(threads: usize) {
    let mut lanes = [0.1f32; 64];
    for _ in 0..20_000_000 / threads {
        lanes.iter_mut().for_each(|v| *v = *v * 0.999 + 0.001);
    }
    std::hint::black_box(lanes);
}

/// A walk through more memory than caches hold.
fn streaming(threads: usize) {
    let mut data = vec![1.0f32; (1 << 26) / threads];
    for _ in 0..8 {
        data.iter_mut().for_each(|v| *v += 0.5);
        std::hint::black_box(&mut data);
    }
}

/// Peak memory of every preset, each in a process of its own since peaks stay.
pub fn memory(named: &Named) -> Vec<Row> {
    let of = |preset: Preset| {
        let mut asked: Named = named.clone();
        asked.remove("out");
        asked.insert("preset", preset.name());
        let program = std::env::current_exe().expect("a running program has a path");
        let arguments = asked.iter().map(|(key, value)| format!("{key}={value}"));
        let output = Command::new(program).arg("peak").args(arguments).output().expect("the program starts again");
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find_map(|l| l.strip_prefix("PEAK ")).expect("a run tells its peak");
        let [peak, fields]: [f64; 2] = serde_json::from_str(line).expect("a peak is two numbers");
        vec![
            ("preset", json!(preset.name())),
            ("peak_gib", digits(peak, 2)),
            ("fields_beyond_the_pair", digits(fields, 1)),
        ]
    };
    Preset::ALL.map(of).into()
}

/// Peak memory of this process, GiB, and beyond the pair itself in fields of single precision. What lies beyond holds
/// the solver's own copy of both images.
pub fn peak(named: &Named) {
    let mut pair = Pair::read(named);
    let factor: f64 = named.get("factor").map_or(1.0, |f| f.parse().expect("factor= is a number"));
    if factor != 1.0 {
        pair = pair.resampled(pair.grid.shape.map(|n| (n as f64 * factor).round() as usize));
    }
    // The peak begins anew here, on Linux.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = resident("VmRSS");
    let mut settings = settings_of(named, pair.grid.shape);
    if let Some(steps) = named.get("steps") {
        let steps = steps.parse().expect("steps= is a number");
        settings.stages.iter_mut().for_each(|s| s.newton_steps = s.newton_steps.min(steps));
    }
    timed(&pair, &settings, Wanted::default());
    let fields = (resident("VmHWM") - before) / (4.0 * pair.grid.len() as f64);
    println!("PEAK {}", json!([resident("VmHWM") / 1024f64.powi(3), fields]));
}

/// A line of the process's status, bytes.
fn resident(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib * 1024.0)
}
