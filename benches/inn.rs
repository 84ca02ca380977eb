//! Invertible networks: speed of training and sampling, and what two small inverse problems come to.
//!
//! `cargo bench -p regiscope-inn --bench inn -- PART… [OUT] [seeds=N] [steps=N]` with the parts `speed`, `kinematics` and
//! `modes`; prints JSON, and with OUT (a name that ends in `.json`) writes it. `benches/inn_peers.py` runs it beside FrEIA.
//!
//! Times are processor time of the whole process (all threads).

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use cpu_time::ProcessTime;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_inn::mmd::mmd2_of_rows;
use regiscope_inn::tensors::{normal, to_vec};
use regiscope_inn::toys::{kinematics, modes};
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

fn rows(values: Vec<f64>, width: usize) -> Tensor<2> {
    let count = values.len() / width;
    Tensor::from_data(TensorData::new(values, [count, width]), (&Device::flex(), DType::F32))
}

/// A batch of arm states and hands.
fn arms(count: usize, rng: &mut ChaCha8Rng) -> (Vec<[f64; 4]>, Tensor<2>, Tensor<2>) {
    let states: Vec<_> = (0..count).map(|_| kinematics::draw(rng)).collect();
    let hands = states.iter().flat_map(kinematics::hand).collect();
    (states.clone(), rows(states.into_iter().flatten().collect(), 4), rows(hands, 2))
}

/// Inverse kinematics: 6 all-in-one blocks with 128-128, batch 500.
fn arm(seed: u64, steps: u64) -> Value {
    let subnet = Subnet { hidden: vec![128, 128], activation: Activation::Relu, last_scale: 1.0 };
    let block = LayerSettings::AllInOne { clamp: 2.0, mixing: MixingKind::Rotation, subnet };
    let settings = FlowSettings { dims: 4, condition: 2, layers: vec![block; 6], base: BaseSettings::Normal };
    let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
    let flow = Flow::new(&settings, &mut rng, &Device::flex().autodiff()).expect("settings in range");
    let begin = ProcessTime::now();
    let training = TrainSettings { steps, learning_rate: 2e-3, warm_up: 50, ..TrainSettings::default() };
    let mut trainer = Trainer::new(flow, training, seed).expect("settings in range");
    let loss = |flow: &Flow, rng: &mut ChaCha8Rng| {
        let (_, x, hands) = arms(500, rng);
        flow.log_density(x, &flow.project(Some(&hands)).expect("2 numbers")).expect("4 numbers").mean().neg()
    };
    trainer.run(None, loss, |_| ControlFlow::Continue(())).expect("finite losses");
    let training = begin.elapsed().as_secs_f64();
    let flow = trainer.into_model().valid();

    let mut rng = ChaCha8Rng::seed_from_u64(200 + seed);
    let (_, x, hands) = arms(20_000, &mut rng);
    let projected = flow.project(Some(&hands)).expect("2 numbers");
    let nll = -to_vec(flow.log_density(x, &projected).expect("4 numbers").mean())[0];
    let (mut error, mut mmd, mut cases) = (0.0, 0.0, 0.0);
    while cases < 100.0 {
        let hand = kinematics::hand(&kinematics::draw(&mut rng));
        let exact = kinematics::posterior(hand, 500, 20_000, &mut rng);
        let drawn = posterior(&flow, hand, 500, &mut rng);
        if exact.is_empty() {
            continue;
        }
        let off = |x: &[f64; 4]| (0..2).map(|k| (kinematics::hand(x)[k] - hand[k]).powi(2)).sum::<f64>();
        error += drawn.iter().map(off).sum::<f64>() / drawn.len() as f64;
        mmd += mmd2_of_rows(drawn.as_flattened(), exact.as_flattened(), 4);
        cases += 1.0;
    }
    json!({
        "seed": seed, "steps": steps, "training_core_s": training,
        "nll": nll, "nll_without_constant": nll - 2.0 * (2.0 * std::f64::consts::PI).ln(),
        "mmd2": mmd / cases, "resimulation_squared_error": error / cases, "calibration": calibration(&flow, &mut rng),
    })
}

fn posterior(flow: &Flow, hand: [f64; 2], count: usize, rng: &mut ChaCha8Rng) -> Vec<[f64; 4]> {
    let projected = flow.project(Some(&rows(hand.to_vec(), 2))).expect("2 numbers");
    let (x, _) = flow.sample(count, &projected, rng);
    to_vec(x).chunks_exact(4).map(|row| [row[0], row[1], row[2], row[3]]).collect()
}

/// Simulation-based calibration (Talts 2018): largest distance of the ranks' distribution from uniform, for each number,
/// beside the bounds that one of them, and all four together, keep in 95 of 100 cases (Kolmogorov; Bonferroni).
fn calibration(flow: &Flow, rng: &mut ChaCha8Rng) -> Value {
    let (cases, draws) = (1000, 99);
    let mut ranks = vec![Vec::new(); 4];
    for _ in 0..cases {
        let truth = kinematics::draw(rng);
        let drawn = posterior(flow, kinematics::hand(&truth), draws, rng);
        for (k, ranks) in ranks.iter_mut().enumerate() {
            let below = drawn.iter().filter(|x| x[k] < truth[k]).count();
            ranks.push((below as f64 + rng.random::<f64>()) / (draws + 1) as f64);
        }
    }
    let distances = ranks.iter_mut().map(|ranks| {
        ranks.sort_by(f64::total_cmp);
        let gap = |(at, rank): (usize, &f64)| {
            let (low, high) = (at as f64 / cases as f64, (at + 1) as f64 / cases as f64);
            (rank - low).abs().max((high - rank).abs())
        };
        ranks.iter().enumerate().map(gap).fold(0.0, f64::max)
    });
    let root = f64::from(cases).sqrt();
    json!({ "distances": distances.collect::<Vec<f64>>(), "bound": 1.358 / root, "joint_bound": 1.593 / root })
}

/// Eight modes by colour: spline couplings on a mixture, batch 500.
fn eight(seed: u64, steps: u64) -> Value {
    let subnet = Subnet { hidden: vec![64, 64], activation: Activation::Relu, last_scale: 1.0 };
    let coupling = LayerSettings::Coupling {
        transform: Transform::Spline { bins: 12, bound: 4.0 },
        networks: Networks::Joint,
        subnet,
    };
    let layers = vec![coupling.clone(), LayerSettings::Mixing(MixingKind::Rotation), coupling];
    let base = BaseSettings::Mixture { components: 8, spread: 2.0 };
    let settings = FlowSettings { dims: 2, condition: modes::COLOURS, layers, base };
    let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
    let flow = Flow::new(&settings, &mut rng, &Device::flex().autodiff()).expect("settings in range");
    let begin = ProcessTime::now();
    let training = TrainSettings { steps, learning_rate: 2e-3, warm_up: 50, ..TrainSettings::default() };
    let mut trainer = Trainer::new(flow, training, seed).expect("settings in range");
    let loss = |flow: &Flow, rng: &mut ChaCha8Rng| {
        let drawn: Vec<_> = (0..500).map(|_| modes::draw(rng)).collect();
        let colours = drawn.iter().flat_map(|(_, mode)| modes::condition(modes::COLOUR[*mode])).collect();
        let x = rows(drawn.iter().flat_map(|(x, _)| *x).collect(), 2);
        let projected = flow.project(Some(&rows(colours, modes::COLOURS))).expect("4 numbers");
        flow.log_density(x, &projected).expect("2 numbers").mean().neg()
    };
    trainer.run(None, loss, |_| ControlFlow::Continue(())).expect("finite losses");
    let training = begin.elapsed().as_secs_f64();
    let flow = trainer.into_model().valid();
    let (mut worst, mut found, mut stray) = (0.0f64, 0, 0.0);
    for colour in 0..modes::COLOURS {
        let condition = rows(modes::condition(colour).to_vec(), modes::COLOURS);
        let count = 20_000;
        let (x, _) = flow.sample(count, &flow.project(Some(&condition)).expect("4 numbers"), &mut rng);
        let mut masses = [0.0; modes::MODES];
        for point in to_vec(x).chunks_exact(2) {
            let mode = modes::nearest([point[0], point[1]]);
            let centre = modes::centre(mode);
            let distance = ((point[0] - centre[0]).powi(2) + (point[1] - centre[1]).powi(2)).sqrt();
            if distance < 4.0 * modes::DEVIATION {
                masses[mode] += 1.0 / count as f64;
            } else {
                stray += 0.25 / count as f64;
            }
        }
        for (mass, truth) in masses.iter().zip(modes::masses(colour)) {
            worst = worst.max((mass - truth).abs());
            found += usize::from(truth > 0.0 && *mass > 0.5 * truth);
        }
    }
    json!({ "seed": seed, "steps": steps, "training_core_s": training, "modes_found": found,
        "largest_mass_error": worst, "mass_off_every_mode": stray })
}
