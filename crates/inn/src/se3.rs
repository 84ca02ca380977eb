//! Densities over rigid poses, given a condition: several components, one smooth flow on SO(3) × R³.
//!
//! A pose is a unit quaternion `q` (w, x, y, z; `q` and `−q` are the same pose) and a translation `t` in mm. Densities are
//! relative to Haar measure of total mass 1 on rotations (the uniform distribution has density 1) times Lebesgue measure in
//! mm³ on translations.
//!
//! **Construction.** Nothing is ever written in an angle, a rotation vector or a chart with a border. Every map is a
//! smooth invertible map of SO(3) onto itself, written in quaternions and even or odd in `q`, so there is no seam where
//! densities could disagree and no double cover to be counted twice:
//! - linear maps of quaternions (`chart`) move and magnify the neighbourhood of an anchor, which a network of the
//!   condition predicts, with a full 3×3 covariance, and carry a full linear dependence of translation on rotation;
//! - Möbius couplings ([`Moebius`]) bend what remains, each about one column of the rotation matrix, given translation;
//! - affine maps of the translation ([`Shift`]), given the rotation.
//!
//! Tangent charts at anchors with a normal density in each were the alternative; their density either is cut off at
//! angle π or wraps with infinite values at the anchor. Circular splines need a zero of the angle, which cannot be chosen
//! continuously on the sphere of axes.
//!
//! A posterior with separate modes is a mixture: the condition gives weights and charts of K components, each sample
//! belongs to one, and `p(R, t | c) = Σₖ πₖ(c) pₖ(R, t | c)` is summed exactly. One component alone would have to draw
//! thin bridges between modes.

mod chart;
mod moebius;
mod quaternion;
mod settings;
mod shift;
#[cfg(test)]
mod tests;

pub use moebius::Moebius;
pub use settings::PoseFlowSettings;
pub use shift::Shift;

use crate::base::{Base, BaseSettings, choose, log_sum_exp};
use crate::error::InnError;
use crate::subnet::Mlp;
use crate::tensors::{constant, normal, to_vec};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, activation};
use chart::{Chart, PARAMETERS};
use quaternion::normalised;
use rand_chacha::ChaCha8Rng;

/// One step of the flow that the components share.
#[derive(Module, Debug)]
pub struct Step {
    about: Vec<Moebius>,
    shift: Shift,
}

/// A density over poses, given a condition.
#[derive(Module, Debug)]
pub struct PoseFlow {
    /// Network of the condition that gives weights and charts.
    head: Mlp,
    steps: Vec<Step>,
    base: Base,
    /// Starts of the charts, added to what the network says, `[components · PARAMETERS]`.
    start: Param<Tensor<1>>,
    components: usize,
    condition: usize,
    #[module(skip)]
    centre_mm: [f64; 3],
    #[module(skip)]
    scale_mm: [f64; 3],
}

/// What one condition (or one per row) contributes: weights and charts of components, and a part of each network.
#[derive(Debug, Clone)]
pub struct PoseProjected {
    /// Raw numbers of the components, `[n or 1, components · PARAMETERS]`.
    raw: Tensor<2>,
    /// Per step: three Möbius networks and that of the translation.
    steps: Vec<Vec<Tensor<2>>>,
}

/// Poses in rows: unit quaternions `[n, 4]`, translations `[n, 3]` in mm, and their log densities `[n]`.
#[derive(Debug, Clone)]
pub struct PoseSamples {
    /// Quaternions (w, x, y, z).
    pub rotation: Tensor<2>,
    /// Translations, mm.
    pub translation_mm: Tensor<2>,
    /// Logarithm of the density, Haar measure of mass 1 times mm³.
    pub log_density: Tensor<1>,
}

impl PoseFlow {
    /// The flow of `settings` on `device`, its random start drawn with `rng`.
    pub fn new(settings: &PoseFlowSettings, rng: &mut ChaCha8Rng, device: &Device) -> Result<PoseFlow, InnError> {
        settings.check()?;
        let condition = settings.condition;
        let head = Mlp::new(1, condition, settings.components * PARAMETERS, &settings.subnet, rng, device);
        let steps = (0..settings.steps)
            .map(|_| Step {
                about: (0..3).map(|k| Moebius::new(k, 3, condition, &settings.subnet, rng, device)).collect(),
                shift: Shift::new(condition, &settings.subnet, rng, device),
            })
            .collect();
        let base = BaseSettings::StudentT { degrees_of_freedom: settings.degrees_of_freedom };
        let base = Base::new(&base, 3, rng, device);
        let start = chart_starts(settings.components, rng, device);
        let (components, centre_mm, scale_mm) = (settings.components, settings.centre_mm, settings.scale_mm);
        Ok(PoseFlow { head, steps, base, start, components, condition, centre_mm, scale_mm })
    }

    /// Number of components.
    pub fn components(&self) -> usize {
        self.components
    }

    /// The part of conditions `[n or 1, condition]` in every network, formed once and used for any number of poses.
    pub fn project(&self, condition: Option<&Tensor<2>>) -> Result<PoseProjected, InnError> {
        let found = condition.map_or(0, |c| c.dims()[1]);
        if found != self.condition {
            return Err(InnError::Condition { expected: self.condition, found });
        }
        let part = self.head.project(condition);
        let unused = Tensor::zeros([part.dims()[0], 1], (&part.device(), part.dtype()));
        let raw = self.head.forward(unused, &part) + self.start.val().unsqueeze::<2>();
        let steps = self.steps.iter().map(|step| {
            let mut parts: Vec<_> = step.about.iter().map(|layer| layer.project(condition)).collect();
            parts.push(step.shift.project(condition));
            parts
        });
        Ok(PoseProjected { raw, steps: steps.collect() })
    }

    /// Log weights of the components, `[n or 1, components]`.
    pub fn log_weights(&self, projected: &PoseProjected) -> Tensor<2> {
        let logits = (0..self.components).map(|k| projected.raw.clone().narrow(1, k * PARAMETERS, 1));
        activation::log_softmax(Tensor::cat(logits.collect(), 1), 1)
    }

    /// Log density of poses: `rotation` `[n, 4]` unit quaternions of either sign, `translation_mm` `[n, 3]`.
    pub fn log_density(
        &self,
        rotation: &Tensor<2>,
        translation_mm: &Tensor<2>,
        projected: &PoseProjected,
    ) -> Result<Tensor<1>, InnError> {
        check_rows("rotation", rotation, 4)?;
        check_rows("translation_mm", translation_mm, 3)?;
        let n = rotation.dims()[0];
        let weights = self.log_weights(projected);
        let t = (translation_mm.clone() - self.row(self.centre_mm, translation_mm))
            / self.row(self.scale_mm, translation_mm);
        // All components go through the shared steps together, one under the other.
        let (mut qs, mut ts, mut log_dets) = (Vec::new(), Vec::new(), Vec::new());
        for k in 0..self.components {
            let chart = Chart::new(&projected.raw.clone().narrow(1, k * PARAMETERS, PARAMETERS));
            let (q, t, log_det) = chart.forward(rotation, &t);
            qs.push(q);
            ts.push(t);
            log_dets.push(log_det);
        }
        let (mut q, mut t, mut log_det) = (Tensor::cat(qs, 0), Tensor::cat(ts, 0), Tensor::cat(log_dets, 0));
        for (step, parts) in self.steps.iter().zip(&projected.steps) {
            let parts: Vec<_> = parts.iter().map(|part| self.stacked(part)).collect();
            for (layer, part) in step.about.iter().zip(&parts) {
                let (turned, change) = layer.forward(q, &bounded(&t), part);
                (q, log_det) = (turned, log_det + change);
            }
            let (moved, change) = step.shift.forward(t, &q, &parts[3]);
            (t, log_det) = (moved, log_det + change);
        }
        let per_component = (self.base.log_density(t) + log_det).reshape([self.components, n]).transpose();
        let volume: f64 = self.scale_mm.iter().map(|s| s.ln()).sum();
        Ok(log_sum_exp(per_component + weights).sub_scalar(volume))
    }

    /// `count` poses drawn with `rng` given one projected condition, and their log densities.
    pub fn sample(
        &self,
        count: usize,
        projected: &PoseProjected,
        rng: &mut ChaCha8Rng,
    ) -> Result<PoseSamples, InnError> {
        let found = projected.raw.dims().to_vec();
        if found[0] != 1 {
            let accepted = "one condition".to_owned();
            return Err(InnError::Shape { what: "the projected condition", found, accepted });
        }
        let like = &projected.raw;
        let weights = to_vec(self.log_weights(projected).exp());
        let mut of_component = vec![0usize; self.components];
        (0..count).for_each(|_| of_component[choose(&weights, rng)] += 1);
        let mut q = normalised(normal([count, 4], rng, &like.device(), like.dtype()));
        let mut t = self.base.sample(count, rng, like);
        for (step, parts) in self.steps.iter().zip(&projected.steps).rev() {
            t = step.shift.inverse(t, &q, &parts[3]).0;
            for (layer, part) in step.about.iter().zip(parts).rev() {
                q = layer.inverse(q, &bounded(&t), part).0;
            }
        }
        let (mut rotations, mut translations, mut at) = (Vec::new(), Vec::new(), 0);
        for (k, &rows) in of_component.iter().enumerate().filter(|(_, rows)| **rows > 0) {
            let chart = Chart::new(&like.clone().narrow(1, k * PARAMETERS, PARAMETERS));
            let (rotation, translation) = chart.inverse(&q.clone().narrow(0, at, rows), &t.clone().narrow(0, at, rows));
            rotations.push(rotation);
            translations.push(translation);
            at += rows;
        }
        let rotation = Tensor::cat(rotations, 0);
        let t = Tensor::cat(translations, 0);
        let translation_mm = t.clone() * self.row(self.scale_mm, &t) + self.row(self.centre_mm, &t);
        let log_density = self.log_density(&rotation, &translation_mm, projected)?;
        Ok(PoseSamples { rotation, translation_mm, log_density })
    }

    /// A part with one row per condition, repeated for each component; one row stays one row.
    fn stacked(&self, part: &Tensor<2>) -> Tensor<2> {
        if part.dims()[0] == 1 { part.clone() } else { part.clone().repeat_dim(0, self.components) }
    }

    fn row(&self, values: [f64; 3], like: &Tensor<2>) -> Tensor<2> {
        constant(values.to_vec(), [1, 3], like)
    }
}

/// Translations as networks see them: bounded, so that far ones do not drive a network out of its range.
fn bounded(t: &Tensor<2>) -> Tensor<2> {
    let length2 = t.clone().square().sum_dim(1);
    t.clone() / length2.div_scalar(9.0).add_scalar(1.0).sqrt()
}

fn check_rows(what: &'static str, rows: &Tensor<2>, width: usize) -> Result<(), InnError> {
    let found = rows.dims().to_vec();
    if found[1] == width { Ok(()) } else { Err(InnError::Shape { what, found, accepted: format!("[n, {width}]") }) }
}

/// Where charts start: equal weights, uniformly random anchors, no magnification.
fn chart_starts(components: usize, rng: &mut ChaCha8Rng, device: &Device) -> Param<Tensor<1>> {
    let anchors: Tensor<2> = normalised(normal([components, 4], rng, &Device::flex(), burn::tensor::DType::F32));
    let mut values = vec![0.0; components * PARAMETERS];
    for (k, anchor) in to_vec(anchors).chunks_exact(4).enumerate() {
        for (at, part) in anchor.iter().enumerate() {
            values[k * PARAMETERS + 1 + at] = *part as f32;
        }
    }
    crate::tensors::param(values, [components * PARAMETERS], device)
}
