//! Probabilities of failure, the effects of cases and groups integrated out.
//!
//! The risk of an algorithm is E logistic(η + σz) with σ² the variances of cases and groups together: the probability
//! that it fails on a case of a procedure that nobody has seen, given the case's characteristics. Averages over cases, with
//! weights where conditions are chosen, are population risks; differences of averages with a characteristic present and
//! absent are average marginal effects. Standard errors follow the delta method from the joint covariance of fixed effects
//! and algorithms' effects, and from the standard errors of the variances (taken as independent of the rest).

use super::FailureError;
use super::linearised::Linearised;
use super::logistic_normal::LogisticNormal;
use super::model::FailureModel;
use super::observations::Observations;
use regiscope_glmm::infer::distributions::two_sided_quantile;
use regiscope_glmm::matrix::{Matrix, dot};
use serde::Serialize;

/// An estimate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Ends of its interval.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
}

/// What one characteristic adds to the probability of failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarginalEffect {
    /// The effect.
    pub name: String,
    /// Mean risk of the algorithms without it (as it is, where the values are not 0 and 1).
    pub risk_without: f64,
    /// Mean risk with it (one step more).
    pub risk_with: f64,
    /// The difference, over all algorithms.
    pub effect: Estimate,
    /// The difference of each algorithm.
    pub by_algorithm: Vec<Estimate>,
}

/// Risks under the fitted model.
#[derive(Clone, Debug)]
pub struct RiskModel<'a> {
    observations: &'a Observations,
    model: &'a FailureModel,
    joint: &'a Linearised,
    curve: LogisticNormal,
    /// For each integrated variance its share of σ² and the standard error of its log standard deviation.
    shares: Vec<(f64, f64)>,
}

/// What is changed in every case.
#[derive(Clone, Copy, Debug)]
enum Change<'a> {
    Nothing,
    /// These effects to 0, then this one to 1.
    Set(&'a [usize], Option<usize>),
    /// One step more.
    Step(usize),
}

/// An average with its slopes in the joint vector and in the logarithms of the integrated standard deviations.
#[derive(Clone, Debug)]
struct Average {
    value: f64,
    slopes: Vec<f64>,
    by_log_sd: f64,
}

impl Average {
    fn mean(all: &[Average]) -> Self {
        let n = all.len() as f64;
        let slopes = (0..all[0].slopes.len()).map(|j| all.iter().map(|a| a.slopes[j]).sum::<f64>() / n).collect();
        let sum = |of: &dyn Fn(&Average) -> f64| all.iter().map(of).sum::<f64>() / n;
        Self { value: sum(&|a| a.value), slopes, by_log_sd: sum(&|a| a.by_log_sd) }
    }

    fn minus(&self, other: &Average) -> Self {
        Self {
            value: self.value - other.value,
            slopes: self.slopes.iter().zip(&other.slopes).map(|(a, b)| a - b).collect(),
            by_log_sd: self.by_log_sd - other.by_log_sd,
        }
    }
}

impl<'a> RiskModel<'a> {
    /// Prepares risks.
    pub fn new(observations: &'a Observations, model: &'a FailureModel, joint: &'a Linearised) -> Self {
        let integrated = (0..model.fit.random.len()).filter(|&t| Some(t) != model.algorithm_term);
        let variances: Vec<(f64, f64)> =
            integrated.map(|t| (model.fit.random[t].sd[0].powi(2), model.fit.random[t].log_sd_se[0])).collect();
        let total: f64 = variances.iter().map(|v| v.0).sum();
        let known = |se: f64| if se.is_finite() { se } else { 0.0 };
        let shares = variances.iter().filter(|_| total > 0.0).map(|(v, se)| (v / total, known(*se))).collect();
        Self { observations, model, joint, curve: LogisticNormal::new(total.sqrt()), shares }
    }

    /// Coefficient of an effect for an algorithm, and where its slope stands in the joint vector.
    fn coefficient(&self, effect: usize, algorithm: usize) -> Option<(f64, usize, Option<usize>)> {
        let column = self.model.column[effect]?;
        let fixed = self.model.fit.fixed.values[column];
        let slope = self.model.slopes.iter().position(|&s| s == effect).zip(self.model.algorithm_term);
        Some(match slope {
            None => (fixed, column, None),
            Some((at, term)) => {
                let own = self.model.fit.random[term].modes[(algorithm, at + 1)];
                (fixed + own, column, Some(self.place(term, algorithm) + at + 1))
            }
        })
    }

    fn place(&self, term: usize, algorithm: usize) -> usize {
        let first = self.joint.first[term].expect("algorithms are not eliminated");
        first + algorithm * self.model.fit.random[term].columns.len()
    }

    /// The linear predictor of a case with these values of the effects, and the entries of its slope.
    fn predictor(&self, value: &dyn Fn(usize) -> f64, algorithm: usize) -> (f64, Vec<(usize, f64)>) {
        let mut eta = self.model.fit.fixed.values[0];
        let mut entries = vec![(0, 1.0)];
        if let Some(term) = self.model.algorithm_term {
            eta += self.model.fit.random[term].modes[(algorithm, 0)];
            entries.push((self.place(term, algorithm), 1.0));
        }
        for effect in 0..self.observations.effects.len() {
            let x = value(effect);
            if x == 0.0 {
                continue;
            }
            let Some((coefficient, column, slope)) = self.coefficient(effect, algorithm) else { continue };
            eta += coefficient * x;
            entries.push((column, x));
            entries.extend(slope.map(|place| (place, x)));
        }
        (eta, entries)
    }

    fn average(&self, weights: &[f64], algorithm: usize, change: Change) -> Average {
        let mut average = Average { value: 0.0, slopes: vec![0.0; self.joint.covariance.rows], by_log_sd: 0.0 };
        for (case, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            let value = |effect: usize| {
                let x = self.observations.effects[effect].values[case];
                match change {
                    Change::Set(_, Some(one)) if effect == one => 1.0,
                    Change::Set(zero, _) if zero.contains(&effect) => 0.0,
                    Change::Step(one) if effect == one => x + 1.0,
                    _ => x,
                }
            };
            let (eta, entries) = self.predictor(&value, algorithm);
            let at = self.curve.at(eta);
            average.value += w * at.mean;
            average.by_log_sd += w * at.by_log_sd;
            entries.iter().for_each(|&(j, x)| average.slopes[j] += w * at.by_eta * x);
        }
        average
    }

    fn covariance(&self, a: &Average, b: &Average) -> f64 {
        let of_sd: f64 = self.shares.iter().map(|(share, se)| (share * se).powi(2)).sum();
        dot(&self.joint.covariance.times(&a.slopes), &b.slopes) + a.by_log_sd * b.by_log_sd * of_sd
    }

    fn estimate(&self, average: &Average, level: f64) -> Estimate {
        let se = self.covariance(average, average).max(0.0).sqrt();
        let half = two_sided_quantile(level, f64::INFINITY) * se;
        Estimate { estimate: average.value, se, lower: average.value - half, upper: average.value + half }
    }

    /// The risk of every algorithm over cases with these weights (which add up to one), and the covariance of the risks.
    pub fn of_algorithms(&self, weights: &[f64]) -> (Vec<f64>, Matrix) {
        let count = self.observations.algorithms.len();
        let all: Vec<Average> = (0..count).map(|a| self.average(weights, a, Change::Nothing)).collect();
        let covariance = Matrix::from_fn(count, count, |i, j| self.covariance(&all[i], &all[j]));
        (all.iter().map(|a| a.value).collect(), covariance)
    }

    /// The average marginal effects of all effects that have a column.
    pub fn marginal_effects(&self, level: f64) -> Vec<MarginalEffect> {
        use rayon::prelude::*;
        let cases = self.observations.cases.len();
        let weights = vec![1.0 / cases as f64; cases];
        let effects = &self.observations.effects;
        let with_column: Vec<usize> = (0..effects.len()).filter(|&e| self.model.column[e].is_some()).collect();
        with_column
            .into_par_iter()
            .map(|e| {
                let siblings: Vec<usize> =
                    (0..effects.len()).filter(|&s| effects[s].characteristic == effects[e].characteristic).collect();
                let (without, with) = match effects[e].is_binary() {
                    true => (Change::Set(&siblings, None), Change::Set(&siblings, Some(e))),
                    false => (Change::Nothing, Change::Step(e)),
                };
                let of = |change| -> Vec<Average> {
                    (0..self.observations.algorithms.len()).map(|a| self.average(&weights, a, change)).collect()
                };
                let (without, with) = (of(without), of(with));
                let differences: Vec<Average> = with.iter().zip(&without).map(|(a, b)| a.minus(b)).collect();
                MarginalEffect {
                    name: effects[e].name.clone(),
                    risk_without: Average::mean(&without).value,
                    risk_with: Average::mean(&with).value,
                    effect: self.estimate(&Average::mean(&differences), level),
                    by_algorithm: differences.iter().map(|d| self.estimate(d, level)).collect(),
                }
            })
            .collect()
    }

    /// The risk of one algorithm on a new case with these values of the effects; the interval goes through the linear
    /// predictor, so that it stays between 0 and 1.
    ///
    /// # Errors
    /// If there are more or fewer values than effects.
    pub fn of_new_case(&self, values: &[f64], algorithm: usize, level: f64) -> Result<Estimate, FailureError> {
        if values.len() != self.observations.effects.len() {
            let found = values.len() as f64;
            return Err(FailureError::Value {
                what: "the number of values of a case",
                found,
                accepted: "one for each effect",
            });
        }
        let (eta, entries) = self.predictor(&|effect| values[effect], algorithm);
        let c = &self.joint.covariance;
        let variance: f64 = entries.iter().flat_map(|a| entries.iter().map(move |b| a.1 * b.1 * c[(a.0, b.0)])).sum();
        let half = two_sided_quantile(level, f64::INFINITY) * variance.max(0.0).sqrt();
        let at = self.curve.at(eta);
        Ok(Estimate {
            estimate: at.mean,
            se: at.by_eta * variance.max(0.0).sqrt(),
            lower: self.curve.at(eta - half).mean,
            upper: self.curve.at(eta + half).mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::small_study;

    #[test]
    fn slopes_are_those_of_differences() {
        let observations = small_study(2);
        let mut model = fit_failures(&observations, &[0, 2], None).unwrap();
        let joint = Linearised::new(&model).unwrap();
        let weights = vec![1.0 / 400.0; 400];
        let at = |model: &FailureModel| {
            RiskModel::new(&observations, model, &joint).average(&weights, 1, Change::Set(&[0], Some(0)))
        };
        let here = at(&model);
        let step = 1e-5;
        for j in 0..joint.fixed {
            model.fit.fixed.values[j] += step;
            let there = at(&model).value;
            model.fit.fixed.values[j] -= step;
            assert!(((there - here.value) / step - here.slopes[j]).abs() < 1e-4, "{j}");
        }
        let term = model.algorithm_term.unwrap();
        let place = joint.first[term].unwrap() + 3;
        model.fit.random[term].modes[(1, 1)] += step;
        let there = at(&model).value;
        assert!(((there - here.value) / step - here.slopes[place + 1]).abs() < 1e-4);
    }

    /// The mean risk over the cases is near the share of failures, and marginal effects lie between 0 and 1.
    #[test]
    fn risks_are_calibrated() {
        let observations = small_study(2);
        let model = fit_failures(&observations, &[0], None).unwrap();
        let joint = Linearised::new(&model).unwrap();
        let risks = RiskModel::new(&observations, &model, &joint);
        let (of, covariance) = risks.of_algorithms(&vec![1.0 / 400.0; 400]);
        let share = observations.failures() as f64 / observations.rows.len() as f64;
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        assert!((mean - share).abs() < 0.02, "{mean} {share}");
        assert!(covariance.diagonal().iter().all(|v| (1e-6..0.01).contains(v)));
        let effects = risks.marginal_effects(0.95);
        let first = &effects[0];
        assert!(first.effect.estimate > 0.05 && first.effect.lower > 0.0 && first.by_algorithm.len() == 6);
        assert!((first.risk_with - first.risk_without - first.effect.estimate).abs() < 1e-12);
        let values = vec![1.0; 6];
        let new = risks.of_new_case(&values, 0, 0.95).unwrap();
        assert!(0.0 < new.lower && new.lower < new.estimate && new.estimate < new.upper && new.upper < 1.0);
        assert!(risks.of_new_case(&[1.0], 0, 0.95).is_err());
    }
}
