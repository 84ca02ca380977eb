//! What the additive model leaves out: pairs of characteristics whose effects do not add up, and effects that differ
//! between algorithms. Both by score tests, which need no further fit.

use super::linearised::Linearised;
use super::model::FailureModel;
use super::observations::Observations;
use rayon::prelude::*;
use regiscope_glmm::infer::distributions::{two_sided_t, upper_chi_squared};
use regiscope_glmm::infer::multiplicity::{benjamini_hochberg, holm};
use serde::Serialize;

/// A pair of effects whose product the model has not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interaction {
    /// The one effect.
    pub first: String,
    /// The other.
    pub second: String,
    /// One-step estimate of the coefficient of the product of both, centred: log-odds.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Two-sided probability of such a score without an interaction.
    pub p: f64,
    /// The same, adjusted over all pairs (Benjamini and Hochberg).
    pub p_adjusted: f64,
}

/// Most pairs that are tested.
pub const MOST_PAIRS: usize = 5_000;

/// All pairs of effects of different characteristics, the least probability first; empty where there are more than
/// [`MOST_PAIRS`]. Pairs whose product other columns span (levels that never meet) are left out.
pub fn interactions(observations: &Observations, joint: &Linearised) -> Vec<Interaction> {
    let effects = &observations.effects;
    let pairs: Vec<(usize, usize)> = (0..effects.len())
        .flat_map(|a| (a + 1..effects.len()).map(move |b| (a, b)))
        .filter(|&(a, b)| effects[a].characteristic != effects[b].characteristic)
        .collect();
    if pairs.len() > MOST_PAIRS {
        return Vec::new();
    }
    let centred: Vec<Vec<f64>> = effects
        .iter()
        .map(|e| {
            let mean = e.values.iter().sum::<f64>() / e.values.len() as f64;
            e.values.iter().map(|v| v - mean).collect()
        })
        .collect();
    let test = |&(a, b): &(usize, usize)| {
        let product = |case: usize| centred[a][case] * centred[b][case];
        let column: Vec<f64> = observations.rows.iter().map(|row| product(row.case as usize)).collect();
        let added = joint.added(&column)?;
        let p = two_sided_t(added.estimate / added.se, f64::INFINITY);
        let (first, second) = (effects[a].name.clone(), effects[b].name.clone());
        Some(Interaction { first, second, estimate: added.estimate, se: added.se, p, p_adjusted: p })
    };
    let mut all: Vec<Interaction> = pairs.par_iter().filter_map(test).collect();
    let p: Vec<f64> = all.iter().map(|i| i.p).collect();
    all.iter_mut().zip(benjamini_hochberg(&p)).for_each(|(i, p)| i.p_adjusted = p);
    all.sort_by(|a, b| a.p.total_cmp(&b.p));
    all
}

/// Whether an effect differs between algorithms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Heterogeneity {
    /// The effect.
    pub name: String,
    /// Its index.
    #[serde(skip)]
    pub effect: usize,
    /// Sum of the squared score statistics of the algorithms.
    pub statistic: f64,
    /// Its probability where all algorithms share one effect (χ² with one degree of freedom less than algorithms).
    pub p: f64,
    /// The same, adjusted over the effects (Holm).
    pub p_adjusted: f64,
}

/// Tests every effect with a column for differences between algorithms.
pub fn heterogeneity(observations: &Observations, model: &FailureModel, joint: &Linearised) -> Vec<Heterogeneity> {
    let algorithms = observations.algorithms.len();
    if algorithms < 2 {
        return Vec::new();
    }
    let test = |&effect: &usize| {
        let values = &observations.effects[effect].values;
        let statistic: f64 = (0..algorithms)
            .filter_map(|a| {
                let value = |row: &super::observations::Row| {
                    if row.algorithm as usize == a { values[row.case as usize] } else { 0.0 }
                };
                let added = joint.added(&observations.rows.iter().map(value).collect::<Vec<_>>())?;
                Some((added.estimate / added.se).powi(2))
            })
            .sum();
        // The algorithms' columns add up to one that the model has: their scores are correlated by −1/(A − 1).
        let statistic = statistic * (algorithms as f64 - 1.0) / algorithms as f64;
        let p = upper_chi_squared(statistic, algorithms as f64 - 1.0);
        Heterogeneity { name: observations.effects[effect].name.clone(), effect, statistic, p, p_adjusted: p }
    };
    let effects: Vec<usize> = (0..observations.effects.len()).filter(|&e| model.column[e].is_some()).collect();
    let mut all: Vec<Heterogeneity> = effects.par_iter().map(test).collect();
    let p: Vec<f64> = all.iter().map(|h| h.p).collect();
    all.iter_mut().zip(holm(&p)).for_each(|(h, p)| h.p_adjusted = p);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::{observations_of, small_study};
    use regiscope_datasets::study::{StudySettings, generate};

    #[test]
    fn an_interaction_is_found_and_without_one_p_values_are_uniform() {
        let mut observations = small_study(6);
        let model = fit_failures(&observations, &[], None).unwrap();
        let none = interactions(&observations, &Linearised::new(&model).unwrap());
        assert_eq!(none.len(), 15);
        assert!(none[0].p_adjusted > 0.01, "{:?}", none[0]);
        // Where both are there, most fail.
        let both = |case: usize, o: &Observations| o.effects[2].values[case] * o.effects[3].values[case] == 1.0;
        for n in 0..observations.rows.len() {
            let row = observations.rows[n];
            if both(row.case as usize, &observations) && n % 3 > 0 {
                observations.rows[n].failed = true;
            }
        }
        let model = fit_failures(&observations, &[], None).unwrap();
        let found = interactions(&observations, &Linearised::new(&model).unwrap());
        assert_eq!((&*found[0].first, &*found[0].second), ("motion_blur", "occluded_by_tissue"));
        assert!(found[0].p_adjusted < 1e-3 && found[0].estimate > 0.3, "{:?}", found[0]);
    }

    #[test]
    fn slopes_are_found_where_they_are() {
        let plain = StudySettings::default();
        let mut characteristics = plain.characteristics[..5].to_vec();
        characteristics.iter_mut().for_each(|c| c.slope_sd = 0.0);
        characteristics[2].slope_sd = 0.8;
        let study = generate(&StudySettings { seed: 1, images: 900, characteristics, ..plain }).unwrap();
        let observations = observations_of(&study);
        let model = fit_failures(&observations, &[], None).unwrap();
        let found = heterogeneity(&observations, &model, &Linearised::new(&model).unwrap());
        for (n, h) in found.iter().enumerate() {
            assert_eq!(h.p_adjusted < 0.05, n == 2, "{found:?}");
        }
    }
}
