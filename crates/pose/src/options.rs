//! How to register: options as typed, and settings as checked.

use thiserror::Error;

/// How alike two images are; larger values are better. Definitions in [`crate::similarity`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Similarity {
    /// Negative mean of squared differences; both images must have the same unit and contrast.
    Ssd,
    /// Normalised cross-correlation of the whole image; blind to brightness and contrast.
    Ncc,
    /// Mean normalised cross-correlation of all `patch × patch` windows; blind to slow changes of contrast.
    LocalNcc {
        /// Side of the window in pixels, 2 to 1024 and no larger than the coarsest detector.
        patch: usize,
    },
    /// Normalised cross-correlation of the smoothed images' gradients.
    GradientNcc {
        /// Standard deviation of the Gaussian in pixels, 0 (no smoothing) to 100.
        sigma: f64,
    },
    /// Mutual information (nats); blind to any change of intensities that keeps equal equal.
    MutualInformation {
        /// Bins of the joint histogram along each image's intensity, 8 to 256.
        bins: usize,
    },
}

/// The method that climbs on each level of the pyramid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// Levenberg–Marquardt on the exact Jacobian.
    LevenbergMarquardt,
    /// Limited-memory BFGS on the exact gradient.
    Lbfgs,
    /// Nelder–Mead simplex; needs no derivative.
    NelderMead {
        /// Size of the first simplex in mm (rotations about the pivot are counted as arcs on the object), > 0.
        simplex_mm: f64,
    },
    /// Covariance matrix adaptation evolution strategy; needs no derivative and looks around.
    CmaEs {
        /// Standard deviation of the first generation in mm (as for Nelder–Mead), > 0. Each finer level begins
        /// with half the spread of the level before.
        sigma_mm: f64,
    },
}

/// A search around the start on the coarsest level, before the climb.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Poses that are rendered (besides the start), 1 to 100 000.
    pub samples: usize,
    /// Half-width (rad) of the uniform distribution of each component of the rotation vector, 0 to π.
    pub rotation: f64,
    /// Half-width (mm) of the uniform distribution of each component of the translation, finite and ≥ 0.
    pub translation: f64,
    /// Best poses from which the coarsest level is climbed; the best of them goes on. 1 to `samples`.
    pub keep: usize,
}

/// Options as typed; [`Settings::new`] checks them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How alike two images are.
    pub similarity: Similarity,
    /// The method that climbs.
    pub optimiser: Optimiser,
    /// A search before the climb.
    pub search: Option<Search>,
    /// Seed of everything random (search, CMA-ES, choice of sparse rays).
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { similarity: Similarity::Ncc, optimiser: Optimiser::LevenbergMarquardt, search: None, seed: 0 }
    }
}

/// One option that was not accepted.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{field} = {found} is not accepted: it must be {accepted}")]
pub struct Mistake {
    /// Path of the field, as `search.keep`.
    pub field: &'static str,
    /// What was found.
    pub found: f64,
    /// What is accepted.
    pub accepted: &'static str,
}

/// All mistakes in some options.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct OptionsError(pub Vec<Mistake>);

/// Checked options; reads like [`Options`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings(Options);

impl std::ops::Deref for Settings {
    type Target = Options;
    fn deref(&self) -> &Options {
        &self.0
    }
}

impl Settings {
    /// Checks options; all mistakes are reported at once.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        let mut mistakes = Vec::new();
        let mut check = |ok: bool, field, found: f64, accepted| {
            if !ok {
                mistakes.push(Mistake { field, found, accepted });
            }
        };
        match options.similarity {
            Similarity::Ssd | Similarity::Ncc => {}
            Similarity::LocalNcc { patch } => {
                check((2..=1024).contains(&patch), "similarity.patch", patch as f64, "2 to 1024 pixels");
            }
            Similarity::GradientNcc { sigma } => {
                check((0.0..=100.0).contains(&sigma), "similarity.sigma", sigma, "0 to 100 pixels");
            }
            Similarity::MutualInformation { bins } => {
                check((8..=256).contains(&bins), "similarity.bins", bins as f64, "8 to 256");
            }
        }
        let length = |v: f64| v.is_finite() && v > 0.0;
        match options.optimiser {
            Optimiser::LevenbergMarquardt | Optimiser::Lbfgs => {}
            Optimiser::NelderMead { simplex_mm } => {
                check(length(simplex_mm), "optimiser.simplex_mm", simplex_mm, "a positive length in mm");
            }
            Optimiser::CmaEs { sigma_mm } => {
                check(length(sigma_mm), "optimiser.sigma_mm", sigma_mm, "a positive length in mm");
            }
        }
        if let Some(Search { samples, rotation, translation, keep }) = options.search {
            check((1..=100_000).contains(&samples), "search.samples", samples as f64, "1 to 100000");
            check((0.0..=std::f64::consts::PI).contains(&rotation), "search.rotation", rotation, "0 to π rad");
            let accepted = translation.is_finite() && translation >= 0.0;
            check(accepted, "search.translation", translation, "a length in mm, 0 or more");
            check((1..=samples.max(1)).contains(&keep), "search.keep", keep as f64, "1 to search.samples");
        }
        if mistakes.is_empty() { Ok(Self(options)) } else { Err(OptionsError(mistakes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let options = Options {
            similarity: Similarity::MutualInformation { bins: 2 },
            optimiser: Optimiser::CmaEs { sigma_mm: f64::NAN },
            search: Some(Search { samples: 10, rotation: 4.0, translation: 0.0, keep: 11 }),
            seed: 0,
        };
        let fields: Vec<_> = Settings::new(options).unwrap_err().0.iter().map(|m| m.field).collect();
        assert_eq!(fields, ["similarity.bins", "optimiser.sigma_mm", "search.rotation", "search.keep"]);
    }
}
