//! Estimated marginal means: predictions over a grid of factor levels, averaged.
//!
//! Searle, Speed & Milliken (1980), "Population marginal means in the linear model". The grid crosses the levels of all
//! factors that the fixed effects read, with covariates at their means (or where the caller puts them); the caller makes
//! the grid's model matrix with the recipe of the fit's design, and the means are averages of its rows.

use serde::Serialize;
use thiserror::Error;

use super::contrasts::{Coefficients, LinearFunction};
use super::distributions::two_sided_quantile;
use crate::design::ModelMatrix;
use crate::table::{Column, Factor, Table, TableError};

/// How the cells of a grid are weighted when they are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// Every combination of the levels averaged over counts the same.
    Equal,
    /// As often as the combination occurs in the data.
    Proportional,
}

/// All combinations of factor levels (and of covariates with several values), the first factor varying fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// One row for each combination, with the columns that the model reads.
    pub table: Table,
    /// The names of the factors, and of covariates that were given several values.
    pub factors: Vec<String>,
    /// For each factor the names of its levels.
    pub levels: Vec<Vec<String>>,
    /// How often each combination of the factors' levels occurs in the data.
    pub frequencies: Vec<f64>,
}

/// Why there is no grid, or no means over it.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum GridError {
    /// A variable that the table does not have.
    #[error("there is no column \"{0}\"")]
    Unknown(String),
    /// A factor that the grid does not cross.
    #[error("\"{name}\" is no factor of the grid; its factors are {factors}")]
    NotCrossed {
        /// What was asked for.
        name: String,
        /// What there is.
        factors: String,
    },
    /// A level, or kind of value, that a variable does not have.
    #[error("\"{name}\" cannot be set to {value}: {problem}")]
    Value {
        /// The variable.
        name: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Too many combinations.
    #[error("the grid has {cells} cells; at most {most} are computed")]
    TooLarge {
        /// Number of combinations.
        cells: usize,
        /// The most that is accepted.
        most: usize,
    },
    /// The grid as a table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The model matrix is not that of the grid.
    #[error("the model matrix has {found} rows and the grid {expected}")]
    Rows {
        /// Rows of the matrix.
        found: usize,
        /// Rows of the grid.
        expected: usize,
    },
}

/// Most cells of a grid.
const MOST_CELLS: usize = 1_000_000;

/// Crosses the levels that occur of the factors among `variables`; covariates stand at their mean over `rows` (the rows that the
/// fit used), unless `at` gives them values, which are crossed as well.
pub fn reference_grid(
    table: &Table,
    rows: &[u32],
    variables: &[String],
    at: &[(String, Vec<f64>)],
) -> Result<Grid, GridError> {
    for (name, values) in at {
        let value = format!("{values:?}");
        let problem = match table.get(name) {
            None => return Err(GridError::Unknown(name.clone())),
            Some(Column::Factor(_)) => "it is a factor",
            Some(Column::Numbers(_)) if values.is_empty() || values.iter().any(|v| !v.is_finite()) => {
                "values are finite numbers, at least one"
            }
            Some(Column::Numbers(_)) => continue,
        };
        return Err(GridError::Value { name: name.clone(), value, problem });
    }
    let mut axes: Vec<(&String, Axis)> = Vec::new();
    for name in variables {
        let axis = match table.get(name).ok_or_else(|| GridError::Unknown(name.clone()))? {
            Column::Factor(factor) => Axis::Factor(factor, levels_used(factor, rows)),
            Column::Numbers(values) => match at.iter().find(|(n, _)| n == name) {
                Some((_, given)) => Axis::Numbers(given.clone()),
                None => Axis::Numbers(vec![
                    rows.iter().map(|&r| values[r as usize]).sum::<f64>() / (rows.len().max(1)) as f64,
                ]),
            },
        };
        axes.push((name, axis));
    }
    let cells = axes.iter().try_fold(1_usize, |n, (_, a)| n.checked_mul(a.len())).unwrap_or(usize::MAX);
    if cells > MOST_CELLS {
        return Err(GridError::TooLarge { cells, most: MOST_CELLS });
    }
    let mut grid = Grid { table: Table::new(), factors: Vec::new(), levels: Vec::new(), frequencies: Vec::new() };
    let mut stride = 1;
    for (name, axis) in &axes {
        let index = |cell: usize| cell / stride % axis.len();
        let column = match axis {
            Axis::Factor(factor, used) => Column::Factor(Factor {
                levels: factor.levels.clone(),
                codes: (0..cells).map(|cell| used[index(cell)]).collect(),
                ordered: factor.ordered,
            }),
            Axis::Numbers(values) => Column::Numbers((0..cells).map(|cell| values[index(cell)]).collect()),
        };
        grid.table.push(name.as_str(), column)?;
        if axis.is_crossed() {
            grid.factors.push((*name).clone());
            grid.levels.push(axis.names());
        }
        stride *= axis.len();
    }
    grid.frequencies = frequencies(&axes, rows, cells);
    Ok(grid)
}

/// One variable of a grid.
enum Axis<'a> {
    /// A factor and the codes of the levels that occur.
    Factor(&'a Factor, Vec<u32>),
    Numbers(Vec<f64>),
}

impl Axis<'_> {
    fn len(&self) -> usize {
        match self {
            Axis::Factor(_, used) => used.len(),
            Axis::Numbers(values) => values.len(),
        }
    }

    fn is_crossed(&self) -> bool {
        matches!(self, Axis::Factor(..)) || self.len() > 1
    }

    fn names(&self) -> Vec<String> {
        match self {
            Axis::Factor(factor, used) => used.iter().map(|&c| factor.levels[c as usize].clone()).collect(),
            Axis::Numbers(values) => values.iter().map(f64::to_string).collect(),
        }
    }
}

/// The codes of the levels that occur, ascending.
fn levels_used(factor: &Factor, rows: &[u32]) -> Vec<u32> {
    let codes: std::collections::BTreeSet<u32> = rows.iter().map(|&row| factor.codes[row as usize]).collect();
    codes.into_iter().filter(|&code| code != Factor::MISSING).collect()
}

/// For each cell how many rows have its factor levels.
fn frequencies(axes: &[(&String, Axis)], rows: &[u32], cells: usize) -> Vec<f64> {
    let mut count = vec![0.0; cells];
    'rows: for &row in rows {
        let (mut base, mut stride, mut free) = (0, 1, vec![0_usize]);
        for (_, axis) in axes {
            match axis {
                Axis::Factor(factor, used) => match used.binary_search(&factor.codes[row as usize]) {
                    Err(_) => continue 'rows,
                    Ok(place) => base += place * stride,
                },
                Axis::Numbers(values) => {
                    free = free.iter().flat_map(|&f| (0..values.len()).map(move |k| f + k * stride)).collect();
                }
            }
            stride *= axis.len();
        }
        free.iter().for_each(|&offset| count[base + offset] += 1.0);
    }
    count
}

/// The marginal means of all combinations of the levels of `by` (factors of the grid; none: the grand mean), as linear
/// functions of the coefficients. `matrix` is the model matrix of the grid's table. A combination without data has no
/// proportional weights and is left out.
pub fn marginal_means(
    grid: &Grid,
    matrix: &ModelMatrix,
    by: &[String],
    weights: Weights,
) -> Result<Vec<LinearFunction>, GridError> {
    if matrix.rows != grid.table.rows() {
        return Err(GridError::Rows { found: matrix.rows, expected: grid.table.rows() });
    }
    let mut kept = Vec::new();
    for name in by {
        let found = grid.factors.iter().position(|f| f == name);
        let missing = || GridError::NotCrossed { name: name.clone(), factors: grid.factors.join(", ") };
        kept.push(found.ok_or_else(missing)?);
    }
    let sizes: Vec<usize> = grid.levels.iter().map(Vec::len).collect();
    let index_of = |cell: usize, factor: usize| cell / sizes[..factor].iter().product::<usize>() % sizes[factor];
    let groups: usize = kept.iter().map(|&f| sizes[f]).product();
    // Proportional weights depend on the averaged factors alone, as in a table of margins.
    let margin_key = |cell: usize| {
        let averaged = (0..sizes.len()).filter(|f| !kept.contains(f));
        averaged.fold(0, |key, f| key * sizes[f] + index_of(cell, f))
    };
    let mut margin = std::collections::BTreeMap::<usize, f64>::new();
    for (cell, &count) in grid.frequencies.iter().enumerate() {
        *margin.entry(margin_key(cell)).or_default() += count;
    }
    let group_of =
        |cell: usize| kept.iter().rev().fold(0, |group, &factor| group * sizes[factor] + index_of(cell, factor));
    let mut sums = vec![(0.0, vec![0.0; matrix.columns()]); groups];
    for cell in 0..matrix.rows {
        let weight = match weights {
            Weights::Equal => 1.0,
            Weights::Proportional => margin[&margin_key(cell)],
        };
        let (total, sum) = &mut sums[group_of(cell)];
        *total += weight;
        sum.iter_mut().enumerate().for_each(|(j, s)| *s += weight * matrix.column(j)[cell]);
    }
    let label = |group: usize| {
        let mut rest = group;
        let names = kept.iter().map(|&factor| {
            let index = rest % sizes[factor];
            rest /= sizes[factor];
            grid.levels[factor][index].as_str()
        });
        names.collect::<Vec<_>>().join(" ")
    };
    let functions = sums.into_iter().enumerate().filter(|(_, (total, _))| *total > 0.0);
    Ok(functions
        .map(|(group, (total, sum))| LinearFunction {
            label: if kept.is_empty() { "overall".into() } else { label(group) },
            coefficients: sum.into_iter().map(|s| s / total).collect(),
        })
        .collect())
}

/// A marginal mean on the scale of the linear predictor and of the response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarginalMean {
    /// The levels.
    pub label: String,
    /// The mean of the linear predictor.
    pub link: f64,
    /// Its standard error.
    pub link_se: f64,
    /// Degrees of freedom of the interval.
    pub df: f64,
    /// Lower end of the interval of the linear predictor.
    pub link_lower: f64,
    /// Upper end of the interval of the linear predictor.
    pub link_upper: f64,
    /// The inverse link of the mean of the linear predictor.
    pub response: f64,
    /// Its standard error by the delta method.
    pub response_se: f64,
    /// The smaller end of the interval, taken through the inverse link.
    pub response_lower: f64,
    /// The larger end of the interval, taken through the inverse link.
    pub response_upper: f64,
}

/// Values of linear functions with intervals of this level, on both scales. `inverse` gives the inverse link and its
/// derivative; `offset` is added to the linear predictor (0 for the mean at offset 0).
pub fn on_both_scales(
    functions: &[LinearFunction],
    coefficients: &Coefficients,
    offset: f64,
    level: f64,
    inverse: impl Fn(f64) -> (f64, f64),
) -> Vec<MarginalMean> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    functions
        .iter()
        .map(|function| {
            let c = &function.coefficients;
            let link = dot(c, coefficients.values) + offset;
            let image: Vec<f64> = coefficients.covariance.iter().map(|row| dot(row, c)).collect();
            let (link_se, df) = (dot(&image, c).max(0.0).sqrt(), (coefficients.df)(c));
            let half = two_sided_quantile(level, df) * link_se;
            let (response, slope) = inverse(link);
            let ends = (inverse(link - half).0, inverse(link + half).0);
            MarginalMean {
                label: function.label.clone(),
                link,
                link_se,
                df,
                link_lower: link - half,
                link_upper: link + half,
                response,
                response_se: slope.abs() * link_se,
                response_lower: ends.0.min(ends.1),
                response_upper: ends.0.max(ends.1),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Table {
        let mut table = Table::new();
        let factor = |levels: &[&str], codes: &[u32]| {
            Column::Factor(Factor {
                levels: levels.iter().map(|l| l.to_string()).collect(),
                codes: codes.into(),
                ordered: false,
            })
        };
        table.push("a", factor(&["u", "v"], &[0, 0, 0, 1, 1, 1])).unwrap();
        table.push("b", factor(&["p", "q", "r"], &[0, 0, 1, 1, 2, 2])).unwrap();
        table.push("x", Column::Numbers(vec![1.0, 2.0, 3.0, 4.0, 5.0, 9.0])).unwrap();
        table
    }

    /// Columns: intercept, av, bq, br, x.
    fn matrix(grid: &Grid) -> ModelMatrix {
        let rows = grid.table.rows();
        let level = |name: &str, k: u32| match grid.table.get(name) {
            Some(Column::Factor(f)) => f.codes.iter().map(|&c| f64::from(u8::from(c == k))).collect::<Vec<f64>>(),
            _ => panic!(),
        };
        let Some(Column::Numbers(x)) = grid.table.get("x") else { panic!() };
        let values = [vec![1.0; rows], level("a", 1), level("b", 1), level("b", 2), x.clone()].concat();
        let names: Vec<String> = (0..5).map(|j| j.to_string()).collect();
        ModelMatrix { rows, values, terms: names.clone(), names, term_of_column: (0..5).collect(), aliased: Vec::new() }
    }

    #[test]
    fn means_average_the_grid_and_contrasts_drop_what_is_common() {
        let variables = ["a", "b", "x"].map(String::from);
        let grid = reference_grid(&data(), &[0, 1, 2, 3, 4, 5], &variables, &[]).unwrap();
        assert_eq!((grid.table.rows(), grid.factors.len()), (6, 2));
        assert_eq!(grid.frequencies, [2.0, 0.0, 1.0, 1.0, 0.0, 2.0]);
        let means = marginal_means(&grid, &matrix(&grid), &["a".into()], Weights::Equal).unwrap();
        assert_eq!(means[1].label, "v");
        let third = 1.0 / 3.0;
        for (found, expected) in means[1].coefficients.iter().zip([1.0, 1.0, third, third, 4.0]) {
            assert!((found - expected).abs() < 1e-15);
        }
        let difference = &super::super::contrasts::pairwise(&means)[0];
        assert!(difference.coefficients.iter().zip([0.0, -1.0, 0.0, 0.0, 0.0]).all(|(f, e)| (f - e).abs() < 1e-15));
        // Levels of b occur equally often; those of a as well.
        let proportional = marginal_means(&grid, &matrix(&grid), &["a".into()], Weights::Proportional).unwrap();
        assert!(proportional[0].coefficients.iter().zip(&means[0].coefficients).all(|(f, e)| (f - e).abs() < 1e-15));
        // Without the last row, r is half as frequent as p or q.
        let grid = reference_grid(&data(), &[0, 1, 2, 3, 4], &variables, &[]).unwrap();
        let proportional = marginal_means(&grid, &matrix(&grid), &["a".into()], Weights::Proportional).unwrap();
        assert!((proportional[0].coefficients[3] - 0.2).abs() < 1e-15);
        assert!((proportional[0].coefficients[4] - 3.0).abs() < 1e-15);
        // A level that does not occur is left out.
        let some = reference_grid(&data(), &[0, 1, 2, 3], &variables, &[]).unwrap();
        assert_eq!(some.levels[1], ["p", "q"]);
        assert_eq!(some.frequencies, [2.0, 0.0, 1.0, 1.0]);
        let all = marginal_means(&grid, &matrix(&grid), &["b".into(), "a".into()], Weights::Equal).unwrap();
        assert_eq!(all[1].label, "q u");
        assert_eq!(all[4].coefficients, [1.0, 1.0, 1.0, 0.0, 3.0]);
    }

    #[test]
    fn covariates_stand_where_they_are_put() {
        let variables = ["a", "x"].map(String::from);
        let at = [("x".to_string(), vec![0.0, 10.0])];
        let grid = reference_grid(&data(), &[0, 1, 2, 3, 4, 5], &variables, &at).unwrap();
        assert_eq!(grid.factors, ["a", "x"]);
        assert_eq!(grid.levels[1], ["0", "10"]);
        assert_eq!(grid.frequencies, [3.0; 4]);
        assert!(matches!(reference_grid(&data(), &[0], &["z".into()], &[]), Err(GridError::Unknown(_))));
        assert!(reference_grid(&data(), &[0], &variables, &[("a".into(), vec![1.0])]).is_err());
        let wide = [("x".to_string(), vec![0.5; MOST_CELLS])];
        assert!(matches!(reference_grid(&data(), &[0, 5], &variables, &wide), Err(GridError::TooLarge { .. })));
    }

    #[test]
    fn the_response_scale_follows_the_delta_method() {
        let functions = [LinearFunction { label: "m".into(), coefficients: vec![1.0] }];
        let covariance = vec![vec![0.04]];
        let coefficients = Coefficients { values: &[0.5], covariance: &covariance, df: &|_| f64::INFINITY };
        let found = &on_both_scales(&functions, &coefficients, 0.0, 0.95, |x| (x.exp(), x.exp()))[0];
        assert!((found.response - 0.5_f64.exp()).abs() < 1e-15);
        assert!((found.response_se - 0.2 * 0.5_f64.exp()).abs() < 1e-15);
        assert!((found.response_upper - found.link_upper.exp()).abs() < 1e-15);
        // A falling inverse link swaps the ends.
        let found = &on_both_scales(&functions, &coefficients, 1.0, 0.95, |x| (1.0 / x, -1.0 / (x * x)))[0];
        assert!(found.response_lower < found.response && found.response < found.response_upper);
    }
}
