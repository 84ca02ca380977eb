//! The boards and their time.

use regiscope_energy::sim::nvml::SimBoard;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Variable that names the file of boards.
pub const VARIABLE: &str = "REGISCOPE_FAKE_NVML";

/// The file of boards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boards {
    /// The boards.
    pub boards: Vec<SimBoard>,
    /// When profiles begin, seconds since 1970; the first initialisation if left out.
    #[serde(default)]
    pub start_unix_s: Option<f64>,
}

impl Boards {
    /// Seconds since the profiles began.
    pub fn now_s(&self) -> f64 {
        unix_s() - self.start_unix_s.unwrap_or(0.0)
    }
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// The boards of this process; `None` where there is no sound file.
pub fn of_process() -> Option<&'static Boards> {
    static BOARDS: OnceLock<Option<Boards>> = OnceLock::new();
    let load = || {
        let text = std::fs::read_to_string(std::env::var_os(VARIABLE)?).ok()?;
        let mut boards: Boards = serde_json::from_str(&text).ok()?;
        boards.start_unix_s.get_or_insert_with(unix_s);
        boards.boards.iter().all(|b| b.profile.check().is_ok()).then_some(boards)
    };
    BOARDS.get_or_init(load).as_ref()
}
