//! Which view would best tell the modes of a case apart.

use super::record::NextViewRecord;
use super::scene;
use crate::experiment::{PosteriorTask, Scene, ViewGeometry};
use crate::run::RunError;
use crate::run::subject::Subject;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::View;
use regiscope_pose::posterior::{NextView, Posterior, next_view};
use regiscope_posterior::Simulator;
use regiscope_posterior::simulator::Example;

/// Simulated images of each candidate.
const DRAWS: usize = 60;

/// The views that are asked about: the first view's C-arm at other angles, with the network's pixels.
pub fn candidates(scene: &Scene, task: &PosteriorTask, subject: &Subject) -> Result<Vec<(f64, View)>, RunError> {
    let Some(asked) = &task.asked.next_view else { return Ok(Vec::new()) };
    let first = &scene.views[0];
    let side = task.asked.pixels as usize;
    let one = |&degrees: &f64| {
        let mut source = first.clone();
        if let ViewGeometry::CArm { primary, .. } = &mut source.geometry {
            *primary = degrees.to_radians();
        }
        Ok((degrees, scene::resampled(&super::super::views::place(&source, &subject.centre())?, side, &source.name)?))
    };
    asked.primary_angles_deg.iter().map(one).collect()
}

/// What each candidate is worth for a case.
pub fn gains(
    simulator: &Simulator,
    candidates: &[(f64, View)],
    example: &Example,
    found: &Posterior,
    rng: &mut ChaCha8Rng,
) -> Vec<NextViewRecord> {
    let known = NextView {
        renderer: &simulator.contents()[example.content].renderers[0],
        model: simulator.image_model(example),
        noise_sd: example.noise_sd[0],
        pivot: simulator.prior().pivot(),
        poses: &found.poses,
        log_weights: &found.log_weights,
        modes: &found.modes,
    };
    let views: Vec<View> = candidates.iter().map(|(_, view)| view.clone()).collect();
    let gains = next_view(&known, &views, DRAWS, rng);
    let one = |((degrees, _), gain): (&(f64, View), &regiscope_pose::posterior::Gain)| NextViewRecord {
        primary_angle_deg: *degrees,
        gain_nats: gain.modes,
        se: gain.modes_se,
        pose_gain_nats: gain.pose,
    };
    candidates.iter().zip(&gains).map(one).collect()
}
