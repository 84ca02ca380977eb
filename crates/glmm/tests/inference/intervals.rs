//! Profile-likelihood intervals and shares of variance.

use crate::data::{CROSSED, SLOPES, close, fitted};
use regiscope_glmm::fit::fit;
use regiscope_glmm::formula::{ResponseKind, Settings as FormulaSettings, build};
use regiscope_glmm::infer::profile_likelihood::{ProfileInterval, profile_intervals};
use regiscope_glmm::infer::r_squared::r_squared;
use regiscope_glmm::settings::{Criterion, Family, Settings, ZeroPart};
use regiscope_glmm::table::Column;

/// lme4: `confint(profile(m, signames = FALSE))`, which interpolates the profile, so that three digits agree.
#[test]
fn profile_intervals_are_those_of_lme4() {
    for (formula, expected) in [
        (
            SLOPES,
            vec![
                ("sd_(Intercept)|g", 0.35912571, 1.00709006),
                ("cor_x.(Intercept)|g", -0.79566402, 0.53299217),
                ("sd_x|g", 0.26044153, 1.08276493),
                ("sigma", 0.48698934, 0.76363362),
                ("(Intercept)", 1.74661983, 2.65593274),
                ("x", 0.12097786, 1.02718964),
                ("t1", -0.10716112, 0.69720886),
                ("t2", -0.39253603, 0.38744983),
            ],
        ),
        (
            "y ~ x + t + (1 | g) + (1 | h)",
            vec![
                ("sd_(Intercept)|g", 0.32549882, 0.95150114),
                ("sd_(Intercept)|h", 0.13372926, 0.75879360),
                ("sigma", 0.52680825, 0.79588396),
                ("(Intercept)", 1.65045978, 2.68357362),
                ("x", 0.26771025, 0.78927532),
                ("t1", -0.16646914, 0.63700658),
                ("t2", -0.28138976, 0.51871430),
            ],
        ),
    ] {
        // A fit by REML is profiled over its full likelihood.
        let (design, fit) = fitted(formula, Criterion::Reml);
        let found = profile_intervals(&design, &fit, 0.95, |_| true).unwrap();
        assert_eq!(found.len(), expected.len());
        for (interval, (name, lower, upper)) in found.iter().zip(expected) {
            assert_eq!(interval.name, name);
            // lme4 warns that its spline of this one fails and takes straight lines between its points.
            let tolerance = if name.starts_with("cor_") { 1e-2 } else { 1e-3 } * (upper - lower);
            assert!((interval.lower - lower).abs() < tolerance, "{interval:?} {lower}");
            assert!((interval.upper - upper).abs() < tolerance, "{interval:?} {upper}");
            assert!(interval.points.windows(2).all(|p| p[0].1 <= p[1].1 + 1e-6), "ζ rises: {interval:?}");
        }
    }
}

/// Bates et al. (2015), J. Stat. Softw. 67(1), and lme4's documentation: `confint(lmer(Reaction ~ Days + (Days | Subject)))`.
#[test]
fn profile_intervals_of_the_sleep_study_are_the_published_ones() {
    use regiscope_glmm::table::{Factor, Table};
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/glmm/data/sleepstudy.csv");
    let Ok(mut reader) = csv::Reader::from_path(path) else {
        println!("skipped: the shared reference data are not beside the checkout");
        return;
    };
    let header: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let column = |name: &str| {
        let place = header.iter().position(|h| h == name).unwrap();
        rows.iter().map(move |row| row[place].to_string()).collect::<Vec<_>>()
    };
    let numbers = |name: &str| Column::Numbers(column(name).iter().map(|v| v.parse().unwrap()).collect());
    let subjects = column("Subject");
    let mut levels = subjects.clone();
    levels.sort();
    levels.dedup();
    let codes = subjects.iter().map(|s| levels.binary_search(s).unwrap() as u32).collect();
    let mut table = Table::new();
    table.push("Reaction", numbers("Reaction")).unwrap();
    table.push("Days", numbers("Days")).unwrap();
    table.push("Subject", Column::Factor(Factor { levels, codes, ordered: false })).unwrap();
    let formula = "Reaction ~ Days + (Days | Subject)";
    let design = build(formula, &table, &FormulaSettings::default()).unwrap().design;
    let fit = fit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();
    let found = profile_intervals(&design, &fit, 0.95, |_| true).unwrap();
    for (name, lower, upper) in [
        ("sd_(Intercept)|Subject", 14.3815048, 37.7159953),
        ("cor_Days.(Intercept)|Subject", -0.4815007, 0.6849855),
        ("sd_Days|Subject", 3.8011641, 8.7533656),
        ("sigma", 22.8982669, 28.8579965),
        ("(Intercept)", 237.6806955, 265.1295147),
        ("Days", 7.3586533, 13.5759188),
    ] {
        let interval = found.iter().find(|i| i.name == name).unwrap();
        close(interval.lower, lower, 1e-3, name);
        close(interval.upper, upper, 1e-3, name);
    }
}

/// lme4: `confint(profile(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial)))`.
#[test]
fn profile_intervals_of_a_binomial_model_are_those_of_lme4() {
    use regiscope_glmm::table::{Factor, Table};
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/glmm/data/cbpp.csv");
    let Ok(mut reader) = csv::Reader::from_path(path) else {
        println!("skipped: the shared reference data are not beside the checkout");
        return;
    };
    let header: Vec<String> = reader.headers().unwrap().iter().map(String::from).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut table = Table::new();
    for (place, name) in header.iter().enumerate() {
        let cells: Vec<&str> = rows.iter().map(|row| &row[place]).collect();
        if ["herd", "period"].contains(&name.as_str()) {
            let mut levels: Vec<String> = cells.iter().map(|c| c.to_string()).collect();
            levels.sort();
            levels.dedup();
            let codes = cells.iter().map(|c| levels.binary_search(&c.to_string()).unwrap() as u32).collect();
            table.push(name.as_str(), Column::Factor(Factor { levels, codes, ordered: false })).unwrap();
        } else if ["incidence", "size"].contains(&name.as_str()) {
            let numbers = cells.iter().map(|c| c.parse().unwrap()).collect();
            table.push(name.as_str(), Column::Numbers(numbers)).unwrap();
        }
    }
    let formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)";
    let settings = FormulaSettings { response: ResponseKind::Binomial, ..FormulaSettings::default() };
    let design = build(formula, &table, &settings).unwrap().design;
    let fit = fit(&design, &Settings::new(Family::Binomial), &mut |_| ()).unwrap();
    let found = profile_intervals(&design, &fit, 0.95, |name| name.starts_with("sd_") || name == "period2").unwrap();
    for (interval, (lower, upper)) in found.iter().zip([(0.34607319, 1.09997479), (-1.61678327, -0.40776305)]) {
        close(interval.lower, lower, 1e-3, &interval.name);
        close(interval.upper, upper, 1e-3, &interval.name);
    }
    assert_eq!(found.len(), 2);
}

/// A fit of another family to the table of the reference figures.
fn generalised(
    formula: &str,
    zero: Option<&str>,
    response: ResponseKind,
    family: Family,
) -> (regiscope_glmm::design::Design, regiscope_glmm::fit::Fit) {
    let formula_settings = FormulaSettings { response, zero_formula: zero.map(str::to_owned), ..Default::default() };
    let design = build(formula, &crate::data::table(), &formula_settings).unwrap().design;
    let inflated = if zero.is_some() { ZeroPart::Inflated } else { ZeroPart::None };
    let settings = Settings { zero: inflated, ..Settings::new(family) };
    let fit = fit(&design, &settings, &mut |_| ()).unwrap();
    (design, fit)
}

fn check_intervals(found: &[ProfileInterval], expected: &[(&str, f64, f64)]) {
    assert_eq!(found.len(), expected.len());
    for (interval, (name, lower, upper)) in found.iter().zip(expected) {
        assert_eq!(interval.name, *name);
        let tolerance = 1e-3 * (upper - lower);
        assert!((interval.lower - lower).abs() < tolerance, "{interval:?} {lower}");
        assert!((interval.upper - upper).abs() < tolerance, "{interval:?} {upper}");
    }
}

/// lme4: `confint(profile(glmer(round(exp(y)) ~ x + (x | g), d, poisson), signames = FALSE))`.
#[test]
fn correlated_slopes_of_counts_have_the_intervals_of_lme4() {
    let (design, fit) = generalised("round(exp(y)) ~ x + (x | g)", None, ResponseKind::Real, Family::Poisson);
    let found = profile_intervals(&design, &fit, 0.95, |_| true).unwrap();
    check_intervals(
        &found,
        &[
            ("sd_(Intercept)|g", 0.4632108263, 1.111687967),
            ("cor_x.(Intercept)|g", -0.6836049339, 0.426785992),
            ("sd_x|g", 0.4459763271, 1.085367185),
            ("(Intercept)", 1.9955893490, 2.862307888),
            ("x", 0.0417917023, 0.914723026),
        ],
    );
}

/// glmmTMB 1.1.5: `confint(m, method = "uniroot")` with `ziformula = ~ x`, the count zero where sin(3 i) > ½.
#[test]
fn zero_parts_have_the_intervals_of_glmm_tmb() {
    let index = (0..70).filter(|i| i % 11 != 3);
    let mut table = crate::data::table();
    let Some(Column::Numbers(y)) = table.get("y") else { panic!("y is a column of numbers") };
    let lump = |(i, y): (i32, &f64)| if (3.0 * f64::from(i)).sin() > 0.5 { 0.0 } else { y.exp().round_ties_even() };
    let counts = index.zip(y).map(lump).collect();
    table.push("z", Column::Numbers(counts)).unwrap();
    let formula_settings = FormulaSettings { zero_formula: Some("~ x".into()), ..Default::default() };
    let design = build("z ~ x + (1 | g)", &table, &formula_settings).unwrap().design;
    let settings = Settings { zero: ZeroPart::Inflated, ..Settings::new(Family::Poisson) };
    let fit = fit(&design, &settings, &mut |_| ()).unwrap();
    let found = profile_intervals(&design, &fit, 0.95, |name| !name.starts_with("sd_")).unwrap();
    check_intervals(
        &found,
        &[
            ("(Intercept)", 1.879373068, 2.938098471),
            ("x", 0.540127385, 0.848278147),
            ("zero: (Intercept)", -1.366862215, -0.245536851),
            ("zero: x", -0.726160316, 1.034428688),
        ],
    );
}

/// The order of the categories turned round turns the thresholds of a symmetric link round, with another sign.
#[test]
fn thresholds_have_intervals_that_turn_round_with_the_categories() {
    let of = |formula: &str| {
        let (design, fit) = generalised(formula, None, ResponseKind::Ordinal, Family::Ordinal);
        profile_intervals(&design, &fit, 0.95, |name| name.contains('|') && !name.starts_with("sd_")).unwrap()
    };
    let (up, down) = (of("ordered(round(y / 1.5)) ~ x + (1 | g)"), of("ordered(-round(y / 1.5)) ~ x + (1 | g)"));
    assert!(up.len() >= 2 && up.len() == down.len());
    for (one, other) in up.iter().zip(down.iter().rev()) {
        assert!(one.lower < one.estimate && one.estimate < one.upper && one.upper - one.lower < 10.0, "{one:?}");
        let close = |a: f64, b: f64| (a + b).abs() < 1e-3 * (one.upper - one.lower);
        assert!(close(one.lower, other.upper) && close(one.upper, other.lower), "{one:?} {other:?}");
    }
}

/// A variance whose estimate is zero has a one-sided interval, and ζ² is the likelihood-ratio statistic.
#[test]
fn the_boundary_makes_an_interval_one_sided() {
    let mut design = crate::data::built("y ~ x + (1 | g)").design;
    // Levels that have nothing to do with the responses.
    let term = &mut design.mean.random[0];
    let count = term.levels.len() as u32;
    term.level_of_row.iter_mut().enumerate().for_each(|(i, level)| *level = i as u32 % count);
    let settings = Settings { criterion: Criterion::Ml, ..Settings::new(Family::Gaussian) };
    let singular = fit(&design, &settings, &mut |_| ()).unwrap();
    let found = profile_intervals(&design, &singular, 0.95, |name| name.starts_with("sd_")).unwrap();
    assert!(found[0].lower_at_boundary && found[0].lower == 0.0 && !found[0].upper_at_boundary, "{found:?}");
    assert!(found[0].upper > found[0].estimate && found[0].upper.is_finite());
}

/// performance 0.10.2: `r2_nakagawa` and `icc`.
#[test]
fn shares_of_variance_are_those_of_performance() {
    for (formula, conditional, marginal) in
        [(SLOPES, 0.656284245204, 0.143802309414), (CROSSED, 0.613334334916, 0.135033328617)]
    {
        let (design, fit) = fitted(formula, Criterion::Reml);
        let found = r_squared(&design, &fit).unwrap();
        close(found.shares[0].conditional, conditional, 1e-5, formula);
        close(found.shares[0].marginal, marginal, 1e-5, formula);
        if formula == CROSSED {
            close(found.shares[0].icc, 0.55297045, 1e-5, "ICC");
            close(found.shares[0].icc_unadjusted, 0.47830101, 1e-5, "unadjusted ICC");
        }
        let sum: f64 = found.shares[0].icc_by_term.iter().sum();
        close(sum, found.shares[0].icc, 1e-12, "sum of the terms");
    }
}
