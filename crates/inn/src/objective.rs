//! What a flow is trained for: likelihood, and the discrepancies of Ardizzone et al. 2018 as an option.

use crate::error::InnError;
use crate::flow::Flow;
use crate::mmd::mmd2;
use burn::tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Weights of the parts of a loss, each 0 or more; a part of weight 0 costs nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    /// Of the mean negative log likelihood.
    pub likelihood: f64,
    /// Of MMD² between latent rows and draws of the base, each beside its condition.
    pub latent: f64,
    /// Of MMD² between samples of the flow and the data, each beside its condition.
    pub samples: f64,
}

impl Default for Objective {
    /// Maximum likelihood alone.
    fn default() -> Objective {
        Objective { likelihood: 1.0, latent: 0.0, samples: 0.0 }
    }
}

impl Objective {
    /// Refuses weights that are negative or not finite, and weights that are all zero.
    pub fn check(&self) -> Result<(), InnError> {
        let weights = [("likelihood", self.likelihood), ("latent", self.latent), ("samples", self.samples)];
        if let Some((field, found)) = weights.into_iter().find(|(_, w)| !(w.is_finite() && *w >= 0.0)) {
            return Err(InnError::setting(format!("objective.{field}"), found, "0 or more"));
        }
        if weights.iter().all(|(_, w)| *w == 0.0) {
            return Err(InnError::setting("objective", "0 in all parts", "a weight above 0"));
        }
        Ok(())
    }

    /// The loss of `flow` on rows `x`, given a condition per row; draws of the base come from `rng`.
    pub fn loss(
        &self,
        flow: &Flow,
        x: &Tensor<2>,
        condition: Option<&Tensor<2>>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Tensor<1>, InnError> {
        self.check()?;
        let projected = flow.project(condition)?;
        let beside = |rows: Tensor<2>| match condition {
            Some(condition) => Tensor::cat(vec![rows, condition.clone()], 1),
            None => rows,
        };
        let mut loss: Option<Tensor<1>> = None;
        let mut add = |weight: f64, part: Tensor<1>| {
            let part = part.mul_scalar(weight);
            loss = Some(match loss.take() {
                Some(sum) => sum + part,
                None => part,
            });
        };
        if self.likelihood > 0.0 {
            add(self.likelihood, flow.log_density(x.clone(), &projected)?.mean().neg());
        }
        let mut draw = || flow.base().sample(x.dims()[0], rng, x);
        if self.latent > 0.0 {
            let (z, _) = flow.forward(x.clone(), &projected);
            add(self.latent, mmd2(beside(z), beside(draw())));
        }
        if self.samples > 0.0 {
            let (drawn, _) = flow.inverse(draw(), &projected);
            add(self.samples, mmd2(beside(drawn), beside(x.clone())));
        }
        Ok(loss.expect("some weight is above zero"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{normal, to_vec};
    use crate::train::{TrainSettings, Trainer};
    use crate::{BaseSettings, FlowSettings, LayerSettings, MixingKind, Subnet};
    use burn::tensor::{DType, Device};
    use rand::SeedableRng;

    #[test]
    fn each_part_alone_brings_samples_to_the_data() {
        let block = LayerSettings::AllInOne { clamp: 2.0, mixing: MixingKind::Rotation, subnet: Subnet::two(16) };
        let settings = FlowSettings { dims: 2, condition: 1, layers: vec![block; 2], base: BaseSettings::Normal };
        let batch = |rng: &mut ChaCha8Rng| {
            let condition = normal([100, 1], rng, &Device::flex(), DType::F32);
            let noise = normal([100, 2], rng, &Device::flex(), DType::F32).mul_scalar(0.5);
            (noise + condition.clone().add_scalar(1.0), condition)
        };
        for (likelihood, latent, samples) in [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)] {
            let objective = Objective { likelihood, latent, samples };
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let flow = Flow::new(&settings, &mut rng, &Device::flex().autodiff()).unwrap();
            let score = |flow: &Flow| {
                let (x, condition) = batch(&mut ChaCha8Rng::seed_from_u64(5));
                let score = Objective { likelihood: 0.0, latent: 1.0, samples: 1.0 };
                to_vec(score.loss(flow, &x, Some(&condition), &mut ChaCha8Rng::seed_from_u64(6)).unwrap())[0]
            };
            let before = score(&flow);
            let training = TrainSettings { steps: 80, learning_rate: 1e-2, ..TrainSettings::default() };
            let mut trainer = Trainer::new(flow, training, 1).unwrap();
            for _ in 0..80 {
                let loss = |flow: &Flow, rng: &mut ChaCha8Rng| {
                    let (x, condition) = batch(rng);
                    objective.loss(flow, &x, Some(&condition), rng).unwrap()
                };
                trainer.step(loss).unwrap();
            }
            let after = score(trainer.model());
            assert!(after < 0.5 * before, "{objective:?}: {before} to {after}");
        }
        let nothing = Objective { likelihood: 0.0, latent: 0.0, samples: 0.0 };
        assert!(nothing.check().unwrap_err().to_string().contains("a weight above 0"));
        let negative = Objective { latent: -1.0, ..Objective::default() };
        assert!(negative.check().unwrap_err().to_string().contains("objective.latent is -1"));
    }
}
