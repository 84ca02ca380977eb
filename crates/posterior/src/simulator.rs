//! X-rays made up for training: a pose from the prior, a rendering of what may be seen, and what a C-arm does to it.
//!
//! Every number of example `n` follows from the seed and `n` alone, so a batch is the same on any number of threads and in
//! any order, and an interrupted training goes on with the batches it would have had.

use crate::error::PosteriorError;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use regiscope_drr::Renderer;
use regiscope_drr::physics::gaussian_blur;
use regiscope_geometry::{Rigid, View};
use regiscope_image::Image;
use regiscope_pose::FixedImage;
use regiscope_pose::posterior::{ImageLikelihood, ImageModel, Noise, Observation, Prior, Target};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Something that an X-ray may show: the whole patient, vertebrae alone, one vertebra.
#[derive(Clone)]
pub struct Content {
    /// Its name in reports.
    pub name: String,
    /// The volume, under one mapping of Hounsfield units or several that may be the true one; each X-ray is made with one
    /// of them. The first is the one that likelihoods use.
    pub renderers: Vec<Arc<Renderer>>,
    /// The same under the first mapping, as smooth as pixels of about a sixteenth of the image would see it.
    pub coarse: Arc<Renderer>,
}

/// What varies from X-ray to X-ray besides the pose. Ranges are `[low, high]`, both ends included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Degradation {
    /// Standard deviation of white noise as a part of the ideal image's standard deviation (0 to 100), drawn
    /// log-uniformly.
    pub noise: [f64; 2],
    /// Standard deviation of blur, pixels (0 to 100).
    pub blur_pixels: [f64; 2],
    /// Standard deviation of the gain (contrast) around 1, 0 to 0.3.
    pub gain_sd: f64,
    /// Largest part of the image's width or height that the collimator hides from each of the four sides (0 to 0.45).
    pub collimation: f64,
}

impl Default for Degradation {
    fn default() -> Self {
        Self { noise: [0.02, 0.5], blur_pixels: [0.0, 0.5], gain_sd: 0.0, collimation: 0.0 }
    }
}

impl Degradation {
    /// Refuses the first setting that is out of range.
    pub fn check(&self) -> Result<(), PosteriorError> {
        let range = |field: &str, [low, high]: [f64; 2], least: f64, most: f64| {
            if low >= least && low <= high && high <= most {
                return Ok(());
            }
            let accepted = format!("[low, high] with {least} ≤ low ≤ high ≤ {most}");
            PosteriorError::setting(field, format!("[{low}, {high}]"), &accepted)
        };
        range("noise", self.noise, 1e-6, 100.0)?;
        range("blur_pixels", self.blur_pixels, 0.0, 100.0)?;
        if !(0.0..=0.3).contains(&self.gain_sd) {
            return PosteriorError::setting("gain_sd", self.gain_sd, "0 to 0.3");
        }
        if !(0.0..=0.45).contains(&self.collimation) {
            return PosteriorError::setting("collimation", self.collimation, "0 to 0.45");
        }
        Ok(())
    }
}

/// Makes X-rays of one patient.
pub struct Simulator {
    views: Vec<View>,
    contents: Vec<Content>,
    prior: Prior,
    degradation: Degradation,
}

/// One made-up X-ray of each view.
#[derive(Debug, Clone)]
pub struct Example {
    /// The true pose.
    pub pose: Rigid,
    /// Which content it shows.
    pub content: usize,
    /// Standard deviation of the blur, pixels.
    pub blur_px: f64,
    /// Standard deviation of the noise in each view, line integrals.
    pub noise_sd: Vec<f64>,
    /// Line integrals of each view.
    pub images: Vec<Image<f32>>,
    /// Pixels that the collimator leaves open, where it hides any.
    pub masks: Vec<Option<Image<bool>>>,
}

impl Simulator {
    /// A simulator of `contents` in `views` with poses from `prior`.
    pub fn new(
        views: Vec<View>,
        contents: Vec<Content>,
        prior: Prior,
        degradation: Degradation,
    ) -> Result<Self, PosteriorError> {
        degradation.check()?;
        if views.is_empty() {
            return PosteriorError::input("views", "none", "one or more views");
        }
        if contents.is_empty() || contents.iter().any(|c| c.renderers.is_empty()) {
            return PosteriorError::input(
                "contents",
                "none, or one without a volume",
                "one or more, each with a volume",
            );
        }
        Ok(Self { views, contents, prior, degradation })
    }

    /// The views.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// What may be seen.
    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// The prior of poses.
    pub fn prior(&self) -> &Prior {
        &self.prior
    }

    /// Example `number` of the stream with this `seed`.
    pub fn example(&self, seed: u64, number: u64) -> Example {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let content = rng.random_range(0..self.contents.len());
        let pose = self.prior.sample(&mut rng);
        let [low, high] = self.degradation.noise;
        let noise = (low.ln() + rng.random::<f64>() * (high / low).ln()).exp();
        self.shoot(content, &pose, noise, &mut rng)
    }

    /// An X-ray of a content at a pose, with noise of `noise` times the ideal image's standard deviation; what else
    /// varies is drawn with `rng`.
    pub fn shoot(&self, content: usize, pose: &Rigid, noise: f64, rng: &mut ChaCha8Rng) -> Example {
        let renderers = &self.contents[content].renderers;
        let renderer = &renderers[rng.random_range(0..renderers.len())];
        let [low, high] = self.degradation.blur_pixels;
        let blur_px = low + rng.random::<f64>() * (high - low);
        let (noise_sd, images, masks) = (Vec::new(), Vec::new(), Vec::new());
        let mut example = Example { pose: *pose, content, blur_px, noise_sd, images, masks };
        for view in &self.views {
            let gain = 1.0 + self.degradation.gain_sd * rng.sample::<f64, _>(StandardNormal);
            let mut image = renderer.render(view, pose).map(|v| gain as f32 * v);
            if blur_px > 0.0 {
                image = gaussian_blur(&image, [blur_px; 2]);
            }
            let sd = noise * spread(image.data());
            let noisy = image.map(|v| v + (sd * rng.sample::<f64, _>(StandardNormal)) as f32);
            example.masks.push(self.collimator(view, rng));
            example.images.push(noisy);
            example.noise_sd.push(sd);
        }
        example
    }

    /// Which pixels the collimator leaves open; none if all are.
    fn collimator(&self, view: &View, rng: &mut ChaCha8Rng) -> Option<Image<bool>> {
        let most = self.degradation.collimation;
        if most == 0.0 {
            return None;
        }
        let (rows, cols) = (view.rows(), view.cols());
        let mut hidden = |side: usize| (most * side as f64 * rng.random::<f64>()).round() as usize;
        let (top, bottom, left, right) = (hidden(rows), hidden(rows), hidden(cols), hidden(cols));
        let open = |n: usize| {
            let (row, col) = (n / cols, n % cols);
            row >= top && row + bottom < rows && col >= left && col + right < cols
        };
        Some(Image::new(rows, cols, (0..rows * cols).map(open).collect()))
    }

    /// The likelihood of an example's images by the image model that made them, with the first mapping of its content.
    pub fn likelihood(&self, example: &Example) -> Result<Arc<ImageLikelihood>, PosteriorError> {
        let renderer = self.contents[example.content].renderers[0].clone();
        let observation = |n: usize| Observation {
            fixed: FixedImage {
                view: self.views[n].clone(),
                image: example.images[n].clone(),
                mask: example.masks[n].clone(),
            },
            noise: Noise::White(example.noise_sd[n]),
        };
        let observations = (0..self.views.len()).map(observation).collect();
        let model = self.image_model(example);
        Ok(Arc::new(ImageLikelihood::new(renderer, observations, model)?))
    }

    /// The image model of an example, its noise apart.
    pub fn image_model(&self, example: &Example) -> ImageModel {
        ImageModel { gain_sd: self.degradation.gain_sd, blur_px: example.blur_px, ..ImageModel::default() }
    }

    /// The likelihood of the same images on a detector of about 16 × 16 pixels.
    pub fn coarse_likelihood(
        &self,
        likelihood: &ImageLikelihood,
        content: usize,
    ) -> Result<Arc<ImageLikelihood>, PosteriorError> {
        let side = self.views[0].rows();
        let factor = coarse_factor(side);
        Ok(Arc::new(likelihood.coarsened(factor, Some(self.contents[content].coarse.clone()))?))
    }

    /// Prior times likelihood. `radius_mm` is the length at which rotations count like displacements.
    pub fn target(&self, likelihood: Arc<ImageLikelihood>, radius_mm: f64) -> Target {
        Target::new(self.prior.clone(), likelihood, radius_mm)
    }

    /// Examples `numbers` of the stream with this `seed`, rendered in parallel.
    pub fn examples(&self, seed: u64, numbers: std::ops::Range<u64>) -> Vec<Example> {
        numbers.into_par_iter().map(|n| self.example(seed, n)).collect()
    }
}

/// How many pixels along each side are joined to one of the coarse detector, which keeps 12 or more a side.
pub fn coarse_factor(side: usize) -> usize {
    (1..=side).rev().find(|f| side.is_multiple_of(*f) && side / f >= 12).unwrap_or(1)
}

/// Standard deviation of the pixels; 1 for an empty image, so that noise has a size there too.
fn spread(pixels: &[f32]) -> f64 {
    let n = pixels.len().max(1) as f64;
    let mean = pixels.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = pixels.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { variance.sqrt() } else { 1.0 }
}

/// An image as networks see it: mean 0 and standard deviation 1 over the open pixels, 0 under the collimator.
pub fn normalised(image: &Image<f32>, mask: Option<&Image<bool>>) -> Vec<f32> {
    let open = |n: usize| mask.is_none_or(|m| m.data()[n]);
    let seen = || image.data().iter().enumerate().filter(|(n, _)| open(*n)).map(|(_, v)| f64::from(*v));
    let count = seen().count().max(1) as f64;
    let mean = seen().sum::<f64>() / count;
    let variance = seen().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
    let value = |(n, v): (usize, &f32)| if open(n) { ((f64::from(*v) - mean) * scale) as f32 } else { 0.0 };
    image.data().iter().enumerate().map(value).collect()
}
