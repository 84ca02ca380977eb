//! `regiscope challenge metrics`.

use super::tell;
use crate::program::args::challenge::{MetricConvention, MetricsArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::metrics::boundary::Band;
use regiscope_challenge::metrics::instances::{Matching, Overlaps, multi_instance};
use regiscope_challenge::metrics::mask::Mask;
use regiscope_challenge::metrics::segmentation::{Convention, Metric, Options, evaluate};
use regiscope_image::{Volume, read_labels};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Names of metrics of several instances.
const INSTANCE_METRICS: [&str; 5] = ["mi-dsc", "mi-nsd", "pq", "sq", "rq"];

/// Metrics as they were asked for: of one structure, and of instances.
struct Asked {
    masks: Vec<(String, Metric)>,
    instances: Vec<String>,
}

/// Compares a segmentation with its reference.
pub fn run(arguments: &MetricsArgs, output: Output) -> Result<Ending, Failure> {
    let asked = asked(&arguments.metrics)?;
    let (convention, options) = (convention(arguments.convention), options(arguments)?);
    let [reference, prediction] = [read(&arguments.reference)?, read(&arguments.prediction)?];
    let mut all = Map::new();
    let mut rules = Map::new();
    if arguments.label.len() < 2 {
        let pair = [&reference, &prediction].map(|v| mask(v, arguments.label.first().copied()));
        compare(&pair, &asked, convention, &options, arguments, &mut all, &mut rules)?;
    } else {
        let mut labels = Map::new();
        for &label in &arguments.label {
            let (mut values, mut of_label) = (Map::new(), Map::new());
            let pair = [&reference, &prediction].map(|v| mask(v, Some(label)));
            compare(&pair, &asked, convention, &options, arguments, &mut values, &mut of_label)?;
            labels.insert(label.to_string(), Value::Object(values));
            rules.insert(label.to_string(), Value::Object(of_label));
        }
        all.insert("labels".into(), Value::Object(labels));
    }
    if !asked.instances.is_empty() {
        instances(&reference, &prediction, &asked, convention, &options, &mut all, &mut rules)
            .map_err(|e| Failure::file(&arguments.prediction, e))?;
    }
    all.insert("convention".into(), json!(convention));
    all.insert("tolerance_mm".into(), json!(options.tolerance_mm));
    all.insert("rules".into(), Value::Object(rules));
    let value = Value::Object(all);
    tell(&value, arguments.json.as_ref(), output, || words(&value))?;
    Ok(Ending::Done)
}

fn asked(names: &[String]) -> Result<Asked, Failure> {
    let (mut masks, mut instances) = (Vec::new(), Vec::new());
    for name in names {
        let plain = name.trim().to_ascii_lowercase().replace('_', "-");
        if INSTANCE_METRICS.contains(&&*plain) {
            instances.push(name.trim().to_owned());
        } else {
            let metric = name
                .parse()
                .map_err(|e| Failure::Input(format!("{e}; of instances {}", INSTANCE_METRICS.join(", "))))?;
            masks.push((name.trim().to_owned(), metric));
        }
    }
    Ok(Asked { masks, instances })
}

fn convention(convention: MetricConvention) -> Convention {
    match convention {
        MetricConvention::MetricsReloaded => Convention::MetricsReloaded,
        MetricConvention::DeepmindSurfaceDistance => Convention::DeepmindSurfaceDistance,
        MetricConvention::Monai => Convention::Monai,
    }
}

fn options(arguments: &MetricsArgs) -> Result<Options, Failure> {
    let MetricsArgs { tolerance, boundary_distance, .. } = *arguments;
    if !(tolerance >= 0.0 && tolerance.is_finite()) {
        return Err(Failure::Input(format!("--tolerance is {tolerance} mm; accepted are numbers from 0")));
    }
    if !(boundary_distance > 0.0 && boundary_distance.is_finite()) {
        let found = format!("--boundary-distance is {boundary_distance} voxels; accepted are numbers above 0");
        return Err(Failure::Input(found));
    }
    Ok(Options { tolerance_mm: tolerance, band: Band::Distance(boundary_distance) })
}

fn read(path: &Path) -> Result<Volume<u16>, Failure> {
    read_labels(path).map_err(|e| Failure::file(path, e))
}

/// The voxels of a label, or of all.
fn mask(labels: &Volume<u16>, label: Option<u16>) -> Mask {
    let inside = labels.data().iter().map(|&l| label.map_or(l != 0, |label| l == label)).collect();
    let grid = labels.grid();
    Mask::new(grid.shape(), grid.spacing(), inside).expect("a volume fills its grid, whose spacing is positive")
}

fn compare(
    [reference, prediction]: &[Mask; 2],
    asked: &Asked,
    convention: Convention,
    options: &Options,
    arguments: &MetricsArgs,
    values: &mut Map<String, Value>,
    rules: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let metrics: Vec<Metric> = asked.masks.iter().map(|(_, metric)| *metric).collect();
    let scores = evaluate(reference, prediction, &metrics, convention, options)
        .map_err(|e| Failure::file(&arguments.prediction, e))?;
    for ((name, _), score) in asked.masks.iter().zip(scores) {
        // JSON has no infinity: null, and the rule says so.
        values.insert(name.clone(), json!(score.value.filter(|v| v.is_finite())));
        if let Some(rule) = score.rule {
            rules.insert(name.clone(), json!(rule));
        }
    }
    Ok(())
}

fn instances(
    reference: &Volume<u16>,
    prediction: &Volume<u16>,
    asked: &Asked,
    convention: Convention,
    options: &Options,
    values: &mut Map<String, Value>,
    rules: &mut Map<String, Value>,
) -> Result<(), regiscope_challenge::metrics::mask::MaskError> {
    let [a, b] = [reference, prediction].map(|v| v.data().iter().map(|&l| u32::from(l)).collect::<Vec<u32>>());
    mask(reference, None).check_like(&mask(prediction, None))?;
    let grid = reference.grid();
    let scores = multi_instance(&a, &b, grid.shape(), grid.spacing(), convention, options)?;
    let overlaps = Overlaps::new(&a, &b);
    let quality = overlaps.panoptic_quality(&overlaps.matched(Matching::Iou(0.5)));
    for name in &asked.instances {
        let (value, rule) = match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "mi-dsc" => (scores.mi_dsc, "the reference has no instance: undefined"),
            "mi-nsd" => (scores.mi_nsd, "the reference has no instance: undefined"),
            "pq" => (quality.pq, "there are no instances: undefined"),
            "sq" => (quality.sq, "no instances match: undefined"),
            _ => (quality.rq, "there are no instances: undefined"),
        };
        values.insert(name.clone(), json!(value));
        if value.is_none() {
            rules.insert(name.clone(), json!(rule));
        }
    }
    Ok(())
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
