//! The model of the score: beta-distributed, with a lump of zeros.
//!
//! A score is 0 with probability π and else beta-distributed with mean μ and precision φ; μ and π have logit predictors
//! with the same characteristics, μ with random effects of cases, groups and algorithms, π with one of algorithms. A score
//! of 1, which no beta distribution gives, counts as 1 − 1/(2n) (half of the resolution of n scores). Without zeros π is
//! left out; with fewer than ten zeros for each of its coefficients π has an intercept alone.

use super::FailureError;
use super::logistic_normal::LogisticNormal;
use super::model::{ALGORITHM, Parts, parts};
use super::observations::Observations;
use super::risk::Estimate;
use regiscope_glmm::design::{Design, ModelMatrix, Predictor, Response};
use regiscope_glmm::fit::{Estimates, fit};
use regiscope_glmm::infer::distributions::{two_sided_quantile, two_sided_t};
use regiscope_glmm::infer::multiplicity::{Adjustment, benjamini_hochberg, bonferroni, holm};
use regiscope_glmm::matrix::dot;
use regiscope_glmm::settings::{Family, Settings, ZeroPart};
use serde::Serialize;

/// The effect of one characteristic on the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreEffect {
    /// The effect.
    pub name: String,
    /// On the logit of the mean of scores above 0.
    pub mean: Coefficient,
    /// On the logit of the probability of a score of 0; none where zeros are too few.
    pub zero: Option<Coefficient>,
    /// On the expected score, zeros included, in the mean over cases.
    pub marginal: Estimate,
}

/// A coefficient with its test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coefficient {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Ends of its interval.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
    /// Two-sided probability.
    pub p: f64,
    /// The same, adjusted over the effects (single-step as Holm).
    pub p_adjusted: f64,
}

/// The standard deviation of a random term of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RandomDeviation {
    /// The factor: case, a group, algorithm.
    pub group: String,
    /// The effect that varies.
    pub effect: String,
    /// Standard deviation.
    pub sd: f64,
    /// Ends of its interval, through the logarithm; none where the data do not determine it.
    pub interval: Option<[f64; 2]>,
}

/// The model of the score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreAnalysis {
    /// Scores.
    pub rows: usize,
    /// Scores of 0.
    pub zeros: usize,
    /// Scores of 1, moved inwards.
    pub ones: usize,
    /// φ.
    pub precision: f64,
    /// The log-likelihood.
    pub log_lik: f64,
    /// Whether the optimum was found.
    pub converged: bool,
    /// What the fit says besides.
    pub messages: Vec<String>,
    /// The effects.
    pub effects: Vec<ScoreEffect>,
    /// Standard deviations of the random effects of μ, then of π.
    pub random: Vec<RandomDeviation>,
}

/// Standard deviations of the random terms of a fit.
pub fn random_deviations(fit: &regiscope_glmm::fit::Fit, level: f64) -> Vec<RandomDeviation> {
    let quantile = two_sided_quantile(level, f64::INFINITY);
    let of = |term: &regiscope_glmm::fit::RandomEffects| -> Vec<RandomDeviation> {
        let one = |c: usize| {
            let (sd, se) = (term.sd[c], term.log_sd_se[c]);
            let interval = (se.is_finite() && sd > 1e-6).then(|| [-1.0, 1.0].map(|s| sd * (s * quantile * se).exp()));
            RandomDeviation { group: term.group.clone(), effect: term.columns[c].clone(), sd, interval }
        };
        (0..term.sd.len()).map(one).collect()
    };
    fit.random.iter().flat_map(of).collect()
}

/// Fits the model; nothing where no row has a score.
///
/// # Errors
/// If a score lies outside 0 to 1, or the fit has no start.
pub fn analyse_scores(
    observations: &Observations,
    adjustment: Adjustment,
    level: f64,
) -> Result<Option<ScoreAnalysis>, FailureError> {
    let scored: Vec<usize> = (0..observations.rows.len()).filter(|&r| !observations.rows[r].score.is_nan()).collect();
    if scored.is_empty() {
        return Ok(None);
    }
    let n = scored.len();
    let mut kept = observations.clone();
    kept.rows = scored.iter().map(|&r| observations.rows[r]).collect();
    if let Some(row) = kept.rows.iter().find(|row| !(0.0..=1.0).contains(&row.score)) {
        return Err(FailureError::Value {
            what: "a score",
            found: row.score,
            accepted: "0 to 1 in the model of scores",
        });
    }
    let zeros = kept.rows.iter().filter(|row| row.score == 0.0).count();
    let ones = kept.rows.iter().filter(|row| row.score == 1.0).count();
    let values = kept.rows.iter().map(|row| row.score.min(1.0 - 0.5 / n as f64)).collect();
    let Parts { predictor: mean, column, .. } = parts(&kept, &[]);
    let zero = (zeros > 0).then(|| zero_predictor(&mean, zeros));
    let with_slopes = zero.as_ref().is_some_and(|z| z.fixed.columns() > 1);
    let design = Design {
        response: Response::Real(values),
        response_name: "score".into(),
        weights: vec![1.0; n],
        mean,
        zero,
        rows: (0..n as u32).collect(),
        low: None,
    };
    let part = if zeros > 0 { ZeroPart::Inflated } else { ZeroPart::None };
    let settings = Settings { zero: part, ..Settings::new(Family::Beta) };
    let fit = fit(&design, &settings, &mut |_| ())
        .map_err(|e| FailureError::Fit { of: "the score", reason: e.to_string() })?;
    let of_mean = coefficients(&fit.fixed, adjustment, level);
    let of_zero = fit.zero.as_ref().filter(|_| with_slopes).map(|zero| coefficients(zero, adjustment, level));
    let marginal = Marginal::new(&kept, &fit, &column);
    let effects = (0..kept.effects.len()).filter_map(|e| {
        let at = column[e]?;
        Some(ScoreEffect {
            name: kept.effects[e].name.clone(),
            mean: of_mean[at - 1],
            zero: of_zero.as_ref().map(|z| z[at - 1]),
            marginal: marginal.effect(e, level),
        })
    });
    Ok(Some(ScoreAnalysis {
        rows: n,
        zeros,
        ones,
        precision: fit.dispersion.unwrap_or(f64::NAN),
        log_lik: fit.log_lik,
        converged: fit.verdict.converged,
        messages: fit.messages.iter().map(ToString::to_string).collect(),
        effects: effects.collect(),
        random: random_deviations(&fit, level),
    }))
}

/// The predictor of zeros: that of the mean with the algorithms' intercepts alone, or an intercept where zeros are few.
fn zero_predictor(mean: &Predictor, zeros: usize) -> Predictor {
    let mut zero = mean.clone();
    zero.random.retain(|term| term.group == ALGORITHM);
    if zeros < 10 * mean.fixed.columns() {
        zero.random.clear();
        let x = &mean.fixed;
        let names = vec![x.names[0].clone()];
        let values = x.column(0).to_vec();
        zero.fixed =
            ModelMatrix { rows: x.rows, values, term_of_column: vec![0], terms: names.clone(), names, aliased: vec![] };
    }
    zero
}

/// The coefficients but the intercept.
fn coefficients(estimates: &Estimates, adjustment: Adjustment, level: f64) -> Vec<Coefficient> {
    let quantile = two_sided_quantile(level, f64::INFINITY);
    let p: Vec<f64> = (1..estimates.values.len())
        .map(|j| two_sided_t(estimates.values[j] / estimates.se[j], f64::INFINITY))
        .collect();
    let adjusted = match adjustment {
        Adjustment::None => p.clone(),
        Adjustment::Bonferroni => bonferroni(&p),
        Adjustment::BenjaminiHochberg => benjamini_hochberg(&p),
        Adjustment::Holm | Adjustment::SingleStep => holm(&p),
    };
    let one = |((j, p), p_adjusted): ((usize, f64), f64)| {
        let (estimate, se) = (estimates.values[j + 1], estimates.se[j + 1]);
        Coefficient { estimate, se, lower: estimate - quantile * se, upper: estimate + quantile * se, p, p_adjusted }
    };
    p.into_iter().enumerate().zip(adjusted).map(one).collect()
}

/// Expected scores with all random effects integrated out.
struct Marginal<'a> {
    observations: &'a Observations,
    fit: &'a regiscope_glmm::fit::Fit,
    column: &'a [Option<usize>],
    of_mean: LogisticNormal,
    of_zero: Option<LogisticNormal>,
}

impl<'a> Marginal<'a> {
    fn new(observations: &'a Observations, fit: &'a regiscope_glmm::fit::Fit, column: &'a [Option<usize>]) -> Self {
        let total = |predictor: usize| -> f64 {
            let own = fit.random.iter().filter(|t| t.predictor == predictor);
            own.map(|t| t.sd[0].powi(2)).sum::<f64>().sqrt()
        };
        let of_zero = fit.zero.is_some().then(|| LogisticNormal::new(total(1)));
        Self { observations, fit, column, of_mean: LogisticNormal::new(total(0)), of_zero }
    }

    /// The mean over cases of (1 − π) μ and its slopes in all coefficients, with one effect's value changed.
    fn average(&self, effect: usize, changed: &dyn Fn(f64) -> f64) -> (f64, Vec<f64>) {
        let first = self.fit.fixed.values.len();
        let of_zero = self.fit.zero.as_ref().map_or(&[][..], |z| &z.values);
        let mut slopes = vec![0.0; first + of_zero.len()];
        let cases = self.observations.cases.len();
        let mut sum = 0.0;
        for case in 0..cases {
            let mut x = vec![0.0; first];
            x[0] = 1.0;
            for (e, at) in self.column.iter().enumerate() {
                let value = self.observations.effects[e].values[case];
                if let Some(at) = at {
                    x[*at] = if e == effect { changed(value) } else { value };
                }
            }
            let mean = self.of_mean.at(dot(&x, &self.fit.fixed.values));
            let zero = self.of_zero.as_ref().map(|curve| curve.at(dot(&x[..of_zero.len()], of_zero)));
            let kept = 1.0 - zero.map_or(0.0, |z| z.mean);
            sum += kept * mean.mean / cases as f64;
            x.iter().enumerate().for_each(|(j, x)| slopes[j] += kept * mean.by_eta * x / cases as f64);
            if let Some(zero) = zero {
                let of = x[..of_zero.len()].iter().enumerate();
                of.for_each(|(j, x)| slopes[first + j] -= zero.by_eta * mean.mean * x / cases as f64);
            }
        }
        (sum, slopes)
    }

    fn effect(&self, effect: usize, level: f64) -> Estimate {
        let (without, with) = match self.observations.effects[effect].is_binary() {
            true => (self.average(effect, &|_| 0.0), self.average(effect, &|_| 1.0)),
            false => (self.average(effect, &|v| v), self.average(effect, &|v| v + 1.0)),
        };
        let slopes: Vec<f64> = with.1.iter().zip(&without.1).map(|(a, b)| a - b).collect();
        let covariance = self.fit.parameters.covariance.block(0, slopes.len());
        let se = dot(&covariance.times(&slopes), &slopes).max(0.0).sqrt();
        let estimate = with.0 - without.0;
        let half = two_sided_quantile(level, f64::INFINITY) * se;
        Estimate { estimate, se, lower: estimate - half, upper: estimate + half }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::testing::small_study;

    #[test]
    fn effects_on_the_score_are_found() {
        let observations = small_study(2);
        let found = analyse_scores(&observations, Adjustment::Holm, 0.95).unwrap().unwrap();
        assert!(found.converged && found.zeros > 0 && found.rows == 2400, "{found:?}");
        let first = &found.effects[0];
        // The truth is −0.45 with precision 9.
        assert!((first.mean.estimate + 0.45).abs() < 4.0 * first.mean.se && first.mean.p_adjusted < 0.01);
        assert!((7.5..10.5).contains(&found.precision), "{}", found.precision);
        assert!(first.marginal.upper < 0.0 && first.marginal.estimate > -0.3);
    }

    #[test]
    fn scores_at_the_ends_follow_a_rule() {
        let mut observations = small_study(2);
        observations.rows.iter_mut().for_each(|row| row.score = row.score.max(0.01));
        observations.rows[5].score = 1.0;
        let found = analyse_scores(&observations, Adjustment::None, 0.95).unwrap().unwrap();
        assert_eq!((found.zeros, found.ones), (0, 1));
        assert!(found.effects.iter().all(|e| e.zero.is_none()));
        observations.rows[7].score = 1.2;
        let refused = analyse_scores(&observations, Adjustment::None, 0.95).unwrap_err().to_string();
        assert!(refused.contains("a score is 1.2"), "{refused}");
        observations.rows.iter_mut().for_each(|row| row.score = f64::NAN);
        assert_eq!(analyse_scores(&observations, Adjustment::None, 0.95), Ok(None));
    }
}
