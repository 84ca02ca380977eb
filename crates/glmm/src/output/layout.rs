//! Numbers and columns of printed tables.

/// Columns of text: the first to the left, the others to the right, one space between them.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let width = |j: usize| {
        let cells = rows.iter().map(|row| row[j].chars().count());
        cells.chain([header[j].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().enumerate().map(|(j, cell)| {
            let w = widths[j];
            if j < left { format!("{cell:<w$}") } else { format!("{cell:>w$}") }
        });
        padded.collect::<Vec<_>>().join(" ").trim_end().to_owned() + "\n"
    };
    let header: Vec<String> = header.iter().map(|h| (*h).to_owned()).collect();
    line(&header) + &rows.iter().map(|row| line(row)).collect::<String>()
}

/// Numbers with as many decimals as the smallest of them needs for `digits` significant ones, at most six; where their
/// sizes differ too much for that, each in scientific notation.
pub(crate) fn fixed(values: &[f64], digits: i32) -> Vec<String> {
    let sizes = || values.iter().copied().filter(|v| v.is_finite() && *v != 0.0).map(f64::abs);
    let (least, most) = sizes().fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    if most >= 1e7 || (most > 0.0 && most < 1e-4) {
        return values.iter().map(|v| if *v == 0.0 { "0".into() } else { scientific(*v, digits) }).collect();
    }
    let decimals = if least.is_finite() { (digits - 1 - least.log10().floor() as i32).clamp(0, 6) } else { 0 };
    let decimals = decimals.min((digits + 2 - most.max(1e-300).log10().floor() as i32).max(0)) as usize;
    values.iter().map(|v| number(*v, decimals)).collect()
}

/// A number with so many decimals.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    if value.is_nan() { "NA".into() } else { format!("{value:.decimals$}") }
}

fn scientific(value: f64, digits: i32) -> String {
    if !value.is_finite() {
        return number(value, 0);
    }
    let precision = (digits - 1).max(0) as usize;
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// A probability as R prints it: three digits, small ones in scientific notation, none below 2e-16.
pub(crate) fn probability(p: f64) -> String {
    match p {
        _ if p.is_nan() => "NA".into(),
        _ if p < 2e-16 => "<2e-16".into(),
        _ if p < 1e-4 => scientific(p, 3),
        _ => format!("{p:.4}"),
    }
}

/// The stars of a probability.
pub(crate) fn stars(p: f64) -> &'static str {
    match p {
        _ if p < 0.001 => "***",
        _ if p < 0.01 => "**",
        _ if p < 0.05 => "*",
        _ if p < 0.1 => ".",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_significant_digits() {
        assert_eq!(fixed(&[251.405_1, 10.467_28], 4), ["251.41", "10.47"]);
        assert_eq!(fixed(&[0.001234, 0.5], 4), ["0.001234", "0.500000"]);
        assert_eq!(fixed(&[1e9, 2.0], 3), ["1.00e+09", "2.00e+00"]);
        assert_eq!(fixed(&[f64::NAN, 0.0], 4), ["NA", "0"]);
        assert_eq!([1e-20, 3.2e-7, 0.0123, f64::NAN].map(probability), ["<2e-16", "3.20e-07", "0.0123", "NA"]);
        assert_eq!([0.0001, 0.04, 0.5, f64::NAN].map(stars), ["***", "*", "", ""]);
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".into(), "1.5".into()], vec!["long".into(), "-10.5".into()]];
        assert_eq!(columns(&["", "x"], &rows, 1), "         x\na      1.5\nlong -10.5\n");
    }
}
