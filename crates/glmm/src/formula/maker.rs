//! From the values of variables to the matrices of a predictor: levels, codings, rank, random terms.

use super::alias;
use super::blueprint::{Blueprint, Columns, Kind, shortened};
use super::build::{Plan, PlanValues, check_finite};
use super::contrasts::Contrast;
use super::error::FormulaError;
use super::grouping::{GroupValues, ranked};
use super::random::RandomSpec;
use super::recipe::{PartRecipe, RandomRecipe};
use super::terms::Terms;
use super::value::Value;
use super::warning::Warning;
use super::{Limits, ResponseKind, Settings, exact};
use crate::design::{Covariance, ModelMatrix, Predictor, RandomTerm};
use crate::linear::independent_columns;
use crate::table::{Factor, Table};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Makes predictors from values.
pub(crate) struct Maker<'a> {
    pub settings: &'a Settings,
    pub limits: Limits,
    pub table: &'a Table,
    pub rows: &'a [u32],
    /// Factors that were coded.
    pub seen: BTreeSet<String>,
    pub warnings: &'a mut Vec<Warning>,
}

impl Maker<'_> {
    /// The predictor, how it was made, and the low parts of its fixed effects where they are asked for.
    pub fn predictor(
        &mut self,
        plan: Plan,
        values: PlanValues,
        place: &'static str,
    ) -> Result<(Predictor, PartRecipe, Option<Vec<f64>>), FormulaError> {
        let Plan { text, terms, random } = plan;
        let offsets = terms.offsets.clone();
        let (blueprint, fixed_values) = self.blueprint(text, terms, values.fixed)?;
        let mut columns = blueprint.matrix(&fixed_values, self.rows, &self.limits, text)?;
        self.note_empty_cells(&blueprint, &fixed_values);
        let low = self.settings.exact.then(|| {
            let (high, low) = exact::matrix(&blueprint, &fixed_values, self.table, self.rows);
            columns.values = high;
            low
        });
        let (fixed, kept, low) = self.full_rank(columns, low, blueprint.labels(), place);
        let mut offset = vec![0.0; self.rows.len()];
        for (expr, values) in offsets.iter().zip(&values.offsets) {
            check_finite(text, expr, values, self.rows)?;
            offset.iter_mut().zip(self.rows).for_each(|(sum, &r)| *sum += values[r as usize]);
        }
        let (mut random_terms, mut recipes) = (Vec::new(), Vec::new());
        for (spec, (group, columns)) in random.into_iter().zip(values.random) {
            for (term, recipe) in self.random(text, spec, group, columns)? {
                random_terms.push(term);
                recipes.push(recipe);
            }
        }
        let predictor = Predictor { fixed, offset, random: random_terms };
        let recipe = PartRecipe { text: text.to_owned(), fixed: blueprint, kept, offsets, random: recipes };
        Ok((predictor, recipe, low))
    }

    /// Learns levels and codings; the values come back with codes of the levels that occur.
    fn blueprint<'t>(
        &mut self,
        text: &str,
        terms: Terms,
        values: Vec<Value<'t>>,
    ) -> Result<(Blueprint, Vec<Value<'t>>), FormulaError> {
        let mut kinds = Vec::with_capacity(values.len());
        let mut used_values = Vec::with_capacity(values.len());
        for (variable, value) in terms.variables.iter().zip(values) {
            let infinite = |column: &[f64]| check_finite(text, &variable.expr, column, self.rows);
            let (kind, value) = match value {
                Value::Constant(_) => (Kind::Number, value),
                Value::Numbers(ref numbers) => {
                    infinite(numbers)?;
                    (Kind::Number, value)
                }
                Value::Matrix { ref columns, ref suffixes } => {
                    columns.iter().try_for_each(|c| infinite(c))?;
                    (Kind::Matrix { suffixes: suffixes.clone() }, value)
                }
                Value::Factor(factor) => {
                    let (factor, unused) = occurring(factor, self.rows);
                    self.seen.insert(variable.name.clone());
                    if !unused.is_empty() {
                        self.warn(Warning::UnusedLevels { factor: variable.name.clone(), levels: shortened(&unused) });
                    }
                    let others: Vec<&String> = factor.levels.iter().filter(|l| l.parse::<f64>().is_err()).collect();
                    if 2 * others.len() < factor.levels.len()
                        && let Some(label) = others.first()
                    {
                        let (factor, label) = (variable.name.clone(), (*label).clone());
                        self.warn(Warning::LabelsAmongNumbers { factor, label });
                    }
                    let usual = if factor.ordered { Contrast::Polynomial } else { Contrast::Treatment };
                    let contrast = self.settings.contrasts.get(&variable.name).copied().unwrap_or(usual);
                    (Kind::Factor { levels: factor.levels.clone(), contrast }, Value::Factor(factor))
                }
            };
            kinds.push(kind);
            used_values.push(value);
        }
        Ok((Blueprint::learn(text, terms, kinds)?, used_values))
    }

    fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Takes out aliased columns, and the intercept of an ordinal model, which its thresholds hold.
    fn full_rank(
        &mut self,
        columns: Columns,
        mut low: Option<Vec<f64>>,
        terms: Vec<String>,
        place: &'static str,
    ) -> (ModelMatrix, Vec<usize>, Option<Vec<f64>>) {
        let Columns { mut values, names, term_of_column } = columns;
        let rows = self.rows.len();
        let mut kept = match &low {
            None => alias::independent(&values, rows, names.len()),
            Some(low) => {
                let independent = independent_columns(rows, &values, Some(low));
                (0..names.len()).filter(|&j| independent[j]).collect()
            }
        };
        let is_kept = |j: &usize| kept.binary_search(j).is_ok();
        let aliased: Vec<String> = (0..names.len()).filter(|j| !is_kept(j)).map(|j| names[j].clone()).collect();
        if self.settings.response == ResponseKind::Ordinal && names.first().is_some_and(|n| n == "(Intercept)") {
            kept.remove(0);
        }
        if kept.len() < names.len() {
            for values in std::iter::once(&mut values).chain(&mut low) {
                for (to, &from) in kept.iter().enumerate() {
                    values.copy_within(from * rows..(from + 1) * rows, to * rows);
                }
                values.truncate(kept.len() * rows);
            }
        }
        if !aliased.is_empty() {
            self.warn(Warning::Aliased { columns: shortened(&aliased), zero_part: place });
        }
        let matrix = ModelMatrix {
            rows,
            values,
            names: kept.iter().map(|&j| names[j].clone()).collect(),
            term_of_column: kept.iter().map(|&j| term_of_column[j]).collect(),
            terms,
            aliased,
        };
        (matrix, kept, low)
    }

    /// Cells of interactions of factors that no row falls into.
    fn note_empty_cells(&mut self, blueprint: &Blueprint, values: &[Value]) {
        const MOST_CELLS: u64 = 1 << 20;
        for term in &blueprint.terms.terms {
            let factors: Vec<(usize, &Factor)> = term
                .iter()
                .filter_map(|&v| match &values[v] {
                    Value::Factor(factor) => Some((v, &**factor)),
                    _ => None,
                })
                .collect();
            let cells = factors.iter().map(|(_, f)| f.levels.len() as u64).fold(1, u64::saturating_mul);
            if factors.len() < 2 || cells > MOST_CELLS {
                continue;
            }
            let key = |&row: &u32| {
                factors.iter().fold(0, |key, (_, f)| key * f.levels.len() as u64 + u64::from(f.codes[row as usize]))
            };
            let keys: Vec<u64> = self.rows.iter().map(key).collect();
            let (occupied, _) = ranked(&keys, cells);
            let empty = cells as usize - occupied.len();
            if empty == 0 {
                continue;
            }
            let mut cell = (0..).zip(&occupied).find(|(n, key)| n != *key).map_or(occupied.len() as u64, |(n, _)| n);
            let mut names = Vec::new();
            for (v, factor) in factors.iter().rev() {
                let levels = factor.levels.len() as u64;
                let label = &factor.levels[(cell % levels) as usize];
                names.push(format!("{}{label}", blueprint.terms.variables[*v].name));
                cell /= levels;
            }
            names.reverse();
            let term = blueprint.terms.label(term);
            self.warn(Warning::EmptyCells { term, empty, cells: cells as usize, example: names.join(":") });
        }
    }

    /// The random terms of one specification: one, or with two bars one for the single columns and one for each factor.
    fn random(
        &mut self,
        text: &str,
        spec: RandomSpec,
        group: GroupValues,
        columns: Vec<Vec<Value>>,
    ) -> Result<Vec<(RandomTerm, RandomRecipe)>, FormulaError> {
        let (levels, level_of_row) = group.levels(self.rows);
        if levels.labels.len() == 1 {
            self.warn(Warning::OneGroup { group: spec.group.name.clone() });
        }
        let mut made = Vec::new();
        for (terms, values) in spec.columns.into_iter().zip(columns) {
            let (blueprint, values) = self.blueprint(text, terms, values)?;
            let columns = blueprint.matrix(&values, self.rows, &self.limits, text)?;
            made.push((blueprint, columns));
        }
        // With two bars, all single columns have variances of their own: one diagonal term.
        let (single, blocks): (Vec<_>, Vec<_>) =
            made.into_iter().partition(|(_, columns)| spec.double_bar && columns.names.len() == 1);
        for (_, columns) in blocks.iter().filter(|_| spec.double_bar) {
            let (term, group) = (columns.names.join(" + "), spec.group.name.clone());
            self.warn(Warning::CorrelatedFactor { term, group });
        }
        let block_form = if spec.double_bar { Covariance::Unstructured } else { spec.covariance };
        let lists = std::iter::once((single, Covariance::Diagonal))
            .chain(blocks.into_iter().map(|block| (vec![block], block_form)))
            .filter(|(list, _)| !list.is_empty());
        let term_of = |(list, covariance): (Vec<(Blueprint, Columns)>, Covariance)| {
            let (blueprints, columns): (Vec<_>, Vec<_>) = list.into_iter().unzip();
            let names: Vec<String> = columns.iter().flat_map(|c| c.names.clone()).collect();
            // The forms of the covariance differ from two columns on.
            let covariance = if names.len() == 1 { Covariance::Unstructured } else { covariance };
            let term = RandomTerm {
                group: spec.group.name.clone(),
                levels: levels.labels.clone(),
                level_of_row: level_of_row.clone(),
                columns: names,
                values: columns.into_iter().flat_map(|c| c.values).collect(),
                covariance,
            };
            let recipe = RandomRecipe {
                group: spec.group.clone(),
                levels: levels.clone(),
                blueprints,
                covariance,
                double_bar: spec.double_bar,
            };
            (term, recipe)
        };
        Ok(lists.map(term_of).collect())
    }
}

/// The factor with the levels that occur in some rows, and the levels that do not.
fn occurring<'t>(factor: Cow<'t, Factor>, rows: &[u32]) -> (Cow<'t, Factor>, Vec<String>) {
    let mut used = vec![false; factor.levels.len()];
    rows.iter().for_each(|&r| used[factor.codes[r as usize] as usize] = true);
    if used.iter().all(|u| *u) {
        return (factor, Vec::new());
    }
    let mut next = 0;
    let code_of: Vec<u32> = used
        .iter()
        .map(|&u| {
            next += u32::from(u);
            if u { next - 1 } else { Factor::MISSING }
        })
        .collect();
    let codes = factor.codes.iter().map(|&c| code_of.get(c as usize).copied().unwrap_or(Factor::MISSING)).collect();
    let pick = |wanted: bool| -> Vec<String> {
        factor.levels.iter().zip(&used).filter(|(_, u)| **u == wanted).map(|(l, _)| l.clone()).collect()
    };
    (Cow::Owned(Factor { levels: pick(true), codes, ordered: factor.ordered }), pick(false))
}
