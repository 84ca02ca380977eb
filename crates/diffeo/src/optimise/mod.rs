//! The inexact Gauss-Newton-Krylov method and its continuation over grids, scales and weights.

pub mod checkpoint;
pub mod data_term;
pub mod forcing;
pub mod images;
pub mod krylov;
pub mod line_search;
pub mod memory;
pub mod newton;
pub mod observer;
pub mod precondition;
pub mod presets;
pub mod reduction;
pub mod register;
pub mod relax;
pub mod settings;
mod stage;
mod weight;

pub use checkpoint::{Checkpoint, CheckpointError, Snapshot};
pub use images::{Images, ImagesError};
pub use observer::{Observer, Outcome, Progress, Solution, Work};
pub use precondition::Choice;
pub use presets::Preset;
pub use register::{RegisterError, Start, register};
pub use settings::{Settings, SettingsError, Stage, Weight};
