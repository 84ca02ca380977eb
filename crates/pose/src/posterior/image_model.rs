//! The explicit image model, with gain and offset integrated out.
//!
//! # The model
//! Each view is `y = o + g · B I(T) + ε`: line integrals `I(T)` of the volume at the pose `T`, blurred (`B`, Gaussian),
//! with an unknown gain `g ~ N(1, s_g²)`, an unknown offset `o ~ N(0, s_o²)` and independent normal noise `ε` of known
//! standard deviation in each pixel. Views have their own gain and offset. With `m = B I(T)`, `D = diag σ²` and gain and
//! offset integrated out, `y ~ N(m, C)` with `C = D + U Uᵀ`, `U = [s_g m, s_o 1]`, so by the Woodbury and determinant
//! lemmas, with `r = y − m` and `A = I₂ + Uᵀ D⁻¹ U`,
//!
//! `−2 log p(y | T) = N ln 2π + ln det D + ln det A + rᵀD⁻¹r − (UᵀD⁻¹r)ᵀ A⁻¹ (UᵀD⁻¹r)`.
//!
//! Its derivative by `m` is `ĝ z − s_g² C⁻¹ m` with `z = C⁻¹ r` and the posterior mean gain `ĝ = 1 + s_g² mᵀz`; the
//! curvature is the Gauss–Newton part `ĝ² Jᵀ C⁻¹ J`, in which gain and offset are already projected out.
//!
//! # Temper
//! Real residuals are no white noise: neighbouring pixels share blur, scatter and errors of the model, so that N pixels
//! tell less than N independent ones. The log likelihood is multiplied by `temper` in (0, 1], as if only `temper · N`
//! pixels counted. This is a stand-in for the correlation that one does not know, not a model of it: it widens the
//! posterior of every pose parameter alike. 1 is exact where the noise is as stated.

use super::target::Likelihood;
use crate::objective::usable;
use crate::problem::FixedImage;
use crate::similarity::Quadratic;
use crate::{coarsen, problem};
use rand::Rng;
use rand_distr::StandardNormal;
use regiscope_drr::{Renderer, physics};
use regiscope_geometry::nalgebra::{Matrix2, Matrix6, Matrix6x2, Vector2};
use regiscope_geometry::{Rigid, Twist, View};
use regiscope_image::Image;
use std::f64::consts::TAU;
use std::sync::Arc;
use thiserror::Error;

/// Standard deviation of the noise, in line integrals.
#[derive(Clone, Debug)]
pub enum Noise {
    /// The same in all pixels, positive.
    White(f64),
    /// One for each pixel, positive where the pixel counts.
    PerPixel(Image<f32>),
}

impl Noise {
    /// Standard deviation in a pixel (row-major position).
    pub fn sd(&self, pixel: usize) -> f64 {
        match self {
            Self::White(sd) => *sd,
            Self::PerPixel(image) => f64::from(image.data()[pixel]),
        }
    }
}

/// Noise of line integrals measured by counting photons: `−ln(N/N₀)` of a Poisson number has a standard deviation near
/// `exp(I/2)/√N₀`, `I` being the line integral, here the measured one. Good for counts above some tens.
pub fn photon_noise(line_integrals: &Image<f32>, photons: f64) -> Noise {
    Noise::PerPixel(line_integrals.map(|&i| ((0.5 * f64::from(i)).exp() / photons.sqrt()) as f32))
}

/// How images come about, apart from geometry; see the module's header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageModel {
    /// Standard deviation of the gain around 1; finite, ≥ 0.
    pub gain_sd: f64,
    /// Standard deviation of the offset around 0, in line integrals; finite, ≥ 0.
    pub offset_sd: f64,
    /// Standard deviation (pixels) of the blur of line integrals; 0 (none) to 100.
    pub blur_px: f64,
    /// Effective part of the pixels, above 0 up to 1.
    pub temper: f64,
}

impl Default for ImageModel {
    fn default() -> Self {
        Self { gain_sd: 0.0, offset_sd: 0.0, blur_px: 0.0, temper: 1.0 }
    }
}

/// One X-ray image with its noise.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Image, mask and geometry; the image holds line integrals.
    pub fixed: FixedImage,
    /// Standard deviation of the noise.
    pub noise: Noise,
}

/// Why an image model or an observation was refused. Views count from 0.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ImageModelError {
    /// A number outside its range.
    #[error("image model: {field} = {found} is not accepted: it must be {accepted}")]
    Range {
        /// Which number.
        field: &'static str,
        /// What was found.
        found: f64,
        /// What is accepted.
        accepted: &'static str,
    },
    /// No images.
    #[error("there is no X-ray image; at least one view is needed")]
    NoViews,
    /// A noise image of another size than the detector.
    #[error("view {view}: the noise has {found:?} rows and columns, but the detector has {expected:?}")]
    NoiseSize {
        /// Which view.
        view: usize,
        /// Rows and columns found.
        found: [usize; 2],
        /// Rows and columns of the view.
        expected: [usize; 2],
    },
    /// A standard deviation that is not positive in a pixel that counts.
    #[error("view {view}: the noise's standard deviation {found} in pixel {pixel} is not positive and finite")]
    NoiseValue {
        /// Which view.
        view: usize,
        /// Row-major position.
        pixel: usize,
        /// What was found.
        found: f64,
    },
    /// A detector too small to be coarsened.
    #[error("view {view}: {rows} × {cols} pixels cannot be joined {factor} × {factor}: at least 4 × 4 must be left")]
    Coarse {
        /// Which view.
        view: usize,
        /// Rows.
        rows: usize,
        /// Columns.
        cols: usize,
        /// The factor asked for.
        factor: usize,
    },
    /// The image was refused.
    #[error(transparent)]
    Problem(#[from] problem::ProblemError),
}

impl ImageModel {
    fn check(&self) -> Result<(), ImageModelError> {
        let check = |ok: bool, field, found, accepted| {
            if ok { Ok(()) } else { Err(ImageModelError::Range { field, found, accepted }) }
        };
        check(self.gain_sd.is_finite() && self.gain_sd >= 0.0, "gain_sd", self.gain_sd, "finite and 0 or more")?;
        let offset = self.offset_sd.is_finite() && self.offset_sd >= 0.0;
        check(offset, "offset_sd", self.offset_sd, "finite and 0 or more")?;
        check((0.0..=100.0).contains(&self.blur_px), "blur_px", self.blur_px, "0 to 100 pixels")?;
        check(self.temper > 0.0 && self.temper <= 1.0, "temper", self.temper, "above 0 up to 1")
    }
}

/// One view, ready to be compared.
#[derive(Debug)]
struct Part {
    observation: Observation,
    /// Row-major positions of the pixels that count.
    pixels: Vec<u32>,
    /// What was seen there.
    seen: Vec<f64>,
    /// Inverse variances there.
    weights: Vec<f64>,
    /// `N ln 2π + ln det D`.
    constant: f64,
}

/// The likelihood of X-ray images; see the module's header.
#[derive(Debug, Clone)]
pub struct ImageLikelihood {
    renderer: Arc<Renderer>,
    parts: Arc<Vec<Part>>,
    model: ImageModel,
}

impl ImageLikelihood {
    /// Checks observations and model.
    pub fn new(
        renderer: Arc<Renderer>,
        observations: Vec<Observation>,
        model: ImageModel,
    ) -> Result<Self, ImageModelError> {
        model.check()?;
        if observations.is_empty() {
            return Err(ImageModelError::NoViews);
        }
        let parts = observations.into_iter().enumerate().map(|(n, o)| Part::new(n, o)).collect::<Result<_, _>>()?;
        Ok(Self { renderer, parts: Arc::new(parts), model })
    }

    /// The same images on a detector whose pixels are joined `factor × factor`: averages, with the noise of averages.
    /// `renderer` may hold a coarser volume; `None` keeps the volume.
    pub fn coarsened(&self, factor: usize, renderer: Option<Arc<Renderer>>) -> Result<Self, ImageModelError> {
        let parts = self.parts.iter().enumerate().map(|(n, part)| part.coarsened(n, factor));
        let model = ImageModel { blur_px: self.model.blur_px / factor as f64, ..self.model };
        let renderer = renderer.unwrap_or_else(|| self.renderer.clone());
        Self::new(renderer, parts.collect::<Result<_, _>>()?, model)
    }

    /// The same images under another model.
    pub fn with_model(&self, model: ImageModel) -> Result<Self, ImageModelError> {
        model.check()?;
        Ok(Self { model, ..self.clone() })
    }

    /// The volume.
    pub fn renderer(&self) -> &Arc<Renderer> {
        &self.renderer
    }

    /// How images come about.
    pub fn model(&self) -> ImageModel {
        self.model
    }

    /// What was seen.
    pub fn observations(&self) -> impl ExactSizeIterator<Item = &Observation> {
        self.parts.iter().map(|part| &part.observation)
    }

    /// Normalised cross-correlation of each view's image with what the pose shows, on the pixels that count: a
    /// similarity of residuals that a person can judge. 0 where the pose shows nothing.
    pub fn similarities(&self, world_from_volume: &Rigid) -> Vec<f64> {
        self.parts.iter().map(|part| correlation(&part.seen, &self.shown(part, world_from_volume))).collect()
    }

    /// The blurred line integrals of a view at the pixels that count.
    fn shown(&self, part: &Part, pose: &Rigid) -> Vec<f64> {
        let view = &part.observation.fixed.view;
        if self.model.blur_px == 0.0 {
            return self.renderer.render_pixels(view, pose, &part.pixels).iter().map(|&v| f64::from(v)).collect();
        }
        let whole = blurred(&self.renderer, view, pose, self.model.blur_px);
        part.pixels.iter().map(|&p| whole[p as usize]).collect()
    }

    /// As [`Self::shown`], with the derivative by the pose twist.
    fn shown_with_jacobian(&self, part: &Part, pose: &Rigid) -> (Vec<f64>, Vec<[f32; 6]>) {
        let view = &part.observation.fixed.view;
        if self.model.blur_px == 0.0 {
            let (image, jacobian) = self.renderer.render_pixels_with_jacobian(view, pose, &part.pixels);
            return (image.iter().map(|&v| f64::from(v)).collect(), jacobian);
        }
        let (image, jacobian) = blurred_with_jacobian(&self.renderer, view, pose, self.model.blur_px);
        part.pixels.iter().map(|&p| (image[p as usize], jacobian[p as usize])).unzip()
    }
}

/// Blurred line integrals of all pixels of a view.
pub(crate) fn blurred(renderer: &Renderer, view: &View, pose: &Rigid, blur_px: f64) -> Vec<f64> {
    let image = physics::gaussian_blur(&renderer.render(view, pose), [blur_px; 2]);
    image.data().iter().map(|&v| f64::from(v)).collect()
}

/// As [`blurred`], with the derivative by the pose twist.
pub(crate) fn blurred_with_jacobian(
    renderer: &Renderer,
    view: &View,
    pose: &Rigid,
    blur_px: f64,
) -> (Vec<f64>, Vec<[f32; 6]>) {
    let (image, mut jacobian) = renderer.render_with_jacobian(view, pose);
    let image = physics::gaussian_blur(&image, [blur_px; 2]);
    if blur_px > 0.0 {
        for n in 0..6 {
            let column = Image::new(view.rows(), view.cols(), jacobian.iter().map(|row| row[n]).collect());
            let column = physics::gaussian_blur(&column, [blur_px; 2]);
            jacobian.iter_mut().zip(column.data()).for_each(|(row, &v)| row[n] = v);
        }
    }
    (image.data().iter().map(|&v| f64::from(v)).collect(), jacobian)
}

impl Likelihood for ImageLikelihood {
    fn log_likelihood(&self, world_from_volume: &Rigid) -> f64 {
        if !usable(world_from_volume) {
            return f64::NEG_INFINITY;
        }
        let one = |part: &Part| Marginal::new(part, &self.shown(part, world_from_volume), &self.model).value;
        self.model.temper * self.parts.iter().map(one).sum::<f64>()
    }

    fn quadratic(&self, world_from_volume: &Rigid) -> Quadratic {
        let mut sum = Quadratic { value: 0.0, gradient: Twist::zeros(), curvature: Matrix6::zeros() };
        if !usable(world_from_volume) {
            return Quadratic { value: f64::NEG_INFINITY, ..sum };
        }
        for part in self.parts.iter() {
            let (shown, jacobian) = self.shown_with_jacobian(part, world_from_volume);
            let one = Marginal::new(part, &shown, &self.model).quadratic(part, &shown, &jacobian);
            sum.value += one.value;
            sum.gradient += one.gradient;
            sum.curvature += one.curvature;
        }
        let temper = self.model.temper;
        Quadratic { value: temper * sum.value, gradient: sum.gradient * temper, curvature: sum.curvature * temper }
    }

    fn rays(&self) -> usize {
        let whole = self.model.blur_px > 0.0;
        self.parts.iter().map(|p| if whole { p.observation.fixed.view.pixels() } else { p.pixels.len() }).sum()
    }
}

impl Part {
    fn new(n: usize, observation: Observation) -> Result<Self, ImageModelError> {
        problem::check_view(n, &observation.fixed)?;
        let Observation { fixed, noise } = &observation;
        let expected = [fixed.view.rows(), fixed.view.cols()];
        if let Noise::PerPixel(image) = noise
            && [image.rows(), image.cols()] != expected
        {
            return Err(ImageModelError::NoiseSize { view: n, found: [image.rows(), image.cols()], expected });
        }
        let counts = |p: &u32| fixed.mask.as_ref().is_none_or(|m| m.data()[*p as usize]);
        let pixels: Vec<u32> = (0..fixed.view.pixels() as u32).filter(counts).collect();
        let sd: Vec<f64> = pixels.iter().map(|&p| noise.sd(p as usize)).collect();
        if let Some(at) = sd.iter().position(|&s| !(s.is_finite() && s > 0.0)) {
            return Err(ImageModelError::NoiseValue { view: n, pixel: pixels[at] as usize, found: sd[at] });
        }
        let seen = pixels.iter().map(|&p| f64::from(fixed.image.data()[p as usize])).collect();
        let constant = sd.iter().map(|s| TAU.ln() + 2.0 * s.ln()).sum();
        let weights = sd.iter().map(|s| 1.0 / (s * s)).collect();
        Ok(Self { pixels, seen, weights, constant, observation })
    }

    fn coarsened(&self, n: usize, factor: usize) -> Result<Observation, ImageModelError> {
        let FixedImage { view, image, mask } = &self.observation.fixed;
        let (rows, cols) = (view.rows(), view.cols());
        if factor == 0 || rows.min(cols) / factor < 4 {
            return Err(ImageModelError::Coarse { view: n, rows, cols, factor });
        }
        let noise = match &self.observation.noise {
            Noise::White(sd) => Noise::White(sd / factor as f64),
            Noise::PerPixel(sd) => {
                let (variance, _) = coarsen::image(&sd.map(|&s| s * s), mask.as_ref(), factor);
                Noise::PerPixel(variance.map(|&v| v.sqrt() / factor as f32))
            }
        };
        let (image, mask) = coarsen::image(image, mask.as_ref(), factor);
        Ok(Observation { fixed: FixedImage { view: view.coarsened(factor), image, mask }, noise })
    }
}

/// Sums over one view from which value and derivatives of its log likelihood follow.
struct Marginal {
    value: f64,
    /// `A⁻¹`.
    inverse: Matrix2<f64>,
    /// `[s_g, s_o]`.
    sd: [f64; 2],
    /// `A⁻¹ Uᵀ D⁻¹ r`.
    pull: Vector2<f64>,
    /// `A⁻¹ Uᵀ D⁻¹ m`.
    pull_of_mean: Vector2<f64>,
    /// Posterior mean gain.
    gain: f64,
}

impl Marginal {
    fn new(part: &Part, shown: &[f64], model: &ImageModel) -> Self {
        let sd @ [sg, so] = [model.gain_sd, model.offset_sd];
        let (mut rr, mut mr, mut r1, mut mm, mut m1, mut n1) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for ((&y, &m), &w) in part.seen.iter().zip(shown).zip(&part.weights) {
            let r = y - m;
            rr += w * r * r;
            mr += w * m * r;
            r1 += w * r;
            mm += w * m * m;
            m1 += w * m;
            n1 += w;
        }
        let cross = sg * so * m1;
        let a = Matrix2::new(1.0 + sg * sg * mm, cross, cross, 1.0 + so * so * n1);
        let determinant = a.determinant();
        let inverse = Matrix2::new(a[(1, 1)], -cross, -cross, a[(0, 0)]) / determinant;
        let t = Vector2::new(sg * mr, so * r1);
        let pull = inverse * t;
        let value = -0.5 * (part.constant + determinant.ln() + rr - t.dot(&pull));
        let of_mean = Vector2::new(sg * mm, so * m1);
        let gain = 1.0 + sg * sg * (mr - of_mean.dot(&pull));
        Self { value, inverse, sd, pull, pull_of_mean: inverse * of_mean, gain }
    }

    fn quadratic(&self, part: &Part, shown: &[f64], jacobian: &[[f32; 6]]) -> Quadratic {
        let [sg, so] = self.sd;
        let mut gradient = Twist::zeros();
        let mut curvature = Matrix6::zeros();
        let mut pulled = Matrix6x2::zeros();
        for (((&y, &m), &w), row) in part.seen.iter().zip(shown).zip(&part.weights).zip(jacobian) {
            let row = Twist::from_fn(|n, _| f64::from(row[n]));
            let z = w * (y - m - sg * m * self.pull[0] - so * self.pull[1]);
            let of_mean = w * (m - sg * m * self.pull_of_mean[0] - so * self.pull_of_mean[1]);
            gradient += row * (self.gain * z - sg * sg * of_mean);
            let weighted = row * w;
            curvature.ger(1.0, &weighted, &row, 1.0);
            pulled.ger(1.0, &weighted, &Vector2::new(sg * m, so), 1.0);
        }
        curvature -= pulled * self.inverse * pulled.transpose();
        Quadratic { value: self.value, gradient, curvature: curvature * (self.gain * self.gain) }
    }
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let dot = |x: &[f64], mx: f64, y: &[f64], my: f64| x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
    let norm = (dot(a, ma, a, ma) * dot(b, mb, b, mb)).sqrt();
    if norm > 0.0 { dot(a, ma, b, mb) / norm } else { 0.0 }
}

/// An image drawn from the model at a pose: blurred line integrals with a random gain and offset and white noise of
/// standard deviation `noise_sd`.
pub fn simulate(
    renderer: &Renderer,
    view: &View,
    world_from_volume: &Rigid,
    model: &ImageModel,
    noise_sd: f64,
    random: &mut impl Rng,
) -> Image<f32> {
    let mut normal = || random.sample::<f64, _>(StandardNormal);
    let (gain, offset) = (1.0 + model.gain_sd * normal(), model.offset_sd * normal());
    let blurred = physics::gaussian_blur(&renderer.render(view, world_from_volume), [model.blur_px; 2]);
    blurred.map(|&v| (offset + gain * f64::from(v) + noise_sd * normal()) as f32)
}

#[cfg(test)]
mod tests;
