//! `regiscope challenge probabilities`.

use super::{table, tell};
use crate::program::args::challenge::ProbabilitiesArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_challenge::metrics::probabilities::{auroc, brier, expected_calibration_error};
use serde_json::json;

/// Says how well probabilities tell outcomes apart and how far they can be trusted.
pub fn run(arguments: &ProbabilitiesArgs, output: Output) -> Result<Ending, Failure> {
    let path = &arguments.data;
    let refused = |reason: String| Failure::file(path, reason);
    let table = table::read(path)?;
    let (probability, outcome) = (&arguments.probability, &arguments.outcome);
    let probabilities = table.numbers(probability).map_err(|e| Failure::file(path, e))?;
    if let Some(row) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        let (line, found) = (table.lines[row], probabilities[row]);
        return Err(refused(format!("line {line}: {probability:?} is {found}; accepted are numbers from 0 to 1")));
    }
    let cells = table.column(outcome).map_err(|e| Failure::file(path, e))?.iter().zip(&table.lines);
    let outcomes = cells.map(|(cell, line)| match cell.to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" => Ok(true),
        "0" | "0.0" | "false" | "no" => Ok(false),
        _ => Err(refused(format!("line {line}: {outcome:?} is {cell:?}; accepted are 0, 1, false, true, no, yes"))),
    });
    let outcomes: Vec<bool> = outcomes.collect::<Result<_, _>>()?;
    let auroc = auroc(&probabilities, &outcomes);
    let error = expected_calibration_error(&probabilities, &outcomes, arguments.bins as usize);
    let with = outcomes.iter().filter(|&&o| o).count();
    let mut value = json!({
        "cases": outcomes.len(), "with_outcome": with, "auroc": auroc, "expected_calibration_error": error,
        "bins": arguments.bins, "brier": brier(&probabilities, &outcomes), "rules": {},
    });
    if auroc.is_none() {
        value["rules"]["auroc"] = json!("all outcomes are equal: undefined");
    }
    let words = || {
        let number = |key: &str| value[key].as_f64().map_or("-".to_owned(), |v| format!("{v:.6}"));
        let rule = value["rules"]["auroc"].as_str().map_or(String::new(), |r| format!("  ({r})"));
        format!(
            "{} cases, {with} with the outcome\n  AUROC  {}{rule}\n  expected calibration error  {}\n  Brier score  {}\n",
            outcomes.len(),
            number("auroc"),
            number("expected_calibration_error"),
            number("brier")
        )
    };
    tell(&value, arguments.json.as_ref(), output, words)?;
    Ok(Ending::Done)
}
