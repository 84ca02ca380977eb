//! `regiscope energy fleet`: node types compared.

use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_energy::energy::figure;
use regiscope_energy::fleet::Fleet;
use regiscope_energy::fleet::answers::{Answers, answer};
use regiscope_energy::fleet::simulate::measure;
use std::path::Path;

/// The fleet that is compared where none is named.
const SIMULATED: &str = include_str!("../../../../../experiments/fleet/four_node_types.toml");

/// Measures a fleet in the simulator and tells what follows.
pub fn run(path: Option<&Path>, output: Output) -> Result<Ending, Failure> {
    let name = path.unwrap_or(Path::new("the simulated fleet"));
    let text = match path {
        Some(path) => std::fs::read_to_string(path).map_err(|e| Failure::file(path, e))?,
        None => SIMULATED.to_owned(),
    };
    let fleet: Fleet = toml::from_str(&text).map_err(|e| {
        let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Failure::file(name, format!("line {line}: {}", e.message()))
    })?;
    let measured = measure(&fleet).map_err(|e| Failure::file(name, e))?;
    let answers = answer(&fleet, &measured);
    output.result(&answers, || words(&answers))?;
    Ok(Ending::Done)
}

fn words(answers: &Answers) -> String {
    let mut text = format!("{}\n\n", answers.title);
    text += &format!(
        "{:11}{:18}{:>12}{:>12}{:>14}{:>12}{:>12}\n",
        "phase", "node", "accelerators", "s per unit", "J per unit", "mean W", "idle charge"
    );
    let number = |value: Option<f64>| value.map_or_else(|| "unmeasured".to_owned(), figure);
    for row in &answers.rows {
        let charge = row.idle_charge.joules.zip(row.work.joules).map(|(c, w)| format!("{:.1} %", 100.0 * c / w));
        text += &format!(
            "{:11}{:18}{:>12}{:>12}{:>14}{:>12}{:>12}\n",
            format!("{:?}", row.phase).to_lowercase(),
            row.node,
            format!("{} of {}", row.accelerators[0], row.accelerators[1]),
            figure(row.wall_s / row.units),
            number(row.per_unit.joules),
            number(row.power_w),
            charge.unwrap_or_else(|| "unmeasured".to_owned())
        );
    }
    text += "\n";
    for finding in &answers.findings {
        let word = match finding.holds {
            Some(true) => "shown",
            Some(false) => "not shown",
            None => "cannot be told",
        };
        text += &format!("{} ({word}): {}\n", finding.claim, finding.figures);
    }
    for statement in &answers.break_even {
        text += &format!("{}\n", statement.statement);
    }
    text
}
