//! `regiscope glmm fit`.

use super::inference;
use super::model::{self, Model};
use crate::program::args::JsonTarget;
use crate::program::args::glmm::{FigureArgs, FitArgs};
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use crate::program::progress::Progress;
use regiscope_glmm::fit::{Fit, fit};
use regiscope_glmm::infer::wald::DegreesOfFreedom;
use regiscope_glmm::linear::{LinearFit, fit_linear};
use regiscope_glmm::output::{
    FitDocument, InferenceSettings, coefficients_csv, coefficients_latex, forest_svg, summary,
};
use serde::Serialize;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A model that was fitted.
pub enum Fitted {
    /// With random effects, or of another family than the Gaussian.
    Mixed(Box<Fit>),
    /// A linear regression.
    Linear(Box<LinearFit>),
}

/// Fits a model, shows and writes it.
pub fn run(arguments: FitArgs, output: Output) -> Result<Ending, Failure> {
    let asked = inference::settings(&arguments.inference)?;
    let model = model::load(&arguments.model.data, &arguments.model.formula, &arguments.model.terms, output)?;
    let fitted = fitted(&model, output)?;
    let mut document = document(&model, &fitted);
    infer(&mut document, &model, &fitted, asked)?;
    let write = |path: &Option<PathBuf>, text: fn(&FitDocument) -> String| match path {
        Some(path) => write_text(path, &text(&document)),
        None => Ok(()),
    };
    write(&arguments.csv, coefficients_csv)?;
    write(&arguments.latex, coefficients_latex)?;
    write(&arguments.forest, forest_svg)?;
    if let Some(folder) = &arguments.out {
        write_folder(folder, &document, &model, &fitted)?;
    }
    show(&document, &arguments.figures, output, || summary(&document))
}

/// Adds tests, marginal means and checks to the figures of a fit.
fn infer(
    document: &mut FitDocument,
    model: &Model,
    fitted: &Fitted,
    mut asked: InferenceSettings,
) -> Result<(), Failure> {
    let input = |e: &dyn std::fmt::Display| Failure::Input(e.to_string());
    let built = &model.built;
    match fitted {
        Fitted::Mixed(fit) => document.infer(fit, built, &model.table, &asked).map_err(|e| input(&e)),
        Fitted::Linear(_) if asked.marginal.is_empty() && asked.checks.is_none() => Ok(()),
        Fitted::Linear(_) => {
            // Least squares is the linear mixed model without random terms, whose degrees of freedom are the residual ones.
            asked.ddf = DegreesOfFreedom::Satterthwaite;
            let fit = fit(&built.design, &model.settings, &mut |_| ()).map_err(|e| input(&e))?;
            document.infer(&fit, built, &model.table, &asked).map_err(|e| input(&e))
        }
    }
}

/// Writes figures where they are asked for, and the text unless they went to standard output.
pub fn show(
    figures: &impl Serialize,
    arguments: &FigureArgs,
    output: Output,
    text: impl FnOnce() -> String,
) -> Result<Ending, Failure> {
    if let Some(JsonTarget::File(path)) = &arguments.json {
        write_json(path, figures)?;
    }
    let mut output = output;
    output.json |= arguments.json == Some(JsonTarget::Stdout);
    output.result(figures, text)?;
    Ok(Ending::Done)
}

/// Fits a model.
pub fn fitted(model: &Model, output: Output) -> Result<Fitted, Failure> {
    let input = |e: &dyn std::fmt::Display| Failure::Input(e.to_string());
    if model.is_regression {
        return fit_linear(&model.built.design).map(|fit| Fitted::Linear(Box::new(fit))).map_err(|e| input(&e));
    }
    let progress = Progress::new(output);
    let fit = fit(&model.built.design, &model.settings, &mut |step| {
        progress.steps("fitting", step.evaluations, 0, &format!("log-likelihood {:.6}", step.log_lik));
    });
    progress.finish();
    fit.map(|fit| Fitted::Mixed(Box::new(fit))).map_err(|e| input(&e))
}

/// Fits a model that has random effects, or is of another family than the Gaussian.
pub fn mixed(model: &Model, output: Output) -> Result<Box<Fit>, Failure> {
    match fitted(model, output)? {
        Fitted::Mixed(fit) => Ok(fit),
        Fitted::Linear(_) => Err(Failure::Input(format!(
            "{}: a linear regression without random effects; this command is for mixed and generalised models",
            model.written.formula
        ))),
    }
}

/// Every figure of a fitted model.
pub fn document(model: &Model, fitted: &Fitted) -> FitDocument {
    let Model { built, written, .. } = model;
    match fitted {
        Fitted::Mixed(fit) => FitDocument::of_fit(fit, &built.design, &built.recipe, &built.warnings, written.clone()),
        Fitted::Linear(fit) => FitDocument::of_linear(fit, &built.design, &built.warnings, written.clone()),
    }
}

/// Writes a value as JSON, whole or not at all.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Failure::file(path, e))?;
    text.push('\n');
    write_text(path, &text)
}

/// Writes a text, whole or not at all.
pub fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    regiscope_geometry::file::write_renamed(path, text.as_bytes()).map_err(|e| Failure::Input(e.to_string()))
}

fn write_folder(folder: &Path, document: &FitDocument, model: &Model, fitted: &Fitted) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|e| Failure::file(folder, e))?;
    write_text(&folder.join("summary.txt"), &summary(document))?;
    write_json(&folder.join("fit.json"), document)?;
    write_text(&folder.join("coefficients.csv"), &coefficients_csv(document))?;
    write_text(&folder.join("coefficients.tex"), &coefficients_latex(document))?;
    write_text(&folder.join("forest.svg"), &forest_svg(document))?;
    write_text(&folder.join("fitted.csv"), &fitted_csv(model, fitted))
}

/// Fitted values and residuals, with the row of the table (from 1) each belongs to.
fn fitted_csv(model: &Model, fitted: &Fitted) -> String {
    let (values, residual_name, residuals) = match fitted {
        Fitted::Mixed(fit) => (&fit.fitted, "pearson_residual", &fit.pearson),
        Fitted::Linear(fit) => (&fit.fitted, "residual", &fit.residuals),
    };
    let mut text = format!("row,fitted,{residual_name}\n");
    for ((row, value), residual) in model.built.design.rows.iter().zip(values).zip(residuals) {
        let _ = writeln!(text, "{},{value},{residual}", row + 1);
    }
    text
}
