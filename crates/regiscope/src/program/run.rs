//! `regiscope run`: an experiment document into a run folder.

use crate::program::args::RunArgs;
use crate::program::document::{self, Refusal};
use crate::program::failure::{Ending, Failure};
use crate::program::interrupt;
use crate::program::output::{Output, say};
use crate::program::progress::Progress;
use regiscope_energy::sensor::discover::{Sources, discover};
use regiscope_energy::{Meter, Settings, SystemClock as MeterClock};
use regiscope_experiment::{Experiment, Outcome, Provenance, RunOptions, Status, SystemClock};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// Runs a document, or predicts what running it would cost.
pub fn run(arguments: RunArgs, output: Output) -> Result<Ending, Failure> {
    let experiment = document::load(&arguments.document).map_err(|refusal| match refusal {
        Refusal::Failure(failure) => failure,
        Refusal::Mistakes(mistakes) => document::tell(&mistakes),
    })?;
    document::tell_warnings(&experiment, output);
    match arguments.out {
        Some(out) if !arguments.dry_run => execute(&experiment, &out, arguments.resume, output),
        _ => predict(&experiment, output),
    }
}

fn predict(experiment: &Experiment, output: Output) -> Result<Ending, Failure> {
    let estimate = experiment.estimate();
    let value = json!({"estimate": estimate, "warnings": experiment.warnings});
    output.result(&value, || {
        format!(
            "about {:.0} MB of memory and {:.1} core-seconds",
            estimate.memory_bytes as f64 / 1e6,
            estimate.core_seconds
        )
    })?;
    Ok(Ending::Done)
}

/// Runs a checked experiment into its folder and says how it ended.
pub fn execute(experiment: &Experiment, out: &Path, resume: bool, output: Output) -> Result<Ending, Failure> {
    let clock = SystemClock::default();
    let meter = Meter::start(discover(&Sources::default()), Arc::new(MeterClock::default()), Settings::default());
    let revision = Some(env!("REGISCOPE_REVISION")).filter(|r| !r.is_empty());
    let options = RunOptions {
        resume,
        cancel: interrupt::flag(),
        provenance: Provenance::of_this_machine(env!("CARGO_PKG_VERSION"), revision),
        clock: &clock,
        meter: Some(&meter),
    };
    let progress = Progress::new(output);
    let mut stage = "";
    let outcome = regiscope_experiment::run(experiment, out, options, &mut |step| {
        if step.stage != stage {
            stage = step.stage;
            output.detail(format_args!("{stage}"));
        }
        progress.steps(step.stage, step.done, step.total, &step.note);
    });
    progress.finish();
    let outcome = outcome.map_err(|error| Failure::Input(error.to_string()))?;
    for warning in &outcome.warnings {
        output.note(format_args!("warning: {warning}"));
    }
    conclude(&outcome, out, output)
}

fn conclude(outcome: &Outcome, out: &Path, output: Output) -> Result<Ending, Failure> {
    if outcome.status == Status::Interrupted {
        let folder = out.display();
        return Err(Failure::Interrupted(format!("{folder}: interrupted; the same command with --resume goes on")));
    }
    let missed: &[String] = match &outcome.status {
        Status::CriterionMissed(missed) => missed,
        _ => &[],
    };
    let value = json!({
        "status": if missed.is_empty() { "done" } else { "criterion-missed" },
        "missed": missed,
        "out": out,
        "report": outcome.report,
        "metrics": outcome.metrics,
        "warnings": outcome.warnings,
    });
    output.result(&value, || {
        let written = outcome.report.as_deref().unwrap_or(out).display();
        format!("{}{written}\n", summary(&outcome.metrics))
    })?;
    for sentence in missed {
        say(format_args!("criterion missed: {sentence}"));
    }
    Ok(if missed.is_empty() { Ending::Done } else { Ending::CriterionMissed })
}

/// The figures of the metrics, one line for each number or group of numbers, and the criteria.
fn summary(metrics: &Value) -> String {
    let mut text = String::new();
    for (key, value) in metrics.as_object().into_iter().flatten() {
        let figures = match value {
            Value::Object(group) => {
                let numbers = group.iter().filter_map(|(name, v)| Some(format!("{name} {:.4}", v.as_f64()?)));
                numbers.collect::<Vec<_>>().join(", ")
            }
            Value::Number(number) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or(f64::NAN)),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        text += &format!("{key:22}{figures}\n");
    }
    for criterion in metrics["criteria"].as_array().into_iter().flatten() {
        let (required, found) = (criterion["required"].as_str(), criterion["found"].as_str());
        text += &format!("criterion             {}: {}\n", required.unwrap_or_default(), found.unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_criteria_are_summarised() {
        let metrics = json!({
            "starts": 2, "rate": 0.5, "mtre_mm": {"median": 0.25, "max": 1}, "title": "t", "modes": [1],
            "criteria": [{"required": "at least 90 %", "found": "50 %"}],
        });
        let lines: Vec<String> =
            summary(&metrics).lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected =
            ["mtre_mm max 1.0000, median 0.2500", "rate 0.5000", "starts 2", "criterion at least 90 %: 50 %"];
        assert_eq!(lines, expected);
        assert_eq!(summary(&Value::Null), "");
    }
}
