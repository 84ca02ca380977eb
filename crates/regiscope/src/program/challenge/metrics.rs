//! `regiscope challenge metrics`: of a pair of masks, or of all masks of a manifest.

use super::{results, tell, written};
use crate::program::args::challenge::{MetricConvention, MetricsArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::manifest::{self, Entry, Scores};
use regiscope_challenge::metrics::boundary::Band;
use regiscope_challenge::metrics::request::{NamedScore, Request};
use regiscope_challenge::metrics::segmentation::{Convention, Options};
use regiscope_experiment::challenge_report::grand_challenge::{self, CaseMetrics};
use regiscope_image::{Volume, read_labels};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Computes metrics.
pub fn run(arguments: &MetricsArgs, output: Output) -> Result<Ending, Failure> {
    let request = request(arguments)?;
    let (value, cases, words) = match (&arguments.manifest, &arguments.reference, &arguments.prediction) {
        (Some(path), ..) => of_manifest(path, &request, arguments.table.as_deref())?,
        (None, Some(reference), Some(prediction)) => of_pair(reference, prediction, &request)?,
        _ => {
            return Err(Failure::Input("--reference and --prediction, or --manifest, say what is compared".to_owned()));
        }
    };
    if let Some(path) = &arguments.grand_challenge {
        let metrics = grand_challenge::metrics(&cases);
        written(path, &serde_json::to_vec_pretty(&metrics).map_err(|e| Failure::file(path, e))?)?;
    }
    tell(&value, arguments.json.as_ref(), output, || words)?;
    Ok(Ending::Done)
}

type Answer = (Value, Vec<CaseMetrics>, String);

fn request(arguments: &MetricsArgs) -> Result<Request, Failure> {
    let MetricsArgs { tolerance, boundary_distance, .. } = *arguments;
    if !(tolerance >= 0.0 && tolerance.is_finite()) {
        return Err(Failure::Input(format!("--tolerance is {tolerance} mm; accepted are numbers from 0")));
    }
    if !(boundary_distance > 0.0 && boundary_distance.is_finite()) {
        let found = format!("--boundary-distance is {boundary_distance} voxels; accepted are numbers above 0");
        return Err(Failure::Input(found));
    }
    let options = Options { tolerance_mm: tolerance, band: Band::Distance(boundary_distance) };
    let labels = arguments.label.clone();
    Request::new(&arguments.metrics, convention(arguments.convention), options, labels)
        .map_err(|e| Failure::Input(e.to_string()))
}

/// The convention of its option.
pub fn convention(convention: MetricConvention) -> Convention {
    match convention {
        MetricConvention::MetricsReloaded => Convention::MetricsReloaded,
        MetricConvention::DeepmindSurfaceDistance => Convention::DeepmindSurfaceDistance,
        MetricConvention::Monai => Convention::Monai,
    }
}

/// JSON has no infinity: null, and the rule says so.
fn finite(score: &NamedScore) -> Option<f64> {
    score.value.filter(|v| v.is_finite())
}

fn of_pair(reference: &Path, prediction: &Path, request: &Request) -> Result<Answer, Failure> {
    let read = |path: &Path| -> Result<Volume<u16>, Failure> { read_labels(path).map_err(|e| Failure::file(path, e)) };
    let scores = request.compare(&read(reference)?, &read(prediction)?).map_err(|e| Failure::file(prediction, e))?;
    // Metrics of one label stand as those of all; of several, by label.
    let by_label = request.labels.len() > 1;
    let (mut all, mut rules, mut labels) = (Map::new(), Map::new(), Map::new());
    for score in &scores {
        let key = score.label.filter(|_| by_label).map(|l| l.to_string());
        let (values, rules) = match &key {
            Some(key) => (object(&mut labels, key), object(&mut rules, key)),
            None => (&mut all, &mut rules),
        };
        values.insert(score.name.clone(), json!(finite(score)));
        if let Some(rule) = score.rule {
            rules.insert(score.name.clone(), json!(rule));
        }
    }
    if by_label {
        all.insert("labels".into(), Value::Object(labels));
    }
    all.insert("convention".into(), json!(request.convention));
    all.insert("tolerance_mm".into(), json!(request.options.tolerance_mm));
    all.insert("rules".into(), Value::Object(rules));
    let name = prediction.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let cases = by_labels(vec![("case".to_owned(), name)], &scores);
    let value = Value::Object(all);
    let words = words(&value);
    Ok((value, cases, words))
}

/// The object under a key, made if need be.
fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(key.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    value.as_object_mut().expect("only objects are put here")
}

/// One row for each label, in the order of the scores.
fn by_labels(names: Vec<(String, String)>, scores: &[NamedScore]) -> Vec<CaseMetrics> {
    let row = |of: &[NamedScore]| {
        let mut names = names.clone();
        names.extend(of[0].label.map(|l| ("label".to_owned(), l.to_string())));
        let rules = of.iter().filter_map(|s| Some((s.name.clone(), s.rule?.to_owned()))).collect();
        CaseMetrics { names, values: of.iter().map(|s| (s.name.clone(), finite(s))).collect(), rules }
    };
    scores.chunk_by(|a, b| a.label == b.label).map(row).collect()
}

fn of_manifest(path: &Path, request: &Request, table: Option<&Path>) -> Result<Answer, Failure> {
    let (entries, folder) = results::entries(path)?;
    let scores = manifest::evaluate(&entries, &folder, request).map_err(|e| Failure::file(path, e))?;
    let cases: Vec<CaseMetrics> = entries.iter().zip(&scores).flat_map(|(e, s)| rows(e, s, request)).collect();
    if let Some(path) = table {
        written(path, csv(&cases, request).as_bytes())?;
    }
    let mut value = grand_challenge::metrics(&cases);
    value["convention"] = json!(request.convention);
    value["tolerance_mm"] = json!(request.options.tolerance_mm);
    let mut words = format!("{} answers\n", entries.len());
    for (name, aggregate) in value["aggregates"].as_object().into_iter().flatten() {
        let number = |key: &str| aggregate[key].as_f64().map_or("-".to_owned(), |v| format!("{v:.6}"));
        words += &format!(
            "  {name:<24}  mean {}  median {}  undefined {}\n",
            number("mean"),
            number("50pc"),
            aggregate["undefined"]
        );
    }
    Ok((value, cases, words))
}

/// The rows of one answer; of one that is not there, a row without values.
fn rows(entry: &Entry, scores: &Scores, request: &Request) -> Vec<CaseMetrics> {
    let named = |key: &str, name: &String| (key.to_owned(), name.clone());
    let mut names = vec![named("task", &entry.task), named("case", &entry.case), named("algorithm", &entry.algorithm)];
    names.extend(entry.cluster.as_ref().map(|c| named("cluster", c)));
    match scores {
        Some(scores) => by_labels(names, scores),
        None => {
            let values = request.names().map(|n| (n.to_owned(), None)).collect();
            let rules =
                request.names().map(|n| (n.to_owned(), "there is no prediction: undefined".to_owned())).collect();
            vec![CaseMetrics { names, values, rules }]
        }
    }
}

/// The rows as a table that `rank` reads; rules stand in a column of their own.
fn csv(cases: &[CaseMetrics], request: &Request) -> String {
    let mut header: Vec<&str> = vec!["task", "case", "algorithm"];
    for optional in ["cluster", "label"] {
        if cases.iter().any(|c| c.names.iter().any(|(name, _)| name == optional)) {
            header.push(optional);
        }
    }
    let names = header.clone();
    header.extend(request.names());
    header.push("rules");
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).expect("memory can be written to");
    for case in cases {
        let find = |name: &&str| case.names.iter().find(|(n, _)| n == name).map_or(String::new(), |(_, v)| v.clone());
        let value = |name: &str| {
            let found = case.values.iter().find(|(n, _)| n == name).and_then(|(_, v)| *v);
            found.map_or(String::new(), |v| v.to_string())
        };
        let rules: Vec<String> = case.rules.iter().map(|(name, rule)| format!("{name}: {rule}")).collect();
        let row = names.iter().map(find).chain(request.names().map(value)).chain([rules.join("; ")]);
        writer.write_record(row.collect::<Vec<_>>()).expect("rows are as long as the header");
    }
    String::from_utf8(writer.into_inner().expect("memory can be written to")).expect("text was written")
}

/// One line for each metric.
fn words(value: &Value) -> String {
    let mut text = format!("convention {}\n", value["convention"].as_str().unwrap_or_default());
    let mut section = |title: &str, values: &Value, rules: &Value| {
        for (name, value) in values.as_object().into_iter().flatten() {
            if value.is_number() && name != "tolerance_mm" || value.is_null() {
                let number = value.as_f64().map_or("-".to_owned(), |v| format!("{v:.6}"));
                let rule = rules[name].as_str().map_or(String::new(), |r| format!("  ({r})"));
                text += &format!("  {title}{name:<24}  {number}{rule}\n");
            }
        }
    };
    section("", value, &value["rules"]);
    for (label, values) in value["labels"].as_object().into_iter().flatten() {
        section(&format!("label {label}  "), values, &value["rules"][label]);
    }
    text
}
