//! The task `[failures]`: results of algorithms, labels of raters, and what makes algorithms fail.

use super::error::RunError;
use super::folder::RunFolder;
use super::{Finished, Progress, RunOptions, Status, Stopwatch};
use crate::document::failures::{EffectAdjustment, FailureCriteria, Labels};
use crate::experiment::{Experiment, FailureFiles, FailureTask, StudySource};
use crate::report;
use regiscope_challenge::annotations::schema::Schema;
use regiscope_challenge::failures::analysis::Slopes;
use regiscope_challenge::failures::labels::{AggregatedLabels, Aggregation, LabelColumns, aggregate};
use regiscope_challenge::failures::mix::Condition;
use regiscope_challenge::failures::{
    Adjustment, FailureAnalysis, FailureColumns, FailureSettings, Observations, Outcome, analyse,
};
use regiscope_challenge::table::Table;
use regiscope_datasets::study::{Characteristic, Study, generate};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Everything that the report shows.
pub struct Findings<'a> {
    /// The analysis.
    pub analysis: &'a FailureAnalysis,
    /// What the results are.
    pub subject: &'a str,
    /// The truth beside the estimates, where it is known.
    pub truth: &'a [TrueEffect],
    /// The criteria of the document.
    pub criteria: &'a [Judged],
}

/// A true effect beside its estimate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrueEffect {
    /// The effect.
    pub name: String,
    /// Its true value, log-odds.
    pub truth: f64,
    /// The estimate; from labels with imputation where there are uncertain ones.
    pub estimate: f64,
    /// Ends of its interval.
    pub interval: [f64; 2],
    /// Whether the truth lies inside.
    pub inside: bool,
}

/// A criterion.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What is required.
    pub required: String,
    /// What was found.
    pub found: String,
    /// Whether that will do.
    pub met: bool,
}

/// Tables and their columns.
struct Loaded {
    subject: String,
    results: Table,
    columns: FailureColumns,
    annotations: Option<(Table, Option<Schema>)>,
    smaller_is_better: bool,
    characteristics: Option<Vec<Characteristic>>,
}

/// Analyses; `None` if cancelled.
pub(super) fn run(
    experiment: &Experiment,
    task: &FailureTask,
    folder: &RunFolder,
    options: &RunOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<Option<Finished>, RunError> {
    let cancelled = || options.cancel.load(Ordering::Relaxed);
    let mut watch = Stopwatch::new(options.clock);
    observer(Progress::begin("loading"));
    let mut loaded = load(task, folder)?;
    watch.lap("loading");

    observer(Progress::begin("aggregating labels"));
    let labels = labels(task, &mut loaded)?;
    watch.lap("aggregating labels");
    if cancelled() {
        return Ok(None);
    }

    observer(Progress::begin("analysing failures"));
    let observations = Observations::from_table(&loaded.results, &loaded.columns)
        .map_err(|e| RunError::Unusable(format!("{}: {e}", loaded.subject)))?;
    let settings = settings(experiment, task, &loaded, &labels, &observations);
    let analysis = analyse(&observations, &settings)?;
    watch.lap("analysing failures");
    if cancelled() {
        return Ok(None);
    }

    observer(Progress::begin("writing"));
    let truth = loaded.characteristics.as_deref().map_or(Vec::new(), |all| true_effects(all, &analysis));
    let criteria = task.method.criteria.as_ref().map_or(Vec::new(), |c| judge(c, &truth));
    folder.write("effects.csv", effects_csv(&analysis).as_bytes())?;
    folder.write("ranks.csv", ranks_csv(&analysis).as_bytes())?;
    let metrics = json!({ "analysis": analysis, "truth": truth, "criteria": criteria });
    watch.lap("writing");
    let warnings: Vec<String> = experiment.warnings.iter().chain(&analysis.warnings).cloned().collect();
    let findings = Findings { analysis: &analysis, subject: &loaded.subject, truth: &truth, criteria: &criteria };
    let page = report::failures(experiment, &findings, &options.provenance, &watch.timings, &warnings)?;
    folder.write("report.html", page.as_bytes())?;
    let missed: Vec<String> =
        criteria.iter().filter(|c| !c.met).map(|c| format!("{}; found: {}", c.required, c.found)).collect();
    let status = if missed.is_empty() { Status::Done } else { Status::CriterionMissed(missed) };
    Ok(Some(Finished { status, metrics, timings: watch.timings, warnings }))
}

fn load(task: &FailureTask, folder: &RunFolder) -> Result<Loaded, RunError> {
    match &task.source {
        StudySource::Generated(settings) => {
            let study = generate(settings)?;
            let results = study.results_csv();
            folder.write("study.csv", results.as_bytes())?;
            folder.write("annotations.csv", study.annotations_csv().as_bytes())?;
            folder.write_json("truth.json", &study.truth_json())?;
            Ok(Loaded {
                subject: format!(
                    "{} algorithms on {} images of a seeded study",
                    study.algorithms.len(),
                    study.images.len()
                ),
                results: Table::from_csv(results.as_bytes()).expect("a study is a table"),
                columns: columns_of(&study),
                annotations: (task.method.aggregation != Labels::None).then(|| {
                    let table = Table::from_csv(study.annotations_csv().as_bytes());
                    let schema = toml::from_str(&study.schema_toml()).expect("a study has a schema");
                    (table.expect("annotations are a table"), Some(schema))
                }),
                smaller_is_better: false,
                characteristics: Some(study.characteristics),
            })
        }
        StudySource::Files(files) => from_files(files),
    }
}

fn columns_of(study: &Study) -> FailureColumns {
    FailureColumns {
        case: "image".into(),
        algorithm: "algorithm".into(),
        groups: vec!["procedure".into()],
        outcome: Outcome::Column("failure".into()),
        score: Some("dice".into()),
        energy: Some("energy_j".into()),
        characteristics: study.characteristics.iter().map(|c| c.name.clone()).collect(),
    }
}

fn from_files(files: &FailureFiles) -> Result<Loaded, RunError> {
    let read = |path: &Path| {
        let bytes = std::fs::read(path).map_err(|e| RunError::io(path, e))?;
        Table::from_csv(&bytes).map_err(|e| RunError::Unsuitable { path: path.to_path_buf(), reason: e.to_string() })
    };
    let schema = |path: &Path| -> Result<Schema, RunError> {
        let refused = |reason: String| RunError::Unsuitable { path: path.to_path_buf(), reason };
        let text = std::fs::read_to_string(path).map_err(|e| RunError::io(path, e))?;
        let schema: Schema = toml::from_str(&text).map_err(|e| refused(e.message().to_owned()))?;
        schema.checked().map_err(|e| refused(e.to_string()))
    };
    let table = &files.table;
    let outcome = match (&table.failure, table.threshold, &table.value) {
        (None, Some(threshold), Some(value)) => {
            Outcome::Threshold { value: value.clone(), threshold, smaller_is_better: table.smaller_is_better }
        }
        (failure, ..) => Outcome::Column(failure.clone().unwrap_or_default()),
    };
    let annotations = match &files.annotations {
        None => None,
        Some(path) => Some((read(path)?, files.schema.as_deref().map(schema).transpose()?)),
    };
    Ok(Loaded {
        subject: files.data.display().to_string(),
        results: read(&files.data)?,
        columns: FailureColumns {
            case: table.case.clone(),
            algorithm: table.algorithm.clone(),
            groups: table.groups.clone(),
            outcome,
            score: table.value.clone(),
            energy: table.energy.clone(),
            characteristics: table.characteristics.clone(),
        },
        annotations,
        smaller_is_better: table.smaller_is_better,
        characteristics: None,
    })
}

/// Aggregates labels and puts the likeliest ones into the results.
fn labels(task: &FailureTask, loaded: &mut Loaded) -> Result<Vec<AggregatedLabels>, RunError> {
    let Some((table, schema)) = &loaded.annotations else { return Ok(Vec::new()) };
    let how = match task.method.aggregation {
        Labels::None | Labels::DawidSkene => Aggregation::DawidSkene,
        Labels::Majority => Aggregation::Majority,
        Labels::OneCoin => Aggregation::OneCoin,
        Labels::Glad => Aggregation::Glad,
    };
    let [case, characteristic, rater, label] = ["image", "characteristic", "rater", "label"].map(String::from);
    let columns = LabelColumns { case, characteristic, rater, label };
    let found = aggregate(table, &columns, &loaded.columns.characteristics, schema.as_ref(), how)
        .map_err(|e| RunError::Unusable(format!("the annotations: {e}")))?;
    for labels in &found {
        labels
            .put_into(&mut loaded.results, &loaded.columns.case)
            .map_err(|e| RunError::Unusable(format!("{}: {e}", loaded.subject)))?;
    }
    Ok(found)
}

fn settings(
    experiment: &Experiment,
    task: &FailureTask,
    loaded: &Loaded,
    labels: &[AggregatedLabels],
    observations: &Observations,
) -> FailureSettings {
    let method = &task.method;
    let words: Vec<&str> = method.slopes.iter().map(String::as_str).collect();
    let mix = |mix: &std::collections::BTreeMap<String, f64>| {
        mix.iter().map(|(name, share)| Condition { name: name.clone(), share: *share }).collect()
    };
    let soft = if method.imputations == 0 { &[] } else { labels };
    FailureSettings {
        slopes: match &words[..] {
            [] => Slopes::None,
            ["found"] => Slopes::Found,
            ["all"] => Slopes::All,
            _ => Slopes::Of(method.slopes.clone()),
        },
        adjustment: match method.adjust {
            EffectAdjustment::Holm => Adjustment::Holm,
            EffectAdjustment::Bh => Adjustment::BenjaminiHochberg,
            EffectAdjustment::SingleStep => Adjustment::SingleStep,
            EffectAdjustment::Bonferroni => Adjustment::Bonferroni,
            EffectAdjustment::None => Adjustment::None,
        },
        level: method.level,
        mixes: method.mixes.iter().map(mix).collect(),
        soft: soft.iter().map(|l| l.for_cases(observations)).collect(),
        imputations: method.imputations as usize,
        new_cases: Vec::new(),
        smaller_is_better: loaded.smaller_is_better,
        simulations: method.simulations as usize,
        resamples: method.resamples as usize,
        seed: u64::from(experiment.tables.seed),
    }
}

fn true_effects(characteristics: &[Characteristic], analysis: &FailureAnalysis) -> Vec<TrueEffect> {
    let of = |c: &Characteristic| {
        let imputed = analysis.imputation.iter().flat_map(|i| &i.effects).find(|e| e.name == c.name);
        let (estimate, interval) = match imputed {
            Some(e) => (e.estimate, [e.lower, e.upper]),
            None => {
                let e = analysis.effects.iter().find(|e| e.name == c.name)?;
                (e.estimate, [e.lower, e.upper])
            }
        };
        let inside = (interval[0]..=interval[1]).contains(&c.failure);
        Some(TrueEffect { name: c.name.clone(), truth: c.failure, estimate, interval, inside })
    };
    characteristics.iter().filter_map(of).collect()
}

fn judge(criteria: &FailureCriteria, truth: &[TrueEffect]) -> Vec<Judged> {
    let mut all = Vec::new();
    if let Some(least) = criteria.coverage {
        let inside = truth.iter().filter(|t| t.inside).count();
        all.push(Judged {
            required: format!("at least {:.0} % of the true effects inside their intervals", 100.0 * least),
            found: format!("{inside} of {}", truth.len()),
            met: inside as f64 >= least * truth.len() as f64,
        });
    }
    if let Some(count) = criteria.first_in_order {
        let first = |of: &dyn Fn(&TrueEffect) -> f64| -> Vec<&str> {
            let mut order: Vec<&TrueEffect> = truth.iter().collect();
            order.sort_by(|a, b| of(b).total_cmp(&of(a)));
            order.iter().take(count as usize).map(|t| &*t.name).collect()
        };
        let (found, expected) = (first(&|t| t.estimate), first(&|t| t.truth));
        all.push(Judged {
            required: format!("the {count} strongest causes in order: {}", expected.join(", ")),
            found: found.join(", "),
            met: found == expected,
        });
    }
    all
}

/// A field of a CSV file, quoted where it must be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn effects_csv(analysis: &FailureAnalysis) -> String {
    let mut text = String::from(
        "effect,prevalence,odds_ratio,odds_ratio_lower,odds_ratio_upper,p,p_adjusted,risk_difference,risk_difference_se\n",
    );
    for (e, m) in analysis.effects.iter().zip(&analysis.marginal_effects) {
        text += &format!(
            "{},{},{},{},{},{},{},{},{}\n",
            field(&e.name),
            e.prevalence,
            e.odds_ratio,
            e.odds_ratio_lower,
            e.odds_ratio_upper,
            e.p,
            e.p_adjusted,
            m.effect.estimate,
            m.effect.se
        );
    }
    text
}

fn ranks_csv(analysis: &FailureAnalysis) -> String {
    let mut text = String::from("conditions,algorithm,risk,lower,upper,rank,rank_lower,rank_upper\n");
    for ranking in &analysis.rankings {
        let conditions: Vec<String> = ranking.conditions.iter().map(|c| format!("{}={}", c.name, c.share)).collect();
        for a in &ranking.algorithms {
            text += &format!(
                "{},{},{},{},{},{},{},{}\n",
                field(&conditions.join(" ")),
                field(&a.algorithm),
                a.risk,
                a.lower,
                a.upper,
                a.rank,
                a.rank_lower,
                a.rank_upper
            );
        }
    }
    text
}
