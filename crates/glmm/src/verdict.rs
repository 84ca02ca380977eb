//! Whether the optimum was found, and what the user must know about it.

use crate::matrix::Matrix;
use crate::outer::{newton_decrement, safe_factor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How sure it is that the parameters are the optimum.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the optimum was found: the Hessian has no negative curvature, and a full Newton step would gain less than
    /// [`DECREMENT`].
    pub converged: bool,
    /// The Newton decrement ½ gᵀH⁻¹g: what the quadratic model says the log-likelihood can still gain.
    pub newton_decrement: f64,
    /// Largest element of the gradient in units of standard errors, |g_j| √(H⁻¹)_jj.
    pub scaled_gradient: f64,
    /// Smallest eigenvalue of the Hessian after scaling to a unit diagonal.
    pub smallest_curvature: f64,
}

impl Verdict {
    /// The verdict on a point from the Hessian there (of minus the log-likelihood) and the gradient.
    pub fn new(hessian: &Matrix, gradient: &[f64]) -> Self {
        let n = gradient.len();
        if n == 0 {
            return Verdict { converged: true, newton_decrement: 0.0, scaled_gradient: 0.0, smallest_curvature: 1.0 };
        }
        let scale: Vec<f64> = hessian.diagonal().iter().map(|d| d.abs().sqrt().max(FLOOR)).collect();
        let scaled = Matrix::from_fn(n, n, |i, j| hessian[(i, j)] / (scale[i] * scale[j]));
        let smallest_curvature = scaled.symmetric_eigen().0.into_iter().fold(f64::INFINITY, f64::min);
        let (factor, _) = safe_factor(hessian, 1e-12);
        let newton_decrement = newton_decrement(&factor, gradient);
        let inverse = factor.cholesky_inverse();
        let in_errors = gradient.iter().enumerate().map(|(j, g)| g.abs() * inverse[(j, j)].sqrt());
        let scaled_gradient = in_errors.fold(0.0, f64::max);
        // Differences of gradients may leave a flat direction slightly negative; a clearly negative one is no optimum.
        let converged = newton_decrement < DECREMENT && smallest_curvature > -FLAT;
        Verdict { converged, newton_decrement, scaled_gradient, smallest_curvature }
    }
}

/// A log-likelihood that can gain no more than this is at its optimum.
pub const DECREMENT: f64 = 1e-6;

/// A direction whose curvature (with the Hessian scaled to a unit diagonal) is below this in size counts as flat: the
/// Hessian is known no better where it is a difference of gradients.
pub const FLAT: f64 = 1e-4;

/// The root of a curvature that counts as none: parameters are of the size of 1, so that a standard error of ten thousand
/// says that the data do not determine one, and the curvature's sign is rounding.
const FLOOR: f64 = 1e-4;

/// What the user must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Message {
    /// The covariance of a term has not full rank.
    Singular {
        /// The grouping factor.
        group: String,
        /// The columns.
        columns: Vec<String>,
        /// Its standard deviations.
        sd: Vec<f64>,
    },
    /// The optimum was not found.
    NotConverged {
        /// What the log-likelihood may still gain.
        newton_decrement: f64,
    },
    /// The Hessian has a direction without curvature: some parameters are not determined.
    FlatDirection {
        /// The parameters that move most along it.
        parameters: Vec<String>,
        /// The curvature, with the Hessian scaled to a unit diagonal.
        curvature: f64,
    },
    /// Some responses are predicted with certainty: the fixed effects separate them.
    Separation {
        /// The coefficients that run away.
        coefficients: Vec<String>,
        /// Number of observations whose probability is 0 or 1 within rounding.
        observations: usize,
    },
    /// A scale or shape parameter runs away to the edge of its range.
    ShapeAtEdge {
        /// Its name.
        name: String,
        /// Where it stopped.
        value: f64,
        /// The simpler family that the model has become.
        limit: String,
    },
    /// Columns of a model matrix were left out.
    Aliased {
        /// Their names.
        columns: Vec<String>,
    },
    /// The best of several starts was kept.
    SeveralOptima {
        /// The log-likelihoods that the starts reached.
        log_liks: Vec<f64>,
    },
    /// A grouping factor has few levels.
    FewLevels {
        /// The grouping factor.
        group: String,
        /// Its levels.
        levels: usize,
    },
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Message::Singular { group, columns, sd } => {
                let sd: Vec<String> = sd.iter().map(|s| format!("{s:.3}")).collect();
                write!(
                    f,
                    "Singular fit: the covariance of the random effects ({} | {group}) has not full rank (standard \
                     deviations {}). Some combination of them has variance zero; a simpler term fits as well.",
                    columns.join(" + "),
                    sd.join(", ")
                )
            }
            Message::NotConverged { newton_decrement } if *newton_decrement < DECREMENT => write!(
                f,
                "The optimum was not found: the log-likelihood is level here, but curves upwards. Do not use these \
                 estimates; simplify the random effects, or give starting values."
            ),
            Message::NotConverged { newton_decrement } => write!(
                f,
                "The optimum was not found: the log-likelihood may still gain about {newton_decrement:.2e}. Do not \
                 use these estimates; simplify the random effects, rescale covariates, or give starting values."
            ),
            Message::FlatDirection { parameters, curvature } => write!(
                f,
                "The likelihood is flat in a direction (curvature {curvature:.1e}) that moves {}: the data do not \
                 determine these parameters, and their standard errors mean nothing.",
                parameters.join(", ")
            ),
            Message::Separation { coefficients, observations } => write!(
                f,
                "SEPARATION: {observations} observations are predicted with certainty, and the estimates of {} run \
                 away to infinity; their values, standard errors and tests mean nothing. Leave the term out, merge \
                 levels, or use a penalty.",
                coefficients.join(", ")
            ),
            Message::ShapeAtEdge { name, value, limit } => write!(
                f,
                "The parameter {name} ran away to {value:.3e}: the data show no more variation than {limit}; fit that \
                 instead."
            ),
            Message::Aliased { columns } => {
                write!(f, "Left out, since other columns already span them: {}.", columns.join(", "))
            }
            Message::SeveralOptima { log_liks } => {
                let all: Vec<String> = log_liks.iter().map(|l| format!("{l:.6}")).collect();
                write!(
                    f,
                    "Different starts ended at different log-likelihoods ({}); the best was kept.",
                    all.join(", ")
                )
            }
            Message::FewLevels { group, levels } => write!(
                f,
                "The grouping factor \"{group}\" has only {levels} levels: its variance is poorly determined."
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(diagonal: [f64; 2]) -> Verdict {
        let hessian = Matrix::from_fn(2, 2, |i, j| if i == j { diagonal[i] } else { 0.0 });
        Verdict::new(&hessian, &[1e-9, 1e-20])
    }

    #[test]
    fn a_saddle_is_no_optimum_and_a_level_direction_is_one_that_is_told() {
        let bowl = verdict([4.0, 2.0]);
        assert!(bowl.converged && bowl.smallest_curvature > 0.5, "{bowl:?}");
        let saddle = verdict([4.0, -2.0]);
        assert!(!saddle.converged, "{saddle:?}");
        assert!(
            Message::NotConverged { newton_decrement: saddle.newton_decrement }.to_string().contains("curves upwards")
        );
        // The variance of a factor that the fixed effects hold already: nothing but rounding is left of the curvature.
        let level = verdict([4.0, -1e-15]);
        assert!(level.converged && level.smallest_curvature.abs() < 1e-2, "{level:?}");
    }
}
