//! Training on the toys and scoring what was learned, as in the papers they come from.

use super::{kinematics, modes};
use crate::base::BaseSettings;
use crate::error::InnError;
use crate::flow::{Flow, FlowSettings};
use crate::layer::{LayerSettings, MixingKind, Networks};
use crate::mmd::mmd2_of_rows;
use crate::subnet::{Activation, Subnet};
use crate::tensors::to_vec;
use crate::train::{Schedule, StepReport, TrainError, TrainSettings, Trainer};
use crate::transform::Transform;
use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;

/// Pairs a step.
const BATCH: usize = 500;

/// A flow that was trained on a toy; `None` if it was stopped.
pub type Learned = Result<Option<Flow>, TrainError>;

fn rows(values: Vec<f64>, width: usize) -> Tensor<2> {
    let count = values.len() / width;
    Tensor::from_data(TensorData::new(values, [count, width]), (&Device::flex(), DType::F32))
}

fn learn(
    settings: Result<Flow, InnError>,
    steps: u64,
    seed: u64,
    loss: impl FnMut(&Flow, &mut ChaCha8Rng) -> Tensor<1>,
    observe: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
) -> Learned {
    let flow = settings.expect("settings of this file are in range");
    let training = TrainSettings {
        steps,
        learning_rate: 2e-3,
        warm_up: 50,
        schedule: Schedule::Cosine,
        ..TrainSettings::default()
    };
    let mut trainer = Trainer::new(flow, training, seed)?;
    trainer.run(None, loss, observe)?;
    Ok((trainer.steps_done() == steps).then(|| trainer.into_model().valid()))
}

/// Inverse kinematics: 6 all-in-one blocks with 128-128, batch 500, Adam at 2e-3 with half a cosine.
pub fn learn_kinematics(steps: u64, seed: u64, observe: &mut dyn FnMut(&StepReport) -> ControlFlow<()>) -> Learned {
    let subnet = Subnet { hidden: vec![128, 128], activation: Activation::Relu, last_scale: 1.0 };
    let block = LayerSettings::AllInOne { clamp: 2.0, mixing: MixingKind::Rotation, subnet };
    let settings = FlowSettings { dims: 4, condition: 2, layers: vec![block; 6], base: BaseSettings::Normal };
    let flow = Flow::new(&settings, &mut ChaCha8Rng::seed_from_u64(100 + seed), &Device::flex().autodiff());
    let loss = |flow: &Flow, rng: &mut ChaCha8Rng| {
        let (x, hands) = arms(BATCH, rng);
        flow.log_density(x, &flow.project(Some(&hands)).expect("2 numbers")).expect("4 numbers").mean().neg()
    };
    learn(flow, steps, seed, loss, observe)
}

/// A batch of arm states and hands.
fn arms(count: usize, rng: &mut ChaCha8Rng) -> (Tensor<2>, Tensor<2>) {
    let states: Vec<_> = (0..count).map(|_| kinematics::draw(rng)).collect();
    let hands = states.iter().flat_map(kinematics::hand).collect();
    (rows(states.into_iter().flatten().collect(), 4), rows(hands, 2))
}

/// States that a flow draws for a hand.
pub fn draw_arms(flow: &Flow, hand: [f64; 2], count: usize, rng: &mut ChaCha8Rng) -> Vec<[f64; 4]> {
    let projected = flow.project(Some(&rows(hand.to_vec(), 2))).expect("2 numbers");
    let (x, _) = flow.sample(count, &projected, rng);
    to_vec(x).chunks_exact(4).map(|row| [row[0], row[1], row[2], row[3]]).collect()
}

/// What a flow knows of inverse kinematics.
#[derive(Debug, Clone, PartialEq)]
pub struct KinematicsScore {
    /// Mean of −log density over 20,000 pairs, nats.
    pub nll: f64,
    /// Mean over 100 hands of MMD² between 500 draws and 500 states of the exact posterior.
    pub mmd2: f64,
    /// Mean squared distance of the draws' hands from the hand that was asked for.
    pub resimulation: f64,
    /// Relative ranks of 1,000 true states among 99 draws, for each of the four numbers (Talts et al. 2018).
    pub ranks: [Vec<f64>; 4],
}

/// Scores a flow; the random numbers follow from `seed`.
pub fn score_kinematics(flow: &Flow, seed: u64) -> KinematicsScore {
    let mut rng = ChaCha8Rng::seed_from_u64(200 + seed);
    let (x, hands) = arms(20_000, &mut rng);
    let projected = flow.project(Some(&hands)).expect("2 numbers");
    let nll = -to_vec(flow.log_density(x, &projected).expect("4 numbers").mean())[0];
    let (mut error, mut mmd, mut cases) = (0.0, 0.0, 0.0);
    while cases < 100.0 {
        let hand = kinematics::hand(&kinematics::draw(&mut rng));
        let exact = kinematics::posterior(hand, 500, 20_000, &mut rng);
        let drawn = draw_arms(flow, hand, 500, &mut rng);
        if exact.is_empty() {
            continue;
        }
        let off = |x: &[f64; 4]| (0..2).map(|k| (kinematics::hand(x)[k] - hand[k]).powi(2)).sum::<f64>();
        error += drawn.iter().map(off).sum::<f64>() / drawn.len() as f64;
        mmd += mmd2_of_rows(drawn.as_flattened(), exact.as_flattened(), 4);
        cases += 1.0;
    }
    let mut ranks: [Vec<f64>; 4] = Default::default();
    for _ in 0..1000 {
        let truth = kinematics::draw(&mut rng);
        let drawn = draw_arms(flow, kinematics::hand(&truth), 99, &mut rng);
        for (k, ranks) in ranks.iter_mut().enumerate() {
            let below = drawn.iter().filter(|x| x[k] < truth[k]).count();
            ranks.push((below as f64 + rng.random::<f64>()) / 100.0);
        }
    }
    KinematicsScore { nll, mmd2: mmd / cases, resimulation: error / cases, ranks }
}

/// Eight modes by colour: two spline couplings on a mixture of eight, batch 500, Adam at 2e-3 with half a cosine.
pub fn learn_modes(steps: u64, seed: u64, observe: &mut dyn FnMut(&StepReport) -> ControlFlow<()>) -> Learned {
    let subnet = Subnet { hidden: vec![64, 64], activation: Activation::Relu, last_scale: 1.0 };
    let coupling = LayerSettings::Coupling {
        transform: Transform::Spline { bins: 12, bound: 4.0 },
        networks: Networks::Joint,
        subnet,
    };
    let layers = vec![coupling.clone(), LayerSettings::Mixing(MixingKind::Rotation), coupling];
    let base = BaseSettings::Mixture { components: 8, spread: 2.0 };
    let settings = FlowSettings { dims: 2, condition: modes::COLOURS, layers, base };
    let flow = Flow::new(&settings, &mut ChaCha8Rng::seed_from_u64(100 + seed), &Device::flex().autodiff());
    let loss = |flow: &Flow, rng: &mut ChaCha8Rng| {
        let drawn: Vec<_> = (0..BATCH).map(|_| modes::draw(rng)).collect();
        let colours = drawn.iter().flat_map(|(_, mode)| modes::condition(modes::COLOUR[*mode])).collect();
        let x = rows(drawn.iter().flat_map(|(x, _)| *x).collect(), 2);
        let projected = flow.project(Some(&rows(colours, modes::COLOURS))).expect("4 numbers");
        flow.log_density(x, &projected).expect("2 numbers").mean().neg()
    };
    learn(flow, steps, seed, loss, observe)
}

/// Points that a flow draws for a colour.
pub fn draw_points(flow: &Flow, colour: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<[f64; 2]> {
    let condition = rows(modes::condition(colour).to_vec(), modes::COLOURS);
    let (x, _) = flow.sample(count, &flow.project(Some(&condition)).expect("4 numbers"), rng);
    to_vec(x).chunks_exact(2).map(|point| [point[0], point[1]]).collect()
}

/// What a flow knows of the eight modes.
#[derive(Debug, Clone, PartialEq)]
pub struct ModesScore {
    /// Mass of each mode given each colour, of 20,000 draws within four standard deviations of it.
    pub masses: [[f64; modes::MODES]; modes::COLOURS],
    /// Modes that have more than half of their mass where they should.
    pub found: usize,
    /// Largest difference of a mass from the truth.
    pub largest_mass_error: f64,
    /// Part of the draws off every mode, mean over colours.
    pub off_every_mode: f64,
}

/// Scores a flow; the random numbers follow from `seed`.
pub fn score_modes(flow: &Flow, seed: u64) -> ModesScore {
    const COUNT: usize = 20_000;
    let mut rng = ChaCha8Rng::seed_from_u64(200 + seed);
    let mut score = ModesScore {
        masses: [[0.0; modes::MODES]; modes::COLOURS],
        found: 0,
        largest_mass_error: 0.0,
        off_every_mode: 0.0,
    };
    for colour in 0..modes::COLOURS {
        for point in draw_points(flow, colour, COUNT, &mut rng) {
            let mode = modes::nearest(point);
            let centre = modes::centre(mode);
            let distance = ((point[0] - centre[0]).powi(2) + (point[1] - centre[1]).powi(2)).sqrt();
            if distance < 4.0 * modes::DEVIATION {
                score.masses[colour][mode] += 1.0 / COUNT as f64;
            } else {
                score.off_every_mode += 1.0 / (modes::COLOURS * COUNT) as f64;
            }
        }
        for (mass, truth) in score.masses[colour].iter().zip(modes::masses(colour)) {
            score.largest_mass_error = score.largest_mass_error.max((mass - truth).abs());
            score.found += usize::from(truth > 0.0 && *mass > 0.5 * truth);
        }
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_steps_find_most_modes_and_better_hands_than_the_prior() {
        let mut go_on = |_: &StepReport| ControlFlow::Continue(());
        let flow = learn_modes(150, 1, &mut go_on).unwrap().unwrap();
        let score = score_modes(&flow, 1);
        assert!(score.found >= 6, "{score:?}");
        let flow = learn_kinematics(60, 1, &mut go_on).unwrap().unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let hand = kinematics::hand(&kinematics::draw(&mut rng));
        let off = |states: &[[f64; 4]]| {
            let one = |x: &[f64; 4]| (0..2).map(|k| (kinematics::hand(x)[k] - hand[k]).powi(2)).sum::<f64>();
            states.iter().map(one).sum::<f64>() / states.len() as f64
        };
        let prior: Vec<[f64; 4]> = (0..500).map(|_| kinematics::draw(&mut rng)).collect();
        let drawn = draw_arms(&flow, hand, 500, &mut rng);
        assert!(off(&drawn) < 0.7 * off(&prior), "{} {}", off(&drawn), off(&prior));
    }

    #[test]
    fn a_training_can_be_stopped() {
        let mut stop =
            |report: &StepReport| if report.step == 1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        assert!(learn_modes(50, 1, &mut stop).unwrap().is_none());
    }
}
