//! `regiscope challenge poses`: of one rigid pose, or of all poses of a manifest.

use super::{table, tell, written};
use crate::program::args::challenge::PosesArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::manifest::{self, Entry};
use regiscope_geometry::{Point, Rigid, View, camera_file, itk_transform_file, points_file};
use regiscope_pose::scores;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Names of the errors, in the order of [`Scene::errors`].
const NAMES: [&str; 5] = ["rotation_deg", "translation_mm", "mtre_mm", "mpd_mm", "mrpd_mm"];

/// Says how far poses lie from the true ones.
pub fn run(arguments: &PosesArgs, output: Output) -> Result<Ending, Failure> {
    let threshold = arguments.threshold;
    if !(threshold > 0.0 && threshold.is_finite()) {
        return Err(Failure::Input(format!("--threshold is {threshold} mm; accepted are numbers above 0")));
    }
    let scene = Scene::read(arguments)?;
    let (value, words) = match (&arguments.manifest, &arguments.reference, &arguments.prediction) {
        (Some(path), ..) => {
            let (value, csv, words) = of_manifest(path, &scene, threshold)?;
            if let Some(path) = &arguments.table {
                written(path, csv.as_bytes())?;
            }
            (value, words)
        }
        (None, Some(reference), Some(prediction)) => {
            let errors = scene.errors(&pose(prediction)?, &pose(reference)?);
            let value: Map<String, Value> = named(&errors).collect();
            let words = value.iter().map(|(name, v)| format!("  {name:<16}  {}\n", number(v))).collect();
            (Value::Object(value), words)
        }
        _ => {
            return Err(Failure::Input("--reference and --prediction, or --manifest, say what is compared".to_owned()));
        }
    };
    tell(&value, arguments.json.as_ref(), output, || words)?;
    Ok(Ending::Done)
}

/// What errors are measured by.
struct Scene {
    targets: Vec<Point>,
    view: Option<View>,
}

impl Scene {
    fn read(arguments: &PosesArgs) -> Result<Self, Failure> {
        let targets = match &arguments.targets {
            None => Vec::new(),
            Some(path) => {
                let points = points_file::read(path).map_err(|e| Failure::file(path, e))?;
                if points.is_empty() {
                    return Err(Failure::file(path, "there are no points"));
                }
                points.into_iter().map(|p| p.position).collect()
            }
        };
        let camera = arguments.camera.as_ref();
        let view = camera.map(|path| camera_file::read(path).map_err(|e| Failure::file(path, e))).transpose()?;
        Ok(Self { targets, view })
    }

    /// Rotation, translation, and with targets the mean target registration error, with a camera too the mean projection
    /// and reprojection distances; `None` for what cannot be told.
    fn errors(&self, pose: &Rigid, gold: &Rigid) -> [Option<f64>; 5] {
        let rotation = gold.rotation.angle_to(&pose.rotation).to_degrees();
        let translation = (pose.translation.vector - gold.translation.vector).norm();
        let targets = Some(&self.targets[..]).filter(|t| !t.is_empty());
        let projected =
            |of: fn(&View, &Rigid, &Rigid, &[Point]) -> Option<f64>| of(self.view.as_ref()?, pose, gold, targets?);
        [
            Some(rotation),
            Some(translation),
            targets.map(|t| scores::mtre(pose, gold, t)),
            projected(scores::mpd),
            projected(scores::mrpd),
        ]
    }
}

/// The pose `world_from_volume` of a file, which holds `volume_from_world`.
fn pose(path: &Path) -> Result<Rigid, Failure> {
    Ok(itk_transform_file::read_rigid(path).map_err(|e| Failure::file(path, e))?.inverse())
}

/// The errors that there are.
fn named(errors: &[Option<f64>; 5]) -> impl Iterator<Item = (String, Value)> + '_ {
    NAMES.iter().zip(errors).filter_map(|(name, e)| Some(((*name).to_owned(), json!((*e)?))))
}

fn number(value: &Value) -> String {
    value.as_f64().map_or("-".to_owned(), |v| format!("{v:.4}"))
}

/// One answer of a manifest.
struct Answer {
    entry: Entry,
    /// `None` where there is no prediction.
    errors: Option<[Option<f64>; 5]>,
    /// Mean target registration error of the start.
    initial_mtre_mm: Option<f64>,
}

fn of_manifest(path: &Path, scene: &Scene, threshold: f64) -> Result<(Value, String, String), Failure> {
    let read = table::read(path)?;
    let entries = manifest::entries(&read).map_err(|e| Failure::file(path, e))?;
    let initial = if read.names.iter().any(|n| n == "initial") {
        Some(read.column("initial").map_err(|e| Failure::file(path, e))?)
    } else {
        None
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let answer = |(row, entry): (usize, Entry)| {
        let gold = pose(&folder.join(&entry.reference))?;
        let errors = match &entry.prediction {
            Some(name) => Some(scene.errors(&pose(&folder.join(name))?, &gold)),
            None => None,
        };
        let start = initial.map(|i| &i[row]).filter(|name| !name.is_empty());
        let initial_mtre_mm = match start {
            Some(name) => scene.errors(&pose(&folder.join(name))?, &gold)[2],
            None => None,
        };
        Ok(Answer { errors, initial_mtre_mm, entry })
    };
    let answers = entries.into_iter().enumerate().map(answer).collect::<Result<Vec<_>, Failure>>()?;
    let cases: Vec<Value> = answers.iter().map(case).collect();
    let mut tasks = Map::new();
    let mut words = format!("{} answers\n", answers.len());
    let mut keys: Vec<[&str; 2]> = answers.iter().map(|a| [&*a.entry.task, &*a.entry.algorithm]).collect();
    keys.sort_unstable();
    keys.dedup();
    for [task, algorithm] in keys {
        let of: Vec<&Answer> =
            answers.iter().filter(|a| a.entry.task == task && a.entry.algorithm == algorithm).collect();
        let value = summary(&of, threshold);
        words += &format!("  {task}  {algorithm}  missing {}", value["missing"]);
        for name in NAMES.iter().filter(|name| value.get(**name).is_some()) {
            words +=
                &format!("  {name} mean {} median {}", number(&value[name]["mean"]), number(&value[name]["median"]));
        }
        words += "\n";
        let of_task = tasks.entry(task.to_owned()).or_insert_with(|| json!({}));
        of_task[algorithm] = value;
    }
    Ok((json!({"tasks": tasks, "cases": cases, "threshold_mm": threshold}), csv(&answers), words))
}

fn case(answer: &Answer) -> Value {
    let Entry { task, case, algorithm, .. } = &answer.entry;
    let mut value = json!({"task": task, "case": case, "algorithm": algorithm});
    match &answer.errors {
        Some(errors) => named(errors).for_each(|(name, v)| value[name] = v),
        None => value["rule"] = json!("there is no prediction: undefined"),
    }
    if let Some(initial) = answer.initial_mtre_mm {
        value["initial_mtre_mm"] = json!(initial);
    }
    value
}

/// Errors of one algorithm; answers that are missing are failures of the success rates and of the capture range.
fn summary(of: &[&Answer], threshold: f64) -> Value {
    let missing = of.iter().filter(|a| a.errors.is_none()).count();
    let mut value = json!({"answers": of.len() - missing, "missing": missing});
    for (n, name) in NAMES.iter().enumerate() {
        let mut all: Vec<f64> = of.iter().filter_map(|a| a.errors?[n]).collect();
        if all.is_empty() {
            continue;
        }
        all.sort_by(f64::total_cmp);
        let middle = 0.5 * (all[(all.len() - 1) / 2] + all[all.len() / 2]);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        value[name] = json!({"mean": mean, "median": middle, "largest": all[all.len() - 1]});
    }
    let final_mtre = |a: &&Answer| a.errors.and_then(|e| e[2]).unwrap_or(f64::NAN);
    if value.get("mtre_mm").is_some() {
        let errors: Vec<f64> = of.iter().map(final_mtre).collect();
        let rates: Vec<Value> = scores::SUCCESS_MM
            .iter()
            .map(|&mm| {
                let rate = scores::success_rate(&errors, mm);
                json!({"below_mm": mm, "rate": rate.rate, "interval": rate.interval})
            })
            .collect();
        value["success"] = json!(rates);
        let runs: Vec<(f64, f64)> = of.iter().filter_map(|a| Some((a.initial_mtre_mm?, final_mtre(a)))).collect();
        if !runs.is_empty() {
            value["capture_range_mm"] = json!(scores::capture_range(&runs, 1.0, threshold));
        }
    }
    value
}

/// The answers as a table that `rank` reads; smaller is better.
fn csv(answers: &[Answer]) -> String {
    let there: Vec<usize> =
        (0..NAMES.len()).filter(|&n| answers.iter().any(|a| a.errors.is_some_and(|e| e[n].is_some()))).collect();
    let clusters = answers.iter().any(|a| a.entry.cluster.is_some());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header = vec!["task", "case", "algorithm"];
    header.extend(clusters.then_some("cluster"));
    header.extend(there.iter().map(|&n| NAMES[n]));
    writer.write_record(&header).expect("memory can be written to");
    for Answer { entry, errors, .. } in answers {
        let mut row = vec![entry.task.clone(), entry.case.clone(), entry.algorithm.clone()];
        row.extend(clusters.then(|| entry.cluster.clone().unwrap_or_default()));
        row.extend(there.iter().map(|&n| errors.and_then(|e| e[n]).map_or(String::new(), |v| v.to_string())));
        writer.write_record(&row).expect("rows are as long as the header");
    }
    String::from_utf8(writer.into_inner().expect("memory can be written to")).expect("text was written")
}
