//! `regiscope glmm compare`.

use super::fit::{mixed, show};
use super::model;
use crate::program::args::glmm::CompareArgs;
use crate::program::failure::{Ending, Failure};
use crate::program::output::Output;
use regiscope_glmm::infer::compare::{Candidate, Comparison, compare};

/// Fits several models to one table and compares them.
pub fn run(arguments: CompareArgs, output: Output) -> Result<Ending, Failure> {
    if arguments.formula.len() < 2 {
        return Err(Failure::Input("--formula is needed twice or more, once for each model".into()));
    }
    // Models with different fixed effects have no restricted likelihood in common.
    let mut terms = arguments.terms.clone();
    terms.ml = !terms.reml;
    let mut fits = Vec::new();
    for formula in &arguments.formula {
        let model = model::load(&arguments.data, formula, &terms, output)?;
        let fit = mixed(&model, output)?;
        let told = model.built.warnings.iter().map(ToString::to_string);
        for message in told.chain(fit.messages.iter().map(ToString::to_string)) {
            output.note(format_args!("{formula}: {message}"));
        }
        fits.push((formula, model, fit));
    }
    let candidates: Vec<Candidate> = fits
        .iter()
        .map(|(formula, model, fit)| Candidate { name: formula, design: &model.built.design, fit })
        .collect();
    let comparison = compare(&candidates).map_err(|e| Failure::Input(e.to_string()))?;
    show(&comparison, &arguments.figures, output, || text(&comparison))
}

fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (n, row) in comparison.rows.iter().enumerate() {
        text += &format!(
            "{}: {}\n   df {}, AIC {:.4}, BIC {:.4}, log-likelihood {:.4}, deviance {:.4}, Akaike weight {:.3}\n",
            n + 1,
            row.name,
            row.df,
            row.aic,
            row.bic,
            row.log_lik,
            row.deviance,
            row.akaike_weight
        );
        if let Some(test) = &row.test {
            let boundary = test.p_boundary.map_or(String::new(), |p| format!(" (at the boundary {p:.4e})"));
            text += &format!(
                "   against {n}: chi-squared {:.4} on {}, p {:.4e}{boundary}\n",
                test.chi_squared, test.df, test.p
            );
        }
        if let Some(note) = &row.note {
            text += &format!("   {note}\n");
        }
    }
    text
}
