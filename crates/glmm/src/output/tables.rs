//! The coefficients as CSV and as LaTeX.

use super::document::{FitDocument, Part};
use super::layout::{fixed, number, probability};
use crate::infer::distributions::two_sided_quantile;

/// The parts of a fit that have coefficients, with the names of the parts.
fn parts(fit: &FitDocument) -> Vec<(&'static str, &Part)> {
    let zero = fit.zero.as_ref().map(|zero| ("zero", &zero.fixed));
    std::iter::once(("mean", &fit.mean)).chain(zero).collect()
}

/// Half the width of the Wald interval of coefficient `i` of a part over its standard error.
pub(crate) fn half_width(fit: &FitDocument, part: &str, i: usize, level: f64) -> f64 {
    let df = match (&fit.linear, &fit.inference.ddf) {
        (Some(linear), _) => linear.df_residual,
        (None, Some(ddf)) if part == "mean" => ddf.df[i],
        _ => f64::INFINITY,
    };
    two_sided_quantile(level, df)
}

/// One line for each coefficient, with full precision and 95 % Wald intervals.
pub fn coefficients_csv(fit: &FitDocument) -> String {
    let mut text = "part,term,estimate,std_error,statistic,p_value,lower_95,upper_95\n".to_owned();
    for (name, part) in parts(fit) {
        for (i, coefficient) in part.coef_names.iter().enumerate() {
            let (b, se) = (part.fixef[i], part.se[i]);
            let factor = half_width(fit, name, i, 0.95);
            let numbers = [b, se, part.z[i], part.p[i], b - factor * se, b + factor * se].map(cell).join(",");
            text += &format!("{name},{},{numbers}\n", quoted(coefficient));
        }
    }
    text
}

fn cell(value: f64) -> String {
    if value.is_nan() { "NA".into() } else { value.to_string() }
}

/// A cell of CSV, in quotes where it needs them.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A `tabular` of the coefficients with rules of the package `booktabs`.
pub fn coefficients_latex(fit: &FitDocument) -> String {
    let statistic = if fit.linear.is_some() || fit.inference.ddf.is_some() { "t" } else { "z" };
    let mut text = format!(
        "% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{lrrrrr}}\n\\toprule\n & Estimate & Std.\\ error & \
         95\\,\\% interval & ${statistic}$ & $p$ \\\\\n\\midrule\n"
    );
    let all = parts(fit);
    for (n, (name, part)) in all.iter().enumerate() {
        if all.len() > 1 {
            let rule = if n > 0 { "\\midrule\n" } else { "" };
            text += &format!("{rule}\\multicolumn{{6}}{{l}}{{\\emph{{{name} part}}}} \\\\\n");
        }
        let limits: Vec<f64> = (0..part.fixef.len())
            .flat_map(|i| {
                let half = half_width(fit, name, i, 0.95) * part.se[i];
                [part.fixef[i] - half, part.fixef[i] + half]
            })
            .collect();
        let (estimates, errors) = (fixed(&part.fixef, 3), fixed(&part.se, 3));
        let limits = fixed(&limits, 3);
        for (i, coefficient) in part.coef_names.iter().enumerate() {
            let p = match probability(part.p[i]) {
                p if p.starts_with('<') => format!("<{}", mathematical(&p[1..])),
                p => mathematical(&p),
            };
            text += &format!(
                "{} & ${}$ & ${}$ & $[{},\\ {}]$ & ${}$ & ${p}$ \\\\\n",
                escaped(coefficient),
                mathematical(&estimates[i]),
                mathematical(&errors[i]),
                mathematical(&limits[2 * i]),
                mathematical(&limits[2 * i + 1]),
                number(part.z[i], 2),
            );
        }
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

/// A printed number in LaTeX's mathematics: 1.2e-07 as 1.2 × 10^−7.
fn mathematical(number: &str) -> String {
    match number.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap_or(0);
            format!("{mantissa}\\times 10^{{{exponent}}}")
        }
        None => number.to_owned(),
    }
}

/// Text whose characters mean nothing to LaTeX.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\textbackslash{}",
            '^' => escaped += "\\textasciicircum{}",
            '~' => escaped += "\\textasciitilde{}",
            '|' => escaped += "\\textbar{}",
            '<' => escaped += "\\textless{}",
            '>' => escaped += "\\textgreater{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(escaped("I(x^2)_1 & 50%"), "I(x\\textasciicircum{}2)\\_1 \\& 50\\%");
        assert_eq!(mathematical("1.20e-07"), "1.20\\times 10^{-7}");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
