//! The command line as it may be typed. Only clap is used here: what the values mean is checked by the commands.

#[path = "diffeo/args.rs"]
pub mod diffeo;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

#[path = "args/challenge.rs"]
pub mod challenge;

#[path = "args/energy.rs"]
pub mod energy;
#[path = "args/glmm.rs"]
pub mod glmm;
#[cfg(feature = "networks")]
#[path = "args/posterior.rs"]
pub mod posterior;

/// Registers X-ray images to CT volumes, and says how well that went.
///
/// Every command is a thin form of the library. Exit status: 0 done, 1 a criterion of the document was missed,
/// 2 a usage or input error, 101 a bug of this program, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "regiscope", version = env!("REGISCOPE_VERSION"), propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// How the program speaks.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Writes one JSON value to standard output instead of text
    #[arg(long, global = true, num_args = 0, default_missing_value = "-", value_parser = parse_json_target)]
    #[arg(help_heading = "Output")]
    pub json: Option<JsonTarget>,
    /// Says more on standard error: what was read, chosen and how long it took
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Output")]
    pub verbose: bool,
    /// Says nothing on standard error but errors: no progress, no warnings
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
}

/// Where JSON goes.
///
/// Commands whose `--json` takes a file declare an argument of the same name and of this type, which takes the place
/// of the global one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTarget {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs an experiment document into a folder with results and a report
    Run(RunArgs),
    /// Checks an experiment document and shows every mistake where it was made
    Check(CheckArgs),
    /// Renders one radiograph (DRR) of a volume
    Drr(Box<DrrArgs>),
    /// Registers a volume to one X-ray image
    ///
    /// Builds an experiment document from the options and runs it as `run` does. Where the pose is unknown the
    /// registrations start around the volume's own frame.
    Register(Box<RegisterArgs>),
    /// Deforms volumes onto each other, and applies, inverts, joins and compares deformations
    Diffeo(diffeo::DiffeoArgs),
    /// Finds every pose that explains an X-ray, with its probability, by a network
    #[cfg(feature = "networks")]
    Posterior(Box<posterior::PosteriorArgs>),
    /// Says what a file holds, or why it is refused
    ///
    /// Images (NIfTI, MetaImage, NRRD, DICOM, PNG, TIFF, NPY), ITK transforms, camera files, tables (CSV, Parquet)
    /// and experiment documents.
    Info(InfoArgs),
    /// Fits mixed models to tables, compares and simulates them
    Glmm(glmm::GlmmArgs),
    /// Lists, fetches and verifies datasets
    Data(DataArgs),
    /// Analyses the results of an image-analysis challenge: metrics, rankings, annotations
    Challenge(Box<challenge::ChallengeArgs>),
    /// Measures energy, and reckons with what was measured
    ///
    /// Every number says whether it is measured, derived, modelled or unmeasured, and between which bounds it lies.
    Energy(Box<energy::EnergyArgs>),
    /// Writes the JSON Schema of experiment documents, for editors
    Schema,
    /// Writes a shell's completion script
    Completions(CompletionsArgs),
}

/// `regiscope run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub document: DocumentArgs,
    /// The run's folder: run.json, metrics.json, report.html, iterations and results
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, required_unless_present = "dry_run")]
    pub out: Option<PathBuf>,
    /// Goes on with an interrupted run of the same document in the same folder
    #[arg(long, conflicts_with = "dry_run")]
    pub resume: bool,
    /// Checks the document and predicts memory and time; nothing is run or written
    #[arg(long)]
    pub dry_run: bool,
}

/// `regiscope check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub document: DocumentArgs,
}

/// A document, with some of its values replaced.
#[derive(Debug, Args)]
pub struct DocumentArgs {
    /// The experiment document (TOML)
    #[arg(value_name = "DOC", value_hint = ValueHint::FilePath)]
    pub path: PathBuf,
    /// Replaces a value of the document, as in --set starts.count=5; may be given several times
    #[arg(long, value_name = "TABLE.KEY=VALUE", value_parser = parse_override)]
    pub set: Vec<(String, String)>,
    /// Folder of fetched datasets [default: REGISCOPE_DATA, or the user's cache folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,
}

/// What the voxels of a volume hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Units {
    /// Hounsfield units
    Hu,
    /// Linear attenuation, 1/mm
    Attenuation,
}

/// How line integrals are discretised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Projector {
    /// The exact integral through constant voxels (Siddon 1985)
    Siddon,
    /// Bilinear interpolation in each slab of voxels (Joseph 1982)
    Joseph,
    /// Trilinear interpolation at equidistant points
    Trilinear,
}

/// Which structures of a volume are seen.
#[derive(Clone, Debug, Args)]
pub struct LabelArgs {
    /// Label volume on the grid of the volume
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// Shows only the voxels with this label; may be given several times
    #[arg(long, value_name = "N", requires = "labels")]
    pub label: Vec<u16>,
}

/// Where source and detector stand: a camera file, or a C-arm.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("geometry").required(true).args(["camera", "primary_deg"]))]
pub struct GeometryArgs {
    /// Camera file (JSON): source_mm, pixel0_mm, col_step_mm, row_step_mm, rows, cols in the LPS world
    #[arg(long, value_name = "CAM.json", value_hint = ValueHint::FilePath)]
    pub camera: Option<PathBuf>,
    /// Positioner primary angle of a C-arm about the volume's middle: LAO positive, RAO negative; 0 has the
    /// detector before the chest
    #[arg(long, value_name = "DEG", allow_negative_numbers = true)]
    pub primary_deg: Option<f64>,
    /// Positioner secondary angle: cranial positive, caudal negative
    #[arg(long, value_name = "DEG", allow_negative_numbers = true, conflicts_with = "camera", default_value_t = 0.0)]
    pub secondary_deg: f64,
    /// Distance from the C-arm's source to its detector
    #[arg(long, value_name = "MM", conflicts_with = "camera", default_value_t = 1020.0)]
    pub source_detector_mm: f64,
    /// Distance from the C-arm's source to its isocentre
    #[arg(long, value_name = "MM", conflicts_with = "camera", default_value_t = 620.0)]
    pub source_isocentre_mm: f64,
    /// Isocentre in the LPS world [default: the middle of the volume]
    #[arg(long, value_name = "X,Y,Z", conflicts_with = "camera", value_parser = parse_point, allow_hyphen_values = true)]
    pub isocentre_mm: Option<[f64; 3]>,
    /// Rows of the C-arm's detector
    #[arg(long, conflicts_with = "camera", default_value_t = 256)]
    pub rows: u32,
    /// Columns of the C-arm's detector
    #[arg(long, conflicts_with = "camera", default_value_t = 256)]
    pub cols: u32,
    /// Distance between pixel centres of the C-arm's detector
    #[arg(long, value_name = "MM", conflicts_with = "camera", default_value_t = 1.5)]
    pub pitch_mm: f64,
}

/// `regiscope drr`.
#[derive(Debug, Args)]
pub struct DrrArgs {
    /// The volume
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub volume: PathBuf,
    /// What its voxels hold
    #[arg(long, value_enum, default_value = "hu")]
    pub units: Units,
    /// Photon energy of the attenuation that Hounsfield units are mapped to
    #[arg(long, value_name = "KEV", allow_negative_numbers = true)]
    pub energy_kev: Option<f64>,
    /// Pose of the volume: an ITK transform file, which maps points of the world to points of the volume, as `run`
    /// and `register` write them [default: the volume as it lies]
    #[arg(long, value_name = "T.tfm", value_hint = ValueHint::FilePath)]
    pub pose: Option<PathBuf>,
    #[command(flatten)]
    pub labels: LabelArgs,
    #[command(flatten)]
    pub geometry: GeometryArgs,
    /// How line integrals are discretised
    #[arg(long, value_enum, default_value = "siddon")]
    pub projector: Projector,
    /// Points along each ray of the trilinear projector [default: two for each voxel of the volume's diagonal]
    #[arg(long, value_name = "N")]
    pub samples: Option<usize>,
    /// Where the trilinear projector samples, as fractions of the way from source to detector, the same for all
    /// rays [default: where each ray passes the volume]
    #[arg(long, value_name = "FROM,TO", value_parser = parse_pair, allow_hyphen_values = true)]
    pub span: Option<[f64; 2]>,
    /// Also counts what lies behind the source and beyond the detector
    #[arg(long)]
    pub no_clip: bool,
    /// Writes transmitted intensity exp(-line integral) instead of line integrals
    #[arg(long)]
    pub intensity: bool,
    /// Poisson noise of a detector that counts N photons per pixel without an object
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub photons: Option<f64>,
    /// Seed of the noise
    #[arg(long, default_value_t = 1, requires = "photons")]
    pub seed: u64,
    /// The image: .npy (f32, rows × cols), .nii or .nii.gz, .png (16 bit, scaled from smallest to greatest value)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// How alike an X-ray and a rendering are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Similarity {
    /// Sum of squared differences
    Ssd,
    /// Normalised cross-correlation
    Ncc,
    /// Mean normalised cross-correlation of small windows
    LocalNcc,
    /// Normalised cross-correlation of the gradients
    GradientNcc,
    /// Mutual information
    MutualInformation,
}

/// How the pose is improved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Optimiser {
    /// Levenberg–Marquardt on the exact Jacobian
    LevenbergMarquardt,
    /// Limited-memory BFGS on the exact gradient
    Lbfgs,
    /// The simplex of Nelder and Mead
    NelderMead,
    /// Covariance matrix adaptation evolution strategy
    CmaEs,
}

/// `regiscope register`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The CT volume
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub volume: PathBuf,
    /// What its voxels hold
    #[arg(long, value_enum, default_value = "hu")]
    pub units: Units,
    /// The X-ray image (DICOM, PNG, TIFF, NPY or NIfTI)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub xray: PathBuf,
    /// The X-ray holds detected intensity (bone dark), not line integrals (bone bright)
    #[arg(long)]
    pub intensity: bool,
    #[command(flatten)]
    pub geometry: GeometryArgs,
    #[command(flatten)]
    pub labels: LabelArgs,
    /// The pose to start from: an ITK transform file, which maps points of the world to points of the volume
    /// [default: the volume as it lies]
    #[arg(long, value_name = "T.tfm", value_hint = ValueHint::FilePath)]
    pub start: Option<PathBuf>,
    /// The reference pose, against which errors are measured: an ITK transform file as for --start
    #[arg(long, value_name = "T.tfm", value_hint = ValueHint::FilePath)]
    pub reference: Option<PathBuf>,
    /// Registrations, each from its own start [default: 1 with --start, else 20]
    #[arg(long, value_name = "N")]
    pub starts: Option<u32>,
    /// Largest rotation of a start about each axis [default: 0 for a single start, else 20]
    #[arg(long, value_name = "DEG")]
    pub rotation_deg: Option<f64>,
    /// Largest translation of a start along each axis [default: 0 for a single start, else 30]
    #[arg(long, value_name = "MM")]
    pub translation_mm: Option<f64>,
    /// Seed of the starts
    #[arg(long, default_value_t = 1)]
    pub seed: u32,
    /// How alike the X-ray and a rendering are
    #[arg(long, value_enum, default_value = "ncc")]
    pub similarity: Similarity,
    /// How the pose is improved
    #[arg(long, value_enum, default_value = "levenberg-marquardt")]
    pub optimiser: Optimiser,
    /// The run's folder: the answer's transform, run.json, metrics.json, report.html
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Goes on with an interrupted run of the same options in the same folder
    #[arg(long)]
    pub resume: bool,
}

/// `regiscope info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The file to look at; a folder is read as a DICOM series
    #[arg(value_hint = ValueHint::AnyPath)]
    pub file: PathBuf,
    /// Also gives the value of one voxel, indices from 0
    #[arg(long, value_name = "I,J,K", value_parser = parse_index)]
    pub voxel: Option<[usize; 3]>,
}

/// `regiscope data`.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
    /// Folder of fetched datasets [default: REGISCOPE_DATA, or the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cache: Option<PathBuf>,
}

/// What to do with datasets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Lists the datasets that can be fetched, with their licences
    List,
    /// Fetches a dataset and verifies every file
    ///
    /// Pip's index settings are honoured: its configuration files, PIP_INDEX_URL and the other PIP_ variables.
    Fetch {
        /// Its name, from `data list`
        name: String,
    },
    /// Invents a study of algorithms that fail on images, with known effects
    ///
    /// Writes study.csv (results and true characteristics), annotations.csv (labels of several raters), annotations.toml
    /// (their schema) and truth.json (the effects). The same numbers give the same study.
    Generate(GenerateArgs),
    /// Verifies the files of a fetched dataset, or of all fetched ones
    Verify {
        /// Its name, from `data list`
        name: Option<String>,
    },
}

/// `regiscope data generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// Folder of the files, made where it is missing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Which study
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Images
    #[arg(long, value_name = "N", default_value_t = 2728)]
    pub images: usize,
    /// Procedures that the images come from
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub procedures: usize,
    /// Algorithms
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub algorithms: usize,
    /// Annotated cells, characteristics times images [default: 51,542 of each 51,832]
    #[arg(long, value_name = "N")]
    pub annotations: Option<usize>,
    /// Raters of each image, of five in all
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub raters_per_image: usize,
}

/// `regiscope completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `-` is standard output, anything else a file.
pub fn parse_json_target(text: &str) -> Result<JsonTarget, String> {
    match text {
        "" => Err("expected a file name, or - for standard output".to_owned()),
        "-" => Ok(JsonTarget::Stdout),
        path => Ok(JsonTarget::File(path.into())),
    }
}

fn parse_index(text: &str) -> Result<[usize; 3], String> {
    parse_list(text).ok_or_else(|| "expected three whole numbers from 0, as in 12,0,7".to_owned())
}

fn parse_point(text: &str) -> Result<[f64; 3], String> {
    let point: Option<[f64; 3]> = parse_list(text);
    point
        .filter(|p| p.iter().all(|v| v.is_finite()))
        .ok_or_else(|| "expected three numbers, as in 0,-20.5,7".to_owned())
}

pub(crate) fn parse_pair(text: &str) -> Result<[f64; 2], String> {
    let pair: Option<[f64; 2]> = parse_list(text);
    pair.filter(|p| p.iter().all(|v| v.is_finite())).ok_or_else(|| "expected two numbers, as in 0.4,0.9".to_owned())
}

fn parse_list<T: std::str::FromStr, const N: usize>(text: &str) -> Option<[T; N]> {
    let values: Vec<T> = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
    values.try_into().ok()
}

fn parse_override(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected TABLE.KEY=VALUE, as in starts.count=5")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn json_goes_to_standard_output_or_where_a_command_says() {
        let json = |words: &[&str]| Arguments::try_parse_from(words).unwrap().output.json;
        assert_eq!(json(&["regiscope", "--json", "info", "a"]), Some(JsonTarget::Stdout));
        assert_eq!(json(&["regiscope", "info", "a", "--json"]), Some(JsonTarget::Stdout));
        assert_eq!(json(&["regiscope", "info", "a"]), None);
        let file = Some(JsonTarget::File("o.json".into()));
        assert_eq!(json(&["regiscope", "energy", "measure", "--json", "o.json", "--", "true", "--json"]), file);
        assert_eq!(json(&["regiscope", "--json", "energy", "measure", "--", "true"]), Some(JsonTarget::Stdout));
        assert_eq!(json(&["regiscope", "energy", "probe", "--json"]), Some(JsonTarget::Stdout));
        let rank = "regiscope challenge rank --data t.csv --case c --algorithm a --value v --json".split(' ');
        let words: Vec<&str> = rank.collect();
        assert_eq!(json(&words), Some(JsonTarget::Stdout));
        assert_eq!(json(&[&words[..], &["o.json"]].concat()), file);
    }

    #[test]
    fn lists_have_their_length() {
        assert_eq!(parse_index("1, 2,3"), Ok([1, 2, 3]));
        assert!(parse_index("1,2").is_err() && parse_index("1,2,-3").is_err() && parse_index("1,2,3,4").is_err());
        assert_eq!(parse_point("-1,2.5,0"), Ok([-1.0, 2.5, 0.0]));
        assert!(parse_point("nan,0,0").is_err());
        assert_eq!(parse_override("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert!(parse_override("a.b").is_err());
    }
}
