use super::*;
use crate::posterior::mixture::StudentT;
use crate::posterior::{ImageModel, Prior, RotationPrior, toy};
use crate::scene;
use rand::SeedableRng;
use regiscope_geometry::Vector;
use regiscope_geometry::nalgebra::Matrix6;
use std::f64::consts::PI;

fn seeded(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

#[test]
fn a_thousand_draws_weigh_two_narrow_modes() {
    // Bumps of 0.1 mm and half a degree under a prior of 30 mm and the whole circle, found from prior draws alone.
    let toy = toy::two_bumps();
    let target = toy.target();
    let found = posterior(&target, &toy.prior, &PosteriorSettings::default(), &mut seeded(1));
    assert_eq!((found.verdict, found.method, found.evaluations), (Verdict::Trust, Method::Importance, 1000));
    assert!(found.ess > 250.0, "{}", found.ess);
    let exact = toy.log_evidence(&toy.bumps[0]) - 0.7f64.ln();
    assert!((found.log_evidence - exact).abs() < 4.0 * found.log_evidence_se + 0.02, "{} {exact}", found.log_evidence);
    assert_eq!(found.modes.len(), 2);
    assert!((found.modes[0].mass - 0.7).abs() < 0.04, "{}", found.modes[0].mass);
    for (mode, bump) in found.modes.iter().zip(&toy.bumps) {
        let off = target.chart(&bump.mean).coordinates(&mode.map).component_div(&bump.sd());
        assert!(off.amax() < 0.05, "{off}");
        let ratio = mode.covariance.diagonal().component_div(&bump.covariance.diagonal());
        assert!(ratio.iter().all(|r| (r - 1.0).abs() < 0.5), "{ratio}");
    }
    assert!(found.k_hat_by_mode().iter().all(|k| *k < 0.7));
    // The lighter bump is the narrower one, and higher.
    assert_eq!(found.map(), Some(&found.modes[1].map));
}

#[test]
fn threads_do_not_matter() {
    let target = toy::blobs(&[0.0], 0.3, ImageModel { gain_sd: 0.1, ..ImageModel::default() }, 2);
    let settings = PosteriorSettings { flow_samples: 60, starts: 3, ..PosteriorSettings::default() };
    let adapt = AdaptSettings { round: 40, rounds: 1, draws: 60, batches: 2, ..settings.adapt };
    let settings = PosteriorSettings { adapt, smc: None, ..settings };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| posterior(&target, target.prior(), &settings, &mut seeded(3)))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!((one.poses, one.log_weights, one.modes), (three.poses, three.log_weights, three.modes));
}

#[test]
fn a_clear_image_has_one_mode_at_the_truth() {
    let target = toy::blobs(&[0.0], 0.05, ImageModel { offset_sd: 0.5, ..ImageModel::default() }, 4);
    let found = posterior(&target, target.prior(), &PosteriorSettings::default(), &mut seeded(5));
    assert_eq!(found.verdict, Verdict::Trust, "{} {}", found.k_hat, found.ess);
    assert!(found.modes[0].mass > 0.95, "{:?}", found.modes.iter().map(|m| m.mass).collect::<Vec<_>>());
    let mode = &found.modes[0];
    let off = target.chart(&mode.mean).coordinates(&scene::truth());
    let squared = off.dot(&mode.covariance.cholesky().unwrap().solve(&off));
    // The 99.9 % point of χ² with six degrees of freedom.
    assert!(squared < 22.46, "{squared}");
}

#[test]
fn a_symmetric_object_has_two_modes_of_equal_mass() {
    let rotation = RotationPrior::Turn { axis: Vector::z(), turn: PI, swing_sd: 0.1 };
    let prior = Prior::new(Rigid::identity(), Point::origin(), rotation, [6.0; 3]).unwrap();
    let truth = prior.pose(
        &regiscope_geometry::nalgebra::UnitQuaternion::from_scaled_axis(Vector::z() * 0.5),
        &Vector::new(2.0, -1.0, 1.5),
    );
    let masses = |asymmetry: f64| {
        let target =
            toy::observed(toy::twins(asymmetry), prior.clone(), &truth, &[0.0, 1.2], 0.08, ImageModel::default(), 6);
        // The prior is the same for both poses of a symmetric object.
        let found = posterior(&target, &prior, &PosteriorSettings::default(), &mut seeded(7));
        assert_eq!(found.verdict, Verdict::Trust, "{}", found.k_hat);
        found.modes
    };
    let modes = masses(0.0);
    assert_eq!(modes.len(), 2, "{:?}", modes.iter().map(|m| m.mass).collect::<Vec<_>>());
    assert!((modes[0].mass - 0.5).abs() < 0.05, "{}", modes[0].mass);
    let gap = modes[0].map.rotation.angle_to(&modes[1].map.rotation);
    assert!((gap - PI).abs() < 0.1, "{gap}");
    let modes = masses(0.5);
    assert!(modes[0].mass > 0.95 && modes[0].map.rotation.angle_to(&truth.rotation) < 0.2);
}

#[test]
fn where_weights_cannot_be_trusted_sequential_monte_carlo_takes_over() {
    // A flow that is sure of a wrong place, and hardly any rounds to learn from.
    let toy = toy::two_bumps();
    let target = toy.target();
    let pivot = toy.prior.pivot();
    let narrow = |b: &toy::Bump| {
        let off = target.chart(&b.mean).pose(&b.sd().scale(1.5));
        (0.5, StudentT::new(off, &pivot, b.covariance * 0.05, 30.0).unwrap())
    };
    let flow = Mixture::new(toy.bumps.iter().map(narrow).collect());
    let refine = RefineSettings { max_iterations: 0, ..RefineSettings::default() };
    let adapt = AdaptSettings { rounds: 0, draws: 100, batches: 1, inflation: 0.05, ..AdaptSettings::default() };
    let settings = PosteriorSettings { flow_samples: 200, refine, adapt, ..PosteriorSettings::default() };
    let alone = posterior(&target, &flow, &PosteriorSettings { smc: None, ..settings }, &mut seeded(8));
    assert_ne!(alone.verdict, Verdict::Trust, "{}", alone.k_hat);
    let found = posterior(&target, &flow, &settings, &mut seeded(8));
    assert_eq!((found.method, found.verdict), (Method::Smc, Verdict::Trust), "{}", found.k_hat);
    assert!((found.modes[0].mass - 0.7).abs() < 0.1, "{:?}", found.modes[0].mass);
    assert_ne!(found.modes[0].covariance, Matrix6::zeros());
}
