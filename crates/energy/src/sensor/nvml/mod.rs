//! NVIDIA boards through NVML: the energy counter where there is one, else the power register.
//!
//! The register of A100 and H100 boards averages 25 ms of every 100 ms: Yang, Adamek and Armour, "Part-time Power
//! Measurements: nvidia-smi's Lack of Attention", SC 2024, arXiv:2312.02741. Boards that are not known to see all of
//! the time are taken to see as little.

pub mod library;

use super::{Description, Domain, Reading, Scale, Sensor, SensorError, Unreadable};
use std::sync::Arc;

/// Time between updates of counter and register unless it is seen to be otherwise, s.
const PERIOD_S: f64 = 0.1;

/// What a register of unknown kind is taken to average, s: the shortest window of the study above on current boards.
const WINDOW_S: f64 = 0.025;

/// Worst-case power where the board does not tell its limit, W.
const CEILING_W: f64 = 1500.0;

/// Short peaks may exceed the enforced limit, which holds for averages.
const OVER_LIMIT: f64 = 1.25;

/// Why NVML gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NvmlError {
    /// There is no library; not an error on a machine without boards.
    #[error("{library} is not found by the loader ({reason}); it comes with NVIDIA's driver")]
    Missing {
        /// Name that was asked for.
        library: String,
        /// The loader's words.
        reason: String,
    },
    /// The library lacks a function.
    #[error("{library} has no function {function}")]
    NoFunction {
        /// The library.
        library: String,
        /// The function.
        function: &'static str,
    },
    /// The library answered with an error.
    #[error("{function} answers {code}: {text}")]
    Refused {
        /// The function.
        function: &'static str,
        /// NVML's return code.
        code: i32,
        /// Its text.
        text: String,
    },
}

impl NvmlError {
    /// Whether the board simply has no such sensor.
    fn is_unsupported(&self) -> bool {
        matches!(self, Self::NoFunction { .. } | Self::Refused { code: 3, .. })
    }

    fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { code: 4, .. })
    }
}

/// What is asked of NVML; the simulator answers it too.
pub trait Boards: Send + Sync {
    /// Number of boards.
    fn count(&self) -> Result<u32, NvmlError>;
    /// Product name.
    fn name(&self, index: u32) -> Result<String, NvmlError>;
    /// Energy counter, mJ.
    fn energy_mj(&self, index: u32) -> Result<u64, NvmlError>;
    /// Power register, mW.
    fn power_mw(&self, index: u32) -> Result<u32, NvmlError>;
    /// Enforced power limit, mW.
    fn limit_mw(&self, index: u32) -> Result<u32, NvmlError>;
}

/// One board.
pub struct Board {
    boards: Arc<dyn Boards>,
    index: u32,
    description: Description,
}

/// The boards' sensors, those that cannot be read, and an error if not even their number is known.
pub fn discover(boards: &Arc<dyn Boards>) -> (Vec<Board>, Vec<Unreadable>, Option<NvmlError>) {
    let count = match boards.count() {
        Ok(count) => count.min(MOST_BOARDS),
        Err(error) => return (Vec::new(), Vec::new(), Some(error)),
    };
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    for index in 0..count {
        let product = boards.name(index).unwrap_or_else(|_| "unnamed board".to_owned());
        let limit_w = boards.limit_mw(index).ok().filter(|&mw| mw > 0).map(|mw| f64::from(mw) * 1e-3);
        let description = |scale, what: &str, note| Description {
            name: format!("gpu-{index}"),
            domain: Domain::Gpu,
            source: format!("nvml {what} of board {index}, {product}"),
            scale,
            ceiling_w: limit_w.map_or(CEILING_W, |w| OVER_LIMIT * w),
            note,
        };
        let counter = boards.energy_mj(index);
        if counter.is_ok() {
            let scale = Scale::Counter { quantum_j: 1e-3, range_j: None, period_s: PERIOD_S };
            let description = description(scale, "energy counter", String::new());
            found.push(Board { boards: boards.clone(), index, description });
            continue;
        }
        match boards.power_mw(index) {
            Ok(_) => {
                let scale = Scale::Power { quantum_w: 1e-3, period_s: PERIOD_S, window_s: WINDOW_S };
                let note = "no energy counter, so power is sampled; its register is taken to average 25 ms of each \
                            period, and what may happen unseen is in the interval"
                    .to_owned();
                let description = description(scale, "power register", note);
                found.push(Board { boards: boards.clone(), index, description });
            }
            Err(error) => {
                let error = if error.is_unsupported() { error } else { counter.err().unwrap_or(error) };
                let fix = if error.is_denied() {
                    "; ask the administrator to lift the driver's restriction on profiling"
                } else {
                    ""
                };
                let description =
                    description(Scale::Power { quantum_w: 0.0, period_s: 0.0, window_s: 0.0 }, "energy", String::new());
                unreadable.push(Unreadable {
                    name: description.name,
                    domain: Domain::Gpu,
                    source: description.source,
                    reason: format!("{product} tells neither energy nor power: {error}{fix}"),
                });
            }
        }
    }
    (found, unreadable, None)
}

/// More boards than any node has; a greater number is damage.
const MOST_BOARDS: u32 = 256;

impl Sensor for Board {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        let reading = match self.description.scale {
            Scale::Counter { .. } => self.boards.energy_mj(self.index).map(|mj| Reading::Joules(mj as f64 * 1e-3)),
            Scale::Power { .. } => self.boards.power_mw(self.index).map(|mw| Reading::Watts(f64::from(mw) * 1e-3)),
        };
        reading.map_err(|error| SensorError::Gone { what: self.description.source.clone(), reason: error.to_string() })
    }
}
