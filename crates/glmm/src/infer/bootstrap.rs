//! Parametric bootstrap: simulate from the fit, refit, look at the spread.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::InferenceError;
use super::simulate::{SimulatedEffects, Simulator};
use super::summary_parameters::summary_parameters;
use crate::design::Design;
use crate::fit::{Fit, fit as refit};

/// Settings of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BootstrapSettings {
    /// Number of simulated data sets; 999 or more for intervals.
    pub replicates: usize,
    /// Seed: equal seeds give equal figures on any number of threads.
    pub seed: u64,
    /// Level of the intervals.
    pub level: f64,
    /// New random effects in each data set, or those of the fit.
    pub effects: SimulatedEffects,
}

impl Default for BootstrapSettings {
    fn default() -> Self {
        Self { replicates: 999, seed: 1, level: 0.95, effects: SimulatedEffects::New }
    }
}

/// What the refits gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bootstrap {
    /// The settings.
    pub settings: BootstrapSettings,
    /// One row for each statistic.
    pub rows: Vec<BootstrapRow>,
    /// The statistics of each refit that succeeded, in the order of the replicates.
    pub statistics: Vec<Vec<f64>>,
    /// Refits that could not be made.
    pub failed: usize,
    /// Refits that did not converge; they are left out.
    pub not_converged: usize,
    /// Refits whose covariance is singular; they are kept.
    pub singular: usize,
}

/// One statistic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BootstrapRow {
    /// Its name.
    pub name: String,
    /// Its value for the fit.
    pub estimate: f64,
    /// Mean of the refits less the estimate.
    pub bias: f64,
    /// Standard deviation of the refits.
    pub se: f64,
    /// Quantiles of the refits.
    pub percentile: (f64, f64),
    /// The estimate twice, less the opposite quantile.
    pub basic: (f64, f64),
}

/// Bootstraps all [summary parameters](summary_parameters).
pub fn bootstrap(design: &Design, fit: &Fit, settings: &BootstrapSettings) -> Result<Bootstrap, InferenceError> {
    let names = summary_parameters(fit).into_iter().map(|p| p.name).collect();
    bootstrap_statistics(design, fit, settings, names, |fit: &Fit| {
        summary_parameters(fit).into_iter().map(|p| p.value).collect()
    })
}

/// Bootstraps any statistics of a fit: `names` tells what `statistics` gives.
pub fn bootstrap_statistics(
    design: &Design,
    fit: &Fit,
    settings: &BootstrapSettings,
    names: Vec<String>,
    statistics: impl Fn(&Fit) -> Vec<f64> + Sync,
) -> Result<Bootstrap, InferenceError> {
    if settings.replicates == 0 || !(settings.level > 0.0 && settings.level < 1.0) {
        return Err(InferenceError::Value {
            what: "replicates and level",
            found: format!("{} and {}", settings.replicates, settings.level),
            accepted: "at least one replicate and a level between 0 and 1 are needed".into(),
        });
    }
    let simulator = Simulator::new(design, fit)?;
    let outcomes: Vec<Outcome> = (0..settings.replicates as u64)
        .into_par_iter()
        .map_init(
            || design.clone(),
            |study, replicate| {
                study.response = simulator.draw(settings.effects, settings.seed, replicate);
                study.low = None;
                match refit(study, &fit.settings, &mut |_| ()) {
                    Err(_) => Outcome::Failed,
                    Ok(found) if !found.verdict.converged => Outcome::NotConverged,
                    Ok(found) => Outcome::Fitted { values: statistics(&found), singular: found.singular },
                }
            },
        )
        .collect();
    let count = |f: fn(&Outcome) -> bool| outcomes.iter().filter(|o| f(o)).count();
    let (failed, not_converged) =
        (count(|o| matches!(o, Outcome::Failed)), count(|o| matches!(o, Outcome::NotConverged)));
    let singular = count(|o| matches!(o, Outcome::Fitted { singular: true, .. }));
    let kept: Vec<Vec<f64>> = outcomes
        .into_iter()
        .filter_map(|o| if let Outcome::Fitted { values, .. } = o { Some(values) } else { None })
        .collect();
    let estimates = statistics(fit);
    let tail = 0.5 * (1.0 - settings.level);
    let row = |(j, (name, estimate)): (usize, (String, f64))| {
        let mut values: Vec<f64> = kept.iter().map(|v| v[j]).filter(|v| v.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let (low, high) = (quantile(&values, tail), quantile(&values, 1.0 - tail));
        BootstrapRow {
            name,
            estimate,
            bias: mean - estimate,
            se: (square / (n - 1.0)).sqrt(),
            percentile: (low, high),
            basic: (2.0 * estimate - high, 2.0 * estimate - low),
        }
    };
    let rows = names.into_iter().zip(estimates).enumerate().map(row).collect();
    Ok(Bootstrap { settings: *settings, rows, statistics: kept, failed, not_converged, singular })
}

enum Outcome {
    Failed,
    NotConverged,
    Fitted { values: Vec<f64>, singular: bool },
}

/// A quantile of sorted values, interpolated as R does by default; NaN without values.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = p * last as f64;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Family, Settings};
    use crate::testing;

    #[test]
    fn quantiles_are_those_of_r() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
        assert!((quantile(&[1.0, 2.0, 4.0], 0.9) - 3.6).abs() < 1e-15);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn the_bootstrap_spread_is_the_standard_error_whatever_the_number_of_threads() {
        let design = testing::linear_designs().remove(0);
        let fit = refit(&design, &Settings::new(Family::Gaussian), &mut |_| ()).unwrap();
        let settings = BootstrapSettings { replicates: 300, ..BootstrapSettings::default() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| bootstrap(&design, &fit, &settings).unwrap())
        };
        let (one, two) = (run(1), run(2));
        assert_eq!(one, two);
        assert_eq!(one.failed + one.not_converged + one.statistics.len(), 300);
        for (j, name) in fit.fixed.names.iter().enumerate() {
            let row = one.rows.iter().find(|row| &row.name == name).unwrap();
            assert!((row.se / fit.fixed.se[j] - 1.0).abs() < 0.2, "{row:?}");
            assert!(row.bias.abs() < 0.25 * row.se, "{row:?}");
            assert!(row.percentile.0 < row.estimate && row.estimate < row.percentile.1);
        }
    }
}
