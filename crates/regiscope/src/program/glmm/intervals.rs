//! `regiscope glmm profile` and `regiscope glmm bootstrap`.

use super::fit::{mixed, show};
use super::model;
use crate::program::args::glmm::{BootstrapArgs, ProfileArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::glmm::simulate::effects;
use crate::program::output::Output;
use regiscope_glmm::infer::bootstrap::{self, BootstrapSettings};
use regiscope_glmm::infer::profile_likelihood::profile_intervals;
use serde_json::json;

/// Profile-likelihood intervals of a fit.
pub fn profile(arguments: ProfileArgs, output: Output) -> Result<Ending, Failure> {
    let model = model::load(&arguments.model.data, &arguments.model.formula, &arguments.model.terms, output)?;
    let fit = mixed(&model, output)?;
    let wanted = |name: &str| arguments.parameter.is_empty() || arguments.parameter.iter().any(|p| p == name);
    let intervals = profile_intervals(&model.built.design, &fit, arguments.level, wanted)
        .map_err(|e| Failure::Input(e.to_string()))?;
    if let Some(unknown) = arguments.parameter.iter().find(|p| !intervals.iter().any(|i| i.name == **p)) {
        return Err(Failure::Input(format!(
            "--parameter {unknown}: the model has no parameter of that name; without --parameter all are shown"
        )));
    }
    let value = json!({"level": arguments.level, "intervals": intervals});
    show(&value, &arguments.figures, output, || {
        let width = intervals.iter().map(|i| i.name.chars().count()).max().unwrap_or(0);
        let row = |i: &_| {
            let regiscope_glmm::infer::profile_likelihood::ProfileInterval { name, estimate, lower, upper, .. } = i;
            format!("{name:width$}  {estimate:>14.6}  [{lower:.6}, {upper:.6}]\n")
        };
        let level = 100.0 * arguments.level;
        format!("Profile-likelihood intervals, {level} %\n{}", intervals.iter().map(row).collect::<String>())
    })
}

/// Parametric-bootstrap intervals of a fit.
pub fn bootstrap(arguments: BootstrapArgs, output: Output) -> Result<Ending, Failure> {
    let model = model::load(&arguments.model.data, &arguments.model.formula, &arguments.model.terms, output)?;
    let fit = mixed(&model, output)?;
    let settings = BootstrapSettings {
        replicates: arguments.count as usize,
        seed: arguments.seed,
        level: arguments.level,
        effects: effects(arguments.effects),
    };
    let result =
        bootstrap::bootstrap(&model.built.design, &fit, &settings).map_err(|e| Failure::Input(e.to_string()))?;
    show(&result, &arguments.figures, output, || {
        let width = result.rows.iter().map(|r| r.name.chars().count()).max().unwrap_or(0);
        let mut text = format!(
            "Parametric bootstrap, {} data sets ({} failed, {} not converged, {} singular), {} % percentile intervals\n",
            arguments.count,
            result.failed,
            result.not_converged,
            result.singular,
            100.0 * arguments.level
        );
        for row in &result.rows {
            let (low, high) = row.percentile;
            text += &format!(
                "{:width$}  {:>14.6}  bias {:>12.6}  se {:>12.6}  [{low:.6}, {high:.6}]\n",
                row.name, row.estimate, row.bias, row.se
            );
        }
        text
    })
}
