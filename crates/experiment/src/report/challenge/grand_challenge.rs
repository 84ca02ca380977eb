//! `metrics.json` as grand-challenge.org reads it from an evaluation container: strict JSON without NaN or infinity,
//! `results` case by case and `aggregates` over them.
//!
//! The platform shows any key of `aggregates` on a leaderboard by its path, as `aggregates.dsc.mean`. Names follow
//! evalutils, which wrote the file before: mean, std (n − 1), min, 25pc, 50pc, 75pc, max, count.

use super::Challenge;
use regiscope_challenge::ranking::Aggregate;
use regiscope_challenge::ranking::plain::aggregated;
use serde_json::{Map, Value, json};

/// One case with its metrics; one without a value is null.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseMetrics {
    /// What names the case, as `case`, `task`, `algorithm`.
    pub names: Vec<(String, String)>,
    /// Metrics by name.
    pub values: Vec<(String, Option<f64>)>,
    /// Rules that were applied instead of definitions.
    pub rules: Vec<(String, String)>,
}

/// The values of a report, one row for each case and algorithm.
pub fn cases(challenge: &Challenge) -> Vec<CaseMetrics> {
    let of_task = |task: &regiscope_challenge::ranking::analysis::TaskAnalysis| {
        let results = &task.results;
        let k = results.algorithms.len();
        let row = |i: usize| CaseMetrics {
            names: [
                ("task", &results.task),
                ("case", &results.cases[i / k]),
                ("algorithm", &results.algorithms[i % k]),
            ]
            .map(|(key, name)| (key.to_owned(), name.clone()))
            .to_vec(),
            values: vec![(challenge.value_name.clone(), Some(results.values[i]))],
            rules: Vec::new(),
        };
        (0..results.values.len()).map(row).collect::<Vec<_>>()
    };
    challenge.tasks.iter().flat_map(of_task).collect()
}

/// The content of `metrics.json`. Cases without a value are left out of an aggregate and counted in `undefined`.
pub fn metrics(cases: &[CaseMetrics]) -> Value {
    let finite = |v: &Option<f64>| v.filter(|v| v.is_finite());
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in cases.iter().flat_map(|c| &c.values) {
        if !names.contains(&&**name) {
            names.push(name);
        }
    }
    let of = |name: &str| {
        let all = cases.iter().flat_map(|c| &c.values).filter(|(n, _)| n == name).map(|(_, v)| finite(v));
        let all: Vec<Option<f64>> = all.collect();
        let values: Vec<f64> = all.iter().copied().flatten().collect();
        summary(&values, all.len() - values.len())
    };
    let result = |case: &CaseMetrics| {
        let mut row: Map<String, Value> = case.names.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        row.extend(case.values.iter().map(|(k, v)| (k.clone(), json!(finite(v)))));
        if !case.rules.is_empty() {
            let rules: Map<String, Value> = case.rules.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
            row.insert("rules".into(), Value::Object(rules));
        }
        Value::Object(row)
    };
    json!({
        "results": cases.iter().map(result).collect::<Vec<_>>(),
        "aggregates": names.into_iter().map(|n| (n.to_owned(), of(n))).collect::<Map<_, _>>(),
    })
}

fn summary(values: &[f64], undefined: usize) -> Value {
    if values.is_empty() {
        return json!({
            "mean": null, "std": null, "min": null, "25pc": null, "50pc": null, "75pc": null, "max": null,
            "count": 0, "undefined": undefined,
        });
    }
    let quantile = |p: f64| aggregated(values, Aggregate::Quantile(p));
    let (n, mean) = (values.len() as f64, aggregated(values, Aggregate::Mean));
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    json!({
        "mean": mean, "std": (n > 1.0).then(|| (squares / (n - 1.0)).sqrt()), "min": quantile(0.0),
        "25pc": quantile(0.25), "50pc": quantile(0.5), "75pc": quantile(0.75), "max": quantile(1.0),
        "count": values.len(), "undefined": undefined,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_strict_json_with_cases_and_aggregates() {
        let case = |name: &str, dsc: Option<f64>, rules: Vec<(String, String)>| CaseMetrics {
            names: vec![("case".into(), name.into())],
            values: vec![("dsc".into(), dsc), ("hd".into(), Some(f64::INFINITY))],
            rules,
        };
        let rule = vec![("dsc".to_owned(), "both masks are empty: undefined".to_owned())];
        let cases = [case("1", Some(0.5), vec![]), case("2", Some(1.0), vec![]), case("3", None, rule)];
        let value = metrics(&cases);
        assert_eq!(value["aggregates"]["dsc"]["mean"], 0.75);
        assert_eq!(value["aggregates"]["dsc"]["undefined"], 1);
        assert!((value["aggregates"]["dsc"]["std"].as_f64().unwrap() - 0.125f64.sqrt()).abs() < 1e-15);
        assert_eq!(value["aggregates"]["hd"]["count"], 0);
        assert_eq!(value["results"][2]["dsc"], Value::Null);
        assert_eq!(value["results"][2]["rules"]["dsc"], "both masks are empty: undefined");
        let text = value.to_string();
        assert!(!text.contains("NaN") && !text.to_lowercase().contains("inf"), "{text}");
    }
}
