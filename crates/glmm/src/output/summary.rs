//! The printed summary, in the order that lme4's users know.

use super::document::{FitDocument, Part, VarCorr};
use super::entries::Entries;
use super::inference_text::{degrees, inference};
use super::layout::{columns, fixed, number, probability, stars};
use std::fmt::Write;

/// The summary of a fit as text: method, family, formula, information criteria, scaled residuals, random effects,
/// groups, fixed effects, their correlations, messages last.
pub fn summary(fit: &FitDocument) -> String {
    let mut text = header(fit);
    text += &criteria(fit);
    if let Some(quartiles) = fit.scaled_residuals {
        let rows = vec![quartiles.iter().map(|q| number(*q, 4)).collect()];
        text += &format!("\nScaled residuals:\n{}", columns(&["Min", "1Q", "Median", "3Q", "Max"], &rows, 0));
    }
    let residual = (fit.family == "gaussian").then_some(fit.sigma);
    text += &random_effects("Random effects", &fit.varcorr, residual.filter(|_| fit.linear.is_none()));
    text += &groups(fit.n_obs, &fit.n_groups);
    if let Some(dispersion) = fit.dispersion.filter(|_| fit.family != "gaussian") {
        let _ = write!(text, "\nDispersion parameter of the {} family: {dispersion:.6}\n", fit.family);
    }
    if let (Some(names), Some(values), Some(se)) = (&fit.threshold_names, &fit.thresholds, &fit.threshold_se) {
        text += "\nThresholds:\n";
        let (estimates, se) = (fixed(values, 4), fixed(se, 4));
        let row = |i: usize| vec![names[i].clone(), estimates[i].clone(), se[i].clone()];
        text += &columns(&["", "Estimate", "Std. Error"], &(0..names.len()).map(row).collect::<Vec<_>>(), 1);
    }
    let ddf = fit.inference.ddf.as_ref().map(|ddf| &ddf.df[..]);
    let statistic = if fit.linear.is_some() || ddf.is_some() { "t" } else { "z" };
    text += &fixed_effects("Fixed effects", &fit.mean, statistic, ddf);
    if let Some(linear) = &fit.linear {
        let _ = writeln!(
            text,
            "\nResidual standard error: {:.6} on {} degrees of freedom\nR-squared: {:.6}, adjusted: {:.6}",
            fit.sigma, linear.df_residual, linear.r_squared, linear.adjusted_r_squared
        );
        if let Some(row) = &linear.regression {
            let p = probability(row.p);
            let _ =
                writeln!(text, "F: {:.4} on {} and {} degrees of freedom, p: {p}", row.f, row.df, linear.df_residual);
        }
    }
    text += &correlations(&fit.mean);
    if let Some(zero) = &fit.zero {
        text += &random_effects("Random effects of the zero part", &zero.varcorr, None);
        text += &fixed_effects("Fixed effects of the zero part", &zero.fixed, "z", None);
    }
    text += &inference(fit);
    if !fit.converged {
        text += "\nNOT CONVERGED: see the messages.\n";
    }
    if !fit.messages.is_empty() {
        text += "\nMessages:\n";
        text.extend(fit.messages.iter().map(|message| format!("  {message}\n")));
    }
    text
}

fn header(fit: &FitDocument) -> String {
    let kind = match (&fit.linear, fit.family.as_str(), fit.thresholds.is_some()) {
        (Some(_), ..) => "Linear model",
        (None, "gaussian", _) if fit.link == "identity" => "Linear mixed model",
        (None, _, true) => "Cumulative link mixed model",
        _ => "Generalised linear mixed model",
    };
    let mut text = format!("{kind} fit by {}\n", fit.method);
    let _ = writeln!(text, " Family: {} ( {} )", fit.family, fit.link);
    let _ = writeln!(text, "Formula: {}", fit.written.formula);
    let written = [
        ("   Zero: ", &fit.written.zero_formula),
        ("   Data: ", &fit.written.data),
        ("Weights: ", &fit.written.weights),
        (" Offset: ", &fit.written.offset),
    ];
    for (label, value) in written {
        if let Some(value) = value {
            let _ = writeln!(text, "{label}{value}");
        }
    }
    text
}

fn criteria(fit: &FitDocument) -> String {
    if fit.reml {
        return format!("\nREML criterion: {:.4}\n", -2.0 * fit.log_lik);
    }
    let residual = fit.n_obs as f64 - fit.df as f64;
    let row = [fit.aic, fit.bic, fit.log_lik, -2.0 * fit.log_lik].map(|v| number(v, 4));
    let row = row.into_iter().chain([fit.df.to_string(), number(residual, 0)]).collect();
    format!("\n{}", columns(&["AIC", "BIC", "logLik", "-2*logLik", "df", "df.resid"], &[row], 0))
}

fn random_effects(title: &str, varcorr: &Entries<VarCorr>, residual: Option<f64>) -> String {
    if varcorr.0.is_empty() {
        return String::new();
    }
    let sds: Vec<f64> = varcorr.0.iter().flat_map(|(_, v)| v.sd.iter().copied()).chain(residual).collect();
    let variances: Vec<f64> = sds.iter().map(|sd| sd * sd).collect();
    let (sds, variances) = (fixed(&sds, 4), fixed(&variances, 4));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (group, term) in varcorr.iter() {
        for (i, name) in term.names.iter().enumerate() {
            let group = if i == 0 { group.to_owned() } else { String::new() };
            let correlations: String = term.corr[i][..i].iter().map(|c| format!("{:>6} ", number(*c, 2))).collect();
            let at = rows.len();
            rows.push(vec![group, name.clone(), variances[at].clone(), sds[at].clone(), correlations]);
        }
    }
    if residual.is_some() {
        let at = rows.len();
        rows.push(vec!["Residual".into(), String::new(), variances[at].clone(), sds[at].clone(), String::new()]);
    }
    let width = rows.iter().map(|r| r[4].len()).max().unwrap_or(0);
    rows.iter_mut().for_each(|r| r[4] = format!("{:<width$}", r[4]));
    let corr = format!("{:<width$}", if width > 0 { "  Corr" } else { "" });
    format!("\n{title}:\n{}", columns(&["Groups", "Name", "Variance", "Std.Dev.", &corr], &rows, 2))
}

fn groups(n_obs: usize, n_groups: &Entries<usize>) -> String {
    let each: Vec<String> = n_groups.iter().map(|(group, n)| format!("{group}, {n}")).collect();
    let groups = if each.is_empty() { String::new() } else { format!(", groups: {}", each.join("; ")) };
    format!("Number of observations: {n_obs}{groups}\n")
}

fn fixed_effects(title: &str, part: &Part, statistic: &str, df: Option<&[f64]>) -> String {
    if part.coef_names.is_empty() {
        return format!("\n{title}: none\n");
    }
    let (estimates, errors) = (fixed(&part.fixef, 4), fixed(&part.se, 4));
    let row = |i: usize| {
        let mut row = vec![part.coef_names[i].clone(), estimates[i].clone(), errors[i].clone()];
        row.extend(df.map(|df| degrees(df[i])));
        row.extend([number(part.z[i], 3), probability(part.p[i]), format!("{:<3}", stars(part.p[i]))]);
        row
    };
    let rows: Vec<Vec<String>> = (0..part.coef_names.len()).map(row).collect();
    let (value, p) = (format!("{statistic} value"), format!("Pr(>|{statistic}|)"));
    let mut header = vec!["", "Estimate", "Std. Error"];
    header.extend(df.map(|_| "df"));
    header.extend([value.as_str(), p.as_str(), ""]);
    let table = columns(&header, &rows, 1);
    format!("\n{title}:\n{table}---\nSignif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1\n")
}

/// Most coefficients whose correlations are printed.
const MAX_CORRELATIONS: usize = 20;

fn correlations(part: &Part) -> String {
    let n = part.coef_names.len();
    if !(2..=MAX_CORRELATIONS).contains(&n) || part.se.iter().any(|se| !se.is_finite()) {
        return String::new();
    }
    let short = |name: &String| -> String { name.chars().filter(|c| *c != ')' && *c != '(').take(6).collect() };
    let header: Vec<String> =
        std::iter::once(String::new()).chain(part.coef_names[..n - 1].iter().map(short)).collect();
    let cell = |i: usize, j: usize| match j < i {
        true => number(part.vcov[i][j] / (part.se[i] * part.se[j]), 3),
        false => String::new(),
    };
    let row = |i: usize| {
        let label: String = part.coef_names[i].chars().take(12).collect();
        std::iter::once(label).chain((0..n - 1).map(|j| cell(i, j))).collect()
    };
    let rows: Vec<Vec<String>> = (1..n).map(row).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    format!("\nCorrelation of fixed effects:\n{}", columns(&header, &rows, 1))
}
