//! A deterministic simulator of sensors: power profiles with exactly known energy, a powercap tree on disk, NVML
//! boards, and a clock that moves only when it is told to.

pub mod clock;
pub mod nvml;
pub mod powercap;
pub mod profile;
pub mod zone;
