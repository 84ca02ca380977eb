//! A trained network in use: the posterior of X-rays from files, and calibration.

use super::super::error::RunError;
use super::super::folder::RunFolder;
use super::super::subject::{self, Subject};
use super::super::{Progress, files, xray};
use super::calibrate;
use super::cases::{self, RADIUS_MM, sampling};
use super::record::{CalibrationRecord, ModeRecord};
use super::scene::{self, unusable};
use crate::clock::Clock;
use crate::document::posterior::CalibrationTable;
use crate::document::tables::ImageHolds;
use crate::experiment::{Experiment, PosteriorTask, Scene, Task};
use crate::report::picture::{draw_contours, grey, window};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_geometry::{Rigid, View};
use regiscope_image::Image;
use regiscope_image::coarsen::coarsened_image;
use regiscope_pose::FixedImage;
use regiscope_pose::posterior::{
    ImageLikelihood, ImageModel, Noise, Observation, PoseMode, RefineSettings, posterior_by_levels, refine,
};
use regiscope_posterior::simulator::Example;
use regiscope_posterior::{Device, Simulator};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use crate::report::posterior::calibration_words;

/// The experiment with nothing but the training of its network.
pub fn training_only(experiment: &Experiment) -> Result<Experiment, RunError> {
    let (scene, mut task) = parts(experiment)?;
    task.cases.clear();
    task.asked.cases.clear();
    task.asked.baselines.clear();
    task.asked.reference = false;
    task.asked.next_view = None;
    task.asked.calibration = None;
    let mut tables = experiment.tables.clone();
    tables.posterior = Some(task.asked.clone());
    (tables.register, tables.starts, tables.targets) = (None, None, None);
    (tables.landscape, tables.criteria) = (None, None);
    let warnings = experiment.warnings.clone();
    Ok(Experiment { tables, task: Task::Posterior(Box::new(scene), Box::new(task)), warnings })
}

fn parts(experiment: &Experiment) -> Result<(Scene, PosteriorTask), RunError> {
    match &experiment.task {
        Task::Posterior(scene, task) => Ok(((**scene).clone(), (**task).clone())),
        Task::Register(scene, registration) if registration.posterior.is_some() => {
            Ok(((**scene).clone(), registration.posterior.clone().expect("looked at in the guard")))
        }
        _ => Err(RunError::Unusable("the document has no [posterior] table".to_owned())),
    }
}

/// A trained network and the patient that it was trained for.
pub struct Trained {
    experiment: Experiment,
    scene: Scene,
    task: PosteriorTask,
    subject: Subject,
    simulator: Simulator,
    trained: regiscope_posterior::Trained,
    warnings: Vec<String>,
}

/// An X-ray whose posterior is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSettings {
    /// One image for each view of the document, in its order.
    pub images: Vec<PathBuf>,
    /// Whether pixels are detected intensities instead of line integrals.
    pub intensity: bool,
    /// Name of the content; the first if not given.
    pub content: Option<String>,
    /// Standard deviation of the noise on the network's pixels, line integrals; found from what is left at the best pose if
    /// not given.
    pub noise: Option<f64>,
    /// Standard deviation of the contrast around 1; that of the document if not given.
    pub gain_sd: Option<f64>,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// The posterior of an X-ray: `modes.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampled {
    /// Modes, the heaviest first; errors are those from the heaviest one.
    pub modes: Vec<ModeRecord>,
    /// Standard deviation of the noise that was reckoned with in each view, line integrals.
    pub noise: Vec<f64>,
    /// Effective sample size.
    pub ess: f64,
    /// Pareto shape of the largest weights; null where it cannot be known.
    pub k_hat: Option<f64>,
    /// What to make of it, in words.
    pub verdict: String,
    /// Part of simulated X-rays that look stranger than this one.
    pub part_stranger: f64,
    /// X-rays rendered.
    pub evaluations: usize,
    /// Wall time, s.
    pub seconds: f64,
    /// What is to be read with care.
    pub warnings: Vec<String>,
}

impl Trained {
    /// The network of a run of `experiment` in `run_dir`.
    pub fn open(experiment: &Experiment, run_dir: &Path) -> Result<Self, RunError> {
        let (scene, task) = parts(experiment)?;
        let mut warnings = Vec::new();
        let subject = subject::load(&scene.volume, &mut warnings)?;
        let simulator = scene::simulator(&scene, &task, &subject)?;
        let home = run_dir.join("network");
        if !home.join("network.json").is_file() {
            let sentence =
                format!("{}: holds no trained network; `regiscope posterior train` makes one", home.display());
            return Err(RunError::Unusable(sentence));
        }
        let trained = regiscope_posterior::Trained::load(&simulator, &home, &Device::flex()).map_err(unusable)?;
        if trained.network.pixels() != task.asked.pixels as usize {
            let sentence = format!(
                "{}: its images have {} pixels a side, those of the document {}; both must come from the same document",
                home.display(),
                trained.network.pixels(),
                task.asked.pixels
            );
            return Err(RunError::Unusable(sentence));
        }
        Ok(Self { experiment: experiment.clone(), scene, task, subject, simulator, trained, warnings })
    }

    /// Finds the posterior of an X-ray and writes it to `out`, which is made if it is not there.
    pub fn sample(&self, settings: &SampleSettings, out: &Path, clock: &dyn Clock) -> Result<Sampled, RunError> {
        let mut warnings = self.warnings.clone();
        let content = self.content(settings.content.as_deref())?;
        let (given_images, factor) = self.images(settings, &mut warnings)?;
        let (images, masks): (Vec<_>, Vec<_>) =
            given_images.iter().map(|(image, mask)| coarser(image, mask.as_ref(), factor)).unzip();
        let began = clock.wall_s();
        let pose = *self.simulator.prior().nominal();
        let noise_sd = match settings.noise {
            Some(sd) if sd.is_finite() && sd > 0.0 => vec![sd; images.len()],
            Some(sd) => {
                return Err(RunError::Unusable(format!("a noise of {sd} is not accepted: a number above 0 is")));
            }
            None => images.iter().map(fine_noise).collect(),
        };
        let mut example = Example { pose, content, blur_px: 0.0, noise_sd, images, masks };
        let given = cases::given(&self.simulator, &self.trained, &example)?;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let samples = sampling(self.task.asked.samples);
        let find = |example: &Example, rng: &mut ChaCha8Rng| -> Result<_, RunError> {
            let likelihood = self.likelihood(example, settings.gain_sd)?;
            let target = self.simulator.target(likelihood.clone(), RADIUS_MM);
            let coarse = self.simulator.coarse_likelihood(&likelihood, content).map_err(unusable)?;
            let coarse = self.simulator.target(coarse, RADIUS_MM);
            Ok((posterior_by_levels(&target, &coarse, &given, &samples, rng), likelihood))
        };
        let (mut found, mut likelihood) = find(&example, &mut rng)?;
        if let (None, Some(best)) = (settings.noise, found.map()) {
            // What the best pose leaves unexplained counts as noise, be it blur, scatter or another mapping.
            let left_over = left_over(&self.simulator, &example, best);
            for (sd, left) in example.noise_sd.iter_mut().zip(left_over) {
                *sd = sd.max(left);
            }
            (found, likelihood) = find(&example, &mut rng)?;
        }
        let part_stranger = self.trained.familiar.part_stranger(given.features());
        if part_stranger < 0.01 {
            warnings.push(format!(
                "the X-ray looks stranger than {:.1} % of those that the network was trained on",
                100.0 * (1.0 - part_stranger)
            ));
        }
        let mut modes = found.modes.clone();
        if factor > 1 {
            self.refine(&mut modes, content, &given_images, factor, &example.noise_sd, settings.gain_sd)?;
        }
        let best = modes.first().map_or(pose, |m| m.map);
        let modes: Vec<ModeRecord> =
            modes.iter().map(|m| cases::mode_record(m, self.simulator.prior(), &likelihood, &best)).collect();
        let sampled = Sampled {
            modes,
            noise: example.noise_sd.clone(),
            ess: found.ess,
            k_hat: found.k_hat.is_finite().then_some(found.k_hat),
            verdict: found.verdict.words().to_owned(),
            part_stranger,
            evaluations: found.evaluations + found.derivatives,
            seconds: clock.wall_s() - began,
            warnings,
        };
        let folder = RunFolder::beside(out)?;
        folder.write_json("modes.json", &sampled)?;
        folder.write("poses.csv", cases::poses_csv(&found).as_bytes())?;
        self.pictures(&folder, &example, &sampled)?;
        folder.forget()?;
        Ok(sampled)
    }

    fn likelihood(&self, example: &Example, gain_sd: Option<f64>) -> Result<Arc<ImageLikelihood>, RunError> {
        let usual = self.simulator.likelihood(example).map_err(unusable)?;
        match gain_sd {
            None => Ok(usual),
            Some(gain_sd) => {
                let model = ImageModel { gain_sd, ..usual.model() };
                Ok(Arc::new(usual.with_model(model).map_err(unusable)?))
            }
        }
    }

    /// Contours of each mode over the first X-ray, and each mode as an ITK transform.
    fn pictures(&self, folder: &RunFolder, example: &Example, sampled: &Sampled) -> Result<(), RunError> {
        const ZOOM: usize = 8;
        let view = &self.simulator.views()[0];
        let base = grey(&example.images[0], window(&example.images[0]), ZOOM);
        for (n, mode) in sampled.modes.iter().enumerate() {
            let pose = mode.pose.to_rigid();
            let of = self.simulator.contents()[example.content].renderers[0].render(view, &pose);
            let mut picture = base.clone();
            draw_contours(&mut picture, &of, ZOOM, [86, 180, 233]);
            folder.write(&format!("mode-{}.png", n + 1), &picture.png())?;
            files::transform_beside(folder, &format!("mode-{}", n + 1), &pose)?;
        }
        Ok(())
    }

    fn content(&self, name: Option<&str>) -> Result<usize, RunError> {
        let Some(name) = name else { return Ok(0) };
        let known =
            || self.task.contents.iter().map(|(known, _)| format!("\"{known}\"")).collect::<Vec<_>>().join(", ");
        let found = self.task.contents.iter().position(|(known, _)| known == name);
        found
            .ok_or_else(|| RunError::Unusable(format!("no content is called \"{name}\"; the document has {}", known())))
    }

    /// X-rays as they are, with which pixels count, and how many of their pixels make one of the network's along each side.
    fn images(&self, settings: &SampleSettings, warnings: &mut Vec<String>) -> Result<(Vec<Shot>, usize), RunError> {
        let (views, side) = (self.simulator.views().len(), self.task.asked.pixels as usize);
        if settings.images.len() != views {
            let sentence = format!("{} images were given; the document has {views} views", settings.images.len());
            return Err(RunError::Unusable(sentence));
        }
        let holds = if settings.intensity { ImageHolds::Intensity } else { ImageHolds::LineIntegrals };
        let mut shots: Vec<Shot> = Vec::new();
        for path in &settings.images {
            let (image, mask) = xray::line_integrals(xray::read_image(path, warnings)?, holds);
            let (rows, cols) = (image.rows(), image.cols());
            let like_the_first = shots.first().is_none_or(|(first, _)| first.rows() == rows);
            if rows != cols || rows < side || !rows.is_multiple_of(side) || !like_the_first {
                let reason = format!(
                    "{rows} × {cols} pixels; accepted is {side} × {side} (`posterior.pixels`) or a multiple of it, the same \
                     for all views"
                );
                return Err(RunError::Unsuitable { path: path.clone(), reason });
            }
            shots.push((image.map(|v| if v.is_finite() { *v } else { 0.0 }), mask));
        }
        let factor = shots[0].0.rows() / side;
        Ok((shots, factor))
    }

    /// Climbs from the best pose of each mode on the image's own pixels, or the finest multiple of the network's with at
    /// most 256 a side. A mode whose climb leaves it stays as it was.
    fn refine(
        &self,
        modes: &mut [PoseMode],
        content: usize,
        shots: &[Shot],
        factor: usize,
        noise_sd: &[f64],
        gain_sd: Option<f64>,
    ) -> Result<(), RunError> {
        const FINEST: usize = 256;
        let side = self.task.asked.pixels as usize;
        let finer = (1..=factor).rev().find(|f| factor.is_multiple_of(*f) && side * f <= FINEST).unwrap_or(1);
        let (renderer, views) = scene::finer(&self.scene, &self.task, &self.subject, content, side * finer)?;
        let observation = |((view, shot), sd): ((View, &Shot), &f64)| {
            let (image, mask) = coarser(&shot.0, shot.1.as_ref(), factor / finer);
            // White noise of single pixels is larger than that of their means.
            Observation { fixed: FixedImage { view, image, mask }, noise: Noise::White(sd * finer as f64) }
        };
        let observations = views.into_iter().zip(shots).zip(noise_sd).map(observation).collect();
        let usual = ImageModel { gain_sd: self.task.asked.simulate.gain_sd, ..ImageModel::default() };
        let model = ImageModel { gain_sd: gain_sd.unwrap_or(usual.gain_sd), ..usual };
        let likelihood = Arc::new(ImageLikelihood::new(renderer, observations, model).map_err(unusable)?);
        let target = self.simulator.target(likelihood, RADIUS_MM);
        for mode in modes {
            let climbed = refine(&target, &[mode.map], &RefineSettings::default());
            if let Some(peak) = climbed.peaks.first() {
                let x = target.chart(&mode.mean).coordinates(&peak.world_from_volume);
                let squared = mode.covariance.cholesky().map_or(f64::INFINITY, |c| x.dot(&c.solve(&x)));
                // The coarse posterior's six standard deviations, and half a pixel's worth for what its pixels blur.
                if squared < 36.0 || x.norm() < 2.0 {
                    mode.map = peak.world_from_volume;
                }
            }
        }
        Ok(())
    }

    /// Looks at simulated X-rays; finished ones are kept in `out` until all are done. `None` if cancelled.
    pub fn calibrate(
        &self,
        asked: &CalibrationTable,
        out: &Path,
        cancel: &AtomicBool,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Option<CalibrationRecord>, RunError> {
        let folder = RunFolder::beside(out)?;
        // Finished X-rays of another network or other settings must not be taken for these.
        let whose = (crate::run::document_hash(&self.experiment.tables), self.trained.record.clone(), asked.clone());
        let text = serde_json::to_string(&whose).expect("records have string keys");
        match folder.remembered::<String>("whose") {
            Some(other) if other != text => {
                let sentence = "holds an unfinished calibration of another network or with other settings";
                return Err(RunError::Unusable(format!("{}: {sentence}", out.display())));
            }
            Some(_) => {}
            None => folder.remember("whose", &text)?,
        }
        let seed = u64::from(self.experiment.tables.seed);
        let (simulator, trained) = (&self.simulator, &self.trained);
        let found = calibrate::calibrate(simulator, trained, &self.task, asked, seed, &folder, cancel, observer)?;
        if let Some(found) = &found {
            folder.write_json("calibration.json", found)?;
            folder.forget()?;
        }
        Ok(found)
    }
}

/// Standard deviation of what a pose leaves unexplained in each view, with the best gain and offset.
fn left_over(simulator: &Simulator, example: &Example, pose: &Rigid) -> Vec<f64> {
    let renderer = &simulator.contents()[example.content].renderers[0];
    let one = |((view, image), mask): ((&View, &Image<f32>), &Option<Image<bool>>)| {
        let drr = renderer.render(view, pose);
        let open = |n: usize| mask.as_ref().is_none_or(|m| m.data()[n]);
        let pairs: Vec<(f64, f64)> = (0..drr.data().len())
            .filter(|n| open(*n))
            .map(|n| (f64::from(drr.data()[n]), f64::from(image.data()[n])))
            .collect();
        let n = pairs.len().max(1) as f64;
        let (mx, my) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
        let sum = |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
        let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
        let explained = if xx > 0.0 { xy * xy / xx } else { 0.0 };
        ((yy - explained).max(0.0) / n).sqrt()
    };
    simulator.views().iter().zip(&example.images).zip(&example.masks).map(one).collect()
}

/// An X-ray, and which of its pixels count where not all do.
type Shot = (Image<f32>, Option<Image<bool>>);

/// An image with `factor` × `factor` pixels joined to one.
fn coarser(image: &Image<f32>, mask: Option<&Image<bool>>, factor: usize) -> Shot {
    let coarse = if factor == 1 { image.clone() } else { coarsened_image(image, factor) };
    (coarse, mask.map(|m| open_where_all_are(m, factor)))
}

/// Pixels of the coarser detector all of whose parts count.
fn open_where_all_are(mask: &Image<bool>, factor: usize) -> Image<bool> {
    let (rows, cols) = (mask.rows() / factor, mask.cols() / factor);
    let open = |n: usize| {
        let (row, col) = (n / cols * factor, n % cols * factor);
        (0..factor * factor).all(|k| mask.data()[(row + k / factor) * mask.cols() + col + k % factor])
    };
    Image::new(rows, cols, (0..rows * cols).map(open).collect())
}

/// Standard deviation of white noise, from what a mask blind to planes leaves (J. Immerkær, "Fast noise variance
/// estimation", CVIU 64(2), 1996); at least a thousandth of the image's range.
fn fine_noise(image: &Image<f32>) -> f64 {
    let (rows, cols) = (image.rows(), image.cols());
    let at = |row: usize, col: usize| f64::from(image.data()[row * cols + col]);
    let mut sum = 0.0;
    for row in 1..rows.saturating_sub(1) {
        for col in 1..cols.saturating_sub(1) {
            let corners = at(row - 1, col - 1) + at(row - 1, col + 1) + at(row + 1, col - 1) + at(row + 1, col + 1);
            let sides = at(row - 1, col) + at(row + 1, col) + at(row, col - 1) + at(row, col + 1);
            sum += (corners - 2.0 * sides + 4.0 * at(row, col)).abs();
        }
    }
    let count = (rows.saturating_sub(2) * cols.saturating_sub(2)).max(1) as f64;
    let (low, high) = image.data().iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    let range = if high > low { f64::from(high - low) } else { 1.0 };
    ((std::f64::consts::PI / 2.0).sqrt() * sum / (6.0 * count)).max(1e-3 * range)
}
