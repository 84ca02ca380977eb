//! Results and settings, from the command line: a long table, or masks by a manifest.

use super::table;
use crate::program::args::challenge::{Adjust, MethodArgs, MissingRule, ResultsArgs, SharedRanks, Wilcoxon};
use crate::program::failure::Failure;
use crate::program::output::Output;
use regiscope_challenge::manifest::{self, Entry};
use regiscope_challenge::metrics::request::Request;
use regiscope_challenge::metrics::segmentation::Options;
use regiscope_challenge::ranking::adjust::Adjustment;
use regiscope_challenge::ranking::analysis::Settings;
use regiscope_challenge::ranking::order::Ties;
use regiscope_challenge::ranking::wilcoxon::NullDistribution;
use regiscope_challenge::ranking::{Method, Test};
use regiscope_challenge::results::{Better, LongTable, Missing, ResultsError, TaskResults, from_long};
use regiscope_challenge::table::{LongColumns, long_table};
use regiscope_experiment::challenge_report::json::RESERVED;
use std::path::{Path, PathBuf};

/// Results that can be ranked.
pub struct Results {
    pub tasks: Vec<TaskResults>,
    pub better: Better,
    pub missing: Missing,
    /// What the values are.
    pub value_name: String,
    /// What is resampled: `case`, or the column of clusters.
    pub resampled_by: String,
    /// Rows of the manifest, if there is one, and the folder that its file names start from.
    pub masks: Option<(Vec<Entry>, PathBuf)>,
}

/// Reads the results.
pub fn read(arguments: &ResultsArgs, output: Output) -> Result<Results, Failure> {
    let masks = arguments.manifest.as_deref().map(entries).transpose()?;
    let better = if arguments.smaller_is_better { Better::Smaller } else { Better::Larger };
    let (path, long, better, value_name, resampled_by) = match (&arguments.data, &masks) {
        (Some(path), _) => {
            let long = values(path, arguments)?;
            let by = arguments.cluster.clone().unwrap_or("case".to_owned());
            (path, long, better, arguments.value.clone().unwrap_or_default(), by)
        }
        (None, Some((entries, folder))) => {
            for (given, option) in [
                (arguments.smaller_is_better, "--smaller-is-better"),
                (arguments.cluster.is_some(), "--cluster"),
                (arguments.task.is_some(), "--task"),
            ] {
                if given {
                    let reason = "is for tables; masks are ranked by a metric that knows which values are better, and the \
                                  manifest's own columns task and cluster";
                    return Err(Failure::Input(format!("{option} {reason}")));
                }
            }
            let path = arguments.manifest.as_ref().expect("it was read");
            let (long, better) = measured(path, entries, folder, arguments)?;
            let by = if long.cluster.is_some() { "cluster" } else { "case" };
            (path, long, better, arguments.metric.clone(), by.to_owned())
        }
        (None, None) => return Err(Failure::Input("neither --data nor --manifest is given".to_owned())),
    };
    output.detail(format_args!("{}: {} rows", path.display(), long.case.len()));
    let missing = match arguments.missing {
        MissingRule::Refuse => Missing::Refuse,
        MissingRule::Worst => Missing::Worst,
        MissingRule::DropCase => Missing::DropCase,
        MissingRule::Value(value) => Missing::Value(value),
    };
    let tasks = from_long(&long, better, missing).map_err(|e| match e {
        e @ ResultsError::Missing { .. } => {
            Failure::file(path, format_args!("{e} (--missing worst, drop-case or a number)"))
        }
        e => Failure::file(path, e),
    })?;
    if let Some(task) = tasks.iter().find(|t| RESERVED.contains(&&*t.task)) {
        let reason =
            format!("a task is called {:?}, which is a key of the result; accepted are other names", task.task);
        return Err(Failure::file(path, reason));
    }
    Ok(Results { tasks, better, missing, value_name, resampled_by, masks })
}

fn values(path: &Path, arguments: &ResultsArgs) -> Result<LongTable, Failure> {
    let named = |name: &Option<String>, option: &str| {
        name.clone().ok_or_else(|| Failure::Input(format!("{option} is not given; --data needs it")))
    };
    let columns = LongColumns {
        task: arguments.task.clone(),
        case: named(&arguments.case, "--case")?,
        algorithm: named(&arguments.algorithm, "--algorithm")?,
        value: named(&arguments.value, "--value")?,
        cluster: arguments.cluster.clone(),
    };
    long_table(&table::read(path)?, &columns).map_err(|e| Failure::file(path, e))
}

/// The rows of a manifest and the folder of its files.
pub fn entries(path: &Path) -> Result<(Vec<Entry>, PathBuf), Failure> {
    let entries = manifest::entries(&table::read(path)?).map_err(|e| Failure::file(path, e))?;
    Ok((entries, path.parent().unwrap_or(Path::new("")).to_owned()))
}

/// One metric of all masks.
fn measured(
    path: &Path,
    entries: &[Entry],
    folder: &Path,
    arguments: &ResultsArgs,
) -> Result<(LongTable, Better), Failure> {
    let options = Options { tolerance_mm: arguments.tolerance, ..Options::default() };
    let request = Request::new(
        std::slice::from_ref(&arguments.metric),
        super::metrics::convention(arguments.convention),
        options,
        Vec::new(),
    );
    let request = request.map_err(|e| Failure::Input(e.to_string()))?;
    let scores = manifest::evaluate(entries, folder, &request).map_err(|e| Failure::file(path, e))?;
    let values: Vec<Option<f64>> = scores.iter().map(|s| s.as_ref().and_then(|s| s[0].value)).collect();
    Ok((manifest::long_table(entries, &values), request.better()))
}

/// How tasks are to be analysed; `others` are names of methods to compare with.
pub fn settings(
    arguments: &MethodArgs,
    better: Better,
    resamples: u32,
    others: &[String],
) -> Result<Settings, Failure> {
    let adjust = match arguments.adjust {
        Adjust::Holm => Adjustment::Holm,
        Adjust::Bh => Adjustment::Bh,
        Adjust::None => Adjustment::None,
    };
    let null = match arguments.wilcoxon {
        Wilcoxon::Automatic => NullDistribution::Automatic,
        Wilcoxon::Normal => NullDistribution::Normal,
    };
    let ties = match arguments.ties {
        SharedRanks::Min => Ties::Min,
        SharedRanks::Average => Ties::Average,
        SharedRanks::Max => Ties::Max,
    };
    let test = Test { adjust, alpha: arguments.alpha, null };
    let method = |name: &String| {
        let method = Method::parse(name, better, test).map_err(|e| Failure::Input(e.to_string()))?;
        Ok::<_, Failure>((name.clone(), method))
    };
    Ok(Settings {
        better,
        ties,
        test,
        method: method(&arguments.method)?,
        others: others.iter().map(method).collect::<Result<_, _>>()?,
        resamples: resamples as usize,
        seed: arguments.seed,
        jackknife: arguments.jackknife,
    })
}
