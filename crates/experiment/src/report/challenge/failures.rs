//! What makes algorithms fail: the failure analysis in figures.
//!
//! Its content is read from the JSON of `regiscope challenge failures`, so that a long fit is made once.

use super::figures;
use serde::Deserialize;
use serde_json::{Value, json};

/// The parts of a failure analysis that are drawn.
#[derive(Clone, Debug, Deserialize)]
pub struct Failures {
    data: Data,
    level: f64,
    effects: Vec<Effect>,
    marginal_effects: Vec<Marginal>,
    #[serde(default)]
    profiles: Vec<Profile>,
    #[serde(default)]
    rankings: Vec<RiskRanking>,
    #[serde(default)]
    pareto: Option<Vec<Pareto>>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Data {
    rows: usize,
    failures: usize,
    algorithms: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Effect {
    name: String,
    odds_ratio: f64,
    odds_ratio_lower: f64,
    odds_ratio_upper: f64,
    p_adjusted: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Marginal {
    name: String,
    risk_without: f64,
    risk_with: f64,
    effect: Estimate,
    #[serde(default)]
    by_algorithm: Vec<Estimate>,
}

#[derive(Clone, Debug, Deserialize)]
struct Estimate {
    estimate: f64,
    lower: f64,
    upper: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Profile {
    algorithm: String,
    overall: Deviation,
    #[serde(default)]
    slopes: Vec<Deviation>,
}

#[derive(Clone, Debug, Deserialize)]
struct Deviation {
    name: String,
    estimate: f64,
    lower: f64,
    upper: f64,
    verdict: String,
}

#[derive(Clone, Debug, Deserialize)]
struct RiskRanking {
    #[serde(default)]
    conditions: Vec<Value>,
    algorithms: Vec<RankedRisk>,
}

#[derive(Clone, Debug, Deserialize)]
struct RankedRisk {
    algorithm: String,
    risk: f64,
    lower: f64,
    upper: f64,
    rank: usize,
    rank_lower: usize,
    rank_upper: usize,
}

#[derive(Clone, Debug, Deserialize)]
struct Pareto {
    algorithm: String,
    score: f64,
    energy_j: f64,
    on_front: bool,
    stability: f64,
    score_interval: [f64; 2],
    energy_interval_j: [f64; 2],
}

/// A failure analysis that is none.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("it is no failure analysis: {0}; accepted is what `regiscope challenge failures --json` writes")]
pub struct NoFailures(String);

impl Failures {
    /// From the JSON of a failure analysis.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_json(text: &str) -> Result<Self, NoFailures> {
        let failures: Self = serde_json::from_str(text).map_err(|e| NoFailures(e.to_string()))?;
        if failures.effects.is_empty() {
            return Err(NoFailures("it has no effects".to_owned()));
        }
        Ok(failures)
    }

    /// In sentences.
    fn words(&self) -> String {
        let Data { rows, failures, algorithms } = &self.data;
        let rate = 100.0 * *failures as f64 / (*rows).max(1) as f64;
        let mut text = format!("{failures} of {rows} answers of {} algorithms failed ({rate:.1} %).", algorithms.len());
        let alpha = 1.0 - self.level;
        let clear = |harms: bool| -> Vec<String> {
            let kept = self.effects.iter().filter(|e| e.p_adjusted <= alpha && (e.odds_ratio > 1.0) == harms);
            kept.take(5).map(|e| format!("{} (odds × {:.2})", e.name, e.odds_ratio)).collect()
        };
        let (harmful, protective) = (clear(true), clear(false));
        text += &match &harmful[..] {
            [] => " No characteristic raises the odds of failure beyond chance.".to_owned(),
            some => format!(" What raises the odds of failure most: {}.", some.join(", ")),
        };
        if !protective.is_empty() {
            text += &format!(" What lowers them: {}.", protective.join(", "));
        }
        text
    }
}

/// The analysis for the page.
pub fn value(failures: &Failures) -> Value {
    let alpha = 1.0 - failures.level;
    let effects: Vec<figures::Interval> = failures
        .effects
        .iter()
        .map(|e| figures::Interval {
            name: e.name.clone(),
            at: e.odds_ratio,
            range: [e.odds_ratio_lower, e.odds_ratio_upper],
            clear: e.p_adjusted <= alpha,
            note: format!("{} ({}–{})", ratio(e.odds_ratio), ratio(e.odds_ratio_lower), ratio(e.odds_ratio_upper)),
        })
        .collect();
    let risks: Vec<figures::RiskChange> = failures
        .marginal_effects
        .iter()
        .map(|m| figures::RiskChange {
            name: m.name.clone(),
            without: m.risk_without,
            with: m.risk_with,
            change: [m.effect.estimate, m.effect.lower, m.effect.upper],
            of_algorithms: m.by_algorithm.iter().map(|e| e.estimate).collect(),
        })
        .collect();
    // Deviations whose interval leaves zero out, the largest first.
    let mut notable: Vec<(&Profile, &Deviation)> = failures
        .profiles
        .iter()
        .flat_map(|p| p.slopes.iter().chain([&p.overall]).map(move |d| (p, d)))
        .filter(|(_, d)| d.verdict != "as-the-field")
        .collect();
    notable.sort_by(|a, b| b.1.estimate.abs().total_cmp(&a.1.estimate.abs()));
    let profile = |(p, d): &(&Profile, &Deviation)| figures::Interval {
        name: format!("{}: {}", p.algorithm, d.name),
        at: d.estimate.exp(),
        range: [d.lower.exp(), d.upper.exp()],
        clear: true,
        note: d.verdict.clone(),
    };
    let notable: Vec<figures::Interval> = notable.iter().take(24).map(profile).collect();
    let ranking = |r: &RiskRanking| {
        let mut algorithms: Vec<&RankedRisk> = r.algorithms.iter().collect();
        algorithms.sort_by_key(|a| a.rank);
        let row = |a: &&RankedRisk| {
            json!({
                "rank": a.rank, "algorithm": a.algorithm, "ranks": format!("{}–{}", a.rank_lower, a.rank_upper),
                "risk": format!("{:.1} %", 100.0 * a.risk),
                "interval": format!("{:.1}–{:.1} %", 100.0 * a.lower, 100.0 * a.upper),
            })
        };
        json!({"conditions": conditions(&r.conditions), "rows": algorithms.iter().map(row).collect::<Vec<_>>()})
    };
    let pareto = failures.pareto.as_ref().map(|points| {
        let point = |p: &Pareto| figures::Point {
            name: p.algorithm.clone(),
            x: [p.energy_j, p.energy_interval_j[0], p.energy_interval_j[1]],
            y: [p.score, p.score_interval[0], p.score_interval[1]],
            on_front: p.on_front,
            note: format!("on the front in {:.0} % of the resamples", 100.0 * p.stability),
        };
        figures::pareto(&points.iter().map(point).collect::<Vec<_>>())
    });
    json!({
        "words": failures.words(),
        "level": 100.0 * failures.level,
        "forest": figures::forest(&effects, "odds ratio of failure"),
        "effects": (!risks.is_empty()).then(|| figures::effects(&risks)),
        "profiles": (!notable.is_empty()).then(|| figures::forest(&notable, "odds ratio against the field")),
        "rankings": failures.rankings.iter().map(ranking).collect::<Vec<_>>(),
        "pareto": pareto,
        "warnings": failures.warnings,
    })
}

/// A ratio in a few characters; separated data have very large ones.
fn ratio(value: f64) -> String {
    if value < 1000.0 { format!("{value:.2}") } else { format!("{value:.0e}") }
}

/// The conditions of a ranking in words: `smoke 50 %`.
fn conditions(conditions: &[Value]) -> String {
    let one = |c: &Value| {
        let name = ["name", "effect", "characteristic"].iter().find_map(|k| c[*k].as_str());
        let share = ["share", "part", "rate"].iter().find_map(|k| c[*k].as_f64());
        match (name, share) {
            (Some(name), Some(share)) => format!("{name} in {:.0} % of the cases", 100.0 * share),
            _ => c.to_string(),
        }
    };
    conditions.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
        "data": {"rows": 100, "cases": 50, "algorithms": ["A", "B"], "failures": 20},
        "level": 0.95,
        "effects": [
            {"name": "smoke", "odds_ratio": 3.0, "odds_ratio_lower": 2.0, "odds_ratio_upper": 4.5, "p_adjusted": 0.001},
            {"name": "blood", "odds_ratio": 0.9, "odds_ratio_lower": 0.5, "odds_ratio_upper": 1.6, "p_adjusted": 0.8}
        ],
        "marginal_effects": [
            {"name": "smoke", "risk_without": 0.1, "risk_with": 0.25,
             "effect": {"estimate": 0.15, "se": 0.03, "lower": 0.1, "upper": 0.2},
             "by_algorithm": [{"estimate": 0.1, "se": 0.1, "lower": 0, "upper": 0.2}]}
        ],
        "profiles": [{"algorithm": "A", "slopes": [
            {"name": "smoke", "estimate": -0.5, "lower": -0.9, "upper": -0.1, "verdict": "strength"}],
            "overall": {"name": "overall", "estimate": 0.0, "lower": -1, "upper": 1, "verdict": "as-the-field"}}],
        "rankings": [{"conditions": [{"name": "smoke", "share": 0.5}], "algorithms": [
            {"algorithm": "A", "risk": 0.1, "lower": 0.05, "upper": 0.2, "rank": 1, "rank_lower": 1, "rank_upper": 2}]}],
        "pareto": [{"algorithm": "A", "score": 0.9, "energy_j": 3.0, "on_front": true, "stability": 0.97,
            "score_interval": [0.8, 0.95], "energy_interval_j": [2.5, 3.5]}],
        "warnings": ["a warning"]
    }"#;

    #[test]
    fn an_analysis_is_drawn_and_told() {
        let failures = Failures::from_json(TEXT).unwrap();
        let value = value(&failures);
        let words = value["words"].as_str().unwrap();
        assert!(words.contains("20 of 100") && words.contains("smoke (odds × 3.00)") && !words.contains("blood"));
        for figure in ["forest", "effects", "profiles", "pareto"] {
            let svg = value[figure].as_str().unwrap();
            assert!(svg.contains("<circle") && svg.contains("</svg>") && !svg.contains("NaN"), "{svg}");
        }
        assert_eq!(value["rankings"][0]["conditions"], "smoke in 50 % of the cases");
        assert_eq!(value["rankings"][0]["rows"][0]["ranks"], "1–2");
    }

    #[test]
    fn other_json_is_refused() {
        let said = |text: &str| Failures::from_json(text).unwrap_err().to_string();
        assert!(said("{}").contains("missing field `data`"));
        assert!(said("nothing").contains("challenge failures --json"));
    }
}
