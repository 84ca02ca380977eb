//! A simulated counter as a sensor of its own, without a tree on disk.

use super::powercap::SimZone;
use crate::clock::Clock;
use crate::sensor::{Description, Domain, Reading, Scale, Sensor, SensorError};
use std::sync::Arc;

/// A zone read on a clock whose time 0 is the beginning of the zone's profile.
pub struct SimCounter {
    zone: SimZone,
    description: Description,
    clock: Arc<dyn Clock>,
}

impl SimCounter {
    /// A sensor named as the zone.
    pub fn new(zone: SimZone, ceiling_w: f64, clock: Arc<dyn Clock>) -> Self {
        let description = Description {
            name: zone.name.clone(),
            domain: Domain::of_name(&zone.name),
            source: "simulator".to_owned(),
            scale: Scale::Counter {
                quantum_j: zone.quantum_uj as f64 * 1e-6,
                range_j: zone.range_uj.map(|uj| uj as f64 * 1e-6),
                period_s: zone.period_s,
            },
            ceiling_w,
            note: String::new(),
        };
        Self { zone, description, clock }
    }
}

impl Sensor for SimCounter {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&mut self) -> Result<Reading, SensorError> {
        let now_s = self.clock.now_s();
        if self.zone.vanishes_s.is_some_and(|end| now_s >= end) {
            let (what, reason) = (self.zone.name.clone(), "as the scenario says".to_owned());
            return Err(SensorError::Gone { what, reason });
        }
        Ok(Reading::Joules(self.zone.counter_uj(now_s) as f64 * 1e-6))
    }
}
