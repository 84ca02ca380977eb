use super::*;
use crate::posterior::{ImageModel, toy};
use rand::SeedableRng;
use regiscope_geometry::Point;

fn quick() -> ReferenceSettings {
    let plain = ReferenceSettings::default();
    let adapt = AdaptSettings { round: 100, rounds: 2, draws: 300, enough: 100.0, ..plain.sampling.adapt };
    let sampling = PosteriorSettings { flow_samples: 100, adapt, smc: None, ..plain.sampling };
    ReferenceSettings { keep: 24, keep_fine: 12, sampling, ..plain }
}

#[test]
fn a_turn_alone_is_as_on_a_dense_line() {
    // Everything but the turn about the axis is known, so that the posterior is a function of one angle.
    let rotation = RotationPrior::Turn { axis: Vector::z(), turn: PI, swing_sd: 1e-3 };
    let prior = Prior::new(Rigid::identity(), Point::origin(), rotation, [0.01; 3]).unwrap();
    let truth = prior.pose(&UnitQuaternion::from_scaled_axis(Vector::z() * 0.6), &Vector::zeros());
    let target = toy::observed(toy::twins(0.25), prior.clone(), &truth, &[0.0], 0.35, ImageModel::default(), 9);
    let found = reference(&target, &target, &quick(), &mut ChaCha8Rng::seed_from_u64(1));
    assert!(found.check.agree, "{:?}", found.check);

    let count = 4000;
    let angle = |n: usize| PI * ((2 * n + 1) as f64 / count as f64 - 1.0);
    let pose = |n: usize| prior.pose(&UnitQuaternion::from_scaled_axis(Vector::z() * angle(n)), &Vector::zeros());
    let poses: Vec<Rigid> = (0..count).map(pose).collect();
    let logs = target.log_likelihoods(&poses);
    let total = log_sum_exp(&logs);
    let log_evidence = total - (count as f64).ln();
    let gap = found.posterior.log_evidence - log_evidence;
    assert!(
        gap.abs() < 4.0 * found.posterior.log_evidence_se + 0.03,
        "{gap} {} {:?} k {} ess {} of {}",
        found.posterior.log_evidence_se,
        found.check,
        found.posterior.k_hat,
        found.posterior.ess,
        found.posterior.poses.len()
    );
    // The mass near each mode, by the nearest of them in standard deviations of the turn.
    let modes = &found.posterior.modes;
    assert!(modes.len() >= 2, "{:?}", found.check);
    let mut masses = vec![0.0; modes.len()];
    for (pose, log) in poses.iter().zip(&logs) {
        let off = |m: &PoseMode| m.mean.rotation.angle_to(&pose.rotation) / m.covariance[(5, 5)].sqrt();
        let nearest = (0..modes.len()).min_by(|&a, &b| off(&modes[a]).total_cmp(&off(&modes[b]))).unwrap();
        masses[nearest] += (log - total).exp();
    }
    for (mode, exact) in modes.iter().zip(&masses) {
        assert!((mode.mass - exact).abs() < 0.05, "{:?} {masses:?}", found.check);
    }
}

#[test]
fn bumps_are_found_by_brute_force_on_any_number_of_threads() {
    let toy = toy::two_bumps();
    let target = toy.target();
    let settings = ReferenceSettings { rotation_step: 0.5, displacement_step_mm: 30.0, reach: 1.0, ..quick() };
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| reference(&target, &target, &settings, &mut ChaCha8Rng::seed_from_u64(2)))
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(
        (&one.posterior.log_weights, &one.posterior.modes),
        (&three.posterior.log_weights, &three.posterior.modes)
    );
    assert!(one.check.agree, "{:?}", one.check);
    assert!((one.posterior.modes[0].mass - 0.7).abs() < 0.04, "{:?}", one.check);
    assert!((one.posterior.log_weights.iter().map(|w| w.exp()).sum::<f64>() - 1.0).abs() < 1e-9);
    let exact = toy.log_evidence(&toy.bumps[0]) - 0.7f64.ln();
    let gap = one.posterior.log_evidence - exact;
    assert!(
        gap.abs() < 0.1,
        "{gap} {} {} {:?} {}",
        one.posterior.log_evidence_se,
        one.posterior.ess,
        one.check,
        one.posterior.k_hat
    );
}

#[test]
fn grids_cover_the_prior() {
    let settings = ReferenceSettings { rotation_step: 0.35, ..ReferenceSettings::default() };
    let turn = RotationPrior::Turn { axis: Vector::new(0.0, 1.0, 1.0), turn: 1.0, swing_sd: 0.3 };
    for rotation in [RotationPrior::Uniform, turn] {
        let prior = Prior::new(Rigid::identity(), Point::origin(), rotation, [5.0; 3]).unwrap();
        let grid = rotations(&prior, &settings);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut far = 0;
        for _ in 0..200 {
            let pose = prior.sample(&mut random);
            let nearest = grid.iter().map(|q| q.angle_to(&pose.rotation)).fold(f64::MAX, f64::min);
            // Half the diagonal of a cubic cell; spirals are a little less even, and swings reach beyond the grid.
            far += usize::from(nearest > 1.1 * 0.87 * 0.35);
        }
        assert!(far <= 14, "{far}");
    }
    let prior = Prior::new(Rigid::identity(), Point::origin(), RotationPrior::Uniform, [5.0, 0.1, 10.0]).unwrap();
    assert_eq!(displacements(&prior, &settings).len(), 3 * 7);
}
