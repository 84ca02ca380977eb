//! Tests, marginal means, shares of variance and residual checks as text.

use super::document::FitDocument;
use super::layout::{columns, fixed, number, probability};
use crate::infer::contrasts::FunctionTests;
use crate::infer::marginal::MarginalTable;
use crate::infer::wald::DegreesOfFreedom;
use std::fmt::Write;

/// Degrees of freedom as a printed number.
pub(super) fn degrees(df: f64) -> String {
    if df.is_finite() { number(df, 2) } else { "Inf".into() }
}

/// What stands between the fixed effects and the messages.
pub(super) fn inference(fit: &FitDocument) -> String {
    let mut text = String::new();
    let found = &fit.inference;
    if let Some(ddf) = &found.ddf {
        let name = match ddf.method {
            DegreesOfFreedom::KenwardRoger => "Kenward and Roger's, with their covariance",
            DegreesOfFreedom::Satterthwaite => "Satterthwaite's",
            DegreesOfFreedom::Asymptotic => "asymptotic",
        };
        let _ = writeln!(text, "Degrees of freedom: {name}");
    }
    // A single coefficient is its own test.
    let several = found.term_tests.iter().any(|t| t.df1 > 1.0) || found.ddf.is_some();
    if several {
        let row = |test: &crate::infer::wald::JointTest| {
            let (name, value) = match test.df2.is_finite() {
                true => (degrees(test.df2), test.f),
                false => (String::new(), test.f * test.df1),
            };
            vec![test.label.clone(), number(value, 4), number(test.df1, 0), name, probability(test.p)]
        };
        let rows: Vec<Vec<String>> = found.term_tests.iter().map(row).collect();
        let statistic = if found.ddf.is_some() { "F" } else { "Chisq" };
        let p = if found.ddf.is_some() { "Pr(>F)" } else { "Pr(>Chisq)" };
        let denominator = if found.ddf.is_some() { "den. df" } else { "" };
        text += &format!("\nTerms (type II):\n{}", columns(&["", statistic, "df", denominator, p], &rows, 1));
    }
    if let Some(shares) = found.r_squared.as_ref().and_then(|r| r.shares.first()) {
        let _ = writeln!(
            text,
            "\nR-squared: marginal {:.4}, conditional {:.4}; intraclass correlation {:.4}",
            shares.marginal, shares.conditional, shares.icc
        );
    }
    text.extend(found.emmeans.iter().map(means));
    if let Some(checks) = &found.residual_checks {
        let row = |name: &str, check: &crate::infer::residual_checks::CheckResult| {
            vec![name.to_owned(), number(check.statistic, 4), probability(check.p)]
        };
        let rows = [
            row("uniformity (Kolmogorov-Smirnov)", &checks.uniformity),
            row("dispersion (observed/expected)", &checks.dispersion),
            row("outliers (observed/expected)", &checks.outliers),
            row("zeros (observed/expected)", &checks.zeros),
        ];
        let table = columns(&["", "statistic", "p"], &rows, 1);
        text += &format!("\nResiduals against {} simulations:\n{table}", checks.simulations);
    }
    text
}

fn means(table: &MarginalTable) -> String {
    let of = |value: fn(&crate::infer::emmeans::MarginalMean) -> f64| {
        fixed(&table.means.iter().map(value).collect::<Vec<_>>(), 4)
    };
    let (link, se, low, high) = (of(|m| m.link), of(|m| m.link_se), of(|m| m.link_lower), of(|m| m.link_upper));
    let (response, response_low, response_high) =
        (of(|m| m.response), of(|m| m.response_lower), of(|m| m.response_upper));
    let same = table.means.iter().all(|m| m.link == m.response);
    let row = |i: usize| {
        let mean = &table.means[i];
        let mut row =
            vec![mean.label.clone(), link[i].clone(), se[i].clone(), degrees(mean.df), low[i].clone(), high[i].clone()];
        if !same {
            row.extend([response[i].clone(), response_low[i].clone(), response_high[i].clone()]);
        }
        row
    };
    let rows: Vec<Vec<String>> = (0..table.means.len()).map(row).collect();
    let mut header = vec!["", "Mean", "Std. Error", "df", "lower", "upper"];
    if !same {
        header.extend(["Response", "lower", "upper"]);
    }
    let over = match table.averaged_over.is_empty() {
        true => String::new(),
        false => format!(", averaged over {}", table.averaged_over.join(", ")),
    };
    let level = 100.0 * table.level;
    let by = table.factors.join(" and ");
    let mut text = format!("\nMarginal means of {by}{over} ({level} % intervals):\n{}", columns(&header, &rows, 1));
    if let Some(differences) = &table.differences {
        text += &tests(differences);
    }
    text
}

fn tests(found: &FunctionTests) -> String {
    let of = |value: fn(&crate::infer::contrasts::FunctionTest) -> f64| {
        fixed(&found.tests.iter().map(value).collect::<Vec<_>>(), 4)
    };
    let (estimate, se, low, high) = (of(|t| t.estimate), of(|t| t.se), of(|t| t.lower), of(|t| t.upper));
    let row = |i: usize| {
        let test = &found.tests[i];
        let (statistic, p) = (number(test.statistic, 3), probability(test.p_adjusted));
        let (label, df) = (test.label.clone(), degrees(test.df));
        vec![label, estimate[i].clone(), se[i].clone(), df, statistic, p, low[i].clone(), high[i].clone()]
    };
    let rows: Vec<Vec<String>> = (0..found.tests.len()).map(row).collect();
    let header = ["", "Difference", "Std. Error", "df", "t or z", "p", "lower", "upper"];
    format!("\nDifferences (adjustment: {}):\n{}", found.adjustment.name(), columns(&header, &rows, 1))
}
