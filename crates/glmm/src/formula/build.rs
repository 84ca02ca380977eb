//! From a formula and a table to a design.

use super::ast::{Expr, Node};
use super::error::{FormulaError, Problem};
use super::grouping::GroupValues;
use super::maker::Maker;
use super::parser;
use super::random::{RandomSpec, split};
use super::recipe::{DesignRecipe, covariates};
use super::response::{RowResponse, evaluate};
use super::terms::{Terms, expand};
use super::value::{Evaluator, Memory, Value};
use super::warning::Warning;
use super::{Limits, Settings, exact};
use crate::design::{Design, LowParts, Response};
use crate::table::{Column, Factor, Table};
use qd::Quad;
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
    let mut maker = Maker { settings, limits, table, rows: &rows, seen: BTreeSet::new(), warnings: &mut warnings };
    let (mut mean_predictor, mean_recipe, mean_low) = maker.predictor(mean, mean_values, "")?;
    let zero_part = match zero.zip(zero_values) {
        None => None,
        Some((plan, values)) => {
            let (predictor, recipe, _) = maker.predictor(plan, values, " (zero part)")?;
            Some((predictor, recipe))
        }
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
    let low = mean_low.map(|fixed| {
        let exact = exact::numbers(&response_expr, table);
        let response = match (&response, exact) {
            (Response::Real(values), Some(exact)) => {
                let rest = |(&v, &r): (&f64, &u32)| (exact[r as usize] - Quad::from(v)).0;
                values.iter().zip(&rows).map(rest).collect()
            }
            _ => vec![0.0; rows.len()],
        };
        LowParts { response, fixed }
    });
    let design = Design {
        response,
        response_name: response_expr.deparse(),
        weights,
        mean: mean_predictor,
        zero: zero_predictor,
        rows: rows.clone(),
        low,
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
pub(crate) struct Plan<'a> {
    pub text: &'a str,
    pub terms: Terms,
    pub random: Vec<RandomSpec>,
}

/// The values of the variables of a predictor, in every row of the table.
pub(crate) struct PlanValues<'t> {
    pub fixed: Vec<Value<'t>>,
    pub offsets: Vec<Cow<'t, [f64]>>,
    /// For each random term the grouping factor and the variables of each list of terms.
    pub random: Vec<(GroupValues<'t>, Vec<Vec<Value<'t>>>)>,
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

pub(crate) fn check_finite(text: &str, expr: &Expr, values: &[f64], rows: &[u32]) -> Result<(), FormulaError> {
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
