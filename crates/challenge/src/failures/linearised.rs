//! Joint covariance of fixed and random effects, and tests of what the model leaves out.
//!
//! At the mode the likelihood of failures is quadratic with weights w = μ(1 − μ). With b = Λu its curvature in (β, u) is
//!
//! [ XᵀWX  XᵀWZΛ ; ΛᵀZᵀWX  ΛᵀZᵀWZΛ + I ],
//!
//! Henderson's mixed-model equations (Henderson 1975; for generalised models Breslow & Clayton 1993, "Approximate
//! inference in generalized linear mixed models"). The effects of cases, thousands of them, are eliminated first; what is
//! left is small and dense. Variances count as known, save in the covariance of the fixed effects, which is the fit's own
//! ([`super::spread`] is about those of algorithms). A column z that the model has not gets Rao's score test: U = zᵀ(y − μ)
//! against its variance after all effects of the model.

use super::model::FailureModel;
use regiscope_glmm::matrix::{Matrix, dot};

/// The curvature at the fit, without the effects of cases.
#[derive(Clone, Debug)]
pub struct Linearised {
    /// Number of fixed effects.
    pub fixed: usize,
    /// For each random term the place of its first effect (level by level) in the joint vector; none for cases.
    pub first: Vec<Option<usize>>,
    /// Covariance of β̂ − β and b̂ − b, fixed effects first.
    pub covariance: Matrix,
    /// The curvature of the likelihood alone, in the effects themselves.
    pub(super) data: Matrix,
    /// For each place the standard deviation of its effect; 1 for fixed effects.
    pub(super) scale: Vec<f64>,
    /// The effects at the fit.
    pub(super) mode: Vec<f64>,
    /// Slopes of the log-likelihood there; of fixed effects 0, for the fit is the optimum of the marginal likelihood.
    pub(super) score: Vec<f64>,
    root: Matrix,
    weight: Vec<f64>,
    residual: Vec<f64>,
    /// For each row its regressors: place and value.
    regressors: Vec<Vec<(u32, f64)>>,
    case_of_row: Vec<u32>,
    /// For each case the factor of its effect, one over its curvature, and its sums of weighted regressors.
    cases: Vec<CaseBlock>,
}

#[derive(Clone, Debug, Default)]
struct CaseBlock {
    curvature: f64,
    sums: Vec<(u32, f64)>,
}

/// Rao's score test of a column that the model has not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Added {
    /// One Newton step from zero: an estimate of the coefficient.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
}

impl Linearised {
    /// The curvature of a fit; nothing where it is singular.
    pub fn new(model: &FailureModel) -> Option<Self> {
        let (design, fit) = (&model.design, &model.fit);
        let rows = fit.rows;
        let fixed = design.mean.fixed.columns();
        let mut first = Vec::new();
        let mut size = fixed;
        // Standard deviations scale the columns, so that the effects' prior covariance is the identity.
        let mut scale = vec![1.0; fixed];
        let mut mode = fit.fixed.values.clone();
        for (t, term) in design.mean.random.iter().enumerate() {
            if Some(t) == model.case_term {
                first.push(None);
                continue;
            }
            first.push(Some(size));
            size += term.levels.len() * term.columns.len();
            for level in 0..term.levels.len() {
                scale.extend_from_slice(&fit.random[t].sd);
                mode.extend((0..term.columns.len()).map(|c| fit.random[t].modes[(level, c)]));
            }
        }
        let regressors: Vec<Vec<(u32, f64)>> = (0..rows)
            .map(|row| {
                let x = &design.mean.fixed;
                let mut all: Vec<(u32, f64)> = (0..fixed).map(|j| (j as u32, x.column(j)[row])).collect();
                for (t, term) in design.mean.random.iter().enumerate() {
                    let Some(first) = first[t] else { continue };
                    let start = first + term.level_of_row[row] as usize * term.columns.len();
                    all.extend((0..term.columns.len()).map(|c| {
                        let value = term.values[c * rows + row];
                        ((start + c) as u32, value)
                    }));
                }
                all.retain(|r| r.1 != 0.0);
                all
            })
            .collect();
        let weight: Vec<f64> = fit.fitted.iter().map(|p| p * (1.0 - p)).collect();
        let failed = |row: usize| match &design.response {
            regiscope_glmm::design::Response::Counts { successes, .. } => successes[row],
            _ => f64::NAN,
        };
        let residual: Vec<f64> = (0..rows).map(|row| failed(row) - fit.fitted[row]).collect();
        let mut data = Matrix::zeros(size, size);
        let mut score = vec![0.0; size];
        for (row, (&w, r)) in weight.iter().zip(&residual).enumerate() {
            for &(i, a) in &regressors[row] {
                score[i as usize] += a * r;
                regressors[row].iter().for_each(|&(j, b)| data[(i as usize, j as usize)] += w * a * b);
            }
        }
        // The marginal likelihood has its optimum here, in the fixed effects too.
        score[..fixed].fill(0.0);
        let (case_of_row, cases) = match model.case_term {
            None => (vec![0; rows], Vec::new()),
            Some(t) => {
                let of_row = design.mean.random[t].level_of_row.clone();
                let cases = eliminate(&of_row, fit.random[t].sd[0], &weight, &regressors, &mut data);
                (of_row, cases)
            }
        };
        let curvature = Matrix::from_fn(size, size, |i, j| {
            scale[i] * data[(i, j)] * scale[j] + f64::from(u8::from(i == j && i >= fixed))
        });
        let root = curvature.cholesky()?;
        let mut covariance = root.cholesky_inverse();
        for j in 0..size {
            (0..size).for_each(|i| covariance[(i, j)] *= scale[i] * scale[j]);
        }
        with_fixed_covariance(&mut covariance, &fit.fixed.covariance);
        Some(Self {
            fixed,
            first,
            covariance,
            data,
            scale,
            mode,
            score,
            root,
            weight,
            residual,
            regressors,
            case_of_row,
            cases,
        })
    }

    /// The test of a column with one value for each row; nothing where the model holds it already.
    pub fn added(&self, column: &[f64]) -> Option<Added> {
        let mut against = vec![0.0; self.root.rows];
        let mut whole = 0.0;
        let mut of_case = vec![0.0; self.cases.len()];
        for (row, &z) in column.iter().enumerate().filter(|(_, z)| **z != 0.0) {
            let wz = self.weight[row] * z;
            whole += wz * z;
            self.regressors[row].iter().for_each(|&(j, x)| against[j as usize] += wz * x);
            if let Some(sum) = of_case.get_mut(self.case_of_row[row] as usize) {
                *sum += wz;
            }
        }
        let before = whole;
        for (case, sum) in self.cases.iter().zip(of_case).filter(|(_, sum)| *sum != 0.0) {
            whole -= sum * sum * case.curvature;
            case.sums.iter().for_each(|&(j, x)| against[j as usize] -= sum * case.curvature * x);
        }
        against.iter_mut().zip(&self.scale).for_each(|(a, scale)| *a *= scale);
        let left = whole - dot(&self.root.cholesky_solve(&against), &against);
        (left > 1e-9 * before).then(|| {
            let score = dot(column, &self.residual);
            Added { estimate: score / left, se: left.sqrt().recip() }
        })
    }
}

/// Puts the covariance of the fixed effects that the fit itself tells, which knows that variances are estimated and how the
/// likelihood bends away from the mode, in the place of that of the equations. Random effects follow: their errors are
/// those given the fixed effects, and what the fixed effects' errors do to them.
fn with_fixed_covariance(covariance: &mut Matrix, fixed: &Matrix) {
    let (p, size) = (fixed.rows, covariance.rows);
    let Some(root) = covariance.block(0, p).cholesky() else { return };
    if fixed.values.iter().any(|v| !v.is_finite()) {
        return;
    }
    let change = Matrix::from_fn(p, p, |i, j| fixed[(i, j)] - covariance[(i, j)]);
    // Rows of the regression of all errors on those of the fixed effects; of the fixed effects the identity.
    let by_fixed: Vec<Vec<f64>> =
        (0..size).map(|i| root.cholesky_solve(&(0..p).map(|j| covariance[(i, j)]).collect::<Vec<_>>())).collect();
    let changed: Vec<Vec<f64>> = by_fixed.iter().map(|row| change.times(row)).collect();
    for j in 0..size {
        (0..size).for_each(|i| covariance[(i, j)] += dot(&by_fixed[i], &changed[j]));
    }
}

/// Takes the effects of cases out of the curvature of the rest. What is kept of a case is σ²/(σ² Σw + 1) and its sums.
fn eliminate(
    case_of_row: &[u32],
    sd: f64,
    weight: &[f64],
    regressors: &[Vec<(u32, f64)>],
    curvature: &mut Matrix,
) -> Vec<CaseBlock> {
    let count = case_of_row.iter().max().map_or(0, |&m| m as usize + 1);
    let mut rows_of: Vec<Vec<u32>> = vec![Vec::new(); count];
    case_of_row.iter().enumerate().for_each(|(row, &case)| rows_of[case as usize].push(row as u32));
    let mut dense = vec![0.0; curvature.rows];
    rows_of
        .iter()
        .map(|rows| {
            let (mut total, mut touched) = (0.0, Vec::new());
            for &row in rows {
                let w = weight[row as usize];
                total += w;
                for &(j, x) in &regressors[row as usize] {
                    if dense[j as usize] == 0.0 {
                        touched.push(j);
                    }
                    dense[j as usize] += w * x;
                }
            }
            touched.sort_unstable();
            touched.dedup();
            let sums: Vec<(u32, f64)> = touched.iter().map(|&j| (j, std::mem::take(&mut dense[j as usize]))).collect();
            let block = CaseBlock { curvature: sd * sd / (sd * sd * total + 1.0), sums };
            for &(i, a) in &block.sums {
                block.sums.iter().for_each(|&(j, b)| curvature[(i as usize, j as usize)] -= block.curvature * a * b);
            }
            block
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failures::model::fit_failures;
    use crate::failures::testing::small_study;
    use regiscope_glmm::infer::predict::{PredictSettings, predict};

    /// The variances of linear predictors without the case's effect are those of the fit's own prediction.
    #[test]
    fn covariances_are_those_of_predictions() {
        let observations = small_study(3);
        let model = fit_failures(&observations, &[0, 2], None).unwrap();
        let joint = Linearised::new(&model).unwrap();
        // New cases: the case's effect adds its variance and nothing else.
        let mut new = model.design.mean.clone();
        let case = model.case_term.unwrap();
        new.random[case].level_of_row.fill(regiscope_glmm::design::RandomTerm::NEW_LEVEL);
        let settings = PredictSettings { draws: 0, ..PredictSettings::default() };
        let predicted = predict(&model.design, &model.fit, &new, None, &settings).unwrap();
        let rows = model.fit.rows;
        for i in 0..joint.fixed {
            for j in 0..joint.fixed {
                let scale = model.fit.fixed.se[i] * model.fit.fixed.se[j];
                assert!((joint.covariance[(i, j)] - model.fit.fixed.covariance[(i, j)]).abs() < 1e-9 * scale);
            }
        }
        for row in [0, 7, 101, rows - 1] {
            let mut x = vec![0.0; joint.covariance.rows];
            (0..joint.fixed).for_each(|j| x[j] = model.design.mean.fixed.column(j)[row]);
            for (t, term) in model.design.mean.random.iter().enumerate() {
                let Some(first) = joint.first[t] else { continue };
                let start = first + term.level_of_row[row] as usize * term.columns.len();
                (0..term.columns.len()).for_each(|c| x[start + c] = term.values[c * rows + row]);
            }
            let variance = dot(&joint.covariance.times(&x), &x);
            let expected = predicted.link_se[row].powi(2) - model.fit.random[case].covariance[(0, 0)];
            // Random effects of the prediction have variances that count as known.
            assert!((variance / expected - 1.0).abs() < 0.05, "{row}: {variance} {expected}");
        }
    }

    /// One Newton step from zero comes near the estimate and the z of the larger model.
    #[test]
    fn an_omitted_effect_is_found_again() {
        let observations = small_study(4);
        let whole = fit_failures(&observations, &[], None).unwrap();
        let mut without = observations.clone();
        let omitted = without.effects.remove(1);
        let smaller = fit_failures(&without, &[], None).unwrap();
        let joint = Linearised::new(&smaller).unwrap();
        let column: Vec<f64> = observations.rows.iter().map(|row| omitted.values[row.case as usize]).collect();
        let added = joint.added(&column).unwrap();
        let (estimate, se) = (whole.fit.fixed.values[2], whole.fit.fixed.se[2]);
        assert!((added.estimate / added.se - estimate / se).abs() < 0.35, "{added:?} {estimate} {se}");
        assert!((added.se / se - 1.0).abs() < 0.1);
        // What the model holds already adds nothing.
        let held: Vec<f64> =
            observations.rows.iter().map(|row| 2.0 * without.effects[0].values[row.case as usize] - 1.0).collect();
        assert!(joint.added(&held).is_none());
    }
}
