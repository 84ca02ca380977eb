//! Uncertain labels carried into the model: multiple imputation.
//!
//! Labels of characteristics come from raters and have probabilities. Each imputation draws labels for all uncertain
//! cells, fits the model, and Rubin's rules (Rubin 1987; degrees of freedom of Barnard & Rubin's large-sample form) join
//! the fits, so that standard errors grow by what the labels leave open. Labels are drawn from their probabilities times
//! the likelihood of the case's failures, the case's effect integrated out: labels drawn without regard to the failures
//! would pull every effect towards zero (Bartlett, Seaman, White & Carpenter 2015, "Multiple imputation of covariates by
//! fully conditional specification: accommodating the substantive model"). Each imputation goes twice from estimates
//! drawn from their distribution to labels and back to a fit.

use super::FailureError;
use super::logistic_normal::logistic;
use super::model::{FailureModel, fit_failures};
use super::observations::{Effect, Observations};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use regiscope_glmm::infer::distributions::{two_sided_quantile, two_sided_t};
use serde::Serialize;

/// A characteristic whose labels are uncertain.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftCharacteristic {
    /// Its name.
    pub name: String,
    /// The value of each category.
    pub values: Vec<f64>,
    /// For each case the probability of each category; they add up to one.
    pub probabilities: Vec<Vec<f64>>,
}

impl SoftCharacteristic {
    /// The effect of the likeliest labels.
    pub fn likeliest(&self) -> Effect {
        let best = |p: &Vec<f64>| (0..p.len()).fold(0, |best, k| if p[k] > p[best] { k } else { best });
        Effect {
            name: self.name.clone(),
            characteristic: self.name.clone(),
            level: None,
            values: self.probabilities.iter().map(|p| self.values[best(p)]).collect(),
        }
    }
}

/// An effect over all imputations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PooledEffect {
    /// The effect.
    pub name: String,
    /// Mean over the imputations, log-odds.
    pub estimate: f64,
    /// Standard error: within and between imputations.
    pub se: f64,
    /// Degrees of freedom; none: normal.
    pub df: Option<f64>,
    /// Ends of its interval, log-odds.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
    /// exp of the estimate, and the ends of its interval.
    pub odds_ratio: [f64; 3],
    /// Two-sided probability.
    pub p: f64,
    /// Share of the variance that comes from the labels.
    pub missing_information: f64,
    /// The estimate from the likeliest labels alone.
    pub naive: f64,
}

/// Effects with uncertain labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imputation {
    /// Fits that were joined.
    pub imputations: usize,
    /// Cells whose label is uncertain (no category above 0.999).
    pub uncertain_cells: usize,
    /// The effects.
    pub effects: Vec<PooledEffect>,
}

/// Nodes over the effect of a case: trapezoidal rule, weights proportional to the normal density.
const NODES: i32 = 12;
/// Rounds over the cells for each draw.
const SWEEPS: usize = 3;
/// A category above this counts as known.
const CERTAIN: f64 = 0.999;

/// Draws labels, fits and joins. Effects of `observations` that belong to soft characteristics are replaced by draws;
/// `slopes` are indices of effects.
///
/// # Errors
/// If a model cannot be fitted, or there are fewer than two imputations.
pub fn impute(
    observations: &Observations,
    soft: &[SoftCharacteristic],
    slopes: &[usize],
    imputations: usize,
    level: f64,
    seed: u64,
) -> Result<Imputation, FailureError> {
    if imputations < 2 {
        let found = imputations as f64;
        return Err(FailureError::Value { what: "the number of imputations", found, accepted: "2 or more" });
    }
    let start = fit_failures(observations, slopes, None)?;
    let cells = Cells::new(observations, soft, &start);
    let one = |number: usize| -> Result<FailureModel, FailureError> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number as u64);
        let mut drawn = observations.clone();
        let mut model = start.clone();
        for _ in 0..2 {
            cells.draw(&mut drawn, &model, &mut random);
            model = fit_failures(
                &drawn,
                slopes,
                Some(&start.fit.theta).filter(|_| !start.fit.singular).map(Vec::as_slice),
            )?;
        }
        Ok(model)
    };
    let fits = (0..imputations).into_par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let with_column = (0..observations.effects.len()).filter(|&e| start.column[e].is_some());
    let effects = with_column.filter_map(|e| {
        let of = |model: &FailureModel| {
            let at = model.column[e]?;
            Some((model.fit.fixed.values[at], model.fit.fixed.se[at].powi(2)))
        };
        let naive = of(&start)?.0;
        let all = fits.iter().map(of).collect::<Option<Vec<_>>>()?;
        Some(pooled(&observations.effects[e].name, &all, naive, level))
    });
    Ok(Imputation { imputations, uncertain_cells: cells.uncertain.len(), effects: effects.collect() })
}

/// Rubin's rules for estimates with their variances.
fn pooled(name: &str, all: &[(f64, f64)], naive: f64, level: f64) -> PooledEffect {
    let m = all.len() as f64;
    let estimate = all.iter().map(|a| a.0).sum::<f64>() / m;
    let within = all.iter().map(|a| a.1).sum::<f64>() / m;
    let between = all.iter().map(|a| (a.0 - estimate).powi(2)).sum::<f64>() / (m - 1.0) * (1.0 + 1.0 / m);
    let total = within + between;
    let df = if between > 0.0 { (m - 1.0) * (total / between).powi(2) } else { f64::INFINITY };
    let se = total.sqrt();
    let half = two_sided_quantile(level, df) * se;
    PooledEffect {
        name: name.to_owned(),
        estimate,
        se,
        df: df.is_finite().then_some(df),
        lower: estimate - half,
        upper: estimate + half,
        odds_ratio: [estimate, estimate - half, estimate + half].map(f64::exp),
        p: two_sided_t(estimate / se, df),
        missing_information: between / total,
        naive,
    }
}

/// The uncertain cells, and the rows of every case.
struct Cells<'a> {
    soft: &'a [SoftCharacteristic],
    /// Case, index of the soft characteristic, index of its effect.
    uncertain: Vec<(usize, usize, usize)>,
    rows_of_case: Vec<Vec<usize>>,
}

impl<'a> Cells<'a> {
    fn new(observations: &Observations, soft: &'a [SoftCharacteristic], model: &FailureModel) -> Self {
        let mut uncertain = Vec::new();
        for (s, characteristic) in soft.iter().enumerate() {
            let effect = observations.effects.iter().position(|e| e.name == characteristic.name);
            let Some(effect) = effect.filter(|&e| model.column[e].is_some()) else { continue };
            let open = |p: &Vec<f64>| p.iter().all(|p| *p < CERTAIN);
            let cases = characteristic.probabilities.iter().enumerate().filter(|(_, p)| open(p));
            uncertain.extend(cases.map(|(case, _)| (case, s, effect)));
        }
        uncertain.sort_unstable();
        let mut rows_of_case = vec![Vec::new(); observations.cases.len()];
        observations.rows.iter().enumerate().for_each(|(n, row)| rows_of_case[row.case as usize].push(n));
        Self { soft, uncertain, rows_of_case }
    }

    /// Draws the labels of all uncertain cells, given estimates that are drawn from their distribution first.
    fn draw(&self, observations: &mut Observations, model: &FailureModel, random: &mut ChaCha8Rng) {
        let beta = drawn_effects(model, random);
        let algorithm = model.algorithm_term.map(|t| &model.fit.random[t].modes);
        // Coefficient of an effect for the algorithm of a row.
        let coefficient = |effect: usize, algorithm_of_row: usize| {
            let fixed = model.column[effect].map_or(0.0, |at| beta[at]);
            let slope = model.slopes.iter().position(|&s| s == effect);
            fixed + slope.zip(algorithm).map_or(0.0, |(at, modes)| modes[(algorithm_of_row, at + 1)])
        };
        let sd = model.case_term.map_or(0.0, |t| model.fit.random[t].sd[0]);
        let nodes: Vec<(f64, f64)> =
            (-NODES..=NODES).map(|k| f64::from(k) / 3.0).map(|z| (sd * z, -0.5 * z * z)).collect();
        let mut at = 0;
        while at < self.uncertain.len() {
            let case = self.uncertain[at].0;
            let end = at + self.uncertain[at..].iter().take_while(|c| c.0 == case).count();
            let rows = &self.rows_of_case[case];
            // The predictor of every row without the case's own effect.
            let mut eta: Vec<f64> = rows
                .iter()
                .map(|&n| {
                    let row = observations.rows[n];
                    let a = row.algorithm as usize;
                    let mut eta = beta[0] + algorithm.map_or(0.0, |modes| modes[(a, 0)]);
                    for (t, term) in model.design.mean.random.iter().enumerate() {
                        if Some(t) != model.case_term && Some(t) != model.algorithm_term {
                            eta += model.fit.random[t].modes[(term.level_of_row[n] as usize, 0)];
                        }
                    }
                    let of = observations.effects.iter().enumerate();
                    eta + of.map(|(e, effect)| coefficient(e, a) * effect.values[case]).sum::<f64>()
                })
                .collect();
            for _ in 0..SWEEPS {
                for &(_, s, effect) in &self.uncertain[at..end] {
                    let (values, prior) = (&self.soft[s].values, &self.soft[s].probabilities[case]);
                    let here = observations.effects[effect].values[case];
                    let logs: Vec<f64> = values
                        .iter()
                        .zip(prior)
                        .map(|(value, prior)| {
                            let moved = rows.iter().zip(&eta).map(|(&n, eta)| {
                                let row = observations.rows[n];
                                let by = coefficient(effect, row.algorithm as usize) * (value - here);
                                (row.failed, eta + by)
                            });
                            prior.ln() + log_likelihood(&moved.collect::<Vec<_>>(), &nodes)
                        })
                        .collect();
                    let chosen = values[draw_category(&logs, random)];
                    for (&n, eta) in rows.iter().zip(&mut eta) {
                        let a = observations.rows[n].algorithm as usize;
                        *eta += coefficient(effect, a) * (chosen - here);
                    }
                    observations.effects[effect].values[case] = chosen;
                }
            }
            at = end;
        }
    }
}

/// Log-likelihood of a case's results, its effect integrated out (up to a constant).
fn log_likelihood(rows: &[(bool, f64)], nodes: &[(f64, f64)]) -> f64 {
    let total: f64 = nodes
        .iter()
        .map(|&(shift, log_weight)| {
            let of_rows: f64 = rows
                .iter()
                .map(|&(failed, eta)| logistic(if failed { eta + shift } else { -eta - shift }).max(1e-300).ln())
                .sum();
            (log_weight + of_rows).exp()
        })
        .sum();
    total.max(1e-300).ln()
}

fn draw_category(logs: &[f64], random: &mut ChaCha8Rng) -> usize {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|l| (l - largest).exp()).collect();
    let mut left = random.random::<f64>() * weights.iter().sum::<f64>();
    let at = weights.iter().position(|w| {
        left -= w;
        left < 0.0
    });
    at.unwrap_or(0)
}

/// Fixed effects drawn from their normal distribution about the estimates.
fn drawn_effects(model: &FailureModel, random: &mut ChaCha8Rng) -> Vec<f64> {
    let fixed = &model.fit.fixed;
    let p = fixed.values.len();
    let z: Vec<f64> = (0..p).map(|_| StandardNormal.sample(random)).collect();
    match fixed.covariance.cholesky() {
        Some(root) => (0..p).map(|i| fixed.values[i] + (0..=i).map(|j| root[(i, j)] * z[j]).sum::<f64>()).collect(),
        None => fixed.values.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::testing::small_study;

    /// Schafer 1997's rules by hand: estimates 1, 2, 3 with variances 0.5 each.
    #[test]
    fn rubins_rules() {
        let found = pooled("x", &[(1.0, 0.5), (2.0, 0.5), (3.0, 0.5)], 1.0, 0.95);
        let total = 0.5 + 4.0 / 3.0;
        assert!((found.estimate - 2.0).abs() < 1e-12 && (found.se - f64::sqrt(total)).abs() < 1e-12);
        let df = 2.0 * (total / (4.0 / 3.0)) * (total / (4.0 / 3.0));
        assert!((found.df.unwrap() - df).abs() < 1e-9);
        assert!((found.missing_information - (4.0 / 3.0) / total).abs() < 1e-12);
    }

    /// Labels that are wrong in a quarter of the cases halve an effect; imputation gives it back, with a larger error.
    #[test]
    fn wrong_labels_do_not_hide_an_effect() {
        let mut observations = small_study(7);
        let whole = fit_failures(&observations, &[], None).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let truth = observations.effects[0].values.clone();
        let share = truth.iter().sum::<f64>() / truth.len() as f64;
        let wrong = 0.12;
        let seen: Vec<f64> = truth.iter().map(|v| if random.random::<f64>() < wrong { 1.0 - v } else { *v }).collect();
        let posterior = |seen: f64| {
            let (one, zero) = if seen == 1.0 { (1.0 - wrong, wrong) } else { (wrong, 1.0 - wrong) };
            let p = share * one / (share * one + (1.0 - share) * zero);
            vec![1.0 - p, p]
        };
        let soft = SoftCharacteristic {
            name: observations.effects[0].name.clone(),
            values: vec![0.0, 1.0],
            probabilities: seen.iter().map(|&s| posterior(s)).collect(),
        };
        observations.effects[0] = soft.likeliest();
        let found = impute(&observations, &[soft], &[], 8, 0.95, 1).unwrap();
        let (naive, pooled) = (found.effects[0].naive, &found.effects[0]);
        let (full, full_se) = (whole.fit.fixed.values[1], whole.fit.fixed.se[1]);
        assert_eq!(found.uncertain_cells, 400);
        assert!(naive < 0.8 * full, "{naive} {full}");
        assert!((pooled.estimate - full).abs() < 2.0 * pooled.se, "{pooled:?} {full}");
        assert!(pooled.estimate - naive > 0.3 * (full - naive) && pooled.se > full_se, "{pooled:?} {full} {full_se}");
        assert!(pooled.missing_information > 0.1 && found.effects[3].missing_information < 0.3);
        assert!(impute(&observations, &[], &[], 1, 0.95, 1).is_err());
    }
}
