//! `regiscope glmm simulate`.

use super::fit::{mixed, write_text};
use super::model;
use crate::program::args::glmm::{Effects, SimulateArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_glmm::design::Response;
use regiscope_glmm::infer::simulate::{SimulatedEffects, simulate};
use std::io::Write;

/// Draws responses from a fitted model.
pub fn run(arguments: SimulateArgs, output: Output) -> Result<Ending, Failure> {
    let model = model::load(&arguments.model.data, &arguments.model.formula, &arguments.model.terms, output)?;
    let fit = mixed(&model, output)?;
    let design = &model.built.design;
    let drawn = simulate(design, &fit, effects(arguments.effects), arguments.count as usize, arguments.seed)
        .map_err(|e| Failure::Input(e.to_string()))?;
    let columns: Vec<Vec<String>> = drawn.iter().map(cells).collect();
    let header = (1..=columns.len()).map(|n| format!(",sim_{n}")).collect::<String>();
    let mut text = format!("row{header}\n");
    for (i, row) in design.rows.iter().enumerate() {
        text += &(row + 1).to_string();
        for column in &columns {
            text.push(',');
            text += &column[i];
        }
        text.push('\n');
    }
    match &arguments.out {
        Some(path) => write_text(path, &text)?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(Ending::Done)
}

/// As the library names them.
pub fn effects(effects: Effects) -> SimulatedEffects {
    match effects {
        Effects::New => SimulatedEffects::New,
        Effects::Conditional => SimulatedEffects::Conditional,
    }
}

/// The responses as cells of CSV: numbers, successes, or the names of categories.
fn cells(response: &Response) -> Vec<String> {
    let quoted = |text: &str| match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    match response {
        Response::Real(values) => values.iter().map(f64::to_string).collect(),
        Response::Counts { successes, .. } => successes.iter().map(f64::to_string).collect(),
        Response::Ordinal { codes, levels } => codes.iter().map(|&c| quoted(&levels[c as usize])).collect(),
    }
}
