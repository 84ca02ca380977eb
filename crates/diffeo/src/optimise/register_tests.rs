use super::*;
use crate::distance::Distance;
use crate::objective::Component;
use crate::optimise::presets::{self, Preset};
use crate::optimise::{Choice, Weight};
use crate::regularisation::Model;
use crate::transport::{Flow, MapKernel};
use std::f64::consts::TAU;
use std::ops::ControlFlow;

/// A smooth bright body with structure inside, on a dark border.
fn body(x: [f64; 3]) -> f64 {
    let radius = (x[0].powi(2) / 1.0 + x[1].powi(2) / 1.4 + x[2].powi(2) / 0.9).sqrt();
    let inside = 1.0 / (1.0 + ((radius - 1.8) * 6.0).exp());
    inside * (0.6 + 0.3 * (2.5 * x[0]).sin() * (2.0 * x[1]).cos() + 0.2 * (3.0 * x[2] + x[0]).cos())
}

/// Two images of which one is the other moved by a known smooth velocity.
fn pair<T: Real>(shape: [usize; 3]) -> Images<T> {
    let grid = Grid::new(shape, [1.0, 1.1, 0.9]);
    let position = |i: usize| {
        let index = [i % shape[0], i / shape[0] % shape[1], i / (shape[0] * shape[1])];
        [0, 1, 2].map(|a: usize| (index[a] as f64 / shape[a] as f64 - 0.5) * TAU)
    };
    let moving: Vec<f64> = (0..grid.len()).map(|i| body(position(i))).collect();
    let velocity: VectorField<f64> = [0, 1, 2].map(|a: usize| {
        let wave = |i: usize| 0.35 * (position(i)[(a + 1) % 3]).sin() * position(i)[(a + 2) % 3].cos();
        (0..grid.len()).map(wave).collect()
    });
    let (_, displacement) = Flow::new(&grid, &velocity, 4, MapKernel::CubicLagrange);
    let image = crate::interpolate::image::Image::new(shape, &moving, crate::interpolate::Kernel::CubicSpline);
    let narrow = |v: Vec<f64>| v.into_iter().map(T::of).collect::<Vec<T>>();
    let fixed = narrow(image.values(&displacement));
    let components = vec![Component { fixed, moving: narrow(moving), weight: 1.0 }];
    Images { grid, components, mask: None, distance: Distance::SumOfSquares }
}

fn quick(model: Model) -> Settings {
    let mut settings = presets::settings(Preset::Default, model, [32; 3]);
    settings.stages.remove(0);
    settings.stages.remove(0);
    for stage in &mut settings.stages {
        stage.newton_steps = 4;
        stage.krylov_steps = 5;
    }
    settings
}

fn run<T: Real>(images: Images<T>, settings: &Settings) -> Solution<T> {
    register(images, settings, Start::Rest, &mut ()).expect("the settings and images are sound")
}

#[test]
fn a_small_deformation_is_recovered() {
    for model in [Model::H1Div, Model::H2] {
        let solution = run(pair::<f32>([32, 30, 32]), &quick(model));
        assert!(solution.relative_mismatch < 0.25, "{model:?}: {}", solution.relative_mismatch);
        assert!(solution.jacobian[0] > 0.3 && solution.jacobian[1] < 3.0, "{model:?}: {:?}", solution.jacobian);
        assert_eq!(solution.history.len() as u64, solution.work.newton_steps);
        let same_problem = |w: &&[Progress]| w[1].stage == w[0].stage && w[1].beta == w[0].beta;
        assert!(solution.history.windows(2).filter(same_problem).all(|w| w[1].step.objective < w[0].step.objective));
    }
}

/// What is left of the difference of the pair's own images through a velocity that was found for images made of them.
fn left_of_the_pair(shape: [usize; 3], velocity: &VectorField<f32>) -> f64 {
    let Images { grid, components, .. } = pair::<f32>(shape);
    let Component { fixed, moving, .. } = &components[0];
    let displacement = crate::transport::map::displacement(&grid, velocity, SQUARINGS);
    let warped = crate::transport::map::warp(shape, moving, &displacement, crate::interpolate::Kernel::CubicSpline);
    let apart = |a: &[f32]| a.iter().zip(fixed).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    (apart(&warped) / apart(moving)).sqrt()
}

#[test]
fn an_inverted_image_is_registered_by_correlation_and_not_by_squares() {
    let shape = [32, 30, 32];
    let left = |distance: Distance, contrast: fn(f32) -> f32| {
        let mut images = Images { distance, ..pair::<f32>(shape) };
        images.components[0].moving.iter_mut().for_each(|m| *m = contrast(*m));
        left_of_the_pair(shape, &run(images, &quick(Model::H1Div)).velocity)
    };
    let inverted = |m: f32| 1.0 - 0.6 * m;
    let plain = left(Distance::SumOfSquares, |m| m);
    for found in [left(Distance::CrossCorrelation, |m| m), left(Distance::CrossCorrelation, inverted)] {
        assert!((found - plain).abs() < 0.03, "{found}, by squares of the plain images {plain}");
    }
    let lost = left(Distance::SumOfSquares, inverted);
    assert!(lost > 0.9, "{lost}");
}

#[test]
fn the_incompressible_model_keeps_volumes() {
    let solution = run(pair::<f64>([32, 32, 32]), &quick(Model::H1Stokes));
    let [least, largest] = solution.jacobian;
    assert!(solution.relative_mismatch < 0.8);
    assert!(least > 0.95 && largest < 1.05, "{least} to {largest}");
}

#[test]
fn single_precision_agrees_with_double_for_the_high_norms() {
    // Weights at which both get to the optimum within the steps below.
    for (model, beta) in [(Model::H2, 5e-5), (Model::H3, 5e-7)] {
        let mut settings = quick(model);
        settings.stages.remove(0);
        settings.weight = Weight::Fixed(beta);
        settings.decrease_tolerance = 0.0;
        settings.stages[0] =
            Stage { newton_steps: 15, krylov_steps: 30, gradient_tolerance: 2e-3, ..settings.stages[0] };
        let wide = run(pair::<f64>([24, 24, 24]), &settings);
        let narrow = run(pair::<f32>([24, 24, 24]), &settings);
        assert!(wide.relative_mismatch < 0.3, "{model:?}: {}", wide.relative_mismatch);
        assert!(
            (wide.relative_mismatch - narrow.relative_mismatch).abs() < 5e-3,
            "{model:?} {} {}",
            wide.relative_mismatch,
            narrow.relative_mismatch
        );
    }
}

#[test]
fn preconditioners_lead_to_the_same_place_with_less_work_the_more_they_know() {
    let products = [Choice::Regularisation, Choice::ZeroVelocity, Choice::TwoLevel].map(|preconditioner| {
        let mut settings = quick(Model::H1Div);
        settings.weight = Weight::Fixed(1e-4);
        settings.stages.remove(0);
        let stage = &mut settings.stages[0];
        *stage = Stage { preconditioner, krylov_steps: 100, newton_steps: 20, gradient_tolerance: 0.02, ..*stage };
        let solution = run(pair::<f32>([24, 24, 24]), &settings);
        assert!(matches!(solution.outcome, Outcome::Converged | Outcome::Stalled), "{preconditioner:?}");
        (solution.work.products, solution.relative_mismatch)
    });
    let [plain, zero, two] = products;
    assert!((plain.1 - two.1).abs() < 0.1 && (plain.1 - zero.1).abs() < 0.1, "{products:?}");
    assert!(plain.0 > 0 && zero.0 > 0 && two.0 > 0, "{products:?}");
}

/// Keeps the checkpoint after so many steps, and perhaps stops there.
struct Keep {
    after: usize,
    stop: bool,
    bytes: Vec<u8>,
}

impl Observer<f32> for Keep {
    fn step(&mut self, _: &Progress, snapshot: Snapshot<f32>) -> ControlFlow<()> {
        if self.after > 0 {
            self.after -= 1;
            if self.after == 0 {
                self.bytes = snapshot.bytes();
                return if self.stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_resumed_run_gives_the_same_bits() {
    let settings = quick(Model::H1Div);
    let whole = run(pair::<f32>([20, 24, 16]), &settings);
    let steps = whole.history.len();
    assert!(steps > 3);
    for after in [1, steps - 1] {
        let mut keep = Keep { after, stop: true, bytes: Vec::new() };
        let part = register(pair([20, 24, 16]), &settings, Start::Rest, &mut keep).expect("sound");
        assert_eq!((part.outcome, part.history.len()), (Outcome::Interrupted, after));
        let checkpoint = Checkpoint::<f32>::from_bytes(&keep.bytes).expect("its own bytes");
        let rest = register(pair([20, 24, 16]), &settings, Start::Checkpoint(checkpoint), &mut ()).expect("sound");
        assert_eq!(rest.velocity, whole.velocity, "after {after} steps");
        assert_eq!(rest.history.len() + after, whole.history.len());
    }
}

#[test]
fn a_bound_on_the_volume_change_finds_its_weight() {
    let mut settings = quick(Model::H1);
    settings.weight = Weight::JacobianBound { bound: 0.85, first: 0.1, least: 1e-6 };
    let solution = run(pair::<f32>([24, 24, 24]), &settings);
    assert!(solution.jacobian[0] >= 0.7 && solution.jacobian[1] <= 1.5, "{:?}", solution.jacobian);
    assert!(solution.beta > 1e-6 && solution.beta < 100.0 && solution.relative_mismatch < 1.0, "{}", solution.beta);
    settings.weight = Weight::JacobianBound { bound: 0.999_999, first: 1e-4, least: 1e-6 };
    assert_eq!(run(pair::<f32>([24, 24, 24]), &settings).outcome, Outcome::BoundNotMet);
}

/// Two images that no gentle map joins: at a low weight it folds, or nearly.
fn unlike(shape: [usize; 3]) -> Images<f32> {
    let mut images = pair::<f32>(shape);
    let moving = images.components[0].moving.clone();
    let [nx, ny, _] = shape;
    // The fixed image is the moving one, its structures shifted by a sixth of the box where y is high.
    for (i, fixed) in images.components[0].fixed.iter_mut().enumerate() {
        let (x, y) = (i % nx, i / nx % ny);
        let from = if y > ny / 2 { i - x + (x + nx / 6) % nx } else { i };
        *fixed = moving[from];
    }
    images
}

#[test]
fn a_guard_mends_folds_where_they_are_and_keeps_the_weight() {
    let shape = [32, 30, 32];
    let mut settings = quick(Model::H1Div);
    let beta = 1e-5;
    settings.weight = Weight::Fixed(beta);
    let free = run(unlike(shape), &settings);
    settings.weight = Weight::Guarded { beta, bound: 0.3 };
    let guarded = run(unlike(shape), &settings);
    let [least, most] = free.jacobian;
    assert!(least < 0.3 && most > 1.0 / 0.3, "free of the guard it leaves the range: {least} to {most}");
    assert!(guarded.jacobian[0] >= 0.3 && guarded.jacobian[1] <= 1.0 / 0.3, "{:?}", guarded.jacobian);
    assert_eq!(guarded.beta, beta, "a larger weight would have held back all of it");
    assert!(guarded.relative_mismatch < 0.35, "{}", guarded.relative_mismatch);
}

#[test]
fn a_warm_start_at_the_answer_stays_there() {
    let mut settings = quick(Model::H2);
    settings.stages.remove(0);
    let first = run(pair::<f64>([24, 24, 24]), &settings);
    let again =
        register(pair([24, 24, 24]), &settings, Start::Velocity(first.velocity.clone()), &mut ()).expect("sound");
    assert!(again.relative_mismatch <= first.relative_mismatch * 1.05);
    assert!(again.history.iter().all(|p| p.step.relative_mismatch < 1.3 * first.relative_mismatch));
}

#[test]
fn what_cannot_be_registered_is_refused_in_words() {
    let says = |images: Images<f32>, settings: &Settings, start: Start<f32>| {
        register(images, settings, start, &mut ()).expect_err("it cannot be registered").to_string()
    };
    let settings = quick(Model::H1);
    let shape = [12, 12, 12];
    let mut flat = pair::<f32>(shape);
    flat.components[0].moving.fill(0.5);
    assert!(says(flat, &settings, Start::Rest).contains("moving image of channel 0 is 0.5 everywhere"));
    let mut broken = pair::<f32>(shape);
    broken.components[0].fixed[7] = f32::NAN;
    assert!(says(broken, &settings, Start::Rest).contains("sample 7 of the fixed image of channel 0 is NaN"));
    let mut thin = pair::<f32>([12, 12, 1]);
    thin.grid = Grid::new([12, 12, 1], [1.0; 3]);
    assert!(says(thin, &settings, Start::Rest).contains("at least 8 along every axis"));
    let mut negative = settings.clone();
    negative.weight = Weight::Fixed(-1.0);
    assert!(says(pair(shape), &negative, Start::Rest).contains("weight is -1; accepted: a positive number"));
    let short = Start::Velocity(zeros(5));
    assert!(says(pair(shape), &settings, short).contains("[5, 5, 5] samples; the images have 1728"));
}

#[test]
fn equal_images_need_no_step() {
    let mut images = pair::<f32>([16, 16, 16]);
    images.components[0].moving = images.components[0].fixed.clone();
    let solution = run(images, &quick(Model::H1));
    assert_eq!(solution.outcome, Outcome::Converged);
    assert!(solution.velocity.iter().flatten().all(|v| v.abs() < 1e-6));
}
