//! Invertible networks: speed of training and sampling, and what two small inverse problems come to.
//!
//! `cargo bench -p regiscope-inn --bench inn -- PART… [OUT] [seeds=N] [steps=N]` with the parts `speed`, `kinematics` and
//! `modes`; prints JSON, and with OUT (a name that ends in `.json`) writes it. `benches/inn_peers.py` runs it beside FrEIA.
//!
//! Times are processor time of the whole process (all threads).

use burn::module::Module;
use burn::tensor::{DType, Device};
use cpu_time::ProcessTime;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_inn::tensors::normal;
use regiscope_inn::toys::study;
use regiscope_inn::train::{Schedule, TrainSettings, Trainer};
use regiscope_inn::{
    Activation, BaseSettings, Flow, FlowSettings, LayerSettings, MixingKind, Networks, Subnet, Transform,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--help") {
        println!("speed kinematics modes [OUT.json] [seeds=N] [steps=N]");
        return;
    }
    let named = |key: &str, default: u64| {
        let value = arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('='));
        value.map_or(default, |v| v.parse().expect("a number"))
    };
    let wanted = |part: &str| arguments.iter().any(|a| a == part);
    let mut results = serde_json::Map::new();
    if wanted("speed") {
        results.insert("speed".into(), json!([speed("all-in-one"), speed("glow")]));
    }
    if wanted("kinematics") {
        let runs: Vec<Value> = (0..named("seeds", 3)).map(|seed| arm(seed, named("steps", 3000))).collect();
        results.insert("kinematics".into(), runs.into());
    }
    if wanted("modes") {
        let runs: Vec<Value> = (0..named("seeds", 3)).map(|seed| eight(seed, named("steps", 3000))).collect();
        results.insert("modes".into(), runs.into());
    }
    let text = serde_json::to_string_pretty(&results).expect("plain JSON");
    println!("{text}");
    if let Some(out) = arguments.iter().find(|a| a.ends_with(".json")) {
        std::fs::write(out, text).unwrap_or_else(|e| panic!("{out}: {e}"));
    }
}

fn train_settings(steps: u64) -> TrainSettings {
    TrainSettings { steps, learning_rate: 1e-3, schedule: Schedule::Constant, ..TrainSettings::default() }
}

/// Core-milliseconds of a training step, and samples per core-second: 12 blocks, 6 numbers, condition of 256, networks of
/// 2×256, batch 512.
fn speed(kind: &str) -> Value {
    let subnet = Subnet { hidden: vec![256, 256], activation: Activation::Relu, last_scale: 1.0 };
    let layers = (0..12).flat_map(|_| match kind {
        "glow" => vec![
            LayerSettings::Coupling {
                transform: Transform::Affine { clamp: 2.0 },
                networks: Networks::Joint,
                subnet: subnet.clone(),
            },
            LayerSettings::Mixing(MixingKind::Permutation),
        ],
        _ => vec![LayerSettings::AllInOne { clamp: 2.0, mixing: MixingKind::Permutation, subnet: subnet.clone() }],
    });
    let settings = FlowSettings { dims: 6, condition: 256, layers: layers.collect(), base: BaseSettings::Normal };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let flow = Flow::new(&settings, &mut rng, &Device::flex().autodiff()).expect("settings in range");
    let x = normal([512, 6], &mut rng, &Device::flex(), DType::F32);
    let condition = normal([512, 256], &mut rng, &Device::flex(), DType::F32);
    let mut trainer = Trainer::new(flow, train_settings(1000), 1).expect("settings in range");
    let step = |trainer: &mut Trainer<Flow>| {
        let loss = |flow: &Flow, _: &mut ChaCha8Rng| {
            let projected = flow.project(Some(&condition)).expect("a condition of 256");
            flow.log_density(x.clone(), &projected).expect("6 numbers").mean().neg()
        };
        trainer.step(loss).expect("a finite loss");
    };
    let training = repeated(5, 9, 6, || step(&mut trainer));
    let flow = trainer.into_model().valid();
    let one = normal([1, 256], &mut rng, &Device::flex(), DType::F32);
    let projected = flow.project(Some(&one)).expect("a condition of 256");
    let count = 10_000;
    let sampling = repeated(1, 7, 1, || drop(flow.sample(count, &projected, &mut rng)));
    json!({
        "kind": kind,
        "training_core_ms": training.iter().map(|s| 1e3 * s).collect::<Vec<_>>(),
        "samples_per_core_s": sampling.iter().map(|s| count as f64 / s).collect::<Vec<_>>(),
    })
}

/// Core-seconds per call: `warm` calls first, then `rounds` of `calls`.
fn repeated(warm: usize, rounds: usize, calls: usize, mut work: impl FnMut()) -> Vec<f64> {
    (0..warm).for_each(|_| work());
    let mut round = || {
        let begin = ProcessTime::now();
        (0..calls).for_each(|_| work());
        begin.elapsed().as_secs_f64() / calls as f64
    };
    (0..rounds).map(|_| round()).collect()
}

/// Inverse kinematics: 6 all-in-one blocks with 128-128, batch 500. Calibration is told by the largest distance of the
/// ranks' distribution from uniform, for each number, beside the bounds that one of them, and all four together, keep in 95
/// of 100 cases (Kolmogorov; Bonferroni).
fn arm(seed: u64, steps: u64) -> Value {
    let begin = ProcessTime::now();
    let flow = study::learn_kinematics(steps, seed, &mut |_| ControlFlow::Continue(())).expect("finite losses");
    let training = begin.elapsed().as_secs_f64();
    let study::KinematicsScore { nll, mmd2, resimulation, mut ranks } =
        study::score_kinematics(&flow.expect("nobody stopped it"), seed);
    let cases = ranks[0].len() as f64;
    let distances = ranks.iter_mut().map(|ranks| {
        ranks.sort_by(f64::total_cmp);
        let gap =
            |(at, rank): (usize, &f64)| (rank - at as f64 / cases).abs().max(((at + 1) as f64 / cases - rank).abs());
        ranks.iter().enumerate().map(gap).fold(0.0, f64::max)
    });
    let distances: Vec<f64> = distances.collect();
    let calibration =
        json!({ "distances": distances, "bound": 1.358 / cases.sqrt(), "joint_bound": 1.593 / cases.sqrt() });
    json!({
        "seed": seed, "steps": steps, "training_core_s": training,
        "nll": nll, "nll_without_constant": nll - 2.0 * (2.0 * std::f64::consts::PI).ln(),
        "mmd2": mmd2, "resimulation_squared_error": resimulation, "calibration": calibration,
    })
}

/// Eight modes by colour: spline couplings on a mixture, batch 500.
fn eight(seed: u64, steps: u64) -> Value {
    let begin = ProcessTime::now();
    let flow = study::learn_modes(steps, seed, &mut |_| ControlFlow::Continue(())).expect("finite losses");
    let training = begin.elapsed().as_secs_f64();
    let score = study::score_modes(&flow.expect("nobody stopped it"), seed);
    json!({ "seed": seed, "steps": steps, "training_core_s": training, "modes_found": score.found,
        "largest_mass_error": score.largest_mass_error, "mass_off_every_mode": score.off_every_mode })
}
