//! `regiscope run`: an experiment document into a run folder.

use crate::program::args::RunArgs;
use crate::program::document::{self, Refusal};
use crate::program::failure::{Ending, Failure};
use crate::program::interrupt;
use crate::program::output::{Output, say};
use crate::program::progress::Progress;
use regiscope_experiment::{Experiment, Outcome, Provenance, RunOptions, Status, SystemClock};
use serde_json::json;
use std::path::Path;

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
    let revision = Some(env!("REGISCOPE_REVISION")).filter(|r| !r.is_empty());
    let options = RunOptions {
        resume,
        cancel: interrupt::flag(),
        provenance: Provenance::of_this_machine(env!("CARGO_PKG_VERSION"), revision),
        clock: &clock,
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

/// The figures of the metrics that are single numbers, one to a line.
fn summary(metrics: &serde_json::Value) -> String {
    let numbers = metrics.as_object().into_iter().flatten().filter(|(_, value)| value.is_number());
    numbers.map(|(key, value)| format!("{key}  {value}\n")).collect()
}
