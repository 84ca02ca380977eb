//! The model of failures: design and fit.
//!
//! Cases that one algorithm alone was run on have no effect of their own, and an algorithm without others has none either;
//! both are told. Slopes of algorithms have variances of their own and no correlations.

use super::{FailureError, Observations};
use regiscope_glmm::design::{Covariance, Design, ModelMatrix, Predictor, RandomTerm, Response};
use regiscope_glmm::fit::{Fit, fit};
use regiscope_glmm::linear::independent_columns;
use regiscope_glmm::settings::{Family, Settings};

/// Name of the random effects of cases.
pub const CASE: &str = "case";
/// Name of the random effects of algorithms.
pub const ALGORITHM: &str = "algorithm";

/// A fitted model of failures.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureModel {
    /// What was fitted: fixed effects are the intercept and, in their order, the effects of the observations.
    pub design: Design,
    /// The fit.
    pub fit: Fit,
    /// Indices of the effects that have slopes of algorithms, ascending.
    pub slopes: Vec<usize>,
    /// Effects that others span, which have no column: their names.
    pub aliased: Vec<String>,
    /// For each effect its column in the fixed effects; none where it is aliased.
    pub column: Vec<Option<usize>>,
    /// Index of the cases' random term.
    pub case_term: Option<usize>,
    /// Index of the algorithms' random term.
    pub algorithm_term: Option<usize>,
}

impl FailureModel {
    /// The formula in lme4's language.
    pub fn formula(&self) -> String {
        let quoted = |name: &str| {
            let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') && !name.is_empty();
            if plain { name.to_owned() } else { format!("`{name}`") }
        };
        let fixed: Vec<String> = self.design.mean.fixed.names[1..].iter().map(|n| quoted(n)).collect();
        let random = self.design.mean.random.iter().map(|term| {
            let slopes: String = term.columns[1..].iter().map(|c| format!(" + {}", quoted(c))).collect();
            format!("(1{slopes} {} {})", if slopes.is_empty() { "|" } else { "||" }, quoted(&term.group))
        });
        let terms: Vec<String> = fixed.into_iter().chain(random).collect();
        format!("failure ~ {}", terms.join(" + "))
    }
}

/// Rows × (intercept and effects), for each effect its column, and the names of the effects that others span.
fn fixed_effects(observations: &Observations) -> (ModelMatrix, Vec<Option<usize>>, Vec<String>) {
    let (cases, effects) = (observations.cases.len(), &observations.effects);
    // Effects are constant within cases, so that cases alone tell which columns others span.
    let mut by_case = vec![1.0; cases];
    effects.iter().for_each(|effect| by_case.extend_from_slice(&effect.values));
    let kept = independent_columns(cases, &by_case, None);
    let mut names = vec!["(Intercept)".to_owned()];
    let mut values = vec![1.0; observations.rows.len()];
    let (mut column, mut aliased) = (Vec::new(), Vec::new());
    for (effect, kept) in effects.iter().zip(&kept[1..]) {
        column.push(kept.then_some(names.len()));
        if *kept {
            names.push(effect.name.clone());
            values.extend(observations.rows.iter().map(|row| effect.values[row.case as usize]));
        } else {
            aliased.push(effect.name.clone());
        }
    }
    let matrix = ModelMatrix {
        rows: observations.rows.len(),
        values,
        term_of_column: (0..names.len()).collect(),
        terms: names.clone(),
        names,
        aliased: aliased.clone(),
    };
    (matrix, column, aliased)
}

/// The parts of a predictor.
pub(super) struct Parts {
    pub predictor: Predictor,
    /// For each effect its column.
    pub column: Vec<Option<usize>>,
    /// Effects that others span.
    pub aliased: Vec<String>,
    /// Where the cases' random term stands.
    pub case_term: Option<usize>,
    /// Where the algorithms' random term stands.
    pub algorithm_term: Option<usize>,
}

/// The random terms of cases, groups and algorithms; slopes are effects with a column.
fn random_terms(observations: &Observations, slopes: &[usize]) -> (Vec<RandomTerm>, Option<usize>, Option<usize>) {
    let rows = &observations.rows;
    let intercept = |group: &str, levels: Vec<String>, level_of_row: Vec<u32>| RandomTerm {
        group: group.to_owned(),
        levels,
        level_of_row,
        columns: vec!["(Intercept)".to_owned()],
        values: vec![1.0; rows.len()],
        covariance: Covariance::Unstructured,
    };
    let mut terms = Vec::new();
    let mut results = vec![0_usize; observations.cases.len()];
    rows.iter().for_each(|row| results[row.case as usize] += 1);
    let with_cases = results.iter().any(|&n| n > 1);
    if with_cases {
        terms.push(intercept(CASE, observations.cases.clone(), rows.iter().map(|row| row.case).collect()));
    }
    for group in observations.groups.iter().filter(|g| g.levels.len() > 1) {
        let level_of_row = rows.iter().map(|row| group.of_case[row.case as usize]).collect();
        terms.push(intercept(&group.name, group.levels.clone(), level_of_row));
    }
    if observations.algorithms.len() > 1 {
        let mut term =
            intercept(ALGORITHM, observations.algorithms.clone(), rows.iter().map(|row| row.algorithm).collect());
        for &slope in slopes {
            let effect = &observations.effects[slope];
            term.columns.push(effect.name.clone());
            term.values.extend(rows.iter().map(|row| effect.values[row.case as usize]));
            term.covariance = Covariance::Diagonal;
        }
        terms.push(term);
    }
    let algorithm_term = (observations.algorithms.len() > 1).then(|| terms.len() - 1);
    (terms, with_cases.then_some(0), algorithm_term)
}

/// The predictor of all effects and random terms.
pub(super) fn parts(observations: &Observations, slopes: &[usize]) -> Parts {
    let (fixed, column, aliased) = fixed_effects(observations);
    let slopes: Vec<usize> = slopes.iter().copied().filter(|&s| column[s].is_some()).collect();
    let (random, case_term, algorithm_term) = random_terms(observations, &slopes);
    let predictor = Predictor { offset: vec![0.0; fixed.rows], fixed, random };
    Parts { predictor, column, aliased, case_term, algorithm_term }
}

/// Fits the model. `slopes` are effects whose strength differs between algorithms; `start` are covariance parameters of a
/// model with the same terms.
///
/// # Errors
/// If all or no results are failures, nothing varies, or the fit has no start.
pub fn fit_failures(
    observations: &Observations,
    slopes: &[usize],
    start: Option<&[f64]>,
) -> Result<FailureModel, FailureError> {
    let (failures, rows) = (observations.failures(), observations.rows.len());
    if failures == 0 || failures == rows {
        return Err(FailureError::OneOutcome { failures, rows });
    }
    if observations.effects.is_empty() {
        return Err(FailureError::NoEffect);
    }
    let mut slopes = slopes.to_vec();
    slopes.sort_unstable();
    slopes.dedup();
    let Parts { predictor: mean, column, aliased, case_term, algorithm_term } = parts(observations, &slopes);
    slopes.retain(|&s| column[s].is_some() && observations.algorithms.len() > 1);
    let design = Design {
        response: Response::Counts {
            successes: observations.rows.iter().map(|row| f64::from(u8::from(row.failed))).collect(),
            trials: vec![1.0; rows],
        },
        response_name: "failure".into(),
        weights: vec![1.0; rows],
        mean,
        zero: None,
        rows: (0..rows as u32).collect(),
        low: None,
    };
    let settings = Settings { start: start.map(<[f64]>::to_vec), ..Settings::new(Family::Binomial) };
    let fit = fit(&design, &settings, &mut |_| ())
        .map_err(|e| FailureError::Fit { of: "failures", reason: e.to_string() })?;
    Ok(FailureModel { fit, slopes, aliased, column, case_term, algorithm_term, design })
}
