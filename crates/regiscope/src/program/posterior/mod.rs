//! `regiscope posterior`: every pose that explains an X-ray, with its probability.

use crate::program::args::DocumentArgs;
use crate::program::args::posterior::{
    CalibrateArgs, NetworkArgs, PosteriorArgs, PosteriorCommand, SampleArgs, TrainArgs,
};
use crate::program::document::{self, Refusal};
use crate::program::failure::{Ending, Failure};
use crate::program::interrupt;
use crate::program::output::Output;
use crate::program::progress::Progress;
use crate::program::run::execute;
use regiscope_experiment::posterior::{self, SampleSettings, Trained};
use regiscope_experiment::{Experiment, RunError, SystemClock};
use serde_json::json;

/// Runs the command.
pub fn run(arguments: PosteriorArgs, output: Output) -> Result<Ending, Failure> {
    match arguments.command {
        PosteriorCommand::Train(arguments) => train(arguments, output),
        PosteriorCommand::Sample(arguments) => sample(arguments, output),
        PosteriorCommand::Calibrate(arguments) => calibrate(arguments, output),
    }
}

fn load(arguments: &DocumentArgs, output: Output) -> Result<Experiment, Failure> {
    let experiment = document::load(arguments).map_err(|refusal| match refusal {
        Refusal::Failure(failure) => failure,
        Refusal::Mistakes(mistakes) => document::tell(&mistakes),
    })?;
    document::tell_warnings(&experiment, output);
    Ok(experiment)
}

fn input(reason: RunError) -> Failure {
    Failure::Input(reason.to_string())
}

fn train(arguments: TrainArgs, output: Output) -> Result<Ending, Failure> {
    let experiment = posterior::training_only(&load(&arguments.document, output)?).map_err(input)?;
    execute(&experiment, &arguments.out, arguments.resume, output)
}

fn network(arguments: &NetworkArgs, output: Output) -> Result<Trained, Failure> {
    let experiment = load(&arguments.document, output)?;
    Trained::open(&experiment, &arguments.run).map_err(input)
}

fn sample(arguments: SampleArgs, output: Output) -> Result<Ending, Failure> {
    let trained = network(&arguments.network, output)?;
    let settings = SampleSettings {
        images: arguments.image,
        intensity: arguments.intensity,
        content: arguments.content,
        noise: arguments.noise,
        gain_sd: arguments.gain_sd,
        seed: arguments.seed,
    };
    let found = trained.sample(&settings, &arguments.out, &SystemClock::default()).map_err(input)?;
    for warning in &found.warnings {
        output.note(format_args!("warning: {warning}"));
    }
    let value = serde_json::to_value(&found).expect("records have string keys");
    output.result(&value, || {
        let mut text = String::new();
        for (n, mode) in found.modes.iter().enumerate() {
            text += &format!(
                "mode {}  {:5.1} %  turned by {:7.2}°  ± {:.2}, {:.2}, {:.2} mm  NCC {:.4}\n",
                n + 1,
                100.0 * mode.mass,
                mode.turn_deg,
                mode.sd_mm[0],
                mode.sd_mm[1],
                mode.sd_mm[2],
                mode.ncc
            );
        }
        text + &format!("{:.0} effective samples. {}", found.ess, found.verdict)
    })?;
    Ok(Ending::Done)
}

fn calibrate(arguments: CalibrateArgs, output: Output) -> Result<Ending, Failure> {
    let trained = network(&arguments.network, output)?;
    let progress = Progress::new(output);
    let table = regiscope_experiment::document::posterior::CalibrationTable {
        cases: arguments.cases,
        samples: arguments.samples,
        weighted: !arguments.network_only,
    };
    let found = trained.calibrate(&table, &arguments.out, interrupt::flag(), &mut |step| {
        progress.steps(step.stage, step.done, step.total, &step.note);
    });
    progress.finish();
    let Some(found) = found.map_err(input)? else {
        let folder = arguments.out.display();
        return Err(Failure::Interrupted(format!("{folder}: interrupted; the same command goes on")));
    };
    let value = json!({ "calibration": found, "out": arguments.out });
    output.result(&value, || posterior::calibration_words(&found))?;
    Ok(Ending::Done)
}
