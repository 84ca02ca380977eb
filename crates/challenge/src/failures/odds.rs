//! Odds ratios of characteristics with intervals, adjusted for their number.
//!
//! Where algorithms have slopes of their own, the mean effect over algorithms is as sure as a mean of few numbers. Its
//! variance has a part τ²/A from the A algorithms; the estimate of τ² by maximum likelihood is too small by about
//! (A − 1)/A, which is corrected, and Satterthwaite's degrees of freedom V²/((τ²/A)²/(A − 1)) widen the interval. All other
//! effects have normal intervals. Effects with different degrees of freedom are adjusted together on the scale of the normal
//! distribution: each statistic counts as the normal one of the same probability, correlations stay.

use super::FailureError;
use super::model::FailureModel;
use super::observations::Observations;
use regiscope_glmm::infer::contrasts::{Coefficients, FunctionTests, LinearFunction, test_functions};
use regiscope_glmm::infer::distributions::{normal_cdf, normal_quantile, two_sided_quantile};
use regiscope_glmm::infer::multiplicity::Adjustment;
use regiscope_glmm::infer::rectangle::{Integration, RectangleError};
use serde::Serialize;

/// The effect of one characteristic, or of one of its levels, on failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EffectEstimate {
    /// The characteristic, and for text its level.
    pub name: String,
    /// The characteristic.
    pub characteristic: String,
    /// For text the level, against the first one.
    pub level: Option<String>,
    /// Share of the cases whose value is not 0.
    pub prevalence: f64,
    /// Log-odds for one step of the value.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Degrees of freedom; none: normal.
    pub df: Option<f64>,
    /// Ends of its interval, log-odds.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
    /// exp of the estimate.
    pub odds_ratio: f64,
    /// Ends of its interval.
    pub odds_ratio_lower: f64,
    /// See `odds_ratio_lower`.
    pub odds_ratio_upper: f64,
    /// Two-sided probability of such an estimate without an effect.
    pub p: f64,
    /// The same, adjusted for the number of effects.
    pub p_adjusted: f64,
    /// Ends of the interval of the odds ratio that holds for all effects together: by single-step or Bonferroni (with
    /// Holm); without a bound on the family-wise error as `odds_ratio_lower`.
    pub joint_lower: f64,
    /// See `joint_lower`.
    pub joint_upper: f64,
    /// Standard deviation of the algorithms' deviations from it, where they have slopes.
    pub slope_sd: Option<f64>,
}

/// Variance and degrees of freedom of an effect with slopes of algorithms.
fn with_few_algorithms(variance: f64, slope_sd: f64, algorithms: usize) -> (f64, f64) {
    let a = algorithms as f64;
    let between = slope_sd * slope_sd / (a - 1.0);
    let corrected = variance + between - slope_sd * slope_sd / a;
    let df = corrected * corrected * (a - 1.0) / (between * between);
    // A spread that is hardly above zero says nothing of degrees of freedom.
    (corrected, if df < 1e6 { df } else { f64::INFINITY })
}

/// The odds ratios of all effects that have a column, in the order of the observations. `level` is that of intervals.
///
/// # Errors
/// If the joint distribution of the effects has no covariance.
pub fn odds_ratios(
    observations: &Observations,
    model: &FailureModel,
    adjustment: Adjustment,
    level: f64,
) -> Result<Vec<EffectEstimate>, FailureError> {
    let fixed = &model.fit.fixed;
    let p = fixed.values.len();
    let algorithms = observations.algorithms.len();
    let slope_sd = |effect: usize| {
        let at = model.slopes.iter().position(|&s| s == effect)?;
        Some(model.fit.random[model.algorithm_term?].sd[at + 1])
    };
    let effects: Vec<usize> = (0..observations.effects.len()).filter(|&e| model.column[e].is_some()).collect();
    // Standard errors grow by the correction, correlations stay.
    let (mut grown, mut dfs) = (vec![1.0; p], vec![f64::INFINITY; p]);
    for &e in &effects {
        if let (Some(sd), Some(column)) = (slope_sd(e), model.column[e]) {
            let variance = fixed.covariance[(column, column)];
            let (corrected, df) = with_few_algorithms(variance, sd, algorithms);
            (grown[column], dfs[column]) = ((corrected / variance).sqrt(), df);
        }
    }
    let covariance: Vec<Vec<f64>> =
        (0..p).map(|i| (0..p).map(|j| fixed.covariance[(i, j)] * grown[i] * grown[j]).collect()).collect();
    let functions: Vec<LinearFunction> = effects
        .iter()
        .map(|&e| LinearFunction {
            label: observations.effects[e].name.clone(),
            coefficients: (0..p).map(|j| f64::from(u8::from(Some(j) == model.column[e]))).collect(),
        })
        .collect();
    let df = |c: &[f64]| c.iter().position(|&v| v == 1.0).map_or(f64::INFINITY, |j| dfs[j]);
    let coefficients = Coefficients { values: &fixed.values, covariance: &covariance, df: &df };
    let refused = |e: RectangleError| FailureError::Fit { of: "failures", reason: e.to_string() };
    let tests = |adjustment, coefficients: &Coefficients| {
        test_functions(&functions, coefficients, adjustment, level, &Integration::default()).map_err(refused)
    };
    let alone = tests(Adjustment::None, &coefficients)?;
    let together = match adjustment {
        Adjustment::SingleStep => {
            let columns: Vec<usize> = effects.iter().filter_map(|&e| model.column[e]).collect();
            joint_tests(&alone, &columns, &covariance, &fixed.values, &tests)?
        }
        _ => tests(adjustment, &coefficients)?,
    };
    let each = effects.iter().zip(alone.tests.iter().zip(together.tests));
    Ok(each
        .map(|(&e, (one, joint))| {
            let effect = &observations.effects[e];
            let present = effect.values.iter().filter(|v| **v != 0.0).count();
            EffectEstimate {
                name: effect.name.clone(),
                characteristic: effect.characteristic.clone(),
                level: effect.level.clone(),
                prevalence: present as f64 / effect.values.len() as f64,
                estimate: one.estimate,
                se: one.se,
                df: one.df.is_finite().then_some(one.df),
                lower: one.lower,
                upper: one.upper,
                odds_ratio: one.estimate.exp(),
                odds_ratio_lower: one.lower.exp(),
                odds_ratio_upper: one.upper.exp(),
                p: one.p,
                p_adjusted: joint.p_adjusted,
                joint_lower: joint.lower.exp(),
                joint_upper: joint.upper.exp(),
                slope_sd: slope_sd(e),
            }
        })
        .collect())
}

/// Single-step tests on the scale of the normal distribution. `columns` are those of the tests.
fn joint_tests(
    alone: &FunctionTests,
    columns: &[usize],
    covariance: &[Vec<f64>],
    values: &[f64],
    tests: &dyn Fn(Adjustment, &Coefficients) -> Result<FunctionTests, FailureError>,
) -> Result<FunctionTests, FailureError> {
    let mut stretch = vec![1.0; values.len()];
    for (test, &column) in alone.tests.iter().zip(columns).filter(|(t, _)| t.df.is_finite()) {
        let normal = -normal_quantile(0.5 * test.p.max(1e-300));
        if normal > 1e-6 {
            stretch[column] = test.statistic.abs() / normal;
        }
    }
    let stretched: Vec<Vec<f64>> = covariance
        .iter()
        .enumerate()
        .map(|(i, row)| row.iter().enumerate().map(|(j, v)| v * stretch[i] * stretch[j]).collect())
        .collect();
    let normal = |_: &[f64]| f64::INFINITY;
    let mut found = tests(Adjustment::SingleStep, &Coefficients { values, covariance: &stretched, df: &normal })?;
    for (test, one) in found.tests.iter_mut().zip(&alone.tests) {
        // The critical value of the normal distribution, as the t of the same probability.
        let critical = (test.upper - test.estimate) / test.se;
        let half = two_sided_quantile(2.0 * normal_cdf(critical) - 1.0, one.df) * one.se;
        (test.lower, test.upper) = (one.estimate - half, one.estimate + half);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::small_study;

    #[test]
    fn few_algorithms_widen_intervals() {
        // All of the variance between ten algorithms: a t interval with 9 degrees of freedom.
        let (variance, df) = with_few_algorithms(0.09, 0.3 * 10_f64.sqrt(), 10);
        assert!((variance - 0.1).abs() < 1e-12 && (df - 9.0).abs() < 1e-9);
        // None of it.
        assert_eq!(with_few_algorithms(0.04, 0.0, 10), (0.04, f64::INFINITY));
        // Next to none.
        assert_eq!(with_few_algorithms(0.04, 1e-10, 10).1, f64::INFINITY);
    }

    #[test]
    fn effects_are_adjusted_for_their_number() {
        let observations = small_study(1);
        let model = fit_failures(&observations, &[0], None).unwrap();
        let of = |adjustment| odds_ratios(&observations, &model, adjustment, 0.95).unwrap();
        let (plain, holm, joint) = (of(Adjustment::None), of(Adjustment::Holm), of(Adjustment::SingleStep));
        assert_eq!(plain.len(), 6);
        assert!(plain[0].slope_sd.is_some() && plain[1].slope_sd.is_none());
        for ((a, b), c) in plain.iter().zip(&holm).zip(&joint) {
            assert!((a.odds_ratio.ln() - a.estimate).abs() < 1e-12 && a.lower < a.estimate);
            assert!(a.p_adjusted <= b.p_adjusted && a.p <= c.p_adjusted + 1e-12);
            // Single-step lies between the effect alone and Bonferroni.
            assert!(
                c.joint_lower <= a.odds_ratio_lower && b.joint_upper >= c.joint_upper * (1.0 - 1e-3),
                "{b:?} {c:?}"
            );
            assert_eq!(a.odds_ratio_lower, b.odds_ratio_lower);
        }
        // The strongest causes of the study are found.
        assert!(plain[0].estimate > 0.5 && plain[1].p < 0.01, "{plain:?}");
    }
}
