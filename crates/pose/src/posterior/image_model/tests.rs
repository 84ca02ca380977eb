use super::*;
use crate::scene;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::nalgebra::{DMatrix, DVector};
use regiscope_geometry::se3;

/// The blobs seen by a detector of 10 × 10 coarse pixels from two sides, with all parts of the model.
fn small(model: ImageModel, per_pixel: bool) -> ImageLikelihood {
    let renderer = Arc::new(Renderer::new(scene::blobs(), Default::default()).unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let observe = |angle: f64| {
        let view = scene::view(angle).coarsened(4);
        let image = simulate(&renderer, &view, &scene::truth(), &model, 0.05, &mut random);
        let mask = Some(Image::new(10, 10, (0..100).map(|p| p % 7 != 0).collect()));
        let sd = Image::new(10, 10, (0..100).map(|p| 0.03 + 0.001 * p as f32).collect());
        let noise = if per_pixel { Noise::PerPixel(sd) } else { Noise::White(0.05) };
        Observation { fixed: FixedImage { view, image, mask }, noise }
    };
    let observations = [0.0, 1.2].map(observe).to_vec();
    ImageLikelihood::new(renderer, observations, model).unwrap()
}

fn models() -> [ImageModel; 4] {
    let plain = ImageModel::default();
    [
        plain,
        ImageModel { gain_sd: 0.2, temper: 0.3, ..plain },
        ImageModel { offset_sd: 0.4, blur_px: 0.8, ..plain },
        ImageModel { gain_sd: 0.15, offset_sd: 0.3, blur_px: 1.1, temper: 0.7 },
    ]
}

#[test]
fn the_closed_form_is_the_dense_one() {
    for (n, model) in models().into_iter().enumerate() {
        let likelihood = small(model, n % 2 == 1);
        let pose = scene::start();
        let mut dense = 0.0;
        for part in likelihood.parts.iter() {
            let m = DVector::from_vec(likelihood.shown(part, &pose));
            let r = DVector::from_column_slice(&part.seen) - &m;
            let mut c = &m * m.transpose() * model.gain_sd.powi(2);
            c.add_scalar_mut(model.offset_sd.powi(2));
            c += DMatrix::from_diagonal(&DVector::from_iterator(m.len(), part.weights.iter().map(|w| 1.0 / w)));
            let cholesky = c.cholesky().unwrap();
            let half_log = cholesky.l().diagonal().map(f64::ln).sum();
            let quadratic = r.dot(&cholesky.solve(&r));
            dense -= 0.5 * (m.len() as f64 * TAU.ln() + quadratic) + half_log;
        }
        let found = likelihood.log_likelihood(&pose);
        assert!((found - model.temper * dense).abs() < 1e-9 * dense.abs(), "{n}: {found} {dense}");
    }
}

#[test]
fn the_gradient_passes_the_taylor_test() {
    for (n, model) in models().into_iter().enumerate() {
        let likelihood = small(model, n % 2 == 0);
        let pose = scene::start();
        let quadratic = likelihood.quadratic(&pose);
        assert!((quadratic.value - likelihood.log_likelihood(&pose)).abs() < 1e-4 * quadratic.value.abs());
        for direction in [Twist::new(1.0, 0.5, -0.7, 0.0, 0.0, 0.0), Twist::new(0.0, 0.0, 0.0, 0.01, -0.02, 0.015)] {
            let at = |s: f64| likelihood.log_likelihood(&(se3::exp(&(direction * s)) * pose));
            // Rays through piecewise constant voxels have kinks, so that only short steps are smooth.
            let h = 0.003;
            let difference = (at(h) - at(-h)) / (2.0 * h);
            let slope = quadratic.gradient.dot(&direction);
            // A slope of `unit` is one standard deviation away from the top.
            let unit = direction.dot(&(quadratic.curvature * direction)).sqrt();
            assert!((difference - slope).abs() < 0.02 * (slope.abs() + unit), "{n}: {difference} {slope} {unit}");
        }
    }
}

#[test]
fn the_curvature_is_that_of_the_mean_log_likelihood() {
    // Without noise and with a known gain, Gauss–Newton is exact at the truth.
    let renderer = Arc::new(Renderer::new(scene::blobs(), Default::default()).unwrap());
    let fixed = scene::xrays(&scene::blobs(), &[0.0]).remove(0);
    for offset_sd in [0.0, 10.0] {
        let model = ImageModel { offset_sd, ..ImageModel::default() };
        let observation = Observation { fixed: fixed.clone(), noise: Noise::White(0.02) };
        let likelihood = ImageLikelihood::new(renderer.clone(), vec![observation], model).unwrap();
        let quadratic = likelihood.quadratic(&scene::truth());
        for direction in [Twist::new(1.0, 0.5, -0.7, 0.0, 0.0, 0.0), Twist::new(0.0, 0.0, 0.0, 0.01, -0.02, 0.015)] {
            let [up, down] =
                [1.0, -1.0].map(|s| likelihood.log_likelihood(&(se3::exp(&(direction * s)) * scene::truth())));
            let second = 2.0 * quadratic.value - up - down;
            let model = direction.dot(&(quadratic.curvature * direction));
            assert!((second - model).abs() < 0.1 * model, "{second} {model}");
        }
    }
}

#[test]
fn an_unknown_offset_is_not_seen_and_a_known_one_is() {
    let model = ImageModel { offset_sd: 1e3, ..ImageModel::default() };
    let difference = |model: ImageModel| {
        let plain = small(model, false);
        let mut observations: Vec<Observation> = plain.observations().cloned().collect();
        for o in &mut observations {
            o.fixed.image = o.fixed.image.map(|v| v + 0.7);
        }
        let shifted = ImageLikelihood::new(plain.renderer().clone(), observations, model).unwrap();
        let [a, b] = [&plain, &shifted].map(|l| l.log_likelihood(&scene::truth()) - l.log_likelihood(&scene::start()));
        (a - b).abs()
    };
    assert!(difference(model) < 1e-2 && difference(ImageModel::default()) > 10.0);
}

#[test]
fn coarse_pixels_are_means_with_the_noise_of_means() {
    let renderer = Arc::new(Renderer::new(scene::blobs(), Default::default()).unwrap());
    let fixed = scene::xrays(&scene::blobs(), &[0.0]).remove(0);
    let sd = Image::new(40, 40, vec![0.06; 1600]);
    for noise in [Noise::White(0.06), Noise::PerPixel(sd)] {
        let fine = vec![Observation { fixed: fixed.clone(), noise }];
        let fine = ImageLikelihood::new(renderer.clone(), fine, ImageModel::default()).unwrap();
        let coarse = fine.coarsened(3, None).unwrap();
        let observation = coarse.observations().next().unwrap();
        assert_eq!((observation.fixed.image.rows(), coarse.rays()), (13, 169));
        assert!((observation.noise.sd(20) - 0.02).abs() < 1e-6);
        assert!(matches!(fine.coarsened(11, None), Err(ImageModelError::Coarse { rows: 40, .. })));
    }
}

#[test]
fn what_is_no_model_is_refused() {
    let good = small(ImageModel::default(), false);
    for (field, model) in [
        ("gain_sd", ImageModel { gain_sd: -1.0, ..ImageModel::default() }),
        ("offset_sd", ImageModel { offset_sd: f64::NAN, ..ImageModel::default() }),
        ("blur_px", ImageModel { blur_px: 101.0, ..ImageModel::default() }),
        ("temper", ImageModel { temper: 0.0, ..ImageModel::default() }),
    ] {
        let error = good.with_model(model).unwrap_err();
        assert!(matches!(error, ImageModelError::Range { field: f, .. } if f == field), "{error}");
    }
    let with = |noise| {
        let fixed = good.observations().next().unwrap().fixed.clone();
        let all = vec![Observation { fixed, noise }];
        ImageLikelihood::new(good.renderer().clone(), all, ImageModel::default()).map(|_| ()).unwrap_err()
    };
    assert!(matches!(with(Noise::White(0.0)), ImageModelError::NoiseValue { view: 0, pixel: 1, .. }));
    let small = Noise::PerPixel(Image::new(2, 2, vec![1.0; 4]));
    assert!(matches!(with(small), ImageModelError::NoiseSize { found: [2, 2], .. }));
    let none = ImageLikelihood::new(good.renderer().clone(), vec![], ImageModel::default()).unwrap_err();
    assert_eq!(none, ImageModelError::NoViews);
    let broken = Rigid::translation(f64::NAN, 0.0, 0.0);
    assert_eq!(good.log_likelihood(&broken), f64::NEG_INFINITY);
}
