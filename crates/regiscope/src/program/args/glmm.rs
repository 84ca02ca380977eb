//! `regiscope glmm` as it may be typed.

use super::{JsonTarget, parse_json_target};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `regiscope glmm`.
#[derive(Debug, Args)]
pub struct GlmmArgs {
    #[command(subcommand)]
    pub command: GlmmCommand,
}

/// What to do with a mixed model.
#[derive(Debug, Subcommand)]
pub enum GlmmCommand {
    /// Fits a linear or generalised linear mixed model
    ///
    /// Prints the summary; --json and --out write every figure to files.
    Fit(Box<FitArgs>),
    /// Fits a model and predicts, with standard errors and intervals, as CSV
    Predict(Box<PredictArgs>),
    /// Fits several formulas to the same rows and compares them: AIC, BIC, likelihood-ratio tests
    ///
    /// Linear mixed models are fitted by maximum likelihood, unless --reml asks for the restricted one.
    Compare(Box<CompareArgs>),
    /// Draws responses from a fitted model, as CSV
    Simulate(Box<SimulateArgs>),
    /// Profile-likelihood intervals
    Profile(Box<ProfileArgs>),
    /// Parametric-bootstrap intervals: simulates, refits, and takes quantiles
    Bootstrap(Box<BootstrapArgs>),
}

/// Which model, of which data.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// The table: CSV, TSV or Parquet. Empty cells and NA are missing; a column is numeric unless a value is not
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    #[command(flatten)]
    pub terms: TermArgs,
    /// The model in lme4's language, as in 'y ~ x * f + (x | g)'
    #[arg(long, value_name = "FORMULA")]
    pub formula: String,
}

/// All of a model but its formula and data.
#[derive(Clone, Debug, Args)]
pub struct TermArgs {
    /// Distribution of the response, also with its link as in binomial(probit): gaussian, binomial, poisson, nbinom1,
    /// nbinom2, Gamma, beta, betabinomial, ordinal; truncated_poisson and so on are hurdle models
    #[arg(long, value_name = "NAME", default_value = "gaussian")]
    pub family: String,
    /// Link: identity, log, logit, probit, cloglog, cauchit, inverse, sqrt [default: the usual one of the family]
    #[arg(long, value_name = "NAME")]
    pub link: Option<String>,
    /// Points of adaptive Gauss-Hermite quadrature; 1 is Laplace's approximation, 0 the joint mode
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub nagq: usize,
    /// Restricted maximum likelihood; the default of linear mixed models
    #[arg(long, conflicts_with = "ml")]
    pub reml: bool,
    /// Maximum likelihood
    #[arg(long)]
    pub ml: bool,
    /// Prior weights: a column or an expression; the numbers of trials of a binomial proportion
    #[arg(long, value_name = "COL")]
    pub weights: Option<String>,
    /// Known part of the linear predictor: a column or an expression
    #[arg(long, value_name = "COL", allow_hyphen_values = true)]
    pub offset: Option<String>,
    /// Reads a column as labels, its levels in this order [default: sorted]; may be given several times
    #[arg(long, value_name = "COL[=l1,l2,…]")]
    pub factor: Vec<String>,
    /// Reads a column as ordered labels; may be given several times
    #[arg(long, value_name = "COL[=l1,l2,…]")]
    pub ordered: Vec<String>,
    /// Contrasts of a factor: treatment, sum, helmert or poly; may be given several times [default: treatment, poly for
    /// ordered factors]
    #[arg(long, value_name = "COL=KIND")]
    pub contrasts: Vec<String>,
    /// Formula of the zero part of zero-inflated and hurdle models, as in '~ x + (1 | g)'
    #[arg(long, value_name = "FORMULA")]
    pub zero_formula: Option<String>,
    /// Curvature of Laplace's approximation: the observed one is exact, lme4's is the expected one
    #[arg(long, value_enum, default_value = "observed")]
    pub hessian: Hessian,
    /// What stands between the cells of a CSV file [default: a comma, a tab in .tsv files]
    #[arg(long, value_name = "CHAR")]
    pub separator: Option<char>,
}

/// The curvature that Laplace's approximation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hessian {
    /// The second derivative at the responses
    Observed,
    /// Its expectation
    Lme4,
}

/// Where figures go as JSON.
#[derive(Clone, Debug, Args)]
pub struct FigureArgs {
    /// Writes every figure at full precision; - is standard output, instead of text
    #[arg(long, id = "json", value_name = "OUT.json", value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
}

/// `regiscope glmm fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub figures: FigureArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
    /// Folder for summary.txt, fit.json, coefficients.csv, coefficients.tex, forest.svg and fitted.csv
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// The coefficients as a table
    #[arg(long, value_name = "OUT.csv", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub csv: Option<PathBuf>,
    /// The coefficients as a table of LaTeX
    #[arg(long, value_name = "OUT.tex", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub latex: Option<PathBuf>,
    /// The coefficients as a forest plot
    #[arg(long, value_name = "OUT.svg", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub forest: Option<PathBuf>,
}

/// What is asked beside a fit.
#[derive(Debug, Args)]
#[command(next_help_heading = "Inference")]
pub struct InferenceArgs {
    /// Degrees of freedom of the tests of fixed effects; all but the asymptotic ones are for linear mixed models
    #[arg(long, value_enum, value_name = "METHOD", default_value = "asymptotic")]
    pub ddf: Ddf,
    /// Estimated marginal means of a factor, or of the combinations of several; may be given several times
    #[arg(long, value_name = "FACTOR[,FACTOR…]")]
    pub emmeans: Vec<String>,
    /// Values of a covariate for marginal means [default: its mean]; may be given several times
    #[arg(long, value_name = "COL=V[,V…]", allow_hyphen_values = true)]
    pub at: Vec<String>,
    /// Which differences of marginal means are tested
    #[arg(long, value_enum, value_name = "WHICH", default_value = "pairwise")]
    pub differences: MeanDifferences,
    /// How the probabilities of the differences are adjusted for their number
    #[arg(long, value_enum, value_name = "METHOD", default_value = "holm")]
    pub adjust: Adjust,
    /// How marginal means weight the levels of other factors
    #[arg(long, value_enum, value_name = "HOW", default_value = "equal")]
    pub margins: Margins,
    /// Level of the intervals of marginal means
    #[arg(long, value_name = "LEVEL", default_value_t = 0.95)]
    pub level: f64,
    /// Checks the residuals against this many simulated data sets
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "250",
        value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub checks: Option<u32>,
    /// Seed of the simulations
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// Degrees of freedom of the tests of fixed effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ddf {
    /// z tests
    Asymptotic,
    /// Satterthwaite's
    Satterthwaite,
    /// Kenward and Roger's, with their adjusted covariance; needs REML
    KenwardRoger,
}

/// Which differences of marginal means are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MeanDifferences {
    /// Each against each other
    Pairwise,
    /// Each against the first
    First,
    /// None
    None,
}

/// How probabilities are adjusted for the number of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Adjust {
    /// Not at all
    None,
    /// Times the number of tests
    Bonferroni,
    /// Holm's step-down form of it
    Holm,
    /// Benjamini and Hochberg's rate of false discoveries
    Bh,
    /// From the joint distribution of the estimates, as Tukey's for all pairs
    SingleStep,
}

/// How the levels of other factors are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Margins {
    /// Each combination the same
    Equal,
    /// As often as it occurs
    Proportional,
}

/// Whether random effects are part of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictLevel {
    /// Random effects are zero: the typical group
    Population,
    /// The random effects of each row's groups; those of unseen levels are zero and add their variance
    Group,
}

/// `regiscope glmm predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// The rows to predict [default: those of --data]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub newdata: Option<PathBuf>,
    /// With or without random effects
    #[arg(long, value_enum, default_value = "group")]
    pub level: PredictLevel,
    /// Level of the intervals
    #[arg(long, value_name = "LEVEL", default_value_t = 0.95)]
    pub interval: f64,
    /// Draws for each prediction interval of a response that is not Gaussian; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub draws: u32,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The table of predictions; standard output where there is none
    #[arg(long, value_name = "OUT.csv", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub figures: FigureArgs,
}

/// `regiscope glmm compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The table, as for `fit`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// The models; given twice or more
    #[arg(long, value_name = "FORMULA", required = true)]
    pub formula: Vec<String>,
    #[command(flatten)]
    pub terms: TermArgs,
    #[command(flatten)]
    pub figures: FigureArgs,
}

/// Where simulated random effects come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Effects {
    /// Drawn anew: a new study with the same design
    New,
    /// Those of the fit: the same groups, observed again
    Conditional,
}

/// `regiscope glmm simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Data sets
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// Seed of the draws
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The random effects
    #[arg(long, value_enum, default_value = "new")]
    pub effects: Effects,
    /// The table of draws, one column for each data set; standard output where there is none
    #[arg(long, value_name = "OUT.csv", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// `regiscope glmm profile`.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// A parameter, by its name in the table that is printed; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    pub parameter: Vec<String>,
    /// Level of the intervals
    #[arg(long, default_value_t = 0.95)]
    pub level: f64,
    #[command(flatten)]
    pub figures: FigureArgs,
}

/// `regiscope glmm bootstrap`.
#[derive(Debug, Args)]
pub struct BootstrapArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Simulated data sets
    #[arg(long, value_name = "N", default_value_t = 999, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// Seed of the simulations
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Level of the intervals
    #[arg(long, default_value_t = 0.95)]
    pub level: f64,
    /// The random effects of the simulations
    #[arg(long, value_enum, default_value = "new")]
    pub effects: Effects,
    #[command(flatten)]
    pub figures: FigureArgs,
}
