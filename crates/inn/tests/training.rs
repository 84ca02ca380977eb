//! Training: the optimiser against Burn's own, and runs that are interrupted.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_inn::tensors::{normal, to_vec};
use regiscope_inn::train::{AdamW, CheckpointError, Checkpoints, Schedule, TrainError, TrainSettings, Trainer};
use regiscope_inn::{BaseSettings, Flow, FlowSettings, LayerSettings, MixingKind, Subnet};
use std::fs;
use std::ops::ControlFlow;

fn flow(width: usize) -> Flow {
    let block = LayerSettings::AllInOne { clamp: 2.0, mixing: MixingKind::Rotation, subnet: Subnet::two(width) };
    let base = BaseSettings::Mixture { components: 3, spread: 1.0 };
    let settings = FlowSettings { dims: 4, condition: 2, layers: vec![block; 3], base };
    Flow::new(&settings, &mut ChaCha8Rng::seed_from_u64(1), &Device::flex().autodiff()).unwrap()
}

/// A batch drawn with the run's random numbers: rows around a centre that is their condition.
fn loss(flow: &Flow, rng: &mut ChaCha8Rng) -> Tensor<1> {
    let condition = normal([32, 2], rng, &Device::flex(), DType::F32);
    let noise = normal([32, 4], rng, &Device::flex(), DType::F32).mul_scalar(0.3);
    let x = Tensor::cat(vec![condition.clone(), condition.clone()], 1) + noise;
    flow.log_density(x, &flow.project(Some(&condition)).unwrap()).unwrap().mean().neg()
}

fn parameters<M: Module>(model: &M) -> Vec<f64> {
    struct All(Vec<f64>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(to_vec(param.val()));
        }
    }
    let mut all = All(Vec::new());
    model.visit(&mut all);
    all.0
}

fn settings() -> TrainSettings {
    TrainSettings { steps: 24, checkpoint_every: 5, clip_norm: 3.0, warm_up: 3, ..TrainSettings::default() }
}

#[test]
fn the_optimiser_does_what_burns_own_does() {
    let mut own = AdamW::new(0.01);
    let mut theirs: ModuleOptimizer = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).init();
    let (mut a, mut b) = (flow(8), flow(8));
    for step in 0..20 {
        let grads = |model: &Flow| {
            let loss = loss(model, &mut ChaCha8Rng::seed_from_u64(step));
            GradientsParams::from_grads(loss.backward(), model)
        };
        let of_a = grads(&a);
        a = own.update(a, of_a, 1e-2, 1.0);
        let of_b = grads(&b);
        b = theirs.step(1e-2, b, of_b);
    }
    let moved = parameters(&flow(8)).iter().zip(parameters(&a)).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
    let error = parameters(&a).iter().zip(parameters(&b)).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
    assert!(moved > 0.05, "parameters moved by {moved}");
    assert!(error < 1e-5, "{error:.1e}");
}

#[test]
fn a_run_that_is_killed_goes_on_bit_for_bit() {
    let whole = {
        let mut run = Trainer::new(flow(8), settings(), 7).unwrap();
        let mut losses = Vec::new();
        run.run(None, loss, |report| {
            losses.push(report.loss);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(losses[23] < losses[0]);
        (losses, parameters(run.model()))
    };
    for killed_after in [1, 5, 13, 20] {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::in_folder(folder.path().join("run"));
        // The process is lost in the middle of step `killed_after`: its memory goes, half a checkpoint stays.
        let mut lost = Trainer::new(flow(8), settings(), 7).unwrap();
        let mut count = 0;
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            lost.run(
                Some(&checkpoints),
                |model, rng| {
                    count += 1;
                    assert!(count <= killed_after, "killed");
                    loss(model, rng)
                },
                |_| ControlFlow::Continue(()),
            )
        }));
        assert!(result.is_err());
        let half = folder.path().join("run/.step-0000000099.partial");
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("model.safetensors"), "half a fi").unwrap();

        // Another process: other parameters at its start, another seed.
        let mut run = Trainer::new(flow(8), settings(), 999).unwrap();
        let found = run.resume(&checkpoints).unwrap();
        assert_eq!(found, killed_after >= 5);
        if !found {
            run = Trainer::new(flow(8), settings(), 7).unwrap();
        }
        assert_eq!(run.steps_done(), 5 * (killed_after as u64 / 5));
        let mut losses = whole.0[..run.steps_done() as usize].to_vec();
        run.run(Some(&checkpoints), loss, |report| {
            losses.push(report.loss);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(losses, whole.0);
        assert_eq!(parameters(run.model()), whole.1, "killed after {killed_after}");
        // The network alone, without a run.
        let last = checkpoints.last().unwrap().unwrap();
        assert_eq!(last.step, 24);
        assert_eq!(parameters(&last.restore_model(flow(8)).unwrap()), whole.1);
    }
}

#[test]
fn an_observer_ends_a_run_after_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::in_folder(folder.path());
    let mut run = Trainer::new(flow(8), settings(), 7).unwrap();
    run.run(Some(&checkpoints), loss, |r| if r.step == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        .unwrap();
    assert_eq!(run.steps_done(), 7);
    assert_eq!(checkpoints.last().unwrap().unwrap().step, 7);
}

#[test]
fn only_the_last_two_checkpoints_stay() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::in_folder(folder.path());
    Trainer::new(flow(8), settings(), 7).unwrap().run(Some(&checkpoints), loss, |_| ControlFlow::Continue(())).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["step-0000000020", "step-0000000024"]);
}

#[test]
fn checkpoints_that_are_damaged_or_of_another_network_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::in_folder(folder.path());
    Trainer::new(flow(8), settings(), 7).unwrap().run(Some(&checkpoints), loss, |_| ControlFlow::Continue(())).unwrap();
    let last = checkpoints.last().unwrap().unwrap();
    let error = last.restore_model(flow(9)).unwrap_err();
    assert!(matches!(error, CheckpointError::OtherNetwork { .. }) && error.to_string().contains("[2, 8]"), "{error}");
    let newest = folder.path().join("step-0000000024");
    for (file, text) in [("state.json", "{}"), ("model.safetensors", "no tensors"), ("optimiser.safetensors", "")] {
        let kept = fs::read(newest.join(file)).unwrap();
        fs::write(newest.join(file), text).unwrap();
        let error = checkpoints.last().unwrap_err().to_string();
        assert!(error.contains(file), "{error}");
        fs::write(newest.join(file), kept).unwrap();
    }
    let state = fs::read_to_string(newest.join("state.json")).unwrap();
    fs::write(newest.join("state.json"), state.replace("\"version\": 1", "\"version\": 9")).unwrap();
    assert!(checkpoints.last().unwrap_err().to_string().contains("format 9 was found; accepted is 1"));
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_with_its_step() {
    let mut run = Trainer::new(flow(8), settings(), 7).unwrap();
    run.step(loss).unwrap();
    let error = run.step(|model, rng| loss(model, rng).mul_scalar(f64::NAN)).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { step: 1, .. }), "{error}");
    let refused = TrainSettings { schedule: Schedule::Exponential { last: 0.0 }, ..settings() };
    assert!(Trainer::new(flow(8), refused, 7).is_err());
}

#[test]
fn moments_of_f64_networks_go_through_burns_operations_to_the_same_end() {
    let run = |dtype: DType| {
        let mut model = regiscope_inn::tensors::cast(flow(8), dtype);
        let mut optimiser = AdamW::new(0.0);
        for step in 0..5 {
            let mut rng = ChaCha8Rng::seed_from_u64(step);
            let condition = normal([16, 2], &mut rng, &Device::flex(), dtype);
            let x = normal([16, 4], &mut rng, &Device::flex(), dtype);
            let loss = model.log_density(x, &model.project(Some(&condition)).unwrap()).unwrap().mean().neg();
            let grads = GradientsParams::from_grads(loss.backward(), &model);
            model = optimiser.update(model, grads, 1e-3, 0.5);
        }
        parameters(&model)
    };
    let error = run(DType::F32).iter().zip(run(DType::F64)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error < 1e-4, "{error:.1e}");
}
