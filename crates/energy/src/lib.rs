//! Energy of programs: meters, regions, and joules that say where they come from and how sure they are.
//!
//! Sensors ([`sensor`]) are read at the borders of regions ([`recorder`], [`meter`]); running accounts ([`track`]) put
//! wraps right and bound what a sensor cannot see; every number ([`energy::Energy`]) has a provenance and an interval,
//! and what was not measured is never zero. [`sim`] is a deterministic simulator of sensors with exactly known energy.

pub mod attribution;
pub mod border;
pub mod carbon;
pub mod clock;
pub mod compare;
pub mod energy;
pub mod export;
pub mod fleet;
pub mod merge;
pub mod meter;
pub mod model;
pub mod probe;
pub mod provenance;
pub mod recorder;
pub mod region;
pub mod repeat;
pub mod report;
pub mod sensor;
pub mod sim;
pub mod statistics;
pub mod trace;
pub mod track;

pub use clock::{Clock, SystemClock};
pub use energy::Energy;
pub use meter::Meter;
pub use provenance::Provenance;
pub use recorder::{Recorder, Settings};
pub use region::{DomainEnergy, Region, RegionKind};
pub use report::Report;
