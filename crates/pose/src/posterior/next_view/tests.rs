use super::*;
use crate::posterior::mixture::{Mixture, StudentT};
use crate::posterior::{Proposal, toy};
use crate::scene;
use regiscope_geometry::Vector;
use regiscope_geometry::nalgebra::Matrix6;
use std::f64::consts::PI;

/// Poses around two turns about z, `mass` of them around the first.
fn two_turns(mass: f64, turns: [f64; 2], sd: f64) -> (Vec<Rigid>, Vec<f64>, Vec<PoseMode>) {
    let pivot = Point::origin();
    let scale = Matrix6::from_diagonal(&Vector6::new(sd, sd, sd, 0.02 * sd, 0.02 * sd, 0.02 * sd)).map(|s| s * s);
    let t = |n: usize| StudentT::new(Rigid::rotation(Vector::z() * turns[n]), &pivot, scale, 50.0).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let clouds = [0, 1].map(|n| Mixture::new(vec![(1.0, t(n))]).draw(100, &mut random));
    let mode = |n: usize| PoseMode {
        mass: [mass, 1.0 - mass][n],
        mean: *t(n).mean(),
        covariance: scale,
        map: *t(n).mean(),
        map_log_density: 0.0,
        members: (100 * n..100 * (n + 1)).collect(),
    };
    let weights = (0..200).map(|n| ([mass, 1.0 - mass][n / 100] / 100.0).ln()).collect();
    (clouds.concat(), weights, vec![mode(0), mode(1)])
}

fn gains(asymmetry: f64, mass: f64, turns: [f64; 2], noise_sd: f64, angles: &[f64], model: ImageModel) -> Vec<Gain> {
    let renderer = Renderer::new(toy::twins(asymmetry), Default::default()).unwrap();
    let (poses, log_weights, modes) = two_turns(mass, turns, 0.3);
    let pivot = Point::origin();
    let known = NextView {
        renderer: &renderer,
        model,
        noise_sd,
        pivot,
        poses: &poses,
        log_weights: &log_weights,
        modes: &modes,
    };
    let views: Vec<View> = angles.iter().map(|&a| scene::view(a).coarsened(2)).collect();
    next_view(&known, &views, 60, &mut ChaCha8Rng::seed_from_u64(2))
}

#[test]
fn a_view_that_tells_all_is_worth_the_entropy_and_one_of_a_symmetric_object_nothing() {
    let entropy = -(0.7f64 * 0.7f64.ln() + 0.3 * 0.3f64.ln());
    let model = ImageModel { gain_sd: 0.1, offset_sd: 0.2, ..ImageModel::default() };
    let clear = gains(0.5, 0.7, [0.0, PI], 0.05, &[0.3], model)[0];
    assert!((clear.modes - entropy).abs() < 1e-3, "{clear:?} {entropy}");
    let symmetric = gains(0.0, 0.7, [0.0, PI], 0.05, &[0.3], model)[0];
    assert!(symmetric.modes.abs() < 3.0 * symmetric.modes_se + 0.01, "{symmetric:?}");
    assert!(symmetric.pose > 1.0);
}

#[test]
fn the_view_along_which_modes_differ_tells_them_apart() {
    // Two blobs beside the axis, turned by ±0.5: seen along y their shadows have the same width, from the side of
    // one of them they have not.
    let found = gains(0.0, 0.5, [0.5, -0.5], 0.3, &[0.0, 0.8, PI], ImageModel::default());
    assert!(found[1].modes > 0.6 && found[1].modes < 2f64.ln() + 1e-9, "{found:?}");
    assert!(found[0].modes < found[1].modes - 0.2 && found[2].modes < found[1].modes - 0.2, "{found:?}");
}

#[test]
fn the_gain_is_that_of_two_known_images() {
    // Points instead of clouds: the mutual information of a sign and a normal number at ±d/2 with unit noise.
    let renderer = Renderer::new(toy::twins(0.5), Default::default()).unwrap();
    let view = scene::view(0.3).coarsened(2);
    let (poses, log_weights, mut modes) = two_turns(0.5, [0.0, PI], 1e-4);
    modes.iter_mut().for_each(|m| m.covariance = Matrix6::zeros());
    let [a, b] = [0, 1].map(|n| blurred(&renderer, &view, &modes[n].mean, 0.0));
    let gap = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let noise_sd = gap / 2.0;
    let (model, pivot) = (ImageModel::default(), Point::origin());
    let known = NextView {
        renderer: &renderer,
        model,
        noise_sd,
        pivot,
        poses: &poses,
        log_weights: &log_weights,
        modes: &modes,
    };
    let found = next_view(&known, &[view], 2000, &mut ChaCha8Rng::seed_from_u64(3))[0];
    // I = ln 2 − E[ln(1 + exp(−2x))] for x ~ N(1, 1): distance 2 in units of the noise.
    let steps = 4000;
    let lost: f64 = (0..steps)
        .map(|n| {
            let x = -7.0 + 16.0 * (f64::from(n) + 0.5) / f64::from(steps);
            (-0.5 * (x - 1.0).powi(2)).exp() / (2.0 * PI).sqrt() * (-2.0 * x).exp().ln_1p() * 16.0 / f64::from(steps)
        })
        .sum();
    let exact = 2f64.ln() - lost;
    assert!((found.modes - exact).abs() < 3.5 * found.modes_se && found.modes_se < 0.02, "{found:?} {exact}");
    assert!(found.pose.abs() < 1e-12);
}
