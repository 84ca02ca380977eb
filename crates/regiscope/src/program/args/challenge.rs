//! The command line of `regiscope challenge`.

pub mod failures;

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
    /// Makes a report of a ranking: one HTML file, tables, JSON
    Report(Box<ReportArgs>),
    /// Says how far raters agree
    Agree(AgreeArgs),
    /// Finds the likely true labels behind those of several raters
    Aggregate(AggregateArgs),
    /// Compares segmentations with their references
    Metrics(MetricsArgs),
    /// Average precision and F1 of detected boxes
    Detections(DetectionsArgs),
    /// Area under the ROC curve and calibration of predicted probabilities
    Probabilities(ProbabilitiesArgs),
    /// Target registration error of landmarks
    Landmarks(LandmarksArgs),
    /// Errors of rigid poses: rotation, translation, mTRE, mPD, success rates, capture range
    Poses(PosesArgs),
    /// Finds out which characteristics of cases make algorithms fail
    Failures(Box<failures::FailuresArgs>),
}

/// Results: a table of values, or masks.
#[derive(Clone, Debug, Args)]
pub struct ResultsArgs {
    /// Long table, one value in each row: CSV or Parquet
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath, required_unless_present = "manifest")]
    pub data: Option<PathBuf>,
    /// Table of masks with the columns case, algorithm, reference, prediction and, where there are any, task, cluster,
    /// image. File names start from its folder
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub manifest: Option<PathBuf>,
    /// Metric of the masks, by the names of `challenge metrics`
    #[arg(long, value_name = "NAME", default_value = "dsc")]
    pub metric: String,
    /// Whose rules for borders, percentiles and empty masks are followed
    #[arg(long, value_enum, default_value = "metrics-reloaded")]
    pub convention: MetricConvention,
    /// Tolerance of the normalised surface distance
    #[arg(long, value_name = "MM", default_value_t = 1.0, allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Column of tasks [default: all rows are of one task]
    #[arg(long, value_name = "COL")]
    pub task: Option<String>,
    /// Column of cases
    #[arg(long, value_name = "COL", required_unless_present = "manifest")]
    pub case: Option<String>,
    /// Column of algorithms
    #[arg(long, value_name = "COL", required_unless_present = "manifest")]
    pub algorithm: Option<String>,
    /// Column of values
    #[arg(long, value_name = "COL", required_unless_present = "manifest")]
    pub value: Option<String>,
    /// Smaller values are better, as for distances
    #[arg(long)]
    pub smaller_is_better: bool,
    /// What happens to cells without a value: refuse, worst (the worst value of the task), drop-case, or a number
    #[arg(long, value_name = "RULE", default_value = "refuse", value_parser = parse_missing, allow_hyphen_values = true)]
    pub missing: MissingRule,
    /// Column of patients, procedures or other units that cases come from; they are resampled whole
    #[arg(long, value_name = "COL")]
    pub cluster: Option<String>,
}

/// How results are ranked.
#[derive(Clone, Debug, Args)]
pub struct MethodArgs {
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
    /// Resamples of the bootstrap [default: 0, of a report 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub bootstrap: Option<u32>,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also leaves out each case (or cluster) in turn
    #[arg(long)]
    pub jackknife: bool,
    /// Also joins the tasks to one ranking [default of a report of several tasks: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub consensus: Vec<JoinedBy>,
    /// Also ranks by these methods and gives Kendall's tau between all [default of a report: all methods]
    #[arg(long, value_name = "METHOD", value_delimiter = ',')]
    pub compare: Vec<String>,
}

/// `regiscope challenge rank`.
#[derive(Clone, Debug, Args)]
pub struct RankArgs {
    #[command(flatten)]
    pub results: ResultsArgs,
    #[command(flatten)]
    pub method: MethodArgs,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope challenge report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    pub results: ResultsArgs,
    #[command(flatten)]
    pub method: MethodArgs,
    /// Title of the report
    #[arg(long, default_value = "Challenge report")]
    pub title: String,
    /// What is asked, as a sentence under the title
    #[arg(long, default_value = "")]
    pub question: String,
    /// Also draws what makes algorithms fail, from what `challenge failures --json` wrote
    #[arg(long, value_name = "FAILURES.json", value_hint = ValueHint::FilePath)]
    pub failures: Option<PathBuf>,
    /// Cases of each task in the gallery of the worst; pictures of them need --manifest
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub worst: u32,
    /// The page
    #[arg(long, value_name = "FILE.html", default_value = "challenge-report.html", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Output")]
    pub out: PathBuf,
    /// Also writes the tables as CSV and LaTeX into this folder
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub tables: Option<PathBuf>,
    /// Also writes metrics.json as grand-challenge.org reads it
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub grand_challenge: Option<PathBuf>,
    /// Writes the content as JSON at full precision, to standard output without a file
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
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "prediction")]
    #[arg(required_unless_present = "manifest")]
    pub reference: Option<PathBuf>,
    /// Predicted segmentation on the same voxels
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "reference")]
    pub prediction: Option<PathBuf>,
    /// Compares all masks of a table with the columns case, algorithm, reference, prediction and, where there are any,
    /// task, cluster. File names start from its folder
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath, conflicts_with = "reference")]
    pub manifest: Option<PathBuf>,
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
    /// Also writes the metrics of a manifest as a table that `challenge rank` reads
    #[arg(long, value_name = "OUT.csv", value_hint = ValueHint::FilePath, requires = "manifest")]
    #[arg(help_heading = "Output")]
    pub table: Option<PathBuf>,
    /// Also writes metrics.json as grand-challenge.org reads it
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub grand_challenge: Option<PathBuf>,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope challenge detections`.
#[derive(Clone, Debug, Args)]
pub struct DetectionsArgs {
    /// Objects: a table with the columns image, x0, y0, x1, y1 and, of volumes, z0, z1
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub reference: PathBuf,
    /// Detections: the same columns and confidence
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub prediction: PathBuf,
    /// Least intersection over union of a hit
    #[arg(long, value_name = "IOU", default_value_t = 0.5)]
    pub iou: f64,
    /// Least confidence of detections that count for F1, precision and recall [default: all count]
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    pub confidence: Option<f64>,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope challenge probabilities`.
#[derive(Clone, Debug, Args)]
pub struct ProbabilitiesArgs {
    /// Table with a probability and an outcome in each row
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Column of predicted probabilities of the outcome, 0 to 1
    #[arg(long, value_name = "COL")]
    pub probability: String,
    /// Column of outcomes: 1 or true, 0 or false
    #[arg(long, value_name = "COL")]
    pub outcome: String,
    /// Bins of the expected calibration error
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bins: u32,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope challenge landmarks`.
#[derive(Clone, Debug, Args)]
pub struct LandmarksArgs {
    /// Points where they belong: a file of named points (mm)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub reference: PathBuf,
    /// Points of the same names where they were found
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub prediction: PathBuf,
    /// Writes the result as JSON at full precision, to standard output without a file
    #[arg(long, id = "json", value_name = "OUT.json", num_args = 0..=1, default_missing_value = "-")]
    #[arg(value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope challenge poses`.
#[derive(Clone, Debug, Args)]
pub struct PosesArgs {
    /// The true pose: a rigid ITK transform file, which maps points of the world to points of the volume
    #[arg(long, value_name = "FILE.tfm", value_hint = ValueHint::FilePath, requires = "prediction")]
    #[arg(required_unless_present = "manifest")]
    pub reference: Option<PathBuf>,
    /// The pose that was found
    #[arg(long, value_name = "FILE.tfm", value_hint = ValueHint::FilePath, requires = "reference")]
    pub prediction: Option<PathBuf>,
    /// Compares all poses of a table with the columns case, algorithm, reference, prediction and, where there are any,
    /// task, cluster, initial (the pose at the start). File names start from its folder
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::FilePath, conflicts_with = "reference")]
    pub manifest: Option<PathBuf>,
    /// Points of the volume (its frame, mm) whose registration error is told: mTRE
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub targets: Option<PathBuf>,
    /// Where source and detector stand: also tells mean projection and reprojection distances of the targets
    #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath, requires = "targets")]
    pub camera: Option<PathBuf>,
    /// mTRE below which a registration counts for the capture range
    #[arg(long, value_name = "MM", default_value_t = 2.0, allow_negative_numbers = true)]
    pub threshold: f64,
    /// Also writes the errors of a manifest as a table that `challenge rank --smaller-is-better` reads
    #[arg(long, value_name = "OUT.csv", value_hint = ValueHint::FilePath, requires = "manifest")]
    #[arg(help_heading = "Output")]
    pub table: Option<PathBuf>,
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
