//! Rivals of the network on the same images.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::{Progress, RunOptions};
use super::cases::{RADIUS_MM, given};
use super::record::RivalRecord;
use super::reference::{PLAUSIBLE, matched};
use super::scene::unusable;
use super::train;
use crate::clock::Clock;
use crate::document::posterior::{Baseline, PosteriorTable};
use crate::experiment::PosteriorTask;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::Rigid;
use regiscope_pose::posterior::{
    Climber, MatchTolerance, PoseMode, RivalSettings, Target, pose_error, pose_modes, search_modes,
};
use regiscope_posterior::regressor::{Regressor, answers, train_ensemble};
use regiscope_posterior::simulator::Example;
use regiscope_posterior::{Device, Simulator, Trained};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// Networks of an ensemble.
const MEMBERS: u64 = 5;

/// Rivals that had to be trained.
pub struct Rivals {
    density: Option<Trained>,
    ensemble: Option<Vec<Regressor>>,
}

/// Trains the rivals that need it; `None` if cancelled.
pub fn prepare(
    simulator: &Simulator,
    task: &PosteriorTask,
    seed: u64,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Rivals>, RunError> {
    let asked = |rival: Baseline| task.asked.baselines.contains(&rival);
    let mut rivals = Rivals { density: None, ensemble: None };
    if asked(Baseline::MixtureDensity) {
        let mut plain: PosteriorTable = task.asked.clone();
        plain.network.flow_steps = 0;
        let settings = train::settings(&plain);
        match train::trained(simulator, &settings, seed, "network-mixture-density", folder, options, observer)? {
            Some((trained, _)) => rivals.density = Some(trained),
            None => return Ok(None),
        }
    }
    if asked(Baseline::Ensemble) {
        let settings = train::settings(&task.asked);
        let total = (MEMBERS * settings.steps) as usize;
        let hear = &mut |member: u64, step: u64| {
            let done = (member * settings.steps + step + 1) as usize;
            if done.is_multiple_of(train::PER_POINT as usize) {
                observer(Progress { stage: "training the ensemble", done, total, note: String::new() });
            }
            if options.cancel.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let clock = || options.clock.wall_s();
        let trained = train_ensemble(MEMBERS, simulator, &settings, seed, &Device::flex(), &clock, hear);
        match trained.map_err(unusable)? {
            Some(ensemble) => rivals.ensemble = Some(ensemble),
            None => return Ok(None),
        }
    }
    Ok(Some(rivals))
}

/// A case that rivals look at.
pub struct Asked<'a> {
    /// The simulator that made it.
    pub simulator: &'a Simulator,
    /// Its posterior, up to a constant.
    pub target: &'a Target,
    /// The same on coarser pixels.
    pub coarse: &'a Target,
    /// The X-ray.
    pub example: &'a Example,
    /// What is asked for.
    pub task: &'a PosteriorTask,
    /// Modes of the reference posterior.
    pub reference: Option<&'a [PoseMode]>,
    /// Rays that the network's posterior took, one with its derivative counted twice: the rivals' budget.
    pub budget_rays: usize,
    /// Times.
    pub clock: &'a dyn Clock,
}

impl Rivals {
    /// What each rival says.
    pub fn answers(&self, asked: &Asked, rng: &mut ChaCha8Rng) -> Result<Vec<RivalRecord>, RunError> {
        asked.task.asked.baselines.iter().map(|rival| self.answer(*rival, asked, rng)).collect()
    }

    fn answer(&self, rival: Baseline, asked: &Asked, rng: &mut ChaCha8Rng) -> Result<RivalRecord, RunError> {
        let began = asked.clock.wall_s();
        let pivot = asked.target.pivot();
        match rival {
            Baseline::MixtureDensity => {
                let trained = self.density.as_ref().expect("trained before any case");
                let given = given(asked.simulator, trained, asked.example)?;
                let (poses, logs) = given.sample(asked.task.asked.samples as usize, rng);
                let even = vec![0.0; poses.len()];
                let (known, settings) = (Default::default(), Default::default());
                let modes = pose_modes(&poses, &even, Some(&logs), &pivot, RADIUS_MM, &known, &settings);
                let found = modes.iter().map(|m| (m.map, m.mass)).collect();
                Ok(record("mixture density network", found, asked, asked.clock.wall_s() - began, 0, None))
            }
            Baseline::Ensemble => {
                let ensemble = self.ensemble.as_ref().expect("trained before any case");
                let poses = answers(ensemble, asked.simulator, asked.example, &Device::flex());
                let found = gathered(&poses, asked.target);
                Ok(record("ensemble of regressors", found, asked, asked.clock.wall_s() - began, 0, None))
            }
            Baseline::MultiStart | Baseline::CmaEs => Ok(search(rival, asked, rng)),
        }
    }
}

/// Answers nearer than 10 mm and 10° are one mode, its mass the part of answers.
fn gathered(poses: &[Rigid], target: &Target) -> Vec<(Rigid, f64)> {
    let pivot = target.pivot();
    let mut modes: Vec<(Rigid, f64)> = Vec::new();
    for pose in poses {
        let near = |m: &&mut (Rigid, f64)| {
            (m.0 * pivot - pose * pivot).norm() < 10.0 && m.0.rotation.angle_to(&pose.rotation) < 10f64.to_radians()
        };
        match modes.iter_mut().find(near) {
            Some(mode) => mode.1 += 1.0 / poses.len() as f64,
            None => modes.push((*pose, 1.0 / poses.len() as f64)),
        }
    }
    modes
}

/// A rival that searches, with as many rays as the network's posterior took.
fn search(rival: Baseline, asked: &Asked, rng: &mut ChaCha8Rng) -> RivalRecord {
    let (name, climber) = match rival {
        Baseline::CmaEs => ("CMA-ES from many starts", Climber::CmaEs { sigma_mm: 15.0 }),
        _ => ("Levenberg–Marquardt from many starts", Climber::LevenbergMarquardt),
    };
    let settings = RivalSettings { climber, budget_rays: asked.budget_rays, ..RivalSettings::default() };
    let began = asked.clock.wall_s();
    let found = search_modes(&[asked.coarse.clone(), asked.target.clone()], &settings, rng);
    let seconds = asked.clock.wall_s() - began;
    let per_ray = seconds / found.rays.max(1) as f64;
    let pivot = asked.target.pivot();
    let correct = |pose: &Rigid| pose_error(pose, &asked.example.pose, &pivot).within(&MatchTolerance::TIGHT);
    let first = found.modes.iter().filter(|m| correct(&m.peak.world_from_volume)).map(|m| m.rays).min();
    let modes: Vec<(Rigid, f64)> = found.modes.iter().map(|m| m.peak.world_from_volume).zip(found.masses()).collect();
    let images = found.rays / asked.target.likelihood().rays().max(1);
    record(name, modes, asked, seconds, images, first.map(|rays| rays as f64 * per_ray))
}

fn record(
    name: &str,
    found: Vec<(Rigid, f64)>,
    asked: &Asked,
    seconds: f64,
    images: usize,
    seconds_to_truth: Option<f64>,
) -> RivalRecord {
    let pivot = asked.target.pivot();
    let coarse = asked.reference.map(|known| matched(&found, known, &pivot, &MatchTolerance::LOOSE));
    let plausible = found.iter().filter(|m| m.1 >= PLAUSIBLE).count();
    RivalRecord { name: name.to_owned(), modes: plausible, seconds, evaluations: images, seconds_to_truth, coarse }
}
