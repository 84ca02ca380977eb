//! Wald, Satterthwaite and Kenward-Roger tests.

use crate::data::{CROSSED, SLOPES, close, fitted};
use regiscope_glmm::infer::wald::{DegreesOfFreedom, FixedEffects, TermTest};
use regiscope_glmm::settings::Criterion;

fn check(formula: &str, criterion: Criterion, method: DegreesOfFreedom, expected: &[[f64; 3]]) {
    let (design, fit) = fitted(formula, criterion);
    let found = FixedEffects::new(&design, &fit, method).unwrap().coefficient_tests(0.95).unwrap();
    for (test, [se, df, statistic]) in found.tests.iter().zip(expected) {
        close(test.se, *se, 2e-6, &format!("{formula}, se of {}", test.label));
        close(test.df, *df, 2e-4, &format!("{formula}, df of {}", test.label));
        close(test.statistic, *statistic, 2e-5, &format!("{formula}, t of {}", test.label));
    }
}

/// lmerTest: `coef(summary(m, ddf = "Satterthwaite"))`.
#[test]
fn satterthwaite() {
    check(
        SLOPES,
        Criterion::Reml,
        DegreesOfFreedom::Satterthwaite,
        &[
            [0.229551495269, 18.8788024718, 9.59872124832],
            [0.223644689882, 11.0980465783, 2.54639218382],
            [0.202847562662, 41.6085937918, 1.48468383110],
            [0.197381977339, 39.1531789527, -0.0524513119584],
        ],
    );
    check(
        CROSSED,
        Criterion::Reml,
        DegreesOfFreedom::Satterthwaite,
        &[
            [0.270717839971, 19.0755536585, 8.014561144141],
            [0.227460882641, 42.5974384073, 3.218493266234],
            [0.202477706767, 40.8431925836, 1.105010128016],
            [0.201994447345, 40.6931964002, 0.602543079213],
            [0.337347575997, 44.0679652502, -0.327897258218],
            [0.321625833738, 42.6215368394, -1.596002948161],
        ],
    );
    check(
        SLOPES,
        Criterion::Ml,
        DegreesOfFreedom::Satterthwaite,
        &[[0.220378321918, 20.9739981833, 9.9971911164], [0.212921754644, 12.1223293606, 2.6741487805901]],
    );
}

/// pbkrtest through lmerTest: `coef(summary(m, ddf = "Kenward-Roger"))`.
#[test]
fn kenward_roger() {
    check(
        SLOPES,
        Criterion::Reml,
        DegreesOfFreedom::KenwardRoger,
        &[
            [0.231018319578, 19.0274151494, 9.5377752692983],
            [0.225036302156, 10.6093347620, 2.5306454328117],
            [0.207086955190, 42.2713196635, 1.4542900405549],
            [0.199589740246, 39.8864252561, -0.0518711215097],
        ],
    );
    check(
        CROSSED,
        Criterion::Reml,
        DegreesOfFreedom::KenwardRoger,
        &[
            [0.270894796119, 19.0234377059, 8.009325805941],
            [0.229277662147, 42.6211849006, 3.192990159867],
            [0.203101257672, 40.8922642797, 1.101617583463],
            [0.202518748674, 40.7425786908, 0.600983153826],
            [0.341598656611, 44.0846964154, -0.323816686908],
            [0.324662371279, 42.6705870495, -1.581075678182],
        ],
    );
    let (design, fit) = fitted(SLOPES, Criterion::Ml);
    let refused = FixedEffects::new(&design, &fit, DegreesOfFreedom::KenwardRoger).unwrap_err();
    assert!(refused.to_string().contains("refit with REML"), "{refused}");
}

/// lmerTest: `contestMD` of the two coefficients of t, or of x:t.
#[test]
fn joint_tests() {
    for (formula, columns, method, f, df) in [
        (SLOPES, [2, 3], DegreesOfFreedom::Satterthwaite, 1.49082509104, 40.7001405367),
        (SLOPES, [2, 3], DegreesOfFreedom::KenwardRoger, 1.42337781028, 41.3863505781),
        (CROSSED, [4, 5], DegreesOfFreedom::Satterthwaite, 1.37861609173, 43.7296673835),
        (CROSSED, [4, 5], DegreesOfFreedom::KenwardRoger, 1.34917990846, 43.7524678635),
    ] {
        let (design, fit) = fitted(formula, Criterion::Reml);
        let effects = FixedEffects::new(&design, &fit, method).unwrap();
        let unit = |j: usize| (0..effects.values.len()).map(|i| f64::from(u8::from(i == j))).collect::<Vec<_>>();
        let twice: Vec<f64> = unit(columns[1]).iter().map(|v| -2.0 * v).collect();
        // A contrast that the others span changes nothing.
        let test = effects.joint_test("t", &[unit(columns[0]), unit(columns[1]), twice]).unwrap();
        assert_eq!(test.df1, 2.0);
        close(test.f, f, 2e-5, &format!("{formula} {method:?} F"));
        close(test.df2, df, 2e-4, &format!("{formula} {method:?} df"));
        assert!(effects.joint_test("none", &[]).is_err() && effects.joint_test("short", &[vec![1.0]]).is_err());
    }
}

/// car 3.1.1: `Anova(m, type = 2)` and `type = 3`, Wald χ² tests.
#[test]
fn tables_of_terms() {
    let (design, fit) = fitted(CROSSED, Criterion::Reml);
    let effects = FixedEffects::new(&design, &fit, DegreesOfFreedom::Asymptotic).unwrap();
    for (kind, expected) in [
        (TermTest::TypeTwo, [("x", 15.86472, 1.0), ("t", 1.28590, 2.0), ("x:t", 2.75723, 2.0)]),
        (TermTest::TypeThree, [("x", 10.35870, 1.0), ("t", 1.22451, 2.0), ("x:t", 2.75723, 2.0)]),
    ] {
        let found = effects.term_tests(&design, kind).unwrap();
        assert_eq!(found.len(), 3);
        for (test, (label, chi_squared, df)) in found.iter().zip(expected) {
            assert_eq!((test.label.as_str(), test.df1, test.df2), (label, df, f64::INFINITY));
            close(test.f * df, chi_squared, 2e-5, label);
        }
    }
}

/// In a balanced one-way layout all methods give the exact degrees of freedom, and REML the ANOVA estimators.
#[test]
fn balanced_layouts_are_exact() {
    use regiscope_glmm::fit::fit;
    use regiscope_glmm::formula::{Settings as FormulaSettings, build};
    use regiscope_glmm::settings::{Family, Settings};
    use regiscope_glmm::table::{Column, Factor, Table};
    let (groups, each) = (8_u32, 5_u32);
    let y: Vec<f64> = (0..groups * each)
        .map(|i| (1.3 * f64::from(i / each) + 0.4).sin() * 2.0 + (f64::from(i) * 7.7).sin() + f64::from(i % 2))
        .collect();
    let mut table = Table::new();
    table.push("y", Column::Numbers(y.clone())).unwrap();
    let levels = (0..groups).map(|g| g.to_string()).collect();
    let codes = (0..groups * each).map(|i| i / each).collect();
    table.push("g", Column::Factor(Factor { levels, codes, ordered: false })).unwrap();
    let design = build("y ~ 1 + (1 | g)", &table, &FormulaSettings::default()).unwrap().design;
    let fit = fit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();

    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let means: Vec<f64> = y.chunks(each as usize).map(mean).collect();
    let grand = mean(&y);
    let between = f64::from(each) * means.iter().map(|m| (m - grand).powi(2)).sum::<f64>() / f64::from(groups - 1);
    let within = y.chunks(each as usize).zip(&means).flat_map(|(v, m)| v.iter().map(move |y| (y - m).powi(2)));
    let within = within.sum::<f64>() / f64::from(groups * (each - 1));
    close(fit.sigma.powi(2), within, 1e-7, "residual variance");
    close(fit.random[0].covariance[(0, 0)], (between - within) / f64::from(each), 1e-6, "variance of groups");
    close(fit.fixed.values[0], grand, 1e-10, "mean");
    for method in [DegreesOfFreedom::Satterthwaite, DegreesOfFreedom::KenwardRoger] {
        let test = &FixedEffects::new(&design, &fit, method).unwrap().coefficient_tests(0.95).unwrap().tests[0];
        close(test.df, f64::from(groups - 1), 2e-5, "degrees of freedom");
        close(test.se.powi(2), between / f64::from(groups * each), 1e-6, "variance of the mean");
    }
}

/// Without random terms both methods give the residual degrees of freedom.
#[test]
fn without_random_terms_the_degrees_of_freedom_are_the_residual_ones() {
    let (design, fit) = fitted("y ~ x + t", Criterion::Reml);
    for method in [DegreesOfFreedom::Satterthwaite, DegreesOfFreedom::KenwardRoger] {
        let effects = FixedEffects::new(&design, &fit, method).unwrap();
        for test in effects.coefficient_tests(0.95).unwrap().tests {
            close(test.df, fit.rows as f64 - 4.0, 1e-5, &format!("{method:?}"));
        }
    }
}
