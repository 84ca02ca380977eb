//! The report of an analysis of failures.

use super::svg::{Axis, Chart, Mark, Series};
use super::{Shared, render, words};
use crate::experiment::Experiment;
use crate::run::RunError;
use crate::run::failures::Findings;
use regiscope_challenge::failures::FailureAnalysis;
use regiscope_challenge::failures::profile::Verdict;
use regiscope_challenge::failures::ranks::RiskRanking;
use serde_json::{Value, json};
use std::fmt::Write;

/// The report.
pub fn failures(experiment: &Experiment, findings: &Findings, shared: Shared) -> Result<String, RunError> {
    let analysis = findings.analysis;
    let missed = findings.criteria.iter().any(|c| !c.met);
    let context = json!({
        "verdict": words::judged(findings.criteria.is_empty(), !missed),
        "answer": answer(analysis),
        "criteria": findings.criteria,
        "tiles": tiles(analysis, &shared),
        "forest": forest(analysis),
        "effects": analysis.effects.iter().zip(&analysis.marginal_effects)
            .map(|(e, m)| json!({"effect": e, "marginal": m})).collect::<Vec<_>>(),
        "level": 100.0 * analysis.level,
        "analysis": analysis,
        "rankings": analysis.rankings.iter().map(ranking).collect::<Vec<_>>(),
        "deviations": deviations(analysis),
        "pairs": analysis.interactions.iter().take(10).collect::<Vec<_>>(),
        "truth": findings.truth,
        "front": front(analysis),
        "shared": super::shared(experiment, findings.subject, shared),
    });
    render("failures.html", context)
}

fn answer(analysis: &FailureAnalysis) -> String {
    let data = &analysis.data;
    let mut text = format!("{:.1} % of {} results are failures.", 100.0 * data.failure_rate, data.rows);
    let harmful: Vec<String> = analysis
        .effects
        .iter()
        .filter(|e| e.p_adjusted < 0.05 && e.estimate > 0.0)
        .take(5)
        .map(|e| format!("{} (odds × {:.2})", e.name, e.odds_ratio))
        .collect();
    match harmful.is_empty() {
        true => text += " No characteristic is shown to make them more likely.",
        false => text += &format!(" What makes them most likely: {}.", harmful.join(", ")),
    }
    if let Some(best) = analysis.rankings.first().and_then(|r| r.algorithms.iter().find(|a| a.rank == 1)) {
        let ranks = if best.rank_lower == best.rank_upper {
            "surely".to_owned()
        } else {
            format!("rank {} to {}", best.rank_lower, best.rank_upper)
        };
        text += &format!(" {} fails least, {:.1} % ({ranks}).", best.algorithm, 100.0 * best.risk);
    }
    text
}

fn tiles(analysis: &FailureAnalysis, shared: &Shared) -> Vec<Value> {
    let tile = |value: String, unit: &str, label: &str| json!({ "value": value, "unit": unit, "label": label });
    let data = &analysis.data;
    let found = analysis.effects.iter().filter(|e| e.p_adjusted < 0.05).count();
    vec![
        tile(data.algorithms.len().to_string(), "", "algorithms"),
        tile(data.cases.to_string(), "", "cases"),
        tile(format!("{:.1}", 100.0 * data.failure_rate), "%", "failures"),
        tile(format!("{found} of {}", analysis.effects.len()), "", "characteristics matter"),
        tile(format!("{:.1}", shared.timings.iter().map(|t| t.wall_s).sum::<f64>()), "s", "whole run"),
    ]
}

/// Odds ratios with their intervals on a logarithmic axis.
fn forest(analysis: &FailureAnalysis) -> String {
    let (row, left, width, top) = (22.0, 230.0, 430.0, 12.0);
    let rows = analysis.effects.len() as f64;
    let finite = |v: f64| if v.is_finite() { v.clamp(-12.0, 12.0) } else { 0.0 };
    let low = analysis.effects.iter().map(|e| finite(e.lower)).fold(-0.2, f64::min) - 0.05;
    let high = analysis.effects.iter().map(|e| finite(e.upper)).fold(0.2, f64::max) + 0.05;
    let x = |log_odds: f64| left + width * (finite(log_odds) - low) / (high - low);
    let bottom = top + row * rows;
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" aria-label=\"odds ratios of failure\">",
        left + width + 20.0,
        bottom + 44.0
    );
    let mut put = |text: std::fmt::Arguments| svg.write_fmt(text).expect("a string takes all text");
    put(format_args!(
        "<line class=\"axis\" x1=\"{0:.1}\" y1=\"{top}\" x2=\"{0:.1}\" y2=\"{bottom}\" stroke-dasharray=\"4 3\"/>",
        x(0.0)
    ));
    for ratio in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0_f64] {
        if (low..=high).contains(&ratio.ln()) {
            let at = x(ratio.ln());
            put(format_args!(
                "<line class=\"axis\" x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{ratio}</text>",
                bottom + 5.0,
                bottom + 19.0
            ));
        }
    }
    put(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">odds ratio of failure</text>",
        left + 0.5 * width,
        bottom + 38.0
    ));
    for (n, effect) in analysis.effects.iter().enumerate() {
        let y = top + row * (n as f64 + 0.5);
        let colour = if effect.p_adjusted < 0.05 { "var(--accent)" } else { "var(--ink-soft)" };
        put(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/><circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>",
            left - 8.0,
            y + 4.0,
            escape(&shortened(&effect.name)),
            x(effect.lower),
            x(effect.upper),
            x(effect.estimate)
        ));
    }
    svg + "</svg>"
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= 32 { name.to_owned() } else { name.chars().take(31).chain(['…']).collect() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn ranking(ranking: &RiskRanking) -> Value {
    let of: Vec<String> =
        ranking.conditions.iter().map(|c| format!("{} in {:.0} %", c.name, 100.0 * c.share)).collect();
    let mut algorithms = ranking.algorithms.clone();
    algorithms.sort_by_key(|a| a.rank);
    let title =
        if of.is_empty() { "Cases as they are".to_owned() } else { format!("If {} of the cases", of.join(" and ")) };
    json!({ "title": title, "effective": ranking.effective_cases, "algorithms": algorithms })
}

/// Deviations whose interval does not hold zero.
fn deviations(analysis: &FailureAnalysis) -> Vec<Value> {
    let of = analysis.profiles.iter().flat_map(|p| p.slopes.iter().map(move |s| (p, s)));
    of.filter(|(_, s)| s.verdict != Verdict::AsTheField)
        .map(|(p, s)| json!({ "algorithm": p.algorithm, "deviation": s, "weak": s.verdict == Verdict::Weakness }))
        .collect()
}

/// Score against energy.
fn front(analysis: &FailureAnalysis) -> Option<String> {
    let points = analysis.pareto.as_ref()?;
    let of = |on: bool| points.iter().filter(|p| p.on_front == on).map(|p| (p.energy_j, p.score)).collect::<Vec<_>>();
    let series = |name: &str, colour: &str, mark: Mark, points: Vec<(f64, f64)>| Series {
        name: name.to_owned(),
        colour: colour.to_owned(),
        mark,
        points,
    };
    let all = vec![
        series("", "var(--accent)", Mark::Line(1.4, 1.0), of(true)),
        series("on the front", "var(--accent)", Mark::Dots, of(true)),
        series("beaten", "var(--ink-soft)", Mark::Dots, of(false)),
    ];
    let x = Axis::log("energy of a result, J", points.iter().map(|p| p.energy_j));
    let y = Axis::linear("mean score", points.iter().map(|p| p.score));
    Some(Chart { title: String::new(), size: [520.0, 320.0], x, y, backdrop: None, series: all }.svg())
}
