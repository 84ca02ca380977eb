//! Whether the model can be trusted: collinearity, separation, residuals.

use super::FailureError;
use super::model::FailureModel;
use super::observations::Observations;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use regiscope_glmm::design::Response;
use regiscope_glmm::infer::residual_checks::{CheckResult, check_against, trend};
use regiscope_glmm::infer::simulate::{SimulatedEffects, Simulator};
use regiscope_glmm::matrix::Matrix;
use serde::Serialize;

/// How far effects can be told apart, from the characteristics of the cases alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Collinearity {
    /// For each effect how much its variance is inflated by the others: 1 is not at all, above 5 is much.
    pub variance_inflation: Vec<(String, f64)>,
    /// Condition number of the columns, intercept included, scaled to length one (Belsley, Kuh & Welsch 1980): above 30
    /// some columns nearly span others.
    pub condition_number: f64,
    /// Effects that others span exactly, left out.
    pub aliased: Vec<String>,
}

/// Inflation above this is told.
pub const MUCH_INFLATION: f64 = 5.0;
/// A condition number above this is told.
pub const MUCH_CONDITION: f64 = 30.0;

/// Collinearity of the effects that have a column.
pub fn collinearity(observations: &Observations, model: &FailureModel) -> Collinearity {
    let cases = observations.cases.len();
    let kept: Vec<usize> = (0..observations.effects.len()).filter(|&e| model.column[e].is_some()).collect();
    let gram = |columns: &[Vec<f64>]| {
        let unit: Vec<Vec<f64>> = columns
            .iter()
            .map(|c| {
                let length = c.iter().map(|v| v * v).sum::<f64>().sqrt();
                c.iter().map(|v| v / length).collect()
            })
            .collect();
        let n = unit.len();
        Matrix::from_fn(n, n, |i, j| unit[i].iter().zip(&unit[j]).map(|(a, b)| a * b).sum())
    };
    let raw: Vec<Vec<f64>> = kept.iter().map(|&e| observations.effects[e].values.clone()).collect();
    let centred: Vec<Vec<f64>> = raw
        .iter()
        .map(|c| {
            let mean = c.iter().sum::<f64>() / cases as f64;
            c.iter().map(|v| v - mean).collect()
        })
        .collect();
    let inflation = match gram(&centred).cholesky() {
        Some(root) => root.cholesky_inverse().diagonal(),
        None => vec![f64::INFINITY; kept.len()],
    };
    let with_intercept: Vec<Vec<f64>> = std::iter::once(vec![1.0; cases]).chain(raw).collect();
    let (eigenvalues, _) = gram(&with_intercept).symmetric_eigen();
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    let smallest = eigenvalues.iter().copied().fold(f64::INFINITY, f64::min).max(0.0);
    Collinearity {
        variance_inflation: kept.iter().map(|&e| observations.effects[e].name.clone()).zip(inflation).collect(),
        condition_number: (largest / smallest).sqrt(),
        aliased: model.aliased.clone(),
    }
}

/// A value of an effect at which all results are alike, so that its odds ratio has no finite estimate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Separation {
    /// The effect.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Results there.
    pub results: usize,
    /// Whether all of them are failures; else none is.
    pub all_failed: bool,
}

/// Values of effects at which all results are alike. Effects with more than ten values are not looked at.
pub fn separation(observations: &Observations) -> Vec<Separation> {
    let mut all = Vec::new();
    for effect in &observations.effects {
        let mut values = effect.values.clone();
        values.sort_by(f64::total_cmp);
        values.dedup();
        for value in values.iter().filter(|_| values.len() <= 10) {
            let of = || observations.rows.iter().filter(|row| effect.values[row.case as usize] == *value);
            let (results, failures) = (of().count(), of().filter(|row| row.failed).count());
            if results > 0 && (failures == 0 || failures == results) {
                all.push(Separation { name: effect.name.clone(), value: *value, results, all_failed: failures > 0 });
            }
        }
    }
    all
}

/// Checks of residuals. Failures of one case are counted together, since single ones are 0 or 1 under any model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResidualCheck {
    /// Simulations.
    pub simulations: usize,
    /// Uniformity of the residuals of the cases (Kolmogorov and Smirnov).
    pub uniformity: CheckResult,
    /// Spread of the failures of a case over that of simulations.
    pub dispersion: CheckResult,
    /// Cases outside of all simulations over their expected number.
    pub outliers: CheckResult,
    /// Cases without a failure over their expected number.
    pub cases_without_failure: CheckResult,
    /// For each effect whether residuals trend with it: Student's t.
    pub trends: Vec<(String, CheckResult)>,
    /// The residuals, between 0 and 1, one for each case.
    pub residuals: Vec<f64>,
    /// Expected share of failures of each case.
    pub expected: Vec<f64>,
}

/// Checks the fit against simulations from it with new random effects.
///
/// # Errors
/// If the model cannot be simulated.
pub fn residuals(
    observations: &Observations,
    model: &FailureModel,
    simulations: usize,
    seed: u64,
) -> Result<ResidualCheck, FailureError> {
    let refused =
        |e: regiscope_glmm::infer::error::InferenceError| FailureError::Fit { of: "failures", reason: e.to_string() };
    let simulator = Simulator::new(&model.design, &model.fit).map_err(refused)?;
    let mut results = vec![0.0_f64; observations.cases.len()];
    observations.rows.iter().for_each(|row| results[row.case as usize] += 1.0);
    let by_case = |response: &Response| {
        let mut sums = vec![0.0; results.len()];
        if let Response::Counts { successes, .. } = response {
            observations.rows.iter().zip(successes).for_each(|(row, s)| sums[row.case as usize] += s);
        }
        sums
    };
    let drawn: Vec<Vec<f64>> =
        (0..simulations as u64).map(|k| by_case(&simulator.draw(SimulatedEffects::New, seed, k))).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(u64::MAX);
    let checks = check_against(&by_case(&model.design.response), &drawn, &mut random);
    let trends = observations.effects.iter().map(|e| (e.name.clone(), trend(&checks.residuals, &e.values)));
    Ok(ResidualCheck {
        simulations,
        uniformity: checks.uniformity,
        dispersion: checks.dispersion,
        outliers: checks.outliers,
        cases_without_failure: checks.zeros,
        trends: trends.collect(),
        expected: checks.expected.iter().zip(&results).map(|(e, n)| e / n.max(1.0)).collect(),
        residuals: checks.residuals,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::small_study;

    #[test]
    fn near_copies_are_told_and_copies_left_out() {
        let mut observations = small_study(1);
        let plain = collinearity(&observations, &fit_failures(&observations, &[], None).unwrap());
        assert!(plain.variance_inflation.iter().all(|(_, v)| (1.0..1.5).contains(v)), "{plain:?}");
        assert!(plain.condition_number < MUCH_CONDITION);
        // The second effect copies the first in all cases but twelve; the third is a combination.
        let first = observations.effects[0].values.clone();
        observations.effects[1].values =
            first.iter().enumerate().map(|(i, v)| if i < 12 { 1.0 - v } else { *v }).collect();
        observations.effects[2].values = first.iter().map(|v| 1.0 - v).collect();
        let model = fit_failures(&observations, &[], None).unwrap();
        let found = collinearity(&observations, &model);
        assert_eq!(found.aliased, ["motion_blur"]);
        assert!(found.variance_inflation[0].1 > MUCH_INFLATION, "{found:?}");
        // 1 / (1 − r²) of two columns.
        let n = 400.0;
        let (a, b) = (&observations.effects[0].values, &observations.effects[1].values);
        let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
        let cov = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / n - mean(x) * mean(y);
        let r2 = cov(a, b).powi(2) / (cov(a, a) * cov(b, b));
        assert!(found.variance_inflation[0].1 >= 1.0 / (1.0 - r2) - 1e-9);
    }

    #[test]
    fn separation_names_the_value() {
        let mut observations = small_study(1);
        assert!(separation(&observations).is_empty());
        let effect = observations.effects[1].values.clone();
        observations.rows.iter_mut().for_each(|row| row.failed |= effect[row.case as usize] == 1.0);
        let found = separation(&observations);
        assert_eq!((&*found[0].name, found[0].value, found[0].all_failed), ("transparent_part", 1.0, true));
    }

    #[test]
    fn a_right_model_passes_and_a_missing_case_effect_is_seen() {
        let observations = small_study(9);
        let model = fit_failures(&observations, &[0, 2, 3, 4], None).unwrap();
        let checks = residuals(&observations, &model, 100, 1).unwrap();
        assert!(
            checks.uniformity.p > 0.01 && checks.dispersion.p > 0.01,
            "{:?} {:?}",
            checks.uniformity,
            checks.dispersion
        );
        assert_eq!(checks.residuals.len(), 400);
        let mut narrow = model.clone();
        let case = model.case_term.unwrap();
        narrow.fit.random[case].covariance[(0, 0)] = 1e-6;
        let checks = residuals(&observations, &narrow, 100, 1).unwrap();
        assert!(checks.dispersion.statistic > 1.2 && checks.dispersion.p < 0.05, "{:?}", checks.dispersion);
    }
}
