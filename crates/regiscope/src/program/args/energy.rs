//! `regiscope energy` as it may be typed.

use super::{JsonTarget, parse_json_target};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use std::path::PathBuf;

/// `regiscope energy`.
#[derive(Debug, Args)]
pub struct EnergyArgs {
    #[command(subcommand)]
    pub command: EnergyCommand,
}

/// What to do with energy.
#[derive(Debug, Subcommand)]
pub enum EnergyCommand {
    /// Runs a command and says how much energy the machine used meanwhile
    ///
    /// The exit status is that of the command: its own, 128 + the signal that ended it, 127 where it is not found, 126
    /// where it cannot be executed. With --require-measured it is 1 if the command succeeded but its energy is not
    /// known from sensors. A mistake in the options is 2.
    Measure(Box<MeasureArgs>),
    /// Lists every sensor: what it sees, its period and range, and whether this user may read it
    Probe(ProbeArgs),
    /// Computes the regions of a recorded trace anew
    Replay {
        /// The trace, as `measure --trace` writes it
        #[arg(value_hint = ValueHint::FilePath)]
        trace: PathBuf,
    },
    /// Adds up the reports of several ranks of one job
    Merge {
        /// Reports of `measure --json`, one for each rank
        #[arg(required = true, value_hint = ValueHint::FilePath)]
        reports: Vec<PathBuf>,
        /// The ranks shared one machine: its energy is taken once, not added
        #[arg(long)]
        same_machine: bool,
    },
    /// Compares two configurations by their repetitions: ratio of energies with a 95 % interval
    Compare(CompareArgs),
    /// Carbon and cost of a report from stated figures
    Footprint(FootprintArgs),
    /// Writes a report in another form
    Export(ExportArgs),
    /// Compares node types for training and inference: joules, time, idle accelerators, break-even
    Fleet {
        /// The fleet (TOML) [default: four simulated node types]
        #[arg(value_hint = ValueHint::FilePath)]
        fleet: Option<PathBuf>,
    },
    /// Drives a simulated powercap tree in real time, for testing meters
    Simulate(SimulateArgs),
}

/// Where sensors are looked for.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// Powercap tree to read
    #[arg(long, value_name = "DIR", default_value = "/sys/class/powercap", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Sensors")]
    pub powercap: PathBuf,
    /// Library of NVIDIA's driver, a name for the loader or a path
    #[arg(long, value_name = "LIB", default_value = "libnvidia-ml.so.1", help_heading = "Sensors")]
    pub nvml: String,
    /// Outside meter: a file, or a command after `!`, that writes lines `power_w WATTS` or `energy_j JOULES`; may be
    /// given several times
    #[arg(long, value_name = "NAME=FILE|NAME=!CMD", value_parser = parse_meter, help_heading = "Sensors")]
    pub meter: Vec<MeterArg>,
    /// Power of the whole node: `ipmi` asks the node's controller with ipmitool, `ipmi:CMD` and `redfish:CMD` read
    /// what a command prints
    #[arg(long, value_name = "ipmi|ipmi:CMD|redfish:CMD", value_parser = parse_node, help_heading = "Sensors")]
    pub node: Vec<NodeArg>,
}

/// An outside meter as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterArg {
    pub name: String,
    /// A command for the shell rather than a file.
    pub is_command: bool,
    pub place: String,
}

/// Node power as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeArg {
    pub is_redfish: bool,
    pub command: Option<String>,
}

/// `regiscope energy measure`.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Writes the report as JSON to a file; - for standard output
    #[arg(long, id = "json", value_name = "OUT.json", value_parser = parse_json_target, help_heading = "Output")]
    pub json: Option<JsonTarget>,
    /// Runs the command N times and reports the mean of one run; slow sensors are met in shifted phase
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: u32,
    /// Repeats, at most --repeat times, only until the interval is within so many percent of the mean
    #[arg(long, value_name = "PERCENT", requires = "repeat", value_parser = parse_positive)]
    pub target: Option<f64>,
    /// Measures the idle machine for S seconds before, reports it apart, and uses it for what sensors do not see
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = parse_from_zero)]
    pub idle: f64,
    /// Runs the command N times before, apart from the repetitions: caches fill, the machine gets warm
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub warm_up: u32,
    /// Readings per second between the borders of a region
    #[arg(long, value_name = "HZ", default_value_t = 10.0, value_parser = parse_positive)]
    pub rate: f64,
    /// What the command does
    #[arg(long, value_enum, default_value = "work")]
    pub kind: WorkKind,
    /// Units of useful work that one run does, for joules per unit
    #[arg(long, value_name = "N", requires = "unit", value_parser = parse_positive)]
    pub units: Option<f64>,
    /// Name of the unit, as sample, voxel or pose
    #[arg(long, value_name = "WORD", requires = "units")]
    pub unit: Option<String>,
    /// Charges a control group instead of the command: a folder under /sys/fs/cgroup
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub cgroup: Option<PathBuf>,
    /// Charges a running process instead of the command
    #[arg(long, value_name = "PID", conflicts_with = "cgroup")]
    pub pid: Option<u32>,
    /// Models the processor where no sensor sees it: thermal design power of all sockets
    #[arg(long, value_name = "W", value_parser = parse_positive, help_heading = "Models")]
    pub tdp: Option<f64>,
    /// Models memory where no sensor sees it: its size
    #[arg(long, value_name = "GB", value_parser = parse_positive, help_heading = "Models")]
    pub dram: Option<f64>,
    /// Models counted operations where nothing else is known: how many one run does
    #[arg(long, value_name = "N", value_parser = parse_positive, requires = "joules_per_operation")]
    #[arg(help_heading = "Models")]
    pub operations: Option<f64>,
    /// Energy of one operation, believed to a factor of 3
    #[arg(long, value_name = "J", value_parser = parse_positive, requires = "operations", help_heading = "Models")]
    pub joules_per_operation: Option<f64>,
    /// Exit status 1 if the command's energy is not measured or derived from sensors
    #[arg(long)]
    pub require_measured: bool,
    /// Writes every reading as JSON lines, for `energy replay`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub trace: Option<PathBuf>,
    #[command(flatten)]
    pub sources: SourceArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<std::ffi::OsString>,
}

/// What a measured command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkKind {
    /// Anything
    Work,
    /// Training of a model
    Training,
    /// Use of a trained model
    Inference,
}

/// `regiscope energy probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// How long sensors are watched to find their period
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = parse_from_zero)]
    pub seconds: f64,
    #[command(flatten)]
    pub sources: SourceArgs,
}

/// `regiscope energy compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Report of the first configuration
    #[arg(value_hint = ValueHint::FilePath)]
    pub first: PathBuf,
    /// Report of the second configuration
    #[arg(value_hint = ValueHint::FilePath)]
    pub second: PathBuf,
    /// Leaves out the first N repetitions of both: thermal warm-up [default: found by the trend]
    #[arg(long, value_name = "N")]
    pub warm_up: Option<usize>,
}

/// `regiscope energy footprint`.
#[derive(Debug, Args)]
pub struct FootprintArgs {
    /// Report of `measure --json`
    #[arg(value_hint = ValueHint::FilePath)]
    pub report: PathBuf,
    /// Grid by its name in the table; `list` shows the table
    #[arg(long, value_name = "NAME", default_value = "world")]
    pub grid: String,
    /// Carbon intensity of a grid that is not in the table, with --source and --year
    #[arg(long, value_name = "G_PER_KWH", requires_all = ["source", "year"], conflicts_with = "grid")]
    #[arg(value_parser = parse_from_zero)]
    pub intensity: Option<f64>,
    /// Where the intensity is published
    #[arg(long, value_name = "TEXT", requires = "intensity")]
    pub source: Option<String>,
    /// The year it holds for
    #[arg(long, value_name = "YEAR", requires = "intensity")]
    pub year: Option<u16>,
    /// Power usage effectiveness of the building: its energy over that of its computers
    #[arg(long, default_value_t = 1.0, value_parser = parse_pue)]
    pub pue: f64,
    /// Price of a kWh, in any currency
    #[arg(long, value_name = "PRICE", value_parser = parse_from_zero)]
    pub price: Option<f64>,
}

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One row for each domain of each region
    Csv,
    /// Text of Prometheus' exposition format, for a textfile collector
    Prometheus,
    /// SPDX 3.0.1, an AI package's EnergyConsumption (JSON-LD)
    Spdx,
}

/// `regiscope energy export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Report of `measure --json`
    #[arg(value_hint = ValueHint::FilePath)]
    pub report: PathBuf,
    /// The form
    #[arg(long, value_enum)]
    pub form: Form,
    /// The file [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// `regiscope energy simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Folder of the tree; `class` in it is the root to read
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub tree: PathBuf,
    /// Zone and its power: NAME=WATTS, or NAME=FILE with a profile (JSON); packages hold the sub-zones after them
    #[arg(long, value_name = "NAME=POWER", required = true, value_parser = parse_zone)]
    pub zone: Vec<(String, String)>,
    /// Counters begin so many joules before they wrap [default: far from it]
    #[arg(long, value_name = "J", value_parser = parse_from_zero)]
    pub wrap_after: Option<f64>,
    /// How long to drive it
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = parse_from_zero)]
    pub seconds: f64,
}

fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

fn parse_from_zero(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0);
    number.ok_or_else(|| "expected a number from 0".to_owned())
}

fn parse_pue(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|v: &f64| (1.0..=10.0).contains(v));
    number.ok_or_else(|| "expected a number from 1 to 10".to_owned())
}

fn parse_zone(text: &str) -> Result<(String, String), String> {
    let (name, power) = text.split_once('=').ok_or("expected NAME=WATTS or NAME=FILE, as in package-0=65")?;
    Ok((name.to_owned(), power.to_owned()))
}

fn parse_meter(text: &str) -> Result<MeterArg, String> {
    let parts = text.split_once('=').filter(|(name, place)| !name.is_empty() && !place.is_empty());
    let (name, place) = parts.ok_or("expected NAME=FILE or NAME=!COMMAND, as in wall=!./read_meter")?;
    let (is_command, place) = place.strip_prefix('!').map_or((false, place), |command| (true, command));
    Ok(MeterArg { name: name.to_owned(), is_command, place: place.to_owned() })
}

fn parse_node(text: &str) -> Result<NodeArg, String> {
    let (kind, command) = text.split_once(':').map_or((text, None), |(kind, command)| (kind, Some(command)));
    match (kind, command.filter(|c| !c.is_empty())) {
        ("ipmi", command) => Ok(NodeArg { is_redfish: false, command: command.map(str::to_owned) }),
        ("redfish", Some(command)) => Ok(NodeArg { is_redfish: true, command: Some(command.to_owned()) }),
        _ => Err("expected ipmi, ipmi:COMMAND or redfish:COMMAND".to_owned()),
    }
}
