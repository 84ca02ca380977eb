//! Numbers and sentences for the report.

use crate::document::register::{Optimiser, Similarity};
use crate::experiment::{Experiment, Task};
use crate::run::Timing;
use crate::run::registration::{Findings, Metrics};
use serde_json::{Value, json};

/// A length with the digits it deserves.
pub fn mm(value: Option<f64>) -> String {
    match value {
        Some(v) if v.abs() >= 100.0 => format!("{v:.0}"),
        Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
        Some(v) if v.abs() >= 0.0995 => format!("{v:.2}"),
        Some(v) => format!("{v:.3}"),
        None => "–".to_owned(),
    }
}

/// A number with a fixed number of decimals.
pub fn fixed(value: Option<f64>, decimals: usize) -> String {
    value.map_or("–".to_owned(), |v| format!("{v:.0$}", decimals.min(12)))
}

/// A p-value with four decimals; never a bare zero.
pub fn p_value(value: Option<f64>) -> String {
    match value {
        Some(p) if p < 1e-4 => "< 0.0001".to_owned(),
        value => fixed(value, 4),
    }
}

/// A whole number with thin spaces between groups of three digits.
pub fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `1 view`, `2 views`.
pub fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// Bytes as GiB; empty for 0.
pub fn bytes(value: u64) -> String {
    if value == 0 { String::new() } else { format!("{:.1} GiB", value as f64 / f64::from(1 << 30)) }
}

/// One word and its colour.
pub fn verdict(metrics: &Metrics) -> Value {
    judged(metrics.criteria.is_empty(), metrics.missed.is_empty())
}

/// One word and its colour, by whether nothing was asked and nothing was missed.
pub fn judged(nothing_asked: bool, nothing_missed: bool) -> Value {
    let (class, word) = match (nothing_asked, nothing_missed) {
        (true, _) => ("plain", "Done"),
        (false, true) => ("pass", "Criteria met"),
        (false, false) => ("fail", "Criteria missed"),
    };
    json!({ "class": class, "word": word })
}

/// What came out, in a sentence or two.
pub fn answer(metrics: &Metrics) -> String {
    let starts = count(metrics.starts, "start");
    let Some(two) = metrics.success.iter().find(|s| s.within_mm == 2.0) else {
        let agree = metrics.modes.first().map_or(0, |m| m.members.len());
        let modes = count(metrics.modes.len(), "mode");
        return format!(
            "{agree} of {starts} agree on the most similar answer; there are {modes} in all. There is no reference pose, so errors are not known."
        );
    };
    let mut text = format!(
        "{} of {starts} ended under {} mm mTRE ({:.0} %, 95 % interval {:.0} to {:.0} %).",
        two.successes,
        two.within_mm,
        100.0 * two.rate,
        100.0 * two.low,
        100.0 * two.high
    );
    if let Some(best) = &metrics.best {
        text += &format!(
            " The most similar answer is {} mm mTRE and {:.2}° from the reference.",
            mm(Some(best.mtre_mm)),
            best.rotation_deg
        );
    }
    text
}

/// The key figures at the head.
pub fn tiles(metrics: &Metrics, timings: &[Timing]) -> Vec<Value> {
    let tile = |value: String, unit: &str, label: &str| json!({ "value": value, "unit": unit, "label": label });
    let mut tiles = Vec::new();
    for success in metrics.success.iter().filter(|s| s.within_mm <= 2.0) {
        let value = format!("{}/{}", success.successes, success.trials);
        tiles.push(tile(value, "", &format!("starts under {} mm", success.within_mm)));
    }
    if let Some(spread) = &metrics.mtre_mm {
        tiles.push(tile(mm(Some(spread.median)), "mm", "median mTRE"));
    }
    if let Some(best) = &metrics.best {
        tiles.push(tile(mm(Some(best.mtre_mm)), "mm", "mTRE of the best answer"));
    }
    if !metrics.has_reference {
        tiles.push(tile(metrics.starts.to_string(), "", "starts"));
        tiles.push(tile(metrics.modes.len().to_string(), "", "modes"));
    }
    tiles.push(tile(format!("{:.2}", metrics.seconds_per_start), "s", "per start"));
    tiles.push(tile(format!("{:.1}", timings.iter().map(|t| t.wall_s).sum::<f64>()), "s", "whole run"));
    tiles
}

/// Levels of the pyramid as table rows.
pub fn levels(findings: &Findings) -> Vec<Value> {
    let view = &findings.xrays[0];
    let row = |level: &regiscope_pose::Level| {
        let f = level.detector_factor;
        json!({
            "detector": format!("{} × {}", view.image.rows() / f, view.image.cols() / f),
            "voxel_mm": if level.voxel_mm > 0.0 { format!("{:.2}", level.voxel_mm) } else { "as they are".to_owned() },
            "rays_percent": 100.0 * level.ray_fraction,
            "max_iterations": level.max_iterations,
            "step_mm": level.step_mm,
        })
    };
    findings.levels.iter().map(row).collect()
}

/// The similarity's name in words.
pub fn similarity(experiment: &Experiment) -> &'static str {
    let Task::Register(_, task) = &experiment.task else { return "" };
    match task.method.similarity {
        Similarity::Ssd => "sum of squared differences",
        Similarity::Ncc => "normalised cross-correlation",
        Similarity::LocalNcc => "local normalised cross-correlation",
        Similarity::GradientNcc => "gradient normalised cross-correlation",
        Similarity::MutualInformation => "mutual information",
    }
}

/// The method in a sentence.
pub fn method(experiment: &Experiment) -> String {
    let Task::Register(_, task) = &experiment.task else { return String::new() };
    let optimiser = match task.method.optimiser {
        Optimiser::LevenbergMarquardt => "Levenberg–Marquardt on the exact Jacobian",
        Optimiser::Lbfgs => "L-BFGS on the exact gradient",
        Optimiser::NelderMead => "the Nelder–Mead simplex",
        Optimiser::CmaEs => "CMA-ES",
    };
    let search = match &task.method.search {
        Some(s) => format!(
            ", after a search of {} poses within ±{}° and ±{} mm of each start",
            s.samples, s.rotation_deg, s.translation_mm
        ),
        None => String::new(),
    };
    let starts = &task.starts;
    format!(
        "{optimiser}{search}. {} uniform within ±{:.4}° and ±{} mm.",
        count(starts.count, "start"),
        starts.rotation.to_degrees(),
        starts.translation_mm
    )
    .replace(".0000°", "°")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_they_deserve() {
        assert_eq!(mm(Some(0.01234)), "0.012");
        assert_eq!(mm(Some(1.234)), "1.23");
        assert_eq!(mm(Some(123.4)), "123");
        assert_eq!(mm(None), "–");
        assert_eq!([p_value(Some(3e-9)), p_value(Some(0.02))], ["< 0.0001", "0.0200"]);
        assert_eq!(thousands(1234567), "1\u{202f}234\u{202f}567");
        assert_eq!(thousands(12), "12");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }
}
