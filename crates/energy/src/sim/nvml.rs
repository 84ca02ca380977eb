//! NVIDIA boards driven by profiles, with the registers that real ones have.

use super::profile::Profile;
use crate::clock::Clock;
use crate::sensor::nvml::{Boards, NvmlError};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A simulated board. As JSON all fields but `profile` may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimBoard {
    /// Product name.
    #[serde(default = "product")]
    pub name: String,
    /// Its power.
    pub profile: Profile,
    /// Whether it has an energy counter.
    #[serde(default = "yes")]
    pub has_counter: bool,
    /// Whether it has a power register.
    #[serde(default = "yes")]
    pub has_power: bool,
    /// Time between updates of counter and register, s.
    #[serde(default = "period")]
    pub period_s: f64,
    /// What the register averages, s.
    #[serde(default = "window")]
    pub window_s: f64,
    /// When the first update happens, s.
    #[serde(default)]
    pub phase_s: f64,
    /// Enforced power limit, W.
    #[serde(default = "limit")]
    pub limit_w: f64,
}

fn product() -> String {
    "Simulated board".to_owned()
}

fn yes() -> bool {
    true
}

fn period() -> f64 {
    0.1
}

fn window() -> f64 {
    0.025
}

fn limit() -> f64 {
    400.0
}

impl SimBoard {
    /// A board with all that real ones have.
    pub fn new(profile: Profile) -> Self {
        Self {
            name: product(),
            profile,
            has_counter: true,
            has_power: true,
            period_s: period(),
            window_s: window(),
            phase_s: 0.0,
            limit_w: limit(),
        }
    }

    /// Moment of the last update, s.
    fn updated_s(&self, t_s: f64) -> f64 {
        if self.period_s <= 0.0 {
            return t_s;
        }
        ((t_s - self.phase_s) / self.period_s + 1e-6).floor() * self.period_s + self.phase_s
    }

    /// Energy counter, mJ; begins at 1 kJ.
    pub fn energy_mj(&self, t_s: f64) -> u64 {
        ((1000.0 + self.profile.energy_until(self.updated_s(t_s))) * 1e3).max(0.0) as u64
    }

    /// Power register, mW: the mean over the window before the last update.
    pub fn power_mw(&self, t_s: f64) -> u32 {
        (self.profile.mean_w(self.updated_s(t_s), self.window_s.max(1e-6)) * 1e3).round() as u32
    }
}

/// Simulated boards on a clock, in the place of the driver's library.
pub struct SimBoards {
    boards: Vec<SimBoard>,
    clock: Arc<dyn Clock>,
}

impl SimBoards {
    /// Boards whose profiles begin at time 0 of the clock.
    pub fn new(boards: Vec<SimBoard>, clock: Arc<dyn Clock>) -> Self {
        Self { boards, clock }
    }

    fn board(&self, index: u32, function: &'static str) -> Result<&SimBoard, NvmlError> {
        self.boards.get(index as usize).ok_or(refused(function, 2, "Invalid Argument"))
    }
}

fn refused(function: &'static str, code: i32, text: &str) -> NvmlError {
    NvmlError::Refused { function, code, text: text.to_owned() }
}

impl Boards for SimBoards {
    fn count(&self) -> Result<u32, NvmlError> {
        Ok(self.boards.len() as u32)
    }

    fn name(&self, index: u32) -> Result<String, NvmlError> {
        Ok(self.board(index, "nvmlDeviceGetName")?.name.clone())
    }

    fn energy_mj(&self, index: u32) -> Result<u64, NvmlError> {
        let function = "nvmlDeviceGetTotalEnergyConsumption";
        let board = self.board(index, function)?;
        if board.has_counter {
            Ok(board.energy_mj(self.clock.now_s()))
        } else {
            Err(refused(function, 3, "Not Supported"))
        }
    }

    fn power_mw(&self, index: u32) -> Result<u32, NvmlError> {
        let function = "nvmlDeviceGetPowerUsage";
        let board = self.board(index, function)?;
        if board.has_power {
            Ok(board.power_mw(self.clock.now_s()))
        } else {
            Err(refused(function, 3, "Not Supported"))
        }
    }

    fn limit_mw(&self, index: u32) -> Result<u32, NvmlError> {
        Ok((self.board(index, "nvmlDeviceGetEnforcedPowerLimit")?.limit_w * 1e3) as u32)
    }
}
