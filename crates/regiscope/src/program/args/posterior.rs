//! Arguments of `regiscope posterior`.

use super::DocumentArgs;
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// `regiscope posterior`.
#[derive(Debug, Args)]
pub struct PosteriorArgs {
    #[command(subcommand)]
    pub command: PosteriorCommand,
}

/// What is done.
#[derive(Debug, Subcommand)]
pub enum PosteriorCommand {
    /// Trains the network of a document's [posterior] and nothing else
    ///
    /// The folder then holds network/network.safetensors, network/network.json and network/training.csv, and a report.
    Train(TrainArgs),
    /// Finds every pose that explains an X-ray, with its probability
    ///
    /// Writes modes.json, poses.csv (weighted poses), mode-K.tfm (ITK transforms) and mode-K.png (contours over the X-ray).
    Sample(SampleArgs),
    /// Says whether posteriors of simulated X-rays hold the truth as often as they say
    Calibrate(CalibrateArgs),
}

/// `regiscope posterior train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub document: DocumentArgs,
    /// The run's folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Goes on with an interrupted training, bit for bit
    #[arg(long)]
    pub resume: bool,
}

/// A trained network and the document that it was trained for.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    #[command(flatten)]
    pub document: DocumentArgs,
    /// Folder of a run of that document, which holds network/
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
}

/// `regiscope posterior sample`.
#[derive(Debug, Args)]
pub struct SampleArgs {
    #[command(flatten)]
    pub network: NetworkArgs,
    /// The X-ray: NPY, DICOM, PNG, TIFF or NIfTI; one for each view of the document, in its order
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    pub image: Vec<PathBuf>,
    /// Pixels are detected intensities, not line integrals
    #[arg(long)]
    pub intensity: bool,
    /// Which content of [[posterior.contents]] the X-ray shows [default: the first]
    #[arg(long, value_name = "NAME")]
    pub content: Option<String>,
    /// Standard deviation of the noise on the document's pixels, line integrals [default: what is left at the best pose]
    #[arg(long, value_name = "SD")]
    pub noise: Option<f64>,
    /// Standard deviation of the contrast around 1: how far the X-ray's may be from the volume's
    #[arg(long, value_name = "SD")]
    pub gain_sd: Option<f64>,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for the results
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

/// `regiscope posterior calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    #[command(flatten)]
    pub network: NetworkArgs,
    /// Simulated X-rays
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub cases: u32,
    /// Poses drawn for each
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..=10_000))]
    pub samples: u32,
    /// Looks at the network's own posteriors only, without weighting
    #[arg(long)]
    pub network_only: bool,
    /// Folder for finished X-rays and calibration.json; the same command there goes on after an interruption
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}
