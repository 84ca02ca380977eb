//! Strengths and weaknesses of algorithms: where they deviate from the field.
//!
//! The field is the algorithms of the study: deviations are told relative to their mean. They are shrunken towards zero as
//! far as the data do not speak for them; in slopes their own spread is integrated over ([`super::spread`]), and the level
//! itself, of which every result speaks, has the normal distribution of the fit.

use super::linearised::Linearised;
use super::model::FailureModel;
use super::observations::Observations;
use super::spread::Mixture;
use regiscope_glmm::infer::distributions::{two_sided_quantile, two_sided_t};
use regiscope_glmm::infer::multiplicity::benjamini_hochberg;
use regiscope_glmm::matrix::dot;
use serde::Serialize;

/// What a deviation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The characteristic harms this algorithm less than the field.
    Strength,
    /// It harms this algorithm more than the field.
    Weakness,
    /// The interval holds zero.
    AsTheField,
}

/// One algorithm beside the field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlgorithmProfile {
    /// The algorithm.
    pub algorithm: String,
    /// Its results.
    pub results: usize,
    /// Its failures.
    pub failures: usize,
    /// Deviation on a case with mean characteristics, log-odds.
    pub overall: Deviation,
    /// Deviations in the effects that have slopes.
    pub slopes: Vec<Deviation>,
}

/// A deviation from the field, log-odds; above zero the algorithm fails more often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Deviation {
    /// The effect; `overall` for that of the algorithm itself.
    pub name: String,
    /// The shrunken deviation: its mean given the data.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Ends of its interval.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
    /// Two-sided probability under the normal distribution.
    pub p: f64,
    /// The same, adjusted over all algorithms and slopes (Benjamini and Hochberg).
    pub p_adjusted: f64,
    /// Odds ratio of the effect for this algorithm: field and deviation together (that of the deviation for `overall`).
    pub odds_ratio: f64,
    /// What the interval says.
    pub verdict: Verdict,
}

/// A deviation with its verdict; `field` is the field's own effect.
fn deviation(name: &str, [estimate, se]: [f64; 2], [lower, upper]: [f64; 2], p: f64, field: f64) -> Deviation {
    let verdict = match (lower > 0.0, upper < 0.0) {
        (true, _) => Verdict::Weakness,
        (_, true) => Verdict::Strength,
        _ => Verdict::AsTheField,
    };
    let odds_ratio = (field + estimate).exp();
    Deviation { name: name.to_owned(), estimate, se, lower, upper, p, p_adjusted: p, odds_ratio, verdict }
}

/// The standard deviation of values that are not all alike.
fn deviation_of(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// The profiles of all algorithms; none where there is one algorithm.
pub fn profiles(
    observations: &Observations,
    model: &FailureModel,
    joint: &Linearised,
    level: f64,
) -> Vec<AlgorithmProfile> {
    let Some(term) = model.algorithm_term else { return Vec::new() };
    let random = &model.fit.random[term];
    let first = joint.first[term].expect("algorithms are not eliminated");
    let columns = random.columns.len();
    let mean = |effect: usize| {
        let values = &observations.effects[effect].values;
        values.iter().sum::<f64>() / values.len() as f64
    };
    let at_mean: Vec<f64> = std::iter::once(1.0).chain(model.slopes.iter().map(|&s| mean(s))).collect();
    let count = observations.algorithms.len();
    // The level: a linear function of every algorithm's effects, less its mean over the algorithms.
    let overall = |algorithm: usize| {
        let weight = |a: usize| f64::from(u8::from(a == algorithm)) - 1.0 / count as f64;
        let mut function = vec![0.0; joint.covariance.rows];
        let mut estimate = 0.0;
        for a in 0..count {
            for (k, c) in at_mean.iter().enumerate() {
                function[first + a * columns + k] = weight(a) * c;
                estimate += weight(a) * c * random.modes[(a, k)];
            }
        }
        let se = dot(&joint.covariance.times(&function), &function).max(0.0).sqrt();
        let half = two_sided_quantile(level, f64::INFINITY) * se;
        let p = if se > 0.0 { two_sided_t(estimate / se, f64::INFINITY) } else { 1.0 };
        deviation("overall", [estimate, se], [estimate - half, estimate + half], p, 0.0)
    };
    let slopes: Vec<Vec<Deviation>> = model
        .slopes
        .iter()
        .enumerate()
        .map(|(k, &effect)| {
            let (effect, column) = (&observations.effects[effect], model.column[effect]);
            let field = model.fit.fixed.values[column.expect("slopes are effects with a column")];
            let of_data = joint.deviations(first, k + 1, count, columns);
            let mixtures = of_data.and_then(|d| d.from_the_mean(0.5 / deviation_of(&effect.values)));
            let told = |m: &Mixture| {
                let ends = [0.5 * (1.0 - level), 0.5 * (1.0 + level)].map(|p| m.quantile(p));
                deviation(&effect.name, [m.mean(), m.sd()], ends, m.two_sided(), field)
            };
            mixtures.unwrap_or_default().iter().map(told).collect()
        })
        .collect();
    let mut all: Vec<AlgorithmProfile> = (0..observations.algorithms.len())
        .map(|a| {
            let of = || observations.rows.iter().filter(|row| row.algorithm as usize == a);
            AlgorithmProfile {
                algorithm: observations.algorithms[a].clone(),
                results: of().count(),
                failures: of().filter(|row| row.failed).count(),
                overall: overall(a),
                slopes: slopes.iter().filter_map(|of| of.get(a).cloned()).collect(),
            }
        })
        .collect();
    let adjust = |all: &mut [AlgorithmProfile], of: &dyn Fn(&mut AlgorithmProfile) -> Vec<&mut Deviation>| {
        let p: Vec<f64> = all.iter_mut().flat_map(|a| of(a).into_iter().map(|d| d.p).collect::<Vec<_>>()).collect();
        let mut adjusted = benjamini_hochberg(&p).into_iter();
        for profile in all {
            of(profile).into_iter().zip(&mut adjusted).for_each(|(d, p)| d.p_adjusted = p);
        }
    };
    adjust(&mut all, &|a| vec![&mut a.overall]);
    adjust(&mut all, &|a| a.slopes.iter_mut().collect());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::observations_of;
    use regiscope_datasets::study::{StudySettings, generate};

    /// Deviations are near the true ones and cover them about as often as they should.
    #[test]
    fn true_deviations_lie_inside_their_intervals() {
        let plain = StudySettings::default();
        let mut characteristics = plain.characteristics[..4].to_vec();
        characteristics[0].slope_sd = 0.6;
        let study = generate(&StudySettings { seed: 3, images: 1200, characteristics, ..plain }).unwrap();
        let observations = observations_of(&study);
        let model = fit_failures(&observations, &[0, 2], None).unwrap();
        let joint = Linearised::new(&model).unwrap();
        let found = profiles(&observations, &model, &joint, 0.95);
        // The fixed effect is that of the field, and so the truth is relative to it, too.
        let field = study.truth.slopes_of_algorithm.iter().map(|s| s[0]).sum::<f64>() / 10.0;
        let covered = found
            .iter()
            .zip(&study.truth.slopes_of_algorithm)
            .filter(|(f, t)| (f.slopes[0].lower..=f.slopes[0].upper).contains(&(t[0] - field)))
            .count();
        assert!(covered >= 8, "{covered}");
        assert!(found.iter().any(|f| f.slopes[0].verdict != Verdict::AsTheField));
        let weak = found.iter().max_by(|a, b| a.overall.estimate.total_cmp(&b.overall.estimate)).unwrap();
        let most = found.iter().map(|f| f.failures).max().unwrap();
        assert_eq!(weak.failures, most);
    }
}
