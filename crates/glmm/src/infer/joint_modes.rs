//! How sure fixed and random effects are together, given the covariance parameters.
//!
//! With f the penalised negative log-likelihood, W its curvature in the linear predictors and H = ΛᵀZᵀWZΛ + I, the modes
//! move with the fixed effects as û(β) = û − K (β − β̂), K = H⁻¹ΛᵀZᵀWX, so that a linear predictor xᵀβ + zᵀΛu has the
//! variance (x − Kᵀa)ᵀ V (x − Kᵀa) + aᵀH⁻¹a with a = Λᵀz (Henderson 1975; Booth & Hobert 1998, equation 6).

use crate::cholesky::Factor;
use crate::cross::{CrossPattern, Weights};
use crate::design::{Design, Predictor, RandomTerm};
use crate::family::likelihood::{Likelihood, Slopes};
use crate::fit::Fit;
use crate::matrix::{Matrix, dot};
use crate::random::Layout;
use crate::settings::Family;
use crate::sparse::Pattern;

/// The factor of H, K, and the covariance of the fixed effects of all predictors.
pub(crate) struct JointModes<'a> {
    layout: Layout<'a>,
    pattern: Pattern,
    factor: Factor,
    /// Λ of every term, on the scale of the linear predictor.
    factors: Vec<Matrix>,
    /// K, one column for each fixed effect of the mean, then of the zero part.
    k: Matrix,
    /// First fixed effect of each predictor.
    first: Vec<usize>,
    /// V.
    covariance: Matrix,
}

/// A linear predictor of new data: its fixed effects less what the modes follow, and its random part.
pub(crate) struct RowVector {
    /// x − Kᵀa, over the fixed effects of all predictors.
    x: Vec<f64>,
    /// L⁻¹Pa.
    a: Vec<f64>,
    /// Variance of the effects of levels that the fit did not see.
    new: f64,
}

impl<'a> JointModes<'a> {
    /// Nothing where H has no factor.
    pub fn new(design: &'a Design, fit: &Fit) -> Option<Self> {
        let layout = Layout::new(design);
        let weights = curvature(design, fit);
        let cross = CrossPattern::new(&layout, design.weights.len());
        let pattern = Pattern::new(&layout, &cross);
        let mut factors = layout.factors(&fit.theta);
        if fit.settings.is_linear() {
            factors.iter_mut().flat_map(|f| &mut f.values).for_each(|v| *v *= fit.sigma);
        }
        let mut blocks = vec![0.0; cross.len];
        cross.assemble(&layout, &weights, &mut blocks);
        cross.conjugate(&layout, &factors, &mut blocks, true);
        let mut factor = Factor::default();
        if !factor.factorise(&layout, &cross, &pattern, &blocks) {
            return None;
        }
        let predictors: Vec<&Predictor> = std::iter::once(&design.mean).chain(&design.zero).collect();
        let mut first = vec![0];
        predictors.iter().for_each(|p| first.push(first[first.len() - 1] + p.fixed.columns()));
        let mut k = Matrix::zeros(layout.effects(), first[predictors.len()]);
        for (a, predictor) in predictors.iter().enumerate() {
            for j in 0..predictor.fixed.columns() {
                let mut z = vec![0.0; layout.effects()];
                for b in 0..predictors.len() {
                    let w = weights.between(a, b);
                    let weighted: Vec<f64> = w.iter().zip(predictor.fixed.column(j)).map(|(w, x)| w * x).collect();
                    if !weighted.is_empty() {
                        layout.add_transpose_product(b, &weighted, &mut z);
                    }
                }
                let mut x = pattern.permute(&layout, &layout.apply(&factors, &z, true));
                factor.solve(&pattern, &mut x);
                k.column_mut(first[a] + j).copy_from_slice(&pattern.permute_back(&layout, &x));
            }
        }
        let covariance = fit.parameters.covariance.block(0, first[predictors.len()]);
        Some(Self { layout, pattern, factor, factors, k, first, covariance })
    }

    /// The linear predictor of one row of new data. Terms stand in the order of the fit's; those left out count as zero.
    pub fn row(&self, predictor: usize, data: &Predictor, row: usize, fit: &Fit) -> RowVector {
        let mut x = vec![0.0; self.k.columns];
        (0..data.fixed.columns()).for_each(|j| x[self.first[predictor] + j] = data.fixed.column(j)[row]);
        let mut z = vec![0.0; self.layout.effects()];
        let mut new = 0.0;
        let own = (0..self.layout.terms.len()).filter(|&t| self.layout.predictor[t] == predictor);
        for (t, term) in own.zip(&data.random) {
            let effects = term.columns.len();
            let value = |c: usize| term.values[c * data.fixed.rows + row];
            match term.level_of_row[row] {
                RandomTerm::NEW_LEVEL => {
                    let sigma = &fit.random[t].covariance;
                    for c in 0..effects {
                        new += (0..effects).map(|d| value(c) * sigma[(c, d)] * value(d)).sum::<f64>();
                    }
                }
                level => {
                    let start = self.layout.first[t] + level as usize * effects;
                    (0..effects).for_each(|c| z[start + c] = value(c));
                }
            }
        }
        let mut a = Vec::new();
        if z.iter().any(|&v| v != 0.0) {
            let spherical = self.layout.apply(&self.factors, &z, true);
            x.iter_mut().enumerate().for_each(|(j, x)| *x -= dot(self.k.column(j), &spherical));
            a = self.pattern.permute(&self.layout, &spherical);
            self.factor.forward(&self.pattern, &mut a);
        }
        RowVector { x, a, new }
    }

    /// Covariance of two linear predictors of one row of new data (levels that are new to both terms are independent).
    pub fn covariance(&self, p: &RowVector, q: &RowVector) -> f64 {
        let random = if p.a.len() == q.a.len() { dot(&p.a, &q.a) } else { 0.0 };
        dot(&self.covariance.times(&p.x), &q.x) + random
    }

    /// Variance of a linear predictor.
    pub fn variance(&self, p: &RowVector) -> f64 {
        self.covariance(p, p) + p.new
    }
}

/// W: minus the second derivatives of the log-density in the linear predictors.
fn curvature(design: &Design, fit: &Fit) -> Weights {
    if fit.settings.is_linear() {
        let precision = fit.sigma.powi(-2);
        return Weights { by_pair: [design.weights.iter().map(|w| w * precision).collect(), vec![], vec![]] };
    }
    let likelihood = Likelihood::new(design, &fit.settings);
    let shapes = likelihood.shapes();
    let values = &fit.parameters.values;
    let shape: Vec<f64> = match (fit.settings.family, &fit.thresholds) {
        (Family::Ordinal, Some(thresholds)) => thresholds.values.clone(),
        _ => values[values.len() - shapes..].to_vec(),
    };
    let eta = &fit.linear_predictors;
    let mut slopes = Slopes::default();
    likelihood.slopes([&eta[0], eta.get(1).map_or(&[], Vec::as_slice)], &shape, &mut slopes);
    slopes.w
}
