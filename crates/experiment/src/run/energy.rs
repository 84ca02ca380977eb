//! The energy of a run as its record keeps it.

use regiscope_energy::meter::OpenRegion;
use regiscope_energy::{Energy, Meter};
use serde_json::{Value, json};

/// A run that has not ended, or was killed.
pub fn unfinished() -> Value {
    unmeasured("the run has not ended")
}

/// Ends the run's region: domains, total, and why a number is missing. Unmeasured without a meter.
pub fn used(meter: Option<&Meter>, region: Option<OpenRegion<'_>>) -> Value {
    let (Some(meter), Some(region)) = (meter, region) else {
        return unmeasured("the run was given no meter");
    };
    let region = region.end();
    let mut messages = meter.with(|recorder| recorder.messages());
    messages.extend(region.messages.iter().cloned());
    json!({"total": region.total.energy, "domains": region.domains, "messages": messages})
}

fn unmeasured(reason: &str) -> Value {
    json!({"total": Energy::UNMEASURED, "domains": [], "messages": [format!("energy is unmeasured because {reason}")]})
}
