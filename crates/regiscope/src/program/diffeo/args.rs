//! The command line of `regiscope diffeo`. Only clap is used here.

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `regiscope diffeo`.
#[derive(Debug, Args)]
pub struct DiffeoArgs {
    #[command(subcommand)]
    pub command: DiffeoCommand,
}

/// What to do with deformations.
#[derive(Debug, Subcommand)]
pub enum DiffeoCommand {
    /// Deforms a moving volume onto a fixed one, by an affine map and a smooth, invertible flow
    ///
    /// Builds an experiment document from the options and runs it as `regiscope run` does. Leaves warped.nii.gz,
    /// displacement.nii.gz and inverse_displacement.nii.gz (5-D, intent 1007, LPS mm, affine map included: ITK, ANTs
    /// and Slicer apply them), velocity, jacobian, residual, warped_labels, affine.tfm, metrics.json and report.html.
    Register(Box<DeformArgs>),
    /// Carries an image, labels or points through transforms
    Apply(ApplyArgs),
    /// Inverts a displacement field or an affine transform
    Invert(InvertArgs),
    /// Joins transforms to one
    Compose(ComposeArgs),
    /// Writes the determinant of a displacement field's derivative (det F), or its logarithm
    Jacobian(JacobianArgs),
    /// Compares two images, label maps, displacement fields or sets of landmarks
    Compare(CompareArgs),
}

/// `regiscope diffeo register`.
#[derive(Debug, Args)]
pub struct DeformArgs {
    /// The volume that stands still; several times for its channels, which lie on one grid
    #[arg(long, required = true, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub fixed: Vec<PathBuf>,
    /// The volume that is deformed onto it; as many channels in the same order
    #[arg(long, required = true, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub moving: Vec<PathBuf>,
    /// What each channel counts [default: 1 each]
    #[arg(long, value_name = "W,W,…", value_delimiter = ',')]
    pub weights: Vec<f64>,
    /// Labels on the grid of the fixed volume
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "labels_moving")]
    pub labels_fixed: Option<PathBuf>,
    /// Labels on the grid of the moving volume: carried along, and compared with --labels-fixed
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub labels_moving: Option<PathBuf>,
    /// Voxels of the fixed volume that count
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub mask_fixed: Option<PathBuf>,
    /// Voxels of the moving volume that count
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub mask_moving: Option<PathBuf>,
    /// Landmarks in the fixed volume: CSV with x, y, z (LPS, mm), or .fcsv
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "landmarks_moving")]
    pub landmarks_fixed: Option<PathBuf>,
    /// The same landmarks in the moving volume
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "landmarks_fixed")]
    pub landmarks_moving: Option<PathBuf>,
    /// What keeps the deformation smooth: a seminorm of the velocity, with volumes free, nearly kept or kept
    #[arg(long, value_parser = ["h1", "h1-div", "h1-stokes", "h2", "h3"], default_value = "h1-div")]
    pub model: String,
    /// What makes two images alike: squared differences, correlation, correlation in windows, or edges at the same places
    #[arg(long, value_parser = ["ssd", "ncc", "lncc", "ngf"], default_value = "ssd")]
    pub distance: String,
    /// For lncc: voxels on either side of the middle of the windows [default: 3]
    #[arg(long, value_name = "N")]
    pub window_radius_voxels: Option<u32>,
    /// For lncc: variance of intensities in [0, 1] well below which a window holds but noise [default: 0.001]
    #[arg(long, value_name = "V")]
    pub variance_floor: Option<f64>,
    /// For ngf: slope of intensities in [0, 1], per mm, well below which an edge is noise [default: the images' mean]
    #[arg(long, value_name = "SLOPE")]
    pub edge_per_mm: Option<f64>,
    /// Weight of the regularisation for images in [0, 1] [default: the preset's]
    #[arg(long, value_name = "WEIGHT", allow_negative_numbers = true, conflicts_with = "jacobian_bound")]
    pub beta: Option<f64>,
    /// Finds the smallest weight for which det F stays between this and its reciprocal
    #[arg(long, value_name = "BOUND")]
    pub jacobian_bound: Option<f64>,
    /// How much time is spent
    #[arg(long, value_parser = ["fast", "default", "accurate"], default_value = "default")]
    pub preset: String,
    /// Most Newton steps of each stage [default: the preset's]
    #[arg(long, value_name = "N")]
    pub newton_steps: Option<u32>,
    /// Maps of the affine stage before the deformation
    #[arg(long, value_parser = ["translation", "rigid", "similarity", "affine"], default_value = "affine")]
    pub affine: String,
    /// No affine stage: the volumes are aligned as they lie, or by --affine-start
    #[arg(long, conflicts_with = "affine")]
    pub no_affine: bool,
    /// How alike two images are to the affine stage [default: ncc]
    #[arg(long, value_parser = ["ssd", "ncc", "mutual-information"], conflicts_with = "no_affine")]
    pub affine_measure: Option<String>,
    /// An ITK transform (fixed to moving points) that the affine stage starts from, or with --no-affine the affine map
    #[arg(long, value_name = "T.tfm", value_hint = ValueHint::FilePath)]
    pub affine_start: Option<PathBuf>,
    /// Percentiles of each image that become 0 and 1 [default: 0,100]
    #[arg(long, value_name = "LOW,HIGH", value_parser = super::parse_pair)]
    pub percentiles: Option<[f64; 2]>,
    /// Gives the moving volume the histogram of the fixed one first
    #[arg(long)]
    pub match_histograms: bool,
    /// Least gap of background around the periodic box, voxels [default: 8]
    #[arg(long, value_name = "N")]
    pub gap_voxels: Option<u32>,
    /// How labels are carried
    #[arg(long, value_parser = ["soft", "nearest"], default_value = "soft")]
    pub label_interpolation: String,
    /// The run's folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Goes on with an interrupted run of the same options in the same folder
    #[arg(long)]
    pub resume: bool,
}

/// `regiscope diffeo apply`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["image", "labels", "points"]))]
pub struct ApplyArgs {
    /// A displacement field (NIfTI, 5-D), an ITK transform file or the folder of a run, whose flow is followed, from
    /// fixed to moving points; given several times they follow one another, points going through the first one first
    #[arg(long, required = true, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub transform: Vec<PathBuf>,
    /// Carries the other way, by affine transforms and folders of runs
    #[arg(long)]
    pub inverse: bool,
    /// An image in the moving space, carried to the fixed one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub image: Option<PathBuf>,
    /// A label map in the moving space, carried to the fixed one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub labels: Option<PathBuf>,
    /// Points in the fixed space (CSV with x, y, z in LPS mm, or .fcsv), carried to the moving one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub points: Option<PathBuf>,
    /// An image on the grid of the result [default: the grid of the first displacement field]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "points")]
    pub reference: Option<PathBuf>,
    /// Between voxels: cubic, linear or nearest for images [default: cubic]; soft or nearest for labels [default: soft]
    #[arg(long, value_parser = ["cubic", "linear", "nearest", "soft"], conflicts_with = "points")]
    pub interpolation: Option<String>,
    /// Value where the image or a field ends [default: the image's least value]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, requires = "image")]
    pub outside: Option<f32>,
    /// The result: .nii, .nii.gz, .mha, .nrrd for volumes, .csv or .fcsv for points
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// `regiscope diffeo invert`.
#[derive(Debug, Args)]
pub struct InvertArgs {
    /// A displacement field (NIfTI, 5-D), an ITK transform file or the folder of a run
    #[arg(long, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub transform: PathBuf,
    /// An image on the grid of the inverse field, such as the moving one [default: the field's own grid]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub grid: Option<PathBuf>,
    /// The inverse: .nii or .nii.gz for a field, .tfm for an affine transform
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// `regiscope diffeo compose`.
#[derive(Debug, Args)]
pub struct ComposeArgs {
    /// Displacement fields, ITK transform files and folders of runs; points go through the first one first
    #[arg(long, required = true, num_args = 1, value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub transform: Vec<PathBuf>,
    /// An image on the grid of the joined field [default: the grid of the first field]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub grid: Option<PathBuf>,
    /// The joined transform: .nii or .nii.gz, or .tfm where all are affine
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// `regiscope diffeo jacobian`.
#[derive(Debug, Args)]
pub struct JacobianArgs {
    /// A displacement field (NIfTI, 5-D)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub transform: PathBuf,
    /// Writes the natural logarithm, which must exist everywhere
    #[arg(long)]
    pub log: bool,
    /// Counts the spread over these voxels alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub mask: Option<PathBuf>,
    /// The volume of determinants
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
}

/// `regiscope diffeo compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The first image, label map, displacement field or set of landmarks
    #[arg(value_name = "FIRST", value_hint = ValueHint::FilePath)]
    pub first: PathBuf,
    /// The second, of the same kind and, but for landmarks, on the same grid
    #[arg(value_name = "SECOND", value_hint = ValueHint::FilePath)]
    pub second: PathBuf,
    /// Both are label maps: overlap (Dice) of every label, mean and union
    #[arg(long, conflicts_with = "mask")]
    pub labels: bool,
    /// For images, a third one: what is left of the difference of SECOND from FIRST where this was before
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "labels")]
    pub before: Option<PathBuf>,
    /// Counts these voxels alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub mask: Option<PathBuf>,
    /// For landmarks: carries those of FIRST through this transform; several follow one another
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub transform: Vec<PathBuf>,
}
