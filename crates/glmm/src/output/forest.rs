//! The forest plot: every coefficient as a point with its interval, as SVG.

use super::document::FitDocument;
use super::tables::half_width;
use std::fmt::Write;

const ROW: f64 = 26.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
const PLOT: f64 = 420.0;
const LETTER: f64 = 7.2;
const GAP: f64 = 14.0;

/// One line of the plot.
struct Line {
    name: String,
    estimate: f64,
    low: f64,
    high: f64,
}

/// A forest plot of the fixed effects but the intercepts, with 95 % Wald intervals, as a self-contained SVG. Where the
/// link is logarithmic or a logit the axis is the exponential (rate, odds), marked on a logarithmic scale.
pub fn forest_svg(fit: &FitDocument) -> String {
    let lines = lines(fit);
    let is_ratio = matches!(fit.link.as_str(), "log" | "logit");
    let label = match fit.link.as_str() {
        "logit" => "odds ratio",
        "log" => "ratio of means",
        _ => "coefficient",
    };
    let title = format!("{} (95 % intervals)", fit.written.formula);
    let name_width = lines.iter().map(|l| l.name.chars().count()).max().unwrap_or(0).min(48) as f64 * LETTER;
    let left = name_width + 2.0 * GAP;
    let value_width = 24.0 * LETTER;
    let width = left + PLOT + value_width + GAP;
    let height = TOP + lines.len() as f64 * ROW + BOTTOM;
    let [low, high] = range(&lines);
    let x = |value: f64| left + (value.clamp(low, high) - low) / (high - low) * PLOT;
    let bottom = TOP + lines.len() as f64 * ROW + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"system-ui, sans-serif\" font-size=\"13\" role=\"img\">\n\
         <title>{0}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{GAP}\" y=\"24\" fill=\"#1a1d21\" font-weight=\"600\">{0}</text>\n",
        escaped(&shortened(&title, (width / LETTER) as usize - 4))
    );
    for (value, text) in ticks(low, high, is_ratio) {
        let at = x(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#e4e7eb\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#5b6470\">{text}</text>",
            TOP - 4.0,
            bottom + 18.0
        );
    }
    if low < 0.0 && high > 0.0 {
        let at = x(0.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#5b6470\" \
             stroke-dasharray=\"4 3\"/>",
            TOP - 4.0
        );
    }
    for (i, line) in lines.iter().enumerate() {
        let y = TOP + (i as f64 + 0.5) * ROW;
        let shown = |v: f64| plain(if is_ratio { v.exp() } else { v });
        let interval = format!("{} [{}, {}]", shown(line.estimate), shown(line.low), shown(line.high));
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#1a1d21\">{}</text>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#2457a6\" stroke-width=\"2\"/>\
             <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"#2457a6\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1a1d21\">{interval}</text>",
            left - GAP,
            y + 4.5,
            escaped(&shortened(&line.name, 48)),
            x(line.low),
            x(line.high),
            x(line.estimate),
            left + PLOT + GAP,
            y + 4.5,
        );
    }
    let middle = left + PLOT / 2.0;
    let _ = writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1a1d21\">{label}</text>\n</svg>",
        bottom + 38.0
    );
    svg
}

fn lines(fit: &FitDocument) -> Vec<Line> {
    let zero = fit.zero.as_ref().map(|zero| ("zero: ", "zero", &zero.fixed));
    let mut lines = Vec::new();
    for (prefix, which, part) in std::iter::once(("", "mean", &fit.mean)).chain(zero) {
        for (i, name) in part.coef_names.iter().enumerate().filter(|(_, name)| *name != "(Intercept)") {
            let (estimate, se) = (part.fixef[i], part.se[i]);
            if estimate.is_finite() && se.is_finite() {
                let factor = half_width(fit, which, i, 0.95);
                let (low, high) = (estimate - factor * se, estimate + factor * se);
                lines.push(Line { name: format!("{prefix}{name}"), estimate, low, high });
            }
        }
    }
    lines
}

/// What the axis shows: all intervals and zero, with room; intervals far wider than the others are cut.
fn range(lines: &[Line]) -> [f64; 2] {
    let mut widths: Vec<f64> = lines.iter().map(|l| l.high - l.low).collect();
    widths.sort_by(f64::total_cmp);
    let usual = widths.get(widths.len() / 2).copied().unwrap_or(1.0);
    let ends = lines.iter().flat_map(|l| {
        let reach = (l.high - l.low).min(20.0 * usual) / 2.0;
        [l.estimate - reach, l.estimate + reach]
    });
    let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let room = if high > low { 0.06 * (high - low) } else { 1.0 };
    [low - room, high + room]
}

/// Places of ticks on the scale of the coefficients, with what is written there.
fn ticks(low: f64, high: f64, is_ratio: bool) -> Vec<(f64, String)> {
    if is_ratio {
        let decades = (low / std::f64::consts::LN_10).floor() as i32..=(high / std::f64::consts::LN_10).ceil() as i32;
        let steps: &[f64] = match high - low {
            span if span > 9.0 => &[1.0],
            span if span > 2.5 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        let all = decades.flat_map(|d| steps.iter().map(move |s| s * 10_f64.powi(d)));
        return all.map(|v| (v.ln(), plain(v))).filter(|(at, _)| (low..=high).contains(at)).collect();
    }
    let rough = (high - low) / 6.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= rough * 0.999).unwrap_or(power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last.min(first + 12)).map(|n| (n as f64 * step, plain(n as f64 * step))).collect()
}

/// A number with three significant digits.
fn plain(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let size = value.abs().log10().floor() as i32;
    if (-4..6).contains(&size) {
        let decimals = (2 - size).max(0) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.1e}")
    }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
