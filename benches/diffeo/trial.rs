//! One registration with its steps.

use crate::pair::Pair;
use crate::report::{Row, digits};
use cpu_time::ProcessTime;
use regiscope_diffeo::distance::Distance;
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::{Observer, Progress, Settings, Snapshot, Solution, Start, register};
use regiscope_diffeo::regularisation::Model;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Notes the processor time at every step.
pub struct Watch {
    begin: ProcessTime,
    pub seconds: Vec<f64>,
    pub print: bool,
}

impl Observer<f32> for Watch {
    fn step(&mut self, progress: &Progress, _: Snapshot<f32>) -> ControlFlow<()> {
        let seconds = self.begin.elapsed().as_secs_f64();
        self.seconds.push(seconds);
        if self.print {
            let Progress { stage, shape, beta, step, work, .. } = progress;
            println!(
                "{stage} {shape:?} β {beta:.1e} #{} J {:.4e} mismatch {:.4} |g| {:.3} products {}+{} step {} det {:.2}..{:.2} \
                 t {seconds:.2} s, {} FFT {} interp",
                step.number,
                step.objective,
                step.relative_mismatch,
                step.relative_gradient,
                step.products,
                step.inner_products,
                step.step,
                step.jacobian[0],
                step.jacobian[1],
                work.transforms,
                work.interpolations
            );
        }
        ControlFlow::Continue(())
    }
}

/// A registration with its processor time.
pub fn timed(pair: &Pair, settings: &Settings, distance: Distance, print: bool) -> (Solution<f32>, f64, Vec<f64>) {
    let images = pair.images(distance);
    let mut watch = Watch { begin: ProcessTime::now(), seconds: Vec::new(), print };
    let solution = register(images, settings, Start::Rest, &mut watch).expect("the pair can be registered");
    let seconds = watch.begin.elapsed().as_secs_f64();
    (solution, seconds, watch.seconds)
}

/// The settings that the arguments name.
pub fn settings_of(named: &BTreeMap<&str, &str>) -> Settings {
    if let Some(path) = named.get("settings") {
        let text = std::fs::read_to_string(path).expect("the settings can be read");
        return serde_json::from_str(&text).expect("the settings can be understood");
    }
    let preset = named.get("preset").copied().unwrap_or("default");
    let preset = Preset::ALL.into_iter().find(|p| p.name() == preset).expect("preset=fast, default or accurate");
    let model = named.get("model").copied().unwrap_or("h1-div");
    let model = Model::ALL.into_iter().find(|m| m.name() == model).expect("model= one of the models");
    presets::settings(preset, model)
}

/// Runs one registration and prints its steps and figures.
pub fn one(named: &BTreeMap<&str, &str>) -> Vec<Row> {
    let pair = Pair::read(named);
    let settings = settings_of(named);
    if named.contains_key("show") {
        println!("{}", serde_json::to_string(&settings).expect("plain JSON"));
    }
    let (solution, seconds, _) = timed(&pair, &settings, Distance::SumOfSquares, true);
    let figures = pair.figures(&solution.velocity);
    vec![vec![
        ("core_s", digits(seconds, 2)),
        ("outcome", serde_json::json!(solution.outcome)),
        ("mismatch_in_the_run", digits(solution.relative_mismatch, 4)),
        ("mismatch", digits(figures.mismatch, 4)),
        ("dice_mean", digits(figures.dice_mean, 4)),
        ("dice_union", digits(figures.dice_union, 4)),
        ("det_least", digits(figures.jacobian[0], 3)),
        ("det_largest", digits(figures.jacobian[1], 3)),
        ("beta", serde_json::json!(solution.beta)),
    ]]
}
