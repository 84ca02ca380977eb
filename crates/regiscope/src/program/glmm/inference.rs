//! What is asked beside a fit, from options to settings.

use crate::program::args::glmm::{Adjust, Ddf, InferenceArgs, Margins, MeanDifferences};
use crate::program::failure::Failure;
use regiscope_glmm::infer::emmeans::Weights;
use regiscope_glmm::infer::marginal::{Differences, MarginalSettings};
use regiscope_glmm::infer::multiplicity::Adjustment;
use regiscope_glmm::infer::wald::DegreesOfFreedom;
use regiscope_glmm::output::InferenceSettings;

/// Checked settings.
pub fn settings(arguments: &InferenceArgs) -> Result<InferenceSettings, Failure> {
    if arguments.emmeans.is_empty() && !arguments.at.is_empty() {
        return Err(Failure::Input("--at is for marginal means; --emmeans names their factors".into()));
    }
    let at = arguments.at.iter().map(|text| values(text)).collect::<Result<Vec<_>, _>>()?;
    let marginal = |text: &String| -> Result<MarginalSettings, Failure> {
        let by: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if by.iter().any(String::is_empty) {
            return Err(Failure::Input(format!("--emmeans {text}: accepted are names of factors between commas")));
        }
        Ok(MarginalSettings {
            by,
            at: at.clone(),
            weights: match arguments.margins {
                Margins::Equal => Weights::Equal,
                Margins::Proportional => Weights::Proportional,
            },
            differences: match arguments.differences {
                MeanDifferences::Pairwise => Differences::Pairwise,
                MeanDifferences::First => Differences::FromFirst,
                MeanDifferences::None => Differences::None,
            },
            adjustment: match arguments.adjust {
                Adjust::None => Adjustment::None,
                Adjust::Bonferroni => Adjustment::Bonferroni,
                Adjust::Holm => Adjustment::Holm,
                Adjust::Bh => Adjustment::BenjaminiHochberg,
                Adjust::SingleStep => Adjustment::SingleStep,
            },
            level: arguments.level,
        })
    };
    if !(arguments.level > 0.0 && arguments.level < 1.0) {
        return Err(Failure::Input(format!("--level {}: a level is between 0 and 1", arguments.level)));
    }
    Ok(InferenceSettings {
        ddf: match arguments.ddf {
            Ddf::Asymptotic => DegreesOfFreedom::Asymptotic,
            Ddf::Satterthwaite => DegreesOfFreedom::Satterthwaite,
            Ddf::KenwardRoger => DegreesOfFreedom::KenwardRoger,
        },
        marginal: arguments.emmeans.iter().map(marginal).collect::<Result<_, _>>()?,
        checks: arguments.checks.map(|n| (n as usize, arguments.seed)),
    })
}

/// A covariate and its values.
fn values(text: &str) -> Result<(String, Vec<f64>), Failure> {
    let refuse = || Failure::Input(format!("--at {text}: accepted is COL=V or COL=V,V with numbers"));
    let (name, list) = text.split_once('=').ok_or_else(refuse)?;
    let numbers: Option<Vec<f64>> =
        list.split(',').map(|v| v.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
    Ok((name.trim().to_owned(), numbers.ok_or_else(refuse)?))
}
