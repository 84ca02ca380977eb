//! Cases: simulated X-rays, their posteriors, and what others say about them.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::record::PoseRecord;
use super::super::{Progress, RunOptions};
use super::calibrate::turn;
use super::record::{AgainstReference, CaseRecord, ModeRecord};
use super::rivals::{Asked, Rivals};
use super::scene::unusable;
use super::{next, reference, rivals};
use crate::experiment::{PosteriorCase, PosteriorTask};
use crate::report::posterior::CasePictures;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Rigid, Vector, View};
use regiscope_pose::posterior::{
    AdaptSettings, ImageLikelihood, PoseMode, Posterior, PosteriorSettings, Prior, pose_modes, posterior_by_levels,
    resample,
};
use regiscope_posterior::network::geometry;
use regiscope_posterior::simulator::Example;
use regiscope_posterior::{Device, Given, Simulator, Trained};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;

/// Length at which rotations count like displacements, mm: about the radius of gyration of lumbar vertebrae.
pub const RADIUS_MM: f64 = 60.0;
/// Poses in a scatter plot.
const SHOWN: usize = 300;
/// Modes with a picture.
const PICTURED: usize = 2;

/// What the run keeps of a finished case.
#[derive(Serialize, Deserialize)]
struct Kept {
    record: CaseRecord,
    network: Vec<(f64, f64)>,
    weighted: Vec<(f64, f64)>,
}

/// What all cases of a run share.
pub struct Study<'a> {
    /// Makes the X-rays.
    pub simulator: &'a Simulator,
    /// The network.
    pub trained: &'a Trained,
    /// What is asked for.
    pub task: &'a PosteriorTask,
    /// Views that may be taken next, by their angle in degrees.
    pub candidates: &'a [(f64, View)],
    /// Seed of the run.
    pub seed: u64,
    /// Where results go.
    pub folder: &'a RunFolder,
    /// The run.
    pub options: &'a RunOptions<'a>,
}

/// Records and pictures of cases.
pub type Looked = (Vec<CaseRecord>, Vec<CasePictures>);

/// Looks at all cases; `None` if cancelled. Finished ones are kept in the run's state.
pub fn look_at_all(study: &Study, observer: &mut dyn FnMut(Progress)) -> Result<Option<Looked>, RunError> {
    let Study { simulator, task, seed, folder, options, .. } = *study;
    let total = task.cases.len();
    let Some(rivals) = rivals::prepare(simulator, task, seed, folder, options, observer)? else { return Ok(None) };
    let (mut records, mut pictures) = (Vec::new(), Vec::new());
    for (number, case) in task.cases.iter().enumerate() {
        if options.cancel.load(Ordering::Relaxed) {
            return Ok(None);
        }
        observer(Progress { stage: "cases", done: number, total, note: case.name.clone() });
        let example = example(simulator, case, seed, number as u64);
        let name = format!("case-{number:03}");
        let kept: Kept = match folder.remembered(&name) {
            Some(kept) => kept,
            None => {
                let kept = one(study, &rivals, number, case, &example)?;
                folder.remember(&name, &kept)?;
                kept
            }
        };
        pictures.push(CasePictures {
            xray: example.images[0].clone(),
            modes: kept.record.modes.iter().take(PICTURED).map(|m| drr(simulator, case, &m.pose.to_rigid())).collect(),
            network: kept.network,
            weighted: kept.weighted,
            truth: place(&example.pose, simulator.prior()),
        });
        records.push(kept.record);
    }
    Ok(Some((records, pictures)))
}

fn drr(simulator: &Simulator, case: &PosteriorCase, pose: &Rigid) -> regiscope_image::Image<f32> {
    simulator.contents()[case.content].renderers[0].render(&simulator.views()[0], pose)
}

/// Where a pose stands in a scatter plot: turn (degrees) and displacement to the left (mm).
fn place(pose: &Rigid, prior: &Prior) -> (f64, f64) {
    (turn(pose, prior).to_degrees(), prior.displacement(pose).x)
}

/// The X-ray of a case: its pose, with the turn that is asked for, and its noise.
fn example(simulator: &Simulator, case: &PosteriorCase, seed: u64, number: u64) -> Example {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x00ca_5e5e);
    rng.set_stream(number);
    let prior = simulator.prior();
    let drawn = prior.sample(&mut rng);
    let pose = match case.turn {
        None => drawn,
        Some(wanted) => {
            let about = nalgebra::UnitQuaternion::new(Vector::z() * (wanted - turn(&drawn, prior)));
            let turned = drawn.rotation * prior.nominal().rotation.inverse();
            prior.pose(&(turned * about), &prior.displacement(&drawn))
        }
    };
    simulator.shoot(case.content, &pose, case.noise, &mut rng)
}

/// The network's density for an example.
pub fn given<'a>(simulator: &Simulator, trained: &'a Trained, example: &Example) -> Result<Given<'a>, RunError> {
    let from_views = geometry(simulator.views(), &Device::flex());
    let images: Vec<_> = example.images.iter().zip(&example.masks).map(|(i, m)| (i, m.as_ref())).collect();
    Given::new(&trained.network, &from_views, &images, simulator.prior().pivot()).map_err(unusable)
}

/// How posteriors are sampled.
pub fn sampling(samples: u32) -> PosteriorSettings {
    // A fifth from the network, three tenths to learn from, half to keep.
    let samples = samples as usize;
    let usual = PosteriorSettings::default();
    let adapt = AdaptSettings { round: samples / 10, draws: samples / 2, ..usual.adapt };
    PosteriorSettings { flow_samples: samples / 5, adapt, ..usual }
}

fn one(
    study: &Study,
    rivals: &Rivals,
    number: usize,
    case: &PosteriorCase,
    example: &Example,
) -> Result<Kept, RunError> {
    let Study { simulator, trained, task, candidates, seed, folder, options } = *study;
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(number as u64) ^ 0x5a3);
    let prior = simulator.prior();
    let likelihood = simulator.likelihood(example).map_err(unusable)?;
    let target = simulator.target(likelihood.clone(), RADIUS_MM);
    let began = options.clock.wall_s();
    let given = given(simulator, trained, example)?;
    let coarse = simulator.coarse_likelihood(&likelihood, case.content).map_err(unusable)?;
    let coarse = simulator.target(coarse, RADIUS_MM);
    let found = posterior_by_levels(&target, &coarse, &given, &sampling(task.asked.samples), &mut rng);
    let seconds = options.clock.wall_s() - began;
    folder.make_dir("posterior")?;
    folder.write(&format!("posterior/case-{number:03}.csv"), poses_csv(&found).as_bytes())?;

    let (drawn, log_densities) = given.sample(task.asked.samples as usize, &mut rng);
    let even = vec![0.0; drawn.len()];
    let own = pose_modes(
        &drawn,
        &even,
        Some(&log_densities),
        &prior.pivot(),
        RADIUS_MM,
        &Default::default(),
        &Default::default(),
    );
    let equal: Vec<Rigid> = resample(&found.log_weights, task.asked.samples as usize, &mut rng)
        .into_iter()
        .map(|n| found.poses[n])
        .collect();
    let tell = |modes: &[PoseMode]| -> Vec<ModeRecord> {
        modes.iter().map(|m| mode_record(m, prior, &likelihood, &example.pose)).collect()
    };
    let known = match task.asked.reference {
        true => Some(reference::known(
            simulator,
            &likelihood,
            case.content,
            seed.wrapping_add(number as u64),
            options.clock,
        )?),
        false => None,
    };
    let looked = reference::Found { modes: &found.modes, poses: &equal, network: &drawn };
    let compared =
        known.as_ref().map(|known| reference::compare(known, &looked, prior, &likelihood, &example.pose, &mut rng));
    let rays = target.likelihood().rays();
    let rivals = rivals.answers(
        &Asked {
            simulator,
            target: &target,
            coarse: &coarse,
            example,
            task,
            reference: known.as_ref().map(|known| known.modes.as_slice()),
            budget_rays: (found.evaluations + 2 * found.derivatives) * rays,
            clock: options.clock,
        },
        &mut rng,
    )?;
    let next_view = next::gains(simulator, candidates, example, &found, &mut rng);
    let record = CaseRecord {
        name: case.name.clone(),
        content: task.contents[case.content].0.clone(),
        noise: case.noise,
        truth: PoseRecord::from(&example.pose),
        truth_turn_deg: turn(&example.pose, prior).to_degrees(),
        part_stranger: trained.familiar.part_stranger(given.features()),
        modes: tell(&found.modes),
        network_modes: tell(&own),
        ess: found.ess,
        k_hat: found.k_hat.is_finite().then_some(found.k_hat),
        verdict: found.verdict.words().to_owned(),
        seconds,
        evaluations: found.evaluations + found.derivatives,
        reference: compared,
        rivals,
        next_view,
    };
    let thinned = |poses: &[Rigid]| {
        let step = poses.len().div_ceil(SHOWN).max(1);
        poses.iter().step_by(step).map(|pose| place(pose, prior)).collect()
    };
    Ok(Kept { record, network: thinned(&drawn), weighted: thinned(&equal) })
}

/// A mode as people read it.
pub fn mode_record(mode: &PoseMode, prior: &Prior, likelihood: &ImageLikelihood, truth: &Rigid) -> ModeRecord {
    let pivot = prior.pivot();
    let sd = |n: usize| mode.covariance[(n, n)].max(0.0).sqrt();
    let similarities = likelihood.similarities(&mode.map);
    ModeRecord {
        mass: mode.mass,
        pose: PoseRecord::from(&mode.map),
        turn_deg: turn(&mode.map, prior).to_degrees(),
        sd_mm: [sd(0), sd(1), sd(2)],
        sd_deg: [sd(3), sd(4), sd(5)].map(f64::to_degrees),
        ncc: similarities.iter().sum::<f64>() / similarities.len().max(1) as f64,
        error_mm: (mode.map * pivot - truth * pivot).norm(),
        error_deg: mode.map.rotation.angle_to(&truth.rotation).to_degrees(),
    }
}

/// Weighted poses as a table.
pub fn poses_csv(found: &Posterior) -> String {
    let mut text = String::from("weight,log_posterior,x_mm,y_mm,z_mm,qw,qx,qy,qz\n");
    for ((pose, log_weight), log_posterior) in found.poses.iter().zip(&found.log_weights).zip(&found.log_posteriors) {
        let PoseRecord { translation_mm: [x, y, z], quaternion_wxyz: [qw, qx, qy, qz] } = PoseRecord::from(pose);
        text += &format!("{},{log_posterior},{x},{y},{z},{qw},{qx},{qy},{qz}\n", log_weight.exp());
    }
    text
}

/// Means over the cases that have a reference.
pub fn scored(cases: &[CaseRecord]) -> Option<AgainstReference> {
    let compared: Vec<_> = cases.iter().filter_map(|c| c.reference.as_ref()).collect();
    let n = compared.len() as f64;
    (!compared.is_empty()).then(|| AgainstReference {
        cases: compared.len(),
        f1: compared.iter().map(|r| r.coarse.f1).sum::<f64>() / n,
        mass_error: compared.iter().map(|r| r.coarse.mass_error).sum::<f64>() / n,
        invented_on_unimodal: compared
            .iter()
            .filter(|r| r.modes.iter().filter(|m| m.mass >= reference::PLAUSIBLE).count() == 1)
            .map(|r| r.coarse.invented_mass)
            .fold(0.0, f64::max),
    })
}
