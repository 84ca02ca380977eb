use super::*;
use crate::posterior::{LN_8_PI_SQUARED, Proposal, toy, weigh};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Twist, se3};
use std::f64::consts::PI;

fn exact(toy: &toy::Bumps, masses: &[f64]) -> Mixture {
    let pivot = toy.prior.pivot();
    let one = |(&mass, b): (&f64, &toy::Bump)| (mass, StudentT::new(b.mean, &pivot, b.covariance, 200.0).unwrap());
    Mixture::new(masses.iter().zip(&toy.bumps).map(one).collect())
}

fn found(poses: &[Rigid], log_weights: &[f64], known: &Mixture) -> Vec<PoseMode> {
    pose_modes(poses, log_weights, None, &toy::wide_prior().pivot(), 50.0, known, &ModeSettings::default())
}

#[test]
fn two_clouds_are_two_modes_with_their_masses_and_covariances() {
    let toy = toy::two_bumps();
    let poses = exact(&toy, &[0.7, 0.3]).draw(1500, &mut ChaCha8Rng::seed_from_u64(1));
    let modes = found(&poses, &vec![0.0; 1500], &Mixture::default());
    assert_eq!(modes.len(), 2);
    for (mode, (bump, mass)) in modes.iter().zip(toy.bumps.iter().zip([0.7, 0.3])) {
        assert!((mode.mass - mass).abs() < 0.005, "{}", mode.mass);
        let pivot = toy.prior.pivot();
        let off = crate::chart::Chart::new(bump.mean, &pivot, 1.0).coordinates(&mode.mean);
        assert!(off.component_div(&bump.sd()).amax() < 0.15);
        let ratio = mode.covariance.diagonal().component_div(&bump.covariance.diagonal());
        assert!(ratio.iter().all(|r| (r - 1.0).abs() < 0.25), "{ratio}");
        assert!((mode.members.len() as f64 / 1500.0 - mass).abs() < 0.005);
    }
}

#[test]
fn one_bent_cloud_is_one_mode() {
    // A quarter circle of rotations about the pivot with a shift that follows it.
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let pivot = toy::wide_prior().pivot();
    let chart = crate::chart::Chart::new(Rigid::identity(), &pivot, 1.0);
    let noise = exact(&toy::two_bumps(), &[1.0, 1e-12]);
    let centre = noise.components[0].1.clone();
    let poses: Vec<Rigid> = (0..1200)
        .map(|n| {
            let angle = 1.2 * (n as f64 / 1200.0 - 0.5);
            let jitter = centre.coordinates(&centre.sample(&mut random)) * 5.0;
            chart.pose(&(Twist::new(20.0 * angle, 8.0 * angle * angle, 0.0, 0.0, 0.0, angle) + jitter))
        })
        .collect();
    let modes = found(&poses, &[0.0; 1200], &Mixture::default());
    assert_eq!(modes.len(), 1, "{:?}", modes.iter().map(|m| m.mass).collect::<Vec<_>>());
}

#[test]
fn weights_count_and_not_numbers() {
    // Draws from a mixture that is wide and has the wrong masses, weighted.
    let toy = toy::two_bumps();
    let pivot = toy.prior.pivot();
    let wide = |b: &toy::Bump| (0.5, StudentT::new(b.mean, &pivot, b.covariance * 2.0, 6.0).unwrap());
    let proposal = Mixture::new(toy.bumps.iter().map(wide).collect());
    let poses = proposal.draw(2000, &mut ChaCha8Rng::seed_from_u64(3));
    let target = toy.target();
    let (log_p, log_q) = (target.log_posteriors(&poses), proposal.log_density(&poses));
    let weights = weigh(&log_p.iter().zip(&log_q).map(|(p, q)| p - q).collect::<Vec<_>>());
    assert_eq!(weights.verdict, crate::posterior::Verdict::Trust);
    let modes = found(&poses, &weights.log_weights, &Mixture::default());
    assert_eq!(modes.len(), 2);
    assert!((modes[0].mass - 0.7).abs() < 0.04, "{}", modes[0].mass);

    // A 90 % region of a normal density in six dimensions lies inside χ² = 10.645.
    let hpd = hpd(&weights.log_weights, &log_p, weights.log_evidence, &modes, 0.9);
    let ball = PI.powi(3) / 6.0;
    let expected =
        |b: &toy::Bump, chi: f64| ball * chi.powi(3) * b.covariance.determinant().sqrt() / LN_8_PI_SQUARED.exp();
    // Both modes share one threshold: find the radii from it.
    for (bump, volume) in toy.bumps.iter().zip(&hpd.volumes) {
        let top = target.log_posterior(&bump.mean);
        let exact = expected(bump, 2.0 * (top - hpd.log_threshold));
        assert!((volume / exact - 1.0).abs() < 0.2, "{volume} {exact}");
    }
    assert!(hpd.contains(target.log_posterior(&toy.bumps[0].mean)));
    assert!(
        !hpd.contains(target.log_posterior(&(se3::exp(&Twist::new(0.0, 9.0, 0.0, 0.0, 0.0, 0.0)) * toy.bumps[0].mean)))
    );
}

#[test]
fn known_components_bring_no_mode_without_samples() {
    let toy = toy::two_bumps();
    let all = exact(&toy, &[0.5, 0.5]);
    let poses = exact(&toy, &[1.0, 1e-12]).draw(300, &mut ChaCha8Rng::seed_from_u64(4));
    let modes = found(&poses, &[0.0; 300], &all);
    assert_eq!(modes.len(), 1);
    assert!((modes[0].mass - 1.0).abs() < 1e-9);
    assert!(found(&poses[..0], &[], &all).is_empty());
    let one = found(&poses[..1], &[0.0], &Mixture::default());
    assert_eq!((one.len(), one[0].map, one[0].covariance), (1, poses[0], Matrix6::zeros()));
}
