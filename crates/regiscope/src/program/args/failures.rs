//! The command line of `regiscope challenge failures`.

use super::{Aggregation, JsonTarget, parse_json_target};
use clap::{ArgGroup, Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `regiscope challenge failures`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("outcome").required(true).multiple(true).args(["failure", "threshold"]))]
pub struct FailuresArgs {
    /// Long table, one result in each row: CSV or Parquet
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Column of cases
    #[arg(long, value_name = "COL")]
    pub case: String,
    /// Column of algorithms
    #[arg(long, value_name = "COL")]
    pub algorithm: String,
    /// Column of the score, which a threshold cuts, and which is modelled itself where it lies between 0 and 1
    #[arg(long, value_name = "COL")]
    pub value: Option<String>,
    /// Scores below it are failures
    #[arg(long, value_name = "X", requires = "value", conflicts_with = "failure", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Smaller scores are better: failures are those above the threshold
    #[arg(long, requires = "value")]
    pub smaller_is_better: bool,
    /// Column of failures: 0 and 1, no and yes, false and true
    #[arg(long, value_name = "COL")]
    pub failure: Option<String>,
    /// Columns of the cases' characteristics: numbers, yes and no, or words
    #[arg(long, value_name = "COL", value_delimiter = ',', required = true)]
    pub characteristics: Vec<String>,
    /// Columns of nested groups that cases come from, the outermost first: type,procedure
    #[arg(long, value_name = "COL", value_delimiter = ',')]
    pub group: Vec<String>,
    /// Characteristics whose effect may differ between algorithms: found (those that do significantly), none, all, or
    /// names
    #[arg(long, value_name = "COL", value_delimiter = ',', default_value = "found")]
    pub slopes: Vec<String>,
    /// How effects are adjusted for their number
    #[arg(long, value_enum, default_value = "holm")]
    pub adjust: EffectAdjust,
    /// Level of the intervals
    #[arg(long, default_value_t = 0.95)]
    pub level: f64,
    /// Also ranks as if these shares of the cases had these characteristics: smoke=0.5,motion_blur=0.1; may be given
    /// several times
    #[arg(long, value_name = "NAME=SHARE,...", value_parser = parse_mix)]
    pub mix: Vec<Mix>,
    /// Table of new cases (same columns of cases and characteristics) whose risk is asked for
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub new_cases: Option<PathBuf>,
    /// Column of the energy of each result, J
    #[arg(long, value_name = "COL")]
    pub energy: Option<String>,
    /// Long table of raters' labels that the characteristics are taken from, with how sure they are
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath, help_heading = "Annotations")]
    pub annotations: Option<PathBuf>,
    /// Column of cases of the annotations
    #[arg(long, value_name = "COL", default_value = "image", requires = "annotations", help_heading = "Annotations")]
    pub item: String,
    /// Column of characteristics of the annotations
    #[arg(long, value_name = "COL", default_value = "characteristic", requires = "annotations")]
    #[arg(help_heading = "Annotations")]
    pub characteristic: String,
    /// Column of raters of the annotations
    #[arg(long, value_name = "COL", default_value = "rater", requires = "annotations", help_heading = "Annotations")]
    pub rater: String,
    /// Column of labels of the annotations
    #[arg(long, value_name = "COL", default_value = "label", requires = "annotations", help_heading = "Annotations")]
    pub label: String,
    /// Schema of the characteristics (TOML)
    #[arg(long, value_name = "SCHEMA.toml", value_hint = ValueHint::FilePath, requires = "annotations")]
    #[arg(help_heading = "Annotations")]
    pub schema: Option<PathBuf>,
    /// How labels are aggregated
    #[arg(long, value_enum, default_value = "dawid-skene", requires = "annotations", help_heading = "Annotations")]
    pub aggregate: Aggregation,
    /// Fits that carry uncertain labels into the effects; 0 takes the likeliest labels as they are
    #[arg(long, value_name = "N", default_value_t = 10, requires = "annotations", help_heading = "Annotations")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub imputations: u32,
    /// Simulations of the residual checks
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub simulations: u32,
    /// Resamples of the front of score and energy
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub bootstrap: u32,
    /// Seed of draws, simulations and resamples
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// Adjustment of effects for their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EffectAdjust {
    /// Holm 1979
    Holm,
    /// Benjamini and Hochberg 1995
    Bh,
    /// From the joint normal distribution (Hothorn, Bretz and Westfall 2008)
    SingleStep,
    /// The number of effects times p
    Bonferroni,
    /// No adjustment
    None,
}

/// Shares of cases by characteristic.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix(pub Vec<(String, f64)>);

fn parse_mix(text: &str) -> Result<Mix, String> {
    let one = |part: &str| {
        let refused = || format!("{part:?} is no NAME=SHARE with a share between 0 and 1");
        let (name, share) = part.rsplit_once('=').ok_or_else(refused)?;
        let share: f64 = share.trim().parse().map_err(|_| refused())?;
        if (0.0..=1.0).contains(&share) { Ok((name.trim().to_owned(), share)) } else { Err(refused()) }
    };
    text.split(',').map(one).collect::<Result<_, String>>().map(Mix)
}
