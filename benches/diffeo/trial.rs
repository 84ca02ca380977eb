//! One registration with its steps.

use crate::pair::Pair;
use crate::report::{Row, digits};
use cpu_time::ProcessTime;
use regiscope_diffeo::field::zeros;
use regiscope_diffeo::optimise::presets::{self, Preset};
use regiscope_diffeo::optimise::reduction::Reduction;
use regiscope_diffeo::optimise::{Observer, Progress, Settings, Snapshot, Solution, Start, register};
use regiscope_diffeo::regularisation::{Model, Regularisation};
use regiscope_diffeo::transport::map::{SQUARINGS, displacement};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Notes the processor time at every step, and what the map of that moment leaves of the difference of the images on
/// their own grid, which the steps on coarser grids do not see. What that takes is not counted.
pub struct Watch<'a> {
    begin: ProcessTime,
    pair: &'a Pair,
    regularisation: Regularisation,
    /// Processor time of what is not counted, s.
    aside: f64,
    /// Processor time and mismatch after each step, where a curve is wanted.
    pub curve: Option<Vec<[f64; 2]>>,
    print: bool,
}

impl Observer<f32> for Watch<'_> {
    fn step(&mut self, progress: &Progress, snapshot: Snapshot<f32>) -> ControlFlow<()> {
        let seconds = self.begin.elapsed().as_secs_f64() - self.aside;
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
        if let Some(curve) = &mut self.curve {
            let grid = &self.pair.grid;
            let reduction = Reduction::new(grid, snapshot.unknown.band(), self.regularisation);
            let mut velocity = zeros(grid.len());
            reduction.velocity(snapshot.unknown, &mut snapshot.unknown.clone(), &mut velocity);
            let mismatch = self.pair.mismatch(&displacement(grid, &velocity, SQUARINGS));
            curve.push([seconds, mismatch]);
            self.aside = self.begin.elapsed().as_secs_f64() - seconds;
        }
        ControlFlow::Continue(())
    }
}

/// A registration with its processor time, that of the affine stage included, and with the mismatch against it.
pub struct Timed {
    pub solution: Solution<f32>,
    pub core_s: f64,
    pub curve: Vec<[f64; 2]>,
}

/// What is wanted beside the result.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    pub steps: bool,
    pub curve: bool,
}

/// Registers a pair.
pub fn timed(pair: &Pair, settings: &Settings, wanted: Wanted) -> Timed {
    let images = pair.images();
    let mut watch = Watch {
        begin: ProcessTime::now(),
        pair,
        regularisation: settings.regularisation,
        aside: 0.0,
        curve: wanted.curve.then(Vec::new),
        print: wanted.steps,
    };
    let solution = register(images, settings, Start::Rest, &mut watch).expect("the pair can be registered");
    let before = pair.start.as_ref().map_or(0.0, |start| start.core_s);
    let core_s = watch.begin.elapsed().as_secs_f64() - watch.aside + before;
    let curve = watch.curve.unwrap_or_default().into_iter().map(|[s, m]| [s + before, m]).collect();
    Timed { solution, core_s, curve }
}

/// The settings that the arguments name.
pub fn settings_of(named: &BTreeMap<&str, &str>, shape: [usize; 3]) -> Settings {
    if let Some(path) = named.get("settings") {
        let text = std::fs::read_to_string(path).expect("the settings can be read");
        return serde_json::from_str(&text).expect("the settings can be understood");
    }
    let preset = named.get("preset").copied().unwrap_or("default");
    let preset = Preset::ALL.into_iter().find(|p| p.name() == preset).expect("preset=fast, default or accurate");
    let model = named.get("model").copied().unwrap_or("h1-div");
    let model = Model::ALL.into_iter().find(|m| m.name() == model).expect("model= one of the models");
    presets::settings(preset, model, shape)
}

/// Runs one registration and prints its steps and figures.
pub fn one(named: &BTreeMap<&str, &str>) -> Vec<Row> {
    let pair = Pair::read(named);
    let settings = settings_of(named, pair.grid.shape);
    if named.contains_key("show") {
        println!("{}", serde_json::to_string(&settings).expect("plain JSON"));
    }
    let Timed { solution, core_s, .. } = timed(&pair, &settings, Wanted { steps: true, ..Wanted::default() });
    let figures = pair.figures(&solution.velocity);
    vec![vec![
        ("core_s", digits(core_s, 2)),
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
