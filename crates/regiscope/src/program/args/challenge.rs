//! The command line of `regiscope challenge`.

use super::{JsonTarget, parse_json_target};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `regiscope challenge`.
#[derive(Debug, Args)]
pub struct ChallengeArgs {
    #[command(subcommand)]
    pub command: ChallengeCommand,
}

/// What to do with the results of a challenge.
#[derive(Debug, Subcommand)]
pub enum ChallengeCommand {
    /// Ranks algorithms, and says how sure the ranks are
    Rank(Box<RankArgs>),
    /// Says how far raters agree
    Agree(AgreeArgs),
    /// Finds the likely true labels behind those of several raters
    Aggregate(AggregateArgs),
    /// Compares a segmentation with its reference
    Metrics(MetricsArgs),
}

/// `regiscope challenge rank`.
#[derive(Debug, Args)]
pub struct RankArgs {
    /// Long table, one value in each row: CSV or Parquet
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Column of tasks [default: all rows are of one task]
    #[arg(long, value_name = "COL")]
    pub task: Option<String>,
    /// Column of cases
    #[arg(long, value_name = "COL")]
    pub case: String,
    /// Column of algorithms
    #[arg(long, value_name = "COL")]
    pub algorithm: String,
    /// Column of values
    #[arg(long, value_name = "COL")]
    pub value: String,
    /// Smaller values are better, as for distances
    #[arg(long)]
    pub smaller_is_better: bool,
    /// mean-then-rank, median-then-rank, quantile-then-rank:P, rank-then-mean, rank-then-median, test-then-rank or
    /// robust-mis (the 5 % quantile on the bad side)
    #[arg(long, default_value = "mean-then-rank")]
    pub method: String,
    /// How p-values of the pairwise tests are adjusted
    #[arg(long, value_enum, default_value = "holm")]
    pub adjust: Adjust,
    /// Level of the pairwise tests and of the confidence sets
    #[arg(long, default_value_t = 0.05)]
    pub alpha: f64,
    /// Where p-values of the Wilcoxon tests come from
    #[arg(long, value_enum, default_value = "automatic")]
    pub wilcoxon: Wilcoxon,
    /// How equal values share ranks
    #[arg(long, value_enum, default_value = "min")]
    pub ties: SharedRanks,
    /// What happens to cells without a value: refuse, worst (the worst value of the task), drop-case, or a number
    #[arg(long, value_name = "RULE", default_value = "refuse", value_parser = parse_missing, allow_hyphen_values = true)]
    pub missing: MissingRule,
    /// Resamples of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub bootstrap: u32,
    /// Column of patients, procedures or other units that cases come from; they are resampled whole
    #[arg(long, value_name = "COL")]
    pub cluster: Option<String>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also leaves out each case (or cluster) in turn
    #[arg(long)]
    pub jackknife: bool,
    /// Also joins the tasks to one ranking
    #[arg(long, value_enum, value_delimiter = ',')]
    pub consensus: Vec<JoinedBy>,
    /// Also ranks by these methods and gives Kendall's tau between all
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub compare: Vec<String>,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// Adjustment for the number of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Adjust {
    /// Holm 1979
    Holm,
    /// Benjamini and Hochberg 1995
    Bh,
    /// No adjustment
    None,
}

/// Null distribution of the signed-rank statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wilcoxon {
    /// Exact for fewer than 50 differences without zeros and ties, else normal, as R does
    Automatic,
    /// Normal with continuity and tie correction, as challengeR does
    Normal,
}

/// Ranks of equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SharedRanks {
    /// The best of the ranks they fill
    Min,
    /// The mean of the ranks they fill
    Average,
    /// The worst of the ranks they fill
    Max,
}

/// What happens to cells without a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MissingRule {
    /// They are refused.
    Refuse,
    /// They get the worst value of the task.
    Worst,
    /// Their case is dropped.
    DropCase,
    /// They get this value.
    Value(f64),
}

/// How tasks are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JoinedBy {
    /// The order that contradicts the tasks in the fewest pairs
    Kemeny,
    /// Points for each algorithm left behind
    Borda,
    /// The mean of the ranks
    MeanRank,
}

/// Labels of several raters.
#[derive(Clone, Debug, Args)]
pub struct AnnotationArgs {
    /// Table of labels (CSV or Parquet): long, one label in each row, or wide, one rater in each column
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Column of items [default of a wide table: rows are items]
    #[arg(long, value_name = "COL")]
    pub item: Option<String>,
    /// Column of raters of a long table; without it the table is wide
    #[arg(long, value_name = "COL", requires = "item", requires = "label")]
    pub rater: Option<String>,
    /// Column of labels of a long table
    #[arg(long, value_name = "COL", requires = "rater")]
    pub label: Option<String>,
    /// Schema of the characteristics (TOML)
    #[arg(long, value_name = "SCHEMA.toml", value_hint = ValueHint::FilePath, requires = "characteristic")]
    pub schema: Option<PathBuf>,
    /// The characteristic of the schema that the labels are of
    #[arg(long, value_name = "NAME", requires = "schema")]
    pub characteristic: Option<String>,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope challenge agree`.
#[derive(Clone, Debug, Args)]
pub struct AgreeArgs {
    #[command(flatten)]
    pub annotations: AnnotationArgs,
    /// Resamples of items for the intervals of Krippendorff's alpha
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub bootstrap: u32,
    /// Level of the intervals: 1 - alpha is their confidence
    #[arg(long, default_value_t = 0.05)]
    pub alpha: f64,
    /// Seed of the resamples
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// `regiscope challenge aggregate`.
#[derive(Clone, Debug, Args)]
pub struct AggregateArgs {
    #[command(flatten)]
    pub annotations: AnnotationArgs,
    /// How labels are aggregated
    #[arg(long, value_enum, default_value = "dawid-skene")]
    pub method: Aggregation,
}

/// How labels are aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Aggregation {
    /// The most frequent label
    Majority,
    /// A confusion matrix for each rater, by maximum likelihood
    DawidSkene,
    /// One probability of being right for each rater, by maximum likelihood
    OneCoin,
    /// Abilities of raters and easiness of items, by maximum a posteriori
    Glad,
}

/// `regiscope challenge metrics`.
#[derive(Clone, Debug, Args)]
pub struct MetricsArgs {
    /// Reference segmentation: an image whose voxels are labels, 0 for background
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub reference: PathBuf,
    /// Predicted segmentation on the same voxels
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub prediction: PathBuf,
    /// dsc, iou, sensitivity, specificity, ppv, volumetric-similarity, hd, hd95, hd95-max, hd95-pooled, assd, masd,
    /// asd-reference, asd-prediction, nsd, nsd-subvoxel, surface-overlap-reference, surface-overlap-prediction, cldice,
    /// boundary-iou; of instances mi-dsc, mi-nsd, pq, sq, rq
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "dsc,iou,hd95,assd,nsd")]
    pub metrics: Vec<String>,
    /// Whose rules for borders, percentiles and empty masks are followed
    #[arg(long, value_enum, default_value = "metrics-reloaded")]
    pub convention: MetricConvention,
    /// Tolerance of the normalised surface distance
    #[arg(long, value_name = "MM", default_value_t = 1.0, allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Boundary IoU looks at voxels less than this many voxels from the border
    #[arg(long, value_name = "VOXELS", default_value_t = 3.0, allow_negative_numbers = true)]
    pub boundary_distance: f64,
    /// Compares the voxels of this label [default: all that are not 0]; may be given several times
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub label: Vec<u16>,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// Conventions of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MetricConvention {
    /// Metrics Reloaded: border voxels, the larger of the two directed percentiles
    MetricsReloaded,
    /// DeepMind's surface-distance: surface elements weighted by their area
    DeepmindSurfaceDistance,
    /// MONAI: border voxels, single precision
    Monai,
}

fn parse_missing(text: &str) -> Result<MissingRule, String> {
    match text {
        "refuse" => Ok(MissingRule::Refuse),
        "worst" => Ok(MissingRule::Worst),
        "drop-case" => Ok(MissingRule::DropCase),
        number => match number.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(MissingRule::Value(value)),
            _ => Err("expected refuse, worst, drop-case or a number".to_owned()),
        },
    }
}
