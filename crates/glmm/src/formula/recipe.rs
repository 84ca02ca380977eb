//! How a design was made, so that new data become the same columns.

use super::Limits;
use super::ast::{Expr, Node};
use super::blueprint::Blueprint;
use super::error::FormulaError;
use super::grouping::{Group, GroupValues, Levels};
use super::value::{Evaluator, Memory, factor_of_numbers};
use crate::design::{Covariance, ModelMatrix, Predictor, RandomTerm};
use crate::table::{Column, Factor, Table};
use std::collections::BTreeMap;

/// How a design was made from a table: terms, levels, contrasts, polynomials, centres, and the columns that were kept.
#[derive(Clone, Debug, PartialEq)]
pub struct DesignRecipe {
    pub(crate) limits: Limits,
    pub(crate) memory: Memory,
    pub(crate) mean: PartRecipe,
    pub(crate) zero: Option<PartRecipe>,
    /// The offset beside the formula: its text and expression.
    pub(crate) offset: Option<(String, Expr)>,
    pub(crate) covariates: Vec<Covariate>,
}

/// How one predictor was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartRecipe {
    pub text: String,
    pub fixed: Blueprint,
    /// The columns of the blueprint that are not aliased.
    pub kept: Vec<usize>,
    pub offsets: Vec<Expr>,
    pub random: Vec<RandomRecipe>,
}

/// How one random term was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RandomRecipe {
    pub group: Group,
    pub levels: Levels,
    pub blueprints: Vec<Blueprint>,
    pub covariance: Covariance,
    pub double_bar: bool,
}

/// A column of the table that the fixed effects or the offset of the mean use.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariate {
    /// Name of the column.
    pub name: String,
    /// What is typical of it.
    pub values: CovariateValues,
}

/// The values of a column in the rows of the design.
#[derive(Clone, Debug, PartialEq)]
pub enum CovariateValues {
    /// The labels that occur, in their order.
    Levels(Vec<String>),
    /// Numbers: their mean.
    Mean(f64),
    /// Numbers that the formula turns into a factor: the distinct ones, ascending.
    Numbers(Vec<f64>),
}

/// Which parts of the predictors are made from new data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Fixed effects and offsets; grouping factors are not looked at.
    Population,
    /// Random terms too.
    Groups,
}

/// The predictors of new data.
#[derive(Clone, Debug, PartialEq)]
pub struct NewData {
    /// The predictor of the mean. Its random terms name the levels of the fit; a row whose level the fit did not see, or
    /// which has none, has [`RandomTerm::NEW_LEVEL`].
    pub mean: Predictor,
    /// The predictor of the zero part.
    pub zero: Option<Predictor>,
    /// For each row of the predictors the row of the table; rows with a missing value are left out.
    pub rows: Vec<u32>,
}

impl DesignRecipe {
    /// Makes the columns of the fit from new data, which need no response.
    ///
    /// Labels of fixed effects that the fit did not see are refused; for new levels of grouping factors see [`NewData`].
    pub fn apply(&self, table: &Table, scope: Scope) -> Result<NewData, FormulaError> {
        let mut memory = self.memory.clone();
        let mut keep = vec![true; table.rows()];
        let parts = || std::iter::once(&self.mean).chain(&self.zero);
        let offset = match &self.offset {
            None => None,
            Some((text, expr)) => Some(Evaluator { text, table, memory: &mut memory }.numbers(expr)?),
        };
        for part in parts() {
            part.leave_out_missing(table, &mut memory, scope, &mut keep)?;
        }
        if let Some(values) = &offset {
            keep.iter_mut().zip(values.iter()).for_each(|(keep, v)| *keep &= !v.is_nan());
        }
        let rows: Vec<u32> = (0..table.rows()).filter(|&row| keep[row]).map(|row| row as u32).collect();
        let mut mean = self.mean.predictor(table, &mut memory, scope, &rows, &self.limits)?;
        let zero = match &self.zero {
            None => None,
            Some(zero) => Some(zero.predictor(table, &mut memory, scope, &rows, &self.limits)?),
        };
        if let Some(values) = offset {
            mean.offset.iter_mut().zip(&rows).for_each(|(sum, &r)| *sum += values[r as usize]);
        }
        Ok(NewData { mean, zero, rows })
    }

    /// The columns that the fixed effects and the offset of the mean use, with what is typical of each.
    pub fn covariates(&self) -> &[Covariate] {
        &self.covariates
    }

    /// For each random term of the mean whether it was written with two bars, `(x || g)`, so that lme4 shows each of
    /// its columns as a term of its own.
    pub fn double_bars(&self) -> Vec<bool> {
        self.mean.random.iter().map(|r| r.double_bar).collect()
    }

    /// As [`DesignRecipe::double_bars`], of the zero part.
    pub fn zero_double_bars(&self) -> Vec<bool> {
        self.zero.iter().flat_map(|zero| &zero.random).map(|r| r.double_bar).collect()
    }
}

impl PartRecipe {
    fn blueprints(&self, scope: Scope) -> impl Iterator<Item = &Blueprint> {
        let random = self.random.iter().filter(move |_| scope == Scope::Groups).flat_map(|r| &r.blueprints);
        std::iter::once(&self.fixed).chain(random)
    }

    fn leave_out_missing(
        &self,
        table: &Table,
        memory: &mut Memory,
        scope: Scope,
        keep: &mut [bool],
    ) -> Result<(), FormulaError> {
        use super::value::Value;
        let mut evaluator = Evaluator { text: &self.text, table, memory };
        for blueprint in self.blueprints(scope) {
            for value in blueprint.values(&mut evaluator)? {
                for (row, keep) in keep.iter_mut().enumerate() {
                    *keep &= match &value {
                        Value::Constant(_) => true,
                        Value::Numbers(numbers) => !numbers[row].is_nan(),
                        Value::Matrix { columns, .. } => columns.iter().all(|c| !c[row].is_nan()),
                        Value::Factor(factor) => factor.codes[row] != Factor::MISSING,
                    };
                }
            }
        }
        for offset in &self.offsets {
            let values = evaluator.numbers(offset)?;
            keep.iter_mut().zip(values.iter()).for_each(|(keep, v)| *keep &= !v.is_nan());
        }
        Ok(())
    }

    fn predictor(
        &self,
        table: &Table,
        memory: &mut Memory,
        scope: Scope,
        rows: &[u32],
        limits: &Limits,
    ) -> Result<Predictor, FormulaError> {
        let mut evaluator = Evaluator { text: &self.text, table, memory };
        let values = self.fixed.values(&mut evaluator)?;
        let columns = self.fixed.matrix(&values, rows, limits, &self.text)?;
        let n = rows.len();
        let all = |j: &usize| &columns.values[j * n..(j + 1) * n];
        let fixed = ModelMatrix {
            rows: n,
            values: self.kept.iter().flat_map(|j| all(j).iter().copied()).collect(),
            names: self.kept.iter().map(|&j| columns.names[j].clone()).collect(),
            term_of_column: self.kept.iter().map(|&j| columns.term_of_column[j]).collect(),
            terms: self.fixed.labels(),
            aliased: (0..columns.names.len())
                .filter(|j| !self.kept.contains(j))
                .map(|j| columns.names[j].clone())
                .collect(),
        };
        let mut offset = vec![0.0; n];
        for expr in &self.offsets {
            let values = evaluator.numbers(expr)?;
            offset.iter_mut().zip(rows).for_each(|(sum, &r)| *sum += values[r as usize]);
        }
        let mut random = Vec::new();
        for recipe in self.random.iter().filter(|_| scope == Scope::Groups) {
            let group = GroupValues::of(&recipe.group, &mut evaluator)?;
            let mut term = RandomTerm {
                group: recipe.group.name.clone(),
                levels: recipe.levels.labels.clone(),
                level_of_row: group.codes_in(&recipe.levels, rows, RandomTerm::NEW_LEVEL),
                columns: Vec::new(),
                values: Vec::new(),
                covariance: recipe.covariance,
            };
            for blueprint in &recipe.blueprints {
                let values = blueprint.values(&mut evaluator)?;
                let columns = blueprint.matrix(&values, rows, limits, &self.text)?;
                term.columns.extend(columns.names);
                term.values.extend(columns.values);
            }
            random.push(term);
        }
        Ok(Predictor { fixed, offset, random })
    }
}

/// The columns that the fixed effects and the offsets of a predictor use.
pub(crate) fn covariates(part: &PartRecipe, offset: Option<&Expr>, table: &Table, rows: &[u32]) -> Vec<Covariate> {
    let terms = &part.fixed.terms;
    let used = (0..terms.variables.len()).filter(|&v| part.fixed.is_used(v)).map(|v| &terms.variables[v].expr);
    let exprs: Vec<&Expr> = used.chain(&part.offsets).chain(offset).collect();
    // The columns in their first order, and whether a formula makes labels of them.
    let mut order: Vec<&str> = Vec::new();
    let mut as_labels: BTreeMap<&str, bool> = BTreeMap::new();
    for expr in exprs {
        let makes_labels = matches!(
            &expr.node,
            Node::Call(name, _) if ["factor", "as.factor", "ordered", "as.ordered", "relevel"].contains(&name.as_str())
        );
        expr.names(&mut |name, _| {
            if table.get(name).is_some() {
                if !order.contains(&name) {
                    order.push(name);
                }
                *as_labels.entry(name).or_insert(false) |= makes_labels;
            }
        });
    }
    let covariate = |name: &str| {
        let values = match table.get(name)? {
            Column::Factor(factor) => {
                let mut used = vec![false; factor.levels.len()];
                let codes = rows.iter().map(|&r| factor.codes[r as usize]).filter(|&c| c != Factor::MISSING);
                codes.for_each(|c| used[c as usize] = true);
                let levels = factor.levels.iter().zip(used).filter(|(_, u)| *u).map(|(l, _)| l.clone());
                CovariateValues::Levels(levels.collect())
            }
            Column::Numbers(numbers) if as_labels[name] => {
                let mut values: Vec<f64> = rows.iter().map(|&r| numbers[r as usize]).filter(|v| !v.is_nan()).collect();
                let levels = factor_of_numbers(&values).levels.len();
                values.sort_by(f64::total_cmp);
                values.dedup();
                values.truncate(levels.max(1));
                CovariateValues::Numbers(values)
            }
            Column::Numbers(numbers) => {
                let present: Vec<f64> = rows.iter().map(|&r| numbers[r as usize]).filter(|v| !v.is_nan()).collect();
                CovariateValues::Mean(present.iter().sum::<f64>() / present.len() as f64)
            }
        };
        Some(Covariate { name: name.to_owned(), values })
    };
    order.into_iter().filter_map(covariate).collect()
}
