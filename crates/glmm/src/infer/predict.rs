//! Predictions with their uncertainty, for populations, known groups and groups not seen before.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::bootstrap::quantile;
use super::distributions::two_sided_quantile;
use super::error::InferenceError;
use super::inverse_link::inverse_link;
use super::joint_modes::JointModes;
use super::linear_state::belongs;
use super::simulate::Simulator;
use crate::design::{Design, Predictor, RandomTerm};
use crate::family::likelihood::Likelihood;
use crate::family::moments::moments;
use crate::fit::Fit;
use crate::settings::{Family, ZeroPart};

/// Settings of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PredictSettings {
    /// Level of the intervals.
    pub level: f64,
    /// Draws for each prediction interval of a response that is not Gaussian; 0 for none.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for PredictSettings {
    fn default() -> Self {
        Self { level: 0.95, draws: 1000, seed: 1 }
    }
}

/// Predictions, one element for each row of the new data.
///
/// Standard errors take in the fixed effects and, for known groups, the random effects given the data; covariance
/// parameters count as known. A level that the fit did not see has random effects of mean zero and adds their variance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Linear predictor of the mean.
    pub link: Vec<f64>,
    /// Its standard error.
    pub link_se: Vec<f64>,
    /// Its interval.
    pub link_interval: Vec<(f64, f64)>,
    /// Linear predictor of the zero part, where there is one.
    pub zero_link: Option<Vec<f64>>,
    /// Its standard error.
    pub zero_link_se: Option<Vec<f64>>,
    /// Expected response: for binomial data the probability; with a zero part including the zeros; for ordered categories
    /// the mean of the category's number from 0.
    pub response: Vec<f64>,
    /// Its standard error by the delta method.
    pub response_se: Vec<f64>,
    /// Interval of the expected response: through the inverse link, or with a zero part by the standard error.
    pub response_interval: Vec<(f64, f64)>,
    /// Interval of a new response (for binomial data of one trial). Gaussian: exact given the variances; else quantiles of
    /// draws.
    pub prediction_interval: Option<Vec<(f64, f64)>>,
    /// Probabilities of ordered categories.
    pub categories: Option<Vec<Vec<f64>>>,
    /// Rows that have a level of some grouping factor that the fit did not see.
    pub new_level: Vec<bool>,
}

/// Predicts new data: the predictors that the design's recipe makes from them. Without random terms (a recipe applied to
/// the population) random effects are zero: the typical group.
pub fn predict(
    design: &Design,
    fit: &Fit,
    mean: &Predictor,
    zero: Option<&Predictor>,
    settings: &PredictSettings,
) -> Result<Prediction, InferenceError> {
    belongs(design, fit)?;
    check(design, fit, mean, zero, settings)?;
    let method = "the standard error of a prediction";
    let joint = JointModes::new(design, fit)
        .ok_or(InferenceError::Indefinite { what: "the curvature of the likelihood", method })?;
    let quantile_of = two_sided_quantile(settings.level, f64::INFINITY);
    let rows = mean.fixed.rows;
    let etas: Vec<Vec<f64>> =
        std::iter::once(mean).chain(zero).enumerate().map(|(p, data)| linear_predictor(fit, p, data)).collect();
    let simulator = Simulator::new(design, fit)?;
    let response = ResponseScale::new(design, fit);
    let with_draws = settings.draws > 0 || response.is_gaussian();
    let mut out = Prediction {
        link: etas[0].clone(),
        link_se: Vec::with_capacity(rows),
        link_interval: Vec::with_capacity(rows),
        zero_link: etas.get(1).cloned(),
        zero_link_se: zero.map(|_| Vec::with_capacity(rows)),
        response: Vec::with_capacity(rows),
        response_se: Vec::with_capacity(rows),
        response_interval: Vec::with_capacity(rows),
        prediction_interval: with_draws.then(|| Vec::with_capacity(rows)),
        categories: (fit.settings.family == Family::Ordinal)
            .then(|| etas[0].iter().map(|&eta| response.categories(eta)).collect()),
        new_level: (0..rows).map(|row| std::iter::once(mean).chain(zero).any(|p| is_new(p, row))).collect(),
    };
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    for row in 0..rows {
        let eta = [etas[0][row], etas.get(1).map_or(0.0, |e| e[row])];
        let first = joint.row(0, mean, row, fit);
        let variance = joint.variance(&first).max(0.0);
        let second = zero.map(|zero| joint.row(1, zero, row, fit));
        let zero_variance = second.as_ref().map(|s| joint.variance(s).max(0.0));
        let between = second.as_ref().map_or(0.0, |s| joint.covariance(&first, s));
        let (value, slopes) = response.mean_and_slopes(eta);
        let spread = slopes[0] * slopes[0] * variance
            + slopes[1] * slopes[1] * zero_variance.unwrap_or(0.0)
            + 2.0 * slopes[0] * slopes[1] * between;
        let se = variance.sqrt();
        let response_se = spread.max(0.0).sqrt();
        let link_interval = (eta[0] - quantile_of * se, eta[0] + quantile_of * se);
        out.link_se.push(se);
        out.link_interval.push(link_interval);
        if let (Some(all), Some(v)) = (&mut out.zero_link_se, zero_variance) {
            all.push(v.sqrt());
        }
        out.response.push(value);
        out.response_se.push(response_se);
        out.response_interval.push(match zero {
            Some(_) => ((value - quantile_of * response_se).max(0.0), value + quantile_of * response_se),
            None => {
                let ends = [link_interval.0, link_interval.1].map(|e| response.mean_and_slopes([e, 0.0]).0);
                (ends[0].min(ends[1]), ends[0].max(ends[1]))
            }
        });
        if let Some(all) = &mut out.prediction_interval {
            let total = (variance + fit.sigma * fit.sigma).sqrt();
            all.push(if response.is_gaussian() {
                (eta[0] - quantile_of * total, eta[0] + quantile_of * total)
            } else {
                let tail = 0.5 * (1.0 - settings.level);
                // The zero part's predictor, given the mean's.
                let slope = if variance > 0.0 { between / variance } else { 0.0 };
                let left = zero_variance.map(|v| (v - slope * between).max(0.0).sqrt());
                let mut drawn: Vec<f64> = (0..settings.draws)
                    .map(|_| {
                        let (z, other): (f64, f64) =
                            (StandardNormal.sample(&mut random), StandardNormal.sample(&mut random));
                        let zeta = left.map(|left| eta[1] + slope * se * z + left * other);
                        simulator.number(eta[0] + se * z, zeta, 1.0, 1.0, &mut random)
                    })
                    .collect();
                drawn.sort_by(f64::total_cmp);
                (quantile(&drawn, tail), quantile(&drawn, 1.0 - tail))
            });
        }
    }
    Ok(out)
}

fn check(
    design: &Design,
    fit: &Fit,
    mean: &Predictor,
    zero: Option<&Predictor>,
    settings: &PredictSettings,
) -> Result<(), InferenceError> {
    if !(settings.level > 0.0 && settings.level < 1.0) {
        let accepted = "a level is between 0 and 1".into();
        return Err(InferenceError::Value { what: "the level", found: settings.level.to_string(), accepted });
    }
    let same = |what, found: usize, expected: usize| {
        if found == expected { Ok(()) } else { Err(InferenceError::OtherDesign { what, found, expected }) }
    };
    same("predictors", 1 + usize::from(fit.zero.is_some()), 1 + usize::from(zero.is_some()))?;
    same("fixed effects", fit.fixed.values.len(), mean.fixed.columns())?;
    if let (Some(zero), Some(of_fit)) = (zero, &fit.zero) {
        same("fixed effects of the zero part", of_fit.values.len(), zero.fixed.columns())?;
        same("rows", mean.fixed.rows, zero.fixed.rows)?;
    }
    for (data, original) in std::iter::once(mean).chain(zero).zip(std::iter::once(&design.mean).chain(&design.zero)) {
        if !data.random.is_empty() {
            same("random terms", original.random.len(), data.random.len())?;
            for (new, old) in data.random.iter().zip(&original.random) {
                same("levels of a grouping factor", old.levels.len(), new.levels.len())?;
                same("effects of a random term", old.columns.len(), new.columns.len())?;
            }
        }
    }
    Ok(())
}

fn is_new(data: &Predictor, row: usize) -> bool {
    data.random.iter().any(|term| term.level_of_row[row] == RandomTerm::NEW_LEVEL)
}

/// Xβ + offset + Z b̂ of new data.
fn linear_predictor(fit: &Fit, predictor: usize, data: &Predictor) -> Vec<f64> {
    let estimates = if predictor == 0 { Some(&fit.fixed) } else { fit.zero.as_ref() };
    let mut eta = data.offset.clone();
    for (j, &beta) in estimates.iter().flat_map(|e| e.values.iter().enumerate()) {
        crate::matrix::add_scaled(&mut eta, beta, data.fixed.column(j));
    }
    let own = fit.random.iter().filter(|t| t.predictor == predictor);
    for (effects, term) in own.zip(&data.random) {
        for (row, eta) in eta.iter_mut().enumerate() {
            let level = term.level_of_row[row];
            if level != RandomTerm::NEW_LEVEL {
                let value = |c: usize| term.values[c * data.fixed.rows + row];
                *eta += (0..term.columns.len()).map(|c| effects.modes[(level as usize, c)] * value(c)).sum::<f64>();
            }
        }
    }
    eta
}

/// Expected responses as functions of the linear predictors.
struct ResponseScale<'a> {
    likelihood: Likelihood<'a>,
    shape: Vec<f64>,
    fit: &'a Fit,
}

impl<'a> ResponseScale<'a> {
    fn new(design: &'a Design, fit: &'a Fit) -> Self {
        let likelihood = Likelihood::new(design, &fit.settings);
        let values = &fit.parameters.values;
        let shape = match &fit.thresholds {
            Some(thresholds) => thresholds.values.clone(),
            None => values[values.len() - likelihood.shapes()..].to_vec(),
        };
        Self { likelihood, shape, fit }
    }

    fn is_gaussian(&self) -> bool {
        self.fit.settings.is_linear()
    }

    /// The expected response and its derivatives in the two linear predictors.
    fn mean_and_slopes(&self, eta: [f64; 2]) -> (f64, [f64; 2]) {
        let (family, link) = (self.fit.settings.family, self.fit.settings.link);
        if family != Family::Ordinal && self.fit.settings.zero == ZeroPart::None {
            let (mean, slope) = inverse_link(link, eta[0]);
            return (mean, [slope, 0.0]);
        }
        let mean = |eta: [f64; 2]| match family {
            Family::Ordinal => self.categories(eta[0]).iter().enumerate().map(|(k, p)| k as f64 * p).sum(),
            _ => moments(&self.likelihood, 0, eta, &self.shape).0,
        };
        let step = 1e-5;
        let slope = |a: usize| {
            let moved = |side: f64| {
                let mut moved = eta;
                moved[a] += side * step;
                mean(moved)
            };
            (moved(1.0) - moved(-1.0)) / (2.0 * step)
        };
        let second = if self.fit.settings.zero == ZeroPart::None { 0.0 } else { slope(1) };
        (mean(eta), [slope(0), second])
    }

    /// Probabilities of ordered categories.
    fn categories(&self, eta: f64) -> Vec<f64> {
        let below: Vec<f64> = self.shape.iter().map(|tau| inverse_link(self.fit.settings.link, tau - eta).0).collect();
        let ends = std::iter::once(0.0).chain(below).chain(std::iter::once(1.0)).collect::<Vec<_>>();
        ends.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::fit;
    use crate::matrix::{Matrix, dot};
    use crate::random::Layout;
    use crate::settings::Settings;
    use crate::testing;

    /// Henderson's prediction error variance from dense matrices: with V = ZGZᵀ + R and c = V⁻¹ZGz it is
    /// zᵀGz − cᵀZGz + (x − Xᵀc)ᵀ(XᵀV⁻¹X)⁻¹(x − Xᵀc).
    #[test]
    fn standard_errors_are_hendersons() {
        for design in testing::linear_designs() {
            let fit = fit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();
            let found = predict(&design, &fit, &design.mean, None, &PredictSettings::default()).unwrap();
            let n = fit.rows;
            let layout = Layout::new(&design);
            let mut z = testing::dense_z(&layout, 0, &fit.theta, n);
            z.values.iter_mut().for_each(|v| *v *= fit.sigma);
            let zg = z.product(&z.transpose());
            let mut v = zg.clone();
            (0..n).for_each(|i| v[(i, i)] += fit.sigma.powi(2) / design.weights[i]);
            let l = v.cholesky().unwrap();
            let x = &design.mean.fixed;
            let p = x.columns();
            for row in [0, 17, 55] {
                let c = l.cholesky_solve(zg.column(row));
                let left: Vec<f64> = (0..p).map(|j| x.column(j)[row] - dot(x.column(j), &c)).collect();
                let covariance: &Matrix = &fit.fixed.covariance;
                let expected = zg[(row, row)] - dot(&c, zg.column(row)) + dot(&covariance.times(&left), &left);
                assert!((found.link_se[row].powi(2) - expected).abs() < 1e-7 * expected, "{row}");
                assert!((found.link[row] - fit.fitted[row]).abs() < 1e-10);
                let total = (expected + fit.sigma.powi(2)).sqrt();
                let interval = found.prediction_interval.as_ref().unwrap()[row];
                assert!((0.5 * (interval.1 - interval.0) - 1.959963984540054 * total).abs() < 1e-7 * total);
            }
        }
    }

    #[test]
    fn populations_have_the_variance_of_the_fixed_effects_and_new_levels_add_theirs() {
        let design = testing::linear_designs().remove(2);
        let fit = fit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();
        let mut population = design.mean.clone();
        population.random.clear();
        let mut new = design.mean.clone();
        new.random[0].level_of_row[3] = RandomTerm::NEW_LEVEL;
        let settings = PredictSettings::default();
        let all = predict(&design, &fit, &population, None, &settings).unwrap();
        let levels = predict(&design, &fit, &new, None, &settings).unwrap();
        let row: Vec<f64> = (0..3).map(|j| design.mean.fixed.column(j)[3]).collect();
        let fixed = dot(&fit.fixed.covariance.times(&row), &row);
        assert!((all.link_se[3].powi(2) - fixed).abs() < 1e-12);
        let z: Vec<f64> = (0..2).map(|c| design.mean.random[0].values[c * fit.rows + 3]).collect();
        let between = dot(&fit.random[0].covariance.times(&z), &z);
        assert!((levels.link_se[3].powi(2) - fixed - between).abs() < 1e-12);
        assert!((levels.link[3] - all.link[3]).abs() < 1e-12);
        assert!(levels.new_level[3] && !levels.new_level[4] && !all.new_level[3]);
        population.fixed.names.pop();
        assert!(predict(&design, &fit, &population, None, &settings).is_err());
    }

    #[test]
    fn expected_responses_at_the_modes_are_the_fitted_values() {
        let chosen = |family: Family, zero: ZeroPart| match family {
            Family::Binomial | Family::Gamma => zero == ZeroPart::None,
            Family::Poisson => zero != ZeroPart::Inflated,
            _ => false,
        };
        let mut checked = 0;
        for (mut design, settings) in testing::generalised_designs() {
            if settings.link != settings.family.usual_link() || !chosen(settings.family, settings.zero) {
                continue;
            }
            design.mean.random.truncate(1);
            design.zero.iter_mut().for_each(|zero| zero.random.clear());
            let fit = fit(&design, &settings, &mut |_| ()).unwrap();
            let with = PredictSettings { draws: 20, ..PredictSettings::default() };
            let found = predict(&design, &fit, &design.mean, design.zero.as_ref(), &with).unwrap();
            for row in 0..fit.rows {
                let scale = 1.0 + fit.fitted[row].abs();
                assert!((found.response[row] - fit.fitted[row]).abs() < 1e-6 * scale, "{settings:?} {row}");
                let (low, high) = found.response_interval[row];
                assert!(low <= found.response[row] && found.response[row] <= high, "{settings:?} {row}");
                assert!(found.link_se[row] > 0.0 && found.response_se[row] >= 0.0);
            }
            checked += 1;
        }
        assert_eq!(checked, 4);
    }
}
