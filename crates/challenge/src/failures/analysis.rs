//! The whole analysis of failures in one.

use super::FailureError;
use super::diagnostics::{
    Collinearity, MUCH_CONDITION, MUCH_INFLATION, ResidualCheck, Separation, collinearity, residuals, separation,
};
use super::imputation::{Imputation, SoftCharacteristic, impute};
use super::linearised::Linearised;
use super::mix::Condition;
use super::model::{FailureModel, fit_failures};
use super::observations::{LeftOut, Observations};
use super::odds::{EffectEstimate, odds_ratios};
use super::pareto::{ParetoPoint, pareto};
use super::profile::{AlgorithmProfile, profiles};
use super::ranks::{RiskRanking, rank};
use super::risk::{Estimate, MarginalEffect, RiskModel};
use super::score::{RandomDeviation, ScoreAnalysis, analyse_scores, random_deviations};
use super::screen::{Heterogeneity, Interaction, heterogeneity, interactions};
use regiscope_glmm::infer::multiplicity::Adjustment;
use serde::Serialize;

/// Which effects may differ between algorithms.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Slopes {
    /// Those whose differences between algorithms are significant at 0.05 after Holm's adjustment.
    #[default]
    Found,
    /// None.
    None,
    /// All.
    All,
    /// Those of these characteristics.
    Of(Vec<String>),
}

/// A case that has not been seen.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCase {
    /// Its name.
    pub name: String,
    /// The value of every effect of the observations.
    pub values: Vec<f64>,
}

/// What is asked of the analysis.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureSettings {
    /// Which effects may differ between algorithms.
    pub slopes: Slopes,
    /// How effects are adjusted for their number.
    pub adjustment: Adjustment,
    /// Level of intervals, above 0 and below 1. Default 0.95.
    pub level: f64,
    /// Conditions to rank under, beside the cases as they are.
    pub mixes: Vec<Vec<Condition>>,
    /// Characteristics whose labels are uncertain.
    pub soft: Vec<SoftCharacteristic>,
    /// Fits that carry uncertain labels; at least 2 where there are such labels. Default 10.
    pub imputations: usize,
    /// Cases whose risk is asked for.
    pub new_cases: Vec<NewCase>,
    /// Whether smaller scores are better (score against energy).
    pub smaller_is_better: bool,
    /// Simulations of the residual checks, 2 or more. Default 250.
    pub simulations: usize,
    /// Resamples of the Pareto front. Default 1,000.
    pub resamples: usize,
    /// Seed of draws, simulations and resamples.
    pub seed: u64,
}

impl Default for FailureSettings {
    fn default() -> Self {
        Self {
            slopes: Slopes::Found,
            adjustment: Adjustment::Holm,
            level: 0.95,
            mixes: Vec::new(),
            soft: Vec::new(),
            imputations: 10,
            new_cases: Vec::new(),
            smaller_is_better: false,
            simulations: 250,
            resamples: 1000,
            seed: 1,
        }
    }
}

/// What was analysed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataSummary {
    /// Results.
    pub rows: usize,
    /// Cases.
    pub cases: usize,
    /// Names of the algorithms.
    pub algorithms: Vec<String>,
    /// Groups: column and number of levels, the outermost first.
    pub groups: Vec<(String, usize)>,
    /// Failures.
    pub failures: usize,
    /// Share of failures.
    pub failure_rate: f64,
    /// What was left out.
    pub left_out: LeftOut,
}

/// The fitted model of failures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSummary {
    /// In lme4's language.
    pub formula: String,
    /// The log-likelihood (Laplace's approximation).
    pub log_lik: f64,
    /// Akaike's criterion.
    pub aic: f64,
    /// Log-odds of failure without any characteristic, and its standard error.
    pub intercept: [f64; 2],
    /// Whether the optimum was found.
    pub converged: bool,
    /// Standard deviations of the random effects.
    pub random: Vec<RandomDeviation>,
}

/// The risk of a new case for each algorithm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewCaseRisk {
    /// The case.
    pub case: String,
    /// For each algorithm, in the order of the data summary, the probability of failure.
    pub risks: Vec<Estimate>,
}

/// What makes algorithms fail.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureAnalysis {
    /// What was analysed.
    pub data: DataSummary,
    /// The model.
    pub model: ModelSummary,
    /// Level of all intervals.
    pub level: f64,
    /// How effects are adjusted for their number.
    pub adjustment: Adjustment,
    /// Odds ratios, the largest effect first.
    pub effects: Vec<EffectEstimate>,
    /// Average marginal effects, in the order of `effects`.
    pub marginal_effects: Vec<MarginalEffect>,
    /// Which effects differ between algorithms.
    pub heterogeneity: Vec<Heterogeneity>,
    /// Strengths and weaknesses; empty with one algorithm.
    pub profiles: Vec<AlgorithmProfile>,
    /// Rankings by risk: cases as they are, then one for each mix of conditions; empty with one algorithm.
    pub rankings: Vec<RiskRanking>,
    /// Pairs of effects, the most significant first.
    pub interactions: Vec<Interaction>,
    /// Collinearity.
    pub collinearity: Collinearity,
    /// Values at which all results are alike.
    pub separation: Vec<Separation>,
    /// Residual checks.
    pub residuals: ResidualCheck,
    /// The model of the score, where there are scores.
    pub score: Option<ScoreAnalysis>,
    /// Effects with uncertain labels, where there are some.
    pub imputation: Option<Imputation>,
    /// Risks of new cases.
    pub new_cases: Vec<NewCaseRisk>,
    /// Score against energy, where there is energy.
    pub pareto: Option<Vec<ParetoPoint>>,
    /// What a reader must know, in sentences.
    pub warnings: Vec<String>,
}

/// Analyses failures.
///
/// # Errors
/// See [`FailureError`].
pub fn analyse(observations: &Observations, settings: &FailureSettings) -> Result<FailureAnalysis, FailureError> {
    if !(settings.level > 0.0 && settings.level < 1.0) {
        return Err(FailureError::Value {
            what: "the level",
            found: settings.level,
            accepted: "a number between 0 and 1",
        });
    }
    if settings.simulations < 2 {
        let found = settings.simulations as f64;
        return Err(FailureError::Value { what: "the number of simulations", found, accepted: "2 or more" });
    }
    let plain = fit_failures(observations, &[], None)?;
    let singular = || FailureError::Fit { of: "failures", reason: "its curvature is singular".into() };
    let heterogeneity = heterogeneity(observations, &plain, &Linearised::new(&plain).ok_or_else(singular)?);
    let slopes = slopes(observations, &settings.slopes, &heterogeneity)?;
    let model = if slopes.is_empty() { plain } else { fit_failures(observations, &slopes, None)? };
    let joint = Linearised::new(&model).ok_or_else(singular)?;
    let risks = RiskModel::new(observations, &model, &joint);
    let mut effects = odds_ratios(observations, &model, settings.adjustment, settings.level)?;
    let mut marginal_effects = risks.marginal_effects(settings.level);
    let mut order: Vec<usize> = (0..effects.len()).collect();
    order.sort_by(|&a, &b| effects[b].estimate.total_cmp(&effects[a].estimate));
    effects = order.iter().map(|&e| effects[e].clone()).collect();
    marginal_effects = order.iter().map(|&e| marginal_effects[e].clone()).collect();
    let mut rankings = Vec::new();
    if observations.algorithms.len() > 1 {
        for conditions in std::iter::once(&Vec::new()).chain(&settings.mixes) {
            rankings.push(rank(observations, &risks, conditions, settings.level, settings.seed)?);
        }
    }
    let new_cases = settings.new_cases.iter().map(|case| {
        let of = |a| risks.of_new_case(&case.values, a, settings.level);
        let risks = (0..observations.algorithms.len()).map(of).collect::<Result<_, _>>()?;
        Ok(NewCaseRisk { case: case.name.clone(), risks })
    });
    let new_cases = new_cases.collect::<Result<_, FailureError>>()?;
    let (level, seed) = (settings.level, settings.seed);
    let imputation = match settings.soft.is_empty() {
        true => None,
        false => Some(impute(observations, &settings.soft, &slopes, settings.imputations, level, seed)?),
    };
    // Distances and other scores beyond 0 to 1 have no beta distribution.
    let scores_fit = observations.rows.iter().all(|row| row.score.is_nan() || (0.0..=1.0).contains(&row.score));
    let mut analysis = FailureAnalysis {
        data: summary(observations),
        level,
        adjustment: settings.adjustment,
        marginal_effects,
        heterogeneity,
        profiles: profiles(observations, &model, &joint, level),
        rankings,
        interactions: interactions(observations, &joint),
        collinearity: collinearity(observations, &model),
        separation: separation(observations),
        residuals: residuals(observations, &model, settings.simulations, seed)?,
        score: if scores_fit { analyse_scores(observations, settings.adjustment, level)? } else { None },
        imputation,
        new_cases,
        pareto: pareto(observations, settings.smaller_is_better, settings.resamples, seed),
        model: model_summary(&model, level),
        effects,
        warnings: Vec::new(),
    };
    analysis.warnings = warnings(observations, &model, &analysis);
    if !scores_fit {
        analysis.warnings.push("Some scores lie outside 0 to 1, so that the score itself is not modelled.".into());
    }
    Ok(analysis)
}

fn slopes(
    observations: &Observations,
    asked: &Slopes,
    heterogeneity: &[Heterogeneity],
) -> Result<Vec<usize>, FailureError> {
    match asked {
        _ if observations.algorithms.len() < 2 => Ok(Vec::new()),
        Slopes::None => Ok(Vec::new()),
        Slopes::All => Ok((0..observations.effects.len()).collect()),
        Slopes::Found => Ok(heterogeneity.iter().filter(|h| h.p_adjusted < 0.05).map(|h| h.effect).collect()),
        Slopes::Of(names) => {
            let of = names.iter().map(|name| observations.effects_of("a slope", name));
            Ok(of.collect::<Result<Vec<_>, _>>()?.concat())
        }
    }
}

fn summary(observations: &Observations) -> DataSummary {
    let failures = observations.failures();
    DataSummary {
        rows: observations.rows.len(),
        cases: observations.cases.len(),
        algorithms: observations.algorithms.clone(),
        groups: observations.groups.iter().map(|g| (g.name.clone(), g.levels.len())).collect(),
        failures,
        failure_rate: failures as f64 / observations.rows.len() as f64,
        left_out: observations.left_out.clone(),
    }
}

fn model_summary(model: &FailureModel, level: f64) -> ModelSummary {
    ModelSummary {
        formula: model.formula(),
        log_lik: model.fit.log_lik,
        aic: model.fit.aic,
        intercept: [model.fit.fixed.values[0], model.fit.fixed.se[0]],
        converged: model.fit.verdict.converged,
        random: random_deviations(&model.fit, level),
    }
}

fn warnings(observations: &Observations, model: &FailureModel, analysis: &FailureAnalysis) -> Vec<String> {
    let mut all: Vec<String> = model.fit.messages.iter().map(ToString::to_string).collect();
    let left_out = &observations.left_out;
    if left_out.rows_without_outcome > 0 {
        all.push(format!("{} rows have no outcome and are left out.", left_out.rows_without_outcome));
    }
    if left_out.cases_without_characteristic > 0 {
        let n = left_out.cases_without_characteristic;
        all.push(format!("{n} cases lack one of their characteristics and are left out with all their results."));
    }
    if !left_out.constant_characteristics.is_empty() {
        let names = left_out.constant_characteristics.join(", ");
        all.push(format!("The same in every case, and so left out: {names}."));
    }
    if observations.algorithms.len() == 1 {
        let name = &observations.algorithms[0];
        all.push(format!("{name} is the only algorithm: there is no field to compare it with, and no ranking."));
    }
    if model.case_term.is_none() {
        all.push("Every case has one result, so that cases have no effect of their own.".into());
    }
    for group in observations.groups.iter().filter(|g| g.levels.len() == 1) {
        all.push(format!("All cases have the same {}, which therefore has no effect.", group.name));
    }
    for (name, inflation) in analysis.collinearity.variance_inflation.iter().filter(|(_, v)| *v > MUCH_INFLATION) {
        all.push(format!("{name} can hardly be told from other characteristics (variance inflation {inflation:.1})."));
    }
    if analysis.collinearity.condition_number > MUCH_CONDITION {
        let number = analysis.collinearity.condition_number;
        all.push(format!("Some characteristics nearly span others (condition number {number:.0})."));
    }
    for s in &analysis.separation {
        let what = if s.all_failed { "all" } else { "none" };
        all.push(format!(
            "SEPARATION: of the {} results with {} = {} {what} failed, so that its odds ratio has no finite estimate.",
            s.results, s.name, s.value
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::testing::{observations_of, small_study};
    use regiscope_datasets::study::{StudySettings, generate};

    #[test]
    fn everything_is_there() {
        let plain = StudySettings::default();
        let characteristics = plain.characteristics[..6].to_vec();
        let settings = StudySettings { seed: 2, images: 200, procedures: 8, algorithms: 4, characteristics, ..plain };
        let observations = observations_of(&generate(&settings).unwrap());
        let soft = SoftCharacteristic {
            name: "smoke".into(),
            values: vec![0.0, 1.0, 2.0],
            probabilities: observations.effects[4]
                .values
                .iter()
                .map(|&v| (0..3).map(|k| if f64::from(k) == v { 0.9 } else { 0.05 }).collect())
                .collect(),
        };
        let settings = FailureSettings {
            slopes: Slopes::Of(vec!["underexposed_instrument".into()]),
            mixes: vec![vec![Condition { name: "smoke".into(), share: 0.5 }]],
            soft: vec![soft],
            imputations: 2,
            new_cases: vec![NewCase { name: "new".into(), values: vec![1.0, 0.0, 0.0, 1.0, 2.0, 0.0] }],
            simulations: 20,
            resamples: 50,
            ..FailureSettings::default()
        };
        let found = analyse(&observations, &settings).unwrap();
        assert!(found.model.converged && found.model.formula.starts_with("failure ~ underexposed_instrument + "));
        assert!(found.model.formula.ends_with("(1 + underexposed_instrument || algorithm)"), "{}", found.model.formula);
        assert!(found.effects.windows(2).all(|w| w[0].estimate >= w[1].estimate));
        assert!(found.effects.iter().zip(&found.marginal_effects).all(|(a, b)| a.name == b.name));
        assert_eq!((found.profiles.len(), found.rankings.len(), found.interactions.len()), (4, 2, 15));
        assert_eq!((found.new_cases[0].risks.len(), found.pareto.as_ref().unwrap().len()), (4, 4));
        assert!(found.score.is_some() && found.imputation.is_some());
        let json = serde_json::to_value(&found).unwrap();
        assert!(json["effects"][0]["odds_ratio"].as_f64().unwrap() > 1.0);
    }

    #[test]
    fn bad_input_ends_in_a_sentence_or_a_rule() {
        let observations = small_study(2);
        let quick =
            FailureSettings { simulations: 5, resamples: 5, slopes: Slopes::None, ..FailureSettings::default() };
        let mut all = observations.clone();
        all.rows.iter_mut().for_each(|row| row.failed = true);
        let refused = analyse(&all, &quick).unwrap_err().to_string();
        assert!(refused.starts_with("2400 of 2400 results are failures"), "{refused}");
        all.rows.iter_mut().for_each(|row| row.failed = false);
        assert!(analyse(&all, &quick).unwrap_err().to_string().starts_with("0 of 2400"));
        let mut none = observations.clone();
        none.effects.clear();
        assert_eq!(analyse(&none, &quick), Err(FailureError::NoEffect));
        let unknown = FailureSettings { slopes: Slopes::Of(vec!["fog".into()]), ..quick.clone() };
        assert!(analyse(&observations, &unknown).unwrap_err().to_string().contains("a slope names \"fog\""));
        assert!(analyse(&observations, &FailureSettings { level: 1.0, ..quick.clone() }).is_err());
        // One algorithm: no field, no ranking, no effect of cases.
        let mut one = observations.clone();
        one.rows.retain(|row| row.algorithm == 1);
        one.rows.iter_mut().for_each(|row| row.algorithm = 0);
        one.algorithms = vec!["A02".into()];
        let found = analyse(&one, &quick).unwrap();
        assert!(found.rankings.is_empty() && found.profiles.is_empty());
        assert!(found.warnings.iter().any(|w| w.contains("only algorithm")), "{:?}", found.warnings);
        assert!(found.warnings.iter().any(|w| w.contains("one result")));
        assert!(found.effects.iter().all(|e| e.estimate.is_finite() && e.se > 0.0));
    }
}
