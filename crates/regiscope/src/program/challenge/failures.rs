//! `regiscope challenge failures`.

use super::{failure_words, table, tell};
use crate::program::args::challenge;
use crate::program::args::challenge::failures::{EffectAdjust, FailuresArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::annotations::schema::Schema;
use regiscope_challenge::failures::analysis::{NewCase, Slopes};
use regiscope_challenge::failures::labels::{self, AggregatedLabels, Aggregation, LabelColumns};
use regiscope_challenge::failures::mix::Condition;
use regiscope_challenge::failures::{
    Adjustment, FailureColumns, FailureError, FailureSettings, Observations, Outcome, analyse,
};
use regiscope_challenge::table::Table;
use serde_json::json;
use std::path::Path;

/// Finds out what makes algorithms fail.
pub fn run(arguments: &FailuresArgs, output: Output) -> Result<Ending, Failure> {
    let path = &arguments.data;
    let mut results = table::read(path)?;
    let labels = annotated(arguments)?;
    for of in &labels {
        of.put_into(&mut results, &arguments.case).map_err(|e| Failure::file(path, e))?;
    }
    let observations = Observations::from_table(&results, &columns(arguments)).map_err(|e| Failure::file(path, e))?;
    let settings = settings(arguments, &observations, &labels)?;
    let found = analyse(&observations, &settings).map_err(|e| match e {
        e @ (FailureError::Value { .. } | FailureError::NoCharacteristic { .. } | FailureError::Mix { .. }) => {
            Failure::Input(e.to_string())
        }
        e => Failure::file(path, e),
    })?;
    found.warnings.iter().for_each(|warning| output.note(warning));
    tell(&json!(found), arguments.json.as_ref(), output, || failure_words::words(&found))?;
    Ok(Ending::Done)
}

fn columns(arguments: &FailuresArgs) -> FailureColumns {
    let outcome = match (&arguments.failure, arguments.threshold, &arguments.value) {
        (None, Some(threshold), Some(value)) => {
            Outcome::Threshold { value: value.clone(), threshold, smaller_is_better: arguments.smaller_is_better }
        }
        (failure, ..) => Outcome::Column(failure.clone().unwrap_or_default()),
    };
    FailureColumns {
        case: arguments.case.clone(),
        algorithm: arguments.algorithm.clone(),
        groups: arguments.group.clone(),
        outcome,
        score: arguments.value.clone(),
        energy: arguments.energy.clone(),
        characteristics: arguments.characteristics.clone(),
    }
}

/// The characteristics from raters' labels, where there are such.
fn annotated(arguments: &FailuresArgs) -> Result<Vec<AggregatedLabels>, Failure> {
    let Some(path) = &arguments.annotations else { return Ok(Vec::new()) };
    let schema = arguments.schema.as_deref().map(read_schema).transpose()?;
    let columns = LabelColumns {
        case: arguments.item.clone(),
        characteristic: arguments.characteristic.clone(),
        rater: arguments.rater.clone(),
        label: arguments.label.clone(),
    };
    let aggregation = match arguments.aggregate {
        challenge::Aggregation::Majority => Aggregation::Majority,
        challenge::Aggregation::DawidSkene => Aggregation::DawidSkene,
        challenge::Aggregation::OneCoin => Aggregation::OneCoin,
        challenge::Aggregation::Glad => Aggregation::Glad,
    };
    labels::aggregate(&table::read(path)?, &columns, &arguments.characteristics, schema.as_ref(), aggregation)
        .map_err(|e| Failure::file(path, e))
}

fn read_schema(path: &Path) -> Result<Schema, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
    let schema: Schema = toml::from_str(&text).map_err(|e| Failure::file(path, e.message()))?;
    schema.checked().map_err(|e| Failure::file(path, e))
}

fn settings(
    arguments: &FailuresArgs,
    observations: &Observations,
    labels: &[AggregatedLabels],
) -> Result<FailureSettings, Failure> {
    let words: Vec<&str> = arguments.slopes.iter().map(String::as_str).collect();
    let slopes = match &words[..] {
        ["found"] => Slopes::Found,
        ["none"] => Slopes::None,
        ["all"] => Slopes::All,
        _ => Slopes::Of(arguments.slopes.clone()),
    };
    let adjustment = match arguments.adjust {
        EffectAdjust::Holm => Adjustment::Holm,
        EffectAdjust::Bh => Adjustment::BenjaminiHochberg,
        EffectAdjust::SingleStep => Adjustment::SingleStep,
        EffectAdjust::Bonferroni => Adjustment::Bonferroni,
        EffectAdjust::None => Adjustment::None,
    };
    if arguments.imputations == 1 {
        let reason = "--imputations is 1; accepted are 0 (likeliest labels as they are) and 2 to 1000";
        return Err(Failure::Input(reason.into()));
    }
    let condition = |(name, share): &(String, f64)| Condition { name: name.clone(), share: *share };
    let soft = if arguments.imputations == 0 { &[] } else { labels };
    Ok(FailureSettings {
        slopes,
        adjustment,
        level: arguments.level,
        mixes: arguments.mix.iter().map(|mix| mix.0.iter().map(condition).collect()).collect(),
        soft: soft.iter().map(|of| of.for_cases(observations)).collect(),
        imputations: arguments.imputations as usize,
        new_cases: match &arguments.new_cases {
            Some(path) => new_cases(path, &table::read(path)?, arguments, observations)?,
            None => Vec::new(),
        },
        smaller_is_better: arguments.smaller_is_better,
        simulations: arguments.simulations as usize,
        resamples: arguments.bootstrap as usize,
        seed: arguments.seed,
    })
}

/// New cases from a table with the same columns.
fn new_cases(
    path: &Path,
    table: &Table,
    arguments: &FailuresArgs,
    observations: &Observations,
) -> Result<Vec<NewCase>, Failure> {
    let refused = |e: &dyn std::fmt::Display| Failure::file(path, e);
    let names = table.names(&arguments.case).map_err(|e| refused(&e))?;
    let mut values = vec![vec![0.0; observations.effects.len()]; names.len()];
    for (e, effect) in observations.effects.iter().enumerate() {
        let cells = table.column(&effect.characteristic).map_err(|e| refused(&e))?;
        for (row, cell) in cells.iter().enumerate() {
            values[row][e] = observations
                .value_of(e, cell)
                .map_err(|reason| refused(&format_args!("line {}: {reason}", table.lines[row])))?;
        }
    }
    Ok(names.into_iter().zip(values).map(|(name, values)| NewCase { name, values }).collect())
}
