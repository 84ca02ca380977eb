//! Tests of fixed effects: one coefficient, several together, terms.

use serde::{Deserialize, Serialize};

use super::contrasts::{Coefficients, FunctionTests, LinearFunction, test_functions};
use super::distributions::upper_f;
use super::error::InferenceError;
use super::kenward_roger::KenwardRoger;
use super::linear_state::belongs;
use super::multiplicity::Adjustment;
use super::rectangle::Integration;
use super::satterthwaite::Satterthwaite;
use crate::design::Design;
use crate::fit::Fit;
use crate::matrix::{Matrix, dot};

/// How sure the standard errors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DegreesOfFreedom {
    /// As sure as in an infinite sample: z and χ² tests. All families.
    Asymptotic,
    /// Satterthwaite's: linear mixed models.
    Satterthwaite,
    /// Kenward and Roger's, with their adjusted covariance: linear mixed models by REML.
    KenwardRoger,
}

/// Fixed effects of the mean with their covariance and degrees of freedom.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedEffects {
    /// Names of the coefficients.
    pub names: Vec<String>,
    /// The coefficients.
    pub values: Vec<f64>,
    /// Rows of their covariance (adjusted by Kenward and Roger's method).
    pub covariance: Vec<Vec<f64>>,
    method: Method,
}

#[derive(Clone, Debug, PartialEq)]
enum Method {
    Asymptotic,
    Satterthwaite(Box<Satterthwaite>),
    KenwardRoger(Box<KenwardRoger>),
}

/// A joint test of several contrasts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JointTest {
    /// What is tested.
    pub label: String,
    /// F (times Kenward and Roger's scale).
    pub f: f64,
    /// Numerator degrees of freedom: the number of independent contrasts.
    pub df1: f64,
    /// Denominator degrees of freedom (infinite: a χ² test).
    pub df2: f64,
    /// Probability of a larger F.
    pub p: f64,
}

/// Which hypothesis stands for a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermTest {
    /// Its effect after all other terms but those that contain it.
    TypeTwo,
    /// Its coefficients are zero, all others in the model. For terms that interactions contain this depends on the
    /// contrasts; only those that sum to zero give the usual meaning.
    TypeThree,
}

impl FixedEffects {
    /// The fixed effects of a fit with the degrees of freedom that were asked for.
    pub fn new(design: &Design, fit: &Fit, method: DegreesOfFreedom) -> Result<Self, InferenceError> {
        belongs(design, fit)?;
        let method = match method {
            DegreesOfFreedom::Asymptotic => Method::Asymptotic,
            DegreesOfFreedom::Satterthwaite => Method::Satterthwaite(Box::new(Satterthwaite::new(design, fit)?)),
            DegreesOfFreedom::KenwardRoger => Method::KenwardRoger(Box::new(KenwardRoger::new(design, fit)?)),
        };
        let covariance = match &method {
            Method::KenwardRoger(kr) => &kr.adjusted,
            _ => &fit.fixed.covariance,
        };
        let rows = (0..covariance.rows).map(|i| (0..covariance.columns).map(|j| covariance[(i, j)]).collect());
        Ok(Self {
            names: fit.fixed.names.clone(),
            values: fit.fixed.values.clone(),
            covariance: rows.collect(),
            method,
        })
    }

    /// Degrees of freedom of one contrast.
    pub fn df(&self, contrast: &[f64]) -> f64 {
        match &self.method {
            Method::Asymptotic => f64::INFINITY,
            Method::Satterthwaite(s) => s.df(contrast),
            Method::KenwardRoger(kr) => kr.df(contrast),
        }
    }

    /// Each coefficient against zero, with intervals of this level.
    pub fn coefficient_tests(&self, level: f64) -> Result<FunctionTests, InferenceError> {
        let p = self.values.len();
        let unit = |j: usize| (0..p).map(|i| f64::from(i == j)).collect();
        let functions: Vec<LinearFunction> =
            (0..p).map(|j| LinearFunction { label: self.names[j].clone(), coefficients: unit(j) }).collect();
        self.function_tests(&functions, Adjustment::None, level, &Integration::default())
    }

    /// Linear functions against zero, adjusted for their number.
    pub fn function_tests(
        &self,
        functions: &[LinearFunction],
        adjustment: Adjustment,
        level: f64,
        integration: &Integration,
    ) -> Result<FunctionTests, InferenceError> {
        let expected = self.values.len();
        if let Some(found) = functions.iter().map(|f| f.coefficients.len()).find(|&n| n != expected) {
            return Err(InferenceError::Contrast { found, expected });
        }
        if !(level > 0.0 && level < 1.0) {
            let accepted = "a level is between 0 and 1".into();
            return Err(InferenceError::Value { what: "the level", found: level.to_string(), accepted });
        }
        let df = |contrast: &[f64]| self.df(contrast);
        let coefficients = Coefficients { values: &self.values, covariance: &self.covariance, df: &df };
        Ok(test_functions(functions, &coefficients, adjustment, level, integration)?)
    }

    /// Several contrasts (rows of numbers, one for each coefficient) together against zero. Contrasts that others span
    /// are left out.
    pub fn joint_test(&self, label: &str, contrasts: &[Vec<f64>]) -> Result<JointTest, InferenceError> {
        let expected = self.values.len();
        if let Some(found) = contrasts.iter().map(Vec::len).find(|&n| n != expected) {
            return Err(InferenceError::Contrast { found, expected });
        }
        let kept = crate::linear::independent_columns(expected, &contrasts.concat(), None);
        let contrasts: Vec<Vec<f64>> =
            contrasts.iter().zip(kept).filter(|(_, kept)| *kept).map(|(c, _)| c.clone()).collect();
        let q = contrasts.len();
        if q == 0 {
            let accepted = "a joint test needs at least one contrast that is not zero".into();
            return Err(InferenceError::Value { what: "the number of contrasts", found: "0".into(), accepted });
        }
        let values: Vec<f64> = contrasts.iter().map(|c| dot(c, &self.values)).collect();
        let images: Vec<Vec<f64>> =
            contrasts.iter().map(|c| self.covariance.iter().map(|row| dot(row, c)).collect()).collect();
        let middle = Matrix::from_fn(q, q, |i, j| dot(&images[j], &contrasts[i]));
        let method = "the joint test";
        let root =
            middle.cholesky().ok_or(InferenceError::Indefinite { what: "the covariance of the contrasts", method })?;
        let wald = dot(&root.cholesky_solve(&values), &values) / q as f64;
        let (f, df2) = match &self.method {
            Method::Asymptotic => (wald, f64::INFINITY),
            Method::Satterthwaite(s) => (wald, s.joint_df(&contrasts)),
            Method::KenwardRoger(kr) => {
                let scaled = kr.joint(&contrasts);
                (wald * scaled.scale, scaled.df)
            }
        };
        let df1 = q as f64;
        Ok(JointTest { label: label.into(), f, df1, df2, p: upper_f(f, df1, df2) })
    }

    /// One test for each term of the design's fixed effects but the intercept.
    pub fn term_tests(&self, design: &Design, kind: TermTest) -> Result<Vec<JointTest>, InferenceError> {
        let fixed = &design.mean.fixed;
        let p = fixed.columns();
        let columns_of = |term: usize| (0..p).filter(move |&j| fixed.term_of_column[j] == term);
        let tested = (0..fixed.terms.len()).filter(|&t| fixed.terms[t] != "(Intercept)");
        let mut tests = Vec::new();
        for term in tested.filter(|&t| columns_of(t).next().is_some()) {
            let relatives: Vec<usize> = match kind {
                TermTest::TypeThree => Vec::new(),
                TermTest::TypeTwo => (0..fixed.terms.len())
                    .filter(|&other| contains(&fixed.terms[other], &fixed.terms[term]))
                    .flat_map(columns_of)
                    .collect(),
            };
            let contrasts = self.orthogonal_to(&relatives, columns_of(term))?;
            tests.push(self.joint_test(&fixed.terms[term], &contrasts)?);
        }
        Ok(tests)
    }

    /// Unit contrasts of columns, made uncorrelated with the coefficients of the relatives.
    fn orthogonal_to(
        &self,
        relatives: &[usize],
        columns: impl Iterator<Item = usize>,
    ) -> Result<Vec<Vec<f64>>, InferenceError> {
        let v = &self.covariance;
        let r = relatives.len();
        let block = Matrix::from_fn(r, r, |i, j| v[relatives[i]][relatives[j]]);
        let method = "the type II test";
        let root = block
            .cholesky()
            .ok_or(InferenceError::Indefinite { what: "the covariance of the coefficients", method })?;
        Ok(columns
            .map(|j| {
                let mut contrast = vec![0.0; v.len()];
                contrast[j] = 1.0;
                let between: Vec<f64> = relatives.iter().map(|&i| v[i][j]).collect();
                for (&i, s) in relatives.iter().zip(root.cholesky_solve(&between)) {
                    contrast[i] = -s;
                }
                contrast
            })
            .collect())
    }
}

/// Whether an interaction contains a term: all of its variables and at least one more.
fn contains(interaction: &str, term: &str) -> bool {
    let parts = |t: &str| t.split(':').map(String::from).collect::<Vec<_>>();
    let (all, some) = (parts(interaction), parts(term));
    some.len() < all.len() && some.iter().all(|s| all.contains(s))
}
