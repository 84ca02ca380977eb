//! Laws that every invertible layer keeps, on one table of cases: the inverse, the log determinant, the gradients.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regiscope_inn::tensors::{cast, normal, to_vec};
use regiscope_inn::{
    Activation, BaseSettings, Flow, FlowSettings, LayerSettings, MixingKind, Networks, Subnet, Transform,
};
use std::f64::consts::PI;

const CONDITION: usize = 3;
const ROWS: usize = 24;

struct Case {
    name: &'static str,
    layers: Vec<LayerSettings>,
    dims: usize,
    base: BaseSettings,
}

fn subnet() -> Subnet {
    Subnet { hidden: vec![16, 12], activation: Activation::Silu, last_scale: 1.0 }
}

fn coupling(transform: Transform, networks: Networks) -> LayerSettings {
    LayerSettings::Coupling { transform, networks, subnet: subnet() }
}

fn block(mixing: MixingKind) -> LayerSettings {
    LayerSettings::AllInOne { clamp: 2.0, mixing, subnet: subnet() }
}

fn cases() -> Vec<Case> {
    use LayerSettings::Mixing;
    let case = |name, dims, layer| Case { name, layers: vec![layer], dims, base: BaseSettings::Normal };
    let joint = |transform| coupling(transform, Networks::Joint);
    let affine = Transform::Affine { clamp: 1.9 };
    let student = BaseSettings::StudentT { degrees_of_freedom: 4.0 };
    let mixture = BaseSettings::Mixture { components: 5, spread: 2.0 };
    vec![
        case("NICE", 5, joint(Transform::Additive)),
        case("RealNVP", 5, coupling(affine, Networks::Separate)),
        case("Glow", 6, joint(affine)),
        case("Glow on two numbers", 2, joint(affine)),
        case("GIN", 6, joint(Transform::VolumePreserving { clamp: 2.0 })),
        case("spline", 5, joint(Transform::Spline { bins: 8, bound: 2.5 })),
        case("circular spline", 4, joint(Transform::Circular { bins: 6 })),
        case("all-in-one, permutation", 6, block(MixingKind::Permutation)),
        case("all-in-one, rotation", 5, block(MixingKind::Rotation)),
        case("all-in-one, Householder", 6, block(MixingKind::Householder { reflections: 3 })),
        case("ActNorm", 4, LayerSettings::ActNorm),
        case("permutation", 7, Mixing(MixingKind::Permutation)),
        case("rotation", 7, Mixing(MixingKind::Rotation)),
        case("Householder", 5, Mixing(MixingKind::Householder { reflections: 4 })),
        case("LU", 7, Mixing(MixingKind::Lu)),
        case(
            "multi-scale split",
            6,
            LayerSettings::Part { numbers: 4, layers: vec![LayerSettings::ActNorm, block(MixingKind::Lu)] },
        ),
        Case { name: "stack on Student's t", layers: vec![block(MixingKind::Rotation); 4], dims: 6, base: student },
        Case {
            name: "stack on a mixture",
            layers: vec![LayerSettings::ActNorm, joint(affine), Mixing(MixingKind::Lu), joint(Transform::Additive)],
            dims: 3,
            base: mixture,
        },
    ]
}

/// Every trainable number moved at random, so that nothing is at its start.
fn shaken(flow: Flow, rng: &mut ChaCha8Rng) -> Flow {
    struct Shake<'a>(&'a mut ChaCha8Rng);
    impl ModuleMapper for Shake<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.is_require_grad() {
                return param;
            }
            let noise = normal(param.dims(), self.0, &param.device(), param.dtype()).mul_scalar(0.15);
            param.map(|value| (value.inner() + noise).autodiff().require_grad())
        }
    }
    flow.map(&mut Shake(rng))
}

/// The case's flow in double precision, data for it, and a condition per row.
fn build(case: &Case, rng: &mut ChaCha8Rng) -> (Flow, Tensor<2>, Tensor<2>) {
    let device = Device::flex().autodiff();
    let settings = FlowSettings { dims: case.dims, condition: CONDITION, layers: case.layers.clone(), base: case.base };
    let flow = shaken(Flow::new(&settings, rng, &device).unwrap(), rng);
    let x = if is_circular(case) {
        let angles: Vec<f64> = (0..ROWS * case.dims).map(|_| rng.random_range(-PI..PI)).collect();
        Tensor::from_data(TensorData::new(angles, [ROWS, case.dims]), (&device, DType::F64))
    } else {
        normal([ROWS, case.dims], rng, &device, DType::F64)
    };
    let condition = normal([ROWS, CONDITION], rng, &device, DType::F64);
    (cast(flow, DType::F64), x, condition)
}

fn is_circular(case: &Case) -> bool {
    matches!(case.layers[0], LayerSettings::Coupling { transform: Transform::Circular { .. }, .. })
}

/// Largest difference, of angles modulo whole turns.
fn difference(a: Tensor<2>, b: Tensor<2>, circular: bool) -> f64 {
    let turns = |v: f64| if circular { v - 2.0 * PI * (v / (2.0 * PI)).round() } else { v };
    to_vec(a - b).into_iter().map(|v| turns(v).abs()).fold(0.0, f64::max)
}

#[test]
fn the_inverse_undoes_every_layer_and_its_log_determinant() {
    for case in cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (flow, x, condition) = build(&case, &mut rng);
        for (dtype, bound) in [(DType::F64, 1e-11), (DType::F32, 1e-5)] {
            let flow = cast(flow.clone(), dtype);
            let (x, condition) = (x.clone().cast(dtype), condition.clone().cast(dtype));
            let projected = flow.project(Some(&condition)).unwrap();
            let (z, there) = flow.forward(x.clone(), &projected);
            let (back, home) = flow.inverse(z.clone(), &projected);
            let error = difference(x.clone(), back, is_circular(&case));
            assert!(error <= bound, "{}: inverse off by {error:.1e} in {dtype:?}", case.name);
            let sum = to_vec(there + home).into_iter().map(f64::abs).fold(0.0, f64::max);
            assert!(sum <= 10.0 * bound, "{}: log determinants differ by {sum:.1e} in {dtype:?}", case.name);
            assert!(z.dtype() == dtype, "{}: the number type is kept", case.name);
            // The other way round.
            let (x, _) = flow.inverse(z.clone(), &projected);
            let (again, _) = flow.forward(x, &projected);
            let error = difference(z, again, is_circular(&case));
            assert!(error <= bound, "{}: forward after inverse off by {error:.1e} in {dtype:?}", case.name);
        }
    }
}

#[test]
fn the_log_determinant_is_that_of_the_jacobian() {
    for case in cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (flow, x, condition) = build(&case, &mut rng);
        for (dtype, bound) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
            let flow = cast(flow.clone(), dtype);
            let x = x.clone().cast(dtype);
            let projected = flow.project(Some(&condition.clone().cast(dtype))).unwrap();
            let mut jacobians = vec![nalgebra::DMatrix::zeros(case.dims, case.dims); ROWS];
            let (_, log_det) = flow.forward(x.clone(), &projected);
            for output in 0..case.dims {
                let x = x.clone().detach().require_grad();
                let (z, _) = flow.forward(x.clone(), &flow.project(Some(&condition.clone().cast(dtype))).unwrap());
                let grads = z.narrow(1, output, 1).sum().backward();
                let gradient = to_vec(x.grad(&grads).unwrap());
                for (row, jacobian) in jacobians.iter_mut().enumerate() {
                    for input in 0..case.dims {
                        jacobian[(output, input)] = gradient[row * case.dims + input];
                    }
                }
            }
            for (jacobian, log_det) in jacobians.into_iter().zip(to_vec(log_det)) {
                let expected = jacobian.determinant().abs().ln();
                let error = (log_det - expected).abs();
                assert!(error <= bound, "{}: {log_det} against {expected} in {dtype:?}", case.name);
            }
        }
    }
}

/// Adds `step` to number `at` of the trainable parameter `id`.
struct Nudge {
    id: ParamId,
    at: usize,
    step: f64,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if param.id != self.id {
            return param;
        }
        let (at, step) = (self.at, self.step);
        param.map(|value| {
            let (shape, device) = (value.dims(), value.device());
            let mut values = to_vec(value);
            values[at] += step;
            Tensor::from_data(TensorData::new(values, shape), (&device, DType::F64)).require_grad()
        })
    }
}

/// Trainable parameters: identity, and the gradient's numbers.
struct Gradients<'a>(&'a burn::tensor::Gradients, Vec<(ParamId, Vec<f64>)>);

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.0) {
            self.1.push((param.id, to_vec(gradient)));
        }
    }
}

#[test]
fn gradients_of_the_likelihood_agree_with_differences() {
    for case in cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (flow, x, condition) = build(&case, &mut rng);
        let loss = |flow: &Flow, condition: &Tensor<2>| {
            let projected = flow.project(Some(condition)).unwrap();
            flow.log_density(x.clone(), &projected).unwrap().sum()
        };
        let seen = condition.clone().require_grad();
        let value = loss(&flow, &seen);
        if !value.is_tracked() {
            // Fixed permutations and rotations learn nothing.
            assert!(matches!(case.layers[0], LayerSettings::Mixing(_)), "{}", case.name);
            continue;
        }
        let grads = value.backward();
        let mut found = Gradients(&grads, Vec::new());
        flow.visit(&mut found);
        let step = 1e-5;
        for (id, gradient) in found.1 {
            for _ in 0..2 {
                let at = rng.random_range(0..gradient.len());
                let value = |step: f64| {
                    let moved = flow.clone().map(&mut Nudge { id, at, step });
                    to_vec(loss(&moved, &condition))[0]
                };
                let difference = (value(step) - value(-step)) / (2.0 * step);
                let error = (gradient[at] - difference).abs();
                assert!(
                    error <= 1e-6 * (1.0 + difference.abs()),
                    "{}: {} against {difference}",
                    case.name,
                    gradient[at]
                );
            }
        }
        // The gradient that trains a condition network.
        if let Some(gradient) = seen.grad(&grads) {
            let gradient = to_vec(gradient);
            let at = rng.random_range(0..gradient.len());
            let value = |step: f64| {
                let mut values = to_vec(condition.clone());
                values[at] += step;
                let moved = Tensor::from_data(TensorData::new(values, condition.dims()), (&x.device(), DType::F64));
                to_vec(loss(&flow, &moved))[0]
            };
            let difference = (value(step) - value(-step)) / (2.0 * step);
            assert!((gradient[at] - difference).abs() <= 1e-6 * (1.0 + difference.abs()), "{}: condition", case.name);
        }
    }
}

#[test]
fn one_condition_for_all_rows_gives_what_a_condition_per_row_gives() {
    for case in cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let (flow, x, condition) = build(&case, &mut rng);
        let one = condition.narrow(0, 0, 1);
        let hoisted = flow.log_density(x.clone(), &flow.project(Some(&one)).unwrap()).unwrap();
        let per_row = flow.log_density(x, &flow.project(Some(&one.repeat_dim(0, ROWS))).unwrap()).unwrap();
        let error = to_vec(hoisted - per_row).into_iter().map(f64::abs).fold(0.0, f64::max);
        assert!(error <= 1e-11, "{}: {error:.1e}", case.name);
    }
}

#[test]
fn samples_carry_the_density_that_the_flow_gives_them() {
    for case in cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (flow, _, condition) = build(&case, &mut rng);
        let projected = flow.project(Some(&condition.narrow(0, 0, 1))).unwrap();
        let (x, log_density) = flow.sample(ROWS, &projected, &mut rng);
        let error = to_vec(flow.log_density(x, &projected).unwrap() - log_density);
        let error = error.into_iter().map(f64::abs).fold(0.0, f64::max);
        // Angles of normal numbers reach over the seam of the circle, where their log density jumps with the base's.
        assert!(is_circular(&case) || error <= 1e-9, "{}: {error:.1e}", case.name);
    }
}

#[test]
fn actnorm_standardises_its_first_batch() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let device = Device::flex().autodiff();
    let layers = vec![coupling(Transform::Affine { clamp: 2.0 }, Networks::Joint), LayerSettings::ActNorm];
    let settings = FlowSettings { dims: 3, condition: 0, layers, base: BaseSettings::Normal };
    let flow = Flow::new(&settings, &mut rng, &device).unwrap();
    let x = normal([400, 3], &mut rng, &device, DType::F32).mul_scalar(3.0).add_scalar(7.0);
    let projected = flow.project(None).unwrap();
    let flow = flow.fitted(x.clone(), &projected);
    let (z, _) = flow.forward(x, &projected);
    let mean = to_vec(z.clone().mean_dim(0));
    let variance = to_vec(z.square().mean_dim(0));
    assert!(mean.iter().all(|m| m.abs() < 1e-4), "{mean:?}");
    assert!(variance.iter().all(|v| (v - 1.0).abs() < 1e-3), "{variance:?}");
}

/// The density integrates to 1 over a plane, on a grid wide enough for its tails.
#[test]
fn densities_on_the_plane_integrate_to_one() {
    for case in cases().into_iter().filter(|case| case.dims == 2 || case.layers.len() == 1 && case.dims >= 5) {
        if matches!(case.layers[0], LayerSettings::Mixing(_) | LayerSettings::Part { .. }) {
            continue;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let case = Case { dims: 2, ..case };
        let (flow, _, condition) = build(&case, &mut rng);
        let projected = flow.project(Some(&condition.narrow(0, 0, 1))).unwrap();
        let (side, half) = (141, 9.8);
        let step = 2.0 * half / (side - 1) as f64;
        let mut points = Vec::with_capacity(2 * side * side);
        for row in 0..side {
            for column in 0..side {
                points.extend([row as f64 * step - half, column as f64 * step - half]);
            }
        }
        let points = Tensor::from_data(TensorData::new(points, [side * side, 2]), (&Device::flex(), DType::F64));
        let mass = to_vec(flow.log_density(points, &projected).unwrap().exp().sum())[0] * step * step;
        assert!((mass - 1.0).abs() < 0.01, "{}: mass {mass}", case.name);
    }
}

#[test]
fn a_seed_gives_the_same_network_and_samples() {
    let draw = || {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let layers = vec![block(MixingKind::Rotation); 2];
        let settings = FlowSettings { dims: 4, condition: 0, layers, base: BaseSettings::Normal };
        let flow = Flow::new(&settings, &mut rng, &Device::flex()).unwrap();
        to_vec(flow.sample(10, &flow.project(None).unwrap(), &mut rng).0)
    };
    assert_eq!(draw(), draw());
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refuse = |settings: FlowSettings, part: &str| {
        let message = settings.check().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    let base = FlowSettings { dims: 4, condition: 0, layers: vec![], base: BaseSettings::Normal };
    refuse(FlowSettings { dims: 0, ..base.clone() }, "dims is 0; accepted is 1 to 4096");
    let layers = vec![LayerSettings::ActNorm, block(MixingKind::Householder { reflections: 0 })];
    refuse(FlowSettings { layers, ..base.clone() }, "layers[1].mixing.reflections is 0");
    let layers = vec![coupling(Transform::Spline { bins: 1, bound: 3.0 }, Networks::Joint)];
    refuse(FlowSettings { layers, ..base.clone() }, "layers[0].transform.bins is 1");
    let layers = vec![block(MixingKind::Lu)];
    refuse(FlowSettings { layers, dims: 1, ..base.clone() }, "layers[0] is on 1 number");
    refuse(
        FlowSettings { base: BaseSettings::StudentT { degrees_of_freedom: 0.5 }, ..base },
        "degrees_of_freedom is 0.5",
    );
}
