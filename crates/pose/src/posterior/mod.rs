//! The posterior over poses: every pose that explains the X-rays, with an honest probability on each.
//!
//! # The problem
//! Wanted is `p(T | y) ∝ p(y | T) p(T)` for the pose `T = world_from_volume`, given X-ray images `y`, an explicit
//! image model `p(y | T)` ([`ImageLikelihood`]) and a [`Prior`]. It may have one mode or several, each as narrow as a
//! tenth of a millimetre.
//!
//! # Conventions
//! - A **chart** at a pose ([`crate::chart::Chart`] of radius 1) has the coordinates `[d; φ]`: the displacement of the
//!   pivot, a point of the volume, in the world (mm) and the rotation vector `φ = log(R R̄ᵀ)` (rad). Covariances of
//!   poses are 6×6 matrices in the chart at their mean.
//! - **Densities** are relative to Haar measure of SO(3) with total mass 1 (the uniform distribution of rotations has
//!   density 1) times Lebesgue measure of the pivot's position in mm³. Subtract `ln 8π²` ([`LN_8_PI_SQUARED`]) from a
//!   log density to have it per mm³ rad³.
//! - Everything random comes from a seeded ChaCha generator, and sums are taken in a fixed order, so that the same seed
//!   gives the same bits on any number of threads.

mod adapt;
mod image_model;
mod matching;
mod mean_shift;
mod mixture;
mod next_view;
mod pose_modes;
mod prior;
mod reference;
mod refine;
mod rivals;
mod smc;
mod solve;
mod target;
#[cfg(test)]
mod toy;
mod weigh;

pub use adapt::AdaptSettings;
pub use image_model::{ImageLikelihood, ImageModel, ImageModelError, Noise, Observation, photon_noise, simulate};
pub use matching::{Match, MatchTolerance, ModeScores, PoseError, match_modes, pose_error, samples_until_all};
pub use mixture::{Mixture, Proposal, StudentT};
pub use next_view::{Gain, NextView, expected_image, mode_entropy, next_view};
pub use pose_modes::{Hpd, ModeSettings, PoseMode, hpd, mean_and_covariance, pose_modes};
pub use prior::{Prior, PriorError, RotationPrior};
pub use reference::{Check, Reference, ReferenceSettings, coarse_renderer, reference};
pub use refine::{Peak, RefineSettings, Refined, refine};
pub use rivals::{Climber, DERIVATIVE_RAYS, Discoveries, Discovery, RivalSettings, search_modes};
pub use smc::{Population, SmcSettings, smc};
pub use solve::{Method, Posterior, PosteriorSettings, posterior, posterior_by_levels};
pub use target::{Likelihood, Target};
pub use weigh::{Verdict, Weights, pareto_k, resample, weigh};

/// `ln 8π²`: the volume of SO(3) in rad³ near the identity, on a logarithmic scale.
pub const LN_8_PI_SQUARED: f64 = 4.368_901_313_378_636;
