//! Every figure of a fit, under the names that scripts read.

use super::entries::Entries;
use super::inference::Inference;
use super::linear::LinearPart;
use crate::design::Design;
use crate::fit::{Estimates, Fit, RandomEffects};
use crate::formula::{DesignRecipe, Warning};
use crate::infer::distributions::two_sided_t;
use crate::linear::LinearFit;
use crate::matrix::Matrix;
use crate::profile::Criterion;
use crate::settings::{Curvature, Method, Settings, ZeroPart};
use crate::verdict::Message;
use serde::Serialize;

/// What was written to ask for a fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Written {
    /// The formula.
    pub formula: String,
    /// The formula of the zero part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero_formula: Option<String>,
    /// Where the table came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Prior weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// The offset beside the formula.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
}

/// A fit as scripts read it. Numbers that are not finite are null in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FitDocument {
    /// What was asked.
    #[serde(flatten)]
    pub written: Written,
    /// The family, as R writes it; with a zero part "zero-inflated …" or "hurdle …".
    pub family: String,
    /// The link.
    pub link: String,
    /// How the likelihood was computed.
    pub method: String,
    /// Number of observations.
    pub n_obs: usize,
    /// Number of levels of each grouping factor.
    pub n_groups: Entries<usize>,
    /// The fixed effects of the mean.
    #[serde(flatten)]
    pub mean: Part,
    /// Standard deviations and correlations of the random effects.
    pub varcorr: Entries<VarCorr>,
    /// The residual standard deviation of Gaussian models; of others the scale or shape as in `dispersion`, 1 without one.
    pub sigma: f64,
    /// The family's scale or shape, where it has one.
    pub dispersion: Option<f64>,
    /// The log-likelihood with all constants; the restricted one for REML.
    pub log_lik: f64,
    /// Number of parameters.
    pub df: usize,
    /// Akaike's criterion.
    pub aic: f64,
    /// Bayes' criterion of Schwarz.
    pub bic: f64,
    /// Whether `log_lik` is the restricted likelihood.
    pub reml: bool,
    /// Conditional modes of the random effects with their conditional variances.
    pub ranef: Entries<RandomValues>,
    /// Thresholds between ordered categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f64>>,
    /// Names of the thresholds ("1|2").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_names: Option<Vec<String>>,
    /// Standard errors of the thresholds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_se: Option<Vec<f64>>,
    /// The zero part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zero: Option<ZeroDocument>,
    /// Figures that only a linear regression has.
    #[serde(flatten)]
    pub linear: Option<LinearPart>,
    /// Tests, marginal means, shares of variance, checks.
    #[serde(flatten)]
    pub inference: Inference,
    /// Whether this is the optimum.
    pub converged: bool,
    /// What the log-likelihood may still gain.
    pub newton_decrement: Option<f64>,
    /// Whether the covariance of some random term has not full rank.
    pub singular: bool,
    /// What a user must know.
    pub messages: Vec<String>,
    /// Fixed effects that others span.
    pub aliased: Vec<String>,
    /// The covariance parameters, as the optimiser sees them.
    pub theta: Vec<f64>,
    /// All parameters on the scale of the optimiser.
    pub parameters: Option<AllParameters>,
    /// Minimum, quartiles and maximum of the scaled residuals.
    pub scaled_residuals: Option<[f64; 5]>,
}

/// Fixed effects of one predictor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// R's names of the coefficients.
    pub coef_names: Vec<String>,
    /// Their estimates.
    pub fixef: Vec<f64>,
    /// Their standard errors.
    pub se: Vec<f64>,
    /// Estimates over standard errors.
    pub z: Vec<f64>,
    /// Two-sided probabilities of larger ones.
    pub p: Vec<f64>,
    /// Their covariance.
    pub vcov: Vec<Vec<f64>>,
}

/// The zero part of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ZeroDocument {
    /// Its fixed effects.
    #[serde(flatten)]
    pub fixed: Part,
    /// Standard deviations and correlations of its random effects.
    pub varcorr: Entries<VarCorr>,
    /// Conditional modes of its random effects.
    pub ranef: Entries<RandomValues>,
    /// Number of levels of each of its grouping factors.
    pub n_groups: Entries<usize>,
}

/// Standard deviations and correlations of the random effects of one level.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VarCorr {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// Correlations.
    pub corr: Vec<Vec<f64>>,
}

/// The conditional modes of one grouping factor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RandomValues {
    /// The levels.
    pub levels: Vec<String>,
    /// The columns.
    pub columns: Vec<String>,
    /// Modes, level by level.
    pub values: Vec<Vec<f64>>,
    /// Conditional covariance of the columns, level by level.
    pub cond_var: Vec<Vec<Vec<f64>>>,
}

/// All parameters on the scale of the optimiser.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AllParameters {
    /// Names.
    pub names: Vec<String>,
    /// Values.
    pub values: Vec<f64>,
    /// Standard errors.
    pub se: Vec<f64>,
    /// Covariance.
    pub covariance: Vec<Vec<f64>>,
}

impl FitDocument {
    /// The document of a mixed or generalised model.
    pub fn of_fit(fit: &Fit, design: &Design, recipe: &DesignRecipe, warnings: &[Warning], written: Written) -> Self {
        let settings = &fit.settings;
        let random = |predictor: usize, double_bars: Vec<bool>| Random::of(fit, predictor, &double_bars);
        let mean = random(0, recipe.double_bars());
        let zero = fit.zero.as_ref().map(|estimates| {
            let Random { varcorr, ranef, n_groups } = random(1, recipe.zero_double_bars());
            ZeroDocument { fixed: Part::of(estimates, f64::INFINITY), varcorr, ranef, n_groups }
        });
        let thresholds = fit.thresholds.as_ref();
        FitDocument {
            written,
            family: family_name(settings),
            link: settings.link.name().into(),
            method: method_name(settings),
            n_obs: fit.rows,
            n_groups: mean.n_groups,
            mean: Part::of(&fit.fixed, f64::INFINITY),
            varcorr: mean.varcorr,
            sigma: fit.dispersion.unwrap_or(fit.sigma),
            dispersion: fit.dispersion,
            log_lik: fit.log_lik,
            df: fit.df,
            aic: fit.aic,
            bic: fit.bic,
            reml: settings.is_linear() && settings.criterion == Criterion::Reml,
            ranef: mean.ranef,
            thresholds: thresholds.map(|t| t.values.clone()),
            threshold_names: thresholds.map(|t| t.names.clone()),
            threshold_se: thresholds.map(|t| t.se.clone()),
            zero,
            linear: None,
            inference: Inference::default(),
            converged: fit.verdict.converged,
            newton_decrement: Some(fit.verdict.newton_decrement),
            singular: fit.singular,
            messages: messages(fit, warnings),
            aliased: aliased(design),
            theta: fit.theta.clone(),
            parameters: Some(AllParameters {
                names: fit.parameters.names.clone(),
                values: fit.parameters.values.clone(),
                se: fit.parameters.se.clone(),
                covariance: rows_of(&fit.parameters.covariance),
            }),
            scaled_residuals: quartiles(&fit.pearson),
        }
    }

    /// The document of a linear regression without random effects.
    pub fn of_linear(fit: &LinearFit, design: &Design, warnings: &[Warning], written: Written) -> Self {
        let scaled: Vec<f64> =
            fit.residuals.iter().zip(&design.weights).map(|(r, w)| r * w.sqrt() / fit.sigma).collect();
        FitDocument {
            written,
            family: "gaussian".into(),
            link: "identity".into(),
            method: "least squares".into(),
            n_obs: fit.n_obs,
            n_groups: Entries(Vec::new()),
            mean: Part {
                coef_names: fit.coef_names.clone(),
                fixef: fit.fixef.clone(),
                se: fit.se.clone(),
                z: fit.t.clone(),
                p: fit.p.clone(),
                vcov: fit.vcov.clone(),
            },
            varcorr: Entries(Vec::new()),
            sigma: fit.sigma,
            dispersion: Some(fit.sigma),
            log_lik: fit.log_lik,
            df: fit.df as usize,
            aic: fit.aic,
            bic: fit.bic,
            reml: false,
            ranef: Entries(Vec::new()),
            thresholds: None,
            threshold_names: None,
            threshold_se: None,
            zero: None,
            linear: Some(LinearPart::of(fit)),
            inference: Inference::default(),
            converged: true,
            newton_decrement: None,
            singular: false,
            messages: warnings.iter().map(ToString::to_string).collect(),
            aliased: aliased(design),
            theta: Vec::new(),
            parameters: None,
            scaled_residuals: quartiles(&scaled),
        }
    }
}

impl Part {
    /// Estimates with their tests: z where `df` is infinite, else t.
    pub fn of(estimates: &Estimates, df: f64) -> Self {
        let z: Vec<f64> = estimates.values.iter().zip(&estimates.se).map(|(b, s)| b / s).collect();
        Part {
            coef_names: estimates.names.clone(),
            fixef: estimates.values.clone(),
            se: estimates.se.clone(),
            p: z.iter().map(|z| two_sided_t(*z, df)).collect(),
            z,
            vcov: rows_of(&estimates.covariance),
        }
    }
}

/// The random part of one predictor, grouped as lme4 groups it.
struct Random {
    varcorr: Entries<VarCorr>,
    ranef: Entries<RandomValues>,
    n_groups: Entries<usize>,
}

impl Random {
    fn of(fit: &Fit, predictor: usize, double_bars: &[bool]) -> Self {
        let terms: Vec<&RandomEffects> = fit.random.iter().filter(|r| r.predictor == predictor).collect();
        let first = fit.random.iter().position(|r| r.predictor == predictor).unwrap_or(0);
        let (mut varcorr, mut n_groups) = (Entries(Vec::new()), Entries(Vec::new()));
        let mut members: Vec<(String, Vec<usize>)> = Vec::new();
        // lme4 shows the grouping factors with most levels first.
        let mut order: Vec<usize> = (0..terms.len()).collect();
        order.sort_by_key(|&t| std::cmp::Reverse(terms[t].levels.len()));
        for t in order {
            let term = terms[t];
            // Each column of (x || g) is a term of its own.
            if double_bars.get(t).copied().unwrap_or(false) && term.form == crate::design::Covariance::Diagonal {
                for (name, sd) in term.columns.iter().zip(&term.sd) {
                    let alone = VarCorr { names: vec![name.clone()], sd: vec![*sd], corr: vec![vec![1.0]] };
                    varcorr.push_unique(&term.group, alone);
                }
            } else {
                let of_term =
                    VarCorr { names: term.columns.clone(), sd: term.sd.clone(), corr: rows_of(&term.correlation) };
                varcorr.push_unique(&term.group, of_term);
            }
            match members.iter_mut().find(|(group, _)| *group == term.group) {
                Some((_, known)) => known.push(first + t),
                None => {
                    n_groups.0.push((term.group.clone(), term.levels.len()));
                    members.push((term.group.clone(), vec![first + t]));
                }
            }
        }
        let ranef = members.into_iter().map(|(group, terms)| (group, RandomValues::of(fit, &terms))).collect();
        let ranef = Entries(ranef);
        Self { varcorr, ranef, n_groups }
    }
}

impl RandomValues {
    /// The effects of the terms of one grouping factor (places in [`Fit::random`]), side by side.
    fn of(fit: &Fit, terms: &[usize]) -> Self {
        let of_term = |&t: &usize| &fit.random[t];
        let levels = &fit.random[terms[0]].levels;
        let row =
            |l: usize| terms.iter().map(of_term).flat_map(move |r| (0..r.columns.len()).map(move |c| r.modes[(l, c)]));
        // The block of two terms for one level, and whether it stands there with rows and columns exchanged.
        let block = |s: usize, t: usize, l: usize| {
            if s == t {
                return Some((&fit.random[t].conditional[l], false));
            }
            let found = fit.between_terms.iter().find(|b| b.terms == (s.min(t), s.max(t)))?;
            Some((&found.conditional[l], s > t))
        };
        let element = |l: usize, (s, i): (usize, usize), (t, j): (usize, usize)| match block(s, t, l) {
            Some((block, false)) => block[(i, j)],
            Some((block, true)) => block[(j, i)],
            None => f64::NAN,
        };
        let places: Vec<(usize, usize)> =
            terms.iter().flat_map(|&t| (0..fit.random[t].columns.len()).map(move |c| (t, c))).collect();
        let covariance = |l: usize| -> Vec<Vec<f64>> {
            places.iter().map(|&a| places.iter().map(|&b| element(l, a, b)).collect()).collect()
        };
        RandomValues {
            levels: levels.clone(),
            columns: terms.iter().map(of_term).flat_map(|r| r.columns.clone()).collect(),
            values: (0..levels.len()).map(|l| row(l).collect()).collect(),
            cond_var: (0..levels.len()).map(covariance).collect(),
        }
    }
}

fn rows_of(matrix: &Matrix) -> Vec<Vec<f64>> {
    (0..matrix.rows).map(|i| (0..matrix.columns).map(|j| matrix[(i, j)]).collect()).collect()
}

fn aliased(design: &Design) -> Vec<String> {
    let zero = design.zero.iter().flat_map(|zero| zero.fixed.aliased.iter().map(|name| format!("zero: {name}")));
    design.mean.fixed.aliased.iter().cloned().chain(zero).collect()
}

fn messages(fit: &Fit, warnings: &[Warning]) -> Vec<String> {
    let told = fit.messages.iter().any(|m| matches!(m, Message::Aliased { .. }));
    let of_design = warnings.iter().filter(|w| !(told && matches!(w, Warning::Aliased { .. })));
    let mut all: Vec<String> = of_design.map(ToString::to_string).collect();
    all.extend(fit.messages.iter().map(ToString::to_string));
    let parts = std::iter::once(&fit.fixed).chain(&fit.zero).chain(&fit.thresholds);
    let without: Vec<&str> = parts
        .flat_map(|e| e.names.iter().zip(&e.se))
        .filter(|(_, se)| !se.is_finite())
        .map(|(name, _)| name.as_str())
        .collect();
    if !without.is_empty() {
        all.push(format!("No standard error could be computed for {}.", without.join(", ")));
    }
    all
}

fn family_name(settings: &Settings) -> String {
    let name = settings.family.name();
    match settings.zero {
        ZeroPart::None => name.into(),
        ZeroPart::Inflated => format!("zero-inflated {name}"),
        ZeroPart::Hurdle => format!("hurdle {name}"),
    }
}

fn method_name(settings: &Settings) -> String {
    if settings.is_linear() {
        return match settings.criterion {
            Criterion::Reml => "REML".into(),
            Criterion::Ml => "maximum likelihood".into(),
        };
    }
    let curvature = match settings.curvature {
        Curvature::Observed => "",
        Curvature::Expected => ", expected curvature as in lme4",
    };
    match settings.method {
        Method::Joint => "joint mode, nAGQ = 0".to_owned() + curvature,
        Method::Laplace => "maximum likelihood (Laplace approximation".to_owned() + curvature + ")",
        Method::Quadrature(points) => {
            format!("maximum likelihood (adaptive Gauss-Hermite quadrature, {points} points)")
        }
    }
}

/// Minimum, quartiles and maximum, as R's `quantile` gives them; None where there are no finite values.
fn quartiles(values: &[f64]) -> Option<[f64; 5]> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (low, rest) = (place.floor() as usize, place.fract());
        sorted[low] + rest * (sorted[(low + 1).min(last)] - sorted[low])
    };
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::Covariance;
    use crate::random::Layout;
    use crate::settings::Family;
    use crate::testing;

    #[test]
    fn effects_of_two_terms_of_one_factor_have_their_joint_conditional_covariance() {
        let n = 90;
        let intercepts = testing::term(n, 1, Covariance::Unstructured, |i| i % 9);
        let slopes = crate::design::RandomTerm {
            columns: vec!["x".into()],
            values: (0..n).map(|i| (i % 7) as f64 - 2.0).collect(),
            ..intercepts.clone()
        };
        let effect = |i: usize| testing::noise(50 + i % 9) + slopes.values[i] * testing::noise(80 + i % 9);
        let y = (0..n).map(|i| effect(i) + 0.5 * testing::noise(i)).collect();
        let design = testing::design(y, testing::predictor(n, 2, vec![intercepts, slopes]));
        let fit = crate::fit::fit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();
        assert!(fit.theta.iter().all(|&t| t > 0.1), "{:?}", fit.theta);
        let found = Random::of(&fit, 0, &[]).ranef.0.remove(0).1;
        assert_eq!(found.columns, ["(Intercept)", "x"]);

        let z = testing::dense_z(&Layout::new(&design), 0, &fit.theta, n);
        let mut h = z.transpose().product(&z);
        (0..18).for_each(|e| h[(e, e)] += 1.0);
        let inverse = h.cholesky().unwrap().cholesky_inverse();
        for level in 0..9 {
            for (i, &a) in fit.theta.iter().enumerate() {
                for (j, &b) in fit.theta.iter().enumerate() {
                    let dense = fit.sigma.powi(2) * a * b * inverse[(9 * i + level, 9 * j + level)];
                    let block = &found.cond_var[level];
                    assert!((block[i][j] - dense).abs() < 1e-10 * dense.abs() + 1e-14, "{level}: {block:?} {dense}");
                }
            }
        }
    }
}
