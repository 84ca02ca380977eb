//! Random terms in well-conditioned columns.
//!
//! A slope on a calendar year, or on a covariate in millions, leaves Z with columns that are nearly parallel or of very
//! different lengths, and the deviance in θ with a valley that no step follows. The model is the same in other columns:
//! with Z' = Z B and b = B b', the covariance of b' is Σ' = B⁻¹ Σ B⁻ᵀ. B is lower triangular, so that Λ = B Λ' is lower
//! triangular too and θ is a linear function of θ'. For unstructured covariances B makes the columns of Z' orthonormal (in
//! mean square over the rows); the other forms allow scaling only. Terms whose columns are well conditioned stay as they
//! are.

use crate::design::{Covariance, Design, RandomTerm};
use crate::fit::Fit;
use crate::matrix::{Matrix, dot};
use crate::random::{Layout, factor, parameter_count};
use crate::report::random_effects;
use crate::settings::Settings;
use crate::verdict::Message;

/// A root mean square of a column that is this many times above or below 1 is brought to 1.
const LONG: f64 = 30.0;

/// Columns of a term are turned where their correlation matrix (about zero) has an eigenvalue below this.
const PARALLEL: f64 = 0.01;

/// B of every term, those of the mean before those of the zero part; nothing where the term stays.
pub struct TermBases {
    bases: Vec<Option<Matrix>>,
}

impl TermBases {
    /// The bases of a design; nothing where all terms stay.
    pub fn of(design: &Design) -> Option<Self> {
        let bases: Vec<_> = terms(design).map(|term| basis(term, design.rows.len())).collect();
        bases.iter().any(Option::is_some).then_some(TermBases { bases })
    }

    /// The design with Z' in the place of Z.
    pub fn turned(&self, design: &Design) -> Design {
        let mut turned = design.clone();
        let rows = design.rows.len();
        let predictors = std::iter::once(&mut turned.mean).chain(turned.zero.as_mut());
        for (term, basis) in predictors.flat_map(|p| &mut p.random).zip(&self.bases) {
            let Some(basis) = basis else { continue };
            let k = basis.rows;
            let mut values = vec![0.0; term.values.len()];
            for j in 0..k {
                for i in j..k {
                    let column = &term.values[i * rows..(i + 1) * rows];
                    crate::matrix::add_scaled(&mut values[j * rows..(j + 1) * rows], basis[(i, j)], column);
                }
            }
            term.values = values;
        }
        turned
    }

    /// The settings with θ' as their start where they name a θ.
    pub fn turned_settings(&self, design: &Design, settings: &Settings) -> Settings {
        let layout = Layout::new(design);
        let mut settings = settings.clone();
        settings.start = settings.start.take().map(|theta| self.turned_theta(&layout, &theta));
        settings
    }

    /// θ'(θ).
    fn turned_theta(&self, layout: &Layout, theta: &[f64]) -> Vec<f64> {
        let of_term = |t: usize| {
            let part = layout.theta(t, theta);
            match &self.bases[t] {
                None => part.to_vec(),
                // The map is linear and triangular.
                Some(basis) => triangular_solve(&jacobian(layout.terms[t].covariance, basis), part),
            }
        };
        (0..layout.terms.len()).flat_map(of_term).collect()
    }

    /// A fit of the turned design as one of the design itself.
    pub fn restored(&self, mut fit: Fit, design: &Design, settings: &Settings) -> Fit {
        let layout = Layout::new(design);
        let first = fit.fixed.values.len() + fit.zero.as_ref().map_or(0, |z| z.values.len());
        let count = fit.parameters.values.len();
        let mut turn = Matrix::identity(count);
        for (t, basis) in self.bases.iter().enumerate() {
            let Some(basis) = basis else { continue };
            let block = jacobian(layout.terms[t].covariance, basis);
            let at = layout.first_theta[t];
            let theta = block.times(layout.theta(t, &fit.theta));
            fit.theta[at..at + theta.len()].copy_from_slice(&theta);
            for j in 0..block.columns {
                for i in 0..block.rows {
                    turn[(first + at + i, first + at + j)] = block[(i, j)];
                }
            }
        }
        fit.parameters.values[first..first + fit.theta.len()].copy_from_slice(&fit.theta);
        let covariance = fit.parameters.covariance.congruence(&turn);
        fit.parameters = crate::fit::Estimates::new(fit.parameters.names, fit.parameters.values, covariance);

        let identity = |t: usize| Matrix::identity(layout.terms[t].columns.len());
        let bases: Vec<Matrix> =
            self.bases.iter().enumerate().map(|(t, b)| b.clone().unwrap_or_else(|| identity(t))).collect();
        let mut b = Vec::with_capacity(layout.effects());
        let mut conditional = Vec::with_capacity(bases.len());
        for (random, basis) in fit.random.iter().zip(&bases) {
            for l in 0..random.levels.len() {
                let mode: Vec<f64> = (0..basis.rows).map(|c| random.modes[(l, c)]).collect();
                b.extend(basis.times(&mode));
            }
            conditional.push(random.conditional.iter().map(|c| c.congruence(basis)).collect());
        }
        for between in &mut fit.between_terms {
            let (left, right) = (&bases[between.terms.0], bases[between.terms.1].transpose());
            between.conditional.iter_mut().for_each(|c| *c = left.product(c).product(&right));
        }
        let linear = settings.is_linear();
        let last = first + fit.theta.len() + usize::from(linear);
        let theta_covariance = fit.parameters.covariance.block(first, last);
        let sigma = if linear { fit.sigma } else { 1.0 };
        fit.random = random_effects(&layout, &fit.theta, sigma, &b, conditional, &theta_covariance, linear);
        for message in &mut fit.messages {
            if let Message::Singular { group, columns, sd } = message
                && let Some(random) = fit.random.iter().find(|r| r.group == *group && r.columns == *columns)
            {
                sd.clone_from(&random.sd);
            }
        }
        fit.settings = settings.clone();
        fit
    }
}

/// A design and the linear mixed model fitted to it with their random terms in well-conditioned columns, for what does not
/// depend on the columns (tests of fixed effects, degrees of freedom); nothing where all terms stay. Of the fit θ and the
/// covariances of the random effects are turned.
pub fn turned_pair(design: &Design, fit: &Fit) -> Option<(Design, Fit)> {
    let bases = TermBases::of(design)?;
    let layout = Layout::new(design);
    if fit.theta.len() != layout.parameters() || fit.random.len() != layout.terms.len() {
        return None;
    }
    let mut turned = fit.clone();
    turned.theta = bases.turned_theta(&layout, &fit.theta);
    for (random, lambda) in turned.random.iter_mut().zip(layout.factors(&turned.theta)) {
        random.covariance = lambda.product(&lambda.transpose());
        random.covariance.values.iter_mut().for_each(|v| *v *= fit.sigma * fit.sigma);
    }
    Some((bases.turned(design), turned))
}

fn terms(design: &Design) -> impl Iterator<Item = &RandomTerm> {
    std::iter::once(&design.mean).chain(design.zero.as_ref()).flat_map(|p| &p.random)
}

/// B of one term; nothing where it stays.
fn basis(term: &RandomTerm, rows: usize) -> Option<Matrix> {
    let k = term.columns.len();
    if rows == 0 || k == 0 || (k == 1 && term.values.first() == Some(&1.0) && term.values.iter().all(|&v| v == 1.0)) {
        return None;
    }
    let column = |j: usize| &term.values[j * rows..(j + 1) * rows];
    let length = |j: usize| {
        let square = dot(column(j), column(j)) / rows as f64;
        if square.is_finite() && square > 0.0 { square.sqrt() } else { 1.0 }
    };
    let lengths: Vec<f64> = (0..k).map(length).collect();
    let long = lengths.iter().any(|l| !(1.0 / LONG..=LONG).contains(l));
    let scaling = || Matrix::from_fn(k, k, |i, j| if i == j { 1.0 / lengths[i] } else { 0.0 });
    if term.covariance != Covariance::Unstructured || k == 1 {
        return long.then(scaling);
    }
    let mut correlation = Matrix::identity(k);
    for j in 0..k {
        for i in j + 1..k {
            let share = dot(column(i), column(j)) / (rows as f64 * lengths[i] * lengths[j]);
            correlation[(i, j)] = share;
            correlation[(j, i)] = share;
        }
    }
    let least = correlation.symmetric_eigen().0.into_iter().fold(f64::INFINITY, f64::min);
    if !long && least >= PARALLEL {
        return None;
    }
    // From the last column to the first, so that B is lower triangular; without full rank only the scale is mended.
    let reversed = Matrix::from_fn(k, k, |i, j| correlation[(k - 1 - i, k - 1 - j)]);
    let Some(l) = reversed.cholesky().filter(|l| l.diagonal().iter().all(|&d| d > 1e-6)) else {
        return Some(scaling());
    };
    let mut basis = Matrix::zeros(k, k);
    for j in 0..k {
        let mut unit = vec![0.0; k];
        unit[k - 1 - j] = 1.0;
        l.lower_transpose_solve(&mut unit);
        for i in j..k {
            basis[(i, j)] = unit[k - 1 - i] / lengths[i];
        }
    }
    Some(basis)
}

/// ∂θ/∂θ' of one term, lower triangular.
fn jacobian(covariance: Covariance, basis: &Matrix) -> Matrix {
    let k = basis.rows;
    let count = parameter_count(covariance, k);
    let mut jacobian = Matrix::identity(count);
    match covariance {
        Covariance::Unstructured => {
            for m in 0..count {
                let mut unit = vec![0.0; count];
                unit[m] = 1.0;
                let lambda = basis.product(&factor(covariance, k, &unit));
                let lower = (0..k).flat_map(|j| (j..k).map(move |i| (i, j)));
                let column: Vec<f64> = lower.map(|ij| lambda[ij]).collect();
                jacobian.column_mut(m).copy_from_slice(&column);
            }
        }
        Covariance::Diagonal => (0..k).for_each(|i| jacobian[(i, i)] = basis[(i, i)]),
        // θ is the root of the standard deviation; a single effect has its standard deviation itself.
        Covariance::CompoundSymmetric if k == 1 => jacobian[(0, 0)] = basis[(0, 0)],
        Covariance::CompoundSymmetric => (0..k).for_each(|i| jacobian[(i, i)] = basis[(i, i)].sqrt()),
    }
    jacobian
}

fn triangular_solve(lower: &Matrix, right: &[f64]) -> Vec<f64> {
    let mut x = right.to_vec();
    lower.lower_solve(&mut x);
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::fit;
    use crate::infer::kenward_roger::KenwardRoger;
    use crate::infer::profile_likelihood::profile_intervals;
    use crate::infer::satterthwaite::Satterthwaite;
    use crate::settings::{Criterion, Family, Settings};
    use crate::testing;

    /// A design with other columns in its random terms: `(x + c) s` for the last column x of each.
    fn moved(design: &Design, centre: f64, scale: f64) -> Design {
        let mut moved = design.clone();
        for term in &mut moved.mean.random {
            let from = term.values.len() - design.rows.len();
            let diagonal = term.covariance != Covariance::Unstructured || term.columns.len() == 1;
            let centre = if diagonal { 0.0 } else { centre };
            term.values[from..].iter_mut().for_each(|v| *v = (*v + centre) * scale);
        }
        moved
    }

    #[test]
    fn the_scale_and_the_origin_of_a_slope_leave_the_model_as_it_is() {
        let mut turned = 0;
        for design in testing::linear_designs() {
            for criterion in [Criterion::Ml, Criterion::Reml] {
                let settings = Settings { criterion, ..Settings::new(Family::Gaussian) };
                let plain = fit(&design, &settings, &mut |_| ()).unwrap();
                for (centre, scale) in [(2000.0, 1.0), (0.0, 1e5), (3.0, 1e-4)] {
                    let design = moved(&design, centre, scale);
                    turned += usize::from(TermBases::of(&design).is_some());
                    let other = fit(&design, &settings, &mut |_| ()).unwrap();
                    assert!(other.verdict.converged, "{:?}", other.verdict);
                    assert!((other.log_lik - plain.log_lik).abs() < 1e-7, "{} {}", other.log_lik, plain.log_lik);
                    for (a, b) in other.fitted.iter().zip(&plain.fitted) {
                        assert!((a - b).abs() < 1e-4, "{a} {b}");
                    }
                    for (a, b) in other.random.iter().zip(&plain.random) {
                        let last = b.sd.len() - 1;
                        let sd = a.sd[last] * scale;
                        assert!((sd - b.sd[last]).abs() < 1e-4 * b.sd[last].max(1e-2), "{sd} {}", b.sd[last]);
                        // A variance of zero has no error of its logarithm.
                        let close = |a: f64, b: f64| b.is_nan() || b > 10.0 || (a - b).abs() < 1e-2 * b;
                        assert!(close(a.log_sd_se[last], b.log_sd_se[last]), "{:?} {:?}", a.log_sd_se, b.log_sd_se);
                    }
                }
            }
        }
        assert!(turned > 0);
    }

    /// Degrees of freedom and intervals of fixed effects do not know the columns of the random terms.
    #[test]
    fn inference_of_fixed_effects_is_that_of_slopes_near_zero() {
        let with_slope = |d: &Design| d.mean.random.iter().any(|t| t.columns.len() == 2);
        let design = testing::linear_designs().into_iter().find(with_slope).unwrap();
        let settings = Settings::new(Family::Gaussian);
        let contrast: Vec<f64> = (0..design.mean.fixed.columns()).map(|j| f64::from(u8::from(j == 1))).collect();
        let figures = |design: &Design| {
            let fit = fit(design, &settings, &mut |_| ()).unwrap();
            let name = design.mean.fixed.names[1].clone();
            let interval = &profile_intervals(design, &fit, 0.95, |n| n == name).unwrap()[0];
            let satterthwaite = Satterthwaite::new(design, &fit).unwrap().df(&contrast);
            let kenward_roger = KenwardRoger::new(design, &fit).unwrap().df(&contrast);
            [satterthwaite, kenward_roger, interval.lower, interval.upper]
        };
        let near = figures(&design);
        let far = moved(&design, 3000.0, 1.0);
        assert!(TermBases::of(&far).is_some());
        for (a, b) in figures(&far).iter().zip(near) {
            assert!((a - b).abs() < 1e-3 * b.abs(), "{a} {b}");
        }
    }

    #[test]
    fn bases_make_columns_orthonormal_and_parameters_follow() {
        let rows = 50;
        let mut values = vec![1.0; rows];
        values.extend((0..rows).map(|i| 2010.0 + (i % 7) as f64));
        let term = RandomTerm {
            group: "g".into(),
            levels: vec!["a".into()],
            level_of_row: vec![0; rows],
            columns: vec!["(Intercept)".into(), "year".into()],
            values,
            covariance: Covariance::Unstructured,
        };
        let b = basis(&term, rows).unwrap();
        assert_eq!(b[(0, 1)], 0.0);
        let column = |j: usize| -> Vec<f64> {
            (0..rows).map(|i| (0..2).map(|m| term.values[m * rows + i] * b[(m, j)]).sum()).collect()
        };
        for (i, j, expected) in [(0, 0, 1.0), (1, 1, 1.0), (0, 1, 0.0)] {
            assert!((dot(&column(i), &column(j)) / rows as f64 - expected).abs() < 1e-6);
        }
        // Λ = B Λ'.
        let turned = [0.7, -0.2, 0.4];
        let theta = jacobian(Covariance::Unstructured, &b).times(&turned);
        let lambda = factor(Covariance::Unstructured, 2, &theta);
        let expected = b.product(&factor(Covariance::Unstructured, 2, &turned));
        assert!(lambda.values.iter().zip(&expected.values).all(|(a, b)| (a - b).abs() < 1e-12));
        let back = triangular_solve(&jacobian(Covariance::Unstructured, &b), &theta);
        assert!(back.iter().zip(&turned).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
