//! `regiscope glmm predict`.

use super::fit::{mixed, show, write_text};
use super::{model, table};
use crate::program::args::glmm::{PredictArgs, PredictLevel};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_glmm::design::RandomTerm;
use regiscope_glmm::formula::{ColumnsUsed, NewData, Scope};
use regiscope_glmm::infer::predict::{PredictSettings, Prediction, predict};
use serde_json::json;
use std::collections::BTreeMap;

/// Predicts the rows of the data, or of a table of new data.
pub fn run(arguments: PredictArgs, output: Output) -> Result<Ending, Failure> {
    let input = |e: &dyn std::fmt::Display| Failure::Input(e.to_string());
    let model = model::load(&arguments.model.data, &arguments.model.formula, &arguments.model.terms, output)?;
    let fit = mixed(&model, output)?;
    let scope = match arguments.level {
        PredictLevel::Population => Scope::Population,
        PredictLevel::Group => Scope::Groups,
    };
    let new = match &arguments.newdata {
        None => model.built.recipe.apply(&model.table, scope),
        Some(path) => {
            // The levels of the fit are matched by their names, whatever order new data give them.
            let mut terms = arguments.model.terms.clone();
            let named = |text: &String| text.split('=').next().unwrap_or_default().to_owned();
            terms.factor = terms.factor.iter().chain(&terms.ordered).map(named).collect();
            terms.ordered = Vec::new();
            let everything = ColumnsUsed { all: true, ..ColumnsUsed::default() };
            model.built.recipe.apply(&table::read(path, &terms, &everything, false)?, scope)
        }
    };
    let NewData { mean, zero, rows } = new.map_err(|e| input(&e))?;
    let settings = PredictSettings { level: arguments.interval, draws: arguments.draws as usize, seed: arguments.seed };
    let found = predict(&model.built.design, &fit, &mean, zero.as_ref(), &settings).map_err(|e| input(&e))?;
    let unseen = unseen(&mean.random);
    for (group, count) in &unseen {
        output.note(format_args!(
            "warning: {count} rows have a level of {group} that the fit did not see; its random effect is taken as zero, \
             and its variance is added"
        ));
    }
    let text = csv(&found, &rows);
    if let Some(path) = &arguments.out {
        write_text(path, &text)?;
    }
    let value = json!({"rows": rows.iter().map(|r| r + 1).collect::<Vec<_>>(), "level": arguments.interval,
        "new_levels": unseen, "prediction": found});
    show(&value, &arguments.figures, output, || if arguments.out.is_some() { String::new() } else { text })
}

/// For each grouping factor how many rows have a level that the fit did not see.
fn unseen(terms: &[RandomTerm]) -> BTreeMap<String, usize> {
    let count = |term: &RandomTerm| term.level_of_row.iter().filter(|l| **l == RandomTerm::NEW_LEVEL).count();
    terms.iter().map(|term| (term.group.clone(), count(term))).filter(|(_, n)| *n > 0).collect()
}

fn csv(found: &Prediction, rows: &[u32]) -> String {
    let mut text = "row,link,link_se,response,response_se,response_lower,response_upper".to_owned();
    if found.prediction_interval.is_some() {
        text += ",prediction_lower,prediction_upper";
    }
    let categories = found.categories.as_ref().and_then(|c| c.first()).map_or(0, Vec::len);
    text.extend((1..=categories).map(|c| format!(",p_{c}")));
    text.push('\n');
    for (i, row) in rows.iter().enumerate() {
        let (low, high) = found.response_interval[i];
        let mut cells = vec![found.link[i], found.link_se[i], found.response[i], found.response_se[i], low, high];
        if let Some(intervals) = &found.prediction_interval {
            cells.extend([intervals[i].0, intervals[i].1]);
        }
        if let Some(categories) = &found.categories {
            cells.extend(&categories[i]);
        }
        let cells: Vec<String> = cells.iter().map(f64::to_string).collect();
        text += &format!("{},{}\n", row + 1, cells.join(","));
    }
    text
}
