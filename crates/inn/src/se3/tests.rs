//! Laws of the maps on SO(3) × R³, in double precision unless said.

use super::*;
use crate::subnet::{Activation, Subnet};
use crate::tensors::cast;
use burn::module::ModuleMapper;
use burn::tensor::{DType, TensorData};
use nalgebra::{Matrix6, Quaternion, UnitQuaternion, Vector3};
use quaternion::multiply;
use rand::{Rng, SeedableRng};

fn settings(components: usize, steps: usize) -> PoseFlowSettings {
    PoseFlowSettings {
        condition: 3,
        components,
        steps,
        subnet: Subnet { hidden: vec![16, 16], activation: Activation::Silu, last_scale: 1.0 },
        centre_mm: [10.0, -5.0, 0.5],
        scale_mm: [20.0, 30.0, 40.0],
        degrees_of_freedom: 10.0,
    }
}

/// A flow with every number moved at random, in the number type, and one projected condition.
fn flow(components: usize, steps: usize, dtype: DType) -> (PoseFlow, PoseProjected) {
    struct Shake(ChaCha8Rng);
    impl ModuleMapper for Shake {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let noise = normal(param.dims(), &mut self.0, &param.device(), param.dtype()).mul_scalar(0.1);
            param.map(|value| value + noise)
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(components as u64 + 10 * steps as u64);
    let flow = PoseFlow::new(&settings(components, steps), &mut rng, &Device::flex()).unwrap();
    let flow = cast(flow.map(&mut Shake(rng.clone())), dtype);
    let condition = normal([1, 3], &mut rng, &Device::flex(), dtype);
    let projected = flow.project(Some(&condition)).unwrap();
    (flow, projected)
}

fn rows(values: Vec<f64>, width: usize, dtype: DType) -> Tensor<2> {
    let count = values.len() / width;
    Tensor::from_data(TensorData::new(values, [count, width]), (&Device::flex(), dtype))
}

fn quaternions(rotations: &[UnitQuaternion<f64>], dtype: DType) -> Tensor<2> {
    rows(rotations.iter().flat_map(|q| [q.w, q.i, q.j, q.k]).collect(), 4, dtype)
}

fn rotations(q: Tensor<2>) -> Vec<UnitQuaternion<f64>> {
    to_vec(q).chunks(4).map(|q| UnitQuaternion::from_quaternion(Quaternion::new(q[0], q[1], q[2], q[3]))).collect()
}

/// Uniform rotations, and translations of normal proposals with their log densities.
fn draws(count: usize, rng: &mut ChaCha8Rng, dtype: DType) -> (Tensor<2>, Tensor<2>, Vec<f64>) {
    let q = normalised(normal([count, 4], rng, &Device::flex(), dtype));
    let (centre, scale) = (settings(1, 1).centre_mm, settings(1, 1).scale_mm);
    let mut values = Vec::new();
    let mut log_proposal = Vec::new();
    for _ in 0..count {
        let z: [f64; 3] = std::array::from_fn(|_| rng.sample(rand_distr::StandardNormal));
        let wide = 1.7;
        values.extend((0..3).map(|k| centre[k] + wide * scale[k] * z[k]));
        let volume: f64 = (0..3).map(|k| (wide * scale[k]).ln()).sum();
        log_proposal
            .push(-0.5 * z.iter().map(|z| z * z).sum::<f64>() - 1.5 * (2.0 * std::f64::consts::PI).ln() - volume);
    }
    (q, rows(values, 3, dtype), log_proposal)
}

#[test]
fn densities_over_poses_integrate_to_one() {
    for (components, steps) in [(1, 0), (1, 2), (3, 2)] {
        let (flow, projected) = flow(components, steps, DType::F32);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut sum, mut square, mut count) = (0.0, 0.0, 0.0);
        for _ in 0..4 {
            let (q, t, log_proposal) = draws(20_000, &mut rng, DType::F32);
            let log_density = to_vec(flow.log_density(&q, &t, &projected).unwrap());
            for (log_density, log_proposal) in log_density.iter().zip(log_proposal) {
                let weight = (log_density - log_proposal).exp();
                sum += weight;
                square += weight * weight;
                count += 1.0;
            }
        }
        let mass = sum / count;
        let error = (square / count - mass * mass).sqrt() / f64::sqrt(count);
        assert!((mass - 1.0).abs() < 0.01 + 3.0 * error, "{components} components: mass {mass} ± {error}");
        assert!(error < 0.01, "{components} components: the estimate is too loose, ± {error}");
    }
}

#[test]
fn one_rotation_has_one_density_however_it_is_written() {
    for dtype in [DType::F32, DType::F64] {
        let (flow, projected) = flow(3, 3, dtype);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let t = rows([3.0, 4.0, 5.0].repeat(40), 3, dtype);
        let mut vectors: Vec<Vector3<f64>> = (0..30)
            .map(|_| Vector3::from_fn(|_, _| rng.random_range(-1.0..1.0)).normalize() * rng.random_range(0.1..6.2))
            .collect();
        // Half turns, where rotation vectors have their cut.
        vectors.extend(
            (0..10).map(|_| Vector3::from_fn(|_, _| rng.random_range(-1.0..1.0)).normalize() * std::f64::consts::PI),
        );
        let density = |rotations: &[UnitQuaternion<f64>], sign: f64| {
            let q = quaternions(rotations, dtype).mul_scalar(sign);
            to_vec(flow.log_density(&q, &t, &projected).unwrap())
        };
        let one: Vec<_> = vectors.iter().map(|v| UnitQuaternion::from_scaled_axis(*v)).collect();
        let reference = density(&one, 1.0);
        let turn = std::f64::consts::TAU;
        let other =
            vectors.iter().map(|v| UnitQuaternion::from_scaled_axis(v - turn * v.normalize())).collect::<Vec<_>>();
        let matrices =
            one.iter().map(|q| UnitQuaternion::from_matrix(q.to_rotation_matrix().matrix())).collect::<Vec<_>>();
        let euler = one.iter().map(|q| {
            let (roll, pitch, yaw) = q.euler_angles();
            UnitQuaternion::from_euler_angles(roll, pitch, yaw)
        });
        let euler = euler.collect::<Vec<_>>();
        let forms = [density(&one, -1.0), density(&other, 1.0), density(&matrices, 1.0), density(&euler, 1.0)];
        for (form, values) in forms.iter().enumerate() {
            for (a, b) in reference.iter().zip(values) {
                let bound = if dtype == DType::F32 { 1e-5 * (1.0 + a.abs()) } else { 1e-6 };
                assert!((a - b).abs() <= bound, "form {form}: {a} against {b} in {dtype:?}");
            }
        }
    }
}

#[test]
fn densities_are_smooth_all_the_way_round() {
    let (flow, projected) = flow(2, 3, DType::F64);
    for axis in [Vector3::x_axis(), Vector3::y_axis(), Vector3::z_axis()] {
        let count = 2000;
        let turns: Vec<_> = (0..=count)
            .map(|k| UnitQuaternion::from_axis_angle(&axis, std::f64::consts::TAU * f64::from(k) / f64::from(count)))
            .collect();
        let t = rows([12.0, 0.0, 9.0].repeat(turns.len()), 3, DType::F64);
        let values = to_vec(flow.log_density(&quaternions(&turns, DType::F64), &t, &projected).unwrap());
        assert!((values[0] - values[turns.len() - 1]).abs() < 1e-9, "a full turn closes");
        let bends = values.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).fold(0.0, f64::max);
        assert!(bends < 1e-3, "second difference {bends:.1e}");
    }
}

/// log |det| of a map of poses by differences in the tangent spaces.
fn measured(map: impl Fn(Tensor<2>, Tensor<2>) -> (Tensor<2>, Tensor<2>), q: UnitQuaternion<f64>, t: [f64; 3]) -> f64 {
    let step = 1e-5;
    let moved = |twist: [f64; 6]| {
        let q = UnitQuaternion::from_scaled_axis(Vector3::new(twist[0], twist[1], twist[2])) * q;
        let t = (0..3).map(|k| t[k] + twist[3 + k]).collect();
        let (q, t) = map(quaternions(&[q], DType::F64), rows(t, 3, DType::F64));
        (rotations(q)[0], to_vec(t))
    };
    let jacobian = (0..6).fold(Matrix6::zeros(), |mut jacobian, column| {
        let twist = |sign: f64| std::array::from_fn(|k| if k == column { sign * step } else { 0.0 });
        let ((q0, t0), (q1, t1)) = (moved(twist(-1.0)), moved(twist(1.0)));
        let turn = (q1 * q0.inverse()).scaled_axis() / (2.0 * step);
        for k in 0..3 {
            jacobian[(k, column)] = turn[k];
            jacobian[(3 + k, column)] = (t1[k] - t0[k]) / (2.0 * step);
        }
        jacobian
    });
    jacobian.determinant().abs().ln()
}

#[test]
fn every_map_has_the_determinant_it_says_and_an_inverse() {
    let (flow, projected) = flow(2, 2, DType::F64);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..20 {
        let q = UnitQuaternion::from_scaled_axis(Vector3::from_fn(|_, _| rng.random_range(-3.0..3.0)));
        let t: [f64; 3] = std::array::from_fn(|_| rng.random_range(-2.0..2.0));
        let (rows_q, rows_t) = (quaternions(&[q], DType::F64), rows(t.to_vec(), 3, DType::F64));
        let near = |a: f64, b: f64, what: &str| assert!((a - b).abs() < 1e-6, "{what}: {a} against {b}");
        for k in 0..2 {
            let chart = Chart::new(&projected.raw.clone().narrow(1, k * PARAMETERS, PARAMETERS));
            let map = |q, t| {
                let (q, t, _) = chart.forward(&q, &t);
                (q, t)
            };
            let (q1, t1, log_det) = chart.forward(&rows_q, &rows_t);
            near(to_vec(log_det)[0], measured(map, q, t), "chart");
            let (q0, t0) = chart.inverse(&q1, &t1);
            assert!(rotations(q0)[0].angle_to(&q) < 1e-7);
            assert!(to_vec(t0 - rows_t.clone()).iter().all(|d| d.abs() < 1e-11));
        }
        for (step, parts) in flow.steps.iter().zip(&projected.steps) {
            for (layer, part) in step.about.iter().zip(parts) {
                let (turned, log_det) = layer.forward(rows_q.clone(), &rows_t, part);
                let map = |q, t: Tensor<2>| (layer.forward(q, &t, part).0, t);
                near(to_vec(log_det.clone())[0], measured(map, q, t), "Möbius coupling");
                let (back, home) = layer.inverse(turned, &rows_t, part);
                let error = to_vec(back - rows_q.clone()).into_iter().map(f64::abs).fold(0.0, f64::max);
                assert!(error < 1e-11, "Möbius coupling: inverse off by {error:.1e}");
                assert!(to_vec(home + log_det)[0].abs() < 1e-11);
            }
            let (moved, log_det) = step.shift.forward(rows_t.clone(), &rows_q, &parts[3]);
            let map = |q: Tensor<2>, t| (q.clone(), step.shift.forward(t, &q, &parts[3]).0);
            near(to_vec(log_det)[0], measured(map, q, t), "map of the translation");
            let (back, _) = step.shift.inverse(moved, &rows_q, &parts[3]);
            assert!(to_vec(back - rows_t.clone()).iter().all(|d| d.abs() < 1e-11));
        }
    }
}

#[test]
fn single_precision_maps_invert_to_a_hundred_thousandth() {
    let (flow, projected) = flow(1, 2, DType::F32);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (q, t, _) = draws(500, &mut rng, DType::F32);
    let t = t.div_scalar(40.0);
    for (step, parts) in flow.steps.iter().zip(&projected.steps) {
        for (layer, part) in step.about.iter().zip(parts) {
            let (there, _) = layer.forward(q.clone(), &t, part);
            let (back, _) = layer.inverse(there, &t, part);
            let error = to_vec(back - q.clone()).into_iter().map(f64::abs).fold(0.0, f64::max);
            assert!(error <= 1e-5, "inverse off by {error:.1e}");
        }
    }
    assert!(to_vec(multiply(&q, &quaternion::conjugate(&q)))[0] - 1.0 < 1e-6);
}

#[test]
fn samples_follow_the_density() {
    let (flow, projected) = flow(3, 2, DType::F32);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    // The part of samples in a region, against the density's integral over it.
    let inside = |q: &Tensor<2>, t: &Tensor<2>| -> Vec<bool> {
        let t = to_vec(t.clone());
        let near = |(k, q): (usize, &UnitQuaternion<f64>)| q.angle() < 2.0 && t[3 * k] > 5.0;
        rotations(q.clone()).iter().enumerate().map(near).collect()
    };
    let samples = flow.sample(8_000, &projected, &mut rng).unwrap();
    let hits = inside(&samples.rotation, &samples.translation_mm).iter().filter(|h| **h).count();
    let part = hits as f64 / 8_000.0;
    let (q, t, log_proposal) = draws(30_000, &mut rng, DType::F32);
    let log_density = to_vec(flow.log_density(&q, &t, &projected).unwrap());
    let weights = log_density.iter().zip(&log_proposal).map(|(a, b)| (a - b).exp());
    let mass: f64 = weights.zip(inside(&q, &t)).filter(|(_, inside)| *inside).map(|(w, _)| w).sum::<f64>() / 30_000.0;
    assert!(mass > 0.05 && mass < 0.95, "the region tells something: {mass}");
    assert!((part - mass).abs() < 0.025, "{part} of the samples against a mass of {mass}");
    let again = flow.log_density(&samples.rotation, &samples.translation_mm, &projected).unwrap();
    let error = to_vec(again - samples.log_density).into_iter().map(f64::abs).fold(0.0, f64::max);
    assert!(error < 1e-6, "{error}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let base = settings(2, 2);
    let refuse = |settings: PoseFlowSettings, part: &str| {
        let message = settings.check().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    };
    refuse(PoseFlowSettings { components: 0, ..base.clone() }, "components is 0; accepted is 1 to 64");
    refuse(PoseFlowSettings { scale_mm: [1.0, 0.0, 1.0], ..base }, "scale_mm");
}
