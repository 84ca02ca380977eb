//! Likelihood-ratio tests, contrasts and marginal means.

use crate::data::{SLOPES, built, close, fitted, table};
use regiscope_glmm::formula::Scope;
use regiscope_glmm::infer::compare::{Candidate, compare};
use regiscope_glmm::infer::contrasts::{Coefficients, pairwise};
use regiscope_glmm::infer::emmeans::{Weights, marginal_means, on_both_scales, reference_grid};
use regiscope_glmm::infer::multiplicity::Adjustment;
use regiscope_glmm::infer::rectangle::Integration;
use regiscope_glmm::infer::wald::{DegreesOfFreedom, FixedEffects};
use regiscope_glmm::settings::Criterion;

/// lme4: log-likelihoods of `anova`; the χ² of nested models is twice their difference.
#[test]
fn likelihood_ratio_tests() {
    let small = fitted("y ~ x + t + (1 | g)", Criterion::Ml);
    let slopes = fitted(SLOPES, Criterion::Ml);
    let crossed = fitted("y ~ x + t + (1 | g) + (1 | h)", Criterion::Ml);
    close(slopes.1.log_lik, -74.4644113547, 1e-8, "log-likelihood of the slopes");
    close(crossed.1.log_lik, -74.7942910661, 1e-8, "log-likelihood of the crossed factors");
    let candidates = [
        Candidate { name: "slopes", design: &slopes.0, fit: &slopes.1 },
        Candidate { name: "small", design: &small.0, fit: &small.1 },
        Candidate { name: "crossed", design: &crossed.0, fit: &crossed.1 },
    ];
    let table = compare(&candidates).unwrap();
    assert_eq!(table.rows.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["small", "crossed", "slopes"]);
    close(table.rows[2].aic, 164.9288227, 1e-8, "AIC");
    close(table.rows[2].bic, 182.0739005, 1e-8, "BIC");
    // One variance added: half χ²₁, half zero.
    let test = table.rows[1].test.unwrap();
    close(test.chi_squared, 2.0 * (crossed.1.log_lik - small.1.log_lik), 1e-12, "χ²");
    close(test.p_boundary.unwrap(), 0.5 * test.p, 1e-12, "p at the boundary");
    // Slopes of g do not contain the factor h.
    assert!(table.rows[2].test.is_none() && table.rows[2].note.as_ref().unwrap().contains("not nested"));
    let weights: f64 = table.rows.iter().map(|r| r.akaike_weight).sum();
    close(weights, 1.0, 1e-12, "Akaike weights");

    // A slope with its correlation: half χ²₁, half χ²₂.
    let two = compare(&[candidates[1], candidates[0]]).unwrap().rows[1].test.unwrap();
    assert_eq!(two.df, 2);
    assert!(two.p_boundary.unwrap() < two.p);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let reml = fitted("y ~ x + t + (1 | g)", Criterion::Reml);
    let fewer = fitted("y ~ x + (1 | g)", Criterion::Reml);
    let crossed = fitted("y ~ t + x + (1 | g) + (1 | h)", Criterion::Reml);
    let candidate = |name, pair: &'static _| -> Candidate<'static> {
        let (design, fit): &'static (_, _) = pair;
        Candidate { name, design, fit }
    };
    let (reml, fewer, crossed) = (Box::leak(Box::new(reml)), Box::leak(Box::new(fewer)), Box::leak(Box::new(crossed)));
    let refused = compare(&[candidate("a", reml), candidate("b", fewer)]).unwrap_err().to_string();
    assert!(refused.contains("refit by maximum likelihood"), "{refused}");
    // The same fixed effects in another order may be compared by REML.
    assert!(compare(&[candidate("a", reml), candidate("c", crossed)]).unwrap().rows[1].test.is_some());
}

/// emmeans 1.8.4.1 with pbkrtest: `emmeans(m, "t")` and its pairs, Holm.
#[test]
fn marginal_means_and_contrasts() {
    let built = built(SLOPES);
    let (design, fit) = fitted(SLOPES, Criterion::Reml);
    let variables: Vec<String> = built.recipe.covariates().iter().map(|c| c.name.clone()).collect();
    let grid = reference_grid(&table(), &design.rows, &variables, &[]).unwrap();
    let matrix = built.recipe.apply(&grid.table, Scope::Population).unwrap().mean.fixed;
    let functions = marginal_means(&grid, &matrix, &["t".into()], Weights::Equal).unwrap();
    let effects = FixedEffects::new(&design, &fit, DegreesOfFreedom::KenwardRoger).unwrap();
    let df = |c: &[f64]| effects.df(c);
    let coefficients = Coefficients { values: &effects.values, covariance: &effects.covariance, df: &df };
    let means = on_both_scales(&functions, &coefficients, 0.0, 0.95, |eta| (eta, 1.0));
    for (mean, [value, se, lower, upper]) in means.iter().zip([
        [2.195867917, 0.2313278350, 1.711698341, 2.680037494],
        [2.497032414, 0.2318963951, 2.011958041, 2.982106787],
        [2.185514974, 0.2313034647, 1.701462022, 2.669567925],
    ]) {
        close(mean.response, value, 1e-6, &mean.label);
        close(mean.response_se, se, 1e-5, &mean.label);
        close(mean.response_lower, lower, 1e-4, &mean.label);
        close(mean.response_upper, upper, 1e-4, &mean.label);
    }
    let pairs = effects.function_tests(&pairwise(&functions), Adjustment::Holm, 0.95, &Integration::default()).unwrap();
    for (test, (estimate, se, df, p)) in pairs.tests.iter().zip([
        (-0.30116449646, 0.2070869552, 42.27, 0.4216),
        (0.01035294367, 0.1995897402, 39.89, 0.9589),
        (0.31151744013, 0.2074011598, 42.18, 0.4216),
    ]) {
        close(test.estimate, estimate, 1e-4, &test.label);
        close(test.se, se, 1e-5, &test.label);
        close(test.df, df, 2e-4, &test.label);
        close(test.p_adjusted, p, 2e-4, &test.label);
    }
    assert_eq!(pairs.tests[0].label, "0 - 1");
}
