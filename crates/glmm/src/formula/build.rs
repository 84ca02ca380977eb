//! From a formula and a table to a design.

use super::alias;
use super::ast::{Expr, Node};
use super::blueprint::{Blueprint, Columns, Kind, shortened};
use super::contrasts::Contrast;
use super::error::{FormulaError, Problem};
use super::grouping::{GroupValues, ranked};
use super::parser;
use super::random::{RandomSpec, split};
use super::recipe::{DesignRecipe, PartRecipe, RandomRecipe, covariates};
use super::response::{RowResponse, evaluate};
use super::terms::{Terms, expand};
use super::value::{Evaluator, Memory, Value};
use super::warning::Warning;
use super::{Limits, Settings};
use crate::design::{Covariance, Design, ModelMatrix, Predictor, RandomTerm};
use crate::table::{Column, Factor, Table};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A design, how to make the same columns from new data, and what is doubtful.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// What is fitted.
    pub design: Design,
    /// How the design was made.
    pub recipe: DesignRecipe,
    /// What a user should know.
    pub warnings: Vec<Warning>,
}

/// Builds the design of a formula.
///
/// Rows with a missing value in any variable of the model are left out, unused levels of factors are dropped, and
/// columns of fixed effects that others span are taken out; each is told in the warnings.
pub fn build(formula: &str, table: &Table, settings: &Settings) -> Result<Built, FormulaError> {
    let limits = Limits { max_values: settings.max_values };
    let sides = parser::formula(formula)?;
    let response_expr =
        sides.response.ok_or_else(|| FormulaError::new(formula, 0..formula.len().min(1), Problem::NoResponse))?;
    let dot = columns_of_dot(&response_expr, table);
    let mean = Plan::of(formula, &sides.predictors, &dot)?;
    let zero = settings.zero_formula.as_deref().map(|text| zero_plan(text, &dot)).transpose()?;
    let offset = settings.offset.as_deref().map(|text| Ok((text, parser::expression(text)?))).transpose()?;
    let weights = settings.weights.as_deref().map(|text| Ok((text, parser::expression(text)?))).transpose()?;

    let mut memory = Memory::new();
    let mut of_formula = Evaluator { text: formula, table, memory: &mut memory };
    let response = evaluate(&mut of_formula, &response_expr, settings.response)?;
    let mean_values = mean.evaluate(&mut of_formula)?;
    let zero_values = match &zero {
        None => None,
        Some(plan) => Some(plan.evaluate(&mut Evaluator { text: plan.text, table, memory: &mut memory })?),
    };
    let mut beside = |given: &Option<(&str, Expr)>| -> Result<Option<Cow<[f64]>>, FormulaError> {
        let Some((text, expr)) = given else { return Ok(None) };
        Evaluator { text, table, memory: &mut memory }.numbers(expr).map(Some)
    };
    let offset_values = beside(&offset)?;
    let weight_values = beside(&weights)?;

    let mut warnings = Vec::new();
    let mut keep: Vec<bool> = (0..table.rows()).map(|row| response.is_present(row)).collect();
    let parts = || std::iter::once((&mean, &mean_values)).chain(zero.as_ref().zip(zero_values.as_ref()));
    for (plan, values) in parts() {
        plan.leave_out_missing(values, table, &mut keep, &mut warnings);
    }
    for values in offset_values.iter().chain(&weight_values) {
        keep.iter_mut().zip(values.iter()).for_each(|(keep, v)| *keep &= !v.is_nan());
    }
    let missing = keep.iter().filter(|keep| !**keep).count();
    if missing > 0 {
        warnings.push(Warning::RowsDropped { missing, rows: table.rows() });
    }
    let weighting = weights.as_ref().zip(weight_values.as_ref());
    if let Some(((text, expr), values)) = weighting {
        check_weights(text, expr, values, &keep)?;
    }
    let rows = rows_with_weight(&keep, &response, weight_values.as_deref(), &mut warnings);
    if rows.is_empty() {
        let problem = Problem::NoRows { rows: table.rows() };
        return Err(FormulaError::new(formula, 0..formula.len(), problem));
    }
    if let Some(((text, expr), values)) = weighting {
        check_finite(text, expr, values, &rows)?;
    }

    let of_rows = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&r| values[r as usize]).collect() };
    let mut weights = weight_values.as_deref().map_or_else(|| vec![1.0; rows.len()], of_rows);
    let response = response
        .of_rows(&rows, &mut weights, &mut warnings)
        .map_err(|problem| FormulaError::new(formula, response_expr.span.clone(), problem))?;
    let mut maker = Maker { settings, limits, rows: &rows, seen: BTreeSet::new(), warnings: &mut warnings };
    let (mut mean_predictor, mean_recipe) = maker.predictor(mean, mean_values, "")?;
    let zero_part = match zero.zip(zero_values) {
        None => None,
        Some((plan, values)) => Some(maker.predictor(plan, values, " (zero part)")?),
    };
    if let Some(name) = settings.contrasts.keys().find(|name| !maker.seen.contains(*name)) {
        let problem = Problem::ContrastsOfNoFactor { name: name.clone() };
        return Err(FormulaError::new(formula, sides.predictors.span, problem));
    }
    if let (Some((text, expr)), Some(values)) = (&offset, &offset_values) {
        check_finite(text, expr, values, &rows)?;
        mean_predictor.offset.iter_mut().zip(of_rows(values)).for_each(|(sum, v)| *sum += v);
    }
    let (zero_predictor, zero_recipe) = zero_part.unzip();
    let design = Design {
        response,
        response_name: response_expr.deparse(),
        weights,
        mean: mean_predictor,
        zero: zero_predictor,
        rows: rows.clone(),
        low: None,
    };
    let covariates = covariates(&mean_recipe, offset.as_ref().map(|(_, expr)| expr), table, &rows);
    let offset = offset.map(|(text, expr)| (text.to_owned(), expr));
    let recipe = DesignRecipe { limits, memory, mean: mean_recipe, zero: zero_recipe, offset, covariates };
    Ok(Built { design, recipe, warnings })
}

/// The columns that `.` stands for: all but those of the response.
fn columns_of_dot(response: &Expr, table: &Table) -> Vec<String> {
    let mut of_response = BTreeSet::new();
    response.names(&mut |name, _| {
        of_response.insert(name);
    });
    table.names().filter(|name| !of_response.contains(name)).map(str::to_owned).collect()
}

fn zero_plan<'a>(text: &'a str, dot: &[String]) -> Result<Plan<'a>, FormulaError> {
    let sides = parser::formula(text)?;
    if let Some(response) = sides.response {
        return Err(FormulaError::new(text, response.span, Problem::ZeroResponse));
    }
    Plan::of(text, &sides.predictors, dot)
}

/// One predictor as it was written.
struct Plan<'a> {
    text: &'a str,
    terms: Terms,
    random: Vec<RandomSpec>,
}

/// The values of the variables of a predictor, in every row of the table.
struct PlanValues<'t> {
    fixed: Vec<Value<'t>>,
    offsets: Vec<Cow<'t, [f64]>>,
    /// For each random term the grouping factor and the variables of each list of terms.
    random: Vec<(GroupValues<'t>, Vec<Vec<Value<'t>>>)>,
}

impl<'a> Plan<'a> {
    fn of(text: &'a str, predictors: &Expr, dot: &[String]) -> Result<Self, FormulaError> {
        let (fixed, random) = split(text, predictors)?;
        Ok(Self { text, terms: expand(text, &fixed, Some(dot))?, random })
    }

    fn evaluate<'t>(&self, evaluator: &mut Evaluator<'t, '_>) -> Result<PlanValues<'t>, FormulaError> {
        let fixed = variables(&self.terms, evaluator)?;
        let offsets = self.terms.offsets.iter().map(|expr| evaluator.numbers(expr)).collect::<Result<_, _>>()?;
        let mut random = Vec::with_capacity(self.random.len());
        for spec in &self.random {
            let group = GroupValues::of(&spec.group, evaluator)?;
            let columns = spec.columns.iter().map(|terms| variables(terms, evaluator)).collect::<Result<_, _>>()?;
            random.push((group, columns));
        }
        Ok(PlanValues { fixed, offsets, random })
    }

    /// Marks the rows that have a missing value.
    fn leave_out_missing(&self, values: &PlanValues, table: &Table, keep: &mut [bool], warnings: &mut Vec<Warning>) {
        let lists = std::iter::once((&self.terms, &values.fixed));
        let random = self.random.iter().zip(&values.random);
        let lists = lists.chain(random.flat_map(|(spec, (_, columns))| spec.columns.iter().zip(columns)));
        for (terms, values) in lists {
            for (variable, value) in terms.variables.iter().zip(values) {
                let is_missing = |row: usize| match value {
                    Value::Constant(_) => false,
                    Value::Numbers(numbers) => numbers[row].is_nan(),
                    Value::Matrix { columns, .. } => columns.iter().any(|c| c[row].is_nan()),
                    Value::Factor(factor) => factor.codes[row] == Factor::MISSING,
                };
                let is_function = matches!(variable.expr.node, Node::Call(..));
                let mut made_missing = 0;
                for (row, keep) in keep.iter_mut().enumerate().filter(|(row, _)| is_missing(*row)) {
                    *keep = false;
                    made_missing += usize::from(is_function && !lacks_a_value(&variable.expr, table, row));
                }
                if made_missing > 0 {
                    let warning = Warning::NotANumber { what: variable.name.clone(), rows: made_missing };
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
            }
        }
        for offset in &values.offsets {
            keep.iter_mut().zip(offset.iter()).for_each(|(keep, v)| *keep &= !v.is_nan());
        }
        for (group, _) in &values.random {
            keep.iter_mut().enumerate().for_each(|(row, keep)| *keep &= group.is_present(row));
        }
    }
}

/// Whether one of the columns that an expression names has no value in a row.
fn lacks_a_value(expr: &Expr, table: &Table, row: usize) -> bool {
    let mut lacks = false;
    expr.names(&mut |name, _| {
        lacks |= match table.get(name) {
            Some(Column::Numbers(values)) => values[row].is_nan(),
            Some(Column::Factor(factor)) => factor.codes[row] == Factor::MISSING,
            None => false,
        };
    });
    lacks
}

/// The values of the variables that terms use; others stand as a constant.
fn variables<'t>(terms: &Terms, evaluator: &mut Evaluator<'t, '_>) -> Result<Vec<Value<'t>>, FormulaError> {
    let mut used = vec![false; terms.variables.len()];
    terms.terms.iter().flatten().for_each(|&v| used[v] = true);
    let value = |(variable, used): (&super::terms::Variable, bool)| {
        if !used {
            return Ok(Value::Constant(0.0));
        }
        match evaluator.value(&variable.expr)? {
            Value::Constant(_) => evaluator.error(&variable.expr, Problem::Constant { what: variable.name.clone() }),
            value => Ok(value),
        }
    };
    terms.variables.iter().zip(used).map(value).collect()
}

fn check_weights(text: &str, expr: &Expr, weights: &[f64], keep: &[bool]) -> Result<(), FormulaError> {
    match weights.iter().zip(keep).position(|(w, keep)| *keep && *w < 0.0) {
        Some(row) => {
            let problem = Problem::NegativeWeight { row: row + 1, value: weights[row] };
            Err(FormulaError::new(text, expr.span.clone(), problem))
        }
        None => Ok(()),
    }
}

fn check_finite(text: &str, expr: &Expr, values: &[f64], rows: &[u32]) -> Result<(), FormulaError> {
    match rows.iter().find(|&&r| values[r as usize].is_infinite()) {
        Some(&row) => {
            let problem = Problem::Infinite { what: expr.deparse(), row: row as usize + 1 };
            Err(FormulaError::new(text, expr.span.clone(), problem))
        }
        None => Ok(()),
    }
}

/// The rows that are kept and weigh something.
fn rows_with_weight(
    keep: &[bool],
    response: &RowResponse,
    weights: Option<&[f64]>,
    warnings: &mut Vec<Warning>,
) -> Vec<u32> {
    let weighs = |row: usize| !response.has_no_trials(row) && weights.is_none_or(|w| w[row] != 0.0);
    let kept: Vec<u32> = (0..keep.len()).filter(|&row| keep[row]).map(|row| row as u32).collect();
    let rows: Vec<u32> = kept.iter().copied().filter(|&row| weighs(row as usize)).collect();
    if rows.len() < kept.len() {
        warnings.push(Warning::ZeroWeights { zero: kept.len() - rows.len() });
    }
    rows
}

/// Makes predictors from values.
struct Maker<'a> {
    settings: &'a Settings,
    limits: Limits,
    rows: &'a [u32],
    /// Factors that were coded.
    seen: BTreeSet<String>,
    warnings: &'a mut Vec<Warning>,
}

impl Maker<'_> {
    fn predictor(
        &mut self,
        plan: Plan,
        values: PlanValues,
        place: &'static str,
    ) -> Result<(Predictor, PartRecipe), FormulaError> {
        let Plan { text, terms, random } = plan;
        let offsets = terms.offsets.clone();
        let (blueprint, fixed_values) = self.blueprint(text, terms, values.fixed)?;
        let columns = blueprint.matrix(&fixed_values, self.rows, &self.limits, text)?;
        self.note_empty_cells(&blueprint, &fixed_values);
        let (fixed, kept) = self.full_rank(columns, blueprint.labels(), place);
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
        Ok((predictor, recipe))
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

    fn full_rank(&mut self, columns: Columns, terms: Vec<String>, place: &'static str) -> (ModelMatrix, Vec<usize>) {
        let Columns { mut values, names, term_of_column } = columns;
        let rows = self.rows.len();
        let kept = alias::independent(&values, rows, names.len());
        let is_kept = |j: &usize| kept.binary_search(j).is_ok();
        let aliased: Vec<String> = (0..names.len()).filter(|j| !is_kept(j)).map(|j| names[j].clone()).collect();
        if !aliased.is_empty() {
            for (to, &from) in kept.iter().enumerate() {
                values.copy_within(from * rows..(from + 1) * rows, to * rows);
            }
            values.truncate(kept.len() * rows);
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
        (matrix, kept)
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
